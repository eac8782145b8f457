"""What the command line prints: tables and findings on standard output, all else on standard error."""

import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from afl_core.analysis.breakdown.export import json_text
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


@dataclass(frozen=True)
class Shown:
    """How much is printed.

    Attributes:
        quiet: Warnings, problems and errors alone.
        verbose: A line a step too, and tracebacks.
        json: Tables as JSON, and nothing else on standard output.
    """

    quiet: bool = False
    verbose: bool = False
    json: bool = False


shown = Shown()
"""What the command that is running was given; set as it starts."""


class Advance(Protocol):
    """Moves a progress bar on: to `completed` of `total`, with a note beside it."""

    def __call__(self, completed: int, total: int, note: str = "") -> None:
        """Show the new state."""


@contextmanager
def progress_bar(title: str) -> Iterator[Advance]:
    """A progress bar on standard error for as long as the context lasts."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[note]}"))
    described = TextColumn("{task.description}")
    with Progress(described, *columns, console=console, disable=shown.quiet) as progress:
        task = progress.add_task(title, total=None, note="")

        def advance(completed: int, total: int, note: str = "") -> None:
            progress.update(task, completed=completed, total=total, note=note)
            if shown.verbose:
                print_line(f"{title}: {completed} of {total} {note}".rstrip())

        yield advance


def print_line(text: str) -> None:
    """A note on standard error, unless --quiet was given; brackets in names are no markup."""
    if not shown.quiet:
        print_always(text)


def print_always(text: str) -> None:
    """A line on standard error that --quiet does not keep back: a warning, a problem or an error."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def print_result(*what: RenderableType) -> None:
    """Tables or findings on standard output, a line each; text is no markup. Not with --json or --quiet."""
    if not (shown.json or shown.quiet):
        for one in what:
            output.print(one, markup=False, highlight=False, soft_wrap=isinstance(one, (str, Text)))


def print_json(document: str) -> None:
    """The JSON of a command's table on standard output, where --json was given."""
    if shown.json:
        sys.stdout.write(document.rstrip() + "\n")


def print_problems(problems: Mapping[str, str]) -> None:
    """Print problems, a line a cause."""
    for names, problem in group_problems(problems):
        print_always(f"{listed(names)}: {problem}" if len(names) == 1 else f"{listed(names)}. The first: {problem}")


def print_warnings(sentences: Iterable[str]) -> None:
    """Print warnings, a line each."""
    for sentence in filter(None, sentences):
        print_always(f"Warning: {sentence}")


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
    records = [_record(opened, source) for source in sources if not cases.empty]
    title = ("source", "missing", "failed", "mean Dice", "median", "over", "with a tumour", "over")
    table = Table(*title, box=None, padding=(0, 1, 0, 0))
    for record in records:
        table.add_row(*(Text(value if isinstance(value, str) else _cell(value)) for value in record.values()))
    print_result(table)
    print_json(json_text({"results": str(results.folder), "sources": records}))
    if evaluated_sources(cases, manifest, pool_seeds=True) and (
        basis := basis_sentence(choose_units(cases, opened.lesions, manifest, Options()))
    ):
        print_line(basis)
    for sentence in lesions_sentences(opened):
        print_line(sentence)
    print_caveats(manifest, cases, more)
    print_warnings(opened.left_out_sentences)


def _cell(value: float | None) -> str:
    return str(value) if isinstance(value, int) else NOTHING if value is None else number(value)


def _record(opened: Comparison, source: str) -> dict[str, Any]:
    """A source's line: Dice over all, and over those with a tumour, each with what it is over."""
    manifest = opened.manifest
    absent = {"missing": len(manifest.missing.get(source, ())), "failed": failed_predictions(manifest)[source]}
    if source not in set(opened.rows["source"]):
        nothing = {"mean_dsc": None, "median_dsc": None, "over": NOTHING, "mean_dsc_with_tumour": None}
        return {"source": source} | absent | nothing | {"over_with_tumour": NOTHING}
    options = Options(sources=(source,), pool_seeds=False)
    units = choose_units(opened.rows, opened.lesions, manifest, options)
    everything, of = np.ones(len(units.table), dtype=bool), units.reference["patient"].nunique()
    all_of, there = (patient_means(units, part)[source] for part in (everything, with_tumour(units)))
    with_one = units.reference.loc[units.reference["size"] > 0, "patient"].nunique()
    means: dict[str, Any] = {"mean_dsc": _value(all_of.mean()), "median_dsc": _value(all_of.median())}
    means |= {"over": patients_text(len(all_of), len(units.table), of), "mean_dsc_with_tumour": _value(there.mean())}
    over_there = patients_text(len(there), int(with_tumour(units).sum()), with_one)
    return {"source": source} | absent | means | {"over_with_tumour": over_there}


def _value(mean: float) -> float | None:
    return None if np.isnan(mean) else float(mean)


def command_line() -> str:
    """The command that is running, as it was typed."""
    return shlex.join(["afl", *sys.argv[1:]])
