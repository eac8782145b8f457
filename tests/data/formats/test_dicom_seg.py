"""DICOM segmentations: a segment a label, their names, their place, and one sentence for what is not read."""

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("highdicom", reason="highdicom, of the extra dicom, is not installed")

import made_trees
from made_dicom import FIRST_MM, SHAPE, SPACING_MM, labels, slices, write_seg

from afl_core import evaluate
from afl_core.data.check.doubts import doubt_organs
from afl_core.data.formats import dicom_seg
from afl_core.data.formats.dicom_seg import is_segmentation, read_seg_names
from afl_core.data.formats.files import load_labels, load_mask, read_header, save_mask, save_volume
from afl_core.data.layouts import load_cohort, references_cohort
from afl_core.data.scan import scan_folder
from afl_core.errors import DataError, GeometryError, UsageError
from afl_core.evaluation.grids import onto_reference
from afl_core.evaluation.results import Results


def in_ras(array: np.ndarray) -> np.ndarray:
    """Slices from the feet up, rows to the back and columns to the left, as (X, Y, Z) to right, front and head."""
    return array.transpose(2, 1, 0)[::-1, ::-1]


def test_a_segment_is_a_label_at_its_place(tmp_path):
    volume = load_labels(write_seg(tmp_path / "a.dcm", labels()))
    np.testing.assert_array_equal(volume.array, in_ras(labels()))
    expected = np.diag([SPACING_MM[2], SPACING_MM[1], SPACING_MM[0], 1.0])
    last = (SHAPE[2] - 1) * SPACING_MM[2], (SHAPE[1] - 1) * SPACING_MM[1]
    expected[:3, 3] = -(FIRST_MM[0] + last[0]), -(FIRST_MM[1] + last[1]), FIRST_MM[2]
    np.testing.assert_allclose(volume.affine, expected)
    assert read_header(tmp_path / "a.dcm").shape == SHAPE
    assert read_seg_names(tmp_path / "a.dcm") == {1: "liver", 2: "tumor"}
    assert load_mask(tmp_path / "a.dcm").array.sum() == (labels() > 0).sum()


def test_rows_that_run_to_the_right_are_turned(tmp_path):
    volume = load_labels(write_seg(tmp_path / "a.dcm", labels(), turned=True))
    np.testing.assert_array_equal(volume.array, in_ras(labels())[::-1])
    assert volume.affine[0, 3] == -FIRST_MM[0]


def test_simpleitk_places_it_alike(tmp_path):
    import SimpleITK as sitk  # noqa: N813

    path = write_seg(tmp_path / "a.dcm", labels() == 1, ["tumor"])
    image = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image) > 0, (labels() == 1)[:: _up(path)])


def _up(path) -> int:
    """1 where the frames are stored from the feet up, -1 where from the head down."""
    from pydicom import dcmread

    frames = dcmread(path).PerFrameFunctionalGroupsSequence
    heights = [frame.PlanePositionSequence[0].ImagePositionPatient[2] for frame in frames]
    return 1 if heights[0] < heights[-1] else -1


def test_empty_slices_between_are_there_and_those_at_the_ends_are_not(tmp_path):
    array = labels()
    array[2] = 0
    volume = load_labels(write_seg(tmp_path / "a.dcm", array, omit_empty_frames=True))
    np.testing.assert_array_equal(volume.array, in_ras(array)[..., 1:4])
    assert volume.affine[2, 3] == FIRST_MM[2] + SPACING_MM[0]


def test_a_label_map_is_read(tmp_path):
    from highdicom.seg import SegmentationTypeValues

    path = write_seg(tmp_path / "a.dcm", labels(), kind=SegmentationTypeValues.LABELMAP)
    np.testing.assert_array_equal(load_labels(path).array, in_ras(labels()))


def test_what_is_not_read_is_one_sentence(tmp_path):
    from highdicom.seg import SegmentationTypeValues

    both = np.stack([labels() == 1, labels() > 0], axis=-1)
    with pytest.raises(DataError, match="its segments overlap"):
        load_labels(write_seg(tmp_path / "overlap.dcm", both))
    shares = np.where(labels() == 1, 0.4, 0.0)
    with pytest.raises(DataError, match="it holds shares in place of segments"):
        load_labels(write_seg(tmp_path / "shares.dcm", shares, ["tumor"], kind=SegmentationTypeValues.FRACTIONAL))
    slices()[0].save_as(tmp_path / "image.dcm", enforce_file_format=True)
    with pytest.raises(DataError, match=r"no segmentation .*DICOM series are not read: convert them to NIfTI"):
        load_labels(tmp_path / "image.dcm")
    (tmp_path / "text.dcm").write_text("none")
    with pytest.raises(DataError, match="it is no DICOM file"):
        load_labels(tmp_path / "text.dcm")


