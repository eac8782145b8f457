"""What challenges' protocols say of cases, kept in a folder: `protocols/NAME.csv`, a row a case, source and region.

Each row holds the key of what it was measured on, so that rows whose files have changed are told from those that hold.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from afl_core.base.isolation import attempt
from afl_core.base.storage import file_state, write_atomically
from afl_core.base.words import named
from afl_core.base.workers import finished
from afl_core.data.layouts import Cohort
from afl_core.errors import AflError, DataError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.detection_cases import kind_of_maps
from afl_core.evaluation.prediction_values import BYTE_MAPS
from afl_core.evaluation.protocol_cases import CaseByProtocol, measure_case
from afl_core.evaluation.sources import MaskSource, Source
from afl_core.metrics.by_protocol import ProtocolRow
from afl_core.metrics.protocols import PROTOCOLS
from afl_core.volume import Case

FOLDER = "protocols"

VERSION = 1
"""Version of the rows; it goes up whenever a protocol measures otherwise, and what is kept is then measured again."""

VALUES: dict[str, Any] = {field.name: field.type for field in fields(ProtocolRow) if field.name != "region"}
"""Column of numbers to their type."""

WORDS = ("source", "case_id", "patient", "protocol", "region")
MORE_WORDS = ("labels", "reference_labels", "read_as", "lesions", "false_positives", "key")
"""Columns of words, before and behind the numbers."""

NO_LABELS = ("probabilities", "channels", BYTE_MAPS, "maps-beside-labels")
"""Meanings of folders whose files hold no labels."""

Pair = tuple[str, str]
"""A case and a source."""


@dataclass(frozen=True, eq=False)
class ByProtocol:
    """Cases and sources by one protocol.

    Attributes:
        table: The rows, in the order of sources and cases; empty where nothing could be measured.
        problems: Case, and source where it is of one, to why it could not be measured.
    """

    table: pd.DataFrame
    problems: Mapping[str, str]


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


def wanted_keys(cases: Sequence[Case], sources: Sequence[MaskSource], protocol: str) -> dict[Pair, str]:
    """Every case and source to a key that changes with a file, the patient or the protocol."""
    rule = (VERSION, protocol, dict(PROTOCOLS[protocol].regions))
    keys = dict[Pair, str]()
    for source in sources:
        for case in cases:
            found = attempt(partial(source.files, case), of=f"finding {source.name}'s file of {case.case_id}")
            file = None if isinstance(found, AflError) else found[0].resolve()
            reference = case.reference.resolve() if case.reference else None
            parts = (rule, case.patient, case.trust_voxel_order, file_state(reference), file_state(file))
            keys[case.case_id, source.name] = hashlib.sha256(repr(parts).encode()).hexdigest()
    return keys


def kept_rows(folder: Path, protocol: str, wanted: Mapping[Pair, str]) -> pd.DataFrame:
    """The rows in a folder that still hold for what is wanted, in that order."""
    stored = _stored(folder, protocol)
    pairs = list(zip(stored["case_id"], stored["source"], strict=True))
    holds = [wanted.get(pair) == key for pair, key in zip(pairs, stored["key"], strict=True)]
    return _in_order(stored[np.array(holds, bool)], wanted)


def measure_protocol(
    cases: Sequence[Case],
    sources: Sequence[MaskSource],
    protocol: str,
    *,
    folder: Path | None = None,
    executor: Executor | None = None,
    report: Callable[[int, int, str], object] = lambda done, total, case_id: None,
) -> ByProtocol:
    """Measure cases and sources by a protocol; rows of the folder that still hold are not measured again.

    Args:
        cases: Cases with a reference.
        sources: Folders of label files; for PI-CAI also of maps.
        protocol: Name in PROTOCOLS.
        folder: Folder that keeps the rows, such as a results folder; None keeps none.
        executor: Executor that measures the cases; without one they are measured here.
        report: Function that is called with every finished case: how many are done, of how many, and the case.
    """
    wanted = wanted_keys(cases, sources, protocol)
    kinds = {of.name: kind_of_maps(of, cases) for of in sources if takes_maps(of, protocol)}
    kept = kept_rows(folder, protocol, wanted) if folder else _table([])
    kept = kept[kept["read_as"] == kept["source"].map(lambda name: kinds.get(name, ""))]
    held = set(zip(kept["case_id"], kept["source"], strict=True))
    due = [(case, tuple(of for of in sources if (case.case_id, of.name) not in held)) for case in cases]
    due = [(case, missing) for case, missing in due if missing]
    rows, problems = list[Mapping[str, object]](), dict[str, str]()
    try:
        tasks = finished(partial(_measure, protocol=protocol, kinds=kinds), due, of=_told, executor=executor)
        for done, ((case, _), outcome) in enumerate(tasks, start=1):
            report(done, len(due), case.case_id)
            if isinstance(outcome, AflError):
                problems[case.case_id] = str(outcome)
                continue
            rows += [dict(row) | {"key": wanted[case.case_id, str(row["source"])]} for row in outcome.rows]
            problems |= {f"{case.case_id} {source}": text for source, text in outcome.problems.items()}
    finally:  # what is measured stays, also where it is stopped
        table = _in_order(_together(kept, _table(rows)), wanted)
        if folder and rows:
            _keep(folder, protocol, table, wanted)
    return ByProtocol(table, problems)


def rename_in_rows(folder: Path, name: str, to: str) -> None:
    """Give a source another name in the rows of every protocol: they are of the same files."""
    for protocol in measured_protocols(folder):
        table = _stored(folder, protocol)
        table = table[table["source"] != to].replace({"source": {name: to}})  # left by a source that is gone
        write_atomically(protocol_file(folder, protocol), table.to_csv(index=False).encode())


def measured_protocols(folder: Path) -> tuple[str, ...]:
    """Names of the protocols of which a folder keeps rows, whether or not they still hold."""
    return tuple(name for name in PROTOCOLS if protocol_file(folder, name).is_file())


def measurable(opened: Comparison, protocol: str) -> tuple[Cohort, tuple[MaskSource, ...], tuple[str, ...]]:
    """What a protocol can measure of opened results: cases with a reference, folders of label files; and other sources.

    Raises:
        AflError: If data set or sources cannot be opened.
    """
    if opened.cohort is None:
        raise DataError("The data set of these results cannot be opened", received=opened.problem)
    there = opened.cohort.only([case.case_id for case in opened.cohort.cases if case.reference])
    return there, *label_folders(opened.source_list(), protocol)


def rows_by_protocol(opened: Comparison, protocol: str) -> tuple[pd.DataFrame, int]:
    """The kept rows of opened results that still hold, and how many predictions lack such rows.

    Raises:
        AflError: If data set or sources cannot be opened: it is not known then whether rows hold.
    """
    cohort, sources, _ = measurable(opened, protocol)
    wanted = wanted_keys(cohort.cases, sources, protocol)
    table = kept_rows(opened.results.folder, protocol, wanted)
    return table, len(wanted) - len(table.drop_duplicates(["case_id", "source"]))


def every_protocol(opened: Comparison) -> dict[str, pd.DataFrame]:
    """Name to the rows that still hold, of every protocol that has some; none where that cannot be told."""
    try:
        tables = {name: rows_by_protocol(opened, name)[0] for name in measured_protocols(opened.results.folder)}
    except AflError:
        return {}
    return {name: table for name, table in tables.items() if not table.empty}


def protocol_file(folder: Path, protocol: str) -> Path:
    """The file of a protocol's rows."""
    return folder / FOLDER / f"{protocol}.csv"


