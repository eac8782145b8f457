"""Surface Dice by area: by hand, and against areas of whole surfaces and a KD-tree."""

import numpy as np
import pytest
import pyvista as pv
from scipy import ndimage
from scipy.spatial import cKDTree

from afl_core.metrics import evaluate_masks
from afl_core.metrics.surface_area import _areas, _codes

SPACINGS = ((1.0, 1.0, 1.0), (0.5, 0.5, 3.0), (0.9, 1.3, 2.1))


def blobs(seed, shape=(24, 20, 16)):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(2, *shape)), (0, 2, 2, 1.5))
    return noise > 1.2 * noise.std()


def triangles(mask, spacing):
    """Middles and areas of the triangles of the whole mask's surface, as drawn by VTK in millimetres."""
    padded = np.pad(mask, 1).astype(np.float32)
    grid = pv.ImageData(dimensions=padded.shape, spacing=spacing)
    grid["inside"] = padded.ravel(order="F")
    surface = grid.contour([0.5], scalars="inside", method="marching_cubes")
    a, b, c = (surface.points[surface.regular_faces[:, k]].astype(np.float64) for k in range(3))
    return (a + b + c) / 3, np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def slow(prediction, reference, spacing, tolerance):
    """Triangles of the whole surfaces by the neighbourhood that they lie in; distances between these by a KD-tree."""
    pieces = []
    for mask in (prediction, reference):
        middles, areas = triangles(mask, spacing)
        pieces.append((np.floor(middles / spacing) * spacing, areas))
    right = total = 0.0
    for (points, areas), (others, _) in (pieces, pieces[::-1]):
        right += areas[cKDTree(others).query(points)[0] <= tolerance + 1e-5].sum()
        total += areas.sum()
    return right / total


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", [1, 2])
def test_against_a_slow_way(seed, spacing):
    prediction, reference = blobs(seed)
    for tolerance in (0.4, 1.0, 3.0):
        found = evaluate_masks(prediction, reference, spacing_mm=spacing, nsd_tolerance_mm=tolerance)
        assert found.nsd_area == pytest.approx(slow(prediction, reference, spacing, tolerance), abs=1e-6)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_the_pieces_make_the_whole_surface(spacing):
    mask = blobs(3)[0]
    assert _areas(spacing)[_codes(mask)].sum() == pytest.approx(triangles(mask, spacing)[1].sum(), rel=1e-5)


def test_a_voxel_by_hand():
    """Eight corners, each cut by a triangle over three half edges: sqrt(3)/8 mm2 at 1 mm."""
    voxel = np.ones((1, 1, 1), bool)
    assert np.count_nonzero(_areas(SPACINGS[0])[_codes(voxel)]) == 8
    assert _areas(SPACINGS[0])[_codes(voxel)].sum() == pytest.approx(8 * np.sqrt(3) / 8)


def test_equal_masks_shifted_masks_and_empty_ones():
    mask = np.zeros((20, 20, 20), bool)
    mask[5:12, 5:12, 5:12] = True
    nothing = np.zeros_like(mask)
    assert evaluate_masks(mask, mask, spacing_mm=(1, 1, 1)).nsd_area == 1
    assert evaluate_masks(np.roll(mask, 1, 0), mask, spacing_mm=(1, 1, 1)).nsd_area == 1  # within 1 mm
    assert evaluate_masks(nothing, mask, spacing_mm=(1, 1, 1)).nsd_area == 0
    assert evaluate_masks(mask, nothing, spacing_mm=(1, 1, 1)).nsd_area == 0
    assert evaluate_masks(nothing, nothing, spacing_mm=(1, 1, 1)).nsd_area == 1


def test_a_surface_along_the_border_of_the_array_counts():
    mask = np.zeros((6, 6, 6), bool)
    mask[:3] = True
    inside = np.pad(mask, 4)
    pair = evaluate_masks(mask, np.roll(mask, 1, 0), spacing_mm=(1, 1, 2), nsd_tolerance_mm=0.5).nsd_area
    same = evaluate_masks(inside, np.pad(np.roll(mask, 1, 0), 4), spacing_mm=(1, 1, 2), nsd_tolerance_mm=0.5).nsd_area
    assert pair == pytest.approx(same)
