"""What a map of probabilities would give at every threshold: counts of voxels and lesions on one fixed grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afl_core.base.jit import jit
from afl_core.regions import BoolArray, bounding_box, label_lesions, union_box

THRESHOLDS = (np.arange(1, 100) / 100).astype(np.float32)
"""A voxel is predicted where its probability is above the threshold; 0.5 is one of them."""

COUNTS_AT = ("tp", "fp", "false_lesions", "lesion_voxels", "lesion_peak")
"""The fields of `ThresholdCounts` that are arrays."""

IN_REFERENCE, LEVEL = np.uint8(128), np.uint8(127)
"""Bit of a voxel of the reference, beside those of its level."""

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ThresholdCounts:
    """Counts of one case at each of `THRESHOLDS`.

    Attributes:
        tp: Predicted voxels in the reference, shape (99,).
        fp: Predicted voxels outside it.
        reference: Voxels of the reference.
        false_lesions: Predicted components (26-connected) of the least size and more without a voxel of the reference.
        lesion_voxels: Size of each reference lesion of the least size and more, from the largest to the smallest.
        lesion_peak: Highest probability in each of them: it is found at every threshold below.
    """

    tp: Counts
    fp: Counts
    reference: int
    false_lesions: Counts
    lesion_voxels: Counts
    lesion_peak: NDArray[np.float32]

    def lesions_found(self) -> Counts:
        """Number of reference lesions that share a voxel with the prediction, shape (99,)."""
        return np.asarray(lesions_found([self.lesion_peak])[0])


def lesions_found(peaks: Sequence[NDArray[np.float32]]) -> Counts:
    """Number of lesions that are found at each threshold, shape (cases, 99).

    Args:
        peaks: Of each case the highest probability in each of its lesions.
    """
    every, levels = np.concatenate(peaks).astype(np.float32), len(THRESHOLDS) + 1
    places = np.repeat(np.arange(len(peaks)), [len(of) for of in peaks]) * levels
    at_level = np.bincount(places + np.searchsorted(THRESHOLDS, every), minlength=len(peaks) * levels)
    return np.asarray(np.cumsum(at_level.reshape(-1, levels)[:, :0:-1], axis=1)[:, ::-1])


def count_thresholds(
    probability: NDArray[np.float32], reference: BoolArray, *, least: int = 1, least_false: int = 1
) -> ThresholdCounts:
    """Counts at every threshold, for little more than the price of one.

    Components are those of growing sets: voxels are added from the highest probability to the lowest, and each joins
    the components of its neighbours, so that all thresholds cost as much as one labelling.

    Args:
        probability: Of the tumour, shape (X, Y, Z), in 0 to 1.
        reference: The reference's mask, the same shape.
        least: Voxels of the smallest reference lesion that counts.
        least_false: Voxels of the smallest false positive that counts.

    Returns:
        The counts. A lesion is found by any shared voxel, whatever the matcher of the results.
    """
    boxes = [bounding_box(probability > THRESHOLDS[0]), bounding_box(reference)]
    around = [box for box in boxes if box]
    if not around:
        nothing = np.zeros(len(THRESHOLDS), np.int64)
        return ThresholdCounts(nothing, nothing, 0, nothing, np.zeros(0, np.int64), np.zeros(0, np.float32))
    box = union_box(around[0], around[-1])
    values = probability[box]
    level, counted = np.empty_like(values, np.uint8), np.zeros((2, len(THRESHOLDS) + 1), np.int64)
    axes = np.argsort([-abs(step) for step in level.strides], kind="stable")  # as they lie in memory
    jit(_find_levels)(values.transpose(axes), THRESHOLDS, level.transpose(axes))
    if boxes[1]:
        first = [side.start for side in box]
        near = tuple(slice(side.start - n, side.stop - n) for side, n in zip(boxes[1], first, strict=True))
        level[near] |= np.where(reference[boxes[1]], IN_REFERENCE, 0)
    x, y, z = ((level.shape[axis] + 5) // 2 for axis in axes)  # with a rim
    places = jit(_sort_places)(level.transpose(axes), counted, (x, y, z))
    false = np.zeros(len(THRESHOLDS), np.int64)
    jit(_count_false)(places, counted.sum(axis=0), _steps((x, y, z)), x * y * z, max(least_false, 1), false)
    fp, tp = np.cumsum(counted[:, :0:-1], axis=1)[:, ::-1]
    sizes, peaks = _find_peaks(probability[boxes[1]], reference[boxes[1]]) if boxes[1] else (fp[:0], values[:0].ravel())
    return ThresholdCounts(tp, fp, int(sizes.sum()), false, sizes[sizes >= least], peaks[sizes >= least])


def _find_peaks(probability: NDArray[np.float32], reference: BoolArray) -> tuple[Counts, NDArray[np.float32]]:
    """Size of each lesion, from the largest to the smallest, and the highest probability in it."""
    labels, sizes = label_lesions(np.ascontiguousarray(reference))
    peaks = np.zeros(len(sizes) + 1, np.float32)
    np.maximum.at(peaks, labels[reference], probability[reference])
    return sizes, peaks[1:]


def _find_levels(values: NDArray[np.float32], edges: NDArray[np.float32], level: NDArray[np.uint8]) -> None:
    """Fill in the number of thresholds below each voxel."""
    last = len(edges)
    for x in range(values.shape[0]):
        for y in range(values.shape[1]):
            for z in range(values.shape[2]):
                p, k = values[x, y, z], 0
                if p > edges[0]:
                    k = min(int(p * np.float32(100)), last)
                    if p <= edges[k - 1]:
                        k -= 1
                    elif k < last and p > edges[k]:
                        k += 1
                level[x, y, z] = k


def _sort_places(level: NDArray[np.uint8], counted: Counts, grid: tuple[int, int, int]) -> NDArray[np.int32]:
    """The places of voxels above the lowest threshold, from the highest level to the lowest.

    Args:
        level: Levels, those of voxels of the reference with `IN_REFERENCE`.
        counted: Number of voxels outside and in the reference at each level; is filled in, but for level 0.
        grid: Blocks of 2 x 2 x 2 voxels along each axis, with a rim.

    Returns:
        Eight times the number of a block plus that of the voxel in it; of voxels in the reference minus that, minus 1.
    """
    planes, rows, n = level.shape
    for x in range(planes):
        for y in range(rows):
            for z in range(n):
                if level[x, y, z] & LEVEL:
                    counted[level[x, y, z] >> 7, level[x, y, z] & LEVEL] += 1
    following = np.zeros(counted.shape[1], np.int64)
    for k in range(counted.shape[1] - 1, 0, -1):
        following[k - 1] = following[k] + counted[0, k] + counted[1, k]
    places = np.empty(following[0], np.int32)
    for x in range(planes):
        for y in range(rows):
            row = (((x >> 1) + 1) * grid[1] + (y >> 1) + 1) * grid[2] + 1
            odd = (x & 1) << 2 | (y & 1) << 1
            for z in range(n):
                k = level[x, y, z] & LEVEL
                if k:
                    place = (row + (z >> 1)) << 3 | odd | z & 1
                    places[following[k]] = place if level[x, y, z] == k else ~place
                    following[k] += 1
    return places


def _sides() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Which voxels of its own block, and of the block on that side, lie as near to a side as a voxel, as bits.

    Both of shape (8, 8): by the number of the voxel, and by the axes along which the side lies. A voxel lies on the
    outside of its block along every axis, so its other neighbours are in seven blocks. Side 0 is the block itself.
    """
    own, beyond = np.zeros((2, 8, 8), np.uint8)
    for voxel, side, other in np.ndindex(8, 8, 8):
        differs = (voxel ^ other) & side
        own[voxel, side] |= (side > 0 and differs == 0) << other
        beyond[voxel, side] |= (differs == side) << other
    return own, beyond


