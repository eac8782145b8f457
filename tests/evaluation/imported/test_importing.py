"""Tables in the exact forms of other tools become results, with means that are computed by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_imports import DICE, write_nnunet

from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.analysis.breakdown.overall import overall
from afl_core.base import paths
from afl_core.data.formats.files import save_volume
from afl_core.data.layouts import DataOptions
from afl_core.errors import AflError, DataError, UsageError
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.imported.importing import Request, import_tables, parse_files
from afl_core.evaluation.imported.values import Choice, parse_metric
from afl_core.evaluation.results import Results

AUDIT = """ID,region,model,dice,haus,jacc
p1,BKG,nn_unet,0.99,3.0,0.98
p1,EDE,nn_unet,0.8,10.0,0.667
p2,BKG,nn_unet,0.99,2.0,0.98
p2,EDE,nn_unet,0.6,,0.429
p1,BKG,mednext,0.98,4.0,0.96
p1,EDE,mednext,0.9,6.0,0.818
p2,BKG,mednext,0.98,4.0,0.96
p2,EDE,mednext,0.7,12.0,0.538
"""

PANOPTICA = (
    "subject_name\tlesion-tp\tlesion-fp\tlesion-fn\tlesion-rq\tlesion-sq\tlesion-pq\tlesion-global_bin_dsc\t"
    "lesion-computation_time\n"
    "BraTS-MET-1\t2\t0\t0\t1.0\t0.8\t0.8\t0.9\t0.1\n"
    "BraTS-MET-1-lesion_inst_0\t1\t\t\t\t\t\t\t\n"
    "BraTS-MET-2\t1\t1\t0\t0.5\t0.6\t0.3\t0.5\t0.1\n"
    "BraTS-MET-3\t0\t0\t0\tnan\tnan\tnan\tinf\t0.1\n"
)

BRATS = (
    "Labels,Num_TP,Num_FP,Num_FN,Sensitivity,Specificity,Legacy_Dice,Legacy_HD95,GT_Complete_Volume,"
    "LesionWise_Score_Dice,LesionWise_Score_HD95\n"
    "WT,1,{fp},0,0.9,0.99,0.93,2.0,{mm3},{lesionwise},374.0\n"
    "TC,1,0,0,0.9,0.99,0.8,2.0,900.0,0.7,3.0\n"
)


@pytest.fixture(autouse=True)
def own_index(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "INDEX", tmp_path / "index")


def means(opened):
    """Label of each metric to the mean of each source."""
    metrics = overall((opened.rows, opened.lesions), opened.manifest, Options(pool_seeds=False))
    return {m.units.measure.label: m.means.to_dict() for m in metrics}


def imported(tmp_path, *files, **settings):
    return open_comparison(
        import_tables(Request(parse_files([str(f) for f in files]), **settings), tmp_path / "out").folder
    )


@pytest.fixture
def nnunet(tmp_path):
    return write_nnunet(tmp_path / "FL" / "summary.json"), write_nnunet(tmp_path / "AFL" / "summary.json", gain=0.1)


def test_nnunet_summaries_are_a_source_each_with_the_means_of_their_cases(tmp_path, nnunet):
    opened = imported(tmp_path, nnunet[0], f"A-FL={nnunet[1]}", voxel_mm3=10)
    assert opened.sources == ("FL", "A-FL")
    assert means(opened)["Dice (nnU-Net)"] == pytest.approx({"FL": 0.65, "A-FL": 0.75})  # 3.9 / 6, without the NaN
    iou = sum(d / (2 - d) for d in DICE.values()) / 6
    assert means(opened)["IoU (nnU-Net)"]["FL"] == pytest.approx(iou)
    assert opened.rows.set_index(["case_id", "source"]).loc[("c", "FL"), "reference_volume_ml"] == pytest.approx(3.0)


def test_breakdown_of_nnunet_has_the_bins_and_means_that_were_computed_by_hand(tmp_path, nnunet):
    opened = imported(tmp_path, *nnunet, voxel_mm3=10)
    breakdown = choose_breakdown((opened.rows, opened.lesions), opened.manifest, Options())
    # Volumes 1, 2, 3, 4, 5, 6 ml: the edges are their 1/3 and 2/3 quantiles, 1 + 5/3 and 1 + 10/3.
    assert breakdown.binnings[0].edges == pytest.approx((1 + 5 / 3, 1 + 10 / 3))
    records = breakdown.records[(breakdown.records["axis"] == "size") & (breakdown.records["source"] == "FL")]
    found = records.drop_duplicates("bin").set_index("bin")["mean"]
    assert found[["small", "medium", "large"]].tolist() == pytest.approx([0.55, 0.8, 0.6])
    assert breakdown.units.measure.label == "Dice (nnU-Net)"
    assert breakdown.units.left_out == {"metric undefined": 1}
    assert any("roughness" in why for why in breakdown.unbinned)


def test_without_the_volume_of_a_voxel_there_is_no_size_and_it_is_said(tmp_path, nnunet):
    opened = imported(tmp_path, *nnunet)
    breakdown = choose_breakdown((opened.rows, opened.lesions), opened.manifest, Options())
    assert breakdown.binnings == ()
    assert len(breakdown.unbinned) == 2
    from afl_core.evaluation.caveats import notes

    assert any("neither volume nor roughness" in note for note in notes(opened.manifest, opened.rows))


def test_audit_takes_the_region_that_is_chosen_and_its_models(tmp_path):
    (tmp_path / "m.csv").write_text(AUDIT)
    with pytest.raises(UsageError, match=r"several regions.*'BKG', 'EDE'"):
        imported(tmp_path, tmp_path / "m.csv")
    opened = imported(tmp_path, tmp_path / "m.csv", region="EDE")
    assert means(opened)["Dice (AUDIT)"] == pytest.approx({"nn_unet": 0.7, "mednext": 0.8})
    # p2 has no distance with nn_unet, so that p1 alone is compared.
    assert means(opened)["Hausdorff distance (AUDIT)"] == pytest.approx({"nn_unet": 10.0, "mednext": 6.0})
    assert opened.manifest.metrics["audit.haus"].better == "lower"
    assert opened.manifest.metrics["audit.haus"].unit == "mm"


def test_panoptica_leaves_instances_out_and_takes_infinity_for_nothing(tmp_path):
    (tmp_path / "net.tsv").write_text(PANOPTICA)
    opened = imported(tmp_path, tmp_path / "net.tsv")
    assert list(opened.rows["case_id"]) == ["BraTS-MET-1", "BraTS-MET-2", "BraTS-MET-3"]
    found = means(opened)
    assert found["Panoptic quality (panoptica)"]["net"] == pytest.approx(0.55)
    assert found["Dice (panoptica)"]["net"] == pytest.approx(0.7)
    assert found["False positive instances (panoptica)"]["net"] == pytest.approx(1 / 3)
    assert not any("computation" in label for label in found)


def test_a_folder_of_the_brats_package_is_a_model_with_a_case_a_file(tmp_path):
    for model, lesionwise in (("A", (0.4, 0.6)), ("B", (0.5, 0.9))):
        (tmp_path / model).mkdir()
        for k, value in enumerate(lesionwise):
            text = BRATS.format(fp=k, mm3=1000.0 * (k + 1), lesionwise=value)
            (tmp_path / model / f"BraTS-GLI-0000{k}.csv").write_text(text)
    opened = imported(tmp_path, tmp_path / "A", tmp_path / "B", region="WT")
    assert means(opened)["Lesion-wise Dice (BraTS)"] == pytest.approx({"A": 0.5, "B": 0.7})
    assert means(opened)["False positive lesions (BraTS)"] == pytest.approx({"A": 0.5, "B": 0.5})
    assert sorted(set(opened.rows["reference_volume_ml"])) == pytest.approx([1.0, 2.0])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_any_wide_table_with_chosen_columns(tmp_path, mark, encoding):
    rows = (
        ("Patient", "net", "myDSC", "ml"),
        ("p1", "x", "0.2", "1"),
        ("p2", "x", "0.4", "2"),
        ("p1", "y", "0.6", "1"),
    )
    (tmp_path / "t.csv").write_text("\n".join(mark.join(row) for row in rows), encoding=encoding)
    choice = Choice((parse_metric("myDSC=higher"),), "Patient", "net", size="ml")
    opened = imported(tmp_path, tmp_path / "t.csv", tool="deepmind", choice=choice)
    assert means(opened)["myDSC (deepmind)"] == pytest.approx({"x": 0.2, "y": 0.6})  # of p1, which both have
    assert opened.manifest.missing == {"y": ("p2",)}


CASES = "case_id,d\nP01,0.2\nP25,0.4\nP03,0.6\nP04,0.8\n"


def test_rows_that_sum_up_others_are_no_cases_and_it_is_said(tmp_path):
    sums = (
        "Average",
        "MEDIAN",
        "25quantile",
        "75th percentile",
        "95%",
        "q1",
        "std.",
        "Mean (SD)",
        "min",
        "max",
        "All cases",
    )
    (tmp_path / "A.csv").write_text(CASES + "".join(f"{name},0.9\n" for name in sums))
    (tmp_path / "B.csv").write_text(CASES.replace("0.2", "0.3"))
    choice = Choice((parse_metric("d=higher"),))
    opened = imported(tmp_path, tmp_path / "A.csv", tmp_path / "B.csv", tool="mine", choice=choice)
    assert means(opened) == {"d (mine)": pytest.approx({"A": 0.5, "B": 0.525})}
    assert set(opened.rows["case_id"]) == {"P01", "P25", "P03", "P04"}
    assert set(opened.manifest.data.skipped) == set(sums)
    assert opened.manifest.missing == {}


def test_rows_that_sum_up_others_are_told_in_every_form_whose_cells_name_cases(tmp_path):
    (tmp_path / "audit.csv").write_text(AUDIT + "Mean,EDE,nn_unet,0.1,1,0.1\n")
    (tmp_path / "panoptica.tsv").write_text(PANOPTICA + "average\t1\t0\t0\t1.0\t0.8\t0.8\t0.1\t0.1\n")
    (tmp_path / "net").mkdir()
    for name in ("BraTS-1", "mean"):
        (tmp_path / "net" / f"{name}.csv").write_text(BRATS.format(fp=0, mm3=1000.0, lesionwise=0.4))
    for k, (file, region, left) in enumerate(
        (("audit.csv", "EDE", "Mean"), ("panoptica.tsv", "", "average"), ("net", "WT", "mean"))
    ):
        (tmp_path / str(k)).mkdir()
        opened = imported(tmp_path / str(k), tmp_path / file, region=region)
        assert list(opened.manifest.data.skipped) == [left]
        assert left not in set(opened.rows["case_id"])


@pytest.mark.parametrize("names", [("Anna", "Max"), ("mean", "std"), ("q1", "q2", "q3")])
def test_what_may_be_a_case_or_sum_up_others_is_refused(tmp_path, names):
    (tmp_path / "t.csv").write_text("case_id,d\n" + "".join(f"{name},0.5\n" for name in names))
    with pytest.raises(DataError, match=r"may be cases or sum up others.*Delete the rows"):
        imported(tmp_path, tmp_path / "t.csv", choice=Choice((parse_metric("d=higher"),)))


def test_masks_of_nnunet_are_cases_whatever_they_are_called(tmp_path):
    path = write_nnunet(tmp_path / "FL" / "summary.json")
    path.write_text(path.read_text().replace("/a.nii.gz", "/P1.nii.gz").replace("/b.nii.gz", "/all.nii.gz"))
    assert "all" in set(imported(tmp_path, path).rows["case_id"])


def test_a_long_table_has_a_row_a_metric(tmp_path):
    text = "case,model,metric,value\na,x,dsc,0.5\na,x,hd,3\nb,x,dsc,0.7\nb,x,hd,5\n"
    (tmp_path / "t.csv").write_text(text)
    choice = Choice(tuple(map(parse_metric, ("dsc=higher", "hd=lower:mm"))), "case", "model", metric="metric")
    found = means(imported(tmp_path, tmp_path / "t.csv", tool="mine", choice=choice))
    assert found == {"dsc (mine)": pytest.approx({"x": 0.6}), "hd (mine)": pytest.approx({"x": 4.0})}


def test_volume_and_roughness_come_from_references(tmp_path):
    voxels = {**{case_id: (10 + 2 * k) * 20 * 20 for k, case_id in enumerate("abcde")}, "f": 9}
    table = write_nnunet(tmp_path / "FL" / "summary.json", empty=False, voxels=voxels)
    for k, case_id in enumerate("abcde"):
        mask = np.zeros((40, 40, 40), dtype=bool)
        mask[5 : 15 + 2 * k, 5:25, 5:25] = True
        save_volume(tmp_path / "labels" / f"{case_id}.nii.gz", mask, np.eye(4))
    opened = imported(tmp_path, table, references=DataOptions().references(tmp_path / "labels"))
    rows = opened.rows.set_index("case_id")
    assert rows.loc["a", "reference_volume_ml"] == pytest.approx(10 * 20 * 20 / 1000)
    assert rows["roughness"].notna().all()
    assert set(rows.index) == set("abcde")
    assert "no reference" in opened.manifest.data.skipped["f"]


def test_references_of_another_region_are_refused(tmp_path):
    table = write_nnunet(tmp_path / "FL" / "summary.json", empty=False)
    save_volume(tmp_path / "labels" / "a.nii.gz", np.zeros((9, 9, 9), dtype=bool), np.eye(4))
    with pytest.raises(DataError, match="not of the table's region"):
        imported(tmp_path, table, references=DataOptions().references(tmp_path / "labels"))


@pytest.mark.parametrize(("size", "unit"), [("90", "voxels"), ("0.72", "ml"), ("720", "mm3")])
def test_a_size_tells_of_which_region_of_the_references_the_table_is(tmp_path, size, unit):
    """90 voxels of 8 mm3 are the core; with the shell the tumour has 270."""
    labels = np.zeros((12, 12, 12), dtype=np.uint8)
    labels[1:10, 1:7, 1:6], labels[1:10, 1:6, 1:3] = 1, 2
    save_volume(tmp_path / "labels" / "a.nii.gz", labels, np.diag((2, 2, 2, 1)))
    (tmp_path / "t.csv").write_text(f"case_id,d,size\na,0.5,{size}\n")
    choice = Choice((parse_metric("d=higher"),), size="size", size_unit=unit)
    coded = {"labels": "shell=1,core=2"}
    with pytest.raises(DataError, match="not of the table's region"):
        imported(
            tmp_path, tmp_path / "t.csv", choice=choice, references=DataOptions(**coded).references(tmp_path / "labels")
        )
    core = DataOptions(**coded, region="core").references(tmp_path / "labels")
    opened = imported(tmp_path, tmp_path / "t.csv", choice=choice, references=core)
    assert opened.rows["reference_volume_ml"].tolist() == pytest.approx([0.72])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("case_id,d\na,87.5\n", "lies between 0 and 1.*87.5 in a.*Divide"),
        ("case_id,d\na,-0.1\n", "lies between 0 and 1"),
        ("case_id,d\na,87 %\n", "something else than a number.*87 %"),
        ('case_id,d\na,"0,5"\n', "its numbers have a decimal comma, such as 0,5.*Write 0.5"),
        ("case_id,d\na,0.5\na,0.6\n", "has a twice"),
        ("case_id,d\n,0.5\n", "names no case"),
        ("case_id,d\na,nan\n", "no value"),
        ("case_id,d\n", "has column names and no row"),
        ("", "holds no row"),
        ("case_id,d,d\na,1,1\n", "column twice"),
        ("case_id,d\na,0.1,0.2\n", "more cells than columns"),
        ("who,d\na,0.5\n", "no column of t.csv of that name"),
    ],
)
def test_tables_that_cannot_be_are_refused_and_nothing_is_written(tmp_path, text, said):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(AflError, match=said):
        imported(tmp_path, tmp_path / "t.csv", format="table", choice=Choice((parse_metric("d=higher"),)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"results": {"all": []}}', '{"metric_per_case": []}', '{"metric_per_case": [3]}', "[" * 100_000,
     '{"metric_per_case": [{"metrics": {"1": {"Dice": [1]}}, "reference_file": "a.nii.gz"}]}',
     '{"metric_per_case": [{"metrics": {"1": {"Dice": "x"}}, "reference_file": "a.nii.gz"}]}'],
)  # fmt: skip
def test_json_of_another_form_is_refused(tmp_path, text):
    (tmp_path / "summary.json").write_text(text)
    with pytest.raises(DataError):
        imported(tmp_path, tmp_path / "summary.json")


def test_a_percentage_can_be_taken_with_its_unit(tmp_path):
    (tmp_path / "t.csv").write_text("case_id,d\na,80\nb,90\n")
    choice = Choice((parse_metric("d=higher:%"),))
    opened = imported(tmp_path, tmp_path / "t.csv", tool="mine", choice=choice)
    assert means(opened) == {"d (mine)": pytest.approx({"t": 85.0})}


@pytest.mark.parametrize("word", ["#N/A", "NULL", "?", "None", "-"])
def test_words_for_no_value_are_none_in_any_table(tmp_path, word):
    (tmp_path / "t.csv").write_text(f"case_id,d\nP1,0.2\nP2,{word}\nP3,0.4\n")
    opened = imported(tmp_path, tmp_path / "t.csv", tool="mine", choice=Choice((parse_metric("d=higher"),)))
    assert means(opened) == {"d (mine)": pytest.approx({"t": 0.3})}


def test_tables_of_two_tools_are_not_mixed(tmp_path, nnunet):
    (tmp_path / "m.csv").write_text(AUDIT)
    with pytest.raises(UsageError, match="several tools"):
        imported(tmp_path, nnunet[0], tmp_path / "m.csv", region="EDE")


def test_imported_and_measured_are_never_in_one_folder(tmp_path, nnunet):
    opened = imported(tmp_path, *nnunet)
    with pytest.raises(UsageError, match="holds results already"):
        imported(tmp_path, *nnunet)
    with pytest.raises(DataError, match="holds imported tables"):
        opened.results.describe(data=tmp_path, kind="plain", sources=[], skipped={})
    measured = Results(tmp_path / "measured")
    measured.describe(data=tmp_path, kind="plain", sources=[], skipped={})
    with pytest.raises(UsageError, match="holds results already"):
        import_tables(Request(parse_files([str(nnunet[0])])), measured.folder)


def test_the_manifest_declares_each_metric_with_its_origin_and_holds_none_of_ours(tmp_path, nnunet):
    opened = imported(tmp_path, *nnunet)
    record = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert record["metrics"]["nnunet.dice"]["label"] == "Dice (nnU-Net)"
    assert "Measured by nnU-Net" in record["metrics"]["nnunet.dice"]["definition"]
    assert set(record["metrics"]) == {"nnunet.dice", "nnunet.iou"}
    assert opened.rows["dsc"].isna().all()
    assert "without images and masks" in opened.problem
    assert "afl evaluate" in opened.problem


def test_lesions_are_refused_in_a_sentence(tmp_path, nnunet):
    opened = imported(tmp_path, *nnunet)
    with pytest.raises(UsageError, match="cases alone"):
        choose_breakdown((opened.rows, opened.lesions), opened.manifest, Options(level="lesion"))
    assert isinstance(opened.lesions, pd.DataFrame)
    assert math.isnan(opened.rows["roughness"].iloc[0])


def test_a_name_for_a_table_that_has_its_own_and_columns_of_a_known_tool_are_refused(tmp_path):
    (tmp_path / "m.csv").write_text(AUDIT)
    with pytest.raises(UsageError, match="names its models itself"):
        imported(tmp_path, f"mine={tmp_path / 'm.csv'}", region="EDE")
    choice = Choice((parse_metric("dice=higher"),), "ID", "model", "region")
    with pytest.raises(UsageError, match="no known tool alone"):
        imported(tmp_path, tmp_path / "m.csv", region="EDE", format="audit", choice=choice)
    opened = imported(tmp_path, tmp_path / "m.csv", region="EDE", tool="mine", choice=choice)
    assert means(opened) == {"dice (mine)": pytest.approx({"nn_unet": 0.7, "mednext": 0.8})}


def test_names_and_paths_of_files(tmp_path):
    (tmp_path / "a=b.csv").touch()
    whole = str(tmp_path / "a=b.csv")
    assert parse_files([whole, "FL=x.csv"]) == (("", Path(whole)), ("FL", Path("x.csv")))


MODELS = ("nnUNetTrainerFL__nnUNetPlans__3d_fullres", "nnUNetTrainerAFL_paper__nnUNetPlans__3d_fullres")


def write_folds(results):
    """Two models of nnU-Net with two folds each, of three cases; the second model is 0.1 better."""
    for model, gain in zip(MODELS, (0.0, 0.1), strict=True):
        table = write_nnunet(results / "all.json", gain=gain, empty=False)
        document = json.loads(table.read_text())
        for fold in (0, 1):
            path = results / model / f"fold_{fold}" / "validation" / "summary.json"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps({"metric_per_case": document["metric_per_case"][fold::2]}))
        table.unlink()


def test_summaries_of_folds_are_named_by_their_model_and_never_joined_over_models(tmp_path):
    write_folds(tmp_path / "Dataset501_A")
    first, second = (tmp_path / "Dataset501_A" / model for model in MODELS)
    opened = imported(tmp_path, *(m / f"fold_{k}/validation/summary.json" for m, k in ((first, 0), (second, 1))))
    assert opened.sources == ("FL 3d_fullres", "AFL_paper 3d_fullres")


def test_a_folder_of_nnunets_results_holds_the_summaries_of_its_models(tmp_path):
    write_folds(tmp_path / "Dataset501_A")
    found = means(imported(tmp_path, tmp_path / "Dataset501_A"))["Dice (nnU-Net)"]
    assert found == pytest.approx({"FL 3d_fullres": 0.65, "AFL_paper 3d_fullres": 0.75})


def test_a_model_of_nnunet_is_imported_with_all_of_its_folds_under_the_name_given(tmp_path):
    write_folds(tmp_path / "Dataset501_A")
    found = means(imported(tmp_path, f"A-FL={tmp_path / 'Dataset501_A' / MODELS[1]}"))["Dice (nnU-Net)"]
    assert found == pytest.approx({"A-FL": 0.75})


@pytest.mark.parametrize(
    ("text", "options", "column"),
    [
        ("case_id,dice,mm3\na,0.5,850\nb,0.6,1.001\n", {"size": "mm3", "size_unit": "mm3"}, "mm3"),
        ("case_id,dice,n\na,0.5,12\nb,0.6,1.001\n", {"metrics": (parse_metric("n=lower:count"),)}, "n"),
        (
            "case_id,m,value\na,n,12\nb,n,1.001\na,dice,0.5\nb,dice,0.6\n",
            {"metrics": (parse_metric("n=lower:count"),), "metric": "m"},
            "value, n",
        ),
    ],
)
def test_points_between_thousands_are_never_read_as_decimal_ones(tmp_path, text, options, column):
    (tmp_path / "t.csv").write_text(text)
    choice = Choice(**({"metrics": (parse_metric("dice=higher"),)} | options))
    with pytest.raises(DataError, match=r"can be read in two ways.*Write 1\.0010 where it is decimal, 1001 ") as error:
        import_tables(Request(parse_files([str(tmp_path / "t.csv")]), choice=choice), tmp_path / "out")
    assert f"(received: column {column})" in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["case_id|dice\na|0.5\nb|0.75\n", "case_id,dice\ra,0.5\rb,0.75\r"])
def test_tables_with_bars_and_with_the_line_ends_of_an_old_mac_are_imported(tmp_path, text):
    (tmp_path / "t.csv").write_bytes(text.encode())
    choice = Choice((parse_metric("dice=higher"),))
    rows = import_tables(Request(parse_files([str(tmp_path / "t.csv")]), choice=choice), tmp_path / "out").cases()
    assert rows.set_index("case_id")["table.dice"].to_dict() == {"a": 0.5, "b": 0.75}


@pytest.mark.parametrize(
    "given", [("X=t.csv", "Y=t.csv"), ("X=t.csv", "d/../t.csv"), ("t.csv", "."), ("X=t.csv", "link.csv")]
)
def test_a_table_is_imported_once_whatever_names_it_has(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("case_id,dice\na,0.5\n")
    (tmp_path / "d").mkdir()
    if "link.csv" in given:
        (tmp_path / "link.csv").symlink_to("t.csv")
    request = Request(parse_files(given), choice=Choice((parse_metric("dice=higher"),)))
    with pytest.raises(
        UsageError, match=r"The table (t|link)\.csv is given twice .*Give each table once, under one name"
    ):
        import_tables(request, tmp_path / "out")
    assert not (tmp_path / "out").exists()
