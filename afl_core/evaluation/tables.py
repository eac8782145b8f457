"""The tables of a results folder: read whole or refused, with the kind of every column checked."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from pandas.api.types import is_numeric_dtype, is_string_dtype

from afl_core.errors import DataError
from afl_core.evaluation.manifest import damaged
from afl_core.evaluation.part_rows import CASES as CASES
from afl_core.evaluation.part_rows import PLAIN, Where, are_unique, read_rows
from afl_core.evaluation.parts import load_parts, no_table, read_plain
from afl_core.metrics import METRICS
from afl_core.metrics.probability_counts import NEAR_MM
from afl_core.metrics.thresholds import COUNTS_AT

LESIONS = "lesions.parquet"
CURVES, CONFIDENCE = "curves.parquet", "confidence.parquet"
OPTIONAL = (CONFIDENCE, CURVES)
"""Tables of sources with probabilities, which results of masks lack."""

TABLES = (*OPTIONAL, LESIONS, CASES)
"""Every table, in the order in which they are written: a row of cases is there once all of it is."""

IDENTITY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        CASES: ("case_id", "source"),
        LESIONS: ("case_id", "source", "lesion_id"),
        CURVES: ("case_id", "source"),
        CONFIDENCE: ("case_id", "source"),
    }
)
"""Columns that name a row, with `region` where there is one; no two rows have the same."""

TEXTS = frozenset({"case_id", "source", "region", "group", "empty", "note", "key", "kind", "mask_sha256"})
PARTS: Mapping[str, str] = MappingProxyType(
    {"near": f"within {NEAR_MM:g} mm of the reference", "grid": "over the whole grid"}
)
"""Voxels over which confidence is counted, by the prefix of their columns, in words."""

CHANNELS = "channel_logits"
"""Column of the bins of the logit of background and tumour channel, both flat; [] where they are 1 - p and p."""

_OF_PARTS = {f"{part}_{name}" for part in PARTS for name in ("voxels", "reference", "probability", "logits")}

LISTS = frozenset({"predicted_components", *COUNTS_AT, CHANNELS, *_OF_PARTS})
"""Columns that hold no numbers."""

NEEDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        CASES: (
            *("case_id", "source", "group", "key", "empty", "note", "dsc", "predicted_volume_ml"),
            *("reference_volume_ml", "reference_lesions", "roughness", "released_smoothness"),
        ),
        LESIONS: (
            *("case_id", "source", "lesion_id", "kind", "volume_ml", "roughness", "dsc", "dsc_in_region", "hd95_mm"),
            *("assd_mm", "nearest_mm", "detected", "overlap_ml", "predicted_ml", "predicted_components", "x", "y", "z"),
        ),
        CURVES: ("case_id", "source", "region", "key", "reference_voxels", "voxel_ml", *COUNTS_AT),
        CONFIDENCE: (
            *("case_id", "source", "region", "key", CHANNELS, *sorted(_OF_PARTS)),
            *(f"{part}_squared_error" for part in PARTS),
        ),
    }
)
"""Columns without which a comparison cannot be shown; every version has written them."""


NUMBERS = frozenset({*METRICS, *(column for columns in NEEDED.values() for column in columns)}) - TEXTS - LISTS
"""Columns of numbers, NaN where they are not defined."""


RARE = frozenset({"key", "mask_sha256", "predicted_components"})
"""Columns of cases and lesions that take much memory and that few look at: of parts they are read where named."""

TRIES = 5
"""How often parts are read again that another process has merged meanwhile."""

NOWHERE: Where = MappingProxyType({})


def distinct(table: pd.DataFrame, column: str) -> set[Any]:
    """The values of a column, each once; none where the table has no such column, as an empty one may."""
    return set(table[column].unique()) if column in table else set()


def load_table(
    folder: Path,
    name: str,
    first: str,
    *,
    columns: Sequence[str] = (),
    where: Where = NOWHERE,
    ordered: bool = True,
) -> pd.DataFrame:
    """A table of a results folder, one of `TABLES`; empty if nothing was evaluated yet.

    Args:
        folder: The results folder.
        name: Name of the table.
        first: The region of rows of an earlier version, which measured one.
        columns: The columns that are read besides those that name a row; () is all, of parts all but `RARE`.
        where: Column to the values of the rows that are read; {} reads all rows.
        ordered: Whether the rows of parts are put in the fixed order, for which they are all copied.

    Raises:
        DataError: If the file is damaged: it cannot be read, lacks a column that names its rows, names a row twice, or
            holds a column of another kind than its name says.
    """
    try:
        table = _read(folder, name, [*IDENTITY[name], "region", *columns] if columns else [], where)
        table = in_order(table) if ordered and load_parts(folder) else table
    except DataError:
        raise
    except Exception as error:  # of many kinds, whose words say nothing to who reads a page
        raise no_table(folder, name, error) from error
    if table.empty:
        return pd.DataFrame()
    if fault := _fault(table, IDENTITY[name]):
        raise damaged(folder, name, fault)
    if "region" in table:
        return table
    return table.assign(region=first) if first in where.get("region", [first]) else table[:0]


def plain_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """The plain files of all tables that are there, read before one of them is written anew.

    Raises:
        DataError: If one of them, or the list of parts, is damaged.
    """
    load_parts(folder)
    return {name: read_plain(folder, name) for name in TABLES if (folder / name).is_file()}


def _read(folder: Path, name: str, columns: Sequence[str], where: Where) -> pd.DataFrame:
    """The rows of a table, of the parts too, where there are any."""
    path, tries = folder / name, TRIES
    without = () if name in OPTIONAL else RARE
    while parts := load_parts(folder):
        with suppress(FileNotFoundError):
            table = read_rows(folder, name, [PLAIN, *parts], columns=columns, without=without, where=where)
            if set(parts) <= set(load_parts(folder)):  # else some were merged while they were read
                return table
        if not (tries := tries - 1):
            raise DataError(f"{folder.name} changes faster than it can be read", todo="Try again in a moment")
    if not path.is_file():
        return pd.DataFrame()
    if columns or where:  # rows of an earlier version lack some
        held = set(pq.read_schema(path).names)
        columns, where = [n for n in columns if n in held], {n: of for n, of in where.items() if n in held}
    some = [(column, "in", list(values)) for column, values in where.items()]
    return pd.read_parquet(path, columns=list(columns) or None, filters=some or None)


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """The rows in the fixed order: by case, source, region and lesion."""
    order = ["case_id", "source", "region"] + (["lesion_id"] if "lesion_id" in table else [])
    order = order[::-1] if CHANNELS in table else order  # much in each row, and a reader wants one region
    places = np.lexsort([pd.factorize(table[name], sort=True)[0] for name in reversed(order)])
    return table if (places[1:] > places[:-1]).all() else table.iloc[places].reset_index(drop=True)


def check_complete(folder: Path, name: str, table: pd.DataFrame) -> None:
    """Raise `DataError` unless a table that has rows has every column that a comparison needs."""
    missing = [column for column in NEEDED[name] if column not in table and column not in RARE]
    if missing and not table.empty:
        raise damaged(folder, name, f"no column {missing[0]}")


def _fault(table: pd.DataFrame, identity: tuple[str, ...]) -> str:
    """What is wrong with a table, or ""."""
    missing = [column for column in identity if column not in table]
    if missing:
        return f"no column {missing[0]}"
    for name, column in table.items():
        if not _is_sound(str(name), column):
            return f"the column {name} holds something else than it should"
    numbers = np.zeros(len(table), np.int64)
    for name in (*identity, *(["region"] if "region" in table else [])):
        places, names = pd.factorize(table[name])
        numbers = numbers * (len(names) + 1) + places
    return "" if are_unique(numbers) else "it names a row twice"


def _is_sound(name: str, column: "pd.Series[Any]") -> bool:
    """Whether a column holds what its name says; any may stand under a name that this version does not know."""
    if name in TEXTS:
        return bool(is_string_dtype(column) and not column.isna().any())
    if name in LISTS:
        return set(map(type, column)) <= {np.ndarray, list}
    if name in NUMBERS:
        return bool(is_numeric_dtype(column) and not np.isinf(column.to_numpy(dtype=float)).any())
    return True
