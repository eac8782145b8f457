"""What challenges' protocols say of cases, kept in a folder: `protocols/NAME.csv`, a row a case, source and region.

Each row holds the key of what it was measured on, so that rows whose files have changed are told from those that hold.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from afl_core.base.isolation import attempt
from afl_core.base.storage import file_state
from afl_core.base.words import named
from afl_core.base.workers import finished
from afl_core.data.layouts import Cohort
from afl_core.errors import AflError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.detection_cases import kind_of_maps
from afl_core.evaluation.prediction_values import BYTE_MAPS
from afl_core.evaluation.protocol_cases import CaseByProtocol, measure_case
from afl_core.evaluation.protocol_doubts import different_cases, doubts
from afl_core.evaluation.protocol_labels import by_labels
from afl_core.evaluation.protocol_rows import (
    Pair,
    joined_rows,
    keep_rows,
    measured_protocols,
    sound_rows,
    table_of,
)
from afl_core.evaluation.sources import MaskSource, Source
from afl_core.metrics.protocols import PROTOCOLS, Protocol
from afl_core.volume import Case

VERSION = 1
"""Version of the rows; it goes up whenever a protocol measures otherwise, and what is kept is then measured again."""

NO_LABELS = ("probabilities", "channels", BYTE_MAPS, "maps-beside-labels")
"""Meanings of folders whose files hold no labels."""


@dataclass(frozen=True, eq=False)
class ByProtocol:
    """Cases and sources by one protocol.

    Attributes:
        table: The rows, in the order of sources and cases; empty where nothing could be measured.
        problems: Case, and source where it is of one, to why it could not be measured.
        damaged: That the kept table was damaged, in words, or "".
    """

    table: pd.DataFrame
    problems: Mapping[str, str]
    damaged: str = ""


@dataclass(frozen=True, eq=False)
class Measurable:
    """What a protocol can measure of opened results.

    Attributes:
        rule: The protocol by the labels of the data set.
        cohort: The cases with a reference.
        sources: The folders of label files.
        left_out: Names of the other sources.
    """

    rule: Protocol
    cohort: Cohort
    sources: tuple[MaskSource, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class KeptRows:
    """What a results folder keeps of a protocol.

    Attributes:
        of: What the protocol can measure of the results.
        table: The rows that still hold.
        lacking: Number of predictions without such rows.
        damaged: That the kept table is damaged, in words, or "".
    """

    of: Measurable
    table: pd.DataFrame
    lacking: int
    damaged: str

    @property
    def rule(self) -> Protocol:
        """The protocol by the labels of the data set."""
        return self.of.rule

    @property
    def caveats(self) -> list[str]:
        """What looks wrong, in sentences."""
        names = list(self.table["source"].unique())
        said = [*doubts(self.table, self.rule, self.of.cohort), different_cases(self.table, names)] if names else []
        damaged = f"{self.damaged}: what is damaged is left out." if self.damaged else ""
        return [sentence for sentence in (damaged, *said) if sentence]


def takes_maps(source: Source, protocol: str) -> bool:
    """Whether a source is a folder of maps, and the protocol one that scores confidences."""
    return protocol == "picai" and isinstance(source, MaskSource) and source.meaning == "probabilities"


def label_folders(sources: Sequence[Source], protocol: str) -> tuple[tuple[MaskSource, ...], tuple[str, ...]]:
    """The sources that are folders of files that a protocol can measure, and the names of the others."""
    folders = tuple(
        of for of in sources if isinstance(of, MaskSource) and (of.meaning not in NO_LABELS or takes_maps(of, protocol))
    )
    return folders, tuple(of.name for of in sources if of not in folders)


def left_out_sentence(names: Sequence[str]) -> str:
    """Which sources a protocol does not measure; "" where there is none."""
    todo = "write masks with `afl predict` and give their folder"
    return f"By the protocol's rules without {named(names)}, no folder of label files: {todo}." if names else ""


def wanted_keys(cases: Sequence[Case], sources: Sequence[MaskSource], protocol: Protocol) -> dict[Pair, str]:
    """Every case and source to a key that changes with a file, the patient or the protocol."""
    rule = (VERSION, protocol.name, dict(protocol.regions))
    keys = dict[Pair, str]()
    for source in sources:
        for case in cases:
            found = attempt(partial(source.files, case), of=f"finding {source.name}'s file of {case.case_id}")
            file = None if isinstance(found, AflError) else found[0].resolve()
            reference = case.reference.resolve() if case.reference else None
            parts = (rule, case.patient, case.trust_voxel_order, file_state(reference), file_state(file))
            keys[case.case_id, source.name] = hashlib.sha256(repr(parts).encode()).hexdigest()
    return keys


def kept_rows(folder: Path, protocol: Protocol, wanted: Mapping[Pair, str]) -> tuple[pd.DataFrame, str]:
    """The rows in a folder that still hold for what is wanted, in that order; and that the table is damaged, or ""."""
    stored, damaged = sound_rows(folder, protocol)
    pairs = list(zip(stored["case_id"], stored["source"], strict=True))
    holds = [wanted.get(pair) == key for pair, key in zip(pairs, stored["key"], strict=True)]
    return _in_order(stored[np.array(holds, bool)], wanted), damaged


def measure_protocol(
    cases: Sequence[Case],
    sources: Sequence[MaskSource],
    protocol: Protocol,
    *,
    folder: Path | None = None,
    executor: Executor | None = None,
    report: Callable[[int, int, str], object] = lambda done, total, case_id: None,
) -> ByProtocol:
    """Measure cases and sources by a protocol; rows of the folder that still hold are not measured again.

    Args:
        cases: Cases with a reference.
        sources: Folders of label files; for PI-CAI also of maps.
        protocol: The protocol, by the labels of the data set.
        folder: Folder that keeps the rows, such as a results folder; None keeps none.
        executor: Executor that measures the cases; without one they are measured here.
        report: Function that is called with every finished case: how many are done, of how many, and the case.
    """
    wanted = wanted_keys(cases, sources, protocol)
    kinds = {of.name: kind_of_maps(of, cases) for of in sources if takes_maps(of, protocol.name)}
    kept, damaged = kept_rows(folder, protocol, wanted) if folder else (table_of([]), "")
    kept = kept[kept["read_as"] == kept["source"].map(lambda name: kinds.get(name, ""))]
    held = set(zip(kept["case_id"], kept["source"], strict=True))
    due = [(case, tuple(of for of in sources if (case.case_id, of.name) not in held)) for case in cases]
    due = [(case, missing) for case, missing in due if missing]
    rows, problems = list[Mapping[str, object]](), dict[str, str]()
    try:
        tasks = finished(partial(_measure, rule=_sent(protocol), kinds=kinds), due, of=_told, executor=executor)
        for done, ((case, _), outcome) in enumerate(tasks, start=1):
            report(done, len(due), case.case_id)
            if isinstance(outcome, AflError):
                problems[case.case_id] = str(outcome)
                continue
            rows += [dict(row) | {"key": wanted[case.case_id, str(row["source"])]} for row in outcome.rows]
            problems |= {f"{case.case_id} {source}": text for source, text in outcome.problems.items()}
    finally:  # what is measured stays, also where it is stopped
        table = _in_order(joined_rows(kept, table_of(rows)), wanted)
        if folder and rows:
            keep_rows(folder, protocol.name, table, wanted)
    return ByProtocol(table, problems, damaged)


def measurable(opened: Comparison, name: str) -> Measurable:
    """What the protocol of that name can measure of opened results.

    Raises:
        AflError: If data set or sources cannot be opened, or the data set's labels name no region of the protocol.
    """
    cohort = opened.needed_cohort()
    there = cohort.only([case.case_id for case in cohort.cases if case.reference])
    return Measurable(by_labels(PROTOCOLS[name], there.scheme), there, *label_folders(opened.source_list(), name))


def rows_by_protocol(opened: Comparison, name: str) -> KeptRows:
    """What opened results keep of the protocol of that name.

    Raises:
        AflError: If data set or sources cannot be opened: it is not known then whether rows hold.
    """
    of = measurable(opened, name)
    wanted = wanted_keys(of.cohort.cases, of.sources, of.rule)
    table, damaged = kept_rows(opened.results.folder, of.rule, wanted)
    lacking = len(wanted) - len(table.drop_duplicates(["case_id", "source"]))
    return KeptRows(of, table, lacking, damaged)


def every_protocol(opened: Comparison) -> list[KeptRows]:
    """What the results keep of each protocol that has rows or a damaged table; nothing where that cannot be told."""
    kept = list[KeptRows]()
    for name in measured_protocols(opened.results.folder):
        with suppress(AflError):
            kept.append(rows_by_protocol(opened, name))
    return [of for of in kept if of.damaged or not of.table.empty]


def _measure(task: tuple[Case, tuple[MaskSource, ...]], *, rule: Protocol, kinds: Mapping[str, str]) -> CaseByProtocol:
    return measure_case(task[0], sources=task[1], rule=rule, kinds=kinds)


def _sent(rule: Protocol) -> Protocol:
    """The protocol as it can be sent to another process."""
    return replace(rule, regions=dict(rule.regions))


def _told(task: tuple[Case, tuple[MaskSource, ...]]) -> str:
    return f"measuring {task[0].case_id}"


def _in_order(table: pd.DataFrame, order: Mapping[Pair, str]) -> pd.DataFrame:
    """The rows in the order of sources and cases, whichever was finished first."""
    place = {pair: k for k, pair in enumerate(order)}
    places = [place[pair] for pair in zip(table["case_id"], table["source"], strict=True)]
    return table.iloc[pd.Series(places, dtype=int).argsort(kind="stable")].reset_index(drop=True)
