"""The X-ray of a cohort, kept in its results folder: reading every mask takes seconds."""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from afl_core.analysis.xray.table import COLUMNS, PREPARATIONS, Report, xray_table
from afl_core.base.storage import write_table
from afl_core.volume import Case

VERSION = 1
"""Version of the columns; it goes up whenever one changes its meaning, and what is kept is then measured again."""


def kept_table(
    folder: Path,
    cases: Sequence[Case],
    name: str,
    *,
    executor: Executor | None = None,
    report: Report = lambda case_id: None,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The table of `xray_table` from a results folder, measured where a reference changed since it was kept.

    Args:
        folder: The results folder.
        cases: The cases of the cohort.
        name: Key of the preparation in PREPARATIONS.
        executor: Executor that runs the cases; without one they run here.
        report: Function that is called with every finished case; with none where the table was kept.
    """
    path, key = folder / f"xray_{name}.parquet", _key(cases, name)
    try:
        kept = pd.read_parquet(path)
        if kept.attrs.get("key") == key and set(COLUMNS) < set(kept):
            return kept, dict(kept.attrs["problems"])
    except (OSError, ValueError, KeyError):
        pass  # none yet, or damaged: it can be made again
    table, problems = xray_table(cases, PREPARATIONS[name], executor=executor, report=report)
    table.attrs = {"key": key, "problems": problems}
    write_table(path, table)
    return table, problems


def _key(cases: Sequence[Case], name: str) -> str:
    """A hash that changes with the size and time of any reference, with the region, and with what is measured."""
    parts: list[object] = [VERSION, asdict(PREPARATIONS[name])]
    for case in cases:
        state = case.reference.stat() if case.reference and case.reference.is_file() else None
        told = [case.case_id, case.patient, str(case.reference), state and (state.st_size, state.st_mtime_ns)]
        parts.append([*told, *([case.region.key] if case.region.key else [])])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
