"""The forms of other tools' tables: told from the file, read into entries."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from afl_core.base.storage import MAX_TEXT, read_bounded
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.imported.catalogue import TABLE, TOOLS, Column
from afl_core.evaluation.imported.values import Choice, Entry, Rows, read_rows, to_case, to_number

_INSTANCE = re.compile(r".+-.+_inst_\d+")
"""Row of a single instance in panoptica's table; the row of its subject stands before it."""

_CASES = ("scan_id", "case_id", "subject_id", "subject", "case", "id")
"""Columns that may name the case in a table of the BraTS package, which by itself is of one case and names none."""


def tell_format(path: Path) -> str:
    """The format of a file: a key of `TOOLS`, or `TABLE` where no tool's is known by its columns.

    Raises:
        DataError: If it cannot be read.
    """
    if path.suffix.lower() == ".json":
        return "nnunet"
    rows = read_rows(path)
    if rows.has("Labels") and rows.has("LesionWise_Score_Dice"):
        return "brats"
    if rows.has("subject_name") and any("-" in name for name in rows.columns):
        return "panoptica"
    if rows.has("ID", "region", "model") and any(rows.has(column.name) for column in TOOLS["audit"].columns):
        return "audit"
    return TABLE


def read_entries(path: Path, format_: str, choice: Choice) -> list[Entry]:
    """What a file says, an entry a case and region.

    Args:
        path: The file.
        format_: A key of `TOOLS`, or `TABLE`.
        choice: The columns, for `TABLE`.

    Raises:
        AflError: If it does not have that form.
    """
    if format_ == "nnunet":
        return list(_nnunet(path))
    rows = read_rows(path)
    if format_ == "panoptica":
        return list(_panoptica(rows))
    if format_ == "brats":
        return list(_brats(rows, path))
    if format_ == "audit":
        return _wide(rows, Choice(_there(rows, TOOLS["audit"].columns), "ID", "model", "region"))
    if not choice.metrics:
        todo = f"Name them, such as --metric COLUMN=higher. There are: {', '.join(rows.columns)}"
        raise UsageError(f"{path.name} is of no known tool, and no column is chosen", received=path, todo=todo)
    return _long(rows, choice) if choice.metric else _wide(rows, choice)


def _there(rows: Rows, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    return tuple(column for column in columns if rows.has(column.name))


def _check_signs(rows: Rows, metrics: tuple[Column, ...], size: str, size_unit: str) -> None:
    """Raise `DataError` unless the points of the numbers of these metrics and sizes are decimal points."""
    for column in metrics:
        rows.check_signs(rows.column(column.name), column.unit)
    if size:
        rows.check_signs(size, size_unit)


def _nnunet(path: Path) -> Iterator[Entry]:
    """Entries of nnU-Net's summary.json (v2): `metric_per_case`, with a label or a region such as "(1, 2, 3)" each.

    The file may hold NaN, which JSON has not: nnU-Net writes it where both masks are empty.
    """
    todo = "Give the summary.json that nnU-Net v2 writes beside its predictions (nnUNetv2_evaluate_folder)"
    try:
        document = json.loads(read_bounded(path, MAX_TEXT))
    except FileNotFoundError as error:
        raise DataError("There is no such table", received=path, todo="Check the path") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path.name} cannot be read as JSON", received=str(error)[:200], todo=todo) from error
    cases = document.get("metric_per_case") if isinstance(document, dict) else None
    if not isinstance(cases, list) or not cases:
        raise DataError(f"{path.name} has no metric_per_case", received=path, todo=todo)
    for k, case in enumerate(cases):
        where = f"{path.name}, case {k + 1},"
        metrics = case.get("metrics") if isinstance(case, dict) else None
        name = (case.get("reference_file") or case.get("prediction_file")) if isinstance(case, dict) else None
        if not isinstance(metrics, dict) or not isinstance(name, str):
            raise DataError(f"{where} has no metrics or no file", received=path, todo=todo)
        for region, values in metrics.items():
            if not isinstance(values, dict):
                raise DataError(f"{where} has no metrics of {region}", received=path, todo=todo)
            if region != "0":  # the background, where it was asked for
                yield _nnunet_entry(to_case(name, where), region, values, where)


