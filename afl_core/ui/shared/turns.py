"""Long work of pages takes turns: of ten readers at once the first is served first, where all would wait for all."""

import heapq
import itertools
import os
import threading
from collections.abc import Callable
from functools import wraps
from typing import Literal, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

Rank = Literal["slices", "surfaces"]

_RANKS: tuple[Rank, ...] = ("slices", "surfaces")
"""What is drawn first goes first."""


class Turns:
    """A gate through which some go at a time: those of a lower rank first, and of one rank in the order they came."""

    def __init__(self, places: int) -> None:
        self._free, self._places = threading.Condition(), places
        self._waiting: list[tuple[int, int]] = []
        self._numbers = itertools.count()

    def __call__(self, rank: Rank) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """A decorator: the function begins when it is its turn. It must not call another one that waits here."""

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            @wraps(function)
            def in_turn(*args: P.args, **kwargs: P.kwargs) -> R:
                self._enter(_RANKS.index(rank))
                try:
                    return function(*args, **kwargs)
                finally:
                    self._leave()

            return in_turn

        return decorate

    @property
    def waiting(self) -> int:
        """How many stand before the gate."""
        return len(self._waiting)

    def _enter(self, rank: int) -> None:
        with self._free:
            ticket = (rank, next(self._numbers))
            heapq.heappush(self._waiting, ticket)
            self._free.wait_for(lambda: self._places > 0 and self._waiting[0] == ticket)
            heapq.heappop(self._waiting)
            self._places -= 1
            self._free.notify_all()  # there may be a place for the next one too

    def _leave(self) -> None:
        with self._free:
            self._places += 1
            self._free.notify_all()


in_turn = Turns(os.cpu_count() or 1)
"""The gate of this server: as many at a time as there are cores."""
