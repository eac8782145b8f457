"""`contrast.parquet` of a results folder, a row a case and a row a lesion: read, and set beside their rows."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from afl_core.base.paths import from_here
from afl_core.base.words import number_of

CONTRAST = "contrast.parquet"

VALUES = ("contrast", "signal_to_noise", "contrast_to_noise")
"""Columns of `Contrast` that are covariates."""

SEQUENCE = "contrast_sequence"
"""Column of the rows of cases and lesions: the sequence that was measured, NaN where none was."""

PLACE = ("volume_ml", "x", "y", "z")
"""Columns that tell a lesion, and by the largest a case, from one of another reference."""

_UNIT = ("case_id", "region", "lesion_id")

COLUMNS: Mapping[str, str] = MappingProxyType(
    {"case_id": "str", "region": "str", "sequence": "str", "key": "str", "lesion_id": "int64"}
    | dict.fromkeys(PLACE, "float64")
    | dict.fromkeys(VALUES, "float64")
    | {"shell_voxels": "int64"}
)
"""Column to its kind. `lesion_id` is 0 for a whole case; `key` changes with the files of the case."""


def contrast_table(rows: Sequence[Mapping[Any, Any]]) -> pd.DataFrame:
    """Rows as a table with every column."""
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict(COLUMNS))


def load_contrast(folder: Path) -> pd.DataFrame:
    """What a results folder keeps; empty where it was not measured, or is damaged: it can be measured again."""
    try:
        return pd.read_parquet(folder / CONTRAST)[list(COLUMNS)].astype(dict(COLUMNS))
    except (OSError, ValueError, KeyError, TypeError):
        return contrast_table([])


def reference_lesions(rows: pd.DataFrame, lesions: pd.DataFrame) -> pd.DataFrame:
    """The lesions of the references, and with `lesion_id` 0 the cases, with `PLACE`: a row for each source.

    Args:
        rows: Case rows.
        lesions: Lesion rows of the same.
    """
    columns = [*_UNIT, "source", *PLACE]
    if rows.empty or not {*columns, "kind"} <= set(lesions):
        return pd.DataFrame(columns=columns)
    of_reference = lesions.loc[lesions["kind"] != "false_positive", columns]
    row_of = ["case_id", "region", "source"]
    largest = of_reference[of_reference["lesion_id"] == 1].merge(rows[[*row_of, "reference_volume_ml"]], on=row_of)
    cases = largest.assign(lesion_id=0, volume_ml=largest["reference_volume_ml"])[columns]
    return pd.concat([cases, of_reference], ignore_index=True).astype(dict.fromkeys(PLACE, "float64"))


def with_contrast(
    rows: pd.DataFrame, lesions: pd.DataFrame, contrast: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Case rows and lesion rows with `VALUES` and `SEQUENCE`, where these were measured on the same reference.

    Args:
        rows: Case rows.
        lesions: Lesion rows of the same.
        contrast: What `load_contrast` gives.
    """
    if contrast.empty:
        return rows, lesions
    measured = contrast.rename(columns={"sequence": SEQUENCE})
    held = reference_lesions(rows, lesions).merge(measured, on=[*_UNIT, *PLACE])
    held = held.drop_duplicates(list(_UNIT))[[*_UNIT, *VALUES, SEQUENCE]]
    of_cases = held[held["lesion_id"] == 0].drop(columns="lesion_id")
    return rows.merge(of_cases, on=["case_id", "region"], how="left"), lesions.merge(held, on=list(_UNIT), how="left")


def sequence_of(rows: pd.DataFrame) -> str:
    """The sequence on which the values of rows were measured; "" where they have none."""
    return next(iter(rows[SEQUENCE].dropna()), "") if SEQUENCE in rows else ""


def lacking_sentence(rows: pd.DataFrame, folder: Path) -> str:
    """On how many cases contrast was measured, and the command for the others; "" where there are none."""
    once = rows[rows["reference_volume_ml"] > 0].drop_duplicates("case_id") if len(rows) else rows
    there = int(once[SEQUENCE].notna().sum()) if SEQUENCE in once else 0
    if there == len(once):
        return ""
    command = shlex.join(["afl", "contrast", str(from_here(folder))])
    if not there:
        return f"Contrast and signal to noise are not measured yet: `{command}` reads the images for it."
    of = f"{there} of {number_of(len(once), 'case')} with a tumour"
    return f"Contrast and signal to noise are measured on {of}; for the others: `{command}`."
