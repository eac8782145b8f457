"""The rows of a results folder as a paired table: one row a case or lesion, one value a source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from afl_core.analysis.breakdown.bins import AXES, Axis
from afl_core.analysis.breakdown.measures import Level, Measure, build_measure
from afl_core.analysis.breakdown.penalties import penalty_record, pooled_penalties, ruled
from afl_core.analysis.breakdown.seeds import pool_seeds
from afl_core.analysis.statistics.paired import patient_column
from afl_core.errors import DataError, UsageError

FACTS = ("case_id", "patient", "lesion_id", "size", "roughness", "released_smoothness")
"""Columns of `Units.table` and `Units.reference`; size is in ml, lesion_id 0 for a whole case."""

_CASE_FACTS = {"reference_volume_ml": "size", "roughness": "roughness", "released_smoothness": "released_smoothness"}


@dataclass(frozen=True, eq=False)
class Units:
    """The cases or lesions that are compared.

    Attributes:
        level: `case` or `lesion`.
        measure: The metric that is compared.
        sources: Names of the sources in order; a difference is a later one minus an earlier one.
        reference: Columns FACTS; every case or lesion of the reference, also those left out below. Bin edges come from
            these.
        table: Columns FACTS; the cases or lesions with a value of every source.
        values: The values of the same rows, one column a source.
        left_out: Reason why units are not in `table`, to their number.
        seeds: Source that is a mean over seeds, to its members: the same rows, one column a seed.
        seed_numbers: Source to the numbers of its seeds, in the order of those columns; none where they are not known.
        false_positives: At lesion level, source to its predicted components that match no lesion, a mean where it is
            one over seeds.
        false_positive_cases: Source to the cases in which it has one, of several seeds any.
        cases: Number of the cases with a result of every source, in which these lie.
        covariates: Key to axis of each covariate, which is a column of `reference` and of `table`.
        penalised: Whether each of `values` is a penalty in place of a distance, or one of its seeds is; without columns
            for a metric that has none.
    """

    level: Level
    measure: Measure
    sources: tuple[str, ...]
    reference: pd.DataFrame
    table: pd.DataFrame
    values: pd.DataFrame
    left_out: Mapping[str, int]
    seeds: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    seed_numbers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    false_positives: Mapping[str, float] = field(default_factory=dict)
    false_positive_cases: Mapping[str, int] = field(default_factory=dict)
    cases: int = 0
    covariates: Mapping[str, Axis] = field(default_factory=dict)
    penalised: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def noun(self) -> str:
        """What the units are called in a sentence."""
        return "cases" if self.level == "case" else "lesions"

    def axis(self, key: str) -> Axis:
        """An axis by the name that it has for these units."""
        axis = self.axes[key]
        return replace(axis, label=axis.of_lesion) if self.level == "lesion" else axis

    @property
    def axes(self) -> Mapping[str, Axis]:
        """Every axis by its key: those of AXES and the covariates."""
        return {**AXES, **self.covariates}

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every (first, second) of the sources in order."""
        return tuple((a, b) for k, b in enumerate(self.sources) for a in self.sources[:k])

    @cached_property
    def patient_numbers(self) -> NDArray[np.int64]:
        """A number for the patient of each row of `table`, from 0 on."""
        return np.asarray(pd.factorize(self.table["patient"])[0], dtype=np.int64)

    def penalties(self, pair: tuple[str, str], inside: NDArray[np.bool_] | slice = slice(None)) -> dict[str, Any]:
        """The columns of a record that say what penalties make of a pair's difference; {} for a metric without any.

        Args:
            pair: First and second source; the first is "" where nothing is compared.
            inside: The units that count; all by default.
        """
        if not pair[0] or self.penalised.empty:
            return {}
        return penalty_record(self.values[inside], self.penalised[inside], self.patient_numbers[inside], pair)


def select_units(
    cases: pd.DataFrame,
    lesions: pd.DataFrame,
    *,
    metric: str | Measure,
    sources: Sequence[str],
    level: Level = "case",
    seeds: Mapping[str, Sequence[str]] | None = None,
) -> Units:
    """The paired table of a metric.

    Args:
        cases: `Results.cases()`: its column `patient` is the unit of the statistics.
        lesions: `Results.lesions()`; needed at lesion level.
        metric: Key of the metric in `MEASURES[level]`, or the measure of an imported one.
        sources: Names of the sources to compare, in order, or keys of `seeds`.
        level: `case` if a unit is a case, `lesion` if it is a lesion of the reference.
        seeds: Name to the sources that are seeds of one configuration; their mean is compared.

    Raises:
        UsageError: If the metric or a source is not in the results.
        DataError: If nothing was evaluated.
    """
    measure = metric if isinstance(metric, Measure) else build_measure(level, metric)
    (units,) = select_each(cases, lesions, measures=(measure,), sources=sources, level=level, seeds=seeds)
    return units


