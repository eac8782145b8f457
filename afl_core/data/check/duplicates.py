"""Files with the same bytes, found without reading those that cannot be."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from afl_core.base.remote import bring
from afl_core.errors import AflError

_HEAD = 2**16
"""Bytes by which files of one size are told apart before they are read whole."""


def find_duplicates(sizes: Mapping[Path, int]) -> tuple[tuple[Path, ...], ...]:
    """Groups of files with the same bytes: first those of one size, then with one beginning, then read whole.

    Files that cannot be read are passed over.
    """
    by_size = _groups(sizes, lambda path: sizes[path])
    by_head = [group for same in by_size for group in _groups(same, lambda path: _digest(path, _HEAD))]
    return tuple(tuple(sorted(group)) for same in by_head for group in _groups(same, lambda path: _digest(path, None)))


def _groups(paths: Iterable[Path], key: Callable[[Path], object]) -> list[list[Path]]:
    groups: dict[object, list[Path]] = defaultdict(list)
    for path in paths:
        try:
            groups[key(path)].append(path)
        except (OSError, AflError):
            continue
    return [group for group in groups.values() if len(group) > 1]


def _digest(path: Path, limit: int | None) -> bytes:
    bring(path)
    with path.open("rb") as file:
        if limit is None:
            return hashlib.file_digest(file, "sha256").digest()
        return hashlib.sha256(file.read(limit)).digest()
