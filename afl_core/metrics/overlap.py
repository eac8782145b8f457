"""Overlap and volume of two masks, from four voxel counts.

Source of the definitions: Taha and Hanbury, BMC Medical Imaging 15:29 (2015), table 1; MONAI and scikit-learn agree.
What an empty mask gives is not decided here but in `afl_core.metrics.table.METRICS`; a fraction 0/0 is NaN here.
"""

import math
from dataclasses import dataclass

import numpy as np

from afl_core.regions import BoolArray


@dataclass(frozen=True)
class Counts:
    """How many voxels are true positive, false positive, false negative and true negative."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def predicted(self) -> int:
        """Voxels of the prediction."""
        return self.tp + self.fp

    @property
    def reference(self) -> int:
        """Voxels of the reference."""
        return self.tp + self.fn


def count(prediction: BoolArray, reference: BoolArray, *, grid_voxels: int) -> Counts:
    """Count the four outcomes.

    Args:
        prediction: Shape (X, Y, Z), possibly a crop that holds every True voxel of both masks.
        reference: Same shape.
        grid_voxels: Number of voxels of the whole grid; what lies outside the crop is true negative.
    """
    tp = int(np.count_nonzero(prediction & reference))
    fp = int(np.count_nonzero(prediction)) - tp
    fn = int(np.count_nonzero(reference)) - tp
    return Counts(tp, fp, fn, grid_voxels - tp - fp - fn)


def dsc(counts: Counts) -> float:
    """Dice similarity coefficient, 2 TP / (2 TP + FP + FN).

    >>> dsc(Counts(tp=2, fp=1, fn=1, tn=9))
    0.6666666666666666
    """
    return _ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn)


def iou(counts: Counts) -> float:
    """Intersection over union (Jaccard), TP / (TP + FP + FN)."""
    return _ratio(counts.tp, counts.tp + counts.fp + counts.fn)


def sensitivity(counts: Counts) -> float:
    """Fraction of the reference that was found, TP / (TP + FN)."""
    return _ratio(counts.tp, counts.reference)


def specificity(counts: Counts) -> float:
    """Fraction of the rest of the grid left alone, TN / (TN + FP); NaN when the reference fills the grid."""
    return _ratio(counts.tn, counts.tn + counts.fp)


def precision(counts: Counts) -> float:
    """Fraction of the prediction that is right, TP / (TP + FP)."""
    return _ratio(counts.tp, counts.predicted)


def relative_volume_error(counts: Counts) -> float:
    """Volume of the prediction minus that of the reference, over that of the reference."""
    return _ratio(counts.predicted - counts.reference, counts.reference)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
