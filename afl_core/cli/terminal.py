"""What the command line prints: progress bars, tables and problems, all on standard error except the tables."""

import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from afl_core.analysis.breakdown.options import Options, choose_units, evaluated_sources
from afl_core.analysis.breakdown.overall import basis_sentence, with_tumour
from afl_core.analysis.breakdown.records import patient_means
from afl_core.analysis.statistics.paired import patients_text
from afl_core.base.numbers import NOTHING, number
from afl_core.errors import group_problems, listed
from afl_core.evaluation.caveats import notes, unmeasured, warnings
from afl_core.evaluation.comparison import Comparison, open_comparison
from afl_core.evaluation.facts import lesions_sentences
from afl_core.evaluation.manifest import Manifest, failed_predictions
from afl_core.evaluation.results import Results

console = Console(stderr=True)
output = Console()


class Advance(Protocol):
    """Moves a progress bar on: to `completed` of `total`, with a note beside it."""

    def __call__(self, completed: int, total: int, note: str = "") -> None:
        """Show the new state."""


@contextmanager
def progress_bar(title: str) -> Iterator[Advance]:
    """A progress bar on standard error for as long as the context lasts."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[note]}"))
    with Progress(TextColumn("{task.description}"), *columns, console=console) as progress:
        task = progress.add_task(title, total=None, note="")

        def advance(completed: int, total: int, note: str = "") -> None:
            progress.update(task, completed=completed, total=total, note=note)

        yield advance


def print_line(text: str) -> None:
    """A line of plain text on standard error; brackets in names are no markup."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def print_problems(problems: Mapping[str, str]) -> None:
    """Print problems, a line a cause."""
    for names, problem in group_problems(problems):
        print_line(f"{listed(names)}: {problem}" if len(names) == 1 else f"{listed(names)}. The first: {problem}")


def print_warnings(sentences: Iterable[str]) -> None:
    """Print warnings, a line each."""
    for sentence in filter(None, sentences):
        print_line(f"Warning: {sentence}")


def print_caveats(manifest: Manifest, rows: pd.DataFrame, more: Iterable[str] = ()) -> None:
    """Print notes and warnings on results: cases in no mean, patients, ignored lesions, and what looks wrong."""
    for sentence in (*unmeasured(manifest), *notes(manifest, rows)):
        print_line(sentence)
    print_warnings(dict.fromkeys((*more, *warnings(manifest, rows))))


def print_summary(results: Results, sources: Sequence[str], *, more: Iterable[str] = ()) -> None:
    """Mean and median Dice of each source, over all and over those with a tumour; its lesions; missing predictions.

    The figures are over patients, as `Breakdown` gives them on every page.
    """
    opened = open_comparison(results.folder)
    cases, manifest = opened.rows, opened.manifest
    missing = {source: len(ids) for source, ids in manifest.missing.items()}
    failed = failed_predictions(manifest)
    title = ("source", "missing", "failed", "mean Dice", "median", "over", "with a tumour", "over")
    table = Table(*title, box=None, padding=(0, 1, 0, 0))
    for source in sources if not cases.empty else ():
        mean, median, over, there, over_there = _dice(opened, source)
        absent = map(str, (missing.get(source, 0), failed[source]))
        table.add_row(Text(source), *absent, mean, median, over, there, over_there)
    output.print(table)
    if evaluated_sources(cases, manifest, pool_seeds=True) and (
        basis := basis_sentence(choose_units(cases, opened.lesions, manifest, Options()))
    ):
        print_line(basis)
    for sentence in lesions_sentences(opened):
        print_line(sentence)
    print_caveats(manifest, cases, more)
    print_warnings(opened.left_out_sentences)


def _dice(opened: Comparison, source: str) -> tuple[str, str, str, str, str]:
    """Mean and median Dice of a source and what they are over; the mean over cases with a tumour and its own basis."""
    if source not in set(opened.rows["source"]):
        return (NOTHING,) * 5
    options = Options(sources=(source,), pool_seeds=False)
    units = choose_units(opened.rows, opened.lesions, opened.manifest, options)
    everything, of = np.ones(len(units.table), dtype=bool), units.reference["patient"].nunique()
    all_of, there = (patient_means(units, part)[source] for part in (everything, with_tumour(units)))
    with_one = units.reference.loc[units.reference["size"] > 0, "patient"].nunique()
    over = patients_text(len(all_of), len(units.table), of)
    over_there = patients_text(len(there), int(with_tumour(units).sum()), with_one)
    return number(all_of.mean()), number(all_of.median()), over, number(there.mean()), over_there


def command_line() -> str:
    """The command that is running, as it was typed."""
    return shlex.join(["afl", *sys.argv[1:]])
