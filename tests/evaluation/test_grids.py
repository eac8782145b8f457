"""Masks on another grid than the reference: caught, named, and put in their place only where it is known."""

import json

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from afl_core.errors import UsageError
from afl_core.evaluation.pipeline import evaluate_case
from afl_core.evaluation.sources import MaskSource, parse_sources
from afl_core.volume import Case

SHAPE, SPACING = (40, 36, 20), (0.5, 0.5, 3.0)


def affine(spacing=SPACING, origin=(-10.0, -9.0, 5.0), signs=(1, 1, 1)):
    matrix = np.diag([*np.multiply(spacing, signs), 1.0])
    matrix[:3, 3] = origin
    return matrix


def ellipsoid(shape=SHAPE, spacing=SPACING, offset=(0, 0, 0)):
    """One tumour in space, sampled on any grid that begins at the same outer corner."""
    x, y, z = np.meshgrid(*[(np.arange(n) + 0.5) * s for n, s in zip(shape, spacing, strict=True)], indexing="ij")
    x, y, z = x + offset[0], y + offset[1], z + offset[2]
    return ((x - 8) / 4) ** 2 + ((y - 10) / 5) ** 2 + ((z - 33) / 14) ** 2 < 1


def same_corner(spacing):
    """Origin of a grid whose outer corner is that of the reference."""
    return tuple(np.array((-10.0, -9.0, 5.0)) - 0.5 * np.array(SPACING) + 0.5 * np.array(spacing))


def run(tmp_path, mask, mask_affine, *, option="refuse", reference=None, reference_affine=None):
    (tmp_path / "masks").mkdir(exist_ok=True)
    found = ellipsoid() if reference is None else reference
    stored = affine() if reference_affine is None else reference_affine
    nib.save(nib.Nifti1Image(found.astype(np.uint8), stored), tmp_path / "reference.nii.gz")
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), mask_affine), tmp_path / "masks" / "a.nii.gz")
    case = Case("a", {}, tmp_path / "reference.nii.gz")
    return evaluate_case(case, (MaskSource("A", tmp_path / "masks", option),), tmp_path / "out")


FINE = (0.25, 0.25, 1.0)
FINE_SHAPE = (80, 72, 60)


def test_a_mask_on_a_finer_grid_is_refused_or_resampled_with_a_note(tmp_path):
    mask, place = ellipsoid(FINE_SHAPE, FINE), affine(FINE, same_corner(FINE))
    said = run(tmp_path, mask, place).problems["A"]
    assert "A's mask of a lies on another grid than the reference" in said
    assert "--other-grid resample" in said
    (row,) = run(tmp_path, mask, place, option="resample").rows
    assert row["dsc"] > 0.96
    assert row["note"].startswith("resampled from 80x72x60 voxels of 0.25x0.25x1 mm: ")
    before, after = (float(word) for word in row["note"].replace(" ml", "").split(": ")[1].split()[::2])
    assert before == pytest.approx(mask.sum() * 0.0625 / 1000, abs=0.006)
    assert after == pytest.approx(row["predicted_volume_ml"], abs=0.006)


