"""Rankings of several sources over the same patients: four methods, their stability, and what tests show.

Source: Wiesenfarth et al., Methods and open-source toolkit for analyzing and visualizing challenge results, Scientific
Reports 11 (2021) 2369. Equal sources share the best of their ranks, as there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from afl_core.analysis.statistics.bootstrap import SEED
from afl_core.analysis.statistics.power import ALPHA
from afl_core.analysis.statistics.ranks import DECIMALS, MIN_PATIENTS, holm, signed_ranks

RESAMPLES = 1000
"""Resamples of a ranking, as many as the paper takes: a share of 0.5 is known to within 0.03."""

METHODS: Mapping[str, str] = MappingProxyType(
    {
        "mean": "Mean, then rank",
        "median": "Median, then rank",
        "rank": "Rank, then mean",
        "test": "Test, then rank",
    }
)
"""Key of a method to its name: what comes first, the aggregation over patients or the rank."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ranking:
    """A ranking of sources, and how it moves with the patients.

    Attributes:
        ranks: Rank of each source, 1 for the best, shape (sources,); NaN where the method needs more patients.
        frequencies: Share of the resamples in which a source has a rank, shape (sources, ranks); every row sums to 1.
            NaN below `MIN_PATIENTS` patients.
        low: Lower end of the range that holds the rank in 95 % of the resamples, shape (sources,); NaN as above.
        high: Upper end of the same range.
    """

    ranks: Floats
    frequencies: Floats
    low: Floats
    high: Floats


def rank_sources(scores: ArrayLike, method: str) -> Floats:
    """Rank of each source by a method of `METHODS`, 1 for the best.

    Args:
        scores: Finite values, shape (patients, sources), higher is better.
        method: `mean` and `median` rank what they give over patients; `rank` ranks the sources on every patient and
            then the means of these ranks; `test` ranks by the number of other sources that a source is shown better
            than, by `shown_better`.

    Returns:
        Shape (sources,); equal sources share the best of their ranks. NaN without patients, and for `test` below
        `MIN_PATIENTS` of them.

    >>> rank_sources([[0.9, 0.8, 0.8], [0.7, 0.6, 0.6]], "mean").tolist()
    [1.0, 2.0, 2.0]
    """
    values = np.asarray(scores, dtype=np.float64)
    if len(values) < (MIN_PATIENTS if method == "test" else 1):
        return np.full(values.shape[1], np.nan)
    if method == "test":
        return _ranks((shown_better(values) < ALPHA).sum(axis=1))
    return _ranks(_aggregate(values, np.ones((1, len(values)), dtype=np.int64), method)[0])


def rank_stability(scores: ArrayLike, method: str) -> Ranking:
    """The ranking, and those of resamples of the patients, drawn as many with replacement; arguments as above.

    In a resample the test is the normal approximation, as patients that were drawn twice are ties.
    """
    values = np.asarray(scores, dtype=np.float64)
    n, sources = values.shape
    ranks = rank_sources(values, method)
    if n < MIN_PATIENTS:
        nothing = np.full(sources, np.nan)
        return Ranking(ranks, np.full((sources, sources), np.nan), nothing, nothing)
    counts = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    parts = np.array_split(counts, 10)  # a part stays in the cache: all at once take twice as long
    resampled = _ranks(np.concatenate([_aggregate(values, part, method) for part in parts]))
    frequencies = np.stack([(resampled == rank).mean(axis=0) for rank in range(1, sources + 1)], axis=1)
    low, high = np.quantile(resampled, (0.025, 0.975), axis=0, method="inverted_cdf")
    return Ranking(ranks, frequencies, low, high)


