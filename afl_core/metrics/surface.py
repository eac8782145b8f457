"""Distances between the surfaces of two masks, measured once for HD, HD95, ASSD and NSD.

A surface voxel is a voxel of the mask with at least one of its six neighbours outside it; what lies beyond the array
counts as outside. A distance runs from the centre of a surface voxel to the centre of the nearest surface voxel of the
other mask. Both are MONAI's definitions (`monai.metrics.utils.get_mask_edges`, `get_surface_distance`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afl_core.base.jit import jit
from afl_core.regions import BoolArray
from afl_core.volume import Spacing

Distances = NDArray[np.float64]

Points = NDArray[np.int64]
"""Voxel indices, shape (3, N), ordered as in memory: by x, then y, then z."""

Planes = NDArray[np.float32] | NDArray[np.float64]

ROUNDING_MM = 1e-5
"""Slack of the NSD tolerance: an affine stores 0.5 mm as 0.49999999 or 0.50000001, and both must count alike."""


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Distances in mm from each surface voxel to the other surface, ordered as the voxels are in memory (C).

    Attributes:
        prediction: Distances from the prediction to the reference, one for each surface voxel of the prediction.
        reference: Distances from the reference to the prediction.
    """

    prediction: Distances
    reference: Distances


def surface_voxels(mask: BoolArray) -> BoolArray:
    """Mark the voxels of a mask (X, Y, Z) that have a face neighbour outside it, or outside the array."""
    surface = mask.astype(np.uint8, order="C")
    jit(_clear_inside)(mask.view(np.uint8), surface)
    return surface.view(np.bool_)


def compute_surface_distances(prediction: BoolArray, reference: BoolArray, *, spacing_mm: Spacing) -> SurfaceDistances:
    """Measure the distances between the surfaces of two non-empty masks.

    Args:
        prediction: Shape (X, Y, Z), possibly a crop that holds every True voxel of both masks.
        reference: Same shape.
        spacing_mm: Voxel edge lengths.
    """
    first, second = (places(np.flatnonzero(surface_voxels(mask)), mask.shape) for mask in (prediction, reference))
    return distances_between(first, second, spacing_mm=spacing_mm)


def distances_between(prediction: Points, reference: Points, *, spacing_mm: Spacing) -> SurfaceDistances:
    """Measure the distances between two surfaces, each given by its voxels."""
    steps = np.array(spacing_mm, dtype=np.float64)
    there, back = directed_mm(prediction, reference, steps), directed_mm(reference, prediction, steps)
    return SurfaceDistances(prediction=there, reference=back)


def places(flat: NDArray[np.intp], shape: tuple[int, ...]) -> Points:
    """Indices along x, y and z of voxels that are given by their place in memory (C), in ascending order."""
    points = np.empty((3, len(flat)), dtype=np.int64)
    jit(_place)(flat, shape[1], shape[2], points)
    return points


def hd_mm(distances: SurfaceDistances) -> float:
    """Hausdorff distance: the largest distance, in mm."""
    return float(max(distances.prediction.max(), distances.reference.max()))


def hd95_mm(distances: SurfaceDistances) -> float:
    """The larger of the two directed 95th percentiles (linear interpolation), in mm; not the percentile of the pool."""
    return max(_percentile_95(distances.prediction), _percentile_95(distances.reference))


def hd95_pooled_mm(distances: SurfaceDistances) -> float:
    """The 95th percentile of both directions together, in mm, as MedPy and panoptica take it."""
    return _percentile_95(np.concatenate([distances.prediction, distances.reference]))


def assd_mm(distances: SurfaceDistances) -> float:
    """Average symmetric surface distance: the mean of all distances of both directions pooled, in mm."""
    total = distances.prediction.sum(dtype=float) + distances.reference.sum(dtype=float)
    return float(total / (distances.prediction.size + distances.reference.size))


def nsd(distances: SurfaceDistances, *, tolerance_mm: float) -> float:
    """Normalised surface Dice: the fraction of the surface voxels of both masks within the tolerance."""
    limit = tolerance_mm + ROUNDING_MM
    within = np.count_nonzero(distances.prediction <= limit) + np.count_nonzero(distances.reference <= limit)
    return float(within / (distances.prediction.size + distances.reference.size))


def directed_mm(points: Points, others: Points, steps: NDArray[np.float64]) -> Distances:
    """Distance in mm from each point to the nearest of the others.

    Searching is cheaper the shorter its reach. So the largest distance is guessed first: what is found within the reach
    is exact, and the rest is searched again, farther.
    """
    reach = _guess_mm(points, others, steps)
    squared = _search(points, others, steps, reach)
    while (far := squared > reach**2).any():
        reach *= 2
        squared[far] = _search(points.compress(far, axis=1), others, steps, reach)
    return np.sqrt(squared)


def within(points: Points, others: Points, steps: NDArray[np.float64], limit_mm: float) -> BoolArray:
    """Which of the points have one of the others within a distance; no farther is searched."""
    far = np.ceil(limit_mm / steps).astype(np.int64)[:, None]
    near = _between(points, others.min(axis=1, keepdims=True) - far, others.max(axis=1, keepdims=True) + far)
    found = np.zeros(points.shape[1], dtype=bool)
    if near.any():
        some = points.compress(near, axis=1)  # `points[:, near]` would lie transposed in memory, far slower
        reached = _between(others, some.min(axis=1, keepdims=True) - far, some.max(axis=1, keepdims=True) + far)
        if reached.any():
            found[near] = _search(some, others.compress(reached, axis=1), steps, limit_mm) <= limit_mm**2
    return found


