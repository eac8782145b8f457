"""`afl data` from a terminal, and the options by which every command opens a data set."""

import json
import os
import sys
from pathlib import Path

import made_trees
import pytest

from afl_core.cli import data, main
from afl_core.evaluation.results import Results


@pytest.fixture
def afl(monkeypatch, capsys, tmp_path):
    """Run a command in this process, without a pool; gives exit status, output and error."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(data, "INDEX", tmp_path / "index")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["afl", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main.main()
        said = capsys.readouterr()
        return left.value.code or 0, said.out, said.err

    return run


def test_check_says_what_is_there_and_writes_json(afl, tmp_path):
    made_trees.brats2018(tmp_path / "data")
    code, out, _ = afl("data", "check", tmp_path / "data", "--out", tmp_path / "report.json")
    assert code == 0
    for said in ("BraTS 2018", "2, of 2 patients; 2 with a reference", "6x7x5", "1 x 1 x 3", "Nothing is wrong"):
        assert said in out
    assert len(json.loads((tmp_path / "report.json").read_text())["cases"]) == 2


def test_check_ends_with_1_on_an_error_and_lists_it(afl, tmp_path):
    made_trees.brats2018(tmp_path / "data")
    made_trees.write(next((tmp_path / "data").rglob("*TCIA09*_seg.nii.gz")), [3])
    code, out, _ = afl("data", "check", tmp_path / "data")
    assert code == 1
    assert "error: 1 reference that cannot be used" in out
    assert "Brats18_TCIA09_141_1_seg.nii.gz holds labels that its data set does not have" in out
    code, out, _ = afl("data", "check", tmp_path / "data", "--headers-only")
    assert code == 0


def test_check_lists_a_few_cases_of_many(afl, tmp_path):
    for number in range(7):
        made_trees.write(tmp_path / "data" / "images" / f"c{number}_t1.nii.gz")
    _, out, _ = afl("data", "check", tmp_path / "data")
    assert "7 cases without a reference" in out
    assert "c4\n" in out
    assert "c5\n" not in out
    assert "and 2 more" in out


def test_masks_alone_are_checked(afl, tmp_path):
    made_trees.write(tmp_path / "a.nii.gz", [1])
    assert afl("data", "check", tmp_path)[0] == 2
    code, out, _ = afl("data", "check", tmp_path, "--masks")
    assert (code, "Masks alone" in out) == (0, True)


def test_split_by_seed_is_saved_once(afl, tmp_path):
    root = tmp_path / "data"
    for number in range(10):
        made_trees.write(root / "images" / f"{10000 + number // 2}_{1000000 + number}_t2w.nii.gz")
        made_trees.write(root / "references" / f"{10000 + number // 2}_{1000000 + number}.nii.gz", [1])
    assert afl("data", "split", root, "--seed", 4)[0] == 0
    first = (root / "splits.json").read_text()
    patients = [{case_id[:5] for case_id in ids} for ids in json.loads(first).values()]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 5
    code, _, err = afl("data", "split", root)
    assert code == 2
    assert "There is a split file already" in err
    assert afl("data", "split", root, "--seed", 4, "--replace")[0] == 0
    assert (root / "splits.json").read_text() == first
    assert afl("data", "split", root, "--seed", 5, "--out", tmp_path / "other.json")[0] == 0
    assert (tmp_path / "other.json").read_text() != first


def test_a_sequence_that_lies_elsewhere_is_an_error(afl, tmp_path):
    made_trees.picai(tmp_path / "data")
    path = next((tmp_path / "data").rglob("*_adc.mha"))
    code, before, _ = afl("data", "check", tmp_path / "data")
    assert "lies elsewhere" not in before
    import SimpleITK as sitk  # noqa: N813

    image = sitk.ReadImage(str(path))
    image.SetOrigin((1000.0, 0.0, 0.0))
    sitk.WriteImage(image, str(path))
    code, out, _ = afl("data", "check", tmp_path / "data")
    assert code == 1
    assert "it lies elsewhere" in out


POOCH = "picai_labels/csPCa_lesion_delineations/AI/Pooch25"


@pytest.fixture
def picai(tmp_path):
    """PI-CAI with AI masks of the study that has no expert's, described as docs/data.md does, and predictions."""
    root, case_id = tmp_path / "data", "10005_1000006"
    made_trees.picai(root)
    image, labels = root / f"picai_public_images_fold1/10005/{case_id}_t2w.mha", root / "picai_labels"
    csPCa = labels / "csPCa_lesion_delineations"  # noqa: N806 - as PI-CAI spells it
    made_trees.write_mask_like(image, csPCa, case_id, [1, 1, 1], folder="AI/Pooch25")
    for study, values in (("10000_1000000", [1]), ("10005_1000005", [1]), (case_id, [0, 1, 1, 1])):
        path = next(root.rglob(f"{study}_t2w.mha"))
        made_trees.write_mask_like(path, tmp_path, study, values, folder="net")
    docs = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    recipe = docs.partition("### PI-CAI with other masks")[2].partition("```toml")[2].partition("```")[0]
    (root / "afl-layout.toml").write_text(recipe)
    return root


