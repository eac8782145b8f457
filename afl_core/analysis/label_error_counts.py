"""The label errors of all cases of results, kept in their folder: reading every file takes time."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path

import pandas as pd

from afl_core.analysis.label_errors import COLUMNS, label_errors, parts_of
from afl_core.base.storage import file_state, write_table
from afl_core.base.words import number_of
from afl_core.base.workers import finished
from afl_core.errors import AflError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.tables import distinct

FILE = "label_errors.parquet"

VERSION = 1
"""Version of the counts; it goes up whenever what is counted changes, and what is kept is then counted again."""

Pair = tuple[str, str]
"""A case and a source."""

Opened = Mapping[str, Comparison]
"""Region to the comparison of it, of every region that was measured."""


def labelled_sources(opened: Opened) -> tuple[str, ...]:
    """The sources whose measured regions tell labels apart, in their order."""
    first = next(iter(opened.values()))
    if first.whole is None:
        return ()
    measured = {region: distinct(of.rows, "source") for region, of in opened.items()}
    regions_of = {source: [region for region in opened if source in measured[region]] for source in first.sources}
    scheme = first.whole.scheme
    return tuple(source for source, regions in regions_of.items() if len(parts_of(scheme, regions).names) > 2)


def wanted_pairs(opened: Opened) -> dict[Pair, str]:
    """Every measured case and source that tells labels apart, to a key that changes with a file or with the regions."""
    first = next(iter(opened.values()))
    cases = {case.case_id: case for case in first.cohort.cases} if first.cohort else {}
    sources = labelled_sources(opened)
    pairs = dict.fromkeys(
        (str(case_id), str(source))
        for of in opened.values()
        for case_id, source in zip(of.rows.get("case_id", ()), of.rows.get("source", ()), strict=True)
        if source in sources
    )
    labels = first.whole.scheme.mapping(first.region) if first.whole else ""
    told = repr((VERSION, labels, tuple(opened)))
    keys = dict[Pair, str]()
    for case_id, source in pairs:
        reference = cases[case_id].reference if case_id in cases else None
        files = [reference, *(of.mask_file(case_id, source) for of in opened.values())]
        patient = cases[case_id].patient if case_id in cases else ""
        parts = repr((told, patient, [file_state(file and file.resolve()) for file in files]))
        keys[case_id, source] = hashlib.sha256(parts.encode()).hexdigest()
    return keys


def kept_counts(folder: Path, wanted: Mapping[Pair, str]) -> tuple[pd.DataFrame, dict[Pair, str]]:
    """What is kept of the wanted pairs and still holds: the rows of `label_errors`, and pair to key."""
    try:
        table = pd.read_parquet(folder / FILE)
        keys = {(case_id, source): key for case_id, source, key in json.loads(table.attrs["keys"])}
        table = table[list(COLUMNS)]
    except (OSError, ValueError, KeyError, TypeError):
        return pd.DataFrame(columns=list(COLUMNS)), {}  # none yet, or damaged: it can be made again
    held = {pair: key for pair, key in keys.items() if wanted.get(pair) == key}
    pairs = pd.MultiIndex.from_frame(table[["case_id", "source"]])
    return table[pairs.isin(list(held))].reset_index(drop=True) if held else table.iloc[:0], held


def count_label_errors(
    opened: Opened,
    *,
    executor: Executor | None = None,
    report: Callable[[int, int, str], object] = lambda done, total, case_id: None,
) -> tuple[pd.DataFrame, dict[Pair, str], dict[Pair, AflError]]:
    """The label errors of every case and source; what was counted before, and still holds, is not read again.

    Args:
        opened: The comparisons of all regions.
        executor: Executor that reads the cases; without one they are read here.
        report: Function that is called with every finished pair: how many are done, of how many, and the case.

    Returns:
        The rows of `label_errors`, by case and source; the pairs that were counted, to the key of each; and those that
        could not be read: they end no other.
    """
    folder, wanted = next(iter(opened.values())).results.folder, wanted_pairs(opened)
    table, held = kept_counts(folder, wanted)
    missing = [pair for pair in wanted if pair not in held]
    tables, problems = [table] if len(table) else [], dict[Pair, AflError]()
    try:
        outcomes = finished(lambda pair: label_errors(opened, *pair), missing, of=_told, executor=executor)
        for done, (pair, outcome) in enumerate(outcomes, start=1):
            if isinstance(outcome, AflError):
                problems[pair] = outcome
            else:
                tables += [outcome] if len(outcome) else []
                held[pair] = wanted[pair]
            report(done, len(missing), pair[0])
    finally:  # what is counted stays, also where it is stopped
        table = _together(tables, list(wanted))
        if missing and held:
            table.attrs = {"keys": json.dumps([[*pair, key] for pair, key in held.items()])}
            write_table(folder / FILE, table)
    return table, held, problems


def on_shared_cases(table: pd.DataFrame, counted: Iterable[Pair]) -> tuple[pd.DataFrame, str]:
    """The rows of the cases on which every source was counted, so that sources compare, and what is left out.

    Args:
        table: The rows of `label_errors`; a case where nothing is in reference and prediction has none.
        counted: The pairs that were counted.

    Returns:
        The rows, and a sentence; "" where every source has every case.
    """
    of = dict[str, set[str]]()
    for case_id, source in counted:
        of.setdefault(source, set()).add(case_id)
    every = set[str]().union(*of.values())
    shared = every.intersection(*of.values())
    if shared == every:
        return table, ""
    left_out = (
        f"Counted on {len(shared)} of {number_of(len(every), 'case')}: on the others a source has no mask that can be "
        "read, or is not counted yet."
    )
    return table[table["case_id"].isin(shared)], left_out


def _told(pair: Pair) -> str:
    return f"reading {pair[1]} on {pair[0]}"


def _together(tables: Sequence[pd.DataFrame], order: Sequence[Pair]) -> pd.DataFrame:
    """All rows in the order of the pairs, whichever was finished first."""
    if not tables:
        return pd.DataFrame(columns=list(COLUMNS))
    table = pd.concat(tables, ignore_index=True)
    place = {pair: k for k, pair in enumerate(order)}
    places = [place[pair] for pair in zip(table["case_id"], table["source"], strict=True)]
    return table.iloc[pd.Series(places, dtype=int).argsort(kind="stable")].reset_index(drop=True)
