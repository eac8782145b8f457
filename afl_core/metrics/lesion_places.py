"""The voxel in the middle of each lesion."""

import numpy as np
from numpy.typing import NDArray

from afl_core.base.jit import jit
from afl_core.metrics.components import Flat, Integers, Labels
from afl_core.metrics.surface import Points, places
from afl_core.volume import Spacing

Voxel = tuple[int, int, int]
Reals = NDArray[np.float64]


def central_voxels(labels: Labels, inside: Flat, count: int, *, spacing_mm: Spacing, origin: Voxel) -> list[Voxel]:
    """The voxel of each lesion that is nearest (in mm) to its centre of mass, so it always lies inside.

    Args:
        labels: Lesion number of each voxel from 1 on, shape (X, Y, Z).
        inside: Where it is not 0, as places in memory (C), in ascending order.
        count: Number of lesions.
        spacing_mm: Voxel edge lengths.
        origin: Index of the first voxel in the whole grid, which is added.
    """
    sums = np.zeros((count, 4))  # voxels, and their x, y, z
    jit(_add_moments)(labels, inside, sums)
    centres = sums[:, 1:] / sums[:, :1]
    central = np.rint(centres).astype(np.int64)
    outside = labels[tuple(central.T)] != np.arange(1, count + 1)
    if outside.any():  # hollow or bent: the rounded centre is not part of the lesion
        least = np.where(outside, np.inf, -1.0)
        points, lesions = places(inside, labels.shape), labels.ravel()[inside]
        jit(_find_nearest)(lesions, points, centres, np.square(spacing_mm), least, central)
    return [(x, y, z) for x, y, z in (central + np.array(origin)).tolist()]


def _add_moments(labels: Labels, inside: Flat, sums: Reals) -> None:
    numbers, (_, n_y, n_z) = labels.ravel(), labels.shape
    x, y, start = 0, 0, 0
    for flat in inside:
        while flat >= start + n_z:
            start += n_z
            y += 1
            if y == n_y:
                x, y = x + 1, 0
        row = sums[numbers[flat] - 1]
        row[0] += 1
        row[1] += x
        row[2] += y
        row[3] += flat - start


def _find_nearest(
    lesions: Labels, points: Points, centres: Reals, weights: Reals, least: Reals, nearest: Integers
) -> None:
    """Fill in the point of each lesion that is nearest to the lesion's centre; the first of equal ones."""
    for i in range(len(lesions)):
        k, x, y, z = lesions[i] - 1, points[0, i], points[1, i], points[2, i]
        if least[k] < 0:
            continue
        c = centres[k]
        apart = (x - c[0]) ** 2 * weights[0] + (y - c[1]) ** 2 * weights[1] + (z - c[2]) ** 2 * weights[2]
        if apart < least[k]:
            least[k] = apart
            nearest[k, 0], nearest[k, 1], nearest[k, 2] = x, y, z
