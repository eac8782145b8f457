"""Covariates: the further columns of a table of cases or patients, such as site, scanner, grade, sex and age."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from afl_core.base.numbers import significant
from afl_core.base.words import named, number_of
from afl_core.data.formats.files import strip_suffix
from afl_core.data.number_signs import signs_fault
from afl_core.data.patient_table import (
    ORDER_COLUMNS,
    PARTICIPANTS,
    alike,
    columns_text,
    load_patients,
    match_ids,
    read_rows,
)
from afl_core.data.patients import BY_PARTICIPANTS, Patients
from afl_core.errors import AflError, DataError

MOST_VALUES = 8
"""Values of a column of text; more of them would leave few patients in each bin."""

FEW_NUMBERS = 3
"""Different numbers up to which a column counts as codes, such as a grade: it is taken by its values, as text is."""

MISSING = frozenset(
    {"", "n/a", "na", "n.a.", "nan", "<na>", "#n/a", "#na", "null", "no value", "not available", "missing", "unknown"}
    | {"?", ".", "-", "--", "–", "—"}
    | {"#div/0!", "#name?", "#null!", "#num!", "#ref!", "#value!"}
)
"""Cells that hold no value, in any letters' case; n/a is BIDS's word for it. "none" is a value: no treatment."""

OWN_NAMES = frozenset(
    {"all", "size", "roughness", "released_smoothness", "lesions", "surface_to_volume", "slice_thickness"}
    | {"lesion_distance", "contrast", "signal_to_noise", "contrast_to_noise", "difference", "lesion_id"}
)
"""Names of columns and axes of the workbench, which no column of a table can have."""

_IDS = ("case_id", "patient", "participant_id")
"""Columns that say which case or patient a row is of; the first of them that is there counts."""

_TODO = "Give a CSV or TSV file with a column case_id or patient (or participant_id), and further columns"
_BY_CASE = ", or name the column of the case ids case_id where each row is of one case"
_YEAR, _MONTH, _DAY = r"(?:19|20)\d\d", r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_NAME = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = re.compile(
    rf"(?:{_YEAR}[-/.]{_MONTH}(?:[-/.]{_DAY})?|(?:{_DAY}|{_MONTH})[-/.](?:{_DAY}|{_MONTH})[-/.]{_YEAR}"
    rf"|(?:{_DAY}\.? ?)?{_NAME} ?(?:{_DAY},? )?{_YEAR})(?:[T ]\d.*)?"
)
"""Ways to write a date in one cell."""

_DAY_NUMBER = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
"""A date without signs, if all numbers of a column are such; one alone may be a number."""

Value = float | str
Unit = TypeVar("Unit")


@dataclass(frozen=True)
class Covariates:
    """What a table says of the cases of a data set besides their patients.

    Attributes:
        table: Name of the file, "" where there is none. Only the data set's own is called participants.tsv; another of
            that name has its folder before it.
        columns: Column to case id to value: all numbers, or all texts. A case without a value is not in it.
        left_out: Column that is no covariate, to why, a sentence.
        warnings: What else is to be known of the table, a sentence each.
    """

    table: str = ""
    columns: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def load_covariates(path: Path, patient_of: Mapping[str, str]) -> Covariates:
    """Read the covariates of cases from a table, CSV or TSV.

    Its rows are of the case in the column `case_id` (a file's ending is cut), or else of every case of the `patient`,
    or of BIDS's `participant_id`. Ids that are spelt otherwise count as in `load_patients`.

    Args:
        path: The table.
        patient_of: Patient of each case of the data set.

    Raises:
        DataError: If it is no such table, names none of the cases, or gives one of them two values.
    """
    wanted = [frozenset({name}) for name in _IDS]
    columns, rows = read_rows(path, wanted, patient_of, kind="table of covariates", todo=_TODO)
    key = next(name for name in _IDS if name in columns)
    further = [name for name in dict.fromkeys(columns) if name and name not in _IDS]
    if not further:
        raise DataError(f"{path.name} is no table of covariates", received=columns_text(columns), todo=_TODO)
    if doubled := next((name for name in further if columns.count(name) > 1), ""):
        raise DataError(f"{path.name} has a column twice", received=doubled, todo="Keep one of them")
    cells = {name: _cells(path, key, name, rows) for name in further}
    id_of = _ids(path, key, rows, patient_of)
    if not id_of:
        what, known = f"{path.name} names none of the cases", named(list(patient_of), shown=3)
        raise DataError(what, received=_some(_listed(key, rows)), todo=f"Cases: {known}")
    _check_spellings(path, cells, id_of.values())
    by_case = {
        name: {case: cells[name][row_id] for case, row_id in id_of.items() if row_id in cells[name]} for name in further
    }
    kept, left_out = {}, {}
    for name, values in by_case.items():
        if why := _why_not(name, values):
            left_out[name] = f"The column {name} of {path.name} is no axis: {why}."
        else:
            kept[name] = _typed(values)
    other = _other_patients(path, key, rows, id_of, patient_of)
    said = (*other, *_warnings(path, id_of, _listed(key, rows), patient_of), *_near(kept))
    folder = f"{path.resolve().parent.name}/" if path.name == PARTICIPANTS else ""
    return Covariates(folder + path.name, kept, left_out, said)


def participants_covariates(root: Path, patients: Patients) -> Covariates:
    """The covariates of the participants.tsv that gives the patients, given or in the folder; none where it cannot."""
    if patients.how != BY_PARTICIPANTS:
        return Covariates()
    try:
        found = load_covariates(Path(patients.table) if patients.table else root / PARTICIPANTS, patients.of)
        return replace(found, table=PARTICIPANTS)
    except AflError as error:
        return Covariates(left_out={PARTICIPANTS: f"No covariates of {PARTICIPANTS}. {error}"})


def _cells(path: Path, key: str, name: str, rows: Sequence[tuple[int, Mapping[str, str]]]) -> dict[str, str]:
    """Id to the cell of a column; an id without a value is not in it."""
    cells: dict[str, str] = {}
    missing = MISSING - {"-"} if any(set(row[name]) == {"+"} for _, row in rows) else MISSING  # a sign's negative
    for line, row in rows:
        row_id, text = strip_suffix(row[key]) if key == "case_id" else row[key], row[name]
        if not row_id:
            raise DataError(f"{path.name} lacks a {key}", received=f"line {line}", todo="Fill it in")
        if text.casefold() not in missing and name not in ORDER_COLUMNS and cells.setdefault(row_id, text) != text:
            what, received = f"{path.name} gives a {key} two values", f"{row_id}: {name} {cells[row_id]} and {text}"
            raise DataError(what, received=received, todo="Keep one of them" + ("" if key == "case_id" else _BY_CASE))
    return cells


def _check_spellings(path: Path, cells: Mapping[str, Mapping[str, str]], taken: Iterable[str]) -> None:
    """Raise where an id that was taken stands in the table in another spelling too, with another value."""
    taken_of = {alike(row_id): row_id for row_id in taken}
    for name, values in cells.items():
        for row_id, text in values.items():
            own = taken_of.get(alike(row_id), row_id)
            if own != row_id and values.get(own, text) != text and row_id not in taken_of.values():
                what, received = (
                    f"{path.name} gives an id two values",
                    f"{name} of {own} {values[own]}, of {row_id} {text}",
                )
                raise DataError(what, received=received, todo="Keep one of them")


def _listed(key: str, rows: Sequence[tuple[int, Mapping[str, str]]]) -> list[str]:
    return list(dict.fromkeys(strip_suffix(row[key]) if key == "case_id" else row[key] for _, row in rows))


def _ids(
    path: Path, key: str, rows: Sequence[tuple[int, Mapping[str, str]]], patient_of: Mapping[str, str]
) -> dict[str, str]:
    """Case to the id of its row, of the cases that have one."""
    if key == "participant_id":
        return dict(load_patients(path, list(patient_of)).of)
    if key == "case_id":
        return match_ids(patient_of, _listed(key, rows))
    taken = match_ids(dict.fromkeys(patient_of.values()), _listed(key, rows))
    return {case: taken[patient] for case, patient in patient_of.items() if patient in taken}


def _why_not(name: str, values: Mapping[str, str]) -> str:
    """Why a column is no covariate, or ""."""
    different = sorted(set(values.values()))
    texts = [text for text in different if _number(text) is None]
    if name in OWN_NAMES:
        return "the name is one of the workbench's own; give it another"
    all_days = different and all(_DAY_NUMBER.fullmatch(text) for text in different)
    if name in ORDER_COLUMNS or all_days or any(_DATE.fullmatch(text) for text in different):
        return "it says a time, and results are to hold no dates"
    if len(different) < 2:
        return f"its only value is {different[0]}" if different else "no case has a value"
    if fault := signs_fault(different):
        return fault
    return _too_many_texts(texts, different) if texts and len(different) > MOST_VALUES else ""


def _too_many_texts(texts: Sequence[str], different: Sequence[str]) -> str:
    """What is wrong with a column of many values that are not all numbers."""
    if len(texts) <= len(different) / 2:
        return f"it holds numbers, and {named(texts, shown=3)}, which {'is' if len(texts) == 1 else 'are'} none"
    return f"it holds text, such as {texts[0]}, of {number_of(len(different), 'value')}, and {MOST_VALUES} is the most"


def _typed(values: Mapping[str, str]) -> dict[str, Value]:
    numbers = {case: value for case, text in values.items() if (value := _number(text)) is not None}
    if len(numbers) < len(values):
        return dict(values)
    return numbers_or_codes(numbers)


def numbers_or_codes(numbers: Mapping[Unit, float]) -> dict[Unit, Value]:
    """The values of cases as they are, or as texts where so few are different that they count as codes.

    >>> numbers_or_codes({"a": 1.0, "b": 2.0})
    {'a': '1', 'b': '2'}
    """
    codes = len(set(numbers.values())) <= FEW_NUMBERS
    return {case: significant(value, 6) if codes else value for case, value in numbers.items()}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _warnings(
    path: Path, id_of: Mapping[str, str], listed: Sequence[str], patient_of: Mapping[str, str]
) -> tuple[str, ...]:
    without = [case for case in patient_of if case not in id_of]
    used = set(id_of.values())
    unknown = [row_id for row_id in listed if row_id not in used]
    sentences = []
    if without:
        are = number_of(len(without), "case is", "cases are")
        sentences.append(f"{are} not in {path.name} and without a value of its columns: {_some(without)}.")
    if unknown:
        ids = number_of(len(unknown), "id is", "ids are")
        sentences.append(f"{ids} in {path.name} that no case of these has: {_some(unknown)}.")
    return tuple(sentences)


def _other_patients(
    path: Path,
    key: str,
    rows: Sequence[tuple[int, Mapping[str, str]]],
    id_of: Mapping[str, str],
    patient_of: Mapping[str, str],
) -> tuple[str, ...]:
    """That a column of patients, beside the ids of cases and not used, groups the cases otherwise than is known."""
    column = next((name for name in _IDS[1:] if key == "case_id" and name in rows[0][1]), "")
    cells = {strip_suffix(row[key]): row[column] for _, row in rows} if column else {}
    told = {row_id: alike(text) for row_id, text in cells.items() if text.casefold() not in MISSING}
    pairs = {(told[row_id], patient_of[case]) for case, row_id in id_of.items() if row_id in told}
    there, here = ({pair[side] for pair in pairs} for side in (0, 1))
    if len(pairs) == len(there) == len(here):
        return ()
    counts = f"{number_of(len(there), 'patient')} there, {len(here)} here"
    what = f"{path.name} has a column {column} that groups the cases otherwise ({counts}), and is not used"
    return (f"{what}: if it is right, give --patients TABLE (case_id,patient) too.",)


def _near(kept: Mapping[str, Mapping[str, Value]]) -> tuple[str, ...]:
    """Values of text that are one number, or differ in capitals, blanks or zeros alone, a sentence a column."""
    sentences = []
    for name, values in kept.items():
        groups: dict[str, set[str]] = defaultdict(set)
        for value in values.values():
            number = _number(str(value))
            groups[alike(str(value)) if number is None else str(number)].add(str(value))
        near = [" and ".join(sorted(group)) for group in groups.values() if len(group) > 1]
        if near and all(isinstance(value, str) for value in values.values()):
            sentences.append(f"Values of {name} that count as different and may be one: {named(near)}.")
    return tuple(sentences)


def _some(names: Iterable[str]) -> str:
    return named(list(names), shown=4)
