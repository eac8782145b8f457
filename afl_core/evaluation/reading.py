"""A blinded reading: which of two masks a reader prefers, case by case, kept in the results folder.

The sides are drawn for every case when the reading begins. Nothing of them is told before the reader closes it; what
is closed takes no further choice.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from afl_core.base.storage import json_text, read_bounded, write_atomically
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.manifest import damaged

SIDES = ("A", "B")
CHOICES: Mapping[str, str] = MappingProxyType({"A": "A is better", "B": "B is better", "=": "No preference"})
"""What a reader can say of a case."""

LARGEST, LONGEST = 2**26, 60
"""Bytes of the file of a reading, and letters of a reader's name, at most."""


@dataclass(frozen=True)
class Reading:
    """One reader, two sources and a region.

    Attributes:
        reader: Name of the reader.
        pair: The two sources.
        region: Region that is looked at.
        seed: By which the sides are drawn.
        with_reference: Whether the reader sees the reference.
        closed: Whether the sources were shown; then no choice is taken any more.
        choices: Id of a case to a key of `CHOICES`, in the order in which they were made.
    """

    reader: str
    pair: tuple[str, str]
    region: str
    seed: str
    with_reference: bool = True
    closed: bool = False
    choices: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of its file, and in an address: the same for the same reader, sources and region; it tells none."""
        return _name(self.reader, self.pair, self.region)

    def sides(self, case_id: str) -> tuple[str, str]:
        """The sources that stand as A and as B."""
        first, second = self.pair
        drawn = hashlib.sha256(f"{self.seed} {case_id}".encode()).digest()[0] & 1
        return (second, first) if drawn else (first, second)

    def preferred(self, case_id: str) -> str:
        """The source that the reader preferred; "" without a preference or a choice."""
        choice = self.choices.get(case_id, "=")
        return "" if choice == "=" else self.sides(case_id)[SIDES.index(choice)]


def begin_reading(folder: Path, reader: str, pair: tuple[str, str], region: str, *, with_reference: bool) -> Reading:
    """A new reading, or the one that this reader began of these sources and this region, which goes on as it was.

    Args:
        folder: The results folder.
        reader: Name of the reader.
        pair: The two sources.
        region: Name of the region.
        with_reference: Whether a new reading shows the reference.

    Raises:
        UsageError: If there is no name of a reader, or no two sources.
        DataError: If the file of the reading is damaged.
    """
    reader = " ".join(reader.split())
    if not 0 < len(reader) <= LONGEST:
        raise UsageError("A reading needs the name of its reader", received=reader, todo=f"Up to {LONGEST} letters")
    if pair[0] == pair[1]:
        raise UsageError("A reading takes two sources", received=pair[0])
    if _path(folder, name := _name(reader, pair, region)).is_file():
        return load_reading(folder, name)
    reading = Reading(reader, pair, region, secrets.token_hex(16), with_reference)
    _save(folder, reading)
    return reading


def load_reading(folder: Path, name: str) -> Reading:
    """The reading of that name.

    Raises:
        DataError: If there is none, or its file is damaged.
    """
    path = _path(folder, name)
    if not name.isalnum() or not path.is_file():
        raise DataError("There is no such reading", received=name, todo="Begin one")
    try:
        found = json.loads(read_bounded(path, LARGEST))
        reading = Reading(**{**found, "pair": tuple(found["pair"])})
        if reading.name != name or not set(reading.choices.values()) <= set(CHOICES):
            raise ValueError("it is another reading")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise damaged(folder, f"readings/{path.name}", error) from error
    return reading


def choose(folder: Path, reading: Reading, case_id: str, choice: str) -> Reading:
    """The reading with a choice, which is written before this returns; a later choice of a case replaces the first.

    Raises:
        UsageError: If the reading is closed, or there is no such choice.
    """
    if reading.closed:
        raise UsageError("This reading is closed: its sources were shown", todo="Begin one by another reader's name")
    if choice not in CHOICES:
        raise UsageError("There is no such choice", received=choice, todo=", ".join(CHOICES))
    return _saved(folder, reading, choices={**reading.choices, case_id: choice})


def close(folder: Path, reading: Reading) -> Reading:
    """The reading as the sources are shown."""
    return _saved(folder, reading, closed=True)


def _saved(folder: Path, reading: Reading, **changes: Any) -> Reading:
    changed = replace(reading, **changes)
    _save(folder, changed)
    return changed


def _save(folder: Path, reading: Reading) -> None:
    write_atomically(_path(folder, reading.name), json_text(vars(reading)).encode())


def _path(folder: Path, name: str) -> Path:
    return folder / "readings" / f"{name}.json"


def _name(reader: str, pair: tuple[str, str], region: str) -> str:
    """The same whatever the order of the pair and the capitals of the reader: a closed reading is not begun again."""
    return hashlib.sha256(json.dumps([reader.casefold(), *sorted(pair), region]).encode()).hexdigest()[:16]
