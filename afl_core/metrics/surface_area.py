"""Surface Dice weighted by area, as DeepMind's surface-distance defines it.

The surface runs between voxel centres: every 2x2x2 neighbourhood that the mask neither fills nor misses holds a piece
of it, with the area that marching cubes gives to its 8 bits. Distances run between the middles of such neighbourhoods.
Source: Nikolov et al., arXiv 1809.04430; github.com/google-deepmind/surface-distance.
"""

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from afl_core.base.jit import jit
from afl_core.metrics.surface import ROUNDING_MM, Distances, Points, directed_mm, places, within
from afl_core.regions import BoolArray, bounding_box
from afl_core.volume import Spacing

Codes = NDArray[np.uint8]


def nsd_area(prediction: BoolArray, reference: BoolArray, *, spacing_mm: Spacing, tolerance_mm: float) -> float:
    """The area of both surfaces within the tolerance of the other, over their whole area.

    Args:
        prediction: Shape (X, Y, Z), not empty; possibly a crop that holds every True voxel of both masks.
        reference: Same shape, not empty.
        spacing_mm: Voxel edge lengths.
        tolerance_mm: Distance up to which a surface counts as right.
    """
    points, weights = _pieces((prediction, reference), _areas(spacing_mm))
    steps, limit = np.array(spacing_mm, dtype=np.float64), tolerance_mm + ROUNDING_MM
    right = weights[0][within(points[0], points[1], steps, limit)].sum()
    right += weights[1][within(points[1], points[0], steps, limit)].sum()
    return float(right / (weights[0].sum() + weights[1].sum()))


def hd95_area_mm(prediction: BoolArray, reference: BoolArray, *, spacing_mm: Spacing) -> float:
    """The larger of the two directed distances within which 95 % of a surface's area lie of the other surface.

    As DeepMind's compute_robust_hausdorff, whose table gives a neighbourhood and its complement one area, that of the
    one with fewer corners inside. Arguments as `nsd_area`.
    """
    areas = _areas(spacing_mm)
    points, weights = _pieces((prediction, reference), np.minimum(areas, areas[::-1]))
    steps = np.array(spacing_mm, dtype=np.float64)
    return max(
        _percentile_95(directed_mm(points[0], points[1], steps), weights[0]),
        _percentile_95(directed_mm(points[1], points[0], steps), weights[1]),
    )


def _percentile_95(distances: Distances, areas: NDArray[np.float64]) -> float:
    """The smallest distance up to which 95 % of the area lie."""
    order = np.argsort(distances)
    shares = np.cumsum(areas[order]) / areas.sum()
    return float(distances[order[min(int(np.searchsorted(shares, 0.95)), len(order) - 1)]])


def _pieces(
    masks: tuple[BoolArray, BoolArray], areas: NDArray[np.float64]
) -> tuple[tuple[Points, ...], tuple[NDArray[np.float64], ...]]:
    """Places and areas in mm2 of the pieces of each mask's surface, by the area of each code."""
    (first, second), (first_mm2, second_mm2) = zip(*(_mask_pieces(mask, areas) for mask in masks), strict=True)
    return (first, second), (first_mm2, second_mm2)


def _mask_pieces(mask: BoolArray, areas: NDArray[np.float64]) -> tuple[Points, NDArray[np.float64]]:
    box = bounding_box(mask)
    assert box is not None  # a mask without a voxel has no surface
    codes = _codes(mask[box])
    flat = np.flatnonzero((codes + 1) > 1)  # neither missed (0) nor filled (255, which becomes 0)
    corner = np.array([[side.start] for side in box])
    return places(flat, codes.shape) + corner, areas[codes.ravel()[flat]]


def _codes(mask: BoolArray) -> Codes:
    """Bits of every 2x2x2 neighbourhood, also of those that lie half outside the array; one more along each axis."""
    codes = np.empty(tuple(n + 1 for n in mask.shape), dtype=np.uint8)
    jit(_encode)(np.pad(mask, 1).view(np.uint8), codes)
    return codes


@lru_cache(maxsize=64)
def _areas(spacing_mm: Spacing) -> NDArray[np.float64]:
    """Area in mm2 of the piece of surface in a neighbourhood, by its code; shape (256,)."""
    x, y, z = spacing_mm
    normals, owners = _normals()
    areas = np.linalg.norm(normals * (y * z, x * z, x * y), axis=1)
    return np.asarray(np.bincount(owners, areas, minlength=256), dtype=np.float64)


@cache
def _normals() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Normals of the triangles of marching cubes, as long as their area at 1 mm, shape (N, 3); and the code of each."""
    from skimage.measure import marching_cubes  # noqa: PLC0415 - a tenth of a second

    normals, owners = list[NDArray[np.float64]](), list[int]()
    for code in range(1, 255):
        bits = np.array([code >> bit & 1 for bit in range(8)], dtype=np.float32).reshape(2, 2, 2)
        corners, triangles, _, _ = marching_cubes(bits, 0.5, method="lorensen")
        a, b, c = corners.astype(np.float64)[triangles.T]
        normals.append(np.cross(b - a, c - a) / 2)
        owners += [code] * len(triangles)
    return np.concatenate(normals), np.array(owners)


def _encode(padded: Codes, codes: Codes) -> None:
    for x in range(codes.shape[0]):
        for y in range(codes.shape[1]):
            a, b, c, d = padded[x, y], padded[x, y + 1], padded[x + 1, y], padded[x + 1, y + 1]
            out = codes[x, y]
            for z in range(len(out)):
                low = a[z] | a[z + 1] << 1 | b[z] << 2 | b[z + 1] << 3
                out[z] = low | c[z] << 4 | c[z + 1] << 5 | d[z] << 6 | d[z + 1] << 7
