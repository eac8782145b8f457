"""Bins, paired statistics and their sentences: the paper's Figures 3 and 4 as numbers."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from afl_core.analysis.breakdown.bins import REST, Binning
from afl_core.analysis.breakdown.runs import runs_record
from afl_core.analysis.breakdown.units import Units
from afl_core.analysis.statistics.bootstrap import CI_LEVEL, mean_intervals
from afl_core.analysis.statistics.ranks import DECIMALS, MIN_PATIENTS, holm, signed_ranks

ALL = "all"
"""Axis and bin of the records over everything."""

COLUMNS = (
    *("axis", "bin", "low", "high", "n", "units", "source", "mean", "mean_low", "mean_high"),
    *("minus", "mean_difference", "ci_low", "ci_high", "ci_level", "p", "p_holm", "effect"),
    *("n_higher", "n_lower", "n_equal", "p_method", "runs_low", "runs_high", "runs_share"),
    *("penalised", "unpenalised_difference"),
)
TEXTS, COUNTS = ("axis", "bin", "source", "minus", "p_method"), ("n", "units", "penalised")


@dataclass(frozen=True, eq=False)
class Breakdown:
    """A comparison by bins.

    Attributes:
        units: The cases or lesions that were compared.
        binnings: The axes, in order.
        records: Columns COLUMNS. One row a bin and source, and again for each earlier source that it is compared with:
            low and high are the edges of the bin; n counts patients and units their cases or lesions; mean is of the
            source, with its 95 % interval; then the paired difference of source minus `minus` with its interval at
            `ci_level`, Wilcoxon's p, p after Holm over all rows, rank-biserial effect, the patients by the sign of
            their difference, and whether p is exact or normal (approximate); of means over seeds also the 95 %
            interval for new patients and new runs, and the runs' share of its variance; of distances how many units
            count a penalty, for an empty mask or a missed lesion, and the difference without them. Empty (NaN or
            "") where there is nothing to compare, or fewer than 6 patients.
        unbinned: A sentence for each axis that nobody named and that has no bins, which says why.
        opened: Of axes that were looked at before and are not shown, the p-values, which Holm's correction counts too.
        tests_elsewhere: Number of p-values of other regions that Holm's correction counts too.
    """

    units: Units
    binnings: tuple[Binning, ...]
    records: pd.DataFrame
    unbinned: tuple[str, ...] = ()
    opened: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    tests_elsewhere: int = 0

    def pair(self, first: str, second: str) -> pd.DataFrame:
        """The records of the second source minus the first, in either order."""
        return pair_records(self.records, first, second)

    def inside(self, axis: str, name: str) -> NDArray[np.bool_]:
        """Whether each unit is in a bin of this name; all are for the axis `ALL`. Shape (n,)."""
        if axis == ALL:
            return np.ones(len(self.units.table), dtype=bool)
        binning = next(binning for binning in self.binnings if binning.axis == axis)
        within: NDArray[np.bool_] = binning.assign(self.units.table[axis]) == binning.names.index(name)
        return within

    @property
    def n_tests(self) -> int:
        """Number of p-values that Holm's correction counts."""
        return int(np.isfinite(self.p_values).sum()) + self.tests_elsewhere

    @property
    def p_values(self) -> NDArray[np.float64]:
        """The p-values of the records, then of the axes that were looked at before; NaN where no test was made."""
        return np.concatenate([self.records["p"].to_numpy(dtype=float), *self.opened.values()])


def compute_breakdown(units: Units, binnings: Sequence[Binning], opened: Sequence[Binning] = ()) -> Breakdown:
    """Means and paired differences over everything and in every bin that is not empty.

    A patient counts once in a bin: several cases or lesions of one patient there are averaged first, so that intervals
    and tests are over patients. The intervals of the bins of one axis hold together (Bonferroni): with three bins each
    is at 98.3 %, so that in 95 of 100 cohorts all three cover their difference.

    Args:
        units: The paired table.
        binnings: One binning for each axis.
        opened: Those of axes that were looked at before, whose tests Holm's correction counts too.
    """
    before = {binning.axis: bin_records(units, binning) for binning in opened}
    return join_records(units, binnings, [bin_records(units, binning) for binning in (None, *binnings)], before)


