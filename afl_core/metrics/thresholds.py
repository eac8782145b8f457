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
    level = np.searchsorted(THRESHOLDS, values, side="left").astype(np.uint8)  # number of thresholds below
    of_reference, of_all = (np.bincount(of, minlength=len(THRESHOLDS) + 1) for of in (level[inside], level.ravel()))
    tp, predicted = (np.cumsum(of[:0:-1])[::-1] for of in (of_reference, of_all))
    labels, sizes = label_lesions(inside)
    kept = sizes >= least
    peaks = np.zeros(len(sizes) + 1, np.float32)
    np.maximum.at(peaks, labels[inside], values[inside])
    padded = np.pad(level, 1)
    order = np.argsort(padded, axis=None, kind="stable")[::-1]
    false = np.zeros(len(THRESHOLDS), np.int64)
    jit(_count_false)(
        padded.ravel(),
        np.pad(inside, 1).ravel(),
        order[: int(of_all[1:].sum())],
        np.array(padded.strides),
        least_false,
        false,
    )
    return ThresholdCounts(tp, predicted - tp, int(inside.sum()), false, sizes[kept], peaks[1:][kept])


def _count_false(
    level: NDArray[np.uint8],
    inside: BoolArray,
    order: NDArray[np.int64],
    strides: NDArray[np.int64],
    least: int,
    false: Counts,
) -> None:
    """Fill in the number of components without a voxel of the reference, for each number of thresholds below."""
    parent = np.full(len(level), -1, np.int64)  # -1: not yet in
    size = np.zeros(len(level), np.int64)
    touches = np.zeros(len(level), np.bool_)
    count, at = 0, 0
    for k in range(len(false), 0, -1):
        while at < len(order) and level[order[at]] == k:
            voxel = order[at]
            at += 1
            parent[voxel], size[voxel], touches[voxel] = voxel, 1, inside[voxel]
            root = voxel
            count += size[root] >= least and not touches[root]
            for x in range(-1, 2):
                for y in range(-1, 2):
                    for z in range(-1, 2):
                        other = voxel + x * strides[0] + y * strides[1] + z * strides[2]
                        if parent[other] < 0 or other == voxel:
                            continue
                        while parent[other] != other:
                            parent[other] = parent[parent[other]]
                            other = parent[other]
                        if other == root:
                            continue
                        count -= size[root] >= least and not touches[root]
                        count -= size[other] >= least and not touches[other]
                        if size[other] > size[root]:
                            root, other = other, root
                        parent[other] = root
                        size[root] += size[other]
                        touches[root] = touches[root] or touches[other]
                        count += size[root] >= least and not touches[root]
        false[k - 1] = count
