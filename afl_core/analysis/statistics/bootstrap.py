"""Bootstrap intervals of means, for many columns at once."""

import math
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri, stdtrit
from threadpoolctl import ThreadpoolController

SEED = 20240712
"""Seed of the bootstrap, which every export records: the same rows give the same intervals."""

RESAMPLES = 9999
MOST_RESAMPLED = 400
"""Rows up to which means are resampled; of more, `_intervals_of_many` gives what resampling tends to."""

MOST_KEPT = 5000
"""Patients up to which draws are kept for who asks next: 40 MB."""

DRAWS = 2**17
"""Patients drawn at once: 1 MB, which stays in the cache. All of them in one go take twice as long."""

CI_LEVEL = 0.95
TINY = 1e-9
"""Smallest denominator of a shifted quantile: where a very wide level meets a very skewed sample, the interval ends at
the largest resample instead of turning."""

ROUNDING = 1e-12
"""Values are equal whose difference is no larger than this share of the largest."""


def resampling_text(patients: int) -> str:
    """What intervals over so many patients rest on.

    >>> resampling_text(60)
    '9,999 resamples, seed 20240712'
    """
    if patients <= MOST_RESAMPLED:
        return f"{RESAMPLES:,} resamples, seed {SEED}"
    return f"bins of more than {MOST_RESAMPLED:,} patients: its limit by a Cornish-Fisher expansion; others: " + (
        resampling_text(0)
    )


def side_of_zero(low: float, high: float) -> int:
    """The side of 0 on which an interval lies: 1 above, -1 below, 0 where it holds 0 or there is none (NaN).

    >>> side_of_zero(0.1, 0.2), side_of_zero(-0.2, -0.1), side_of_zero(-0.1, 0.1), side_of_zero(math.nan, math.nan)
    (1, -1, 0, 0)
    """
    return int(low > 0) - int(high < 0)


def expanded_level(level: float, n: int) -> float:
    """The nominal level at which a bootstrap of n values reaches `level`, or nearly.

    A resample of n has a variance too small by (n - 1) / n, and normal quantiles are too short for few values. So the
    normal quantile gives way to sqrt(n / (n - 1)) times Student's: 0.974 for 0.95 at n = 15, 0.954 at n = 100. Source:
    Hesterberg, What teachers should know about the bootstrap, arXiv 1411.5279 (2014), "expanded percentile".

    >>> round(expanded_level(0.95, 15), 4), round(expanded_level(0.95, 1000), 4)
    (0.9736, 0.9504)
    """
    return 2 * float(ndtr(_expanded_quantile(level, n))) - 1


def _expanded_quantile(level: float, n: int) -> float:
    return math.sqrt(n / (n - 1)) * float(stdtrit(n - 1, (1 + level) / 2))