def join_records(
    units: Units,
    binnings: Sequence[Binning],
    parts: Sequence[pd.DataFrame],
    opened: Mapping[str, pd.DataFrame] | None = None,
) -> Breakdown:
    """The breakdown from what `bin_records` gave for everything (None) and for each binning; Holm over all of it.

    Args:
        units: The paired table.
        binnings: One binning for each axis.
        parts: The records.
        opened: Those of axes that were looked at before: they are counted, and not shown.
    """
    before = {axis: records["p"].to_numpy(dtype=float) for axis, records in (opened or {}).items()}
    joined = Breakdown(units, tuple(binnings), pd.concat(parts, ignore_index=True), opened=before)
    joined.records["p_holm"] = holm(joined.p_values)[: len(joined.records)]
    return joined


def bin_records(
    units: Units,
    binning: Binning | None,
    *,
    level: float = CI_LEVEL,
    pairs: Sequence[tuple[str, str]] | None = None,
) -> pd.DataFrame:
    """The records of one axis, or of everything at an interval level, before Holm's correction; columns COLUMNS.

    Args:
        units: The paired table.
        binning: Bins of the axis; None is everything.
        level: Level of the intervals over everything.
        pairs: Those of `units.pairs` that are compared; None is all.
    """
    compared = units.pairs if pairs is None else tuple(pairs)
    rows: list[dict[str, Any]] = []
    for group, inside, at in _groups(units, binning, level):
        means = patient_means(units, inside)
        counts = {"n": len(means), "units": int(inside.sum())}
        for record in _records(means, compared, at):
            pair = (record["minus"], record["source"])
            further = runs_record(units, inside, pair) | units.penalties(pair, inside)
            rows.append({**group, **counts, **record, **further})
    return pd.DataFrame({name: _column(rows, name) for name in COLUMNS})


def _column(rows: Sequence[dict[str, Any]], name: str) -> pd.Series:
    """A column of the records; empty where a row does not have it."""
    kind, empty = ("object", "") if name in TEXTS else ("int64", 0) if name in COUNTS else ("float64", math.nan)
    return pd.Series([row.get(name, empty) for row in rows], dtype=kind)


