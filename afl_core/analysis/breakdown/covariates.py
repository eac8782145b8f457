"""Covariates as axes: what a table says of the cases, beside size and smoothness."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from afl_core.analysis.breakdown.bins import Axis
from afl_core.analysis.breakdown.units import Units

LEVELS = ("low", "medium", "high")
"""Names of the three bins of a covariate of numbers."""


def with_covariates(units: Units, columns: Mapping[str, Mapping[str, float] | Mapping[str, str]]) -> Units:
    """The paired table with the covariates that vary over its cases.

    Args:
        units: The paired table.
        columns: Name of a covariate to case id to value, all numbers or all texts.
    """
    cases = set(units.reference["case_id"])
    axes, places = {}, {}
    for name, of in columns.items():
        here = {case: value for case, value in of.items() if case in cases}
        values = sorted(set(here.values()), key=_by_number)
        if len(values) < 2:
            continue
        if isinstance(values[0], str):
            axes[name] = _axis(name, tuple(map(str, values)), by_values=True)
            here = {case: values.index(value) for case, value in here.items()}
        else:
            axes[name] = _axis(name, LEVELS)
        places[name] = here

    def extended(table: pd.DataFrame) -> pd.DataFrame:
        new = {name: table["case_id"].map(of).astype(np.float64) for name, of in places.items()}
        return table.assign(**new)

    return replace(units, reference=extended(units.reference), table=extended(units.table), covariates=axes)


def _axis(name: str, names: tuple[str, ...], *, by_values: bool = False) -> Axis:
    label = name[0].upper() + name[1:].replace("_", " ")
    return Axis(name, label, label, "", names, "no value", is_covariate=True, by_values=by_values)


def _by_number(value: float | str) -> tuple[float, str]:
    """Numbers before texts, also where they are written as text."""
    try:
        return float(value), ""
    except ValueError:
        return np.inf, str(value)
