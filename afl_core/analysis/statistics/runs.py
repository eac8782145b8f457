"""Is a difference that of the losses, or of these training runs? An interval for new patients and new runs."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from afl_core.analysis.statistics.bootstrap import CI_LEVEL
from afl_core.analysis.statistics.ranks import MIN_PATIENTS

MIN_RUNS = 3
"""Fewer runs of a configuration give no interval: with two the simulated coverage falls to 0.92."""

MOST = 100
"""Times as many patients or runs as there are, beyond which nobody could add more."""


@dataclass(frozen=True)
class RunsInterval:
    """A mean difference with its uncertainty over patients and training runs.

    Attributes:
        mean: Mean difference, second minus first, over patients and runs.
        low: Lower end of the interval.
        high: Upper end.
        runs_share: Share of the variance of `mean` that the training runs make; the rest is the patients'.
        patients_to_halve: Patients at which the interval would be half as wide, with the runs as they are; None where
            no number of them is enough.
        runs_to_halve: Runs of each configuration, with the patients as they are; None likewise.
    """

    mean: float
    low: float
    high: float
    runs_share: float
    patients_to_halve: int | None
    runs_to_halve: int | None


@dataclass(frozen=True)
class _Parts:
    """Components of variance of a difference, of a patient, a run and what neither explains; and how many there are."""

    patient: float
    run: float
    rest: float
    patients: int
    runs: int

    def shares(self, patients: int, runs: int) -> tuple[float, float]:
        """The variance of the mean of so many patients and runs: the patients' part, and the runs'."""
        return max(self.patient + self.rest / runs, 0.0) / patients, self.run / runs

    def half_width(self, patients: int, runs: int, level: float) -> float:
        """Half the interval for so many patients and runs."""
        of_patients, of_runs = self.shares(patients, runs)
        variance = of_patients + of_runs
        if not variance:
            return 0.0
        quantiles = stdtrit([patients - 1, runs - 1], (1 + level) / 2)
        return float(np.dot([of_patients, of_runs], quantiles) / math.sqrt(variance))


def runs_interval(first: ArrayLike, second: ArrayLike, *, paired: bool, level: float = CI_LEVEL) -> RunsInterval | None:
    """The difference of two configurations for new patients and new training runs.

    Patients and runs are crossed random effects. The variance of the mean is that of the patients' differences (each
    averaged over runs) over their number, plus the component of the runs over theirs, from the mean squares of the
    two-way table: (MS_runs - MS_rest) / (patients x runs), not below 0. With paired runs (the same seeds in both) the
    table is that of the differences, else each configuration has its own. The quantile is the mean of Student's of
    both parts, weighted by their variances. Satterthwaite's degrees of freedom were tried in its place: with 3 runs
    they cover 0.92, this 0.95 (benchmarks/intervals.py).

    Args:
        first: A value a patient and run, shape (patients, runs), finite.
        second: Likewise, the same patients; as many runs where they are paired, in the same order.
        paired: Whether run k of both was trained with the same seed.
        level: Wanted coverage.

    Returns:
        The interval; None below `MIN_PATIENTS` patients or `MIN_RUNS` runs.

    Source: Searle, Casella and McCulloch, Variance Components (1992), chapter 4 (mean squares of the crossed table);
    Cochran and Cox, Experimental Designs (1957), section 4.14 (the quantile).
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    patients, runs = len(a), min(a.shape[1], b.shape[1])
    if patients < MIN_PATIENTS or runs < MIN_RUNS:
        return None
    tables = [b - a] if paired else [a, b]
    components = [_components(table) for table in tables]
    differences = b.mean(axis=1) - a.mean(axis=1)
    run, rest = np.sum(
        [np.array(found) / table.shape[1] for found, table in zip(components, tables, strict=True)], axis=0
    )
    patient = float(differences.var(ddof=1)) - float(rest)
    parts = _Parts(patient, float(run) * runs, float(rest) * runs, patients, runs)
    half, mean = parts.half_width(patients, runs, level), float(differences.mean())
    of_patients, of_runs = parts.shares(patients, runs)
    return RunsInterval(
        mean,
        mean - half,
        mean + half,
        of_runs / (of_patients + of_runs) if half else 0.0,
        _number_to_halve(parts, half, level, of="patients"),
        _number_to_halve(parts, half, level, of="runs"),
    )


def _components(table: NDArray[np.float64]) -> tuple[float, float]:
    """Components of variance of the runs (columns), and of what neither patient nor run explains."""
    patients, runs = table.shape
    by_run = table.mean(axis=0)
    rest = table - table.mean(axis=1, keepdims=True) - by_run + table.mean()
    ms_rest = float((rest**2).sum()) / ((patients - 1) * (runs - 1))
    ms_runs = patients * float(by_run.var(ddof=1))
    return max(ms_runs - ms_rest, 0.0) / patients, ms_rest


def _number_to_halve(parts: _Parts, half: float, level: float, *, of: str) -> int | None:
    """The smallest number of patients or runs at which the interval is half as wide; None where that is never."""

    def width(number: int) -> float:
        patients, runs = (number, parts.runs) if of == "patients" else (parts.patients, number)
        return parts.half_width(patients, runs, level)

    low = parts.patients if of == "patients" else parts.runs
    high = MOST * low
    if width(high) > half / 2:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if width(middle) <= half / 2 else (middle + 1, high)
    return low