def _nnunet_entry(case_id: str, region: str, values: dict[str, Any], where: str) -> Entry:
    read = {c.name: to_number(values.get(c.name), f"{where} {c.name}") for c in TOOLS["nnunet"].columns}
    size = to_number(values["n_ref"], f"{where} n_ref") if "n_ref" in values else None
    return Entry(case_id, "", region, read, size)


def _panoptica(rows: Rows) -> Iterator[Entry]:
    """Entries of a panoptica aggregator's file: a column a group and metric, `GROUP-METRIC`; instances are none."""
    known = {column.name: column.unit for column in TOOLS["panoptica"].columns}
    columns = [(name, *name.rpartition("-")[::2]) for name in rows.columns]
    used = [(name, group, metric) for name, group, metric in columns if group and metric in known]
    for name, _, metric in used:
        rows.check_signs(name, known[metric])
    subject = rows.column("subject_name")
    subjects = {row[subject] for _, row in rows.rows}
    for line, row in rows.rows:
        name = row[subject]
        if _INSTANCE.fullmatch(name) and any(name.startswith(f"{other}-") for other in subjects):
            continue
        where = f"{rows.name}, line {line},"
        for group in dict.fromkeys(group for _, group, _ in used):
            values = {m: to_number(row[column], f"{where} {column}") for column, of, m in used if of == group}
            yield Entry(to_case(name, where), "", group, values)


def _brats(rows: Rows, path: Path) -> Iterator[Entry]:
    """Entries of the BraTS package's file: a row a region, of the case that the file or a column names."""
    there, label = _there(rows, TOOLS["brats"].columns), rows.column("Labels")
    case = next((rows.column(name) for name in _CASES if rows.has(name)), "")
    size = rows.column("GT_Complete_Volume") if rows.has("GT_Complete_Volume") else ""
    _check_signs(rows, there, size, "mm3")
    for line, row in rows.rows:
        where = f"{rows.name}, line {line},"
        values = {c.name: to_number(row[rows.column(c.name)], f"{where} {c.name}") for c in there}
        named = to_case(row[case] if case else path.name.removesuffix(path.suffix), where)
        yield Entry(named, "", row[label], values, to_number(row[size], f"{where} {size}") if size else None)


def _wide(rows: Rows, choice: Choice) -> list[Entry]:
    """Entries of a table with a column a metric."""
    case, columns = rows.column(choice.case), {c.name: rows.column(c.name) for c in choice.metrics}
    model, region, size = (rows.column(name) if name else "" for name in (choice.model, choice.region, choice.size))
    _check_signs(rows, choice.metrics, size, choice.size_unit)
    entries = []
    for line, row in rows.rows:
        where = f"{rows.name}, line {line},"
        values = {name: to_number(row[column], f"{where} {column}") for name, column in columns.items()}
        of = to_number(row[size], f"{where} {size}") if size else None
        entries.append(Entry(to_case(row[case], where), row.get(model, ""), row.get(region, ""), values, of))
    return entries


def _long(rows: Rows, choice: Choice) -> list[Entry]:
    """Entries of a table with a row a metric: those of one case, model and region are one."""
    name, value, case = rows.column(choice.metric), rows.column(choice.value), rows.column(choice.case)
    model, region, size = (rows.column(of) if of else "" for of in (choice.model, choice.region, choice.size))
    wanted = {column.name for column in choice.metrics}
    if absent := wanted - {row[name] for _, row in rows.rows}:
        there = ", ".join(sorted({row[name] for _, row in rows.rows})[:20])
        raise UsageError(f"{rows.name} has no such metric", received=sorted(absent)[0], todo=f"There are: {there}")
    for column in choice.metrics:
        rows.check_signs(value, column.unit, {name: column.name})
    _check_signs(rows, (), size, choice.size_unit)
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    sizes: dict[tuple[str, str, str], float] = {}
    for line, row in rows.rows:
        where = f"{rows.name}, line {line},"
        key = to_case(row[case], where), row.get(model, ""), row.get(region, "")
        if row[name] not in wanted:
            continue
        values = found.setdefault(key, {})
        if row[name] in values:
            what = f"{rows.name} gives {row[name]} of a case twice"
            raise DataError(what, received=f"{key[0]} in line {line}", todo="Keep one of them, or name --model")
        values[row[name]] = to_number(row[value], f"{where} {value}")
        if size:
            sizes[key] = to_number(row[size], f"{where} {size}")
    return [Entry(*key, values, sizes.get(key)) for key, values in found.items()]
