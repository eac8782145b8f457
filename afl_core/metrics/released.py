"""The score of the authors' released evaluation, kept to reproduce their tables; it is not the Dice of a mask.

Their code scores a case with 1 minus its Dice loss: soft (on probabilities), squared, and averaged over the background
and the tumour channel. A background channel that is nearly all background scores almost 1, so a prediction without any
tumour scores 0.50 on a small one; and a change of calibration moves the score while the mask stays the same.
Source: revision 1b57412 of AFL-CIBM; the formula is that of MONAI's `DiceLoss(squared_pred=True)`, with `jaccard=True`
for IoU, both with the background channel. They score on the resized grid, this project on the grid it is given.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afl_core.errors import GeometryError, UsageError
from afl_core.regions import BoolArray

Probabilities = NDArray[np.floating]

SMOOTHING = 1e-5
"""Added to numerator and denominator, MONAI's default; it makes an empty channel without any probability score 1."""


@dataclass(frozen=True)
class SoftOverlap:
    """Sums over the grid, each for the background and for the tumour channel.

    Attributes:
        shared: Probability summed over the voxels that truly belong to the channel.
        predicted: Squared probability summed over all voxels.
        reference: Number of voxels that truly belong to the channel.
    """

    shared: tuple[float, float]
    predicted: tuple[float, float]
    reference: tuple[int, int]


def sum_probabilities(probabilities: Probabilities, reference: BoolArray) -> SoftOverlap:
    """Sum two probability channels against a reference, slab by slab, so that no full-size copy is made.

    Args:
        probabilities: Shape (2, X, Y, Z), background and tumour channel after the sigmoid.
        reference: Shape (X, Y, Z).

    Raises:
        GeometryError: If the probabilities are not a floating-point array of that shape.
        UsageError: If a value lies outside 0 to 1: logits, or not a number.
    """
    expected = (2, *reference.shape)
    is_array = isinstance(probabilities, np.ndarray) and np.issubdtype(probabilities.dtype, np.floating)
    if not is_array or probabilities.shape != expected:
        received = f"{getattr(probabilities, 'dtype', type(probabilities).__name__)}, shape {np.shape(probabilities)}"
        todo = f"Give floating-point numbers of shape {expected}: the background and the tumour channel"
        raise GeometryError("The probabilities do not fit the reference", received=received, todo=todo)
    shared, predicted = np.zeros(2), np.zeros(2)
    for x, truth in enumerate(reference):
        low, high = probabilities[:, x].min(), probabilities[:, x].max()
        if not (low >= 0 and high <= 1):  # also true for NaN
            received = f"{low:g} to {high:g}"
            raise UsageError(
                "Probabilities must lie between 0 and 1", received=received, todo="Apply the sigmoid first"
            )
        slab = probabilities[:, x].astype(np.float64)
        predicted += np.einsum("cyz,cyz->c", slab, slab)
        background, tumour = slab[:, truth].sum(axis=1)
        shared += slab[0].sum() - background, tumour
    voxels = int(np.count_nonzero(reference))
    return SoftOverlap(
        (float(shared[0]), float(shared[1])),
        (float(predicted[0]), float(predicted[1])),
        (reference.size - voxels, voxels),
    )


def released_dsc(overlap: SoftOverlap) -> float:
    """Mean over the channels of 2 shared / (predicted + reference), smoothed.

    >>> released_dsc(SoftOverlap(shared=(9.0, 0.0), predicted=(10.0, 0.0), reference=(9, 1)))  # nothing found
    0.4736...
    """
    sums = zip(overlap.shared, overlap.predicted, overlap.reference, strict=True)
    return sum((2 * s + SMOOTHING) / (p + r + SMOOTHING) for s, p, r in sums) / 2


def released_iou(overlap: SoftOverlap) -> float:
    """Mean over the channels of shared / (predicted + reference - shared), smoothed."""
    sums = zip(overlap.shared, overlap.predicted, overlap.reference, strict=True)
    return sum((2 * s + SMOOTHING) / (2 * (p + r - s) + SMOOTHING) for s, p, r in sums) / 2
