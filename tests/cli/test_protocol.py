"""`afl protocol`: what it prints and writes, and that one bad file never ends the others."""

import json
from functools import partial

import made_trees
import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from afl_core.metrics.protocols import PROTOCOLS

MM1 = np.eye(4)


def save(path, labels, affine=MM1):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(labels, affine), path)


def block(label=3, first=4, size=6):
    labels = np.zeros((30, 16, 16), np.uint8)
    labels[first : first + size, 4:10, 4:10] = label
    return labels


@pytest.fixture
def folders(tmp_path):
    """Three cases of a block of 216 voxels: found, shifted by three, missed; the third has a false lesion too."""
    predictions = {"a": block(), "b": block(first=7), "c": block(first=20)}
    for case, labels in predictions.items():
        save(tmp_path / "references" / f"{case}.nii.gz", block())
        save(tmp_path / "mine" / f"{case}.nii.gz", labels)
    return tmp_path


@pytest.fixture
def protocol(call):
    """`protocol(*arguments)` gives exit status, standard output and standard error."""
    return partial(call, "protocol")


def arguments(folders, *sources, references="references"):
    named = (f"{name}={folders / name}" for name in sources or ("mine",))
    return ("--references", folders / references, *(word for text in named for word in ("--source", text)))


def test_without_a_name_it_lists_all_with_their_sources(protocol):
    code, out, _ = protocol()
    assert code == 0
    assert all(rule.name in out and rule.source in out for rule in PROTOCOLS.values())
    listed = json.loads(protocol("--json")[1])["protocols"]
    assert {one["name"]: one["regions"] for one in listed}["brats2025_met"] == {
        "et": [3],
        "rc": [4],
        "tc": [1, 3],
        "wt": [1, 2, 3],
    }


def test_measures_every_case_and_region(protocol, folders):
    """Dice 1, 1/2 and 0; lesion-wise (1 + 1/2 + 0) / 3, the last over a missed and a false lesion."""
    code, out, err = protocol("brats2023_met", *arguments(folders), "--out", folders / "out")
    assert code == 0, err
    assert PROTOCOLS["brats2023_met"].source in err
    table = pd.read_csv(folders / "out" / "protocols" / "brats2023_met.csv")
    assert table[["case_id", "region"]].to_numpy().tolist() == [[c, r] for c in "abc" for r in ("wt", "tc", "et")]
    whole = table[table["region"] == "wt"].set_index("case_id")
    assert whole["dsc"].tolist() == [1, 0.5, 0]
    assert whole["lesion_dsc"].tolist() == [1, 0.5, 0]
    assert whole["lesion_hd95_mm"].tolist() == [0, 3, 374]
    assert whole[["tp", "fp", "fn"]].to_numpy().tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 1]]
    assert set(table["protocol"]) == {"brats2023_met"}
    (line,) = [line for line in out.splitlines() if line.split()[1:2] == ["wt"]]
    assert line.split()[2:] == ["3", "0.500", "125.67", "0.67", "0.33", "0.33", "0.00", "0.500", "6.33"]


