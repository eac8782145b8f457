"""What is read of other tools' tables: entries, and the numbers in their cells."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from afl_core.base.catalogue import pick
from afl_core.data.covariates import MISSING
from afl_core.data.formats.files import strip_suffix
from afl_core.data.number_signs import signs_fault
from afl_core.data.patient_table import read_tables
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.imported.catalogue import Column

_NOTHING = MISSING | {"none", "inf", "+inf", "-inf", "infinity", "-infinity"}

SIZE_UNITS: Mapping[str, float] = {"ml": 1.0, "mm3": 1e-3, "voxels": math.nan}
"""Unit of a size to its ml; that of voxels has to be given."""


NOTHING_CHOSEN: Mapping[str, str] = MappingProxyType({})
"""Every row counts."""


@dataclass(frozen=True)
class Entry:
    """What a table says of a case, a source and a region.

    Attributes:
        case_id: The case.
        source: Name of the model in the table; "" where it names none.
        region: Name of the label or region; "" where the table names none.
        values: Name of a column to its value; NaN where there is none, or where it is infinite.
        size: Size of the reference in the unit of the table; None where it says none.
    """

    case_id: str
    source: str
    region: str
    values: Mapping[str, float]
    size: float | None = None


@dataclass(frozen=True)
class Choice:
    """The columns that a reader names, in tables whose form is not known.

    Attributes:
        metrics: Columns of metrics, or names of metrics in a long table.
        case: Column of the case.
        model: Column of the model; "" where a file is of one.
        region: Column of the region; "" where there is one only.
        metric: Column of the metric's name in a long table; "" in a wide one.
        value: Column of the value in a long table.
        size: Column of the reference's size; "" where there is none.
        size_unit: Key of `SIZE_UNITS`.
    """

    metrics: tuple[Column, ...] = ()
    case: str = "case_id"
    model: str = ""
    region: str = ""
    metric: str = ""
    value: str = "value"
    size: str = ""
    size_unit: str = "ml"


@dataclass(frozen=True)
class Rows:
    """A text table: its columns, and its rows with their lines."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...] = field(repr=False)

    def column(self, wanted: str) -> str:
        """The column of that name, in capitals or not; raises `UsageError` where there is none."""
        folded = {name.casefold(): name for name in reversed(self.columns)}
        return folded.get(wanted.casefold()) or pick(
            dict.fromkeys(self.columns, ""), wanted, kind=f"column of {self.name}"
        )

    def has(self, *wanted: str) -> bool:
        """Whether it has these columns, in capitals or not."""
        return {name.casefold() for name in wanted} <= {name.casefold() for name in self.columns}

    def check_signs(self, column: str, unit: str, of: Mapping[str, str] = NOTHING_CHOSEN) -> None:
        """Raise `DataError` unless the points of a column's numbers are decimal points.

        Args:
            column: The column.
            unit: Its unit.
            of: Column to the value of the rows that count.
        """
        rows = (row for _, row in self.rows if all(row[name] == value for name, value in of.items()))
        if fault := signs_fault([row[column] for row in rows if row[column].casefold() not in _NOTHING], unit):
            what, _, todo = fault.partition("; ")
            received = ", ".join((f"column {column}", *of.values()))
            raise DataError(f"{self.name}: {what}", received=received, todo=todo[0].upper() + todo[1:])


def read_rows(path: Path) -> Rows:
    """A text table by the sign that gives most columns; raises `DataError` where it is none or ambiguous."""
    tables = read_tables(path, kind="table of metrics", todo="Give a CSV or TSV file with a line of column names")
    table = max(tables, key=lambda rows: len(rows[0][1]) if rows else 0)
    if len(table) == 1:
        received = ", ".join(table[0][1])
        raise DataError(f"{path.name} has column names and no row", received=received, todo="Add a row for each case")
    if not table:
        raise DataError(f"{path.name} holds no row", received=path, todo="Give a table with a line of column names")
    columns = tuple(name or f"column {k}" for k, name in enumerate(table[0][1], start=1))
    if twice := next((name for name in columns if columns.count(name) > 1), ""):
        raise DataError(f"{path.name} names a column twice", received=twice, todo="Rename one of them")
    for line, cells in table[1:]:
        if any(cells[len(columns) :]):
            received = f"{len(cells)} cells in line {line}, and {len(columns)} columns"
            todo = "Put cells that hold the sign between cells into quotation marks"
            raise DataError(f"{path.name} has a row with more cells than columns", received=received, todo=todo)
    rows = tuple((line, dict(zip(columns, (*cells, *[""] * len(columns)), strict=False))) for line, cells in table[1:])
    return Rows(path.name, columns, rows)


def to_number(value: object, where: str) -> float:
    """The number of a cell; NaN where there is none, or an infinite one.

    >>> to_number("0.5", "line 2"), to_number("inf", "line 2"), to_number(None, "line 2")
    (0.5, nan, nan)

    Raises:
        DataError: If it is something else.
    """
    if value is None or (isinstance(value, str) and value.casefold() in _NOTHING):
        return math.nan
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        parsed = float(value)
    except (ValueError, OverflowError):
        todo = "Write numbers with a point, and without a percent sign; delete rows that sum up others"
        raise DataError(f"{where} holds something else than a number", received=repr(value)[:60], todo=todo) from None
    return parsed if math.isfinite(parsed) else math.nan


def to_case(name: str, where: str) -> str:
    """A case id from a name or a path of either system, without its ending.

    Raises:
        DataError: If nothing is left of it.
    """
    case_id = strip_suffix(name.replace("\\", "/").rsplit("/", 1)[-1]).strip()
    if not case_id or not case_id.isprintable() or case_id.startswith("."):
        raise DataError(f"{where} names no case", received=repr(name)[:60], todo="Give each row its case")
    return case_id


def parse_metric(text: str) -> Column:
    """A metric as it is typed, `COLUMN=higher`, `COLUMN=lower` or `COLUMN=lower:UNIT`.

    >>> parse_metric("hd95=lower:mm").unit
    'mm'

    Raises:
        UsageError: If it is typed otherwise.
    """
    name, _, how = text.rpartition("=")
    better, _, unit = how.partition(":")
    if not name.strip() or better not in ("higher", "lower"):
        todo = "Write COLUMN=higher or COLUMN=lower, with a unit behind where there is one: hd95=lower:mm"
        raise UsageError("A metric needs the direction that is better", received=text, todo=todo)
    name = name.strip()
    return Column(name, name, "higher" if better == "higher" else "lower", unit.strip(), "As the other tool has it.")
