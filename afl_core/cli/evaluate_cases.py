"""Evaluation of cases in a pool of processes or on a cluster, with a progress bar, for every command that measures."""

import shutil
from collections.abc import Sequence

import typer

from afl_core.base.isolation import ERRORS
from afl_core.base.words import number_of
from afl_core.base.workers import Workers, worker_pool
from afl_core.cli.terminal import print_always, print_line, print_problems, progress_bar
from afl_core.data.layouts import Cohort
from afl_core.errors import UsageError
from afl_core.evaluation.pipeline import CaseResult
from afl_core.evaluation.replaced import replaced_sentence
from afl_core.evaluation.results import Results
from afl_core.evaluation.rows import Settings
from afl_core.evaluation.run import begin, evaluate_into
from afl_core.evaluation.sources import Source
from afl_core.volume import Case


def evaluate_cases(  # noqa: PLR0913 - one argument a choice
    cohort: Cohort,
    cases: Sequence[Case],
    sources: Sequence[Source],
    results: Results,
    *,
    settings: Settings | None = None,
    split: Sequence[str] = (),
    workers: Workers = None,
    again: str = "give the command again to go on",
) -> dict[str, str]:
    """Evaluate cases into a results folder, with a progress bar; what failed is listed.

    Args:
        cohort: The data set.
        cases: Cases of the data set to evaluate; of them the ones that count in these results are evaluated.
        sources: Sources that predict.
        results: Results folder, which takes rows and masks.
        settings: Settings of the measurement; None is those of the results.
        split: The cases that count, such as a test split; () is as recorded before, or all.
        workers: Largest number of processes, or a cluster.
        again: What goes on with an evaluation that was stopped.

    Returns:
        The problems by case, and by source where they are of one.

    Raises:
        UsageError: If nothing could be evaluated, or if `replaced` raises it.
    """
    problems, fresh = dict(cohort.problems), not results.folder.exists()
    count = len(cases)
    if told := replaced_sentence(results.manifest().sources, sources):
        print_always(told)
    cases, sources = begin(results, cohort, cases, sources, settings=settings, split=split)
    if others := count - len(cases):
        left = number_of(others, "other is", "others are")
        print_line(f"These results are of a split of {number_of(len(cases), 'case')}: {left} left out")
    pool = worker_pool(tasks=len(cases), workers=workers, shared=results.folder)
    with progress_bar("Evaluating") as advance, pool as executor:
        done, measured = 0, 0
        advance(done, len(cases))

        def report(result: CaseResult) -> None:
            nonlocal done, measured
            done += 1
            measured += bool(result.rows or result.unchanged)
            failures = {f"{result.case_id} {name}".strip(): text for name, text in (result.problems or {}).items()}
            for region, texts in (result.region_problems or {}).items():
                failures |= {f"{result.case_id} {name}, {region}": text for name, text in texts.items()}
            problems.update(failures)
            advance(done, len(cases), result.case_id)

        try:
            evaluate_into(results, cases, sources, executor=executor, report=report)
        except KeyboardInterrupt:
            where = f"{done} of {number_of(len(cases), 'case')}"
            print_line(f"Stopped after {where}. What is done is kept: {again}.")
            raise typer.Exit(130) from None
    print_problems(problems)
    if not measured:
        if fresh and results.cases().empty and not (results.folder / ERRORS).exists():  # it holds nothing
            shutil.rmtree(results.folder, ignore_errors=True)
        raise UsageError(
            "No case could be evaluated", received=number_of(len(cases), "case"), todo="See the reasons above"
        )
    return problems