OWN, BEYOND = _sides()


def _steps(grid: tuple[int, int, int]) -> NDArray[np.int32]:
    """How far the number of the block on each side of a voxel is from that of its own, shape (8, 8) as `OWN`."""
    step = np.zeros((8, 8), np.int32)
    for voxel, side in np.ndindex(8, 8):
        for bit, stride in zip((4, 2, 1), (grid[1] * grid[2], grid[2], 1), strict=True):
            step[voxel, side] += (stride if voxel & bit else -stride) if side & bit else 0
    return step


def _count_false(
    places: NDArray[np.int32], counted: Counts, step: NDArray[np.int32], blocks: int, least: int, false: Counts
) -> None:
    """Fill in the number of components without a voxel of the reference, for each number of thresholds below.

    All voxels of a block of 2 x 2 x 2 touch one another, so components are joined from blocks, not from voxels. All of
    a block's voxels on one side touch the same voxels of the block there, so only the first of them has to join it.

    Args:
        places: Place of each voxel, see `_sort_places`.
        counted: Number of voxels of each level.
        step: See `_steps`.
        blocks: Number of blocks, with the rim.
        least: Voxels of the smallest component that counts, 1 or more.
        false: Is filled in.
    """
    parent, size = np.arange(blocks).astype(np.int32), np.zeros(blocks, np.int32)  # size < 0: has a reference's voxel
    there = np.zeros(blocks, np.uint8)  # which voxels of a block are predicted, as bits
    count, start = 0, 0
    for k in range(len(counted) - 1, 0, -1):
        for signed in places[start : start + counted[k]]:
            total, place = (1, signed) if signed >= 0 else (-1, ~signed)
            block, voxel, root = place >> 3, place & 7, np.int32(-1)
            before = there[block]
            there[block] = before | 1 << voxel
            for side in range(8):
                found = block + step[voxel, side]
                if before & OWN[voxel, side] or not there[found] & BEYOND[voxel, side]:
                    continue
                while parent[found] != found:
                    parent[found] = parent[parent[found]]
                    found = parent[found]
                if found != root:
                    count -= size[found] >= least
                    root, under = (found, root) if root < 0 or abs(size[found]) > abs(total) else (root, found)
                    if under >= 0:
                        parent[under] = root
                    both = abs(total) + abs(size[found])
                    total = both if total > 0 and size[found] >= 0 else -both
            size[root] = total
            count += total >= least
        start += counted[k]
        false[k - 1] = count
