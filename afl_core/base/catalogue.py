"""Look a name up in one of the literal catalogues, and help where it is misspelt."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

from afl_core.errors import UsageError

T = TypeVar("T")


def pick(catalogue: Mapping[str, T], name: str, *, kind: str) -> T:
    """The entry of that name.

    Raises:
        UsageError: If there is none; names the nearest and lists all.

    >>> pick({"focal": 1}, "focla", kind="loss")
    Traceback (most recent call last):
    afl_core.errors.UsageError: There is no loss of that name (received: focla). Did you mean focal? There are: focal.
    """
    if name in catalogue:
        return catalogue[name]
    hint = f"Did you mean {near}? " if (near := nearest_key(catalogue, name)) else ""
    raise UsageError(
        f"There is no {kind} of that name", received=name, todo=f"{hint}There are: {', '.join(catalogue) or 'none'}"
    )


def find_key(catalogue: Mapping[str, object], name: str, *, kind: str) -> str:
    """The key that a person means who typed it, or the label of its entry, in capitals or not.

    Raises:
        UsageError: If there is none, as `pick`.

    >>> find_key({"dsc": 1, "nsd": 2}, "DSC", kind="metric")
    'dsc'
    """
    if name not in catalogue:
        name = _known(catalogue).get(_folded(name), name)
    pick(catalogue, name, kind=kind)
    return name


def nearest_key(catalogue: Mapping[str, object], name: str) -> str:
    """The key whose name or label is most like a name; "" where none is."""
    known = _known(catalogue)
    near = get_close_matches(_folded(name), known, n=1)
    return known[near[0]] if near else ""


def _known(catalogue: Mapping[str, object]) -> dict[str, str]:
    """Every key and label of a catalogue, folded, to its key; a label of several entries tells none of them."""
    labels: dict[str, list[str]] = {}
    for key, entry in catalogue.items():
        labels.setdefault(_folded(getattr(entry, "label", "")), []).append(key)
    alone = {label: keys[0] for label, keys in labels.items() if label and len(keys) == 1}
    return alone | {_folded(key): key for key in catalogue}


def _folded(name: object) -> str:
    return " ".join(str(name).casefold().replace("_", " ").replace("-", " ").split())
