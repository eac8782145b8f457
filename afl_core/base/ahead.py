"""Work that is done ahead of who needs it, in a thread."""

import threading
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def done_ahead(work: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
    """The results of some work, in the order of the tasks: while one is in use, the next one is made, and no more.

    Its thread ends with the process, at once; where this is left early, after the task that it is at.

    Args:
        work: Function that raises nothing, such as one that calls `attempt`.
        tasks: The tasks.
    """
    ready, turn, left = SimpleQueue[R](), threading.Semaphore(), threading.Event()

    def run() -> None:
        for task in tasks:
            turn.acquire()
            if left.is_set():
                return
            ready.put(work(task))

    threading.Thread(target=run, daemon=True).start()
    try:
        for _ in tasks:
            result = ready.get()
            turn.release()
            yield result
    finally:
        left.set()
        turn.release()