def test_json_says_in_how_many_cases_a_value_is_defined(protocol, folders):
    save(folders / "references" / "d.nii.gz", block(size=0))
    save(folders / "mine" / "d.nii.gz", block(size=0))
    code, out, _ = protocol("brats2025_goat", *arguments(folders), "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["protocol"], document["source"]) == ("brats2025_goat", PROTOCOLS["brats2025_goat"].source)
    whole = document["rows"][0]
    assert (whole["source"], whole["region"], whole["cases"]) == ("mine", "wt", 4)
    assert (whole["means"]["lesion_dsc"], whole["defined_in"]["lesion_dsc"]) == (0.5, 3)
    assert whole["defined_in"]["tp"] == 4
    assert "0.500 of 3" in protocol("brats2025_goat", *arguments(folders))[1]


def test_bad_files_never_end_the_others(protocol, folders):
    for folder in ("references", "mine"):
        for case in ("label4", "grid", "half", "missing"):
            save(folders / folder / f"{case}.nii.gz", block())
    save(folders / "mine" / "label4.nii.gz", block(label=4))
    save(folders / "mine" / "grid.nii.gz", block(), np.diag([1, 1, 2, 1]))
    save(folders / "mine" / "half.nii.gz", block() * np.float32(0.5))
    (folders / "mine" / "missing.nii.gz").unlink()
    save(folders / "references" / "other.nii.gz", block(label=5))
    save(folders / "mine" / "other.nii.gz", block())
    code, out, err = protocol("brats2023_gli", *arguments(folders), "--out", folders / "out", "--json")
    assert code == 0, err
    assert set(pd.read_csv(folders / "out" / "protocols" / "brats2023_gli.csv")["case_id"]) == {"a", "b", "c"}
    problems = json.loads(out)["problems"]
    assert set(problems) == {"label4 mine", "grid mine", "half mine", "missing mine", "other"}
    assert "4 where 1, 2, 3 are known" in problems["label4 mine"]
    assert "another affine" in problems["grid mine"]
    assert "no mask of missing" in problems["missing mine"]
    assert "The reference of other holds labels" in problems["other"]
    assert all(name in err for name in problems)


def test_two_sources_in_their_order(protocol, folders):
    for case in "abc":
        save(folders / "also" / f"{case}_pred.nii.gz", block())
    code, _, err = protocol("brats2023_gli", *arguments(folders, "mine", "also"), "--out", folders / "out")
    assert code == 0, err
    table = pd.read_csv(folders / "out" / "protocols" / "brats2023_gli.csv")
    assert list(dict.fromkeys(table["source"])) == ["mine", "also"]
    assert set(table.loc[table["source"] == "also", "lesion_dsc"]) == {1}
    assert "different cases" not in err
    (folders / "also" / "c_pred.nii.gz").unlink()
    assert (
        "over different cases and cannot be compared: mine 3, also 2."
        in protocol("brats2023_gli", *arguments(folders, "mine", "also"))[2]
    )


def test_files_that_lost_their_header(protocol, folders):
    for case in "abc":
        save(folders / "flipped" / f"{case}.nii.gz", block(), np.diag([-1, 1, 1, 1]))
    words = ("brats2023_gli", *arguments(folders, "flipped"), "--out", folders / "out")
    assert protocol(*words)[0] == 2
    assert protocol(*words, "--trust-voxel-order")[0] == 0
    assert set(pd.read_csv(folders / "out" / "protocols" / "brats2023_gli.csv")["lesion_dsc"]) == {1}


def test_masks_of_one_region_are_doubted(protocol, folders):
    for case in "abc":
        save(folders / "masks" / f"{case}.nii.gz", block(label=1))
    assert "Every file of masks holds the label 1 alone" in protocol("brats2023_gli", *arguments(folders, "masks"))[2]
    assert "alone, which counts" not in protocol("picai", *arguments(folders, "masks"))[2]


def test_case_names_of_another_task_are_doubted(protocol, folders):
    for folder in ("references", "mine"):
        save(folders / folder / "BraTS-MET-00001-000.nii.gz", block())
    err = protocol("brats2023_gli", *arguments(folders))[2]
    assert "another task than the names of the cases say: 1 of MET" in err


def test_case_names_of_another_task_of_2025_are_doubted(protocol, folders):
    for folder in ("references", "mine"):
        save(folders / folder / "BraTS-PED-00001-000.nii.gz", block())
    said = "is another task than the names of the cases say: 1 of PED"
    assert said in protocol("brats2025_gli", *arguments(folders))[2]
    assert said not in protocol("brats2025_ped", *arguments(folders))[2]
    assert said not in protocol("brats2025_goat", *arguments(folders))[2]
    assert said in protocol("picai", *arguments(folders))[2]


@pytest.mark.parametrize(
    ("name", "absent"),
    [("brats2025_ped", "4 (ED)"), ("brats2025_gli", "4 (RC)"), ("brats2025_goat", ""), ("brats2023_gli", "")],
)
def test_labels_that_no_file_holds_are_doubted(protocol, folders, name, absent):
    """Files with the labels 1, 2 and 3 of BraTS 2023: those of 2025 have 4, children and after surgery."""
    for folder in ("references", "mine"):
        labels = block()
        labels[4, 4:7, 4:10], labels[5, 4:7, 4:10] = 1, 2
        save(folders / folder / "a.nii.gz", labels)
    said = f"holds the label {absent} of {PROTOCOLS[name].title}, only 1, 2, 3: if these are the labels of another"
    assert (said in protocol(name, *arguments(folders))[2]) == bool(absent)


def nested(outer, middle, inner):
    """A label around another around a third, as edema is around the tumour core; 2 voxels wide."""
    labels = np.zeros((30, 16, 16), np.uint8)
    for margin, label in ((2, outer), (4, middle), (6, inner)):
        labels[margin : 16 - margin, margin:-margin, margin:-margin] = label
    return labels


def test_references_and_predictions_of_other_labels_are_doubted_side_by_side(protocol, folders):
    """References of BraTS 2021 (1, 2, 4), predictions of 2023 (1, 2, 3): together they hold all four."""
    for case in "abc":
        save(folders / "references" / f"{case}.nii.gz", nested(2, 4, 1))
        save(folders / "mine" / f"{case}.nii.gz", nested(2, 3, 1))
        save(folders / "also" / f"{case}.nii.gz", nested(2, 4, 1))
    err = " ".join(protocol("brats2025_gli", *arguments(folders, "mine", "also"))[2].split())
    assert "No reference holds the label 3 (ET) of BraTS 2025 glioma, only 1, 2, 4: if these" in err
    assert "No file of mine holds the label 4 (RC) of BraTS 2025 glioma, only 1, 2, 3: if these" in err
    assert "No file of also holds the label 3 (ET) of BraTS 2025 glioma, only 1, 2, 4: if these" in err


@pytest.mark.parametrize("name", ["brats2023_gli", "brats2025_gli", "brats2025_met"])
def test_edema_inside_the_core_is_doubted(protocol, call, folders, name):
    """Enhancing 1, necrosis 2, edema 3, as LUMIERE has them: 2 lies inside, where a protocol takes it for edema."""
    said = f"The label 2 is edema by {PROTOCOLS[name].title}, but it lies inside the labels 1, 3"
    for case in "abc":
        save(folders / "references" / f"{case}.nii.gz", nested(3, 1, 2))
    words = arguments(folders)
    assert said in " ".join(protocol(name, *words)[2].split())
    evaluated = call("evaluate", *words, "--out", folders / "out", "--labels", "any", "--protocol", name)
    assert said in " ".join(evaluated[2].split())
    for case in "abc":
        save(folders / "references" / f"{case}.nii.gz", nested(2, 3, 1))
    assert "lies inside" not in protocol(name, *words)[2]


CODES = {
    "brats": {1: 1, 2: 2, 3: 4},
    "msd": {1: 2, 2: 1, 3: 3},
    "et=1,ncr=2,ed=3": {1: 2, 2: 3, 3: 1},
    "brats2013": {1: 3, 2: 2, 3: 4},
}
"""Labels of a data set to its codes for necrosis, edema and enhancing tumour, which BraTS 2023 has as 1, 2 and 3."""


def coded(folders, codes):
    """Two cases of nested labels, and predictions of them with a smaller core, as BraTS 2023 has them and in codes."""
    table = np.zeros(4, np.uint8)
    for label, code in codes.items():
        table[label] = code
    for case in "ab":
        reference = nested(2, 3, 1)
        prediction = np.roll(np.where(reference == 1, 3, reference) if case == "b" else reference, 2, axis=0)
        for folder, labels in (("references", reference), ("mine", prediction)):
            save(folders / "2023" / folder / f"{case}.nii.gz", labels)
            save(folders / "coded" / folder / f"{case}.nii.gz", table[labels])


@pytest.mark.parametrize("labels", CODES)
@pytest.mark.parametrize("name", ["brats2023_gli", "brats2025_goat", "brats2025_met", "brats2025_gli", "brats2025_ped"])
def test_other_codes_of_a_data_set_are_measured_as_after_relabelling(protocol, folders, labels, name):
    """By the scheme's own labels; children are relabelled to their own, enhancing 1, not enhancing 2 and edema 4."""
    coded(folders, CODES[labels])
    if name == "brats2025_ped":
        for path in (folders / "2023").rglob("*.nii.gz"):
            save(path, np.array([0, 2, 4, 1], np.uint8)[np.asarray(nib.load(path).dataobj)])
    rows = {}
    for folder in ("2023", "coded"):
        more = ("--labels", labels) if folder == "coded" else ()
        code, out, err = protocol(name, *arguments(folders / folder), *more, "--json")
        assert code == 0, err
        rows[folder] = {row["region"]: row for row in json.loads(out)["rows"]}
    assert {"wt", "tc", "et"} & set(PROTOCOLS[name].regions) <= set(rows["coded"])
    assert rows["coded"] == {region: rows["2023"][region] for region in rows["coded"]}
    lacking = set(rows["2023"]) - set(rows["coded"])
    assert lacking == {"rc", "cc"} & set(rows["2023"])
    said = " ".join(err.split())
    assert "taken by the data set's own labels: " in said
    assert all(f"{PROTOCOLS[name].title} also has {region.upper()}, which" in said for region in lacking)


def test_results_of_other_codes_are_measured_from_their_folder(protocol, call, folders):
    coded(folders, CODES["et=1,ncr=2,ed=3"])
    words = (*arguments(folders / "coded"), "--labels", "et=1,ncr=2,ed=3", "--out", folders / "out")
    assert call("evaluate", *words)[0] == 0
    code, out, _ = protocol("brats2023_gli", "--out", folders / "out")
    assert code == 0
    assert out == protocol("brats2023_gli", *arguments(folders / "2023"))[1]


@pytest.mark.parametrize("labels", ["picai", "a=1,b=2,c=3"])
def test_labels_that_name_no_region_are_refused(protocol, folders, labels):
    code, _, err = protocol("brats2023_gli", *arguments(folders), "--labels", labels)
    assert code == 2
    assert "The labels of the data set name no region of BraTS 2023" in err
    assert protocol("brats2023_gli", *arguments(folders), "--labels", "brats2023")[0] == 0


@pytest.mark.parametrize(
    "option", [("--labels", "any"), ("--patients", "x.csv"), ("--layout", "brats"), ("--trust-voxel-order",)]
)
def test_an_option_that_would_change_nothing_is_refused(protocol, call, folders, option):
    assert call("evaluate", *arguments(folders), "--out", folders / "out", "--labels", "brats2023")[0] == 0
    for words, said in (
        (("brats2023_gli", "--out", folders / "out"), "Results are read with the options of their evaluation"),
        ((), "all are listed, and nothing is read"),
    ):
        code, _, err = protocol(*words, *option)
        assert code == 2
        assert f"{said} (received: {option[0]})" in " ".join(err.split())


@pytest.mark.parametrize("command", [("evaluate",), ("protocol", "brats2023_gli"), ("xray",)])
def test_a_layout_of_references_alone_is_refused(call, folders, command):
    words = arguments(folders) if command != ("xray",) else ("--references", folders / "references")
    code, _, err = call(*command, *words, "--layout", "brats", "--out", folders / "out")
    assert code == 2
    assert "matched by the names of its files, by no layout (received: brats)" in " ".join(err.split())


def test_masks_of_a_whole_tumour_have_that_region_alone(protocol, folders):
    for path in (*(folders / "references").iterdir(), *(folders / "mine").iterdir()):
        save(path, (np.asarray(nib.load(path).dataobj) > 0).astype(np.uint8))
    code, out, err = protocol("brats2023_gli", *arguments(folders), "--labels", "binary", "--json")
    assert code == 0
    assert [row["region"] for row in json.loads(out)["rows"]] == ["wt"]
    assert " also has TC, ET, which the data set's labels do not name" in " ".join(err.split())


@pytest.mark.parametrize(
    ("labels", "held", "doubted"),
    [
        *(("brats2023", (3,), True), ("any", (1, 3), True), ("any", (6,), True), ("any", (1,), False)),
        *(("any", (2, 5), False), ("binary", (1,), False), ("picai", (2,), False), ("pca=3", (3,), False)),
    ],
)
def test_picai_doubts_labels_of_no_prostate(protocol, folders, labels, held, doubted):
    for k, case in enumerate("abc"):
        for folder in ("references", "mine"):
            save(folders / folder / f"{case}.nii.gz", block(label=held[k % len(held)]))
    code, _, err = protocol("picai", *arguments(folders), "--labels", labels)
    assert code == 0
    assert ("PI-CAI lesion detection is of lesions of the prostate" in err) == doubted


@pytest.fixture
def data(tmp_path):
    """A data set in the layout of BraTS 2023, and its own references as predictions."""
    made_trees.brats2023(tmp_path / "data")
    for path in (tmp_path / "data").rglob("*-seg.nii.gz"):
        image = nib.load(path)
        save(tmp_path / "mine" / path.name.replace("-seg", ""), np.asarray(image.dataobj), image.affine)
    return "--data", tmp_path / "data", "--source", f"mine={tmp_path / 'mine'}"


def test_a_data_set_by_its_layout(protocol, data):
    code, out, err = protocol("brats2023_gli", *data)
    assert code == 0, err
    assert [line.split()[1] for line in out.splitlines() if line.startswith("mine")] == ["wt", "tc", "et"]


def test_a_layout_that_says_other_labels_than_the_protocol(protocol, data):
    """Enhancing tumour is 3 in BraTS 2023 and 1 in that of children: the layout's counts, unless it is denied."""
    code, out, err = protocol("brats2025_ped", *data)
    assert code == 0
    assert "taken by the data set's own labels: ET 3, NETC 1, ED 2, TC 1+3, WT 1+2+3" in " ".join(err.split())
    assert [line.split()[1] for line in out.splitlines() if line.startswith("mine")] == ["et", "netc", "ed", "tc", "wt"]
    assert "own labels" not in protocol("brats2025_ped", *data, "--labels", "any")[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("brats2025_mets",), "Did you mean brats2025_met?"),
        (("brats2023_met", "--references", "x"), "There is nothing to measure"),
        (("brats2023_met", "--out", "no results"), "There is nothing to measure"),
    ],
)
def test_mistakes(protocol, words, said):
    code, _, err = protocol(*words)
    assert code == 2
    assert said in err


