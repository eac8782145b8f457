"""Distances that no surface gave, but a rule: how many there are, and what a difference is without them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from afl_core.analysis.breakdown.measures import Level
from afl_core.base.numbers import number, with_unit
from afl_core.base.words import number_of


def ruled(rows: pd.DataFrame, level: Level, metric: str) -> "pd.Series[bool] | None":
    """Which rows count a penalty in place of a distance; None for a metric without one, and where it is not known.

    Args:
        rows: Case rows, with the column `empty`, or lesion rows, with `detected`.
        level: What they are.
        metric: Key of the metric.
    """
    if level == "case" and metric.endswith("_mm") and "empty" in rows:
        return rows["empty"].isin(["prediction", "reference"])
    if level == "lesion" and metric in {"hd95_mm", "assd_mm"}:
        return rows["detected"] == 0
    return None


def pooled_penalties(penalised: pd.DataFrame, members: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Whether a source, or any of its seeds, counts a penalty in a unit; a column a source."""
    return pd.DataFrame({name: penalised[list(of)].any(axis=1) for name, of in members.items()})


def penalty_record(
    values: pd.DataFrame, penalised: pd.DataFrame, patients: NDArray[Any], pair: tuple[str, str]
) -> dict[str, Any]:
    """The columns of a record that say what penalties make of a difference.

    Args:
        values: The values of the units, a column a source.
        penalised: Whether each is a penalty, the same shape.
        patients: Of each unit.
        pair: First and second source; the difference is second minus first, mean over patients.
    """
    touched = penalised[list(pair)].any(axis=1).to_numpy()
    rest = (values[pair[1]] - values[pair[0]])[~touched].groupby(patients[~touched]).mean()
    return {"penalised": int(touched.sum()), "unpenalised_difference": float(rest.mean()) if len(rest) else math.nan}


def rest_words(record: Mapping[Any, Any], noun: str, digits: int, unit: str) -> str:
    """A sentence with the difference of a record without penalties, with a leading space; "" where it has none.

    >>> rest_words({"penalised": 1, "unpenalised_difference": -3.71}, "cases", 1, "mm")
    ' Without 1 case that counts a penalty: -3.7 mm.'
    """
    if not record.get("penalised"):
        return ""
    of = number_of(record["penalised"], f"{noun[:-1]} that counts a penalty", f"{noun} that count a penalty")
    if np.isnan(record["unpenalised_difference"]):
        return f" Without {of} there is none."
    return f" Without {of}: {with_unit(number(record['unpenalised_difference'], digits, sign=True), unit)}."