def select_each(
    cases: pd.DataFrame,
    lesions: pd.DataFrame,
    *,
    measures: Sequence[Measure],
    sources: Sequence[str],
    level: Level,
    seeds: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Units, ...]:
    """The paired tables of several metrics, for which the rows are gone through once; else as `select_units`."""
    if cases.empty:
        raise DataError("These results hold no evaluated case", todo="Run afl evaluate first")
    members = {name: tuple((seeds or {}).get(name, (name,))) for name in sources}
    wanted = [member for group in members.values() for member in group]
    _check_sources(cases, wanted, sources)
    rows = _case_rows(cases) if level == "case" else _lesion_rows(lesions)
    labels = {measure.key: measure.label for measure in measures}
    for column in (*labels, "size", "roughness", "released_smoothness"):
        if column not in rows:
            what = labels.get(column, column)
            raise UsageError(f"These results have no {what}", received=column, todo="Evaluate again")
    places = _places(rows, wanted)
    facts = rows.iloc[places.first]
    present = pd.DataFrame(places.of_cases()[places.cases[places.first]], columns=wanted)
    shared: dict[str, Any] = {
        "level": level,
        "sources": tuple(sources),
        "reference": facts.reset_index(drop=True).assign(patient=patient_column)[list(FACTS)],
        **(_false_positives(cases, members) if level == "lesion" else {}),
    }
    found = []
    for measure in measures:
        values, penalty = places.spread(rows[measure.key]), ruled(rows, level, measure.key)
        units = _paired(measure, pd.DataFrame(values, columns=wanted), members, present, shared)
        if penalty is not None:
            penalised = (places.spread(penalty) == 1)[~np.isnan(values).any(axis=1)]
            units = replace(units, penalised=pooled_penalties(pd.DataFrame(penalised, columns=wanted), members))
        found.append(units)
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Places:
    """Where the values of rows go in a table of a row a unit and a column a source.

    Attributes:
        units: Number of the unit of each row, in the order in which units appear; so are those of `cases`.
        cases: Number of its case.
        sources: Number of its source, -1 where it is not wanted.
        first: The first row of each unit.
        width: Number of the sources.
    """

    units: NDArray[np.intp]
    cases: NDArray[np.intp]
    sources: NDArray[np.intp]
    first: NDArray[np.intp]
    width: int

    def spread(self, values: "pd.Series[Any]") -> NDArray[np.float64]:
        """The values of the rows, NaN where there are none; shape (units, sources)."""
        table, there = np.full((len(self.first), self.width), np.nan), self.sources >= 0
        table[self.units[there], self.sources[there]] = values.to_numpy(dtype=float, na_value=np.nan)[there]
        return table

    def of_cases(self) -> NDArray[np.bool_]:
        """Whether a case has a row of a source; shape (cases, sources)."""
        table, there = np.zeros((self.cases.max() + 1, self.width), bool), self.sources >= 0
        table[self.cases[there], self.sources[there]] = True
        return table


def _places(rows: pd.DataFrame, wanted: Sequence[str]) -> _Places:
    cases, _ = pd.factorize(rows["case_id"])
    lesions = rows["lesion_id"].to_numpy(np.int64)
    units, first_of = pd.factorize(cases * (lesions.max() + 1) + lesions)
    first = np.full(len(first_of), len(rows))
    np.minimum.at(first, units, np.arange(len(rows)))
    sources = pd.Index(wanted).get_indexer(pd.Index(rows["source"]))
    there = sources >= 0
    if not pd.Series(units[there] * len(wanted) + sources[there]).is_unique:
        raise ValueError("rows of several regions, or a row that stands twice, cannot be paired")
    return _Places(units, cases, sources, first, len(wanted))


def _paired(
    measure: Measure,
    wide: pd.DataFrame,
    members: Mapping[str, Sequence[str]],
    present: pd.DataFrame,
    shared: Mapping[str, Any],
) -> Units:
    """The table of one metric, from its values and which of the sources were evaluated; a row a unit of both."""
    values = wide.abs() if measure.absolute else wide
    complete = values.notna().all(axis=1)
    left_out = {f"no result of {name}": int((~there).sum()) for name, there in present.items()}
    left_out["metric undefined"] = int((present.all(axis=1) & ~complete).sum())
    keep = complete.to_numpy()
    values = values[keep].reset_index(drop=True)
    return Units(
        measure=measure,
        table=shared["reference"][keep].reset_index(drop=True),
        values=pool_seeds(values, members),
        left_out={why: count for why, count in left_out.items() if count},
        seeds={name: values[list(group)] for name, group in members.items() if len(group) > 1},
        **shared,
    )


def _false_positives(cases: pd.DataFrame, members: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """`Units.false_positives`, in how many cases, and `Units.cases`; nothing where the rows do not count them."""
    wanted = [member for group in members.values() for member in group]
    if "lesion_fp" not in cases:
        return {}
    counts = cases.pivot(index="case_id", columns="source", values="lesion_fp").reindex(columns=wanted).dropna()
    pooled = pool_seeds(counts, members)
    total = {str(name): float(sum_) for name, sum_ in pooled.sum().items()}
    having = {str(name): int(any_) for name, any_ in (pooled > 0).sum().items()}
    return {"false_positives": total, "false_positive_cases": having, "cases": len(counts)}


def _check_sources(cases: pd.DataFrame, wanted: Sequence[str], sources: Sequence[str]) -> None:
    known = list(cases["source"].unique())
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError(
            "These results have no such source", received=unknown[0], todo=f"There are: {', '.join(known)}"
        )
    if not sources or len(set(wanted)) < len(wanted) or len(set(sources)) < len(sources):
        raise UsageError("Give each source once", received=", ".join(sources) or "none")


def _case_rows(cases: pd.DataFrame) -> pd.DataFrame:
    return cases.rename(columns=_CASE_FACTS).assign(lesion_id=0)


def _lesion_rows(lesions: pd.DataFrame) -> pd.DataFrame:
    """The reference's lesions; the paper's smoothness is a quantity of a whole volume, so a lesion has none."""
    if lesions.empty or not (lesions["kind"] == "reference").any():
        raise DataError("These results hold no lesion of a reference", todo="Compare cases instead")
    of_reference = lesions[lesions["kind"] == "reference"]
    return of_reference.rename(columns={"volume_ml": "size"}).assign(released_smoothness=float("nan"))