def test_resampling_takes_the_nearest_voxel_in_space(tmp_path):
    """Against SimpleITK, with an oblique mask grid."""
    import SimpleITK as sitk  # noqa: N813

    turn = np.deg2rad(7)
    place = affine(FINE, (-13.0, -6.0, 3.0)) @ np.block(
        [
            [np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]), np.zeros((2, 2))],
            [np.zeros((2, 2)), np.eye(2)],
        ]
    )
    mask = np.random.default_rng(0).random(FINE_SHAPE) > 0.5
    (row,) = run(tmp_path, mask, place, option="resample").rows
    assert row["note"]
    grid, moving = (sitk.ReadImage(str(tmp_path / name)) for name in ("reference.nii.gz", "masks/a.nii.gz"))
    wanted = sitk.Resample(moving, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    found = sitk.ReadImage(str(tmp_path / "out" / "masks" / "A" / "a.nii.gz"))
    wanted, found = sitk.GetArrayFromImage(wanted), sitk.GetArrayFromImage(found)
    assert wanted.sum() > 1000
    assert (wanted != found).mean() < 0.002  # ties, and the outermost half voxel


@pytest.mark.parametrize("option", ["refuse", "resample", "stretch"])
def test_an_affine_that_differs_by_rounding_is_the_same_grid(tmp_path, option):
    place = affine()
    place[:3, 3] += 0.02
    (row,) = run(tmp_path, ellipsoid(), place, option=option).rows
    assert (row["dsc"], row["note"]) == (1, "")


@pytest.mark.parametrize("change", ["shift", "spacing", "mirrored", "identity"])
def test_the_same_shape_with_another_affine_is_caught(tmp_path, change):
    place = {
        "shift": affine(origin=(-9.0, -9.0, 5.0)),
        "spacing": affine((0.52, 0.5, 3.0)),
        "mirrored": affine(signs=(-1, -1, 1)),
        "identity": np.eye(4),
    }[change]
    assert "affine" in run(tmp_path, ellipsoid(), place).problems["A"]


def test_a_mask_elsewhere_in_space_is_no_empty_prediction(tmp_path):
    result = run(tmp_path, ellipsoid(), affine(origin=(500, 0, 0)), option="resample")
    assert "lies elsewhere in space" in result.problems["A"]


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1)])
@pytest.mark.parametrize("option", ["refuse", "resample", "stretch"])
def test_a_mask_as_the_papers_inference_writes_it_is_named_and_can_be_stretched(tmp_path, signs, option):
    """PI-CAI: resized to 160x128x24, turned to RAS, and saved with the affine of the T2W, which here is RAS or LPS."""
    ras = ellipsoid((64, 60, 19), (0.5, 0.5, 3.0))
    stored = ras[:: signs[0], :: signs[1]]
    native = affine(origin=(10.0, 9.0, 5.0), signs=signs)
    zoom = [m / n for m, n in zip((160, 128, 24), ras.shape, strict=True)]
    written = ndimage.zoom(ras.astype(np.uint8), zoom, order=0, mode="nearest", grid_mode=True)
    result = run(tmp_path, written, native, option=option, reference=stored, reference_affine=native)
    if option == "stretch":
        assert result.rows[0]["dsc"] > 0.97
        assert result.rows[0]["note"] == "stretched from 160x128x24 voxels"
    else:
        assert "as the paper's released PI-CAI inference does" in result.problems["A"]
        assert "--other-grid stretch" in result.problems["A"]


def test_the_papers_random_brats_crop_cannot_be_placed(tmp_path):
    reference = np.zeros((232, 226, 150), np.uint8)
    reference[100:110, 100:110, 70:80] = 1
    result = run(
        tmp_path,
        reference[:224, :224, :144],
        np.eye(4),
        option="stretch",
        reference=reference,
        reference_affine=np.eye(4),
    )
    assert "crops and flips at random" in result.problems["A"]


def test_another_tools_resized_mask_is_stretched_by_its_own_axes(tmp_path):
    mask, native = ellipsoid((20, 18, 20), (1.0, 1.0, 3.0))[::-1], affine(signs=(-1, 1, 1))
    reference = ellipsoid()[::-1]
    assert (
        "--other-grid stretch"
        in run(tmp_path, mask, native, reference=reference, reference_affine=native).problems["A"]
    )
    (row,) = run(tmp_path, mask, native, option="stretch", reference=reference, reference_affine=native).rows
    assert row["dsc"] > 0.93


def test_an_option_is_part_of_the_text_of_a_source_and_of_its_key(tmp_path, masks):
    (source,) = parse_sources([f"A={masks}@resample"])
    assert source == MaskSource("A", masks, "resample")
    assert parse_sources([f"A={masks}"], other_grid="stretch")[0].option == "stretch"
    case = Case("Case_A", {})
    assert source.key(case) != MaskSource("A", masks).key(case)
    assert json.dumps(source.describe()["option"]) == '"resample"'
    with pytest.raises(UsageError, match="nearst"):
        parse_sources([f"A={masks}"], other_grid="nearst")
