"""Tables of cases and patients: one that is given, or a BIDS participants.tsv."""

import csv
import io
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType

from afl_core.base.storage import read_bounded
from afl_core.base.words import named
from afl_core.data.formats.files import strip_suffix
from afl_core.errors import DataError

PARTICIPANTS = "participants.tsv"
"""BIDS's table of subjects in a data set's folder. Source: BIDS 1.9, participants file."""

MAX_BYTES = 2**24

_TODO = "Give a CSV or TSV file with the columns case_id and patient, or a BIDS participants.tsv (participant_id)"

_COLUMNS = (frozenset({"case_id", "patient"}), frozenset({"participant_id"}))
"""Columns that a table must have, one set or the other."""

_SEPARATOR = re.compile(r'"?(?i:sep)=([\t;,|])"?[ \t;,|]*(?:\r|\n)')
"""First line of a CSV file in which Excel names the sign between cells."""

ORDER_COLUMNS: Mapping[str, Callable[[str], float]] = MappingProxyType(
    {"order": float, "date": lambda text: float(date.fromisoformat(text).toordinal())}
)
"""Columns that may say how the time points of a patient follow each other, by rank, and how a cell is read."""

_NO_PLACE = {"order": "is no number", "date": "is no date YYYY-MM-DD"}

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f\x7f]")
"""Signs that no text table holds, and most other files do."""

_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")


@dataclass(frozen=True)
class PatientTable:
    """The patients that a table gives to the cases of a data set.

    Attributes:
        of: Patient by case id.
        unknown: Ids of the table that are of no case.
        respelt: Id of the table and the case, or the participant's part of it, that it was taken for.
        twice: Id of the table that was taken, and another of no case that spells the same otherwise.
        order: Case id to its place in time, a number or a day, where the table has one.
        order_by: Name of the column that gives it; "" where there is none, or it is empty.
        order_problem: Which of its cells could not be used, or "".
    """

    of: Mapping[str, str]
    unknown: tuple[str, ...] = ()
    respelt: tuple[tuple[str, str], ...] = ()
    twice: tuple[tuple[str, str], ...] = ()
    order: Mapping[str, float] = field(default_factory=dict)
    order_by: str = ""
    order_problem: str = ""


def load_patients(path: Path, case_ids: Sequence[str]) -> PatientTable:
    """Read the patients of cases from a table.

    The columns are `case_id` (a file's ending is cut) and `patient`; or `participant_id`, as BIDS has it: then a case
    is of the participant with whose id its name begins, `sub-` left out or not, the longest first. An id that is spelt
    otherwise in the table (`alike`) counts where only one of either side can be meant. Beside `case_id` a column
    `order` (numbers) or `date` (YYYY-MM-DD) says how the time points of a patient follow each other.

    Raises:
        DataError: If it is no such table, a cell is empty, or a case has two patients.
    """
    columns, rows = read_rows(path, _COLUMNS, case_ids, kind="table of patients", todo=_TODO)
    if _COLUMNS[0] <= set(columns):
        patient_of = _of_cases(path, rows)
        taken = match_ids(case_ids, patient_of)
        of = {case_id: patient_of[spelling] for case_id, spelling in taken.items()}
        unknown, twice = _not_taken(patient_of, taken.values())
        column, place_of, problem = _places(path, rows)
        order = {case_id: place_of[spelling] for case_id, spelling in taken.items() if spelling in place_of}
        return PatientTable(of, unknown, _respelt(taken.items()), twice, order, column, problem)
    ids = list(dict.fromkeys(row["participant_id"] for _, row in rows if row["participant_id"]))
    begins = {case_id: _beginnings(case_id) for case_id in case_ids}
    taken = match_ids(
        {start for starts in begins.values() for start in starts}, [_bare(participant) for participant in ids]
    )
    full = {_bare(participant): participant for participant in reversed(ids)}
    used = {case_id: start for case_id, starts in begins.items() if (start := next(filter(taken.get, starts), ""))}
    of = {case_id: full[taken[start]] for case_id, start in used.items()}
    pairs = ((start, taken[start]) for start in used.values())
    unknown, twice = _not_taken(ids, of.values())
    return PatientTable(of, unknown, _respelt(pairs), twice)


def alike(text: str) -> str:
    """A common form of ids that are easily meant as one: leading zeros, letters' case and blanks left out.

    >>> alike("Case 007"), alike("case\u00a07")
    ('case7', 'case7')
    """
    return _ZEROS.sub("", re.sub(r"\s", "", _clean(unicodedata.normalize("NFKC", text)))).casefold()


