"""Rows that were appended to a results folder: the part files, and which of them count.

A folder of few rows holds each table as one file, such as `cases.parquet`. Once those have `PLAIN_BYTES`, every batch
of rows is a part, a file a table and source, `cases/source=FL/NAME.parquet`, written once. `parts.json` names the parts
that count, the latest last, and is the last file of a part to be written: what it does not name was left by a writer
that was killed.
"""

import json
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from afl_core.base.storage import read_as, write_atomically, write_table
from afl_core.errors import DataError
from afl_core.evaluation.manifest import TODO, damaged
from afl_core.evaluation.part_rows import SETTLED, read_rows, source_folder, sources_of

PARTS = "parts.json"

PLAIN_BYTES = 2**22
"""Size of the tables from which on rows are appended as parts; to write smaller ones anew takes a moment."""

FULL_BYTES = 2**25
"""Size from which on a part is not merged with others any more: little more than this is ever written at once."""

LOOSE = 64
"""Parts that are not full; where there are more, they are merged."""


class _Named(BaseModel):
    """`parts.json`: name of each part to the bytes of its files."""

    model_config = ConfigDict(extra="forbid")

    parts: dict[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]+$")], Annotated[int, Field(ge=0)]]


def load_parts(folder: Path) -> dict[str, int]:
    """Name and bytes of the parts that count, the latest last; raises `DataError` where the file is damaged."""
    path = folder / PARTS
    return read_as(_Named, path, todo=TODO).parts if path.is_file() else {}


def is_plain(folder: Path, tables: Sequence[str]) -> bool:
    """Whether new rows still go into the plain files."""
    files = [path for name in tables if (path := folder / name).is_file()]
    return not (folder / PARTS).is_file() and sum(path.stat().st_size for path in files) < PLAIN_BYTES


def append_part(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Append rows as a part; they take the place of those of the same case, source and region.

    Args:
        folder: The results folder.
        tables: Name of a table to its rows; of `SETTLED`, the places of rows that are gone, with none instead.
    """
    parts = load_parts(folder)
    parts |= _write(folder, tables)
    _keep(folder, parts)
    names = list(parts)
    full = [place for place, name in enumerate(names) if parts[name] >= FULL_BYTES]
    loose = names[full[-1] + 1 if full else 0 :]
    if len(loose) > LOOSE:
        _keep(folder, {name: parts[name] for name in names if name not in loose} | _merged(folder, parts, loose))
        _sweep(folder)


def drop_from_parts(folder: Path, source: str) -> None:
    """Remove what parts hold of a source."""
    of_source = (source_folder(folder, table, source) for table in _tables(folder))
    _discount(folder, [path for held in of_source for path in held.glob("*.parquet")])
    for table in _tables(folder):
        if (held := source_folder(folder, table, source)).is_dir():
            away = held.rename(held.with_name(f".{secrets.token_hex(4)}"))  # all at once
            shutil.rmtree(away)


def rename_in_parts(folder: Path, source: str, to: str) -> None:
    """Give a source another name in all parts; raises `DataError` before that if a file to write anew is damaged."""
    files = source_folder(folder, SETTLED, "").glob("*.parquet")
    settled = {path: read_plain(folder, path.relative_to(folder).as_posix()) for path in files}
    drop_from_parts(folder, to)  # left by a source that is gone
    for table in _tables(folder):
        if (held := source_folder(folder, table, source)).is_dir():
            held.rename(source_folder(folder, table, to))
    _discount(folder, list(settled))  # they are written anew, with other bytes
    for path, rows in settled.items():
        write_table(path, rows.replace({"source": {source: to}}))


def read_plain(folder: Path, name: str) -> pd.DataFrame:
    """A file of a results folder as it stands; raises `DataError` where it is damaged."""
    try:
        return pd.read_parquet(folder / name)
    except Exception as error:  # of many kinds
        raise no_table(folder, name, error) from error


def no_table(folder: Path, name: str, error: Exception) -> DataError:
    """The error about a table that cannot be read."""
    return damaged(folder, name, error if isinstance(error, PermissionError) else "it is no whole Parquet table")


def _tables(folder: Path) -> list[str]:
    """The tables of which there are parts, cases last."""
    names = {path.parent.parent.name for path in folder.glob("*/source=*/*.parquet")} - {"cases"}
    return [f"{name}.parquet" for name in (*sorted(names), "cases")]


def _write(folder: Path, tables: Mapping[str, pd.DataFrame]) -> dict[str, int]:
    """Write the files of a part; gives its name and bytes."""
    name, size = secrets.token_hex(8), 0
    for table, rows in tables.items():
        whole = table == SETTLED
        for source in [""] if whole else sorted(rows["source"].unique() if "source" in rows else ()):
            some = rows if whole else rows[rows["source"] == source].drop(columns="source")
            if len(some):
                path = source_folder(folder, table, source) / f"{name}.parquet"
                write_table(path, some, apart="" if whole else "region")
                size += path.stat().st_size
    return {name: size}


def _merged(folder: Path, parts: Mapping[str, int], loose: Sequence[str]) -> dict[str, int]:
    """Parts that follow one another put together until they are full."""
    runs: list[list[str]] = [[]]
    for name in loose:
        if sum(parts[of] for of in runs[-1]) >= FULL_BYTES:
            runs.append([])
        runs[-1].append(name)
    merged = dict[str, int]()
    for run in runs:
        tables = {table: read_rows(folder, table, run) for table in (*_tables(folder), SETTLED)}
        merged |= {run[0]: parts[run[0]]} if len(run) == 1 else _write(folder, tables)
    return merged


def _keep(folder: Path, parts: Mapping[str, int]) -> None:
    write_atomically(folder / PARTS, (json.dumps({"parts": parts}, indent=1) + "\n").encode())


def _discount(folder: Path, files: Sequence[Path]) -> None:
    """Take the bytes of these files from those of their parts, before they go: a part never has less than is named."""
    if not (parts := load_parts(folder)):
        return
    for path in files:
        if path.stem in parts:
            parts[path.stem] = max(0, parts[path.stem] - path.stat().st_size)
    _keep(folder, parts)


def _sweep(folder: Path) -> None:
    """Remove the files of parts that do not count, or no longer."""
    parts = load_parts(folder)
    for table in (*_tables(folder), SETTLED):
        for source in sources_of(folder, table):
            for path in source_folder(folder, table, source).glob("*.parquet"):
                if path.stem not in parts:
                    path.unlink(missing_ok=True)
