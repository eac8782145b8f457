"""A folder that is not used is named, whatever its files are; many are told together."""

import made_trees

from afl_core.data.check.check import check_cohort
from afl_core.data.layouts import load_cohort, references_cohort


def findings(root, tmp_path, load=load_cohort):
    report = check_cohort(load(root), index=tmp_path / "index", read=False)
    return {finding.what: finding for finding in report.findings}


def test_picai_masks_that_are_not_read_are_named_with_the_cases_that_lack_a_reference(tmp_path):
    root = tmp_path / "data"
    made_trees.picai(root)  # 10005_1000006 has no expert mask
    for case_id in ("10005_1000006", "10000_1000000"):
        made_trees.write(root / "picai_labels/csPCa_lesion_delineations/AI/Pooch25" / f"{case_id}.nii.gz", [1])
    said = findings(root, tmp_path)
    unused = "that PI-CAI does not use, in picai_labels/csPCa_lesion_delineations"
    found = said[f"2 files {unused}/AI/Pooch25; 1 of them of cases without a reference"]
    assert found.level == "warning"
    line = 'reference = "picai_labels/csPCa_lesion_delineations/AI/Pooch25/{case}" in afl-layout.toml'
    assert f"To take them as references, write {line}" in found.todo
    for folder in ("AI/Bosma22a", "human_expert/original"):
        assert said[f"1 file {unused}/{folder}"].level == "note"
    assert not any("fold" in what for what in said), "folders of which something is used are not"


def test_strays_by_the_folder_that_nothing_is_used_of(tmp_path):
    root = tmp_path / "data"
    made_trees.plain(root)
    for name in ("backup/old/a.nii.gz", "backup/new/b.nii.gz", "images/c.nii.gz"):
        made_trees.write(root / name)
    said = findings(root, tmp_path)
    assert said["2 image files of no case, in backup"].items == ("backup/new/b.nii.gz", "backup/old/a.nii.gz")
    assert said["1 image file of no case"].items == ("images/c.nii.gz",)


def test_many_folders_are_one_finding(tmp_path):
    root = tmp_path / "data"
    made_trees.plain(root)
    for k in range(20):
        made_trees.write(root / f"more{k:02d}" / "a.nii.gz")
    assert "20 image files of no case, in 20 folders such as more00" in findings(root, tmp_path)


def test_folders_beside_masks(tmp_path):
    made_trees.write(tmp_path / "masks" / "a.nii.gz", [1])
    made_trees.write(tmp_path / "masks" / "old" / "a.nii.gz", [1])
    said = findings(tmp_path / "masks", tmp_path, references_cohort)
    assert "1 image file of no case, in old" in said


def test_the_models_of_audit_are_named_as_sources_and_not_as_references(tmp_path):
    root = tmp_path / "data"
    made_trees.audit(root)
    said = findings(root, tmp_path)
    for model in ("nnUnet", "SegResNet"):
        found = said[f"2 files that AUDIT does not use, in SET_seg/{model}"]
        assert (found.level, len(found.items)) == ("note", 2)
        assert found.todo == f"They can be evaluated as a model's: afl evaluate --source {model}={root}/SET_seg/{model}"