def test_the_ai_masks_of_picai_are_references_where_a_file_says_so(afl, picai, tmp_path):
    """Dice by hand: 1 of 1 voxel, 1 of 2 and 1, and 2 of 3 and 3."""
    command = ("evaluate", "--source", f"net={tmp_path / 'net'}", "--out")
    assert afl(*command, tmp_path / "expert", "--data", picai, "--layout", "picai")[0] == 0
    assert Results(tmp_path / "expert").cases()["dsc"].tolist() == pytest.approx([1, 2 / 3])
    code, out, err = afl(*command, tmp_path / "both", "--data", picai)
    assert code == 0, err
    rows = Results(tmp_path / "both").cases()
    assert rows["case_id"].tolist() == ["10000_1000000", "10005_1000005", "10005_1000006"]
    assert rows["dsc"].tolist() == pytest.approx([1, 2 / 3, 2 / 3])
    assert rows["patient"].tolist() == ["10000", "10005", "10005"]
    assert rows["group"].tolist() == ["fold0", "fold1", "fold1"]
    assert Results(tmp_path / "both").manifest().data.kind == str(picai / "afl-layout.toml")
    code, out, _ = afl("data", "check", picai)
    assert "PI-CAI, expert masks and Pooch25" in out
    assert "csPCa by AI" in out


def test_a_study_with_a_mask_in_two_of_the_places_is_left_out_and_both_are_named(afl, picai, tmp_path):
    image = picai / "picai_public_images_fold0/10000/10000_1000000_t2w.mha"
    made_trees.write_mask_like(image, picai / POOCH, "10000_1000000", [1], folder=".")
    command = ("evaluate", "--source", f"net={tmp_path / 'net'}", "--out", tmp_path / "out")
    _, _, err = afl(*command, "--data", picai)
    assert "10000_1000000 is left out: two files for reference" in err
    assert f"{POOCH}/10000_1000000.nii.gz" in err
    assert Results(tmp_path / "out").cases()["case_id"].tolist() == ["10005_1000005", "10005_1000006"]


def test_the_median_of_an_even_number_is_between_the_middle_two(afl, tmp_path):
    for case_id, labels in (("a", 1), ("b", 3)):
        made_trees.write(tmp_path / "images" / f"{case_id}_t1.nii.gz")
        made_trees.write(tmp_path / "references" / f"{case_id}.nii.gz", [1] * labels)
    assert "0.003 to 0.009 ml, median 0.006 ml" in afl("data", "check", tmp_path)[1]


def test_a_file_that_cannot_be_read_does_not_hide_what_the_labels_are(afl, tmp_path):
    made_trees.plain(tmp_path / "data")
    cut = next((tmp_path / "data" / "references").iterdir())
    cut.write_bytes(cut.read_bytes()[:-20])
    source = f"A={tmp_path / 'data' / 'references'}"
    _, _, err = afl(
        "evaluate", "--data", tmp_path / "data", "--source", source, "--out", tmp_path / "o", "--region", "et"
    )
    assert "The labels fit several schemes" in err


