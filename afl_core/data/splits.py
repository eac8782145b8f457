"""Which cases train, validate and test: a JSON file of case ids."""

import json
import random
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from afl_core.base.catalogue import pick
from afl_core.base.remote import address, is_elsewhere
from afl_core.base.storage import read_json, write_atomically
from afl_core.base.words import named, number_of
from afl_core.data.formats.files import strip_suffix
from afl_core.errors import DataError

SPLITS_FILE = "splits.json"
"""Name of the split file in a data set's folder."""

_TODO = 'Write {"train": [case ids], "test": [case ids]}'


def load_splits(path: Path) -> dict[str, tuple[str, ...]]:
    """Read a split file: `{"train": [case ids], "test": [...]}`; endings of image files are cut.

    Raises:
        DataError: If the file is missing, is not such a mapping, or puts a case into two splits.
    """
    stored = read_json(path, todo=_TODO)
    if not isinstance(stored, dict) or not all(_is_ids(ids) for ids in stored.values()):
        raise DataError(f"{path.name} is not a split file", received=path, todo=_TODO)
    splits = {
        str(name): tuple(strip_suffix(unicodedata.normalize("NFC", case)) for case in ids)
        for name, ids in stored.items()
    }
    _check_disjoint(splits, path)
    return splits


def pick_split(path: Path, name: str, *, known: Collection[str]) -> tuple[str, ...]:
    """The cases of one part of a split file.

    Args:
        path: The file.
        name: Name of the part.
        known: The cases of the data set, also those that were left out.

    Raises:
        UsageError: If there is no part of that name.
        DataError: If `load_splits` raises it, or none of the part's cases is known.
    """
    if not (cases := pick(load_splits(path), name, kind="split")):
        raise DataError(f"The part {name} of {path.name} holds no case", received=path, todo="Name another part")
    if not set(known).intersection(cases):
        what, todo = f"The part {name} of {path.name} names no case of the data set", "Name its cases"
        example = f", such as {next(iter(known))}" if known else ""
        raise DataError(what, received=named(cases), todo=f"{todo}{example}")
    return cases


def unknown_sentence(case_ids: Iterable[str], known: Iterable[str]) -> str:
    """That a split file names cases which the data set does not have; "" where it has them all.

    >>> unknown_sentence(["a", "b"], ["a"])
    'splits.json names 1 case that is not in the data set: b. Check the spelling.'
    """
    if not (gone := sorted(set(case_ids) - set(known))):
        return ""
    names = number_of(len(gone), "case that is not in the data set", "cases that are not in the data set")
    return f"{SPLITS_FILE} names {names}: {named(gone)}. Check the spelling."


def random_splits(case_ids: Sequence[str], *, patients: Mapping[str, str], seed: int = 0) -> dict[str, tuple[str, ...]]:
    """Cases at random: of the patients 60 % to `train`, 20 % to `validation` and 20 % to `test`, one each at least.

    Args:
        case_ids: The cases.
        patients: Case id to patient, of every case.
        seed: The same seed gives the same split.

    Raises:
        DataError: If there are fewer than three patients.
    """
    owners = sorted({patients[case_id] for case_id in case_ids})
    if len(owners) < 3:
        raise DataError("A split needs three patients or more", received=len(owners), todo=f"Write a {SPLITS_FILE}")
    random.Random(seed).shuffle(owners)
    fifth = max(1, round(len(owners) / 5))
    parts = {"validation": owners[:fifth], "test": owners[fifth : 2 * fifth], "train": owners[2 * fifth :]}
    return {
        name: tuple(case_id for case_id in case_ids if patients[case_id] in set(parts[name]))
        for name in ("train", "validation", "test")
    }


def save_splits(path: Path, splits: Mapping[str, Sequence[str]]) -> None:
    """Write a split file atomically.

    Raises:
        DataError: If a case is in two splits, or the folder stands for data that are elsewhere.
    """
    if is_elsewhere(path):
        todo = "In a terminal: afl data split ADDRESS --out FILE"
        raise DataError("Nothing is written to an address or an archive", received=address(path), todo=todo)
    _check_disjoint(splits, path)
    text = json.dumps({name: list(ids) for name, ids in splits.items()}, indent=1)
    write_atomically(path, f"{text}\n".encode())


def _is_ids(ids: object) -> bool:
    return isinstance(ids, list) and all(isinstance(case_id, str) for case_id in ids)


def _check_disjoint(splits: Mapping[str, Sequence[str]], path: Path) -> None:
    counts = Counter(case_id for ids in splits.values() for case_id in ids)
    twice = sorted(case_id for case_id, count in counts.items() if count > 1)
    if twice:
        raise DataError(f"{path.name} uses a case twice", received=", ".join(twice[:5]), todo="Keep each case in one")
