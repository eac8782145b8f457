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
    """Counts at every threshold in one pass over the voxels.

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
    boxes = [box for box in (bounding_box(probability > THRESHOLDS[0]), bounding_box(reference)) if box]
    if not boxes:
        nothing = np.zeros(len(THRESHOLDS), np.int64)
        return ThresholdCounts(nothing, nothing, 0, nothing, np.zeros(0, np.int64), np.zeros(0, np.float32))
    box = union_box(boxes[0], boxes[-1])
    values, inside = probability[box], np.ascontiguousarray(reference[box])
    axes = np.argsort([-abs(step) for step in values.strides], kind="stable")  # as they lie in memory
    level, within = (np.zeros([values.shape[axis] + 2 for axis in axes], kind) for kind in (np.uint8, np.bool_))
    within[1:-1, 1:-1, 1:-1] = inside.transpose(axes)
    counts = np.zeros((2, len(THRESHOLDS) + 1), np.int64)
    jit(_fill_levels)(values.transpose(axes), within, THRESHOLDS, level, counts)
    tp, fp = np.cumsum(counts[::-1, :0:-1], axis=1)[:, ::-1]
    labels, sizes = label_lesions(inside)
    kept = sizes >= least
    peaks = np.zeros(len(sizes) + 1, np.float32)
    np.maximum.at(peaks, labels[inside], values[inside])
    false = np.zeros(len(THRESHOLDS), np.int64)
    order = np.empty(counts[:, 1:].sum(), np.int32)
    jit(_sort_levels)(level.ravel(), counts.sum(axis=0), order)
    rows = np.add.outer(np.arange(-1, 2) * level.strides[0], np.arange(-1, 2) * level.strides[1]).ravel()
    jit(_count_false)(level.ravel(), within.ravel(), order, rows, least_false, false)
    return ThresholdCounts(tp, fp, int(inside.sum()), false, sizes[kept], peaks[1:][kept])


def _fill_levels(
    values: NDArray[np.float32], within: BoolArray, edges: NDArray[np.float32], level: NDArray[np.uint8], counts: Counts
) -> None:
    """Fill in the number of thresholds below each voxel, in an array with a rim, and count outside and inside."""
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
                    level[x + 1, y + 1, z + 1] = k
                counts[int(within[x + 1, y + 1, z + 1]), k] += 1


def _sort_levels(level: NDArray[np.uint8], voxels: Counts, order: NDArray[np.int32]) -> None:
    """Fill in the places of the voxels above the lowest threshold, from the highest level to the lowest.

    Args:
        level: Level of each voxel.
        voxels: Number of voxels of each level.
        order: Is filled in.
    """
    begin = np.cumsum(voxels[::-1])[::-1] - voxels
    for voxel in range(len(level)):
        if level[voxel]:
            order[begin[level[voxel]]] = voxel
            begin[level[voxel]] += 1


def _count_false(
    level: NDArray[np.uint8],
    within: BoolArray,
    order: NDArray[np.int32],
    rows: NDArray[np.int64],
    least: int,
    false: Counts,
) -> None:
    """Fill in the number of components without a voxel of the reference, for each number of thresholds below.

    All components with a voxel of the reference are one here, with a root of its own: they are never counted, so it
    does not matter that they may lie apart. Of three neighbours in a row the middle one touches both others, so it
    stands for them.
    """
    right = len(level)  # the root of what is never counted
    parent, size = np.full(right + 1, -1, np.int32), np.zeros(right + 1, np.int32)  # -1: not yet in
    parent[right], count, at = right, 0, 0
    near = np.empty(18, np.int64)
    for k in range(len(false), 0, -1):
        while at < len(order) and level[order[at]] == k:
            voxel = order[at]
            at += 1
            root = right if within[voxel] else voxel
            n = 0
            for j in range(len(rows)):
                row = voxel + rows[j]
                if parent[row] >= 0:
                    near[n], n = row, n + 1
                    continue
                for other in (row - 1, row + 1):
                    if parent[other] >= 0:
                        near[n], n = other, n + 1
            parent[voxel], size[voxel] = root, 1
            count += root != right and least <= 1
            for other in near[:n]:
                found = parent[other]
                while parent[found] != found:
                    parent[found] = parent[parent[found]]
                    found = parent[found]
                parent[other] = found
                if found == root:
                    continue
                count -= (root != right and size[root] >= least) + (found != right and size[found] >= least)
                if found == right or (root != right and size[found] > size[root]):
                    root, found = found, root
                parent[found] = root
                size[root] += size[found]
                count += root != right and size[root] >= least
        false[k - 1] = count
