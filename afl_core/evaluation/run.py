"""Evaluate many cases into a results folder, on a pool of processes."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, InvalidStateError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from typing import Any

from threadpoolctl import threadpool_limits

from afl_core.base.storage import drop_half_written
from afl_core.errors import AflError, UsageError
from afl_core.evaluation.pipeline import CaseResult, Settings, evaluate_cases, row_key
from afl_core.evaluation.results import Results
from afl_core.evaluation.sources import Source
from afl_core.volume import Case

STORE_SECONDS = 2.0
"""Finished cases are stored this often: each time, all tables are written anew."""


WATCH_SECONDS = 1.0
"""How often it is looked whether a pool still works."""

STOP_SECONDS = 8.0
"""How long a process may take to leave what it does when the pool is stopped; a training run takes up to four."""


@contextmanager
def worker_pool(*, tasks: int, workers: int | None = None) -> Iterator[Executor | None]:
    """A pool with a process a core, or None where one task does not pay for it.

    Processes are spawned, since PyTorch does not survive a fork. Leaving the context by an error, Ctrl-C among them,
    drops what is queued and ends what runs; they also end with this process, however that ends.

    Args:
        tasks: How many tasks there will be.
        workers: Processes at most, instead of one a core. Each holds one case at a time.

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
    """In a worker: Ctrl-C is the parent's to answer; being told to end, or losing the parent, ends it at once."""
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


def evaluate_into(
    results: Results,
    cases: Sequence[Case],
    sources: Sequence[Source],
    *,
    executor: Executor | None = None,
    report: Callable[[CaseResult], None] = lambda result: None,
) -> None:
    """Evaluate cases and store them as they are finished, so that a kill loses only the last seconds.

    Args:
        results: Where rows and masks go; rows that are still valid are not computed again.
        cases: What to evaluate.
        sources: What predicts or holds the masks.
        executor: Runs the cases; without one they run here.
        report: Called with every finished case.
    """
    finished: list[CaseResult] = []
    stored = time.monotonic()
    try:
        tasks = evaluate_cases(
            cases, sources, results.folder, known=results.known_keys(), settings=results.settings(), executor=executor
        )
        for result in tasks:
            finished.append(result)
            report(result)
            if time.monotonic() - stored > STORE_SECONDS:
                results.add(finished)
                finished, stored = [], time.monotonic()
    finally:
        results.add(finished)


def pending(cases: Iterable[Case], sources: Sequence[Source], results: Results) -> list[Case]:
    """Cases that lack an up-to-date row of at least one source."""
    known, settings = results.known_keys(), results.settings()
    return [case for case in cases if any(_key(case, source, settings) not in known for source in sources)]


def _key(case: Case, source: Source, settings: Settings) -> str:
    try:
        return row_key(case, source, settings)
    except (AflError, OSError):
        return ""
