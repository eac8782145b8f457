"""Spread work over processes: a pool of them, and one generator of finished tasks."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, InvalidStateError, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from afl_core.base.isolation import attempt
from afl_core.base.paths import LOGS
from afl_core.base.storage import drop_half_written
from afl_core.errors import AflError, UsageError

IN_FLIGHT = 256
"""Tasks handed to a pool at a time: more than it has processes, and few enough to hold."""

WATCH_SECONDS = 1.0
"""Seconds between two looks whether a pool still works."""

STOP_SECONDS = 8.0
"""Seconds in which a process must leave its work when the pool is stopped; a training run takes up to four."""

T = TypeVar("T")
R = TypeVar("R")


def finished(
    work: Callable[[T], R],
    tasks: Iterable[T],
    *,
    of: Callable[[T], str],
    folder: Path = LOGS,
    executor: Executor | None = None,
    at_once: int = IN_FLIGHT,
) -> Iterator[tuple[T, R | AflError]]:
    """Do the same work on every task; each task with its outcome comes as it is finished.

    Where this is left early, by an error of the caller or by Ctrl-C, tasks that have not begun are dropped.

    Args:
        work: Function to call; of a module, or a `partial` of one, where the executor has other processes.
        tasks: The tasks, taken one after the other as they are handed on.
        of: Function that describes the work on a task and its file, as `explained` takes it.
        folder: Folder of the log of unforeseen errors.
        executor: Executor that runs the tasks; without one they run here, one after the other.
        at_once: Number of tasks that the executor has at a time.

    Yields:
        The task, and its result or the error that it ended with: one bad task never ends the others.

    Raises:
        BrokenExecutor: If a process of the executor has ended; `worker_pool` says so.
    """
    if executor is None:
        for task in tasks:
            yield task, attempt(partial(work, task), of=of(task), folder=folder)
        return
    waiting, running = iter(tasks), dict[Future[R | AflError], T]()
    try:
        while True:
            for task in islice(waiting, at_once - len(running)):
                future = executor.submit(attempt, partial(work, task), of=of(task), folder=folder)
                running[future] = task
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    finally:
        for future in running:
            future.cancel()


@contextmanager
def worker_pool(*, tasks: int, workers: int | None = None) -> Iterator[Executor | None]:
    """A pool with a process a core, or None where one task does not pay for it.

    Processes are spawned, since PyTorch does not survive a fork. Leaving the context by an error, Ctrl-C among them,
    drops what is queued and ends what runs; they also end with this process, however that ends.

    Args:
        tasks: Number of the tasks that there will be.
        workers: Largest number of processes, instead of one a core. Each holds one case at a time.

    Raises:
        UsageError: If a process, or the thread that hands out the tasks, has ended for want of memory.
    """
    count = min(tasks, workers or os.cpu_count() or 1)
    if count < 2:
        yield None
        return
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_prepare_worker)
    left = threading.Event()
    threading.Thread(target=_fail_if_abandoned, args=(pool, left), daemon=True).start()
    try:
        yield pool
    except BaseException as error:
        _end(set(multiprocessing.active_children()) - others)
        if isinstance(error, BrokenProcessPool):
            raise _out_of_memory() from error
        raise
    finally:
        left.set()
        with suppress(RuntimeError):  # it joins threads that it could not start
            pool.shutdown(cancel_futures=True)


def _out_of_memory() -> UsageError:
    todo = "Free some, or use fewer processes (--workers 1)"
    return UsageError("A process ended amid its work, perhaps for want of memory", todo=todo)


def _fail_if_abandoned(pool: ProcessPoolExecutor, left: threading.Event) -> None:
    """Fail what waits for a result that cannot come.

    The pool does not notice when its own thread, which hands out the tasks, has died for want of memory or threads.
    """
    while not left.wait(WATCH_SECONDS):
        thread: Any = pool._executor_manager_thread
        if thread is not None and not thread.is_alive():
            for item in tuple(pool._pending_work_items.values()):
                with suppress(InvalidStateError):
                    item.future.set_exception(_out_of_memory())


def _prepare_worker() -> None:
    """Prepare a worker: Ctrl-C is the parent's to answer; being told to end, or losing the parent, ends it at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: _leave())
    threadpool_limits(1)  # the pool fills the cores
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        _leave()


def _leave() -> None:
    drop_half_written()
    os._exit(1)  # an exception would end the task alone: the pool's loop takes the next


def _end(processes: Iterable[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()
