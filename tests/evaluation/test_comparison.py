"""An opened results folder: only rows that are of its data set, its split and their own masks count."""

import json
import shutil
from dataclasses import replace

import pytest

from afl_core.data.layouts import load_cohort
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.facts import lesions_sentences
from afl_core.evaluation.job import EVERY, job_status, start_job
from afl_core.evaluation.pipeline import mask_path
from afl_core.evaluation.results import CASES, LESIONS, Results
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import MaskSource


@pytest.fixture
def made(cohort, masks, tmp_path):
    """Results of the four cases, measured and described."""
    results, sources = Results(tmp_path / "results"), (MaskSource("A", masks), MaskSource("B", masks))
    opened = load_cohort(cohort)
    results.describe_cohort(opened, sources)
    evaluate_into(results, opened.cases, sources)
    return results


def test_a_case_whose_files_are_gone_is_in_no_number(made, cohort):
    shutil.rmtree(cohort / "HGG" / "Case_B")
    opened = open_comparison(made.folder)
    assert sorted(opened.rows["case_id"].unique()) == ["Case_A", "Case_C", "Case_D"]
    assert sorted(opened.lesions["case_id"].unique()) == ["Case_A", "Case_C", "Case_D"]
    assert opened.left_out == ("Case_B",)
    (said,) = opened.left_out_sentences
    assert said.startswith("1 measured case is in no number here")
    assert len(made.cases()) == 8  # nothing is thrown away: the files may come back


def test_a_case_whose_reference_is_gone_is_in_no_number(made, cohort):
    (cohort / "HGG" / "Case_B" / "Case_B_seg.nii.gz").unlink()
    assert open_comparison(made.folder).left_out == ("Case_B",)


def test_a_data_set_that_is_gone_leaves_the_rows(made, cohort):
    shutil.rmtree(cohort)
    opened = open_comparison(made.folder)
    assert len(opened.rows) == 8
    assert (opened.cohort, opened.left_out) == (None, ())
    assert "is not where it was measured" in opened.problem


def test_a_split_counts_alone_and_a_later_description_keeps_it(made, cohort, masks):
    whole = load_cohort(cohort)
    made.describe_cohort(whole, (MaskSource("A", masks),), cases=["Case_D"])
    made.describe_cohort(whole, (MaskSource("A", masks),))
    opened = open_comparison(made.folder)
    assert opened.rows["case_id"].unique().tolist() == ["Case_D"]
    assert [case.case_id for case in opened.cohort.cases] == ["Case_D"]
    assert len(opened.whole.cases) == 4


def test_measure_every_case_measures_those_of_the_split(cohort, masks, tmp_path):
    results, sources = Results(tmp_path / "results"), (MaskSource("A", masks),)
    results.describe_cohort(load_cohort(cohort), sources, cases=["Case_C", "Case_D"])
    start_job(results, data=cohort, case_id=EVERY, sources=sources)
    while (status := job_status(results, EVERY)).state == "running":
        pass
    assert status.state == "finished", status.message
    assert results.cases()["case_id"].tolist() == ["Case_C", "Case_D"]


def test_the_mask_of_a_row_is_the_one_that_was_measured(made):
    opened = open_comparison(made.folder)
    path = mask_path(made.folder, "A", "Case_A")
    assert opened.mask("Case_A", "A") == path
    path.write_bytes(mask_path(made.folder, "A", "Case_C").read_bytes())
    with pytest.raises(DataError, match="is not the one that was measured"):
        opened.mask("Case_A", "A")
    path.unlink()
    with pytest.raises(DataError, match="The stored mask of A on Case_A is gone"):
        opened.mask("Case_A", "A")
    with pytest.raises(DataError, match="C has no result on Case_A"):
        opened.mask("Case_A", "C")


def test_a_folder_that_is_none_says_so(tmp_path):
    with pytest.raises(UsageError, match="not a results folder"):
        open_comparison(tmp_path)
    Results(tmp_path / "bare").add([])
    with pytest.raises(DataError, match="no data or sources"):
        open_comparison(tmp_path / "bare")


@pytest.mark.parametrize(
    ("table", "column"), [(CASES, "dsc"), (CASES, "reference_volume_ml"), (LESIONS, "volume_ml"), (LESIONS, "x")]
)
def test_a_table_without_what_pages_need_is_damaged(made, table, column):
    import pandas as pd

    path = made.folder / table
    pd.read_parquet(path).drop(columns=[column]).to_parquet(path, index=False)
    with pytest.raises(DataError, match=rf"{table} is damaged \(received: no column {column}\)"):
        open_comparison(made.folder)


@pytest.mark.parametrize("how", ["text", "null", "infinite", "twice"])
def test_a_table_with_values_of_another_kind_is_damaged(made, how):
    import pandas as pd

    path = made.folder / CASES
    table = pd.read_parquet(path)
    if how == "twice":
        table = pd.concat([table, table])
    else:
        table["dsc"] = {"text": "high", "null": None, "infinite": float("inf")}[how]
    table.to_parquet(path, index=False)
    with pytest.raises(DataError, match=r"cases\.parquet is damaged"):
        open_comparison(made.folder)


@pytest.mark.parametrize(
    ("section", "value"),
    [
        (("data", "path"), 3),
        (("data", "skipped"), []),
        (("sources", "A", "kind"), "model"),
        (("sources", "../A"), {"kind": "masks", "path": "x", "files": 1}),
        (("settings", "nsd_tolerance_mm"), -1),
        (("settings", "nsd_tolerance_mm"), float("nan")),
        (("problems",), {"a": "b"}),
        (("missing",), {"A": "all"}),
        (("empty_masks",), {"A": {"both": "x"}}),
        (("empty_masks",), {"A": {"bCth": 1}}),
        (("data", "patients"), {"of": {"a": ["x"]}, "how": "by hand"}),
        (("data", "patients"), {"of": {"a": " "}}),
        (("data", "patients"), {"of": {}, "how": 3}),
        (("metrics", "dsc"), {"label": 1}),
        (("versions",), ["numpy"]),
        (("updated",), {}),
    ],
)
def test_an_edited_manifest_is_one_message(made, section, value):
    manifest = json.loads((made.folder / "manifest.json").read_text())
    place = manifest
    for key in section[:-1]:
        place = place[key]
    place[section[-1]] = value
    (made.folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r"results/manifest\.json is damaged") as caught:
        open_comparison(made.folder)
    assert section[0] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rows_are_in_the_order_in_which_the_sources_were_given(cohort, masks, tmp_path):
    results, sources = Results(tmp_path / "results"), (MaskSource("z last", masks), MaskSource("a first", masks))
    opened = load_cohort(cohort)
    results.describe_cohort(opened, sources)
    evaluate_into(results, opened.cases, sources)
    comparison = open_comparison(results.folder)
    assert comparison.sources == ("z last", "a first")
    assert comparison.rows["source"].tolist() == ["z last", "a first"] * 4
    assert list(dict.fromkeys(comparison.lesions["source"])) == ["z last", "a first"]
    assert [said.partition(":")[0] for said in lesions_sentences(comparison)] == ["z last", "a first"]


def test_false_positives_stand_beside_the_lesions_found(made):
    comparison = open_comparison(made.folder)
    counts = {"lesion_tp": 2, "lesion_fn": 1, "lesion_fp": 3}
    said = lesions_sentences(replace(comparison, rows=comparison.rows.assign(**counts)))
    assert said[0] == "A: 8 of 12 lesions found; false positives: 12 in 4 of 4 cases, 3.00 a case"
    assert lesions_sentences(replace(comparison, rows=comparison.rows.drop(columns="lesion_fp"))) == ()
