"""Evaluate many cases into a results folder, and tell which are due."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import replace

from afl_core.data.layouts import Cohort
from afl_core.errors import AflError
from afl_core.evaluation.manifest import counted
from afl_core.evaluation.pipeline import CaseResult, evaluate_cases
from afl_core.evaluation.results import Results
from afl_core.evaluation.rows import Known, Settings, row_key
from afl_core.evaluation.sources import Source, decide_meanings
from afl_core.volume import Case

STORE_SECONDS = 2.0
"""Finished cases are stored this often: each time is a part, or where there are few rows, all tables anew."""


def begin(
    results: Results,
    cohort: Cohort,
    cases: Sequence[Case],
    sources: Sequence[Source],
    *,
    settings: Settings | None = None,
    split: Sequence[str] = (),
) -> tuple[list[Case], tuple[Source, ...]]:
    """Record in a results folder what is about to be evaluated.

    Args:
        results: Results folder.
        cohort: The data set.
        cases: Cases of the data set that are wanted.
        sources: Sources of the masks.
        settings: Settings of the measurement; None is those of the results.
        split: The cases that count, such as a test split; () is as recorded before, or all.

    Returns:
        The wanted cases that count in these results, and the sources with what their files hold decided.

    Raises:
        AflError: If the folder holds results of something else, or a source's files cannot be understood.
    """
    decided = decide_meanings(sources, cohort)
    results.describe_cohort(cohort, decided, settings=settings, cases=split)
    counting = {case.case_id for case in counted(cohort, results.manifest()).cases}
    return [case for case in cases if case.case_id in counting], decided


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
        results: Results folder, which takes rows and masks; rows that are still valid are not computed again.
        cases: Cases to evaluate.
        sources: Sources of the masks.
        executor: Executor of the cases; without one they run here.
        report: Called with every finished case.
    """
    finished: list[CaseResult] = []
    stored = time.monotonic()
    try:
        tasks = evaluate_cases(
            cases,
            sources,
            results.folder,
            known=results.known_by_case([case.case_id for case in cases]),
            settings=results.settings(),
            executor=executor,
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
    """Cases that lack an up-to-date row of at least one source and region."""
    cases = list(cases)
    known, settings = results.known_keys([case.case_id for case in cases]), results.settings()
    return [case for case in cases if any(_rows(case, source, settings) - known for source in sources)]


def _rows(case: Case, source: Source, settings: Settings) -> frozenset[Known]:
    """The rows that a source has of a case when all is measured."""
    try:
        regions = [replace(case, region=region) for region in source.regions(case)]
        return frozenset((source.name, of.region.name, row_key(of, source, settings)) for of in regions)
    except (AflError, OSError):
        return frozenset({(source.name, "", "")})
