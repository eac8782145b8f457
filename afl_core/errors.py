"""Errors that a person can act on: what happened, what was received, what to do."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

TOGETHER = 5
"""So many problems of one cause are told as one."""


class AflError(Exception):
    """A mistake in the input, not in the program.

    Args:
        what: What happened, as a sentence without its full stop.
        received: The offending value, if one can be shown.
        todo: What the reader can do about it.
    """

    def __init__(self, what: str, *, received: object = None, todo: str = "") -> None:
        self.what, self.received, self.todo = what, received, todo
        super().__init__(what, received, todo)

    def __str__(self) -> str:
        """One line: what, then what was received, then what to do; brackets never stand empty.

        >>> str(DataError("There is no split of that name", received="", todo="Choose one"))
        'There is no split of that name (received: nothing). Choose one.'
        """
        received = str(self.received).strip() or "nothing"
        parts = [self.what if self.received is None else f"{self.what} (received: {received})"]
        return ". ".join([*parts, self.todo]).rstrip(". ") + "."

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the keyword arguments when the error crosses a process boundary; what was received crosses as text."""
        received = None if self.received is None else str(self.received)  # itself it may be of any kind
        return _rebuild, (type(self), self.what, received, self.todo)


def _rebuild(kind: type[AflError], what: str, received: object, todo: str) -> AflError:
    return kind(what, received=received, todo=todo)


class DataError(AflError):
    """A file or folder that cannot be read as a case."""


class GeometryError(AflError):
    """Arrays that do not lie on the same grid."""


class CheckpointError(AflError):
    """A checkpoint that is not ours, is damaged, or does not fit the case."""


class UsageError(AflError):
    """An option or argument with a value outside what is accepted."""


def group_problems(problems: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Problems by cause: names, and the text of the first; a cause of few names is told name by name.

    Two texts have one cause where they differ in the name and in numbers alone.

    >>> list(group_problems({"a": "a is empty", "b": "b is empty"}))
    [(('a',), 'a is empty'), (('b',), 'b is empty')]
    >>> list(group_problems({f"c{k}": f"c{k} has {k} axes" for k in range(5)}))
    [(('c0', 'c1', 'c2', 'c3', 'c4'), 'c0 has 0 axes')]
    """
    causes: dict[str, list[str]] = defaultdict(list)
    for name in sorted(problems):
        causes[_cause(name, problems[name])].append(name)
    for names in causes.values():
        if len(names) < TOGETHER:
            yield from (((name,), problems[name]) for name in names)
        else:
            yield tuple(names), problems[names[0]]


def listed(names: tuple[str, ...], *, shown: int = 3) -> str:
    """The first names, and how many there are where these are not all.

    >>> listed(("a", "b")), listed(("a", "b", "c", "d", "e"))
    ('a, b', '5: a, b, c and 2 more')
    """
    if len(names) <= shown:
        return ", ".join(names)
    return f"{len(names):,}: {', '.join(names[:shown])} and {len(names) - shown:,} more"


def _cause(name: str, problem: str) -> str:
    for part in sorted({name, *name.split(" ")}, key=len, reverse=True):  # a case, or a case and a source
        problem = problem.replace(part, "") if len(part) > 1 else re.sub(rf"\b{re.escape(part)}\b", "", problem)
    return re.sub(r"\d+(?:\.\d+)?", "0", problem)
