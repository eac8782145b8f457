"""`afl contrast`: contrast and signal to noise of the references, as covariates of results."""

from typing import Annotated, Any

import pandas as pd
import typer
from rich.table import Table

from afl_core.base.numbers import NOTHING
from afl_core.base.storage import json_text
from afl_core.base.words import number_of
from afl_core.base.workers import worker_pool
from afl_core.cli.analysis import ResultsArgument
from afl_core.cli.opened import open_compared
from afl_core.cli.options import WorkersOption
from afl_core.cli.output_options import command
from afl_core.cli.terminal import print_json, print_line, print_problems, print_result, print_warnings, progress_bar
from afl_core.errors import DataError
from afl_core.evaluation.contrast import measure_contrast, pick_sequence, without_sentences
from afl_core.evaluation.contrast_rows import CONTRAST, VALUES
from afl_core.metrics.contrast import SHELL_MM

commands = typer.Typer()


@command(commands, table=True)
def contrast(
    results: ResultsArgument,
    *,
    sequence: Annotated[
        str,
        typer.Option(help="Images that are measured; by default contrast-enhanced T1, else FLAIR, else the first."),
    ] = "",
    workers: WorkersOption = None,
) -> None:
    """Measure contrast and signal to noise of the reference's lesions on the images, as covariates of results.

    Writes contrast.parquet to the results folder, for --by of afl breakdown and afl report and for the pages. It can be
    stopped, and goes on where it was.

    Example: afl contrast data/results/demo --sequence flair
    """
    first = open_compared(results)
    cohort = first.needed_cohort()
    chosen = pick_sequence(cohort, sequence)
    opened = {first.region: first} | {region: open_compared(results, region) for region in first.regions[1:]}
    print_line(f"Lesions on {chosen}, against the voxels within {SHELL_MM:g} mm around them")
    with (
        progress_bar("Measuring") as advance,
        worker_pool(tasks=len(cohort.cases), workers=workers) as executor,
    ):
        try:
            table, problems = measure_contrast(opened, chosen, executor=executor, report=advance)
        except KeyboardInterrupt:
            print_line("Stopped. What is done is kept: give the command again to go on.")
            raise typer.Exit(130) from None
    print_problems(problems)
    if table.empty:
        raise DataError("No case could be measured", received=number_of(len(problems), "case"))
    cases = table[table["lesion_id"] == 0]
    for region in opened:
        _print(region, cases[cases["region"] == region])
    print_json(json_text({"sequence": chosen, "rows": _records(table), "problems": problems}))
    print_warnings(without_sentences(table))
    print_line(f"{CONTRAST} is in {results}; for example: afl breakdown {results} --by size,contrast")


def _print(region: str, cases: pd.DataFrame) -> None:
    """A row a quantity: over how many cases, and its quartiles."""
    shown = Table(f"cases, {region}", "over", "median", "middle half", box=None, padding=(0, 1, 0, 0))
    for name in VALUES:
        values = cases[name].dropna()
        low, middle, high = values.quantile([0.25, 0.5, 0.75])
        cells = (f"{middle:.3g}", f"{low:.3g} to {high:.3g}") if len(values) else (NOTHING, NOTHING)
        shown.add_row(name, str(len(values)), *cells)
    print_result(shown)


def _records(table: pd.DataFrame) -> list[Any]:
    rows = table.drop(columns="key")
    return list(rows.astype(object).where(rows.notna(), None).to_dict("records"))
