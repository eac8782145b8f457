"""The masks that a results folder stores: whether one is still what was measured."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from afl_core.base.storage import read_bounded
from afl_core.errors import DataError
from afl_core.evaluation.pipeline import mask_path
from afl_core.evaluation.rows import Known

MAX_MASK = 2**30
"""Bytes of a stored mask, which is compressed; one that is larger, or is no regular file, is not one of ours."""


def is_measured_mask(folder: Path, row: Mapping[Any, Any], *, first: str = "") -> bool:
    """Whether the stored mask of a case row is the one that was measured, byte for byte.

    Args:
        folder: The results folder.
        row: The row.
        first: The region that the results open first, whose masks lie in no folder of their own.
    """
    region = str(row.get("region", first))
    region = "" if region == first else region
    try:
        stored = read_bounded(mask_path(folder, str(row["source"]), str(row["case_id"]), region), MAX_MASK)
    except (DataError, OSError, ValueError):
        return False
    return hashlib.sha256(stored).hexdigest() == str(row["mask_sha256"])


def measured_rows(folder: Path, table: pd.DataFrame, *, first: str) -> dict[str, set[Known]]:
    """Case id to source, region and key of the case rows of a table whose masks are those that were measured.

    Args:
        folder: The results folder.
        table: Its case rows; those of an early version, without keys, are none.
        first: The region that the results open first.
    """
    known: dict[str, set[Known]] = defaultdict(set)
    for row in table.to_dict("records") if {"key", "mask_sha256"} <= set(table) else []:
        if is_measured_mask(folder, row, first=first):
            known[str(row["case_id"])].add((str(row["source"]), str(row["region"]), str(row["key"])))
    return known
