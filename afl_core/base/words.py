"""Numbers in sentences."""

from collections.abc import Mapping, Sequence


def number_of(n: int, one: str, many: str = "") -> str:
    """A number and what it counts, in the singular or the plural.

    Args:
        n: The number.
        one: Words that follow a 1; also a noun with its verb.
        many: Words that follow every other number; `one` with an s unless it is given.

    >>> number_of(1, "case"), number_of(0, "case"), number_of(1150, "voxel")
    ('1 case', '0 cases', '1,150 voxels')
    >>> number_of(1, "study is", "studies are"), number_of(2, "study is", "studies are")
    ('1 study is', '2 studies are')
    """
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"


def number_in_parts(parts: Mapping[str, int], noun: str) -> str:
    """The sum of counts and what it counts, with the parts in brackets.

    >>> number_in_parts({"train": 3, "test": 1}, "case")
    '4 cases (3 train, 1 test)'
    """
    return f"{number_of(sum(parts.values()), noun)} ({', '.join(f'{n:,} {name}' for name, n in parts.items())})"


def named(names: Sequence[str], *, shown: int = 3) -> str:
    """Some names, and how many more there are.

    >>> named(["a", "b", "c", "d"]), named(["a"])
    ('a, b, c and 1 more', 'a')
    """
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
