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
    above = probability > THRESHOLDS[0]
    boxes = [box for box in (bounding_box(above), bounding_box(reference)) if box]
    if not boxes:
        nothing = np.zeros(len(THRESHOLDS), np.int64)
        return ThresholdCounts(nothing, nothing, 0, nothing, np.zeros(0, np.int64), np.zeros(0, np.float32))
    box = union_box(boxes[0], boxes[-1])
    values, inside = probability[box], np.ascontiguousarray(reference[box])
    axes = np.argsort([-abs(step) for step in values.strides], kind="stable")  # as they lie in memory
    many = np.count_nonzero(above)
    place, level, within = np.empty(many, np.int32), np.empty(many, np.uint8), np.empty(many, np.bool_)
    jit(_find_levels)(values.transpose(axes), inside.transpose(axes), THRESHOLDS, place, level, within)
    counted = (np.bincount(level[of], minlength=len(THRESHOLDS) + 1) for of in (within, ~within))
    tp, fp = (np.cumsum(of[:0:-1])[::-1] for of in counted)
    labels, sizes = label_lesions(inside)
    kept = sizes >= least
    peaks = np.zeros(len(sizes) + 1, np.float32)
    np.maximum.at(peaks, labels[inside], values[inside])
    false = np.zeros(len(THRESHOLDS), np.int64)
    order = np.argsort(level, kind="stable")[::-1]
    grid = [values.shape[axis] + 2 for axis in axes]
    jit(_count_false)(place[order], level[order], within[order], np.zeros(grid, np.int32), least_false, false)
    return ThresholdCounts(tp, fp, int(inside.sum()), false, sizes[kept], peaks[1:][kept])


def _find_levels(
    values: NDArray[np.float32],
    inside: BoolArray,
    edges: NDArray[np.float32],
    place: NDArray[np.int32],
    level: NDArray[np.uint8],
    within: BoolArray,
) -> None:
    """Fill in the place in a grid with a rim, the thresholds below and the reference of voxels above the lowest one."""
    last, n = len(edges), 0
    for x in range(values.shape[0]):
        for y in range(values.shape[1]):
            row = ((x + 1) * (values.shape[1] + 2) + y + 1) * (values.shape[2] + 2) + 1
            for z in range(values.shape[2]):
                p = values[x, y, z]
                if p > edges[0]:
                    k = min(int(p * np.float32(100)), last)
                    if p <= edges[k - 1]:
                        k -= 1
                    elif k < last and p > edges[k]:
                        k += 1
                    place[n], level[n], within[n] = row + z, k, inside[x, y, z]
                    n += 1


def _count_false(
    place: NDArray[np.int32],
    level: NDArray[np.uint8],
    within: BoolArray,
    number: NDArray[np.int32],
    least: int,
    false: Counts,
) -> None:
    """Fill in the number of components without a voxel of the reference, for each number of thresholds below.

    All components with a voxel of the reference are one here, number 0: they are never counted, so it does not matter
    that they may lie apart. Of three neighbours in a row the middle one touches both others, so it stands for them.

    Args:
        place: Place of each voxel, from the highest level to the lowest.
        level: Thresholds below it.
        within: Whether it is in the reference.
        number: A grid of zeros with a rim, for the number of each voxel from 1 on.
        least: Voxels of the smallest component that counts.
        false: Is filled in.
    """
    parent, size = np.zeros(len(place) + 1, np.int32), np.zeros(len(place) + 1, np.int32)
    near, at, (planes, rows) = np.empty(18, np.int32), number.ravel(), number.shape[1:]
    count, k = 0, len(false)
    for own in range(1, len(place) + 1):
        while level[own - 1] < k:
            false[k - 1], k = count, k - 1
        n = 0
        for beside in range(9):
            row = place[own - 1] + ((beside // 3 - 1) * planes + beside % 3 - 1) * rows
            if at[row]:
                near[n], n = at[row], n + 1
                continue
            for other in (row - 1, row + 1):
                if at[other]:
                    near[n], n = at[other], n + 1
        root = 0 if within[own - 1] else own
        at[place[own - 1]], parent[own], size[own] = own, root, 1
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
