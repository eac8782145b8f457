"""What a map of probabilities would give at every threshold: counts of voxels and lesions on one fixed grid."""

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
        return lesions_found(self.lesion_peak)


def lesions_found(peaks: NDArray[np.float32]) -> Counts:
    """Number of lesions of these highest probabilities that are found at each threshold, shape (99,)."""
    return np.asarray(np.count_nonzero(peaks[:, None] > THRESHOLDS, axis=0), dtype=np.int64)


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
    place = jit(_sort_places)(level.transpose(axes), counted)
    false, grid = np.zeros(len(THRESHOLDS), np.int64), np.zeros([level.shape[axis] + 2 for axis in axes], np.int32)
    jit(_count_false)(place, counted.sum(axis=0), grid, least_false, false)
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


def _sort_places(level: NDArray[np.uint8], counted: Counts) -> NDArray[np.int32]:
    """The places of voxels above the lowest threshold, from the highest level to the lowest.

    Args:
        level: Levels, those of voxels of the reference with `IN_REFERENCE`.
        counted: Number of voxels outside and in the reference at each level; is filled in, but for level 0.

    Returns:
        Places in a grid with a rim, with a minus in the reference.
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
    place = np.empty(following[0], np.int32)
    for x in range(planes):
        for y in range(rows):
            row = ((x + 1) * (rows + 2) + y + 1) * (n + 2) + 1
            for z in range(n):
                k = level[x, y, z] & LEVEL
                if k:
                    place[following[k]] = row + z if level[x, y, z] == k else -row - z
                    following[k] += 1
    return place


def _count_false(
    place: NDArray[np.int32], counted: Counts, number: NDArray[np.int32], least: int, false: Counts
) -> None:
    """Fill in the number of components without a voxel of the reference, for each number of thresholds below.

    All components with a voxel of the reference are one here, number 0: they are never counted, so it does not matter
    that they may lie apart. Of three neighbours in a row the middle one touches both others, so it stands for them.

    Args:
        place: Place of each voxel, from the highest level to the lowest, with a minus in the reference.
        counted: Number of voxels of each level.
        number: A grid of zeros with a rim, for the number of each voxel from 1 on.
        least: Voxels of the smallest component that counts.
        false: Is filled in.
    """
    parent, size = np.zeros(len(place) + 1, np.int32), np.zeros(len(place) + 1, np.int32)
    near, at, (planes, rows) = np.empty(18, np.int32), number.ravel(), number.shape[1:]
    count, left, k = 0, 0, len(counted)
    for own in range(1, len(place) + 1):
        while not left:
            k -= 1
            left, false[: k + 1] = counted[k], count
        left, n, here = left - 1, 0, abs(place[own - 1])
        for beside in range(9):
            row = here + ((beside // 3 - 1) * planes + beside % 3 - 1) * rows
            if at[row]:
                near[n], n = at[row], n + 1
                continue
            for other in (row - 1, row + 1):
                if at[other]:
                    near[n], n = at[other], n + 1
        root = 0 if place[own - 1] < 0 else own
        at[here], parent[own], size[own] = own, root, 1
        count += root > 0 and least <= 1
        for other in near[:n]:
            found = parent[other]
            while parent[found] != found:
                parent[found] = parent[parent[found]]
                found = parent[found]
            parent[other] = found
            if found != root:
                count -= (root > 0 and size[root] >= least) + (found > 0 and size[found] >= least)
                if found == 0 or (root > 0 and size[found] > size[root]):
                    root, found = found, root
                parent[found] = root
                size[root] += size[found]
                count += root > 0 and size[root] >= least
    false[:k] = count
