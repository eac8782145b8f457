"""The rows of a results folder as a paired table: one row a case or lesion, one value a source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from afl_core.analysis.breakdown.bins import AXES, Axis
from afl_core.analysis.breakdown.measures import Level, Measure, build_measure
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
        cases: Number of the cases with a result of every source, in which these lie.
        covariates: Key to axis of each covariate, which is a column of `reference` and of `table`.
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
    cases: int = 0
    covariates: Mapping[str, Axis] = field(default_factory=dict)

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
    facts = rows.drop_duplicates(["case_id", "lesion_id"]).set_index(["case_id", "lesion_id"])
    wide = rows.pivot(index=["case_id", "lesion_id"], columns="source", values=list(labels)).reindex(facts.index)
    evaluated = set(zip(rows["case_id"], rows["source"], strict=True))
    ids = facts.index.get_level_values(0)
    present = pd.DataFrame({name: [(case, name) in evaluated for case in ids] for name in wanted})
    shared: dict[str, Any] = {
        "level": level,
        "sources": tuple(sources),
        "reference": facts.reset_index().assign(patient=patient_column)[list(FACTS)],
        **(_false_positives(cases, members) if level == "lesion" else {}),
    }
    return tuple(
        _paired(measure, wide[[measure.key]].droplevel(0, axis=1), members, present, shared) for measure in measures
    )


def _paired(
    measure: Measure,
    wide: pd.DataFrame,
    members: Mapping[str, Sequence[str]],
    present: pd.DataFrame,
    shared: Mapping[str, Any],
) -> Units:
    """The table of one metric, from its values and which of the sources were evaluated; a row a unit of both."""
    values = wide.reindex(columns=list(present)).astype(float).reset_index(drop=True)
    values = values.abs() if measure.absolute else values
    complete = values.notna().all(axis=1)
    left_out = {f"no result of {name}": int((~there).sum()) for name, there in present.items()}
    left_out["metric undefined"] = int((present.all(axis=1) & ~complete).sum())
    keep = complete.to_numpy()
    values = values[keep].reset_index(drop=True)
    values.columns.name = None
    return Units(
        measure=measure,
        table=shared["reference"][keep].reset_index(drop=True),
        values=pool_seeds(values, members),
        left_out={why: count for why, count in left_out.items() if count},
        seeds={name: values[list(group)] for name, group in members.items() if len(group) > 1},
        **shared,
    )


def _false_positives(cases: pd.DataFrame, members: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """`Units.false_positives` and `Units.cases`; the former empty where the rows do not count them."""
    wanted = [member for group in members.values() for member in group]
    if "lesion_fp" not in cases:
        return {}
    counts = cases.pivot(index="case_id", columns="source", values="lesion_fp").reindex(columns=wanted).dropna()
    total = {str(name): float(sum_) for name, sum_ in pool_seeds(counts, members).sum().items()}
    return {"false_positives": total, "cases": len(counts)}


def _check_sources(cases: pd.DataFrame, wanted: Sequence[str], sources: Sequence[str]) -> None:
    known = list(dict.fromkeys(cases["source"]))
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