def _measure(task: tuple[Case, tuple[MaskSource, ...]], *, protocol: str, kinds: Mapping[str, str]) -> CaseByProtocol:
    return measure_case(task[0], sources=task[1], protocol=protocol, kinds=kinds)


def _told(task: tuple[Case, tuple[MaskSource, ...]]) -> str:
    return f"measuring {task[0].case_id}"


def _table(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*WORDS, *VALUES, *MORE_WORDS])


def _stored(folder: Path, protocol: str) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            protocol_file(folder, protocol),
            dtype=dict.fromkeys((*WORDS, *MORE_WORDS), str) | VALUES,
            keep_default_na=False,
            na_values={name: [""] for name in VALUES},
        )
        return table[list(_table([]))]
    except (OSError, ValueError, KeyError):
        return _table([])  # none yet, or damaged: it can be measured again


def _keep(folder: Path, protocol: str, table: pd.DataFrame, wanted: Mapping[Pair, str]) -> None:
    """Write the rows, and leave those of other cases and sources as they are."""
    stored = _stored(folder, protocol)
    others = [pair not in wanted for pair in zip(stored["case_id"], stored["source"], strict=True)]
    text = _together(stored[np.array(others, bool)], table).to_csv(index=False)
    write_atomically(protocol_file(folder, protocol), text.encode())


def _together(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    if first.empty or second.empty:
        return second if first.empty else first
    return pd.concat([first, second], ignore_index=True)


def _in_order(table: pd.DataFrame, order: Mapping[Pair, str]) -> pd.DataFrame:
    """The rows in the order of sources and cases, whichever was finished first."""
    place = {pair: k for k, pair in enumerate(order)}
    places = [place[pair] for pair in zip(table["case_id"], table["source"], strict=True)]
    return table.iloc[pd.Series(places, dtype=int).argsort(kind="stable")].reset_index(drop=True)
