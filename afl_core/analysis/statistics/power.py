"""How many patients a study would need to show a difference: simulated with the signed-rank test that is used."""

import math
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from afl_core.analysis.statistics.bootstrap import MOST_KEPT, SEED, count_draws
from afl_core.analysis.statistics.ranks import DECIMALS, EXACT_UP_TO, MIN_PATIENTS

ALPHA, POWER = 0.05, 0.8
STUDIES = 1000
"""Simulated studies of a number of patients: a power of 0.8 is known to within 0.025."""

MOST_PATIENTS = 5_000


@dataclass(frozen=True)
class Plan:
    """What a new study of such patients can show.

    Attributes:
        difference: Mean difference that is assumed.
        patients: Number at which `POWER` of the studies have p below `ALPHA`; None above `MOST_PATIENTS`.
        power: Share of studies with as many patients as were given that have it.
    """

    difference: float
    patients: int | None
    power: float


def plan_study(differences: ArrayLike, *, assumed: float | None = None) -> Plan | None:
    """Plan a study whose patients differ as these do.

    Patients are drawn from the differences with replacement, moved so that their mean is the assumed one. Each study
    is tested as `signed_ranks` does; equal differences of patients that were drawn twice are told apart at random.

    Args:
        differences: A difference a patient, finite.
        assumed: Mean difference that the study is to show; None is the mean of these.

    Returns:
        The plan; None below `MIN_PATIENTS` patients.
    """
    seen = np.round(np.asarray(differences, dtype=np.float64), DECIMALS)
    if len(seen) < MIN_PATIENTS:
        return None
    shift = 0.0 if assumed is None else assumed - float(seen.mean())
    values = np.asarray(seen + shift, dtype=np.float64)
    power_now = simulate_power(values, len(values))
    return Plan(float(values.mean()), _patients_for(values), power_now)


def simulate_power(differences: NDArray[np.float64], patients: int) -> float:
    """Share of `STUDIES` with so many patients, drawn from these differences, whose p is below `ALPHA` with their sign.

    The test ranks: where many small differences stand against few large ones, it shows
    another sign than their mean has: that shows no such difference.
    """
    n = len(differences)
    order, drawn = (_kept_studies if n <= MOST_KEPT else _draw_studies)(n, patients)
    ordered = differences[order]
    ordered = ordered[np.argsort(np.abs(ordered), kind="stable")]  # equal ones of two signs: at random
    return float(np.mean(_rejected(ordered, drawn, float(np.sign(differences.mean())))))


def _draw_studies(n: int, patients: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """An order of n differences, and how often each study draws each of them: the same for all bins of n patients."""
    rng = np.random.default_rng((SEED, patients))
    order, drawn = rng.permutation(n), count_draws(rng, n, (STUDIES, patients))
    order.flags.writeable = drawn.flags.writeable = False  # shared by all who ask
    return order, drawn


_kept_studies = lru_cache(maxsize=2)(_draw_studies)


def _rejected(ordered: NDArray[np.float64], drawn: NDArray[np.int64], sign: float = 0) -> NDArray[np.bool_]:
    """Whether a study has p below `ALPHA` and shows this sign; 0 is either.

    Args:
        ordered: Differences by their size, the smallest first, shape (n,). Zeros are left out, as the test does.
        drawn: How often each study has each of them, shape (studies, n).
        sign: Sign of the difference that is to be shown.
    """
    moved = ordered != 0
    counts, positive = drawn[:, moved], ordered[moved] > 0
    below = np.cumsum(counts, axis=1) - counts
    ranks = counts * below + counts * (counts + 1) // 2  # the sum of the ranks that a difference has
    sums, of = (ranks * positive).sum(axis=1), counts.sum(axis=1)
    numbers, place = np.unique(of, return_inverse=True)
    critical = np.array([_critical_sum(int(n)) for n in numbers])[place]
    rarer = (of * (of + 1) // 2 - sums) if sign > 0 else sums
    rejected: NDArray[np.bool_] = np.minimum(rarer, rarer if sign else of * (of + 1) // 2 - sums) <= critical
    return rejected


@cache
def _critical_sum(moved: int) -> float:
    """Largest rank sum of the rarer sign at which p is below `ALPHA`, for so many untied differences; -1 if none."""
    if moved > EXACT_UP_TO:
        spread = np.sqrt(moved * (moved + 1) * (2 * moved + 1) / 24)
        return float(np.nextafter(moved * (moved + 1) / 4 + ndtri(ALPHA / 2) * spread, -np.inf))
    share = np.ones(1)
    for rank in range(1, moved + 1):
        share = (np.pad(share, (0, rank)) + np.pad(share, (rank, 0))) / 2
    return int(np.count_nonzero(2 * np.cumsum(share) < ALPHA)) - 1


def _patients_for(differences: NDArray[np.float64]) -> int | None:
    """The number of patients that reaches `POWER`, to within 1 %; None above `MOST_PATIENTS`."""
    mean, spread = abs(float(differences.mean())), float(differences.std())
    quantiles = float(ndtri(1 - ALPHA / 2) + ndtri(POWER))
    guess = (quantiles * spread / mean) ** 2 if mean else math.inf  # of Student's test: near enough to begin with
    low, high = MIN_PATIENTS - 1, int(min(max(guess, MIN_PATIENTS), MOST_PATIENTS))
    while simulate_power(differences, high) < POWER:
        if high == MOST_PATIENTS:
            return None
        low, high = high, min(2 * high, MOST_PATIENTS)
    while high - low > max(1, high // 100):
        middle = (low + high) // 2
        low, high = (low, middle) if simulate_power(differences, middle) >= POWER else (middle, high)
    return high
