"""Commands of `afl` that read results: the breakdown, the report and the figure of examples."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer
from rich.table import Table
from rich.text import Text

from afl_core.analysis.breakdown.bins import AXES, Edges
from afl_core.analysis.breakdown.export import JSON, export_files, export_regions
from afl_core.analysis.breakdown.measures import MAIN, Level
from afl_core.analysis.breakdown.options import BINS, DEFAULT_AXES, Options
from afl_core.analysis.breakdown.records import ALL, Breakdown
from afl_core.analysis.breakdown.regions import together_sentence
from afl_core.analysis.breakdown.runs import runs_sentence
from afl_core.analysis.breakdown.sentences import (
    edges_text,
    false_positives_sentences,
    levels_sentence,
    mean_sentence,
    pair_sentence,
)
from afl_core.base.catalogue import find_key, pick
from afl_core.base.numbers import interval, number, p_number
from afl_core.base.storage import write_atomically
from afl_core.cli.opened import open_breakdown, open_compared, open_regions
from afl_core.cli.options import MeasuredRegionOption
from afl_core.cli.output_options import command
from afl_core.cli.summary import print_caveats
from afl_core.cli.terminal import (
    command_line,
    print_json,
    print_line,
    print_problems,
    print_result,
    print_warnings,
)
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.caveats import notes, warnings

commands = typer.Typer()

ResultsArgument = Annotated[Path, typer.Argument(help="Results folder, as `afl evaluate` writes it.")]
ByOption = Annotated[
    str | None,
    typer.Option(
        help=f"Axes to bin by, separated by commas: {', '.join(AXES)}. By default {' and '.join(DEFAULT_AXES)}, as far "
        "as there are values."
    ),
]
BinsOption = Annotated[str, typer.Option(help="Where the edges come from: tertiles (of these cases) or training.")]
EdgesOption = Annotated[
    list[str] | None,
    typer.Option(help="AXIS=LOW,HIGH: fixed edges, such as size=5,20; may be given once an axis."),
]
MetricOption = Annotated[str, typer.Option(help="Such as dsc or hd95_mm; a wrong name lists them all.")]
LevelOption = Annotated[str, typer.Option(help="Compare every case or every lesion of the reference: case or lesion.")]
SourceOption = Annotated[
    list[str] | None,
    typer.Option(help="Only this source; may be given several times. A difference is a later one minus an earlier."),
]
AllRegionsOption = Annotated[
    str,
    typer.Option(
        help="Several of the measured regions, such as whole,et, or all of them: a breakdown each, one correction for "
        "all their tests."
    ),
]
SeedsOption = Annotated[
    bool, typer.Option("--separate-seeds", help="Compare the seeds of a configuration one by one, not their mean.")
]


@command(commands, table=True)
def breakdown(  # noqa: PLR0913 - one parameter an option
    results: ResultsArgument,
    *,
    out: Annotated[Path | None, typer.Option(help="Folder for breakdown.json, breakdown.csv and units.csv.")] = None,
    by: ByOption = None,
    bins: BinsOption = "tertiles",
    edges: EdgesOption = None,
    metric: MetricOption = MAIN,
    level: LevelOption = "case",
    source: SourceOption = None,
    separate_seeds: SeedsOption = False,
    region: MeasuredRegionOption = "",
    regions: AllRegionsOption = "",
) -> None:
    """Compare sources by tumour size and smoothness: means, paired differences, intervals and tests in every bin.

    With --out, writes breakdown.json, breakdown.csv (the same records) and units.csv (every case or lesion with its
    bins).

    Example: afl breakdown data/results/demo --by size,roughness --metric dsc --out my_breakdown
    """
    options = replace(build_options(by, bins, edges, metric, level, source), pool_seeds=not separate_seeds)
    if regions:
        files = _break_down_regions(results, options, region, regions)
    else:
        opened, breakdown = open_breakdown(results, options, region)
        files = export_files(breakdown, options, opened.manifest, results=opened.name)
        print_breakdown(breakdown)
        print_caveats(opened.manifest, opened.rows)
        print_warnings(opened.left_out_sentences)
    print_json(files[JSON].decode())
    if out:
        for name, content in files.items():
            write_atomically(out / name, content)
        print_line(f"{', '.join(files)} written to {out}")


def _break_down_regions(folder: Path, options: Options, region: str, names: str) -> dict[str, bytes]:
    """Print the breakdown of each region and what the correction counts; returns the files."""
    regions, problems = open_regions(folder, options, region, names)
    for of in regions:
        print_result(Text(f"\n{of.title}", style="bold"))
        print_breakdown(of.breakdown)
    print_result("", together_sentence(regions))
    opened = [of.comparison for of in regions]
    for sentence in dict.fromkeys(text for of in opened for text in notes(of.manifest, of.rows)):
        print_line(sentence)
    caveats = (text for of in opened for text in (*warnings(of.manifest, of.rows), *of.left_out_sentences))
    print_warnings(dict.fromkeys(caveats))
    print_problems(problems)
    return export_regions(regions, problems)


@command(commands)
def report(  # noqa: PLR0913 - one parameter an option
    results: ResultsArgument,
    *,
    out: Annotated[Path, typer.Option(help="HTML file to write.")],
    by: ByOption = None,
    bins: BinsOption = "tertiles",
    edges: EdgesOption = None,
    metric: MetricOption = MAIN,
    level: LevelOption = "case",
    source: SourceOption = None,
    separate_seeds: SeedsOption = False,
    region: MeasuredRegionOption = "",
    regions: AllRegionsOption = "",
) -> None:
    """Write one HTML file with everything that a comparison found; it opens anywhere, without a network.

    Example: afl report data/results/demo --out report.html
    """
    from afl_core.report.build import Findings, build_report  # noqa: PLC0415 - imports plotly

    if out.is_dir():
        raise UsageError("The report is one file", received=out, todo=f"Such as --out {out / 'report.html'}")
    options = replace(build_options(by, bins, edges, metric, level, source), pool_seeds=not separate_seeds)
    if regions:
        found, problems = open_regions(results, options, region, regions)
        opened, first = found[0].comparison, found[0]
        findings = Findings(first.breakdown, first.options, opened, command_line(), found, problems)
    else:
        opened, breakdown = open_breakdown(results, options, region)
        findings = Findings(breakdown, options, opened, command_line())
    html = build_report(findings).encode()
    write_atomically(out, html)
    print_line(f"{out} written, {len(html) / 1e6:.1f} MB")
    print_warnings(opened.left_out_sentences)
    print_problems(findings.problems)


@command(commands)
def figure(
    results: ResultsArgument,
    *,
    out: Annotated[Path, typer.Option(help="File to write: .png (300 dpi), .svg or .pdf.")],
    case: Annotated[
        list[str] | None,
        typer.Option(help="ROLE=CASE in place of the default; roles: large, small, smooth, rough."),
    ] = None,
    region: MeasuredRegionOption = "",
) -> None:
    """Draw a large, a small, a smooth and a rough tumour as surfaces and slices, a row for each source.

    Example: afl figure data/results/demo --out examples.png
    """
    from afl_core.figures.example_cases import ROLES, choose_examples, load_examples  # noqa: PLC0415 - imports PyVista
    from afl_core.figures.examples import plot_examples  # noqa: PLC0415
    from afl_core.figures.files import FORMATS, figure_bytes  # noqa: PLC0415

    pick(FORMATS, out.suffix.removeprefix("."), kind="format")
    opened = open_compared(results, region)
    chosen = choose_examples(opened.rows)
    for choice in case or ():
        role, _, case_id = choice.partition("=")
        chosen[find_key(ROLES, role, kind="role")] = case_id
    if not chosen:
        raise DataError("These results hold no evaluated case with a tumour", received=results)
    examples = load_examples(opened, chosen)
    write_atomically(out, figure_bytes(plot_examples(examples), out.suffix.removeprefix(".")))
    print_problems({example.title: example.note for example in examples if example.note})
    print_line(f"{out} written: {', '.join(f'{role} {case_id}' for role, case_id in chosen.items())}")


def build_options(
    by: str | None,
    bins: str,
    edges: Sequence[str] | None,
    metric: str,
    level: str,
    source: Sequence[str] | None,
) -> Options:
    """The options as they were typed; raises `UsageError` where one is wrong."""
    level = find_key(dict.fromkeys(get_args(Level)), level, kind="level")
    bins = find_key(BINS, bins, kind="kind of bins")
    named = None if by is None else tuple(find_key(AXES, part.strip(), kind="axis") for part in by.split(","))
    axes = DEFAULT_AXES if named is None else named
    if len(set(axes)) < len(axes):
        raise UsageError("Give each axis once", received=by)
    fixed = dict(parse_edges(text) for text in edges or [])
    unused = [axis for axis in fixed if axis not in axes]
    if unused or len(fixed) < len(edges or []):
        raise UsageError(
            "Edges are for an axis of --by, once each",
            received=", ".join(edges or []),
            todo=f"--by is {', '.join(axes)}",
        )
    return Options(
        metric=metric,
        level=cast(Level, level),
        sources=tuple(source or ()),
        by=named,
        bins=bins,
        edges=fixed,
    )


def parse_edges(text: str) -> tuple[str, Edges]:
    """Axis and edges from `AXIS=LOW,HIGH`.

    >>> parse_edges("size=5,20.5")
    ('size', (5.0, 20.5))
    """
    axis, _, numbers = text.partition("=")
    try:
        low, high = (float(number) for number in numbers.split(","))
    except ValueError:
        low = high = math.nan
    if not 0 <= low <= high < math.inf:
        raise UsageError(
            "Edges are written AXIS=LOW,HIGH: two numbers from 0 on, the lower first",
            received=text,
            todo="For example --edges size=5,20",
        )
    return find_key(AXES, axis, kind="axis"), (low, high)


def print_breakdown(breakdown: Breakdown) -> None:
    """The first pair's records as a table of 80 columns and what they say over everything; or those of one source."""
    units = breakdown.units
    pair = units.pairs[0] if units.pairs else None
    records = breakdown.pair(*pair) if pair else breakdown.records
    title = f"{units.measure.title}, {' minus '.join(pair[::-1]) if pair else units.sources[0]}"
    compared = ("mean", "interval", "p (Holm)") if pair else ("mean", "95 % interval")
    apart = bool((records["n"] < records["units"]).any())
    n = f"patients ({units.noun})" if apart else "n"
    table = Table("bin", "range", n, *compared, box=None, padding=(0, 1, 0, 0))
    table.title, table.title_justify = Text(title), "left"
    for axis, of_axis in records.groupby("axis", sort=False):
        if axis != ALL:
            table.add_row(Text(units.axis(str(axis)).label, style="bold"))
        for record in of_axis.to_dict("records"):
            table.add_row(*_cells(record, units.measure.digits, pair=bool(pair), apart=apart))
    print_result(table)
    overall = [breakdown.pair(*pair).iloc[0].to_dict() for pair in units.pairs]
    sentences = [pair_sentence(record, units) for record in overall]
    sentences += (
        [levels_sentence(breakdown.records, units)] if pair else [mean_sentence(records.iloc[0].to_dict(), units)]
    )
    sentences += [runs_sentence(units, pair)] if pair else []
    print_result(*filter(None, (*sentences, *false_positives_sentences(units), *breakdown.unbinned)))


def _cells(record: dict[Any, Any], digits: int, *, pair: bool, apart: bool) -> tuple[str, ...]:
    value, low, high = ("mean_difference", "ci_low", "ci_high") if pair else ("mean", "mean_low", "mean_high")
    bounded = record["axis"] != ALL and not math.isnan(record["high"])
    shown = (
        record["bin"],
        edges_text(record["low"], record["high"], AXES[record["axis"]].unit) if bounded else "",
        f"{record['n']} ({record['units']})" if apart else str(record["n"]),
        number(record[value], digits, sign=pair),
        interval(record[low], record[high], digits, sign=pair),
    )
    return (*shown, p_number(record["p_holm"]).replace("< ", "<")) if pair else shown
