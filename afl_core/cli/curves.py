"""`afl curves`: what each source would find at every threshold, and the comparison at matched thresholds."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from afl_core.analysis.curves import FALSE_RATES, HALF, NOTE, Curves, curves_table, grid_end_sentence, load_curves
from afl_core.analysis.operating_point import RULES, load_validation, match_thresholds
from afl_core.base.catalogue import pick
from afl_core.base.numbers import number
from afl_core.base.storage import json_text, write_atomically
from afl_core.cli.analysis import ResultsArgument
from afl_core.cli.breakdown_options import SeedsOption
from afl_core.cli.opened import open_compared
from afl_core.cli.options import MeasuredRegionOption
from afl_core.cli.output_options import command
from afl_core.cli.summary import print_caveats
from afl_core.cli.terminal import print_json, print_line, print_result
from afl_core.errors import UsageError
from afl_core.metrics.thresholds import THRESHOLDS

commands = typer.Typer()


@command(commands, table=True)
def curves(
    results: ResultsArgument,
    *,
    validation: Annotated[
        Path | None,
        typer.Option(help="Results folder of the same sources on validation cases, on which thresholds are chosen."),
    ] = None,
    by: Annotated[
        str, typer.Option(help="How: " + "; ".join(f"{key}: {text}" for key, text in RULES.items()) + ".")
    ] = "dice",
    out: Annotated[Path | None, typer.Option(help="Folder for curves.csv: a row a source and threshold.")] = None,
    separate_seeds: SeedsOption = False,
    region: MeasuredRegionOption = "",
) -> None:
    """Show what each source would find at every threshold, and compare two at thresholds chosen on other cases.

    It needs sources with probabilities: checkpoints, or maps. With --validation the first two sources are compared.

    Example: afl curves results --validation validation_results --by false
    """
    pick(RULES, by, kind="rule")
    opened = open_compared(results, region)
    found = load_curves(opened, pool_seeds=not separate_seeds)
    matched = None
    if validation:
        if len(found) < 2:
            raise UsageError("A comparison takes two sources with probabilities", received=", ".join(found))
        first, second, *_ = found
        others = open_compared(validation, opened.region)
        chosen = load_validation(opened, others, (first, second), pool_seeds=not separate_seeds)
        matched = match_thresholds(found, chosen, (first, second), rule=by)
    _print(found)
    print_result(*filter(None, (matched.sentence() if matched else "", grid_end_sentence(found), NOTE)))
    table = curves_table(found)
    of_pair: dict[str, Any] | None = None
    if matched:
        thresholds = dict(zip(matched.pair, matched.thresholds, strict=True))
        shown = matched.remaining is not None and np.isfinite(matched.remaining_interval).all()
        of_pair = {
            "thresholds": thresholds,
            "rule": by,
            "remaining": matched.remaining,
            "remaining_interval": matched.remaining_interval if shown else None,
            "sentence": matched.sentence(),
        }
    records = table.astype(object).where(table.notna(), None).to_dict("records")
    print_json(json_text({"matched": of_pair, "curves": records}))
    print_caveats(opened.manifest, opened.rows)
    if out:
        write_atomically(out / "curves.csv", table.to_csv(index=False).encode())
        print_line(f"curves.csv written to {out}")


def _print(found: dict[str, Curves]) -> None:
    """A row a source: Dice at 0.5 and at its best threshold, and the sensitivity at numbers of false lesions."""
    rates = [f"{rate:g}" for rate in FALSE_RATES]
    shown = Table("source", "Dice at 0.5", "best", "at", "F1 at 0.5", "AP", *rates, box=None, padding=(0, 1, 0, 0))
    shown.title = (
        "Mean Dice; all lesions together: F1, average precision, share found with at most so many false lesions a case"
    )
    shown.title_justify = "left"
    for name, of in found.items():
        best, dice = of.best(), of.mean_dice
        found_at = [number(of.sensitivity_at(rate), 2) for rate in FALSE_RATES]
        of_dice = number(dice[HALF], 3), number(dice[best], 3), number(THRESHOLDS[best], 2)
        shown.add_row(name, *of_dice, number(of.lesion_f1[HALF], 3), number(of.average_precision, 3), *found_at)
    print_result(shown)