def test_nothing_that_could_be_measured(protocol, folders):
    for case in "abc":
        save(folders / "mine" / f"{case}.nii.gz", block(label=9))
    code, _, err = protocol("brats2023_gli", *arguments(folders))
    assert code == 2
    assert "No prediction could be measured (received: 3 cases)" in err


def test_a_damaged_table_is_measured_again_and_named(protocol, folders):
    words = ("brats2023_met", *arguments(folders), "--out", folders / "out")
    _, first, _ = protocol(*words)
    path = folders / "out" / "protocols" / "brats2023_met.csv"
    path.write_text(path.read_text().replace("brats2023_met,wt,1", "brats2023_met,wt,-1", 1))
    code, out, err = protocol(*words)
    assert (code, out) == (0, first)
    assert "brats2023_met.csv is damaged in 1 of 3 predictions: what was damaged is measured again." in err


@pytest.fixture
def evaluated(call, folders):
    """`evaluated(*words)` runs `afl evaluate` on the three cases, with a folder of maps beside the labels."""
    for case in "abc":
        save(folders / "maps" / f"{case}.nii.gz", block().astype(np.float32) / 4)
    return partial(call, "evaluate", *arguments(folders, "mine", "maps"), "--out", folders / "out", "--labels")


def test_evaluate_measures_by_a_protocol_too_in_the_same_file(protocol, evaluated, folders):
    code, out, err = evaluated("brats2023", "--protocol", "brats2023_met")
    assert code == 0, err
    assert "By the protocol's rules without maps, no folder of label files" in " ".join(err.split())
    assert "mine   wt     3     0.500" in out
    path = folders / "out" / "protocols" / "brats2023_met.csv"
    of_evaluate = path.read_bytes()
    assert set(pd.read_csv(path)["source"]) == {"mine"}
    code, _, err = protocol("brats2023_met", "--out", folders / "out")
    assert code == 0, err
    assert path.read_bytes() == of_evaluate
    path.unlink()
    assert protocol("brats2023_met", *arguments(folders), "--labels", "brats2023", "--out", folders / "out")[0] == 0
    assert path.read_bytes() == of_evaluate


