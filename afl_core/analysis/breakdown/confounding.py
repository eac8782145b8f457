"""Size against smoothness: how far they rank tumours alike, and whether what a bin shows hangs on its edges."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from afl_core.analysis.breakdown.bins import AXES, Binning, Edges, has_value
from afl_core.analysis.breakdown.interaction import Interaction, Trend, patient_mean, sizes_and_differences
from afl_core.analysis.breakdown.records import level_of_each, patient_means
from afl_core.analysis.breakdown.sentences import ALPHA, in_sentence
from afl_core.analysis.breakdown.units import Units
from afl_core.analysis.statistics.bootstrap import CI_LEVEL, mean_intervals, side_of_zero
from afl_core.analysis.statistics.ranks import DECIMALS, MIN_PATIENTS
from afl_core.base.catalogue import pick
from afl_core.base.words import number_of
from afl_core.errors import UsageError

ALIKE = 0.9
"""Rank correlation from which on two quantities count as ranking tumours nearly alike."""

SWEEP_RESAMPLES, SWEEP_DRAWN = 1999, 100
"""Resamples of a step of the sweep, and the patients up to which they are drawn: each step has patients of its own, so
its draws are too. Of more the expansion of `mean_intervals` is nearer to what draws tend to than 1,999 of them."""

LOWER, MIDDLE, UPPER = (0.15, 0.55), (0.6, 0.8), (0.45, 0.85)
"""Quantiles over which the lowest bin's edge moves, the middle one's upper edge, and the highest one's edge."""

SWEEP_COLUMNS = ("bin", "edge", "quantile", "low", "high", "n", "mean_difference", "ci_low", "ci_high", "verdict")

VERDICT_WORDS = {"higher": "higher", "lower": "lower", "none": "no difference shown", "few": "too few patients"}
"""What a step of the sweep shows, in words."""

Ranks = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Correlation:
    """A rank correlation.

    Attributes:
        what: The two quantities that are correlated, in words for a table.
        rho: Spearman's rho, or its partial form; NaN where a quantity does not vary, or for fewer than 3 patients.
        low: Lower end of the 95 % interval; NaN below 6 patients.
        high: Upper end of the same interval.
        n: Number of patients.
    """

    what: str
    rho: float
    low: float
    high: float
    n: int


def confounding(units: Units, pair: tuple[str, str], smoothness: str) -> tuple[Correlation, ...]:
    """Rank correlations of size, smoothness and paired difference, and of each of the first two given the other.

    Args:
        units: The paired table; units without size or smoothness are left out, those of one patient averaged first.
        pair: First and second source; the difference is second minus first.
        smoothness: Key of a smoothness in AXES, not `size`.

    Returns:
        Volume with smoothness; difference with volume, as `size_correlation`; difference with smoothness; difference
        with volume, smoothness
        held fixed; difference with smoothness, volume held fixed. The last two correlate what is left of the ranks of
        both after a linear fit on the ranks of the third.

    Raises:
        UsageError: If there is no such axis, or it is the size.

    Source of the interval: Fisher's z with variance (1 + rho^2 / 2) / (n - 3), Bonett and Wright, Psychometrika 65
    (2000) 23; one less for the quantity held fixed.
    """
    label = in_sentence(pick(AXES, smoothness, kind="axis").label)
    if smoothness == "size":
        raise UsageError("Size is compared with a smoothness", received=smoothness, todo="Give another axis")
    first, second = pair
    table = units.table[["size", smoothness]].assign(difference=units.values[second] - units.values[first])
    keep = has_value("size", table["size"]) & has_value(smoothness, table[smoothness])
    means = table[keep].groupby(units.table["patient"][keep].to_numpy(), sort=False).mean().round(DECIMALS)
    n = len(means)
    volume, smooth, gain = (means[name].rank().to_numpy(np.float64) for name in ("size", smoothness, "difference"))
    return (
        _correlation(f"volume with {label}", _pearson(volume, smooth), n),
        size_correlation(units, pair),
        _correlation(f"difference with {label}", _pearson(gain, smooth), n),
        _correlation(f"difference with volume, {label} held fixed", _partial(gain, volume, smooth), n, fixed=1),
        _correlation(f"difference with {label}, volume held fixed", _partial(gain, smooth, volume), n, fixed=1),
    )


def size_correlation(units: Units, pair: tuple[str, str]) -> Correlation:
    """Rank correlation of the paired difference with volume, over the patients of `size_interaction`, with a tumour."""
    x, y, patients = sizes_and_differences(units, pair)
    ranks = [pd.Series(patient_mean(values, patients)).rank().to_numpy(np.float64) for values in (x, y)]
    return _correlation("difference with volume", _pearson(*ranks), len(ranks[0]))


