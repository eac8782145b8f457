"""What the command line prints: tables and findings on standard output, all else on standard error."""

import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from afl_core.errors import group_problems, listed

console = Console(stderr=True)
output = Console(markup=False)


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
            if isinstance(one, Table):
                _print_table(one)
            else:
                output.print(one, highlight=False, soft_wrap=isinstance(one, (str, Text)))


def _print_table(table: Table) -> None:
    """Print a table so that no word or number is cut: in a terminal its cells may wrap, elsewhere none does."""
    options = output.options.update(width=100_000)
    for column in table.columns:
        cells = (column.header, *column.cells)
        column.min_width = max(Measurement.get(output, options, cell).minimum for cell in cells)
    needed = Measurement.get(output, options, table)
    width = max(output.width, needed.minimum) if output.is_terminal else needed.maximum
    wide = Console(file=output.file, width=width, force_terminal=output.is_terminal, markup=False)
    wide.print(table, highlight=False, crop=False)


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


def command_line() -> str:
    """The command that is running, as it was typed."""
    return shlex.join(["afl", *sys.argv[1:]])