def shown_better(scores: ArrayLike) -> Floats:
    """p-values that the source of a row is better than that of a column, after Holm's correction for all of them.

    Each is one-sided, of Wilcoxon's signed-rank test. All ordered pairs are corrected together, so both directions of
    a pair count, and the first is as strict as a two-sided test.

    Args:
        scores: Finite values, shape (patients, sources), higher is better.

    Returns:
        Shape (sources, sources); NaN on the diagonal, and everywhere below `MIN_PATIENTS` patients.
    """
    values = np.asarray(scores, dtype=np.float64)
    p = np.full((values.shape[1], values.shape[1]), np.nan)
    if len(values) < MIN_PATIENTS:
        return p
    for i, j in combinations(range(len(p)), 2):
        p[i, j] = signed_ranks(values[:, i] - values[:, j]).p_greater
        p[j, i] = signed_ranks(values[:, j] - values[:, i]).p_greater
    return holm(p.ravel()).reshape(p.shape)


def kendall_tau(first: ArrayLike, second: ArrayLike) -> float:
    """Kendall's tau-b of two rankings of the same sources: 1 for one order, -1 for the reverse; NaN if all are equal.

    >>> round(kendall_tau([1, 2, 3], [1, 3, 2]), 3)
    0.333
    """
    from scipy.stats import kendalltau  # noqa: PLC0415 - takes a second to import

    return float(kendalltau(np.asarray(first), np.asarray(second)).statistic)


def _ranks(values: ArrayLike) -> Floats:
    """Ranks along the last axis, 1 for the largest; equal ones share the best of their ranks."""
    rounded = np.round(np.asarray(values, dtype=np.float64), DECIMALS)
    ranks: Floats = 1.0 + (rounded[..., None, :] > rounded[..., :, None]).sum(axis=-1)
    return ranks


def _aggregate(values: Floats, counts: NDArray[np.int64], method: str) -> Floats:
    """What a method ranks, larger for better, in each resample.

    Args:
        values: Scores, shape (n, sources).
        counts: How often a patient is in a resample, shape (resamples, n).
        method: Key of `METHODS`.
    """
    if method == "median":
        return np.column_stack([_medians(column, counts) for column in values.T])
    if method == "test":
        return _wins(values, counts)
    summed = values if method == "mean" else -_ranks(values)
    means: Floats = counts @ summed / len(values)
    return means


def _medians(column: Floats, counts: NDArray[np.int64]) -> Floats:
    order = np.argsort(column)
    reached, n = np.cumsum(counts[:, order], axis=1), len(column)
    middle = [(reached < place).sum(axis=1) for place in ((n + 1) // 2, n // 2 + 1)]
    medians: Floats = column[order][np.stack(middle)].mean(axis=0)
    return medians


def _wins(values: Floats, counts: NDArray[np.int64]) -> Floats:
    """Number of sources that each is shown better than, in each resample."""
    sources = values.shape[1]
    p = np.full((len(counts), sources, sources), np.nan)
    for i, j in combinations(range(sources), 2):
        z = _signed_rank_z(np.round(values[:, i] - values[:, j], DECIMALS), counts)
        p[:, i, j], p[:, j, i] = ndtr(-z), ndtr(z)
    corrected = np.apply_along_axis(holm, 1, p.reshape(len(counts), -1))
    wins: Floats = (corrected.reshape(p.shape) < ALPHA).sum(axis=2).astype(np.float64)
    return wins


def _signed_rank_z(differences: Floats, counts: NDArray[np.int64]) -> Floats:
    """Standardised signed-rank sum of each resample; 0 where no difference is left."""
    moved = differences != 0
    _, group = np.unique(np.abs(differences[moved]), return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max(initial=-1) + 1))
    if not len(starts):
        return np.zeros(len(counts))
    drawn = counts[:, moved][:, order]
    positive = np.add.reduceat(drawn * (differences[moved][order] > 0), starts, axis=1)
    tied = np.add.reduceat(drawn, starts, axis=1)
    ranks = np.cumsum(tied, axis=1) - (tied - 1) / 2
    centred = ((positive - tied / 2) * ranks).sum(axis=1)
    spread = np.sqrt((tied * ranks**2).sum(axis=1) / 4)
    z: Floats = centred / np.where(spread > 0, spread, 1)
    return z
