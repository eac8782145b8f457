"""A cohort written for nnU-Net is the same cohort when it is read back: images, regions, patients and split."""

import json
from dataclasses import replace

import made_trees
import nibabel as nib
import numpy as np
import pytest

from afl_core.data.layouts import LAYOUTS, load_case, load_cohort
from afl_core.elsewhere.nnunet_dataset import Request, export_nnunet
from afl_core.elsewhere.nnunet_folds import save_folds
from afl_core.errors import AflError, DataError, UsageError

OUT = "nnUNet_raw/Dataset501_Made"


def exported(tmp_path, tree, **options):
    """The data set, what was written of it, and the copy as read again."""
    tree(tmp_path / "data")
    reading = {key: options.pop(key) for key in ("labels", "region", "trust_voxel_order") if key in options}
    cohort = load_cohort(tmp_path / "data", **reading)
    made = export_nnunet(cohort, Request(tmp_path / OUT, **options))
    return cohort, made, load_cohort(tmp_path / OUT)


def check_same(case, copy, channels):
    before, after = load_case(case, sequences=channels), load_case(copy)
    assert list(copy.sequences) == [f"{name}" for name in after.images]
    for first, second in zip(before.images.values(), after.images.values(), strict=True):
        assert np.array_equal(first.array, second.array)
        assert np.allclose(first.affine, second.affine, atol=1e-4)
    if case.reference is not None:
        assert np.array_equal(before.reference.array, after.reference.array)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_back_as_the_same_cohort(layout, tmp_path):
    tree = getattr(made_trees, layout)
    cohort, made, copy = exported(tmp_path, tree)
    assert copy.layout.name == "nnunet"
    written = {case_id for ids in made.cases.values() for case_id in ids}
    assert {case.case_id for case in copy.cases} == written
    assert written | set(made.problems) >= {case.case_id for case in cohort.cases}
    before = {case.case_id: case for case in cohort.cases}
    for case in copy.cases:
        check_same(before[case.case_id], case, made.channels)
        assert case.patient == before[case.case_id].patient


@pytest.mark.parametrize("region", ["whole", "tc", "et"])
@pytest.mark.parametrize("classes", ["labels", "regions"])
def test_the_regions_are_those_of_the_data_set(classes, region, tmp_path):
    made_trees.brats2018(tmp_path / "data")
    export_nnunet(load_cohort(tmp_path / "data"), Request(tmp_path / OUT, classes=classes))
    before, after = (load_cohort(root, region=region) for root in (tmp_path / "data", tmp_path / OUT))
    for case, copy in zip(before.cases, after.cases, strict=True):
        assert np.array_equal(
            load_case(case, sequences=()).reference.array, load_case(copy, sequences=()).reference.array
        )


def test_a_cavity_is_no_tumour_in_the_copy_either(tmp_path):
    made_trees.brats2018(tmp_path / "data")
    _, _, copy = exported(tmp_path, lambda _: None, labels="brats2024")
    assert copy.region.inside == (1, 2, 3)
    stored = nib.load(copy.cases[0].reference).get_fdata()
    assert set(np.unique(stored)) == {0, 1, 2, 4}


def test_images_that_nnunet_reads_are_copied_byte_by_byte_or_linked(tmp_path):
    made_trees.brats2018(tmp_path / "data")
    cohort = load_cohort(tmp_path / "data")
    export_nnunet(cohort, Request(tmp_path / OUT))
    export_nnunet(cohort, Request(tmp_path / "nnUNet_raw/Dataset502_Linked", link=True))
    image = cohort.cases[0].sequences["flair"]
    copy = tmp_path / OUT / "imagesTr" / f"{cohort.cases[0].case_id}_0000.nii.gz"
    linked = tmp_path / "nnUNet_raw/Dataset502_Linked/imagesTr" / copy.name
    assert copy.read_bytes() == image.read_bytes()
    assert copy.stat().st_ino != image.stat().st_ino == linked.stat().st_ino


def test_the_test_part_stands_apart_and_the_validation_part_is_the_fold(tmp_path):
    tree = tmp_path / "data"
    for number in range(5):
        made_trees.write(tree / "images" / f"c{number}_t1.nii.gz")
        made_trees.write(tree / "references" / f"c{number}.nii.gz", [1])
    split = {"train": ["c0", "c1"], "validation": ["c2"], "test": ["c3"]}
    (tree / "splits.json").write_text(json.dumps(split))
    _, made, _ = exported(tmp_path, lambda _: None)
    out = tmp_path / OUT
    assert [path.name for path in sorted((out / "imagesTs").iterdir())] == ["c3_0000.nii.gz"]
    assert [path.name for path in sorted((out / "labelsTs").iterdir())] == ["c3.nii.gz"]
    assert json.loads((out / "splits_final.json").read_text()) == [{"train": ["c0", "c1"], "val": ["c2"]}]
    assert json.loads((out / "splits.json").read_text()) == split
    assert json.loads((out / "dataset.json").read_text())["numTraining"] == 3
    assert list(made.problems) == ["c4"]
    assert "it is in no part" in made.problems["c4"]