def test_evaluate_by_the_matcher_has_the_lesion_dice_of_the_protocol(call, protocol, folders):
    """A case of false lesions alone (0) and one of nothing (1) beside those with a lesion (1, 1/2 and 0)."""
    for case, false in (("d", True), ("e", False)):
        save(folders / "references" / f"{case}.nii.gz", block(size=0))
        save(folders / "mine" / f"{case}.nii.gz", block(size=6 if false else 0))
    words = (*arguments(folders), "--labels", "brats2023", "--out", folders / "out")
    assert call("evaluate", *words, "--matcher", "brats2023_gli", "--protocol", "brats2023_gli")[0] == 0
    ours = pd.read_parquet(folders / "out" / "cases.parquet").replace({"region": {"whole": "wt"}})
    theirs = pd.read_csv(folders / "out" / "protocols" / "brats2023_gli.csv")
    keys = ["case_id", "region"]
    both = ours.merge(theirs, on=keys, suffixes=("", "_theirs"))
    assert len(both) == 15
    assert both["lesion_dsc"].tolist() == both["lesion_dsc_theirs"].tolist()
    assert both.loc[both["region"] == "et", "lesion_dsc"].tolist() == [1, 0.5, 0, 0, 1]


def test_evaluate_names_what_the_protocol_cannot_measure(evaluated, folders):
    save(folders / "mine" / "b.nii.gz", block(label=4))
    code, _, err = evaluated("any", "--protocol", "brats2023_gli", "--strict")
    assert code == 1
    assert "4 where 1, 2, 3 are known" in " ".join(err.split())
    table = pd.read_csv(folders / "out" / "protocols" / "brats2023_gli.csv")
    assert set(table["case_id"]) == {"a", "c"}


