"""Tables of cases and patients: one that is given, or a BIDS participants.tsv."""

import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from afl_core.base.storage import read_bounded
from afl_core.data.formats.files import strip_suffix
from afl_core.errors import DataError

PARTICIPANTS = "participants.tsv"
"""BIDS's table of subjects in a data set's folder. Source: BIDS 1.9, participants file."""

MAX_BYTES = 2**24

_TODO = "Give a CSV or TSV file with the columns case_id and patient, or a BIDS participants.tsv (participant_id)"


def load_patients(path: Path, case_ids: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Case id to patient from a table, and the rows that name no case.

    The columns are `case_id` (a file's ending is cut) and `patient`; or `participant_id`, as BIDS has it: then a case
    is of the participant with whose id its name begins, `sub-` left out or not, the longest first.

    Raises:
        DataError: If it is no such table, a cell is empty, or a case has two patients.
    """
    columns, rows = _read(path)
    if {"case_id", "patient"} <= set(columns):
        said = _of_cases(path, rows)
        known = set(case_ids)
        unknown = tuple(sorted(set(said) - known))
        return {case_id: patient for case_id, patient in said.items() if case_id in known}, unknown
    if "participant_id" not in columns:
        received = f"the columns {', '.join(columns)}" if columns else "an empty file"
        raise DataError(f"{path.name} is no table of patients", received=received, todo=_TODO)
    ids = {row["participant_id"] for row in rows} - {""}
    found = {case_id: own for case_id in case_ids if (own := _participant(case_id, ids))}
    used = {*found.values(), *(f"sub-{own}" for own in found.values())}
    return found, tuple(sorted(ids - used))


def _of_cases(path: Path, rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line, row in enumerate(rows, start=2):
        case_id, patient = strip_suffix(row["case_id"]), row["patient"]
        if not case_id or not patient:
            raise DataError(f"{path.name} lacks a case or a patient", received=f"line {line}", todo="Fill both in")
        if found.setdefault(case_id, patient) != patient:
            received = f"{case_id}: {found[case_id]} and {patient}"
            raise DataError(f"{path.name} gives a case two patients", received=received, todo="Keep one of them")
    return found


def _participant(case_id: str, ids: Set[str]) -> str:
    """The longest beginning of a case id that is a participant and ends where a word does; "" if none is."""
    ends = [match.start() for match in re.finditer(r"(?<=[A-Za-z0-9])(?![A-Za-z0-9])", case_id)]
    starts = (case_id[:end] for end in reversed(ends))
    return next((start for start in starts if start in ids or f"sub-{start}" in ids), "")


def _read(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Columns and rows, in lower case and without blanks around; tab, semicolon or comma between, as the header has."""
    try:
        text = unicodedata.normalize("NFC", read_bounded(path, MAX_BYTES).decode("utf-8-sig"))
        header = text.partition("\n")[0]
        delimiter = next((mark for mark in "\t;" if mark in header), ",")
        table = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path.name} cannot be read as a table of patients", received=error, todo=_TODO) from error
    columns = tuple(name.lower() for name in table[0]) if table else ()
    rows = [dict(zip(columns, (*row, *[""] * len(columns)), strict=False)) for row in table[1:] if any(row)]
    return columns, rows
