"""`afl confidence`: how sure each source is against how often it is right, and two sources at fitted temperatures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.table import Table
from rich.text import Text

from afl_core.analysis.breakdown.options import list_sources
from afl_core.analysis.breakdown.records import Breakdown
from afl_core.analysis.breakdown.sentences import pair_sentence, tests_sentence
from afl_core.analysis.confidence import (
    DIGITS,
    NOTE,
    Confidence,
    compare_errors,
    error_rows,
    load_confidence,
    reliability_table,
    size_bins,
)
from afl_core.analysis.temperature import Scaled, load_for_scaling, scale_pair, scaled_table
from afl_core.base.catalogue import pick
from afl_core.base.numbers import number
from afl_core.base.storage import json_text, write_atomically
from afl_core.cli.analysis import ResultsArgument
from afl_core.cli.opened import open_compared
from afl_core.cli.options import MeasuredRegionOption
from afl_core.cli.output_options import command
from afl_core.cli.summary import print_caveats
from afl_core.cli.terminal import print_json, print_line, print_result
from afl_core.errors import UsageError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.tables import PARTS
from afl_core.metrics.calibration import ERRORS

commands = typer.Typer()


@command(commands, table=True)
def confidence(
    results: ResultsArgument,
    *,
    validation: Annotated[
        Path | None,
        typer.Option(help="Results folder of the same sources on validation cases, on which temperatures are fitted."),
    ] = None,
    over: Annotated[
        str,
        typer.Option(help="On which voxels: " + "; ".join(f"{key}: {text}" for key, text in PARTS.items()) + "."),
    ] = "near",
    out: Annotated[Path | None, typer.Option(help="Folder for reliability.csv and calibration.csv.")] = None,
    region: MeasuredRegionOption = "",
) -> None:
    """Show how sure each source is against how often it is right, and compare two at fitted temperatures.

    It needs sources with probabilities: checkpoints, or maps. The first two sources are compared, by size too; with
    --validation also at the temperatures that fit them there.

    Example: afl confidence results --validation validation_results --over grid
    """
    pick(PARTS, over, kind="kind of voxels")
    opened = open_compared(results, region)
    found = load_confidence(opened)
    errors, members, scaled = error_rows(found), _pair(opened, found), None
    if validation:
        if not members:
            raise UsageError("A comparison takes two sources with probabilities", received=", ".join(found))
        fitted = load_for_scaling(opened, open_compared(validation, opened.region), members)
        scaled = scale_pair(*fitted, members, opened.rows, over)
    compared = compare_errors(opened.rows, errors, members, size_bins(opened)) if members else {}
    _print(errors, opened)
    sentences = _sentences(compared, tuple(members), over) if compared else []
    print_result(*sentences, *_scaled_sentences(scaled), NOTE)
    curves, records = reliability_table(found), _records(compared)
    print_json(json_text(_document(curves, records, scaled)))
    print_caveats(opened.manifest, opened.rows)
    if out:
        files = {"reliability.csv": curves, "calibration.csv": records if compared else errors}
        for name, table in files.items():
            write_atomically(out / name, table.to_csv(index=False).encode())
        print_line(f"{' and '.join(files)} written to {out}")


def _scaled_sentences(scaled: Scaled | None) -> list[str]:
    return [text for text in (scaled.sentence(), scaled.map_sentence()) if text] if scaled else []


def _pair(opened: Comparison, found: Mapping[str, Confidence]) -> dict[str, tuple[str, ...]]:
    """The first two sources, or means over seeds, that have counts; {} where there is one."""
    names, seeds = list_sources(opened.manifest, pool_seeds=True)
    groups = {name: seeds.get(name, (name,)) for name in names}
    there = {name: group for name, group in groups.items() if set(group) <= set(found)}
    return dict(list(there.items())[:2]) if len(there) > 1 else {}


def _sentences(compared: Mapping[str, Mapping[str, Breakdown]], pair: tuple[str, ...], over: str) -> list[str]:
    """Each error over all cases, ECE by size, and how many tests were counted."""
    first, second = pair
    whole = [
        pair_sentence(of.pair(first, second).iloc[0].to_dict(), of.units)
        for by_error in compared.values()
        for of in by_error.values()
    ]
    of = compared[over]["ece"]
    sizes = [pair_sentence(record, of.units) for record in of.pair(first, second).iloc[1:].to_dict("records")]
    return [*whole, *(f"ECE {PARTS[over]}. {text}" for text in sizes), tests_sentence(of)]


def _records(compared: Mapping[str, Mapping[str, Breakdown]]) -> pd.DataFrame:
    """The records of every error and part, as those of a breakdown."""
    tables = [
        of.records.assign(error=key, over=part) for part, by_error in compared.items() for key, of in by_error.items()
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _document(curves: pd.DataFrame, records: pd.DataFrame, scaled: Scaled | None) -> dict[str, Any]:
    """What --json prints; a value that there is not, and an edge at infinity, is null."""
    of_pair: dict[str, Any] | None = None
    if scaled:
        shown = scaled.remaining is not None and np.isfinite(scaled.remaining_interval).all()
        of_pair = {
            "temperatures": dict(scaled.temperatures),
            "over": scaled.part,
            "remaining": scaled.remaining,
            "remaining_interval": scaled.remaining_interval if shown else None,
            "sentence": " ".join(_scaled_sentences(scaled)),
            "measures": _plain(scaled_table(scaled)),
        }
    return {"scaled": of_pair, "errors": _plain(records), "reliability": _plain(curves)}


def _plain(table: pd.DataFrame) -> list[dict[Any, Any]]:
    endless = table.isin([np.inf, -np.inf])
    return table.astype(object).where(table.notna() & ~endless, None).to_dict("records")


def _print(errors: pd.DataFrame, opened: Comparison) -> None:
    """A row a source and part: the mean of each error over patients."""
    shown = Table("source", "over", *(error.label for error in ERRORS.values()), box=None, padding=(0, 1, 0, 0))
    shown.title, shown.title_justify = "Errors of calibration, mean over patients", "left"
    patient_of = opened.rows.drop_duplicates("case_id").set_index("case_id")["patient"]
    for name, of in errors.groupby("source", sort=False):
        means = of.drop(columns=["case_id", "source"]).groupby(of["case_id"].map(patient_of)).mean().mean()
        for part, words in PARTS.items():
            cells = (number(means[f"{key}_{part}"], DIGITS) for key in ERRORS)
            shown.add_row(Text(str(name)), words.removeprefix("over "), *cells)
    print_result(shown)
