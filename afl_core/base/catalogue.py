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
    near = get_close_matches(str(name), catalogue, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise UsageError(f"There is no {kind} of that name", received=name, todo=f"{hint}There are: {', '.join(catalogue)}")
