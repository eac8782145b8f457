"""The table `protocols/NAME.csv` in a folder, a row a case, source and region: read, checked and written."""

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import fields
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from afl_core.base.storage import write_atomically
from afl_core.base.words import number_of
from afl_core.data.formats.values import FRACTION
from afl_core.evaluation.detection_cases import READ_AS
from afl_core.metrics.by_protocol import ProtocolRow
from afl_core.metrics.protocols import PROTOCOLS, Protocol

FOLDER = "protocols"

VALUES: dict[str, Any] = {field.name: field.type for field in fields(ProtocolRow) if field.name != "region"}
"""Column of numbers to their type."""

WORDS = ("source", "case_id", "patient", "protocol", "region")
MORE_WORDS = ("labels", "reference_labels", "read_as", "lesions", "false_positives", "key")
"""Columns of words, before and behind the numbers."""

SHARES = ("lesion_dsc", "lesion_nsd", "dsc")
"""Columns of 0 to 1; the other numbers are from 0 on."""

LABELS = r"(\d+( \d+)*)?"
"""How the columns of labels are written."""

Pair = tuple[str, str]
"""A case and a source."""


def protocol_file(folder: Path, protocol: str) -> Path:
    """The file of a protocol's rows."""
    return folder / FOLDER / f"{protocol}.csv"


def measured_protocols(folder: Path) -> tuple[str, ...]:
    """Names of the protocols of which a folder keeps rows, whether or not they still hold."""
    return tuple(name for name in PROTOCOLS if protocol_file(folder, name).is_file())


def table_of(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Rows as a table with every column."""
    return pd.DataFrame(rows, columns=[*WORDS, *VALUES, *MORE_WORDS])


def sound_rows(folder: Path, rule: Protocol) -> tuple[pd.DataFrame, str]:
    """The rows of a folder without those of damaged predictions, and that there are some, in words, or "".

    A prediction is damaged where a row of it holds a value that cannot be, or where it does not have one row a region.

    Args:
        folder: Folder that keeps rows.
        rule: The protocol.
    """
    path = protocol_file(folder, rule.name)
    stored = _read(path)
    if stored is None:
        return table_of([]), f"The table {path} cannot be read"
    pairs = list(zip(stored["case_id"], stored["source"], strict=True))
    regions = defaultdict[Pair, list[str]](list)
    for pair, region, right in zip(pairs, stored["region"], _possible(stored, rule), strict=True):
        regions[pair].append(region if right else "")
    whole = {pair for pair, of in regions.items() if sorted(of) == sorted(rule.regions)}
    damaged = len(regions) - len(whole)
    said = f"The table {path} is damaged in {damaged} of {number_of(len(regions), 'prediction')}"
    sound = np.array([pair in whole for pair in pairs], bool)
    return stored[sound], said if len(whole) < len(regions) else ""


def keep_rows(folder: Path, protocol: str, table: pd.DataFrame, wanted: Container[Pair]) -> None:
    """Write the rows, and leave those of other cases and sources than the wanted ones as they are."""
    path = protocol_file(folder, protocol)
    stored = table_of([]) if (found := _read(path)) is None else found
    others = [pair not in wanted for pair in zip(stored["case_id"], stored["source"], strict=True)]
    text = joined_rows(stored[np.array(others, bool)], table).to_csv(index=False)
    write_atomically(path, text.encode())


def rename_in_rows(folder: Path, name: str, to: str) -> None:
    """Give a source another name in the rows of every protocol: they are of the same files."""
    for protocol in measured_protocols(folder):
        table = _read(protocol_file(folder, protocol))
        if table is None:
            continue  # it is measured again
        table = table[table["source"] != to].replace({"source": {name: to}})  # left by a source that is gone
        write_atomically(protocol_file(folder, protocol), table.to_csv(index=False).encode())


def joined_rows(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Rows below one another."""
    if first.empty or second.empty:
        return second if first.empty else first
    return pd.concat([first, second], ignore_index=True)


def _read(path: Path) -> pd.DataFrame | None:
    """The table of a file, empty where there is none yet; None where it is damaged."""
    if not path.is_file():
        return table_of([])
    try:
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys((*WORDS, *MORE_WORDS), str) | dict.fromkeys(VALUES, float),
            keep_default_na=False,
            na_values={name: [""] for name in VALUES},
        )
        counts = [name for name, kind in VALUES.items() if kind is int]
        if not (table[counts] % 1 == 0).all(axis=None):
            return None
        return table[list(table_of([]))].astype(dict.fromkeys(counts, int))
    except (OSError, ValueError, KeyError):
        return None


def _possible(table: pd.DataFrame, rule: Protocol) -> "pd.Series[bool]":
    """Which rows hold values that a protocol can give."""
    largest = {name: 1.0 if name in SHARES else np.finfo(float).max for name in VALUES}
    may_lack = _may_lack(rule)
    of_maps = table["read_as"] != ""
    ok = table["region"].isin(list(rule.regions)) & table["read_as"].isin(["", *READ_AS])
    for name, most in largest.items():
        ok &= table[name].between(0, most) | (table[name].isna() & (of_maps | (name in may_lack)))
    for name in ("labels", "reference_labels"):
        ok &= table[name].str.fullmatch(LABELS)
    for name in ("lesions", "false_positives"):
        ok &= table[name].map(_are_confidences)
    return ok


def _may_lack(rule: Protocol) -> set[str]:
    """Columns in which a protocol leaves a value undefined in some cases."""
    lacking = {"lesion_nsd", "large_tp", "large_fn", "small_tp", "small_fn"}
    lacking |= {"lesion_dsc", "lesion_hd95_mm"} if not rule.mean_over or isnan(rule.nothing[0]) else set()
    lacking |= {"dsc"} if isnan(rule.both_empty[0]) else set()
    return lacking | ({"hd95_mm"} if not rule.hd95 or isnan(rule.both_empty[1]) else set())


def _are_confidences(text: str) -> bool:
    try:
        return all(0 <= float(word) <= 1 + FRACTION for word in text.split())
    except ValueError:
        return False
