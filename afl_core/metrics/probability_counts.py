"""Voxels counted by the probability that a map gives them: what calibration needs, so that no map is kept."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from afl_core.base.jit import jit
from afl_core.errors import UsageError
from afl_core.metrics.reliability import FINE, Reals, Reliability, reliability
from afl_core.metrics.surface import ROUNDING_MM, surface_voxels, within
from afl_core.metrics.thresholds import THRESHOLDS
from afl_core.regions import BoolArray, bounding_box
from afl_core.volume import Box, Spacing

Counts = NDArray[np.int64]

PER_OCTAVE, LOWEST, HIGHEST = 8, 46, 24
"""Bins of the logit: eight for every halving of p, down to 2^-46, or of 1 - p, down to 2^-24, the last step of float32
below 1. They are at most 0.16 wide; what lies beyond them is in the first or the last one."""

_BELOW_HALF, _ABOVE_HALF = (LOWEST - 1) * PER_OCTAVE, (HIGHEST - 1) * PER_OCTAVE
LOGIT_BINS = _BELOW_HALF + _ABOVE_HALF
_SHIFT, _BIAS = 20, 127  # a float32 has 23 bits of fraction, of which the first 3 tell 8 bins apart
_FIRST_LOW, _FIRST_HIGH = PER_OCTAVE * (_BIAS - LOWEST), PER_OCTAVE * (_BIAS - HIGHEST)

NEAR_MM = 10.0
"""How far from the reference a voxel is still near it: outlines of networks seldom lie farther off (their HD95 on brain
tumours is mostly below), and the reference is a fair share of these voxels, of the whole grid about 1 %."""


def _logits() -> tuple[Reals, Reals]:
    """Edges and middles of the bins of the logit."""

    def octaves(count: int) -> tuple[Reals, Reals]:
        steps = np.arange(count * PER_OCTAVE + 1)
        edges = 2.0 ** -(count + 1) * 2.0 ** (steps // PER_OCTAVE) * (1 + steps % PER_OCTAVE / PER_OCTAVE)
        middles = (edges[1:] + edges[:-1]) / 2
        return np.log(edges / (1 - edges)), np.log(middles / (1 - middles))

    (low, in_low), (high, in_high) = octaves(LOWEST - 1), octaves(HIGHEST - 1)
    return np.concatenate([low, -high[-2::-1]]), np.concatenate([in_low, -in_high[::-1]])


LOGIT_EDGES, LOGITS = _logits()
"""Edges of the bins of the logit, shape (LOGIT_BINS + 1,); and the logit for which each bin stands."""


@dataclass(frozen=True, eq=False)
class ProbabilityCounts:
    """Voxels by their probability; any leading axes are cases.

    Attributes:
        voxels: Number of voxels in each bin of the probability, shape (..., FINE).
        reference: Those of them in the reference, likewise.
        probability: Sum of their probabilities, likewise.
        squared_error: Sum of (probability - reference)^2 over all voxels, shape (...).
        logits: Voxels outside and inside the reference in each bin of the logit, shape (..., 2, LOGIT_BINS).
    """

    voxels: NDArray[np.number]
    reference: NDArray[np.number]
    probability: Reals
    squared_error: Reals
    logits: NDArray[np.number]

    @cached_property
    def curve(self) -> Reliability:
        """The reliability curve of each case."""
        return reliability(self.voxels, self.reference, self.probability)


def count_probabilities(probability: NDArray[np.float32], reference: BoolArray) -> ProbabilityCounts:
    """Count the voxels of a map in one pass.

    A bin of the probability holds its upper edge and not its lower one, but for 0, as MONAI's `calibration_binning`.

    Args:
        probability: In 0 to 1, any shape.
        reference: Whether a voxel is in the reference, the same shape.

    Raises:
        UsageError: If a value lies outside 0 to 1, or is not a number.
    """
    order = np.argsort([-abs(step) for step in probability.strides], kind="stable")  # as it lies in memory
    values, inside = (np.ascontiguousarray(of.transpose(order)).ravel() for of in (probability, reference))
    voxels, sums = np.zeros((2, FINE), np.int64), np.zeros(FINE)
    logits = np.zeros((2, LOGIT_BINS), np.int64)
    squared = jit(_count)(values, inside, THRESHOLDS, voxels, sums, logits)
    if np.isnan(squared):
        received = f"{probability.min():g} to {probability.max():g}"
        raise UsageError("Probabilities must lie between 0 and 1", received=received, todo="Apply the sigmoid first")
    return ProbabilityCounts(voxels.sum(axis=0), voxels[1], sums, np.array(squared), logits)


def mirrored(logits: NDArray[np.number]) -> NDArray[np.number]:
    """Bins of the logit for 1 - p in place of p, shape (..., LOGIT_BINS), as far as both sides reach alike."""
    turned = np.zeros_like(logits)
    for place in range(LOGIT_BINS):
        turned[..., min(2 * _BELOW_HALF - 1 - place, LOGIT_BINS - 1)] += logits[..., place]
    return turned


def near(reference: BoolArray, spacing_mm: Spacing, reach_mm: float = NEAR_MM) -> tuple[Box, BoolArray] | None:
    """The reference and all voxels whose centre lies within a distance of the centre of one of it.

    They depend on no source, so that two sources are compared on the same voxels.

    Args:
        reference: Shape (X, Y, Z).
        spacing_mm: Voxel edge lengths.
        reach_mm: The distance.

    Returns:
        A box, and the voxels in it; None for an empty reference, which has no surroundings.
    """
    box = bounding_box(reference)
    if box is None:
        return None
    far = [int((reach_mm + ROUNDING_MM) / step) for step in spacing_mm]
    x, y, z = (slice(max(side.start - n, 0), side.stop + n) for side, n in zip(box, far, strict=True))
    found = np.array(reference[x, y, z])
    outside, surface = (np.array(np.nonzero(of)) for of in (~found, surface_voxels(found)))
    if outside.size:
        found[~found] = within(outside, surface, np.array(spacing_mm, np.float64), reach_mm + ROUNDING_MM)
    return (x, y, z), found


def _count(
    values: NDArray[np.float32],
    inside: BoolArray,
    edges: NDArray[np.float32],
    voxels: Counts,
    sums: Reals,
    logits: Counts,
) -> float:
    """Fill in the counts; the sum of squared errors, NaN for a value outside 0 to 1.

    The exponent of a float32 and the first bits of its fraction are the bin of its logit: no logarithm is taken.
    """
    rest = np.empty(1, np.float32)
    bits, rest_bits = values.view(np.int32), rest.view(np.int32)
    last_fine, last = len(edges), logits.shape[1] - 1
    squared, low, sum_low = 0.0, 0, 0.0
    for i in range(len(values)):
        p = values[i]
        if 0 <= p <= edges[0] and not inside[i]:  # most voxels of a map: their sums never leave the registers
            low += 1
            sum_low += p
            squared += np.float64(p) * p
            logits[0, max((bits[i] >> _SHIFT) - _FIRST_LOW, 0)] += 1
            continue
        if not (p >= 0 and p <= 1):  # also for NaN
            return np.nan
        k = min(int(p * np.float32(100)), last_fine)
        if k > 0 and p <= edges[k - 1]:
            k -= 1
        elif k < last_fine and p > edges[k]:
            k += 1
        if p <= np.float32(0.5):
            place = max((bits[i] >> _SHIFT) - _FIRST_LOW, 0)
        else:
            rest[0] = np.float32(1) - p
            place = last - max((rest_bits[0] >> _SHIFT) - _FIRST_HIGH, 0)
        of = int(inside[i])
        voxels[of, k] += 1
        sums[k] += p
        logits[of, place] += 1
        error = np.float64(p) - of
        squared += error * error
    voxels[0, 0] += low
    sums[0] += sum_low
    return squared