def match_ids(wanted: Iterable[str], listed: Iterable[str]) -> dict[str, str]:
    """The table's spelling of each wanted id that it lists: the id itself, else the only one that is `alike`."""
    wanted, listed = list(wanted), set(listed)
    near: dict[str, list[str]] = defaultdict(list)
    claims = Counter(alike(wanted_id) for wanted_id in wanted)
    for listed_id in listed:
        near[alike(listed_id)].append(listed_id)
    spelling_of: dict[str, str] = {}
    for wanted_id in wanted:
        others = near[alike(wanted_id)]
        if wanted_id in listed:
            spelling_of[wanted_id] = wanted_id
        elif len(others) == 1 and claims[alike(wanted_id)] == 1:
            spelling_of[wanted_id] = others[0]
    return spelling_of


def _respelt(taken: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({(listed, wanted) for wanted, listed in taken if wanted != listed}))


def _not_taken(listed: Iterable[str], used: Iterable[str]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Ids of the table that are of no case; and those of them that spell one that was taken otherwise, behind it."""
    used = set(used)
    taken = {alike(used_id): used_id for used_id in sorted(used)}
    left = sorted(set(listed) - used)
    twice = tuple((taken[alike(listed_id)], listed_id) for listed_id in left if alike(listed_id) in taken)
    return tuple(listed_id for listed_id in left if alike(listed_id) not in taken), twice


def _of_cases(path: Path, rows: Sequence[tuple[int, Mapping[str, str]]]) -> dict[str, str]:
    patient_of: dict[str, str] = {}
    for line, row in rows:
        case_id, patient = strip_suffix(row["case_id"]), row["patient"]
        if not case_id or not patient:
            raise DataError(f"{path.name} lacks a case or a patient", received=f"line {line}", todo="Fill both in")
        if patient_of.setdefault(case_id, patient) != patient:
            received = f"{case_id}: {patient_of[case_id]} and {patient}"
            raise DataError(f"{path.name} gives a case two patients", received=received, todo="Keep one of them")
    return patient_of


def _places(path: Path, rows: Sequence[tuple[int, Mapping[str, str]]]) -> tuple[str, dict[str, float], str]:
    """The column of time, the place of each case id by it, and which cells cannot be used; an empty cell is none.

    A case with such a cell has no place, so that the names of the cases say the order of its patient, of no other one.
    """
    column = next((name for name in ORDER_COLUMNS if any(row.get(name) for _, row in rows)), "")
    place_of: dict[str, float] = {}
    bad: list[str] = []
    left: dict[str, str] = {}
    for line, row in rows if column else []:
        case_id, text = strip_suffix(row["case_id"]), row[column]
        place = _place(column, text) if text else None
        if place is None or (math.isfinite(place) and place_of.setdefault(case_id, place) == place):
            continue
        cause = f"is the second {column} of {case_id}" if math.isfinite(place) else _NO_PLACE[column]
        bad.append(f"{text} in line {line} of {path.name} {cause}")
        left[case_id] = row["patient"]
    patients = named(list(dict.fromkeys(left.values())), shown=4)
    problem = f"{named(bad, shown=4)}, so the names of the cases say the order of time points of {patients}."
    return column, {one: place for one, place in place_of.items() if one not in left}, problem if bad else ""


def _place(column: str, text: str) -> float:
    """A cell as a number or a day; NaN where it is none."""
    try:
        return ORDER_COLUMNS[column](text)
    except ValueError:
        return math.nan


def _bare(participant: str) -> str:
    return re.sub(r"^(?i:sub-)", "", participant)


def _beginnings(case_id: str) -> list[str]:
    """Beginnings of a case id that end where a word does, the longest first, without `sub-`."""
    ends = [match.start() for match in re.finditer(r"(?<=[A-Za-z0-9])(?![A-Za-z0-9])", case_id)]
    return [_bare(case_id[:end]) for end in reversed(ends)]


def read_rows(
    path: Path, wanted: Sequence[frozenset[str]], case_ids: Iterable[str], *, kind: str, todo: str
) -> tuple[tuple[str, ...], list[tuple[int, dict[str, str]]]]:
    """Columns in lower case, and rows with their lines; blanks around cells, and signs that nobody sees, are cut.

    Tab, semicolon, comma or `|` stands between: the one that the first line names, as Excel's `sep=;` does, else the
    first by which the header has the columns that are needed.

    Args:
        path: The file.
        wanted: Sets of columns; the header must have one of them whole.
        case_ids: The cases; a column `case` that holds one of them counts as `case_id` where there is no such column.
        kind: What it is to be, in words.
        todo: What to do where it is none.

    Raises:
        DataError: If it is no such text, has none of the columns, no row below them, or a row with more cells.
    """
    tables = read_tables(path, kind=kind, todo=todo)
    heads = [_columns(table, case_ids) for table in tables]
    fits = [n for n, head in enumerate(heads) if any(needed <= set(head) for needed in wanted)]
    chosen = fits[0] if fits else max(range(len(heads)), key=lambda n: len(heads[n]))
    columns = heads[chosen]
    if not fits:
        raise DataError(f"{path.name} is no {kind}", received=columns_text(columns), todo=todo)
    if not tables[chosen][1:]:
        what = f"{path.name} has a line of column names, and no row below it"
        raise DataError(what, received=columns_text(columns), todo="Write a row for each case or patient below it")
    for line, row in tables[chosen][1:]:
        if any(row[len(columns) :]):
            received = f"{len(row)} cells in line {line}, and {len(columns)} columns"
            todo = "Put cells that hold the sign between cells into quotation marks"
            raise DataError(f"{path.name} has a row with more cells than columns", received=received, todo=todo)
    rows = [(line, dict(zip(columns, (*row, *[""] * len(columns)), strict=False))) for line, row in tables[chosen][1:]]
    return columns, rows


def _columns(table: Sequence[tuple[int, Sequence[str]]], case_ids: Iterable[str]) -> tuple[str, ...]:
    """The columns in lower case, `case_id` for a `case` of ids: elsewhere that may tell cases from controls."""
    columns = tuple(name.lower() for name in table[0][1]) if table else ()
    if columns.count("case") != 1 or "case_id" in columns:
        return columns
    listed = [strip_suffix(row[columns.index("case")]) for _, row in table[1:] if len(row) > columns.index("case")]
    return tuple("case_id" if name == "case" and match_ids(case_ids, listed) else name for name in columns)


def columns_text(columns: Sequence[str]) -> str:
    """The columns of a table as an error tells them; one without a name is left out.

    >>> columns_text(["case_id", ""]), columns_text(["", ",,"]), columns_text([])
    ('the columns case_id', 'columns without names', 'an empty file')
    """
    named_ones = [name for name in columns if name.strip(",;")]
    if columns and not named_ones:
        return "columns without names"
    return f"the columns {named(named_ones, shown=8)}" if columns else "an empty file"


def read_tables(path: Path, *, kind: str, todo: str) -> list[list[tuple[int, list[str]]]]:
    """The lines and cells of a text table, once by each sign that may stand between cells: tab, `;`, `,` and `|`.

    Args:
        path: The file, of at most `MAX_BYTES`; UTF-8, or UTF-16 with its mark.
        kind: What it is to be, in words.
        todo: What to do where it is none.

    Raises:
        DataError: If it is missing or no such text.
    """
    try:
        raw = read_bounded(path, MAX_BYTES)
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        named = _SEPARATOR.match(text)
        if sign := _CONTROL.search(text):
            received = f"the byte {ord(sign[0])} as sign {sign.start() + 1}"
            raise DataError(f"{path.name} is no text, so no {kind}", received=received, todo=todo)
        return [_cells(unicodedata.normalize("NFC", text), mark) for mark in (named[1] if named else "\t;,|")]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError("There is no such table", received=path, todo="Check the path") from error
    except UnicodeDecodeError as error:
        utf8 = "Save the table as UTF-8, in Excel as CSV UTF-8"
        raise DataError(f"{path.name} is not UTF-8 text", received=f"byte {error.start + 1}", todo=utf8) from error
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path.name} cannot be read as a {kind}", received=error, todo=todo) from error


def _cells(text: str, mark: str) -> list[tuple[int, list[str]]]:
    """Lines and cells of the rows that hold anything."""
    lines = io.StringIO(text, newline=None)  # of Windows, and of a Mac before 2001, as of all others
    reader = csv.reader(lines, delimiter=mark)
    table = [(reader.line_num, [_clean(cell) for cell in row]) for row in reader]
    start = 1 if _SEPARATOR.match(text) else 0
    return [(line, row) for line, row in table[start:] if any(row)]


def _clean(cell: str) -> str:
    """A cell without signs that have no width, and with single blanks for whatever blanks it holds."""
    return " ".join("".join(c for c in cell if unicodedata.category(c) != "Cf").split())
