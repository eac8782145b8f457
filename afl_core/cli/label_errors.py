"""`afl label-errors`: which label was taken for which, over all cases of results."""

from functools import partial
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.table import Table
from rich.text import Text

from afl_core.analysis.label_errors import NO_TUMOUR, label_errors, matrix, wrong_share
from afl_core.base.isolation import attempt
from afl_core.base.numbers import NOTHING
from afl_core.base.storage import json_text, write_atomically
from afl_core.cli.analysis import ResultsArgument
from afl_core.cli.opened import open_compared
from afl_core.cli.output_options import command
from afl_core.cli.terminal import print_json, print_line, print_problems, print_result, progress_bar
from afl_core.errors import AflError, DataError

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
    pairs = [(case, source) for source in first.sources for case in dict.fromkeys(first.rows.get("case_id", ()))]
    tables, problems = list[pd.DataFrame](), dict[str, AflError]()
    with progress_bar("Reading") as advance:
        for done, (case, source) in enumerate(pairs, start=1):
            found = attempt(partial(label_errors, opened, case, source), of=f"reading {source} on {case}")
            if isinstance(found, AflError):
                problems[f"{case} {source}"] = found
            else:
                tables.append(found)
            advance(done, len(pairs), case)
    if not tables:
        raise next(iter(problems.values()), DataError("No case of these results is measured", received=results))
    table = pd.concat(tables, ignore_index=True)
    for name, of_source in table.groupby("source", sort=False):
        _print_matrix(str(name), of_source)
    print_json(json_text({"results": str(results), "rows": table.to_dict("records")}))
    print_problems({of: str(error) for of, error in problems.items()})
    if out:
        write_atomically(out / "label_errors.csv", table.to_csv(index=False).encode())
        print_line(f"label_errors.csv written to {out}")


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
        print_result(f"Most of the tumour has another label, or none, in {worst}: {100 * by_case[worst]:.0f} %")