def size_answers_sentence(interaction: Interaction, trend: Trend | None, correlation: Correlation) -> str:
    """Whether three answers to one question agree: does the difference change with size, over the same patients?

    Args:
        interaction: Slope of the mean difference, by `size_interaction`; it shows a change where its interval leaves
            out 0 and p is below 0.05.
        trend: Median slope, by `robust_trend`; it shows a change where its interval leaves out 0.
        correlation: Rank correlation, by `size_correlation`; as the trend.

    Returns:
        A sentence, or "" where the slope was not tested.
    """
    if not interaction.method or trend is None or math.isnan(correlation.low):
        return ""
    answers = {
        "the slope of the mean": side_of_zero(interaction.low, interaction.high) * (interaction.p < ALPHA),
        "the median slope": side_of_zero(trend.low, trend.high),
        "the rank correlation": side_of_zero(correlation.low, correlation.high),
    }
    numbers = f"rank correlation {_rho(correlation)}, {_patients(correlation.n)}"
    words = {-1: "falls with size", 0: "shows no change with size", 1: "rises with size"}
    mean, median, ranks = answers.values()
    if mean == median == ranks:
        shown = f"the difference {words[mean]}" if mean else "no change with size is shown"
        return f"Slope, median slope and rank correlation agree: {shown} ({numbers})."
    said = ", ".join(f"{name} {words[sign]}" for name, sign in answers.items())
    if trend.slope == 0 and ranks:
        why = "many patients have the same difference, such as 0, and the median slope is then 0"
    elif median == ranks and mean:
        why = "a few patients with large differences carry the slope of the mean"
    elif median == ranks:
        why = "many patients differ a little, and a few with large differences hide it in the mean"
    else:
        why = "the evidence lies at the limit of what these patients can show"
    return f"The three answers on size differ ({said}; {numbers}): {why}."


def confounding_sentence(correlations: Sequence[Correlation], smoothness: str, units: Units) -> str:
    """The result of `confounding` in words: how far bins by size and by smoothness are the same bins, and the gain."""
    label, what = in_sentence(units.axis(smoothness).label), "tumours" if units.level == "case" else "lesions"
    alike, *_, by_volume, by_smoothness = correlations
    if math.isnan(alike.low):
        return f"Whether volume and {label} rank the {what} alike cannot be said ({_patients(alike.n)} with both)."
    measured = f"({_rho(alike)}, {_patients(alike.n)})"
    if abs(alike.rho) >= ALIKE:
        order = "nearly the same ranking" if alike.rho > 0 else "nearly the reverse ranking"
        sentence = (
            f"Volume and {label} are {order} of the {what} {measured}, so bins by {label} are nearly bins by volume"
        )
    elif alike.low <= 0 <= alike.high:
        sentence = f"No rank correlation of volume with {label} is shown {measured}"
    else:
        sentence = (
            f"Volume and {label} are {'positively' if alike.rho > 0 else 'negatively'} correlated in rank {measured}"
        )
        sentence += f", so part of what bins by {label} show can be volume, and the reverse"
    if math.isnan(by_volume.low) or math.isnan(by_smoothness.low):
        return f"{sentence}. How the difference goes with one where the other is held fixed cannot be said."
    return (
        f"{sentence}. The difference correlates with volume by {_rho(by_volume)} where {label} is held fixed, and with"
        f" {label} by {_rho(by_smoothness)} where volume is."
    )


def sweep_edges(units: Units, binning: Binning, pair: tuple[str, str], *, steps: int = 15) -> pd.DataFrame:
    """The paired difference in each bin as its edges move.

    The upper edge of the lowest bin moves from the 0.15 to the 0.55 quantile of the reference's values, the lower edge
    of the highest bin from 0.45 to 0.85; those of the middle bin move apart around the median, from the middle 20 % of
    the values to the middle 60 %.

    Args:
        units: The paired table.
        binning: The bins of the breakdown, which give the axis and the level of the intervals.
        pair: First and second source.
        steps: Number of edges that are tried for each bin.

    Returns:
        One row a bin and step, the bins from low values to high. Columns bin; edge, the one that moves (of the middle
        bin the upper one), and its quantile; low and high, both edges; n, patients; mean_difference; ci_low and
        ci_high, NaN below 6 patients; verdict, by the interval alone: `few`, `none`, `higher` or `lower`. Intervals are
        of 1,999 resamples where the breakdown takes 9,999, above 100 patients by the expansion. Empty where nothing
        has a value.
    """
    first, second = pair
    reference = units.reference[binning.axis].to_numpy(dtype=np.float64)
    reference = reference[has_value(binning.axis, reference)]
    level = level_of_each(units.table["patient"].groupby(binning.assign(units.table[binning.axis])).nunique())
    rows = []
    for number, edges, edge, quantile in _moves(reference, steps) if len(reference) else ():
        moved = replace(binning, edges=edges, how="a step of the sweep")
        means = patient_means(units, moved.assign(units.table[binning.axis]) == number)
        difference = (means[second] - means[first]).to_numpy(dtype=np.float64).round(DECIMALS)
        n, mean, low, high = len(difference), math.nan, math.nan, math.nan
        if n >= MIN_PATIENTS:
            drawn = SWEEP_RESAMPLES if n <= SWEEP_DRAWN else 0
            low, high = mean_intervals(difference[:, None], level=level, resamples=drawn)[0].tolist()
        if n:
            mean = float(difference.mean())
        bounds = moved.bounds(number)
        rows.append((moved.names[number], edge, quantile, *bounds, n, mean, low, high, _verdict(low, high)))
    return pd.DataFrame(rows, columns=list(SWEEP_COLUMNS))