def _between(points: Points, low: Points, high: Points) -> BoolArray:
    """Which points lie in the box from `low` to `high`, both shape (3, 1)."""
    x, y, z = (points >= low) & (points <= high)
    return np.asarray(x & y & z)


def _percentile_95(values: Distances) -> float:
    """What `np.percentile` gives, in a third of its time: a small tumour has a few hundred distances."""
    place = 0.95 * (len(values) - 1)
    low = int(place)
    below, above = np.partition(values, (low, min(low + 1, len(values) - 1)))[[low, min(low + 1, len(values) - 1)]]
    return float(below + (above - below) * (place - low))


def _guess_mm(points: Points, others: Points, steps: NDArray[np.float64]) -> float:
    """Somewhat more than the largest distance from about 64 of the points to about 512 of the others; never 0."""
    some, thinned = points[:, :: 1 + points.shape[1] // 64], others[:, :: 1 + others.shape[1] // 512]
    squared = sum((np.subtract.outer(a, b) * step) ** 2 for a, b, step in zip(some, thinned, steps, strict=True))
    return float(1.2 * np.sqrt(np.min(squared, axis=1).max()) + 2 * steps.max())


def _search(points: Points, others: Points, steps: NDArray[np.float64], reach: float) -> Distances:
    """Squared distance in mm from each point to the nearest of the others; exact if it is within `reach`.

    A distance transform, one axis after the other, that computes no more than the points ask for: along z and y over
    the planes of the others, but within the box of the points; then along x for the points alone. On a grid of cubes
    all squares are whole numbers of voxels, for which single precision is exact up to 2^24, and twice as fast.
    """
    edge = steps[0] if (steps == steps[0]).all() else np.float64(1)
    steps, reach = steps / edge, reach / edge
    low = points.min(axis=1, keepdims=True)
    points, others = points - low, others - low
    size = points.max(axis=1) + 1
    extent = size + abs(others).max(axis=1)
    far = np.minimum(reach / steps, extent).astype(np.int64)
    first, last = max(others[0, 0], -far[0]), min(others[0, -1], size[0] - 1 + far[0])
    points[0] -= first
    others[0] -= first
    kind = np.float32 if (steps == 1).all() and np.sum(extent**2) < 2**24 else np.float64
    planes = np.full((max(0, last - first + 1), size[1], size[2]), np.inf, dtype=kind)
    jit(_spread)(others, steps, far[1], planes)
    return np.asarray(jit(_nearest)(points, steps[0], planes)) * edge**2


def _place(flat: NDArray[np.intp], n_y: int, n_z: int, points: Points) -> None:
    """Fill in the indices along each axis; row after row, as dividing takes longer."""
    x, y, start = 0, 0, 0
    for i in range(len(flat)):
        while flat[i] >= start + n_z:
            start += n_z
            y += 1
            if y == n_y:
                x, y = x + 1, 0
        points[0, i], points[1, i], points[2, i] = x, y, flat[i] - start


def _clear_inside(mask: NDArray[np.uint8], surface: NDArray[np.uint8]) -> None:
    """Clear the voxels of `surface`, a copy of the mask, whose six neighbours all lie in the mask."""
    for x in range(1, mask.shape[0] - 1):
        for y in range(1, mask.shape[1] - 1):
            left, right, below, above = mask[x - 1, y], mask[x + 1, y], mask[x, y - 1], mask[x, y + 1]
            row, out = mask[x, y], surface[x, y]
            for z in range(1, len(row) - 1):
                out[z] = row[z] & ~(row[z - 1] & row[z + 1] & left[z] & right[z] & below[z] & above[z])


def _spread(points: Points, steps: NDArray[np.float64], far: int, planes: Planes) -> None:
    """Lower planes[x, y, z] to the squared distance to the nearest point in plane x, as far as `far` rows."""
    xs, ys, zs = points
    n_planes, n_rows, n = planes.shape
    line, zero = np.empty(n, planes.dtype), planes.dtype.type(0)
    i = 0
    while i < len(xs):
        x, y, start, more = xs[i], ys[i], 0, True
        while more:  # the points of one row, each over the voxels that it is the nearest to
            z = zs[i]
            i += 1
            more = i < len(xs) and xs[i] == x and ys[i] == y
            stop = min(n, (z + zs[i]) // 2 + 1) if more else n
            for k in range(start, stop):
                line[k] = ((k - z) * steps[2]) ** 2
            start = max(start, stop)
        if 0 <= x < n_planes:
            for k in range(max(0, y - far), min(n_rows, y + far + 1)):
                row, apart = planes[x, k], planes.dtype.type(((k - y) * steps[1]) ** 2)
                for z in range(n):
                    row[z] = min(row[z], line[z] + apart) + zero  # without it LLVM makes a branch, not vector code


def _nearest(points: Points, step: float, planes: Planes) -> Distances:
    """Squared distance of each point, from the nearer planes to the farther."""
    xs, ys, zs = points
    n = len(planes)
    squared = np.full(len(xs), np.inf)
    for i in range(len(xs)):
        x, y, z = xs[i], ys[i], zs[i]
        best = np.inf
        for k in range(max(0, -x, x - n + 1), max(x, n - 1 - x) + 1):
            apart = (k * step) ** 2
            if apart >= best:
                break
            if x - k >= 0:
                best = min(best, planes[x - k, y, z] + apart)
            if x + k < n:
                best = min(best, planes[x + k, y, z] + apart)
        squared[i] = best
    return squared
