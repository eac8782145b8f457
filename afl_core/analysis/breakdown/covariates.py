"""Covariates as axes, beside size and smoothness: what a table says of the cases, and what their rows do."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from afl_core.analysis.breakdown.bins import AXES, Axis
from afl_core.analysis.breakdown.measures import Level
from afl_core.analysis.breakdown.units import Units
from afl_core.analysis.statistics.ranks import DECIMALS
from afl_core.data.covariates import numbers_or_codes
from afl_core.evaluation.contrast_rows import SEQUENCE, VALUES

LEVELS = ("low", "medium", "high")
"""Names of the three bins of a covariate of numbers."""


COMPUTED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "lesions": ("Lesion count", ""),
        "surface_to_volume": ("Surface to volume", "1/mm"),
        "slice_thickness": ("Slice thickness", "mm"),
        "lesion_distance": ("Distance between lesions", "mm"),
        "contrast": ("Contrast", ""),
        "signal_to_noise": ("Signal to noise", ""),
        "contrast_to_noise": ("Contrast to noise", ""),
    }
)
"""Covariates of every case that has the columns for them: label and unit."""

_OF_LESION = {"lesion_distance": "Distance to the nearest lesion"}
"""Labels of those that are called otherwise where a lesion has one of its own."""


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
    kept = {name: of_cases.dropna().round(DECIMALS).items() for name, of_cases in values.items()}
    return {name: numbers_or_codes({str(case): value for case, value in of}) for name, of in kept.items()}


def lesion_distance(lesions: pd.DataFrame, *, level: Level) -> dict[Any, Any]:
    """Distance in mm to the nearest other lesion of the reference, centre to centre.

    Args:
        lesions: `Results.lesions()`.
        level: `lesion` gives it by case id and lesion id; `case` gives the smallest of a case, by case id.

    Returns:
        What has a distance: none of a case with one lesion, nor rows of earlier versions.
    """
    if "other_lesion_mm" not in lesions:
        return {}
    key = ["case_id"] if level == "case" else ["case_id", "lesion_id"]
    of = lesions[lesions["kind"] == "reference"].groupby(key)["other_lesion_mm"].min()
    return numbers_or_codes(of.astype(np.float64).dropna().round(DECIMALS).to_dict())


def contrasts(table: pd.DataFrame, *, level: Level) -> dict[str, Mapping[Any, Any]]:
    """What `afl contrast` measured, by its names in `COMPUTED`.

    Args:
        table: `Comparison.rows`, or at lesion level `Comparison.lesions`.
        level: `lesion` gives it by case id and lesion id, `case` by case id.
    """
    if SEQUENCE not in table:
        return {}
    of = table.groupby(["case_id"] if level == "case" else ["case_id", "lesion_id"])[list(VALUES)].first()
    return {name: numbers_or_codes(of[name].dropna().round(DECIMALS).to_dict()) for name in VALUES}


def with_covariates(units: Units, columns: Mapping[str, Mapping[Any, Any]], *, sequence: str = "") -> Units:
    """The paired table with the covariates that vary over its cases; arguments as `with_covariates_each`."""
    return with_covariates_each((units,), columns, sequence=sequence)[0]


def with_covariates_each(
    several: Sequence[Units], columns: Mapping[str, Mapping[Any, Any]], *, sequence: str = ""
) -> tuple[Units, ...]:
    """Paired tables of the same cases with the covariates that vary over these, which are found once.

    Args:
        several: The paired tables, with one `reference`.
        columns: Name of a covariate to case id to value, all numbers or all texts; by case id and lesion id where each
            lesion has a value of its own.
        sequence: The images on which `contrasts` were measured.
    """
    shared = several[0].reference
    lesions = set(zip(shared["case_id"].tolist(), shared["lesion_id"].tolist(), strict=True))
    known = lesions | {case for case, _ in lesions}
    axes, places = {}, {}
    taken = {label for axis in AXES.values() for label in (axis.label, axis.of_lesion)}
    taken |= {label for label, _ in COMPUTED.values()}
    for name, of in columns.items():
        here = {unit: value for unit, value in of.items() if unit in known}
        found = set(here.values())
        if len(found) < 2:
            continue
        if isinstance(next(iter(found)), str):
            values = sorted(found, key=_by_number)
            axes[name] = _axis(name, tuple(map(str, values)), taken, sequence, by_values=True)
            here = {unit: values.index(value) for unit, value in here.items()}
        else:
            axes[name] = _axis(name, LEVELS, taken, sequence)
        places[name] = here
        taken |= {axes[name].label, axes[name].of_lesion}

    def extended(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(**{name: _of_units(table, of) for name, of in places.items()})

    reference = extended(shared)
    return tuple(replace(of, reference=reference, table=extended(of.table), covariates=axes) for of in several)


def _of_units(table: pd.DataFrame, of: Mapping[Any, float]) -> NDArray[np.float64]:
    """The value of each lesion, or of its case, NaN where it has none."""
    if isinstance(next(iter(of)), tuple):
        return pd.Series(of).reindex(pd.MultiIndex.from_frame(table[["case_id", "lesion_id"]])).to_numpy(float)
    return table["case_id"].map(of).to_numpy(float, na_value=np.nan)


def _axis(name: str, names: tuple[str, ...], taken: Collection[str], sequence: str, *, by_values: bool = False) -> Axis:
    """The axis of a covariate, by a label that no other has: a column keeps its own spelling where one has."""
    own = name[0].upper() + name[1:].replace("_", " ")
    label, unit = COMPUTED.get(name, (name if own in taken else own, ""))
    if name in VALUES and sequence:
        label = of_lesion = f"{label} on {sequence}"
    else:
        of_lesion = _OF_LESION.get(name, f"{label} of the case" if name in COMPUTED else label)
    return Axis(name, label, of_lesion, unit, names, "no value", is_covariate=True, by_values=by_values)


def _by_number(value: float | str) -> tuple[float, str]:
    """Numbers before texts, also where they are written as text."""
    try:
        return float(value), ""
    except ValueError:
        return np.inf, str(value)