def test_a_split_has_no_case_that_cannot_be_used(afl, tmp_path):
    root = tmp_path / "data"
    images, references = root / "images", root / "references"
    for case_id in "abcdefg":
        made_trees.write(images / f"{case_id}_t1.nii.gz")
        made_trees.write(references / f"{case_id}.nii.gz", [1])
    cut = references / "b.nii.gz"
    cut.write_bytes(cut.read_bytes()[:-20])
    made_trees.write(references / "c.nii.gz", [1], shape=(5, 7, 5))
    (images / "d_t1.nii.gz").write_bytes((images / "a_t1.nii.gz").read_bytes())
    (images / "e_t1.nii.gz").write_bytes(b"")
    code, _, err = afl("data", "split", root)
    assert code == 0
    assert "Left out, for what afl data check says of them: b, c, d, e" in err
    saved = json.loads((root / "splits.json").read_text())
    assert sorted(case_id for ids in saved.values() for case_id in ids) == ["a", "f", "g"]


def test_evaluate_measures_the_region_and_keeps_it(afl, tmp_path):
    made_trees.plain(tmp_path / "data")
    source = f"A={tmp_path / 'data' / 'references'}"
    arguments = ("evaluate", "--data", tmp_path / "data", "--source", source, "--out")
    code, _, err = afl(*arguments, tmp_path / "out", "--region", "et")
    assert code == 2
    assert "Name the right one, for example --labels brats" in err
    assert afl(*arguments, tmp_path / "out", "--region", "et", "--labels", "brats")[0] == 0
    results = Results(tmp_path / "out")
    assert (results.settings().region, results.settings().labels) == ("et", "brats")
    assert results.cases()["reference_volume_ml"].tolist() == pytest.approx([0.003, 0.003])
    assert results.cases()["predicted_volume_ml"].tolist() == pytest.approx([0.003, 0.003])
    code, _, err = afl(*arguments, tmp_path / "out")
    assert code == 2
    assert "measured with other settings" in err


def test_a_layout_by_name_or_file(afl, tmp_path):
    made_trees.plain(tmp_path / "data")
    made_trees.brats2021(tmp_path / "data")
    assert "more than one layout" in afl("data", "check", tmp_path / "data")[2]
    assert "BraTS 2021" in afl("data", "check", tmp_path / "data", "--layout", "brats2021")[1]
    made_trees.generic(tmp_path / "own")
    (tmp_path / "own" / "afl-layout.toml").rename(tmp_path / "hospital.toml")
    code, out, _ = afl("data", "check", tmp_path / "own", "--layout", tmp_path / "hospital.toml")
    assert "Hospital A" in out
    assert "p 1 adc = p 2 adc" not in out
    assert code == 0


def test_export_writes_a_data_set_of_nnunet_and_says_what_it_holds(afl, tmp_path):
    made_trees.brats2018(tmp_path / "data")
    out = tmp_path / "nnUNet_raw" / "Dataset501_Made"
    code, _, said = afl("data", "export", tmp_path / "data", "--as", "nnunet", "--out", out)
    assert code == 0
    assert "2 cases (2 train, 0 validation, 0 test) written" in said
    assert "Channels: 0 flair, 1 t1, 2 t1ce, 3 t2" in said
    assert "4 is 3" in said
    assert "Copy " in said
    assert f"nnUNet_preprocessed/{out.name}/splits_final.json before training" in said
    assert afl("data", "check", out)[0] == 0


def test_export_puts_the_folds_where_nnunet_looks_for_them(afl, tmp_path):
    made_trees.brats2018(tmp_path / "data")
    out, preprocessed = tmp_path / "Dataset501_Made", tmp_path / "preprocessed"
    code, _, said = afl(
        "data", "export", tmp_path / "data", "--as", "nnunet", "--out", out, "--preprocessed", preprocessed
    )
    assert code == 0
    assert "2 folds written" in said
    assert len(json.loads((preprocessed / out.name / "splits_final.json").read_text())) == 2


def test_export_knows_the_forms_that_there_are(afl, tmp_path):
    code, _, said = afl("data", "export", tmp_path, "--as", "nnU", "--out", tmp_path / "Dataset501_Made")
    assert code == 2
    assert "Did you mean nnunet?" in said
