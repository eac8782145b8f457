"""The masks that a results folder stores: whether one is still what was measured."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from afl_core.base.storage import read_bounded
from afl_core.errors import DataError
from afl_core.evaluation.pipeline import mask_path

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
