"""`afl label-errors`: which label was taken for which, over all cases of results."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.table import Table
from rich.text import Text

from afl_core.analysis.label_error_counts import count_label_errors, labelled_sources, on_shared_cases
from afl_core.analysis.label_errors import NO_TUMOUR, matrix, wrong_share
from afl_core.base.numbers import NOTHING
from afl_core.base.storage import json_text, write_atomically
from afl_core.base.words import named
from afl_core.cli.analysis import ResultsArgument
from afl_core.cli.opened import open_compared
from afl_core.cli.output_options import command
from afl_core.cli.terminal import print_json, print_line, print_problems, print_result, print_warnings, progress_bar
from afl_core.errors import DataError
from afl_core.evaluation.comparison import Comparison

commands = typer.Typer()


@command(commands, table=True, name="label-errors")
def show(
    results: ResultsArgument,
    *,
    out: Annotated[
        Path | None, typer.Option(help="Folder for label_errors.csv: a row a case, source and pair.")
    ] = None,
) -> None:
    """Show which label was taken for which: shares of each label of the reference, over all cases, by source.

    It takes results of several regions, whose masks tell the labels apart.

    Example: afl label-errors data/results/brats --out my_errors
    """
    first = open_compared(results)
    opened = {first.region: first} | {region: open_compared(results, region) for region in first.regions[1:]}
    with progress_bar("Reading") as advance, ThreadPoolExecutor(os.cpu_count() or 1) as executor:
        table, counted, problems = count_label_errors(opened, executor=executor, report=advance)
    if table.empty:
        raise next(iter(problems.values()), _nothing(opened, results))
    table, left_out = on_shared_cases(table, counted)
    for name, of_source in table.groupby("source", sort=False):
        _print_matrix(str(name), of_source)
    print_json(json_text({"results": str(results), "rows": table.to_dict("records")}))
    print_problems({f"{case} {source}": str(error) for (case, source), error in problems.items()})
    print_warnings([left_out] if left_out else [])
    if alone := [source for source in first.sources if source not in labelled_sources(opened)]:
        print_warnings([f"Left out, since one region tells no labels apart: {named(alone)}."])
    if out:
        write_atomically(out / "label_errors.csv", table.to_csv(index=False).encode())
        print_line(f"label_errors.csv written to {out}")


def _nothing(opened: dict[str, Comparison], results: Path) -> DataError:
    if labelled_sources(opened):
        return DataError("No case of these results has a tumour, in reference or prediction", received=results)
    what, todo = "No source of these results was measured in regions that tell labels apart", "afl evaluate --regions"
    return DataError(what, received=results, todo=f"Measure more regions of files of labels: {todo}")


def _print_matrix(source: str, table: pd.DataFrame) -> None:
    shares = matrix(table)
    shown = Table(f"{source}: reference", *map(str, shares.columns), box=None, padding=(0, 1, 0, 0))
    for name, row in shares.iterrows():
        unit = " ml" if name == NO_TUMOUR else " %"
        values = [value if name == NO_TUMOUR else 100 * value for value in row]
        shown.add_row(Text(str(name)), *(NOTHING if pd.isna(value) else f"{value:.1f}{unit}" for value in values))
    print_result(shown)
    by_case = {str(case): wrong_share(of) for case, of in table.groupby("case_id")}
    by_case = {case: share for case, share in by_case.items() if not pd.isna(share)}
    if by_case:
        worst = max(by_case, key=lambda case: by_case[case])
        share = f"{100 * by_case[worst]:.0f} % of the tumour"
        print_result(f"The largest share with another label, or none, is in {worst}: {share}")
