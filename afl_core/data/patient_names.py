"""What the name of a case says of its patient, and of other scans of the same patient."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

_GAP = r"[-_. ]"
_END = rf"(?:{_GAP}?\d{{1,5}}[a-z]?)?(?:{_GAP}.*)?"
_TIME = r"ses(?:sion)?|visit|time[-_ ]?point|tp|week|wk|baseline|follow[-_ ]?up"
_TIME_OF_A_NUMBER = r"time|day|month|year|fu|bl|(?:pre|post)(?:[-_ ]?(?:op\w*|treatment|rt|tx|surgery))?"
_DATE = r"(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])"

NAMES: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "PI-CAI": re.compile(r"(?P<patient>\d{5})_\d{7}"),
        "BraTS 2023 and later": re.compile(
            rf"(?i:(?P<patient>brats(?:\d\d|\d{{4}})?{_GAP}(?:[a-z]+{_GAP})+\d{{4,5}}){_GAP}\d{{1,3}})"
        ),
        "BIDS": re.compile(r"(?P<patient>sub-[A-Za-z0-9]+)(?:_.*)?"),
        "UCSF": re.compile(rf"(?P<patient>UCSF{_GAP}(?:[A-Z]+{_GAP})?\d{{4,}}){_GAP}(?:FU\d+[a-z]?|time\d+|\d{{1,3}})"),
        "UPENN-GBM": re.compile(r"(?P<patient>UPENN-GBM-\d{5})_\d\d"),
        "RHUH-GBM": re.compile(rf"(?P<patient>RHUH-(?:GBM-)?\d{{3,4}}){_GAP}\d"),
        "time points": re.compile(rf"(?i:(?P<patient>.*?[^-_. ])(?:{_GAP}|(?<=\d))(?:{_TIME}){_END})"),
        "times of a number": re.compile(rf"(?i:(?P<patient>.*?\d[^-_. ]*){_GAP}(?:{_TIME_OF_A_NUMBER}){_END})"),
        "dates": re.compile(rf"(?P<patient>.*?\d[^-_. ]*){_GAP}{_DATE}(?:{_GAP}.*)?"),
    }
)
"""Numberings that say the patient, by what they are called. The first that fits a whole case id counts.

Sources: the data sets' own pages; BIDS 1.9, `sub-<label>`. A word such as `day` counts only after a number, and a bare
number (`case_1`) never: there it is as likely the patient's own.
"""

_VISIT_LIKE = re.compile(
    rf"(?i:(?P<stem>(?:.*{_GAP})?[^-_. ]*\d[^-_. ]*){_GAP}"
    r"(?P<visit>(?:t|s|v|m|w|d|y|r|mr|mri|run|rep|scan|exam|study)?[-_]?\d{1,3}|00\d\d|[a-d]|first|second|old|new|before|after))"
)
_TIME_OF_A_WORD = re.compile(rf"(?i:(?P<stem>.*[^-_. ]){_GAP}(?P<visit>(?:t|v|scan|exam)[-_]?\d{{1,3}}))")
_STAGE = r"screening|relapse|recurrence|progression|nadir|diagnosis|initial|final|discharge|admission"
_DAY, _MONTH = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_ANY_DATE = rf"(?:{_DATE}|{_DAY}[-_.]{_DAY}[-_.](?:19|20)\d\d|(?:{_DAY}{_GAP}?)?{_MONTH}{_GAP}?(?:19|20)\d\d)"
_WORDS_ALONE = re.compile(rf"(?i:(?P<stem>.+?){_GAP}(?P<visit>{_TIME_OF_A_NUMBER}|{_STAGE}|{_ANY_DATE}){_END})")
_VISIT_FIRST = re.compile(
    rf"(?i:(?P<visit>(?:{_TIME}|[tv])(?:{_GAP}?\d{{1,3}})|baseline|follow[-_ ]?up|{_TIME_OF_A_NUMBER}|{_STAGE}"
    rf"|{_ANY_DATE}(?!{_GAP}\d+$)){_GAP}(?P<stem>.*[^-_. ]))"  # a date and a number: the number is of that day
)


def patient_id(case_id: str) -> str:
    """The patient of a case by its name; a case of a numbering that says none is a patient of its own.

    >>> patient_id("10005_1000005"), patient_id("BraTS-GLI-00002-001"), patient_id("sub-01_ses-2")
    ('10005', 'BraTS-GLI-00002', 'sub-01')
    >>> patient_id("Patient-002-week-003"), patient_id("Brats18_X_1"), patient_id("case_1")
    ('Patient-002', 'Brats18_X_1', 'case_1')
    """
    return patient_and_numbering(case_id)[0]


@lru_cache(maxsize=2**17)  # pages ask for the same cases at every turn
def patient_and_numbering(case_id: str) -> tuple[str, str]:
    """Patient of a case by its name, and the numbering; the case itself and "" where no numbering fits."""
    for numbering, pattern in NAMES.items():
        if match := pattern.fullmatch(case_id):
            return match["patient"], numbering
    return case_id, ""


def look_alike(of: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """Groups of cases, each a patient of its own, that share a stem and differ by what looks like a visit.

    A stem that all cases share counts only if the visits are not numbered as a data set numbers its cases (001).
    Numbers of four digits count where those of a stem run from 0 or 1 without a gap; a stem without a digit where
    another one has such visits too.
    """
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    worded: dict[str, dict[str, str]] = defaultdict(dict)
    for case_id in (case_id for case_id, patient in of.items() if patient == case_id):
        patterns = (_VISIT_FIRST, _WORDS_ALONE, _VISIT_LIKE)
        if match := next(filter(None, (p.fullmatch(case_id) for p in patterns)), None):
            groups[match["stem"].casefold()][case_id] = match["visit"]
        elif match := _TIME_OF_A_WORD.fullmatch(case_id):
            worded[match["stem"].casefold()][case_id] = match["visit"]
    several = [tuple(sorted(visits)) for visits in groups.values() if len(visits) > 1 and _is_run(visits.values())]
    if len(groups) == 1 and several:
        (visits,) = groups.values()
        if any(visit.startswith("0") and visit.isdecimal() and len(visit) > 1 for visit in visits.values()):
            several = []
    of_words = [tuple(sorted(visits)) for visits in worded.values() if len(visits) > 1]
    return tuple(sorted([*several, *(of_words if len(of_words) > 1 else [])]))


def _is_run(visits: Iterable[str]) -> bool:
    """Whether visits of four digits, as cases have them too (TCGA-02-0003), are numbered from 0 or 1 without a gap."""
    numbers = sorted(int(visit) for visit in visits if re.fullmatch(r"\d{4}", visit))
    return not numbers or (numbers[0] <= 1 and numbers == list(range(numbers[0], numbers[0] + len(numbers))))