def mean_intervals(
    values: ArrayLike, *, level: float | Sequence[float] = CI_LEVEL, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Bias-corrected and accelerated (BCa) bootstrap interval of the mean of every column.

    All columns share the resamples, which is what makes 36 columns as quick as a few. A column is what
    `scipy.stats.bootstrap` gives with the same seed at `expanded_level(level, n)`.

    Args:
        values: Finite values, shape (n, columns), a row a patient.
        level: Wanted coverage, one for all columns or one each.
        resamples: Number of resamples; 0 draws nothing, however few the rows.

    Returns:
        Lower and upper ends, shape (columns, 2). One row gives NaN; a column of equal values gives that value twice.

    Of more than `MOST_RESAMPLED` rows nothing is drawn: the quantiles of the resamples' mean follow from its first four
    cumulants, which are known, by the Cornish-Fisher expansion. What it leaves out is smaller than what 9,999 draws
    differ by from draw to draw; of values that are 0 or 1 its ends lie between two counts, those of draws on one.

    Source: Efron, Better bootstrap confidence intervals, JASA 82 (1987) 171; Hall, The bootstrap and Edgeworth
    expansion (1992), sections 2.5 and 3.10.
    """
    rows = np.asarray(values, dtype=np.float64)
    n, columns = rows.shape
    intervals = np.full((columns, 2), math.nan)
    if n < 2:
        return intervals
    mean = rows.mean(axis=0)
    spread = np.flatnonzero(np.ptp(rows, axis=0) > ROUNDING * np.abs(rows).max(axis=0))
    intervals[:] = mean[:, None]
    if not spread.size:
        return intervals
    if n > MOST_RESAMPLED or not resamples:
        intervals[spread] = _intervals_of_many(rows[:, spread], np.broadcast_to(level, columns)[spread])
        return intervals
    resampled = _resampled_means(rows[:, spread], resamples)
    bias, acceleration = _corrections(rows[:, spread], mean[spread], resampled)
    reach = np.array([_expanded_quantile(wanted, n) for wanted in np.broadcast_to(level, columns)[spread]])
    shifted = bias + np.array([-reach, reach])
    shares = ndtr(bias + shifted / np.maximum(1 - acceleration * shifted, TINY))
    ordered = np.ascontiguousarray(resampled.T)
    intervals[spread] = [np.quantile(ordered[k], share) for k, share in enumerate(shares.T)]
    return intervals


def _intervals_of_many(rows: NDArray[np.float64], level: NDArray[np.float64]) -> NDArray[np.float64]:
    """BCa intervals of the means of columns of many rows, as from infinitely many resamples; shape (columns, 2)."""
    n, mean = len(rows), rows.mean(axis=0)
    centred = rows - mean
    scale = np.abs(centred).max(axis=0)
    centred /= scale
    squares = centred * centred  # ** 3 and ** 4 take ten times as long
    variance = squares.mean(axis=0)
    skew = (squares * centred).mean(axis=0) / variance**1.5 / math.sqrt(n)  # of the mean of a resample
    excess = ((squares * squares).mean(axis=0) / variance**2 - 3) / n
    bias, acceleration = ndtri(0.5 + skew / (6 * math.sqrt(2 * math.pi))), skew / 6
    reach = np.array([_expanded_quantile(wanted, n) for wanted in level])
    shifted = bias + np.array([-reach, reach])
    z = bias + shifted / np.maximum(1 - acceleration * shifted, TINY)
    quantile = z + skew * (z**2 - 1) / 6 + excess * (z**3 - 3 * z) / 24 - skew**2 * (2 * z**3 - 5 * z) / 36
    return np.asarray((mean + quantile * scale * np.sqrt(variance / n)).T)


def _corrections(
    rows: NDArray[np.float64], mean: NDArray[np.float64], resampled: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bias and acceleration of each column."""
    centred = rows - mean
    scale = np.abs(centred).max(axis=0)
    centred /= scale  # cubes of very small or very large values would leave the range of a float
    acceleration = (centred**3).sum(axis=0) / (6 * (centred**2).sum(axis=0) ** 1.5)
    same = ROUNDING * (np.abs(mean) + scale)  # the same rows in another order have the same mean
    below = (resampled < mean - same).mean(axis=0) + (resampled <= mean + same).mean(axis=0)
    return ndtri(below / 2), acceleration


@cache
def _threads() -> ThreadpoolController:
    """The thread pools of the libraries that are loaded, looked for once: it takes 4 ms."""
    return ThreadpoolController()


def _resampled_means(rows: NDArray[np.float64], resamples: int) -> NDArray[np.float64]:
    """Means of resampled rows, shape (resamples, columns): how often each row was drawn, times the rows."""
    n = len(rows)
    counts, most = _counts(n, resamples), max(1, DRAWS // n)
    with _threads().limit(limits=1, user_api="blas"):  # the products are small: threads would wait for each other
        return np.concatenate(
            [counts[start : start + most].astype(np.float64) @ rows / n for start in range(0, resamples, most)]
        )


@lru_cache(maxsize=4)
def _counts(n: int, resamples: int) -> NDArray[np.uint8]:
    """How often each of n rows is drawn in each resample, shape (resamples, n): the same for any rows so many."""
    rng = np.random.default_rng(SEED)
    counts = np.empty((resamples, n), np.uint8)
    most = max(1, DRAWS // n)
    for start in range(0, resamples, most):
        part = counts[start : start + most]
        part[:] = np.minimum(count_draws(rng, n, (len(part), n)), 255)  # beyond 20 is never met
    counts.flags.writeable = False
    return counts


def count_draws(rng: np.random.Generator, n: int, shape: tuple[int, int]) -> NDArray[np.int64]:
    """How often each of n rows is among the draws of each sample.

    Args:
        rng: What draws.
        n: Number of rows, each as likely as the others.
        shape: Number of samples, and of the draws of each.

    Returns:
        Shape (samples, n).
    """
    drawn = rng.integers(0, n, shape)
    drawn += n * np.arange(len(drawn))[:, None]
    return np.bincount(drawn.ravel(), minlength=len(drawn) * n).reshape(-1, n)


def times_drawn(n: int, resamples: int) -> NDArray[np.float64]:
    """How often each of n patients is drawn in each resample, shape (resamples, n); not to be changed.

    The same for the same numbers, and kept for up to `MOST_KEPT` patients, as a page asks for it a source.
    """
    return _kept_draws(n, resamples) if n <= MOST_KEPT else _draw(n, resamples)


def _draw(n: int, resamples: int) -> NDArray[np.float64]:
    drawn = np.random.default_rng(SEED).multinomial(n, [1 / n] * n, resamples).astype(np.float64)
    drawn.flags.writeable = False
    return drawn


_kept_draws = lru_cache(maxsize=2)(_draw)