def test_evaluate_refuses_a_protocol_of_other_labels_before_it_measures(evaluated, folders):
    code, _, err = evaluated("a=1,b=2,c=3", "--protocol", "brats2023_gli")
    assert code == 2
    assert "name no region of BraTS 2023" in " ".join(err.split())
    assert not (folders / "out").exists()


@pytest.fixture
def maps(tmp_path):
    """A lesion found with 0.9, one missed, and a case without a lesion with a candidate of 0.6; and masks of them."""
    for case, size, confidence in (("a", 6, 0.9), ("b", 6, 0), ("c", 0, 0.6)):
        save(tmp_path / "references" / f"{case}.nii.gz", block(label=1, size=size))
        save(tmp_path / "mine" / f"{case}.nii.gz", block(label=1) * np.float32(confidence))
        save(tmp_path / "masks" / f"{case}.nii.gz", block(label=1, size=6 if confidence else 0))
    return tmp_path


def test_detection_maps_have_the_scores_of_picai(protocol, maps):
    """By hand: AP 1/2, as precision is 1 up to the one lesion of two; of the pairs 0.9 > 0.6 > 0, AUROC 1/2."""
    words = ("picai", *arguments(maps, "mine", "masks"), "--out", maps / "out")
    code, out, err = protocol(*words)
    assert code == 0, err
    assert "mine: score 0.500, the mean of AP 0.500 and AUROC 0.500" in out
    assert "sensitivity 0.500 at 0.5, 0.500 at 1, 0.500 at 2 false positives a case" in out
    assert "2 lesions in 3 cases, 2 with a lesion" in out
    assert "Read as detection maps" in out
    assert "masks: score" not in out
    table = pd.read_csv(maps / "out" / "protocols" / "picai.csv").set_index(["source", "case_id"])
    assert table["tp"].tolist() == [1, 0, 0] * 2
    assert table["fp"].tolist() == [0, 0, 1] * 2
    assert table.loc[("mine", "a"), "read_as"] == "detection maps"
    assert float(table.loc[("mine", "a"), "lesions"]) == pytest.approx(0.9)
    assert table["dsc"].isna().tolist() == [True] * 3 + [False] * 3
    again = json.loads(protocol(*words, "--json")[1])["detection"]
    assert again == {"mine": {"ap": 0.5, "auroc": 0.5, "score": 0.5, "cases": 3, "with_lesion": 2, "lesions": 2}}


