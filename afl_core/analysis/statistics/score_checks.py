"""What must hold of cases and voxels for published means of IoU, DSC, sensitivity and specificity; arithmetic alone.

docs/published.md applies it to the A-FL paper's tables. Each function says what it assumes; printed numbers are taken
as rounded, so that a bound is missed only by what rounding cannot explain.
"""

import math

import numpy as np

ROUNDING = 0.0005
"""Half a unit of the third decimal."""

MIDDLE = (0.1, 0.95)
"""The DSC between which `middle_share` counts a case as neither missed nor perfect."""


def least_iou(mean_dsc: float) -> float:
    """The least mean IoU of cases with this mean DSC.

    For one case IoU = DSC / (2 - DSC), hard or soft and squared as in `metrics.released`. That curve is convex, so by
    Jensen's inequality the mean IoU is at least its value at the mean DSC; the mean DSC itself is the most it can be.

    >>> round(least_iou(0.951), 3)
    0.907
    """
    return mean_dsc / (2 - mean_dsc)


def dsc_spread(mean_iou: float, mean_dsc: float, *, rounding: float = ROUNDING) -> tuple[float, float] | None:
    """Least and most standard deviation of the DSC over the cases; None where no set of cases has both means.

    With m the mean DSC, mean IoU - m / (2 - m) = 2 / (2 - m)^2 times the mean of (DSC - m)^2 / (2 - DSC), and
    1 / (2 - DSC) lies between 1/2 and 1: the gap to `least_iou` tells the variance within a factor of two.

    >>> [round(sd, 2) for sd in dsc_spread(0.696, 0.769)]
    [0.23, 0.33]
    """
    gap_low = mean_iou - rounding - least_iou(mean_dsc + rounding)
    gap_high = mean_iou + rounding - least_iou(mean_dsc - rounding)
    if gap_high < 0 or mean_iou - rounding > mean_dsc + rounding:
        return None
    low = math.sqrt(max(gap_low, 0) / 2) * (2 - mean_dsc - rounding)
    high = math.sqrt(gap_high) * (2 - mean_dsc + rounding)
    ends = (mean_dsc - rounding, mean_dsc + rounding)
    return low, min(high, math.sqrt(max(m * (1 - m) for m in ends)))


def middle_share(mean_iou: float, mean_dsc: float) -> float:
    """The most that the share of cases with a DSC within `MIDDLE` can be.

    DSC - IoU = DSC (1 - DSC) / (2 - DSC) is 0 for a missed and for a perfect case, and within `MIDDLE` at least what it
    is at its ends; so a small difference of the means leaves few cases there (Markov's inequality).
    """
    least = min(dsc - least_iou(dsc) for dsc in MIDDLE)
    return min(1.0, (mean_dsc - mean_iou + 2 * ROUNDING) / least)


def with_background_at_1(score: float) -> float:
    """The tumour's mean score where the given one is the mean of background and tumour, and the background has 1."""
    return 2 * score - 1


def tumour_share(dsc: float, sensitivity: float, specificity: float, *, background: bool = False) -> float | None:
    """The share of voxels that must be tumour for hard masks to have these three values; None where none does.

    It holds for one case, for counts pooled over cases, and for cases that are all alike; for means over unlike cases
    it need not.

    Args:
        dsc: Of the tumour, or with `background` the mean of the tumour's and the background's.
        sensitivity: Of the tumour's voxels.
        specificity: Of the other voxels.
        background: Whether the DSC counts the background in; the smallest such share is given, to a thousandth of it.
    """
    if not background:
        parts = 2 * sensitivity - dsc * (1 + sensitivity)
        odds = dsc * (1 - specificity) / parts if parts > 0 else math.inf
        return odds / (1 + odds) if math.isfinite(odds) else None
    share = np.geomspace(1e-6, 1, 20_001)[:-1]
    rest = 1 - share
    tumour = 2 * share * sensitivity / (share * (1 + sensitivity) + rest * (1 - specificity))
    other = 2 * rest * specificity / (rest * (1 + specificity) + share * (1 - sensitivity))
    reached = np.flatnonzero((tumour + other) / 2 >= dsc)
    return float(share[reached[0]]) if reached.size else None


def needed_cases(gain: float, sd: float, *, correlation: float) -> int:
    """Cases from which a paired difference with this mean is 1.96 standard errors.

    Both sources have the same standard deviation over the cases, and this correlation; networks are taken as fixed.
    Below about 30 cases Student's quantile is larger than 1.96, and more cases are needed. The least is 2.

    >>> needed_cases(0.05, 0.25, correlation=0.5)
    97
    """
    return max(2, math.ceil(2 * (1 - correlation) * (1.96 * sd / gain) ** 2))