def test_folds_hold_whole_patients(tmp_path):
    tree = tmp_path / "data"
    for patient in range(4):
        for visit in range(2):
            name = f"BraTS-GLI-{patient:05d}-{visit:03d}"
            made_trees.write(tree / "images" / f"{name}_t1.nii.gz")
            made_trees.write(tree / "references" / f"{name}.nii.gz", [1])
    cohort, made, _ = exported(tmp_path, lambda _: None, folds=4)
    assert len(made.folds) == 4
    held_out = [case_id for fold in made.folds for case_id in fold["val"]]
    assert sorted(held_out) == [case.case_id for case in cohort.cases]
    for fold in made.folds:
        assert not {name[:15] for name in fold["train"]} & {name[:15] for name in fold["val"]}
    with pytest.raises(DataError, match="4 patients for 5 folds"):
        export_nnunet(cohort, Request(tmp_path / "nnUNet_raw/Dataset502_Made", folds=5))


def test_one_bad_case_is_left_out_whole_and_named(tmp_path):
    made_trees.brats2018(tmp_path / "data")
    bad = next((tmp_path / "data").rglob("*TCIA09*_t2.nii.gz"))
    bad.write_bytes(bad.read_bytes()[:200])
    _, made, copy = exported(tmp_path, lambda _: None)
    assert list(made.problems) == ["Brats18_TCIA09_141_1"]
    assert bad.name in made.problems["Brats18_TCIA09_141_1"]
    assert [case.case_id for case in copy.cases] == ["Brats18_2013_2_1"]
    assert not list((tmp_path / OUT).rglob("*TCIA09*"))


def test_a_case_that_fails_while_it_is_written_leaves_nothing(tmp_path, monkeypatch):
    made_trees.brats2018(tmp_path / "data")
    (tmp_path / OUT).mkdir(parents=True)

    def fails(*_args, **_options):
        raise OSError("No space left on device")

    monkeypatch.setattr("afl_core.elsewhere.nnunet_dataset.save_mask", fails)
    with pytest.raises(DataError, match=r"No case to train on could be written.*No space left"):
        export_nnunet(load_cohort(tmp_path / "data"), Request(tmp_path / OUT))
    assert not [path for path in (tmp_path / OUT).rglob("*") if path.is_file()]


def test_the_name_is_nnunets_and_nothing_is_overwritten(tmp_path):
    made_trees.brats2018(tmp_path / "data")
    cohort = load_cohort(tmp_path / "data")
    for name in ("Prostate", "Dataset5_A", "Dataset501_", "Dataset501_a b", "dataset501_A"):
        with pytest.raises(UsageError, match="Dataset, three digits"):
            export_nnunet(cohort, Request(tmp_path / name))
    export_nnunet(cohort, Request(tmp_path / OUT))
    with pytest.raises(UsageError, match="there already"):
        export_nnunet(cohort, Request(tmp_path / OUT))
    with pytest.raises(UsageError, match=r"each number once.*Dataset501_Made"):
        export_nnunet(cohort, Request(tmp_path / "nnUNet_raw/Dataset501_Other"))


def test_without_a_split_none_is_made_up_so_that_the_copy_can_be_divided_at_random(tmp_path):
    exported(tmp_path, made_trees.brats2018)
    assert not (tmp_path / OUT / "splits.json").exists()


def test_what_cannot_be_trained_on_is_refused_with_a_reason(tmp_path):
    made_trees.brats2018(tmp_path / "data")
    cohort = load_cohort(tmp_path / "data")
    ids = [case.case_id for case in cohort.cases]
    (tmp_path / "data/splits.json").write_text(json.dumps({"test": ids}))
    with pytest.raises(DataError, match=r"too few patients to train on.*0 patients for 1 fold"):
        export_nnunet(cohort, Request(tmp_path / OUT))
    with pytest.raises(AflError, match="no kind of classes of that name"):
        export_nnunet(cohort, Request(tmp_path / OUT, classes="region"))
    with pytest.raises(UsageError, match="leaves nothing to train on"):
        export_nnunet(cohort, Request(tmp_path / OUT, folds=1))
    masks = replace(cohort, cases=tuple(replace(case, sequences={}) for case in cohort.cases))
    with pytest.raises(DataError, match="trains on images"):
        export_nnunet(masks, Request(tmp_path / OUT))
    assert not (tmp_path / OUT).exists()


def test_where_no_case_is_written_the_usual_reason_is_given_and_nothing_is_left(tmp_path):
    for number in range(4):
        made_trees.write(tmp_path / "data" / "images" / f"c{number}_t1.nii.gz")
        made_trees.write(tmp_path / "data" / "references" / f"c{number}.nii.gz", [1])
    (tmp_path / "data" / "references" / "c0.nii.gz").write_bytes(b"")
    cohort = load_cohort(tmp_path / "data", labels="lesion=7")
    with pytest.raises(DataError, match=r"No case to train on.*labels.* 1") as caught:
        export_nnunet(cohort, Request(tmp_path / OUT))
    assert "c0" not in str(caught.value)
    assert not (tmp_path / OUT).exists()


def test_folds_that_are_there_are_kept(tmp_path):
    save_folds([{"train": ["a"], "val": ["b"]}], tmp_path)
    save_folds([{"train": ["a"], "val": ["b"]}], tmp_path)
    with pytest.raises(UsageError, match="other folds already"):
        save_folds([{"train": ["b"], "val": ["a"]}], tmp_path)
