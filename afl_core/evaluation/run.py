"""Evaluate many cases into a results folder, on a pool of processes."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager

from afl_core.errors import AflError
from afl_core.evaluation.pipeline import CaseResult, evaluate_cases, row_key
from afl_core.evaluation.results import Results
from afl_core.evaluation.sources import Source
from afl_core.volume import Case


@contextmanager
def worker_pool(*, tasks: int) -> Iterator[Executor | None]:
    """A pool with a process a core, or None where one task does not pay for it.

    Processes are spawned, since PyTorch does not survive a fork; leaving the context by an error drops what is queued.
    """
    workers = min(tasks, os.cpu_count() or 1)
    if workers < 2:
        yield None
        return
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def evaluate_into(
    results: Results,
    cases: Sequence[Case],
    sources: Sequence[Source],
    *,
    executor: Executor | None = None,
    report: Callable[[CaseResult], None] = lambda result: None,
) -> None:
    """Evaluate cases and store each as soon as it is finished, so that a kill loses only the cases under way.

    Args:
        results: Where rows and masks go; rows that are still valid are not computed again.
        cases: What to evaluate.
        sources: What predicts or holds the masks.
        executor: Runs the cases; without one they run here.
        report: Called with every finished case.
    """
    known = results.known_keys()
    for result in evaluate_cases(cases, sources, results.folder, known=known, executor=executor):
        results.add([result])
        report(result)


def pending(cases: Iterable[Case], sources: Sequence[Source], results: Results) -> list[Case]:
    """Cases that lack an up-to-date row of at least one source."""
    known = results.known_keys()
    return [case for case in cases if any(_key(case, source) not in known for source in sources)]


def _key(case: Case, source: Source) -> str:
    try:
        return row_key(case, source)
    except (AflError, OSError):
        return ""
