"""Masks that lost their header: told in words, refused alike by all, and read voxel by voxel if asked."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from afl_core.data.check.check import check_cohort
from afl_core.data.formats.files import load_mask, load_volume
from afl_core.data.layouts import load_case, load_cohort
from afl_core.errors import GeometryError
from afl_core.evaluation.manifest import load_manifest, whole_cohort
from afl_core.evaluation.pipeline import evaluate_case, mask_path
from afl_core.evaluation.prediction_stream import predict_mask
from afl_core.evaluation.results import Results
from afl_core.evaluation.sources import MaskSource
from afl_core.volume import Case, Mask, check_same_grid

SHAPE = (10, 12, 8)
OWN = np.array([[0.5, 0, 0, -40], [0, 0.5, 0, 30], [0, 0, 3.0, 7], [0, 0, 0, 1.0]])
LPS = np.diag([-0.5, -0.5, 3.0, 1.0])
MOVED = OWN + np.array([[0, 0, 0, 20.0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
LOST = {"moved": MOVED, "flipped": LPS, "none": np.eye(4)}


def tumour() -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    array[1:4, 2:7, 3:5] = 1
    return array


def save(path: Path, array: np.ndarray, affine: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One case with an image; its reference is written by each test."""
    save(tmp_path / "data/images/a_t1.nii", np.arange(960, dtype=np.int16).reshape(SHAPE), OWN)
    (tmp_path / "data/afl-layout.toml").write_text(
        'reference = "references/{case}"\n[images]\nt1 = "images/{case}_t1"\n'
    )
    return tmp_path / "data"


def cases(root: Path, **options: object) -> tuple[Case, ...]:
    return load_cohort(root, **options).cases


@pytest.mark.parametrize("lost", LOST)
def test_trusted_voxels_lie_where_the_image_does(root: Path, lost: str) -> None:
    save(root / "references/a.nii", tumour(), LOST[lost])
    (case,) = cases(root, trust_voxel_order=True)
    loaded = load_case(case)
    np.testing.assert_array_equal(loaded.reference.array, tumour())
    np.testing.assert_allclose(loaded.reference.affine, OWN)
    assert loaded.reference.volume_ml == pytest.approx(30 * 0.75 / 1000)


@pytest.mark.parametrize("lost", LOST)
def test_check_evaluation_and_reader_refuse_alike_and_say_what_differs(root: Path, tmp_path: Path, lost: str) -> None:
    save(root / "references/a.nii", tumour(), LOST[lost])
    masks = save(tmp_path / "A/a.nii", tumour(), OWN).parent
    said = {
        "moved": "the first voxel is 20.00 mm away (+20.0, +0.0, +0.0)",
        "flipped": "axes stored as LPS against RAS",
        "none": "voxels of 1x1x1 mm against 0.5x0.5x3 mm",
    }[lost]
    (case,) = cases(root)
    what = "The reference of a has another affine than The t1 image of a"
    report = check_cohort(load_cohort(root), index=tmp_path / "index")
    (found,) = [finding for finding in report.findings if finding.level == "error"]
    assert what in found.items[0]
    assert said in found.items[0]
    assert "--trust-voxel-order" in found.todo
    problems = evaluate_case(case, [MaskSource("A", masks)], tmp_path / "out").problems
    for sequences in ((), None):
        with pytest.raises(GeometryError) as caught:
            load_case(case, sequences=sequences)
        assert str(caught.value) == problems[""]
    assert what in problems[""]
    assert said in problems[""]
    assert "--trust-voxel-order" in problems[""]


@pytest.mark.parametrize("lost", LOST)
def test_a_prediction_without_its_header_is_measured_in_place(root: Path, tmp_path: Path, lost: str) -> None:
    save(root / "references/a.nii", tumour(), LPS)
    half = tumour()
    half[3] = 0
    masks = save(tmp_path / "A/a.nii", half, LOST[lost]).parent
    (case,) = cases(root, trust_voxel_order=True)
    result = evaluate_case(case, [MaskSource("A", masks)], tmp_path / "out")
    assert not result.problems
    row = result.rows[0]
    assert row["dsc"] == pytest.approx(2 * 20 / 50)
    assert row["reference_volume_ml"] == pytest.approx(0.0225)
    assert row["note"] == "placed by a_t1.nii, voxel by voxel"
    kept = load_mask(mask_path(tmp_path / "out", "A", "a"))
    np.testing.assert_array_equal(kept.array, half)
    check_same_grid(load_volume(case.sequences["t1"]), kept, names=("image", "kept"))