def test_a_file_that_is_cut_off_or_declares_too_much_is_refused_before_it_is_read(tmp_path):
    from pydicom import dcmread

    path = write_seg(tmp_path / "a.dcm", labels())
    whole = path.read_bytes()
    for size in (200, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"a\.dcm cannot be read as an image"):
            load_labels(path)
    path.write_bytes(whole)
    dataset = dcmread(path)
    dataset.Rows = dataset.Columns = 60000
    dataset.save_as(path)
    with pytest.raises(DataError, match="it is too large"):
        read_header(path)
    dataset.Rows = dataset.Columns = 4000
    dataset.save_as(path)
    with pytest.raises(DataError, match="it is truncated"):
        read_header(path)


def test_without_the_extra_the_command_is_named(tmp_path, monkeypatch):
    path = write_seg(tmp_path / "a.dcm", labels())
    monkeypatch.setattr(dicom_seg, "find_spec", lambda _: None)
    with pytest.raises(DataError, match=r"needs highdicom.*pip install 'afl-workbench\[dicom\]'"):
        load_labels(path)
    assert read_seg_names(path) == {}


def test_it_is_imported_only_where_it_is_needed():
    code = "import sys, afl_core.cli.main, afl_core.data.formats.files as f; sys.exit('highdicom' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_references_and_predictions_are_measured_and_slices_are_no_files(tmp_path):
    predicted = labels()
    predicted[1] = 0
    write_seg(tmp_path / "refs" / "p1.dcm", labels())
    write_seg(tmp_path / "A" / "p1_pred.dcm", predicted)
    reference = load_mask(tmp_path / "refs" / "p1.dcm")
    save_volume(tmp_path / "B" / "p1.nii.gz", reference.array, reference.affine)
    for k, one in enumerate(slices()):
        one.save_as(tmp_path / "refs" / f"slice{k}.dcm", enforce_file_format=True)
    assert scan_folder(tmp_path / "refs").files == ("p1.dcm",)
    assert not is_segmentation(tmp_path / "refs" / "slice0.dcm")
    cohort = references_cohort(tmp_path / "refs")
    assert "liver beside tumor" in doubt_organs(cohort)
    with pytest.raises(UsageError, match="--region tumor"):
        evaluate({"A": tmp_path / "A"}, tmp_path / "out", references=tmp_path / "refs")
    evaluate({"A": tmp_path / "A", "B": tmp_path / "B"}, tmp_path / "out", references=tmp_path / "refs", region="whole")
    rows = Results(tmp_path / "out").cases().set_index("source")
    true, found = (labels() > 0).sum(), (predicted > 0).sum()
    assert rows["dsc"].to_dict() == pytest.approx({"A": 2 * found / (true + found), "B": 1.0})


def test_a_segmentation_beside_images_and_a_mask_like_it(tmp_path):
    reference = load_mask(write_seg(tmp_path / "references" / "p1.dcm", labels()))
    save_volume(tmp_path / "images" / "p1_flair.nii.gz", np.ones(reference.array.shape, np.float32), reference.affine)
    (case,) = load_cohort(tmp_path).cases
    assert case.reference == tmp_path / "references" / "p1.dcm"
    save_mask(tmp_path / "like.nii.gz", reference, like=case.reference)
    np.testing.assert_array_equal(load_mask(tmp_path / "like.nii.gz").array, reference.array)


def test_a_folder_of_slices_says_what_is_read_of_dicom(tmp_path):
    for k, one in enumerate(slices()):
        one.save_as(tmp_path / f"{k}.dcm", enforce_file_format=True)
    with pytest.raises(DataError, match=r"5 DICOM files are not read.*only segmentations"):
        load_cohort(tmp_path)
    made_trees.plain(tmp_path)
    assert load_cohort(tmp_path).strays == ()


@pytest.mark.filterwarnings("ignore")  # pydicom's, of values that are not as DICOM has them
def test_damage_anywhere_is_read_or_one_error(tmp_path):
    """Of 100 files with a few other bytes, each is read or refused with a sentence, and nothing else is raised."""
    path = write_seg(tmp_path / "a.dcm", labels())
    whole, rng, refused = np.frombuffer(path.read_bytes(), np.uint8), np.random.default_rng(0), 0
    for _ in range(100):
        broken = whole.copy()
        places = rng.integers(132, len(whole), rng.integers(1, 6))
        broken[places] = rng.integers(0, 256, len(places))
        path.write_bytes(broken.tobytes())
        try:
            load_labels(path)
        except DataError:
            refused += 1
        read_seg_names(path)
    assert 10 < refused < 100


def test_a_prediction_without_its_empty_slices_is_brought_onto_the_reference_when_asked(tmp_path):
    write_seg(tmp_path / "refs" / "p1.dcm", labels(), ["organ", "part"])
    write_seg(tmp_path / "A" / "p1.dcm", labels(), ["organ", "part"], omit_empty_frames=True)
    reference, predicted = (load_mask(tmp_path / folder / "p1.dcm") for folder in ("refs", "A"))
    with pytest.raises(GeometryError):
        onto_reference(predicted, reference, other_grid="refuse", what="A on p1", stored="LPS")
    mask, done = onto_reference(predicted, reference, other_grid="resample", what="A on p1", stored="LPS")
    np.testing.assert_array_equal(mask.array, reference.array)
    assert done
