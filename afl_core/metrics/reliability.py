"""Reliability curves: how often voxels of a probability are in the reference."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afl_core.metrics.thresholds import THRESHOLDS

Reals = NDArray[np.float64]

FINE = len(THRESHOLDS) + 1
"""Bins of the probability, each 0.01 wide: those between `THRESHOLDS`. MONAI's 20 bins, and 10 or 50, are unions."""

BINS = 20
"""Bins of the reliability curve and of the errors, MONAI's default; each is a union of five of `FINE`."""


@dataclass(frozen=True, eq=False)
class Reliability:
    """A reliability curve, or those of many cases; NaN in a bin without a voxel.

    Attributes:
        voxels: Number of voxels in each bin, shape (..., BINS).
        probability: Mean probability of these voxels, likewise.
        frequency: Share of them in the reference, likewise.
    """

    voxels: Reals
    probability: Reals
    frequency: Reals

    @property
    def gap(self) -> Reals:
        """How far apart probability and frequency are in each bin."""
        return np.abs(self.probability - self.frequency)


def in_bins(fine: NDArray[np.number]) -> Reals:
    """Sums over finer bins, shape (..., k * BINS), as sums over `BINS`."""
    return np.asarray(np.asarray(fine, np.float64).reshape(*fine.shape[:-1], BINS, -1).sum(axis=-1))


def reliability(
    voxels: NDArray[np.number], reference: NDArray[np.number], probability: NDArray[np.number]
) -> Reliability:
    """The reliability curve of `BINS` equal bins; arguments as the fields of `ProbabilityCounts`."""
    n, inside, total = (in_bins(of) for of in (voxels, reference, probability))
    some = np.where(n > 0, n, np.nan)
    return Reliability(n, total / some, inside / some)


assert FINE % BINS == 0
