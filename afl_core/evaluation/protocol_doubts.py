"""Why rows may be measured by the wrong protocol: names of cases, labels of all files, and where the labels lie."""

import re
from collections.abc import Iterable, Sequence

import pandas as pd

from afl_core.data.check.anatomy import doubt_edema
from afl_core.data.labels import Scheme
from afl_core.data.layouts import Cohort
from afl_core.metrics.matchers import tasks_of
from afl_core.metrics.protocols import Protocol
from afl_core.volume import Case

_PROSTATE = re.compile(r"(?i)cspca|\bpca\b|isup|gleason|prostat|lesion|cancer")
"""What labels of a data set of the prostate are called."""

LARGEST_GRADE = 5
"""The largest label of PI-CAI, an ISUP grade."""

GENERAL = "goat"
"""Task of BraTS 2025 that takes the cases of every other one."""


def doubts(table: pd.DataFrame, protocol: Protocol, cohort: Cohort) -> list[str]:
    """Why rows may be measured by the wrong protocol, in sentences.

    Args:
        table: Rows of `measure_case`.
        protocol: The protocol.
        cohort: Their data set; some references are read.
    """
    said = [
        doubt_task(protocol, table["case_id"].unique()),
        _doubt_places(cohort.cases, protocol),
        _doubt_organ(table, protocol, cohort.scheme),
        *_doubt_masks(table, protocol),
        *_doubt_absent(table, protocol),
    ]
    return [sentence for sentence in said if sentence]


def doubt_task(protocol: Protocol, case_ids: Iterable[str]) -> str:
    """That the names of cases say another BraTS task than the protocol's; "" where they do not."""
    task = protocol.name.split("_")[1] if "_" in protocol.name else ""
    others = {of: n for of, n in tasks_of(case_ids).items() if task not in (of, GENERAL)}
    listed = ", ".join(f"{n} of {of.upper()}" for of, n in sorted(others.items()))
    return f"{protocol.title} is another task than the names of the cases say: {listed}." if listed else ""


def different_cases(table: pd.DataFrame, sources: Sequence[str]) -> str:
    """That the means of the sources are over different cases; "" where all have the same."""
    cases = {source: set(table.loc[table["source"] == source, "case_id"]) for source in sources}
    if len({frozenset(ids) for ids in cases.values()}) < 2:
        return ""
    numbers = ", ".join(f"{source} {len(ids)}" for source, ids in cases.items())
    return f"The means of the sources are over different cases and cannot be compared: {numbers}."


def _doubt_places(cases: Sequence[Case], protocol: Protocol) -> str:
    """That the one label of the whole tumour that is not of its core, edema, lies inside it."""
    core = protocol.regions.get("tc", ())
    around = set(protocol.regions.get("wt", ())) - set(core)
    return doubt_edema(cases, around.pop(), core, by=protocol.title) if core and len(around) == 1 else ""


def _doubt_organ(table: pd.DataFrame, protocol: Protocol, scheme: Scheme) -> str:
    """That PI-CAI's rule is of lesions of the prostate, where labels are of something else; "" where they may not be.

    PI-CAI's own labels are 2 to 5, or 1 alone.
    """
    if protocol.name != "picai":
        return ""
    held = _numbers(table["reference_labels"])
    if scheme.values:
        foreign = not any(_PROSTATE.search(what) for what in scheme.values.values())
    else:
        foreign = (1 in held and len(held) > 1) or max(held, default=0) > LARGEST_GRADE
    labels = scheme.title if scheme.values else ", ".join(map(str, sorted(held)))
    return f"{protocol.title} is of lesions of the prostate; the labels here are others: {labels}." if foreign else ""


def _doubt_masks(table: pd.DataFrame, protocol: Protocol) -> list[str]:
    """Sources whose files all hold one label where the protocol has several: perhaps masks of one region."""
    several = len({label for labels in protocol.regions.values() for label in labels}) > 1
    return [
        f"Every file of {source} holds the label {next(iter(labels))} alone, which counts as that label of "
        f"{protocol.title}: if they are masks of one region, the other regions are wrong."
        for source, labels in _labels_of_sources(table).items()
        if several and len(labels) == 1
    ]


def _doubt_absent(table: pd.DataFrame, protocol: Protocol) -> list[str]:
    """References, and sources, no file of which holds a label that is a region by itself: perhaps of another task."""
    alone = {labels[0]: name for name, labels in protocol.regions.items() if len(labels) == 1}
    sides = {"reference": _numbers(table["reference_labels"])}
    sides |= {f"file of {source}": labels for source, labels in _labels_of_sources(table).items()}
    sides = {side: labels for side, labels in sides.items() if labels}
    if len(protocol.labels) < 2:
        return []
    if len({frozenset(labels) for labels in sides.values()}) == 1:
        sides = {"file, reference or prediction,": next(iter(sides.values()))}
    return [
        f"No {side} holds the label {' or '.join(absent)} of {protocol.title}, only "
        f"{', '.join(map(str, sorted(held)))}: if these are the labels of another task, all regions here are wrong."
        for side, held in sides.items()
        if (absent := [f"{label} ({name.upper()})" for label, name in alone.items() if label not in held])
    ]


def _labels_of_sources(table: pd.DataFrame) -> dict[str, set[int]]:
    return {str(source): _numbers(rows["labels"]) for source, rows in table.groupby("source", sort=False)}


def _numbers(labels: "pd.Series[str]") -> set[int]:
    return {int(label) for label in set(" ".join(labels).split())}