def sweep_sentence(sweep: pd.DataFrame, binning: Binning, units: Units, pair: tuple[str, str]) -> str:
    """Whether what each bin shows holds as its edges move, in words."""
    (first, second), axis = pair, units.axis(binning.axis)
    if sweep.empty:
        return f"{axis.label} has no values, so its edges cannot move."
    bin_texts = [_bin_text(name, sweep.loc[sweep["bin"] == name, "verdict"]) for name in axis.names]
    many = int((sweep["bin"] == axis.names[0]).sum())
    what = f"{second}'s mean {in_sentence(units.measure.label)} against {first}'s, each bin tried at {many} edges"
    return f"{what}, by its interval alone: {'; '.join(bin_texts)}."


def rank_correlation(what: str, a: Ranks, b: Ranks) -> Correlation:
    """Spearman's rho of two quantities given as ranks, with its 95 % interval, as `confounding` computes it."""
    return _correlation(what, _pearson(a, b), len(a))


def _pearson(a: Ranks, b: Ranks) -> float:
    """Pearson's correlation of a and b; NaN where one does not vary, or for fewer than three values."""
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(np.clip(np.corrcoef(a, b)[0, 1], -1, 1))


def _partial(a: Ranks, b: Ranks, fixed: Ranks) -> float:
    """Correlation of a and b with a third held fixed; NaN where the third gives one of them away."""
    of, by_a, by_b = _pearson(a, b), _pearson(a, fixed), _pearson(b, fixed)
    left = (1 - by_a**2) * (1 - by_b**2)
    return float(np.clip((of - by_a * by_b) / math.sqrt(left), -1, 1)) if left > 1e-12 else math.nan


def _correlation(what: str, rho: float, n: int, *, fixed: int = 0) -> Correlation:
    if n < MIN_PATIENTS or math.isnan(rho):
        return Correlation(what, rho, math.nan, math.nan, n)
    if abs(rho) > 1 - 1e-12:
        return Correlation(what, rho, rho, rho, n)
    half = -float(ndtri((1 - CI_LEVEL) / 2)) * math.sqrt((1 + rho**2 / 2) / (n - 3 - fixed))
    return Correlation(what, rho, math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half), n)


def _rho(correlation: Correlation) -> str:
    return f"rho = {correlation.rho:.2f}, 95 % interval {correlation.low:.2f} to {correlation.high:.2f}"


def _patients(n: int) -> str:
    return number_of(n, "patient")


def _moves(reference: NDArray[np.float64], steps: int) -> Iterator[tuple[int, Edges, float, float]]:
    """Number of the bin, edges that give it, the edge that moves, and that edge's quantile, for every step."""
    for number, quantiles in ((0, LOWER), (1, MIDDLE), (2, UPPER)):
        for quantile in np.linspace(*quantiles, steps).tolist():
            edge = float(np.quantile(reference, quantile))
            other = float(np.quantile(reference, 1 - quantile)) if number == 1 else edge
            yield number, (other, edge), edge, quantile


def _verdict(low: float, high: float) -> str:
    if math.isnan(low):
        return "few"
    if low <= 0 <= high:
        return "none"
    return "higher" if low > 0 else "lower"


def _bin_text(name: str, verdicts: "pd.Series[str]") -> str:
    """What one bin shows over its edges, and whether that depends on them."""
    counts = verdicts.value_counts()
    if len(counts) == 1:
        return f"{name}, {VERDICT_WORDS[str(counts.index[0])]} at every edge"
    shares = ", ".join(
        f"{VERDICT_WORDS[verdict]} at {counts[verdict]}" for verdict in VERDICT_WORDS if verdict in counts
    )
    return f"{name}, {shares}" + (" (the edge decides)" if len(counts.drop("few", errors="ignore")) > 1 else "")
