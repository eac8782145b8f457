"""Covariates as axes, beside size and smoothness: what a table says of the cases, and what their rows do."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from afl_core.analysis.breakdown.bins import Axis
from afl_core.analysis.breakdown.units import Units
from afl_core.analysis.statistics.ranks import DECIMALS
from afl_core.data.covariates import numbers_or_codes

LEVELS = ("low", "medium", "high")
"""Names of the three bins of a covariate of numbers."""


COMPUTED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "lesions": ("Lesion count", ""),
        "surface_to_volume": ("Surface to volume", "1/mm"),
        "slice_thickness": ("Slice thickness", "mm"),
    }
)
"""Covariates of every case that has the columns for them: label and unit."""


def computed(rows: pd.DataFrame) -> dict[str, Mapping[str, Any]]:
    """Covariates of the cases that follow from their rows, by the names in `COMPUTED`.

    `lesions` is the number of lesions of the reference; `surface_to_volume` its surface area over its volume, none
    where it is empty; `slice_thickness` the longest side of its voxels. Rows of earlier versions have the first alone.
    """
    wanted = ("reference_volume_ml", "reference_lesions", "surface_area_mm2", "slice_thickness_mm")
    of = rows.groupby("case_id")[[name for name in wanted if name in rows]].first()

    def column(name: str) -> "pd.Series[float]":
        return of[name].astype(np.float64) if name in of else pd.Series(np.nan, index=of.index)

    mm3 = 1000 * column("reference_volume_ml")
    values = {
        "lesions": column("reference_lesions"),
        "surface_to_volume": (column("surface_area_mm2") / mm3.where(mm3 > 0)),
        "slice_thickness": column("slice_thickness_mm"),
    }
    return {name: numbers_or_codes(dict(of_cases.dropna().round(DECIMALS))) for name, of_cases in values.items()}


def with_covariates(units: Units, columns: Mapping[str, Mapping[str, Any]]) -> Units:
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
    label, unit = COMPUTED.get(name, (name[0].upper() + name[1:].replace("_", " "), ""))
    of_lesion = f"{label} of the case" if name in COMPUTED else label
    return Axis(name, label, of_lesion, unit, names, "no value", is_covariate=True, by_values=by_values)


def _by_number(value: float | str) -> tuple[float, str]:
    """Numbers before texts, also where they are written as text."""
    try:
        return float(value), ""
    except ValueError:
        return np.inf, str(value)