def test_one_map_of_probabilities_makes_all_of_its_folder_so(protocol, maps):
    """What is kept is then measured again: a candidate of eight voxels is a speck among probabilities."""
    for folder in ("references", "mine"):
        small = np.zeros((30, 16, 16), np.float32)
        small[10:12, 4:6, 4:6] = 0.7 if folder == "mine" else 1
        save(maps / folder / "d.nii.gz", small)
    words = ("picai", *arguments(maps), "--out", maps / "out")
    assert "AP 0.667" in protocol(*words)[1]
    sloped = block(label=1) * np.linspace(0.5, 0.9, 30, dtype=np.float32)[:, None, None]
    save(maps / "mine" / "b.nii.gz", sloped)
    code, out, err = protocol(*words)
    assert code == 0, err
    assert "Read as maps of probabilities" in out
    assert set(pd.read_csv(maps / "out" / "protocols" / "picai.csv")["read_as"]) == {"maps of probabilities"}
    assert "AP 0.667" in out  # the lesions of a and b, and no longer that of d


def test_a_map_that_is_none_is_named(protocol, maps):
    save(maps / "mine" / "b.nii.gz", block(label=1) * np.float32(1.5))
    code, out, err = protocol("picai", *arguments(maps), "--out", maps / "out")
    assert code == 0, err
    assert "b.nii.gz is no map of 0 to 1" in " ".join(err.split())
    assert "1 lesion in 2 cases" in out


def test_evaluate_measures_maps_by_picai_too(call, maps):
    words = ("evaluate", *arguments(maps), "--out", maps / "out", "--protocol", "picai")
    code, out, err = call(*words)
    assert code == 0, err
    assert "mine: score 0.500" in out
