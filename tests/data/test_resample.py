"""Images on grids of their own come onto the case's grid, by where they lie in the patient."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from scipy import ndimage

from afl_core.data.formats.files import save_volume
from afl_core.data.layouts import load_case, load_cohort, load_sequence
from afl_core.data.resample import resample_onto
from afl_core.errors import GeometryError
from afl_core.volume import Volume

LANDMARKS_MM = ((12.0, -30.0, 4.0), (-14.0, -52.0, 16.0), (2.0, -38.0, 22.0), (20.0, -58.0, 10.0))
"""RAS+; each well inside all three grids."""

GRIDS = {
    "t2w": ((96, 96, 16), (0.75, 0.75, 3.0), 0.11, 0.0),
    "adc": ((40, 44, 18), (2.0, 2.0, 3.2), -0.07, 1.3),
    "hbv": ((44, 36, 20), (1.8, 2.2, 2.8), 0.0, -0.9),
}
"""Sequence to voxels, spacing in mm, tilt about the x axis and shift in mm: all oblique or offset in another way."""


def itk_grid(name: str) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Shape, and voxel index to ITK's LPS+ millimetres."""
    shape, spacing, tilt, shift = GRIDS[name]
    cos, sin = np.cos(tilt), np.sin(tilt)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) * spacing
    middle = affine[:3, :3] @ (np.array(shape) / 2)
    affine[:3, 3] = np.array([-2.0, 44.0, 13.0]) - middle + shift
    return shape, affine


def draw(name: str) -> NDArray[np.float32]:
    """A Gaussian blob of 3 mm at each landmark, the second twice as bright and so on."""
    shape, affine = itk_grid(name)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    points = index @ affine[:3, :3].T + affine[:3, 3]
    image = np.zeros(shape)
    for x, y, z in LANDMARKS_MM:
        image += np.exp(-((points - (-x, -y, z)) ** 2).sum(axis=-1) / (2 * 3.0**2))
    return image.astype(np.float32)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A PI-CAI study whose three sequences have three grids; the mask lies on that of T2W."""
    for name in GRIDS:
        shape, affine = itk_grid(name)
        image = sitk.GetImageFromArray(draw(name).T)
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        image.SetSpacing(spacing.tolist())
        image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
        image.SetOrigin(affine[:3, 3].tolist())
        path = tmp_path / "images" / "10000" / f"10000_1000000_{name}.mha"
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(image, str(path))
    shape, affine = itk_grid("t2w")
    mask = np.zeros(shape, np.uint8)
    mask[40:44, 40:44, 8] = 2
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    save_volume(tmp_path / "csPCa_lesion_delineations/human_expert/resampled/10000_1000000.nii.gz", mask, ras)
    return tmp_path


def test_three_grids_end_aligned_to_t2w_within_half_a_voxel(study: Path) -> None:
    """Each blob's centre of mass, in voxels of T2W, against where the landmark lies."""
    loaded = load_case(load_cohort(study).cases[0])
    grid = loaded.images["t2w"]
    assert loaded.reference is not None
    worst = {}
    for name, image in loaded.images.items():
        assert image.array.shape == grid.array.shape
        np.testing.assert_array_equal(image.affine, grid.affine)
        for landmark in LANDMARKS_MM:
            due = np.linalg.solve(image.affine, [*landmark, 1])[:3]
            radius = np.round(6.0 / np.array(image.spacing_mm)).astype(int)
            low = np.maximum(np.round(due).astype(int) - radius, 0)
            box = tuple(slice(a, a + 2 * r + 1) for a, r in zip(low, radius, strict=True))
            found = np.array(ndimage.center_of_mass(np.where(image.array[box] > 0.2, image.array[box], 0))) + low
            worst[name] = max(worst.get(name, 0), np.abs(found - due).max())
    assert max(worst.values()) < 0.5, worst
    assert max(worst.values()) < 0.15, worst  # the blobs are sampled finely enough for 0.07


def test_the_reference_must_lie_on_t2w_itself(study: Path) -> None:
    path = study / "csPCa_lesion_delineations/human_expert/resampled/10000_1000000.nii.gz"
    shape, affine = itk_grid("adc")
    save_volume(path, np.zeros(shape, np.uint8), np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
    with pytest.raises(GeometryError, match="reference of 10000_1000000 lies on another grid"):
        load_case(load_cohort(study).cases[0])


def test_without_t2w_the_reference_is_the_grid(study: Path) -> None:
    whole = load_sequence(load_cohort(study).cases[0], "adc")
    (study / "images/10000/10000_1000000_t2w.mha").unlink()
    cohort = load_cohort(study)
    assert cohort.incomplete == (("10000_1000000", "no t2w image"),)
    np.testing.assert_allclose(load_case(cohort.cases[0]).images["adc"].array, whole.array, atol=1e-4)


def test_resampling_is_exact_for_a_linear_ramp_and_0_outside() -> None:
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = (-10, 5, 7)
    x = np.broadcast_to((2.0 * np.arange(10) - 10)[:, None, None], (10, 8, 6)).astype(np.float32)
    fine = np.diag([0.5, 0.5, 1.0, 1.0])
    fine[:3, 3] = (-8, 8, 9)
    there = resample_onto(Volume(x, affine), Volume(np.zeros((20, 10, 8), np.float32), fine))
    due = np.broadcast_to((0.5 * np.arange(20) - 8)[:, None, None], there.array.shape)
    np.testing.assert_allclose(there.array, due, atol=1e-4)
    far = fine.copy()
    far[0, 3] = 100
    assert not resample_onto(Volume(x + 50, affine), Volume(np.zeros((4, 4, 4), np.float32), far)).array.any()


def test_other_layouts_are_not_resampled(tmp_path: Path) -> None:
    save_volume(tmp_path / "images" / "a_t1.nii.gz", np.ones((4, 4, 4), np.float32), np.eye(4))
    save_volume(tmp_path / "images" / "a_t2.nii.gz", np.ones((4, 4, 4), np.float32), np.diag([2.0, 2.0, 2.0, 1.0]))
    with pytest.raises(GeometryError, match="another affine"):
        load_case(load_cohort(tmp_path).cases[0])
