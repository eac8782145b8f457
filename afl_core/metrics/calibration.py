"""Errors of calibration: how far the probability of a voxel lies from how often such voxels are in the reference.

The probability is that of the tumour against all else, whatever further classes a network may tell apart.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from afl_core.metrics.probability_counts import ProbabilityCounts
from afl_core.metrics.reliability import BINS, Reals


def ece(counts: ProbabilityCounts) -> Reals:
    """Expected calibration error: mean gap over the voxels; NaN without any."""
    curve = counts.curve
    return _ratio(np.nansum(curve.gap * curve.voxels, axis=-1), curve.voxels.sum(axis=-1))


def ace(counts: ProbabilityCounts) -> Reals:
    """Average calibration error: mean gap over the bins that hold a voxel; NaN without any."""
    gap = counts.curve.gap
    return _ratio(np.nansum(gap, axis=-1), np.isfinite(gap).sum(axis=-1))


def mce(counts: ProbabilityCounts) -> Reals:
    """Maximum calibration error: the largest gap of a bin that holds a voxel; NaN without any."""
    gap = counts.curve.gap
    return np.where(np.isfinite(gap).any(axis=-1), np.nan_to_num(gap, nan=0.0).max(axis=-1), np.nan)


def brier(counts: ProbabilityCounts) -> Reals:
    """Brier score: mean of (probability - reference)^2 over the voxels; NaN without any."""
    return _ratio(np.asarray(counts.squared_error, np.float64), counts.voxels.sum(axis=-1))


def _ratio(total: Reals, count: NDArray[np.number]) -> Reals:
    return np.asarray(total / np.where(count > 0, count, np.nan))


@dataclass(frozen=True)
class CalibrationError:
    """An error of calibration; 0 is best.

    Attributes:
        key: Its name in tables.
        label: Its name to show.
        definition: Its definition in a sentence.
        source: The paper it is from.
        function: Computes it for each case.
    """

    key: str
    label: str
    definition: str
    source: str
    function: Callable[[ProbabilityCounts], Reals]


ERRORS: Mapping[str, CalibrationError] = MappingProxyType(
    {
        error.key: error
        for error in (
            CalibrationError(
                "ece",
                "ECE",
                f"Expected calibration error: mean over voxels of how far apart the mean probability and the share of "
                f"the reference are in the voxel's bin, of {BINS} equal bins.",
                "Naeini et al., AAAI 2015, by the probability of the tumour; as MONAI's `expected`",
                ece,
            ),
            CalibrationError(
                "ace",
                "ACE",
                "Average calibration error: the same, with each bin that holds a voxel counted once. Not the adaptive "
                "calibration error of Nixon et al. 2019, which has the same letters.",
                "Neumann et al., BMVC workshop 2018; as MONAI's `average`",
                ace,
            ),
            CalibrationError(
                "mce",
                "MCE",
                "Maximum calibration error: the same of the worst bin, which may hold a single voxel.",
                "Naeini et al., AAAI 2015; as MONAI's `maximum`",
                mce,
            ),
            CalibrationError(
                "brier",
                "Brier score",
                "Mean squared difference of the tumour's probability from 0 or 1. It counts also what is no error of "
                "calibration: a probability that tells voxels badly apart.",
                "Brier, Monthly Weather Review 78 (1950) 1, half of it for two classes",
                brier,
            ),
        )
    }
)
"""Every error by its key, in the order in which they are shown."""
