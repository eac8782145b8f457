"""`afl ranking`: the sources in order, how sure that order is, and which is shown better than which."""

from collections.abc import Hashable, Sequence
from typing import Annotated, Any, cast, get_args

import numpy as np
import pandas as pd
import typer
from rich.table import Table
from rich.text import Text

from afl_core.analysis.breakdown.measures import MAIN, Level
from afl_core.analysis.breakdown.options import Options
from afl_core.analysis.breakdown.ranking import (
    LEAST_SOURCES,
    SourceRanking,
    about_ranking,
    bins_to_rank,
    metric_agreement,
    rank_bin,
    rank_text,
    ranking_sentence,
)
from afl_core.analysis.statistics.ranking import METHODS
from afl_core.base.catalogue import find_key
from afl_core.base.numbers import number
from afl_core.base.storage import json_text
from afl_core.base.words import number_of
from afl_core.cli.analysis import ResultsArgument
from afl_core.cli.breakdown_options import LevelOption, MetricOption, SourceOption
from afl_core.cli.opened import open_breakdown
from afl_core.cli.options import MeasuredRegionOption
from afl_core.cli.output_options import command
from afl_core.cli.summary import print_caveats
from afl_core.cli.terminal import print_json, print_result, print_warnings
from afl_core.errors import DataError

commands = typer.Typer()

MethodOption = Annotated[str, typer.Option(help=f"How the sources are ranked: {', '.join(METHODS)} (docs/ranking.md).")]


@command(commands, table=True)
def ranking(
    results: ResultsArgument,
    *,
    method: MethodOption = "mean",
    metric: MetricOption = MAIN,
    level: LevelOption = "case",
    source: SourceOption = None,
    region: MeasuredRegionOption = "",
) -> None:
    """Rank three sources or more: by four methods, over resamples of the patients, and which is shown better.

    A sentence for every bin by size and smoothness follows the table; --json has the numbers of each.

    Example: afl ranking data/results/study --metric dsc --method mean
    """
    method = find_key(METHODS, method, kind="method")
    level = find_key(dict.fromkeys(get_args(Level)), level, kind="level")
    options = Options(metric=metric, level=cast(Level, level), sources=tuple(source or ()))
    opened, breakdown = open_breakdown(results, options, region)
    if len(breakdown.units.sources) < LEAST_SOURCES:
        given = number_of(len(breakdown.units.sources), "source")
        raise DataError(
            f"A ranking takes {LEAST_SOURCES} sources or more", received=given, todo="afl breakdown compares two"
        )
    found = [rank_bin(breakdown, record, method) for record in bins_to_rank(breakdown).values()]
    agreement = metric_agreement((opened.rows, opened.lesions), opened.manifest, options, method)
    _print(found, agreement)
    print_json(json_text(_document(found, agreement)))
    print_caveats(opened.manifest, opened.rows)
    print_warnings(opened.left_out_sentences)


def _print(found: Sequence[SourceRanking], agreement: pd.DataFrame) -> None:
    whole, digits = found[0], found[0].units.measure.digits
    ranked = Table(
        "source", "mean", "median", *(f"by {key}" for key in METHODS), "95 % range", box=None, padding=(0, 1, 0, 0)
    )
    ranked.title, ranked.title_justify = Text(f"{whole.units.measure.title}: ranks by each method"), "left"
    for row in whole.table.to_dict("records"):
        ranks = (number(row[f"rank_{key}"], 0) for key in METHODS)
        means = (number(row[name], digits) for name in ("mean", "median"))
        ranked.add_row(Text(row["source"]), *means, *ranks, rank_text(row["low"], row["high"]))
    print_result(ranked, *(ranking_sentence(of_bin) for of_bin in found), about_ranking(whole))
    metrics = Table("metric", "n", "order", "Kendall's tau", box=None, padding=(0, 1, 0, 0))
    for row in agreement.to_dict("records"):
        metrics.add_row(Text(row["metric"]), str(row["n"]), Text(row["order"]), number(row["tau"], 2, sign=True))
    print_result(metrics)


def _document(found: Sequence[SourceRanking], agreement: pd.DataFrame) -> dict[str, Any]:
    """What --json prints; a value that there is not is null."""
    return {
        "metric": found[0].units.measure.key,
        "method": found[0].method,
        "about": about_ranking(found[0]),
        "bins": [_bin_document(of_bin) for of_bin in found],
        "agreement": _records(agreement),
    }


def _bin_document(found: SourceRanking) -> dict[str, Any]:
    sources = list(found.units.sources)
    frequencies = pd.DataFrame(found.ranking.frequencies, sources, [str(k + 1) for k in range(len(sources))])
    better = pd.DataFrame(found.p, sources, sources)
    return {
        "axis": found.record["axis"],
        "bin": found.record["bin"],
        "sentence": ranking_sentence(found),
        "sources": _records(found.table),
        "rank_frequencies": dict(zip(sources, _records(frequencies), strict=True)),
        "p_better": dict(zip(sources, _records(better), strict=True)),
    }


def _records(table: pd.DataFrame) -> list[dict[Hashable, Any]]:
    return table.astype(object).where(np.asarray(table.notna()), None).to_dict("records")
