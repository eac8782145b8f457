"""Which patient a case is of: declared, or as its name says; decided once, when a data set is opened."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from afl_core.base.words import named, number_of
from afl_core.data.patient_names import NAMES, look_alike, patient_and_numbering, patient_id
from afl_core.data.patient_table import PARTICIPANTS, PatientTable, alike, load_patients
from afl_core.errors import AflError, UsageError

_listed = partial(named, shown=4)

BY_PARTICIPANTS = f"by {PARTICIPANTS}"
"""`Patients.how` where that table gives them."""

_BEFORE_NUMBER = re.compile(r"(?<=[A-Za-z])[-_. ]+(?=\d)")
"""Signs that some people write between a word and a number, such as Pat-7 and pat_7."""

_BY_COLUMN = "the column {} of {}"

TABLE_ON_PAGE = '(on the page Data: "Table of patients")'
"""Stands behind --patients in advice that pages and commands both show."""

ADVICE = (
    f"They count as patients of their own. If they are scans of one: give --patients TABLE {TABLE_ON_PAGE} with the "
    f'columns case_id and patient, or a {PARTICIPANTS}, or patient = "{{patient}}_*" in afl-layout.toml'
)
"""What to do about cases that look like repeated scans."""

NEAR_ADVICE = (
    "They count as different patients. If they are one, write their id in one way, such as by --patients "
    f"{TABLE_ON_PAGE}"
)
"""What to do about ids of patients that are nearly the same."""

TWICE_ADVICE = "Keep the row that is meant, or spell the ids as the data set does"
"""What to do about a table that holds two spellings of one id."""


@dataclass(frozen=True)
class Patients:
    """Which patient every case of a data set is of, and how that was decided.

    Attributes:
        of: Patient by case id.
        how: Rule that decided it, in words; "" where every case is a patient of its own.
        table: Path of the table that declares it; "" where none was given.
        declared: Whether a table or a pattern says it, not the names alone.
        unlisted: Cases that the declaration leaves out; their names decide.
        unknown: Cases that a given table has and the data set has not.
        respelt: Ids of a declaration and what of the data set each was taken for, spelt otherwise.
        twice: Ids of a declaration that were taken, and others in it that spell the same otherwise.
        problem: Why a declaration could not be used, or "".
        order: Case id to its place in the time of its patient, where a table says it: a number, or days.
        order_by: What says it, such as "the column date of visits.csv", or "".
    """

    of: Mapping[str, str] = field(default_factory=dict)
    how: str = ""
    table: str = ""
    declared: bool = False
    unlisted: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    respelt: tuple[tuple[str, str], ...] = ()
    twice: tuple[tuple[str, str], ...] = ()
    problem: str = ""
    order: Mapping[str, float] = field(default_factory=dict)
    order_by: str = ""

    @property
    def order_in_days(self) -> bool:
        """Whether `order` counts days since the first scan of each patient."""
        return self.order_by.startswith(_BY_COLUMN.format("date", ""))

    def __getitem__(self, case_id: str) -> str:
        """The patient of a case; of one that is not here, as its name says."""
        return self.of.get(case_id) or patient_id(case_id)

    @property
    def alike(self) -> tuple[tuple[str, ...], ...]:
        """Groups of cases that look like scans of one patient and count as patients of their own."""
        return look_alike(self.of)

    @property
    def near(self) -> tuple[tuple[str, ...], ...]:
        """Groups of patients whose ids differ in leading zeros, letters' case, blanks, or signs between words alone."""
        groups: dict[str, set[str]] = defaultdict(set)
        for patient in self.of.values():
            groups[alike(re.sub(r"[-_. ]+", "-", _BEFORE_NUMBER.sub("", patient)))].add(patient)
        return tuple(sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the patients, to be read before the statistics, a sentence each."""
        sentences = list(self.declaration_warnings)
        if self.alike:
            cases = [case_id for group in self.alike for case_id in group]
            sentences.append(f"{_listed(cases)} look like repeated scans. {ADVICE}.")
        if self.near:
            pairs = _listed([" and ".join(group) for group in self.near])
            sentences.append(f"Patients that differ in zeros, letters' case or signs alone: {pairs}. {NEAR_ADVICE}.")
        return tuple(sentences)

    @property
    def declaration_warnings(self) -> tuple[str, ...]:
        """Those of the warnings that are about the declaration; a record does not keep them."""
        sentences = [self.problem] if self.problem else []
        if self.respelt:
            pairs = _listed([f"{declared} for {known}" for declared, known in self.respelt])
            sentences.append(f"The declaration of patients spells {len(self.respelt)} ids otherwise: it says {pairs}.")
        if self.twice:
            pairs = _listed([f"{taken} (taken) and {other}" for taken, other in self.twice])
            sentences.append(f"The declaration of patients holds two spellings of an id: {pairs}. {TWICE_ADVICE}.")
        if self.unlisted:
            left = _listed(self.unlisted)
            sentences.append(f"{_n(self.unlisted)} not in the declaration of patients, so their names decide: {left}.")
        if self.unknown:
            sentences.append(
                f"The table of patients names {_n(self.unknown)} not in the data set: {_listed(self.unknown)}."
            )
        return tuple(sentences)

    def sentence(self, case_ids: Iterable[str] | None = None) -> str:
        """How many patients these cases are of, and who says so; of all cases if None.

        >>> Patients({"sub-1_ses-1": "sub-1", "sub-1_ses-2": "sub-1"}, "by their names (BIDS)").sentence()
        '2 cases of 1 patient, by their names (BIDS)'
        """
        cases = set(self.of if case_ids is None else case_ids)
        patients = {self[case_id] for case_id in cases}
        if not self.how and len(cases) == 1:
            return "1 case of 1 patient"
        if not self.how:
            return f"{_n(cases)}, each a patient of its own"
        return f"{_n(cases)} of {number_of(len(patients), 'patient')}, {self.how}"

    def record(self) -> dict[str, Any]:
        """The record of a manifest; cases that are patients of their own by any reading are left out."""
        of = {case: patient for case, patient in self.of.items() if not case == patient == patient_id(case)}
        told = {"how": self.how, "declared": self.declared, "table": self.table, "of": of}
        return told | ({"order": dict(self.order), "order_by": self.order_by} if self.order_by else {})


def recorded(kept: Mapping[str, Any], case_ids: Iterable[str]) -> Patients:
    """The patients that a manifest keeps, for these cases; by their names where it keeps none, or nonsense."""
    of = kept.get("of")
    if not isinstance(of, Mapping) or not all(isinstance(patient, str) and patient for patient in of.values()):
        return by_names(case_ids)
    how, table = (kept.get(key) if isinstance(kept.get(key), str) else "" for key in ("how", "table"))
    known = Patients(of, str(how), str(table), kept.get("declared") is True, **_recorded_order(kept))
    return replace(known, of={case_id: known[case_id] for case_id in case_ids})


def _recorded_order(kept: Mapping[str, Any]) -> dict[str, Any]:
    order, by = kept.get("order"), kept.get("order_by")
    if not isinstance(order, Mapping) or not all(isinstance(place, int | float) for place in order.values()):
        return {}
    return {"order": order, "order_by": str(by)}


def by_names(case_ids: Iterable[str]) -> Patients:
    """The patients that the names of cases say."""
    by_case = {case_id: patient_and_numbering(case_id) for case_id in case_ids}
    found = {numbering for _, numbering in by_case.values()}
    used = [name for name in NAMES if name in found]
    how = f"by their names ({', '.join(used)})" if used else ""
    return Patients({case_id: patient for case_id, (patient, _) in by_case.items()}, how)


def decide_patients(
    case_ids: Sequence[str], root: Path, *, table: Path | None = None, template: str = "", layout: str = ""
) -> Patients:
    """The patients of a data set's cases: by a table given, a pattern of the layout, participants.tsv, or the names.

    Args:
        case_ids: The cases.
        root: Folder of the data set, in which a participants.tsv may lie.
        table: A table of cases and patients.
        template: Pattern of a case id, such as `{patient}_*`; "" for none.
        layout: Title of the layout with the pattern.

    Raises:
        DataError: If a given table cannot be used. A participants.tsv that cannot is a warning.
    """
    if table is not None:
        listed = load_patients(table, case_ids)
        known = _declared(case_ids, listed, f"by {table.name}")
        order = _since_first(listed.order, known.of)
        by = _BY_COLUMN.format(listed.order_by, table.name) if listed.order_by else ""
        problem = listed.order_problem
        return replace(
            known, table=str(table.resolve()), unknown=listed.unknown, problem=problem, order=order, order_by=by
        )
    if template:
        pattern = template_pattern(template)
        patient_of = {case_id: match["patient"] for case_id in case_ids if (match := pattern.fullmatch(case_id))}
        return _declared(case_ids, PatientTable(patient_of), f"by the pattern {template} of {layout}")
    if not (root / PARTICIPANTS).is_file():
        return by_names(case_ids)
    try:
        listed = load_patients(root / PARTICIPANTS, case_ids)  # it may well list subjects that are not here
    except AflError as error:
        return replace(by_names(case_ids), problem=f"{error} The names of the cases decide.")
    if listed.of:
        return _declared(case_ids, listed, BY_PARTICIPANTS)
    problem = f"{PARTICIPANTS} names no case of the folder, so their names decide who is one patient."
    return replace(by_names(case_ids), problem=problem)


def _since_first(order: Mapping[str, float], of: Mapping[str, str]) -> dict[str, float]:
    """Places counted from the first of each patient: results are to hold no dates."""
    first: dict[str, float] = {}
    for case_id, place in order.items():
        first[of[case_id]] = min(place, first.get(of[case_id], place))
    return {case_id: place - first[of[case_id]] for case_id, place in order.items()}


def _declared(case_ids: Sequence[str], listed: PatientTable, how: str) -> Patients:
    of = {case_id: listed.of.get(case_id) or patient_id(case_id) for case_id in case_ids}
    unlisted = tuple(case_id for case_id in case_ids if case_id not in listed.of)
    return Patients(
        MappingProxyType(of), how, declared=True, unlisted=unlisted, respelt=listed.respelt, twice=listed.twice
    )


def template_pattern(template: str) -> re.Pattern[str]:
    """The pattern that a template of a case id stands for: `{patient}` is the shortest that fits, `*` is anything.

    >>> template_pattern("{patient}_*").fullmatch("P7_week_3")["patient"]
    'P7'

    Raises:
        UsageError: If `{patient}` is not there once, or there are more than two `*`: more would take long to match.
    """
    parts = re.split(r"(\{patient\}|\{\*\}|\*)", template)
    stars = sum(part in ("*", "{*}") for part in parts)
    if parts.count("{patient}") != 1 or stars > 2 or len(template) > 200:
        todo = 'Write {patient} once and * at most twice, for example patient = "{patient}_*"'
        raise UsageError("This is no pattern of a patient", received=template, todo=todo)
    wild = {"{patient}": "(?P<patient>.+?)", "*": ".*", "{*}": ".*"}
    return re.compile("".join(wild.get(part, re.escape(part)) for part in parts))


def parted_patients(splits: Mapping[str, Sequence[str]], patients: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Patients with cases in more than one split, and in which; a case that is not known is taken by its name."""
    where: dict[str, set[str]] = defaultdict(set)
    for name, case_ids in splits.items():
        for case_id in case_ids:
            where[patients.get(case_id) or patient_id(case_id)].add(name)
    return {patient: tuple(sorted(names)) for patient, names in where.items() if len(names) > 1}


def parted_sentence(splits: Mapping[str, Sequence[str]], patients: Mapping[str, str]) -> str:
    """That patients have cases in more than one split, and what that does; "" where none has.

    >>> parted_sentence({"train": ["a"], "test": ["b"]}, {"a": "P", "b": "P"})[:73]
    'The split has 1 patient in more than one part (P in test and train): scor'
    """
    parted = parted_patients(splits, patients)
    if not parted:
        return ""
    some = [f"{patient} in {' and '.join(names)}" for patient, names in parted.items()]
    return (
        f"The split has {number_of(len(parted), 'patient')} in more than one part ({named(some)}): scores on them are "
        "too good. Make it again with afl data split."
    )


def _n(case_ids: Iterable[str]) -> str:
    n = len(tuple(case_ids))
    return number_of(n, "case")
