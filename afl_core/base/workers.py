"""Spread work over processes, or a cluster: a pool of workers, and one generator of finished tasks."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, InvalidStateError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from afl_core.base.cluster import Cluster, cluster_pool
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

Workers = int | Cluster | None
"""Who works: so many processes at most, or a cluster; None is a process a core."""

T = TypeVar("T")
R = TypeVar("R")


def finished(
    work: Callable[[T], R],
    tasks: Iterable[T],
    *,
    of: Callable[[T], str],
    folder: Path = LOGS,
    executor: Executor | None = None,
    at_once: int | None = None,
) -> Generator[tuple[T, R | AflError], None, None]:
    """Do the same work on every task; each task with its outcome comes as it is finished.

    Where this is left early, by an error of the caller or by Ctrl-C, tasks that have not begun are dropped.

    Args:
        work: Function to call; of a module, or a `partial` of one, where the executor has other processes.
        tasks: The tasks, taken one after the other as they are handed on.
        of: Function that describes the work on a task and its file, as `explained` takes it.
        folder: Folder of the log of unforeseen errors.
        executor: Executor that runs the tasks; without one they run here, one after the other.
        at_once: Number of tasks that the executor has at a time; by default what the executor says of itself, if
            anything, or `IN_FLIGHT`.

    Yields:
        The task, and its result or the error that it ended with: one bad task never ends the others.

    Raises:
        BrokenExecutor: If a process of the executor has ended; `worker_pool` says so.
    """
    if executor is None:
        for task in tasks:
            yield task, attempt(partial(work, task), of=of(task), folder=folder)
        return
    waiting, running, done = iter(tasks), dict[Future[R | AflError], T](), SimpleQueue[Future[R | AflError]]()
    try:
        while True:
            most = at_once or int(getattr(executor, "at_once", IN_FLIGHT))
            for task in islice(waiting, max(0, most - len(running))):
                future = executor.submit(attempt, partial(work, task), of=of(task), folder=folder)
                running[future] = task
                future.add_done_callback(done.put)
            if not running:
                return
            future = done.get()
            yield running.pop(future), future.result()
    finally:
        for future in running:
            future.cancel()


@contextmanager
def worker_pool(*, tasks: int, workers: Workers = None, shared: Path | None = None) -> Iterator[Executor | None]:
    """A pool with a process a core, or None where one task does not pay for it; or the workers of a cluster.

    Processes are spawned, since PyTorch does not survive a fork. Leaving the context by an error, Ctrl-C among them,
    drops what is queued and ends what runs; they also end with this process, however that ends.

    Args:
        tasks: Number of the tasks that there will be.
        workers: Largest number of processes, instead of one a core; each holds one case at a time. Or a cluster, as
            `cluster_pool` takes it; not started where there is no task.
        shared: Folder to which the tasks write, which the workers of a cluster must see.

    Raises:
        UsageError: If a process, or the thread that hands out the tasks, has ended for want of memory.
    """
    if isinstance(workers, Cluster) and tasks:
        with cluster_pool(workers, shared=shared) as executor:
            yield executor
        return
    count = 0 if isinstance(workers, Cluster) else min(tasks, workers or os.cpu_count() or 1)
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
        pool.shutdown(wait=False, cancel_futures=True)  # else its thread would fail tasks that were dropped already
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
