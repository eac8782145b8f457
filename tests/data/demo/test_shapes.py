"""Cohorts that are drawn with the shapes of reference masks."""

import hashlib
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from afl_core.data.formats.files import load_mask
from afl_core.data.layouts import AS_RECOGNISED, load_cohort
from afl_core.data.shaped_cohort import on_grid, write_shapes
from afl_core.regions import label_lesions
from afl_core.shape import describe
from afl_core.volume import Mask


def ball(shape, centre, radius_mm, spacing_mm=(1.0, 1.0, 1.0)):
    places = np.indices(shape) * np.reshape(spacing_mm, (3, 1, 1, 1))
    return ((places - np.reshape(centre, (3, 1, 1, 1))) ** 2).sum(axis=0) <= radius_mm**2


def mask_of(array, spacing_mm):
    return Mask(array, np.diag([*spacing_mm, 1.0]))


@pytest.mark.parametrize(
    ("spacing_mm", "most"),
    [((1.0, 1.0, 1.0), 1e-9), ((0.5, 0.5, 3.0), 0.03), ((1.2, 0.7, 1.0), 0.03), ((2.0, 2.0, 2.0), 0.06)],
)
@pytest.mark.parametrize("radius_mm", [6, 9, 12])
def test_on_voxels_of_1_mm_a_ball_has_its_volume_and_is_as_smooth(spacing_mm, radius_mm, most):
    shape = tuple(int(40 / step) for step in spacing_mm)
    original = ball(shape, (19, 19, 19), radius_mm, spacing_mm)
    drawn = describe(on_grid(mask_of(original, spacing_mm)), spacing_mm=(1, 1, 1))
    own = describe(original, spacing_mm=spacing_mm)
    assert drawn.volume_ml == pytest.approx(own.volume_ml, rel=0.03)
    assert drawn.roughness == pytest.approx(own.roughness, abs=most)


@pytest.mark.parametrize("sides", [(6, 6, 1), (8, 8, 1), (10, 10, 1), (7, 7, 2), (4, 4, 1), (12, 5, 1)])
def test_a_lesion_of_few_coarse_voxels_has_its_volume(sides):
    """All or none of the voxels of one depth would be up to a quarter off."""
    original = np.zeros((20, 20, 6), bool)
    original[tuple(slice(3, 3 + side) for side in sides)] = True
    drawn = on_grid(mask_of(original, (0.5, 0.5, 3.0)))
    assert np.count_nonzero(drawn) == pytest.approx(0.75 * np.prod(sides), rel=0.03)
    assert label_lesions(drawn)[1].size == 1


def test_voxels_of_1_mm_stay_as_they_are():
    original = np.random.default_rng(0).random((9, 8, 7)) < 0.3
    (x, y, z), *_ = (np.nonzero(original),)
    cropped = original[x.min() : x.max() + 1, y.min() : y.max() + 1, z.min() : z.max() + 1]
    assert np.array_equal(on_grid(mask_of(original, (1.0, 1.0, 1.0)))[1:-1, 1:-1, 1:-1], cropped)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Three cases: two balls and a speck, an empty one, and one that is larger than any brain."""
    root = tmp_path_factory.mktemp("shapes")
    first = ball((60, 60, 60), (15, 15, 15), 8) | ball((60, 60, 60), (45, 45, 45), 4)
    first[58, 2, 2] = True
    masks = {"a": first, "b": np.zeros((60, 60, 60), bool), "c": np.ones((170, 60, 60), bool)}
    masks["c"][0, 0, 0] = False
    for name, mask in masks.items():
        folder = root / "real" / f"Case_{name}"
        folder.mkdir(parents=True)
        for part, array in (("seg", mask.astype(np.uint8)), ("t1", mask.astype(np.int16))):
            nib.save(nib.Nifti1Image(array, np.eye(4)), folder / f"Case_{name}_{part}.nii.gz")
    cases = AS_RECOGNISED.load(root / "real").cases
    rows, problems = write_shapes(root / "drawn", cases, seed=3)
    return root, cases, rows, problems


def test_a_case_has_the_lesions_of_its_original_inside_the_brain(drawn):
    root, _, (row,), _ = drawn
    (case,) = load_cohort(root / "drawn").cases
    labels = np.asanyarray(nib.load(case.reference).dataobj)
    components, sizes = label_lesions(labels > 0)
    assert sorted(sizes) == sorted(np.count_nonzero(ball((60, 60, 60), (15, 15, 15), radius)) for radius in (4, 8))
    assert (row.original, row.lesions, row.specks) == ("Case_a", 2, 1)
    assert row.drawn_ml == np.count_nonzero(labels) / 1000 == pytest.approx(row.original_ml - 0.001)
    assert row.drawn_roughness == pytest.approx(row.original_roughness, abs=1e-6)
    assert set(np.unique(labels)) == {0, 1, 2, 4}
    for path in case.sequences.values():
        assert (np.asanyarray(nib.load(path).dataobj)[labels > 0] > 0).all()
    assert components.max() == 2
    table = pd.read_csv(root / "drawn" / "shapes.csv")
    assert dict(table.iloc[0])["original"] == "Case_a"


def test_one_that_cannot_be_drawn_is_named_and_the_others_go_on(drawn):
    _, _, _, problems = drawn
    assert problems == {
        "Case_b": "The reference is empty (received: Case_b).",
        "Case_c": "The lesions found no room in the brain (received: 1, the largest 612 ml).",
    }


def test_the_same_seed_draws_the_same_and_what_is_there_is_kept(drawn, tmp_path):
    root, cases, rows, _ = drawn

    def bytes_of(folder):
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*.nii.gz"))}

    again, _ = write_shapes(tmp_path, cases[:1], seed=3)
    assert again == rows
    assert bytes_of(tmp_path) == bytes_of(root / "drawn")
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.nii.gz")}
    assert write_shapes(tmp_path, cases[:1], seed=3)[0] == rows
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.nii.gz")} == before
    other, _ = write_shapes(tmp_path, cases[:1], seed=4)
    assert other[0].contrast != rows[0].contrast
    assert bytes_of(tmp_path) != bytes_of(root / "drawn")


@pytest.mark.skipif("AFL_REAL_DATA" not in os.environ, reason="needs the real cases, see tests/README.md")
def test_real_lesions_keep_volume_and_roughness(tmp_path):
    """Multiple sclerosis: dozens of lesions a patient, on voxels of 1 mm."""
    cohort = AS_RECOGNISED.references(Path(os.environ["AFL_REAL_DATA"]) / "ms_lesions")
    rows, problems = write_shapes(tmp_path, cohort.cases[1:3])
    assert problems == {}
    for row in rows:
        assert row.drawn_ml == pytest.approx(row.original_ml, rel=0.03)
        assert row.drawn_roughness == pytest.approx(row.original_roughness, abs=0.03)
        assert row.lesions > 10


@pytest.mark.skipif("AFL_REAL_DATA" not in os.environ, reason="needs the real cases, see tests/README.md")
def test_real_lesions_on_slices_of_3_mm_keep_their_volume():
    folder = Path(os.environ["AFL_REAL_DATA"]) / "picai_masks/csPCa_lesion_delineations/human_expert/resampled"
    masks = [load_mask(path) for path in sorted(folder.glob("*.nii.gz"))[:60]]
    held = [mask for mask in masks if mask.array.any()]
    assert len(held) > 20
    for mask in held:
        volume = np.count_nonzero(mask.array) * np.prod(mask.spacing_mm)
        assert np.count_nonzero(on_grid(mask)) == pytest.approx(volume, rel=0.03)