def pair_records(records: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """The records of the second source minus the first; those of a later first one are turned round."""
    r = records
    if not ((r["source"] == first) & (r["minus"] == second)).any():
        return r[(r["source"] == second) & (r["minus"] == first)].reset_index(drop=True)
    turned = r[(r["source"] == first) & (r["minus"] == second)].reset_index(drop=True)
    own = r[r["source"] == second].drop_duplicates(["axis", "bin"]).reset_index(drop=True)
    means = ["mean", "mean_low", "mean_high"]
    turned[means] = own[means]
    for low, high in (("ci_low", "ci_high"), ("runs_low", "runs_high")):
        turned[[low, high]] = -turned[[high, low]].to_numpy()
    turned[["n_higher", "n_lower"]] = turned[["n_lower", "n_higher"]].to_numpy()
    turned[["mean_difference", "effect", "unpenalised_difference"]] *= -1
    return turned.assign(source=second, minus=first).astype({"source": "object", "minus": "object"})


def patient_means(units: Units, inside: NDArray[np.bool_]) -> pd.DataFrame:
    """Values of a part of the units, a row a patient and a column a source; indexed by patient."""
    values, numbers = units.values[inside], units.patient_numbers[inside]
    patients = pd.Index(units.table["patient"][inside], name=None)
    if np.bincount(numbers, minlength=1).max() <= 1:  # as mostly: each is its own mean
        return values.set_axis(patients)
    return values.groupby(numbers, sort=False).mean().set_axis(patients.unique())


def patient_medians(means: pd.DataFrame) -> pd.Series:
    """Median of each source over the patients of `patient_means`; NaN where there is one: that would be its mean."""
    return means.median().where(means.count() > 1)


def level_of_each(patients: ArrayLike) -> float:
    """Level of each interval of bins or cells of so many patients, so that all of them hold together at 95 %.

    Bonferroni over those that have an interval.

    >>> round(level_of_each([8, 9, 5]), 3), round(level_of_each([8, 9, 7]), 4), level_of_each([3])
    (0.975, 0.9833, 0.95)
    """
    many = int(np.count_nonzero(np.asarray(patients) >= MIN_PATIENTS))
    return 1 - (1 - CI_LEVEL) / max(many, 1)


def compute_grid(units: Units, rows: Binning, columns: Binning, pair: tuple[str, str]) -> pd.DataFrame:
    """Paired difference in every cell of two axes, also the empty ones.

    Args:
        units: The paired table.
        rows: The binning of the rows.
        columns: The binning of the columns.
        pair: First and second source; the difference is second minus first.

    Returns:
        Columns row, column, n, mean_difference, ci_low, ci_high; the intervals hold together over the cells that have
        one (those of 6 patients and more).
    """
    first, second = pair
    in_row, in_column = (b.assign(units.table[b.axis]) for b in (rows, columns))
    cells = [(i, j) for i in range(REST + 1) for j in range(REST + 1)]
    differences = {}
    for i, j in cells:
        means = patient_means(units, (in_row == i) & (in_column == j))
        differences[i, j] = (means[second] - means[first]).round(DECIMALS).to_numpy()
    level = level_of_each([len(d) for d in differences.values()])
    table = []
    for (i, j), d in differences.items():
        low, high = math.nan, math.nan
        if len(d) >= MIN_PATIENTS:
            low, high = mean_intervals(d[:, None], level=level)[0]
        mean = float(d.mean()) if len(d) else math.nan
        table.append((rows.names[i], columns.names[j], len(d), mean, float(low), float(high)))
    return pd.DataFrame(table, columns=["row", "column", "n", "mean_difference", "ci_low", "ci_high"])


def _groups(
    units: Units, binning: Binning | None, over_all: float
) -> Iterator[tuple[dict[str, Any], NDArray[np.bool_], float]]:
    """Description, members and interval level of each bin that is not empty, or of everything."""
    if binning is None:
        yield {"axis": ALL, "bin": ALL}, np.ones(len(units.table), dtype=bool), over_all
        return
    numbers = binning.assign(units.table[binning.axis])
    patients = units.table["patient"].groupby(numbers).nunique()
    level = level_of_each(patients)
    for k in patients.index:
        low, high = binning.bounds(k)
        yield {"axis": binning.axis, "bin": binning.names[k], "low": low, "high": high}, numbers == k, level


def _records(means: pd.DataFrame, pairs: Sequence[tuple[str, str]], level: float) -> Iterator[dict[str, Any]]:
    """One record a source, or one a pair for those that are the second of one."""
    sources, count = list(means), len(means.columns)
    of = {name: means[name].to_numpy() for name in sources}
    differences = [(of[b] - of[a]).round(DECIMALS) for a, b in pairs]  # what rounding alone moved did not move
    columns = np.column_stack([*of.values(), *differences])
    enough = len(means) >= MIN_PATIENTS
    levels = [CI_LEVEL] * count + [level] * len(pairs)
    intervals = _intervals(columns.tobytes(), tuple(levels)) if enough else np.full((len(levels), 2), math.nan)
    averages = columns.mean(axis=0) if len(means) else np.full(len(levels), math.nan)
    seconds = {second for _, second in pairs}
    for k, source in enumerate(sources):
        mean_record = {"source": source, "minus": "", "mean": averages[k]}
        mean_record |= {"mean_low": intervals[k, 0], "mean_high": intervals[k, 1]}
        if source not in seconds:
            yield mean_record
        for at, (first, second) in enumerate(pairs, start=count):
            if second == source:
                pair_record = {"minus": first, "mean_difference": averages[at], "ci_level": level}
                pair_record |= {"ci_low": intervals[at, 0], "ci_high": intervals[at, 1]}
                yield mean_record | pair_record | (_tested(columns[:, at]) if enough else {})


@lru_cache(maxsize=16)
def _intervals(columns: bytes, levels: tuple[float, ...]) -> NDArray[np.float64]:
    """Intervals of the columns; a moved edge leaves one of the three bins as it was, and need not resample it again."""
    intervals = mean_intervals(np.frombuffer(columns).reshape(-1, len(levels)), level=levels)
    intervals.flags.writeable = False  # shared by all who ask
    return intervals


def _tested(differences: NDArray[np.float64]) -> dict[str, Any]:
    ranks = signed_ranks(differences)
    counts = {"n_higher": ranks.n_positive, "n_lower": ranks.n_negative, "n_equal": ranks.n_zero}
    return {"p": ranks.p, "effect": ranks.effect, "p_method": "exact" if ranks.exact else "normal", **counts}