def test_without_images_the_reference_says_where_it_lies(tmp_path: Path) -> None:
    reference = save(tmp_path / "refs/a.nii", tumour(), OWN)
    masks = save(tmp_path / "A/a.nii", tumour(), LPS).parent
    case = Case("a", {}, reference, trust_voxel_order=True)
    row = evaluate_case(case, [MaskSource("A", masks)], tmp_path / "out").rows[0]
    assert (row["dsc"], row["hd95_mm"]) == (1, 0)
    refused = evaluate_case(Case("a", {}, reference), [MaskSource("A", masks)], tmp_path / "out")
    assert "axes stored as LPS against RAS" in refused.problems["A"]


def test_another_stored_shape_is_never_trusted(root: Path, tmp_path: Path) -> None:
    """Not even where it has as many voxels along the turned axes: 12x10x8 stored as ALS is 10x12x8 in RAS."""
    save(root / "references/a.nii", tumour().transpose(1, 0, 2), np.array(MOVED[:, [1, 0, 2, 3]]))
    (case,) = cases(root, trust_voxel_order=True)
    with pytest.raises(GeometryError, match="has another affine"):
        load_case(case)


def test_the_choice_is_kept_with_the_results_and_is_part_of_a_row(root: Path, tmp_path: Path) -> None:
    save(root / "references/a.nii", tumour(), LPS)
    source = MaskSource("A", save(tmp_path / "A/a.nii", tumour(), LPS).parent)
    cohort = load_cohort(root, trust_voxel_order=True)
    results = Results(tmp_path / "out")
    results.describe_cohort(cohort, [source])
    manifest = load_manifest(tmp_path / "out")
    assert manifest.settings.trust_voxel_order is True
    assert whole_cohort(manifest).cases == cohort.cases
    assert cohort.options.arguments()[-1] == "--trust-voxel-order"
    assert cohort.options.load(root).cases == cohort.cases
    plain, trusted = (
        evaluate_case(Case("a", {}, root / "references/a.nii", trust_voxel_order=trust), [source], tmp_path / "rows")
        for trust in (False, True)
    )
    assert plain.rows[0]["key"] != trusted.rows[0]["key"]


def test_the_check_is_content_with_trusted_files(root: Path, tmp_path: Path) -> None:
    save(root / "references/a.nii", tumour(), np.eye(4))
    for trust, level, volume in ((False, "error", 0.030), (True, "", 0.0225)):
        report = check_cohort(load_cohort(root, trust_voxel_order=trust), index=tmp_path / "index")
        assert report.worst == level
        assert report.cases[0].volume_ml == pytest.approx(volume)


def test_a_mask_that_resampling_would_empty_is_refused(tmp_path: Path) -> None:
    """Only a corner of the grids overlaps, and there is no tumour in it."""
    reference = save(tmp_path / "refs/a.nii", tumour(), OWN)
    far = OWN.copy()
    far[0, 3] += 4.5
    masks = save(tmp_path / "A/a.nii", tumour(), far).parent
    result = evaluate_case(Case("a", {}, reference), [MaskSource("A", masks, "resample")], tmp_path / "out")
    assert "Nothing is left of A's mask of a" in result.problems["A"]
    assert "--trust-voxel-order" in result.problems["A"]


def test_a_mask_of_a_trusted_image_is_written_on_the_grid_of_the_first(root: Path, tmp_path: Path) -> None:
    class Ones:
        name = "ones"

        def sequences(self) -> tuple[str, ...]:
            return ("t1",)

        def predict(self, case: Case, images: dict, reference: object) -> object:
            from afl_core.volume import Prediction

            return Prediction(Mask(images["t1"].array >= 480, images["t1"].affine))

    (case,) = cases(root, trust_voxel_order=True)
    predict_mask(case, Ones(), tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(load_mask(tmp_path / "a.nii.gz").array, np.arange(960).reshape(SHAPE) >= 480)


def test_axes_that_are_not_at_right_angles_are_measured_rightly_or_not_at_all(tmp_path: Path) -> None:
    sheared = np.array([[1, 1, 0, 0], [0, 1.0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    mask = Mask(np.ones((5, 5, 37), bool), sheared)
    assert mask.volume_ml == pytest.approx(0.925)  # not 1.308, the product of the edges
    assert mask.skew == pytest.approx(np.sqrt(0.5))
    reference = save(tmp_path / "refs/a.nii", tumour(), sheared)
    case = Case("a", {}, reference)
    result = evaluate_case(case, [MaskSource("A", reference.parent)], tmp_path / "out")
    assert "axes that are not at right angles" in result.problems[""]
    assert "45.0 degrees" in result.problems[""]
    from afl_core.data.layouts import references_cohort

    report = check_cohort(references_cohort(tmp_path / "refs"), index=tmp_path / "index")
    assert report.unusable == ("a",)
    assert "not at right angles" in report.findings[0].what
