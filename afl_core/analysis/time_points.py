"""When the scans of one patient were made, as far as names and tables say it: their order, and days where known.

A name is read in this order: a date, a word such as baseline or postop, a number with a unit (week-3, FU015d), else its
text with numbers by their value.
"""

import math
import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import takewhile

from afl_core.data.patient_names import patient_id

_GAP = r"[-_. ]"
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.]?(\d\d)[-_.]?(\d\d)(?!\d)")
_DAY_FIRST = re.compile(r"(?<!\d)(\d{1,2})[-_.](\d{1,2})[-_.]((?:19|20)\d\d)(?!\d)")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_REST = "uary|ruary|ch|il|e|y|ust|t|tember|ober|ember"
_MONTH_NAMED = re.compile(
    rf"(?:(?<!\d)(\d{{1,2}}){_GAP}?|(?<![a-z]))({'|'.join(_MONTHS)})(?:{_REST})?{_GAP}?((?:19|20)\d\d)(?!\d)"
)

_DAYS = {"d": 1.0, "w": 7.0, "m": 365.25 / 12, "y": 365.25}
_UNIT = r"days?|weeks?|wks?|months?|mos?|years?|yrs?"
_UNIT_FIRST = re.compile(
    rf"(?:(?<![a-z])|(?<=fu)|(?<=post))(?:(?P<word>{_UNIT})(?P<gap>{_GAP}?)(?P<minus>-?)|(?P<letter>[dwmy]))"
    r"(?P<number>\d+(?:\.\d+)?)"
)
_UNIT_LAST = re.compile(
    rf"(?:(?:fu|follow{_GAP}?up|ses|time|tp|visit|post[a-z]*){_GAP}?)?"
    rf"(?P<number>\d+(?:\.\d+)?){_GAP}?(?P<word>{_UNIT}|[dwmy])(?:{_GAP}.*)?"
)

_STAGES = (
    r"screening|diagnosis",
    r"baseline|bl(?![a-z])|pre|before|initial",
    r"mid|during|intra",
    r"post|after",
)
"""Words that say a time by themselves, from early to late; all other names come after these."""

_BASELINE, _LATER = 1, len(_STAGES)
_STAGE = tuple(re.compile(rf"(?<![a-z])(?:{words})") for words in _STAGES)
_DAY_0 = re.compile(r"(?<![a-z])(?:baseline|bl(?![a-z]))")
_FOLLOW_UP = re.compile(rf"(?<![a-z])(?:fu|follow{_GAP}?up)(?![a-z])")


@dataclass(frozen=True)
class _Reading:
    """What a name says of its time: how early its word is, of what kind it is, and its value in days or numbers."""

    stage: int
    kind: str
    day: float
    text: tuple[str | int, ...]

    @property
    def key(self) -> tuple[int, str, float, tuple[str | int, ...]]:
        """By which the time points of a patient are sorted."""
        return self.stage, self.kind, 0.0 if math.isnan(self.day) else self.day, self.text


@dataclass(frozen=True)
class TimePoints:
    """The scans of one patient in order.

    Attributes:
        case_ids: In order of time.
        days: Days since the first, one a case; NaN where they are not known of every one.
        plain: Whether the order is sure: False where the names mix kinds that cannot be compared.
    """

    case_ids: tuple[str, ...]
    days: tuple[float, ...]
    plain: bool


def visits(case_ids: Collection[str], patient: str) -> dict[str, str]:
    """What the names of one patient's cases say beyond their patient; "" for a bare name, the whole where none is.

    >>> visits(["sub-01", "sub-01_ses-2"], "sub-01")
    {'sub-01': '', 'sub-01_ses-2': 'ses-2'}
    >>> visits(["Patient-002-week-000", "Patient-002-week-003"], "P2")
    {'Patient-002-week-000': 'week-000', 'Patient-002-week-003': 'week-003'}
    """
    named = {patient_id(case_id) for case_id in case_ids}
    for start in (patient, *(named if len(named) == 1 else ())):
        if all(re.match(rf"{re.escape(start)}(?!(?<=\d)\d|(?<=[A-Za-z])[A-Za-z])", case_id) for case_id in case_ids):
            return {case_id: re.sub(rf"^{_GAP}+", "", case_id[len(start) :]) for case_id in case_ids}
    common = "".join(signs[0] for signs in takewhile(lambda signs: len(set(signs)) == 1, zip(*case_ids, strict=False)))
    ends = [match.end() for match in re.finditer(rf"{_GAP}(?=[A-Za-z])", common)]
    return {case_id: case_id[max(ends, default=0) :] for case_id in case_ids}


