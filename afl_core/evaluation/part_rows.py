"""The rows of plain file and parts as one table: which of them count, in which order."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

Where = Mapping[str, Sequence[str]]
"""Column to the values of the rows that are read."""

PLAIN = ""
"""Name of the plain file among those of parts; it is the first."""

CASES = "cases.parquet"
SETTLED = "settled.parquet"
"""Places of rows that are gone without others in their place: case, source and region; the source "" is all."""

KEYS = ("case_id", "source", "region")
"""Columns that say what was measured: rows of a later part take the place of all with the same."""

PART = "__part"
"""Column of the place of a row's part, while rows are chosen."""


def source_folder(folder: Path, table: str, source: str) -> Path:
    """Where the parts of a table and source lie; pandas, Arrow and DuckDB understand the name."""
    parts = folder / Path(table).stem
    return parts if table == SETTLED else parts / f"source={source}"


def sources_of(folder: Path, table: str) -> list[str]:
    """Sources of which a table has parts."""
    folders = (folder / Path(table).stem).glob("source=*")
    return [""] if table == SETTLED else sorted(path.name.removeprefix("source=") for path in folders)


def read_rows(
    folder: Path,
    table: str,
    parts: Sequence[str],
    *,
    columns: Sequence[str] = (),
    without: Collection[str] = (),
    where: Where | None = None,
) -> pd.DataFrame:
    """The rows of a table that count in these parts, in the order of the parts.

    Args:
        folder: The results folder.
        table: Name of the table.
        parts: Names of the parts, the latest last; `PLAIN` is the plain file.
        columns: The columns to read besides `KEYS`; () is all.
        without: Those that are not read where all are.
        where: Column to the values of the rows that are wanted.

    Raises:
        FileNotFoundError: If another process has merged a part meanwhile, at times.
    """
    where = where or {}
    wanted = list(dict.fromkeys((*KEYS, *columns))) if columns else []
    if without and not columns:
        wanted = [name for name in _columns(folder, table, parts) if name not in without]
    rows = _read(folder, table, parts, wanted, where)
    if table != SETTLED:
        of_keys = {name: values for name, values in where.items() if name in KEYS}
        cases = rows if table == CASES else _read(folder, CASES, parts, KEYS, of_keys)
        rows = _counting(rows, cases, _read(folder, SETTLED, parts, KEYS, {}))
    rows = rows.drop_columns([PART])
    found: pd.DataFrame = rows.to_pandas(split_blocks=True, self_destruct=True)  # no second copy of a column
    return found


def _read(folder: Path, table: str, parts: Sequence[str], columns: Sequence[str], where: Where) -> pa.Table:
    """The rows of all these parts, with `PART`."""
    found = list[pa.Table]()
    if PLAIN in parts and (path := folder / table).is_file():
        found.append(_placed(_read_file(path, columns, where), "", parts.index(PLAIN)))
    some = {name: values for name, values in where.items() if name != "source"}
    for source in sources_of(folder, table):
        if source and source not in where.get("source", [source]):
            continue
        within = source_folder(folder, table, source)
        held = {path.stem for path in within.glob("*.parquet")}
        for place, part in enumerate(parts):
            if part in held:
                rows = _read_file(within / f"{part}.parquet", columns, some)
                found.append(_placed(rows, source, place))
    none = {key: pa.array([], pa.large_string()) for key in KEYS} | {PART: pa.array([], pa.int32())}
    return pa.concat_tables([*found, pa.table(none)], promote_options="permissive")


def _columns(folder: Path, table: str, parts: Sequence[str]) -> list[str]:
    """Every column that a file of the table has, in the order of the first."""
    held = [
        source_folder(folder, table, source) / f"{part}.parquet"
        for source in sources_of(folder, table)
        for part in parts
    ]
    files = [path for path in (folder / table, *held) if path.is_file()]
    return list(dict.fromkeys(name for path in files for name in pq.read_schema(path).names))


def _read_file(path: Path, columns: Sequence[str], where: Where) -> pa.Table:
    """Rows of a file: only those groups of rows are read that may hold a wanted value, by one thread.

    A dataset of the file, and threads for each of its columns, take three times as long.
    """
    with pq.ParquetFile(path) as file:
        held = file.schema_arrow.names
        wanted = [name for name in columns if name in held] if columns else held
        groups = _groups_with(file.metadata, where)
        rows = file.read_row_groups(groups, columns=list({*wanted, *where}), use_threads=False)
    for name, values in where.items():
        inside = pc.is_in(rows[name], pa.array(values, rows[name].type))
        rows = rows if pc.all(inside).as_py() else rows.filter(inside)
    return rows.select(wanted).replace_schema_metadata(None)


def _groups_with(file: pq.FileMetaData, where: Where) -> list[int]:
    """The groups of rows that may have one of the values of each column, by its least value and its largest."""
    groups = list(range(file.num_row_groups))
    for place in range(file.num_columns) if where else ():
        if values := where.get(file.schema.column(place).path):
            known = {k: file.row_group(k).column(place).statistics for k in groups}
            groups = [
                k
                for k, of in known.items()
                if of is None or not of.has_min_max or any(of.min <= value <= of.max for value in values)
            ]
    return groups


def _placed(rows: pa.Table, source: str, place: int) -> pa.Table:
    """Rows with their part, and with their source where its folder alone names it."""
    if source:
        before = "group" if "group" in rows.column_names else "case_id"  # as in the plain file
        rows = rows.add_column(rows.column_names.index(before) + 1, "source", _repeated(source, len(rows)))
    return rows.append_column(PART, pa.repeat(pa.scalar(place, pa.int32()), len(rows)))


def _repeated(text: str, n: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.large_string()), n)


def _counting(rows: pa.Table, cases: pa.Table, settled: pa.Table) -> pa.Table:
    """The rows whose case, source and region no later part has measured or settled."""
    of_cases = rows is cases
    cases, settled = cases.select([*KEYS, PART]), settled.select([*KEYS, PART])
    named = sorted(pc.unique(cases["source"]).to_pylist())
    everywhere = settled.filter(pc.equal(settled["source"], ""))
    of_each = [everywhere.set_column(1, "source", _repeated(name, len(everywhere))) for name in named]
    done = pa.concat_tables([cases, settled, *of_each], promote_options="permissive")
    numbers, of_rows = _numbers(done, rows[:0] if of_cases else rows)
    if are_unique(numbers):
        return rows
    of_rows = numbers[: len(rows)] if of_cases else of_rows
    last = pd.Series(done[PART].to_numpy()).groupby(numbers).max()
    latest = last.reindex(of_rows).fillna(-1).to_numpy()
    return rows.filter(pa.array(rows[PART].to_numpy() >= latest))


def are_unique(numbers: NDArray[np.int64]) -> bool:
    """Whether no number is there twice; they are 0 or more, and counted where they lie close together."""
    if len(numbers) and numbers.max() < 8 * len(numbers):
        return bool(np.bincount(numbers).max() <= 1)
    return bool(pd.Series(numbers).is_unique)


def _numbers(*tables: pa.Table) -> list[NDArray[np.int64]]:
    """A number for case, source and region of every row, the same in all tables."""
    numbers: NDArray[np.int64] = np.zeros(sum(map(len, tables)), np.int64)
    for key in KEYS:
        values = pa.chunked_array([chunk.cast(pa.large_string()) for table in tables for chunk in table[key].chunks])
        coded = values.combine_chunks().dictionary_encode()
        numbers = numbers * (len(coded.dictionary) + 1) + coded.indices.to_numpy(zero_copy_only=False)
    return np.split(numbers, np.cumsum([len(table) for table in tables])[:-1])
