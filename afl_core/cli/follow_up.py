"""`afl follow-up`: the volumes of each patient over time, and the response by volume of reference and sources."""

from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.table import Table

from afl_core.analysis.follow_up import (
    NEEDED,
    NOT_CLINICAL,
    RULES,
    agreement_of_change,
    category_matrix,
    disagreement_sentence,
    needed_todo,
    opened_table,
    order_sentence,
    seeds_sentence,
    unmeasured_visits,
    unsure_sentence,
)
from afl_core.base.numbers import interval, number
from afl_core.base.storage import json_text, write_atomically
from afl_core.base.words import named, number_of
from afl_core.cli.analysis import ResultsArgument
from afl_core.cli.opened import open_compared
from afl_core.cli.options import MeasuredRegionOption
from afl_core.cli.output_options import command
from afl_core.cli.summary import print_caveats
from afl_core.cli.terminal import print_json, print_line, print_result, print_warnings
from afl_core.errors import DataError

commands = typer.Typer()


@command(commands, table=True)
def follow_up(
    results: ResultsArgument,
    *,
    out: Annotated[Path | None, typer.Option(help="Folder for follow_up.csv: a row a time point and source.")] = None,
    region: MeasuredRegionOption = "",
) -> None:
    """Follow the tumour volume of each patient: change, response by volume, and agreement of the change.

    Volumes alone decide the response (thresholds of RANO 2.0); it is not a clinical assessment.

    Example: afl follow-up data/results/demo --out my_follow_up
    """
    opened = open_compared(results, region)
    table = opened_table(opened)
    if table.empty:
        raise DataError(NEEDED, received=opened.name, todo=needed_todo(opened))
    agreement = agreement_of_change(table)
    _print(table, agreement, f"{order_sentence(opened, table)} {seeds_sentence(opened)}".rstrip())
    print_json(json_text(_document(table, agreement)))
    print_caveats(opened.manifest, opened.rows)
    print_warnings(opened.left_out_sentences)
    print_warnings(filter(None, [unsure_sentence(opened, table)]))
    if missing := unmeasured_visits(opened):
        print_warnings(
            [f"{number_of(len(missing), 'time point is', 'time points are')} not measured: {named(missing)}."]
        )
    if out:
        write_atomically(out / "follow_up.csv", table.to_csv(index=False).encode())
        print_line(f"follow_up.csv written to {out}")


def _print(table: pd.DataFrame, agreement: pd.DataFrame, order: str) -> None:
    """Agreement of change as a table, the disagreements in sentences, and the rules."""
    shown = Table("source", "patients", "bias (ml)", "limits of agreement (ml)", box=None, padding=(0, 1, 0, 0))
    shown.title, shown.title_justify = "Change in volume, last time point minus first: source minus reference", "left"
    for row in agreement.to_dict("records"):
        limits = interval(row["low_ml"], row["high_ml"], 2, sign=True)
        shown.add_row(row["source"], str(row["patients"]), number(row["bias_ml"], 2, sign=True), limits)
    print_result(shown)
    sentences = [disagreement_sentence(table, source) for source in agreement["source"]]
    print_result(*sentences, RULES, NOT_CLINICAL, order)


def _document(table: pd.DataFrame, agreement: pd.DataFrame) -> dict[str, Any]:
    """What --json prints; a value that there is not is null."""
    return {
        "rules": RULES,
        "note": NOT_CLINICAL,
        "agreement": _records(agreement),
        "categories": {source: category_matrix(table, source).to_dict("index") for source in agreement["source"]},
        "time_points": _records(table),
    }


def _records(table: pd.DataFrame) -> list[dict[Hashable, Any]]:
    return table.astype(object).where(table.notna(), None).to_dict("records")