def labels(case_ids: Collection[str], patient: str) -> dict[str, str]:
    """A short name of each case of a patient: what it says beyond the patient, or the whole where that is not enough.

    >>> labels(["sub-01", "sub-01_ses-2"], "sub-01")
    {'sub-01': 'sub-01', 'sub-01_ses-2': 'ses-2'}
    """
    short = {case_id: text or case_id for case_id, text in visits(case_ids, patient).items()}
    return short if len(set(short.values())) == len(short) else {case_id: case_id for case_id in case_ids}


def in_order(case_ids: Collection[str], patient: str) -> TimePoints:
    """The scans of a patient in the order that their names say, and the days where all of them say these.

    >>> in_order(["P_week_10", "P_baseline", "P_week_2"], "P")
    TimePoints(case_ids=('P_baseline', 'P_week_2', 'P_week_10'), days=(0.0, 14.0, 70.0), plain=True)
    """
    texts = {case_id: text.casefold() for case_id, text in visits(case_ids, patient).items()}
    gaps = {found["gap"] for found in map(_UNIT_FIRST.search, texts.values()) if found and found["word"]}
    signed = {"", "-"} <= gaps  # day-3 beside day0: the hyphen is a minus sign
    read = {case_id: _read(text, signed=signed) for case_id, text in texts.items()}
    ordered = sorted(read, key=lambda case_id: (*read[case_id].key, case_id))
    readings = [read[case_id] for case_id in ordered]
    plain = _is_plain(readings) and (not signed or any(reading.day == 0 for reading in readings))
    days = [reading.day - readings[0].day if plain else math.nan for reading in readings]
    known = not any(map(math.isnan, days))
    return TimePoints(tuple(ordered), tuple(days) if known else (math.nan,) * len(days), plain)


def _is_plain(readings: Sequence[_Reading]) -> bool:
    """Whether names can be compared: those of one stage are of one kind, none twice, and none is before a baseline."""
    kinds: dict[int, set[str]] = defaultdict(set)
    for reading in readings:
        kinds[reading.stage].add(reading.kind)
    if any(len(of_stage) > 1 for of_stage in kinds.values()) or len({r.key for r in readings}) < len(readings):
        return False
    days = [reading.day for reading in readings if reading.kind == "unit"]
    starts = [reading.day for reading in readings if reading.stage < _LATER]
    return not (starts and days and (min(days) < 0 or (0 in days and 0 in starts)))


def _read(text: str, *, signed: bool) -> _Reading:
    """Reads what follows the patient in a name, in small letters.

    Args:
        text: "" for the bare name of a patient, which is the baseline.
        signed: Whether a hyphen between a unit and a number is a minus sign.
    """
    first, *rest = re.split(r"(\d+)", text)
    first = re.sub(rf"{_GAP}+$", "", first)
    natural = (first, *(part if k % 2 else int(part) for k, part in enumerate(rest)))
    words = f"words {first}"  # scans whose names differ before the number cannot be compared by it
    if not text:
        return _Reading(_BASELINE, "bare", 0.0, natural)
    if (day := _date(text)) is not None:
        return _Reading(_LATER, "date", day, natural)
    days = _unit_days(text, signed=signed)
    stage = next((k for k, pattern in enumerate(_STAGE) if pattern.search(text)), _LATER)
    if stage < _LATER and (days is None or stage <= _BASELINE):
        return _Reading(stage, words, 0.0 if _DAY_0.search(text) and not days else math.nan, natural)
    if days is not None:
        return _Reading(_LATER, "unit", days, natural)
    return _Reading(_LATER, "follow-up" if _FOLLOW_UP.search(text) else words, math.nan, natural)


def _date(text: str) -> float | None:
    """The day of the one date in a text, or None; with the year last it is day, month, year."""
    text = _MONTH_NAMED.sub(
        lambda found: f"{found[3]}-{_MONTHS.index(found[2]) + 1:02d}-{int(found[1] or 1):02d}", text
    )
    dates = _DATE.findall(_DAY_FIRST.sub(lambda found: f"{found[3]}-{int(found[2]):02d}-{int(found[1]):02d}", text))
    try:
        return float(date(*map(int, dates[0])).toordinal()) if len(dates) == 1 else None
    except ValueError:
        return None


def _unit_days(text: str, *, signed: bool) -> float | None:
    """The days that one number with a unit says, or None; a month is a twelfth of 365.25 days."""
    found = list(_UNIT_FIRST.finditer(text))
    match = found[0] if len(found) == 1 else None if found else _UNIT_LAST.fullmatch(text)
    if match is None:
        return None
    groups = match.groupdict()
    days = float(round(float(groups["number"]) * _DAYS[(groups["word"] or groups["letter"])[0]]))
    return -days if groups.get("minus") or (signed and groups.get("gap") == "-") else days
