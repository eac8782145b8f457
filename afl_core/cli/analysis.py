"""Commands of `afl` that read results: the breakdown, the report and the figure of examples."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from afl_core.analysis.breakdown.export import JSON, export_files, export_regions
from afl_core.analysis.breakdown.measures import MAIN
from afl_core.analysis.breakdown.options import Options
from afl_core.analysis.breakdown.overall import penalty_sentence
from afl_core.analysis.breakdown.records import ALL, Breakdown
from afl_core.analysis.breakdown.regions import together_sentence
from afl_core.analysis.breakdown.runs import runs_sentence
from afl_core.analysis.breakdown.sentences import (
    false_positives_sentences,
    left_out_sentence,
    levels_sentence,
    mean_sentence,
    pair_sentence,
    range_text,
    shared_sentence,
    tests_sentence,
)
from afl_core.analysis.breakdown.units import Units
from afl_core.base.catalogue import find_key, pick
from afl_core.base.numbers import file_size, interval, number, p_number
from afl_core.base.storage import write_atomically
from afl_core.cli.breakdown_options import (
    AllRegionsOption,
    BinsOption,
    ByOption,
    EdgesOption,
    LevelOption,
    MetricOption,
    OpenedOption,
    SeedsOption,
    SourceOption,
    build_options,
    opened_axes,
)
from afl_core.cli.opened import open_breakdown, open_compared, open_regions
from afl_core.cli.options import CovariatesOption, MeasuredRegionOption
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


@command(commands, table=True)
def breakdown(  # noqa: PLR0913 - one parameter an option
    results: ResultsArgument,
    *,
    out: Annotated[Path | None, typer.Option(help="Folder for breakdown.json, breakdown.csv and units.csv.")] = None,
    by: ByOption = None,
    opened_before: OpenedOption = None,
    covariates: CovariatesOption = None,
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

    --covariates is read for this once; `afl evaluate` keeps a table with the results.

    Example: afl breakdown data/results/demo --by size,roughness --metric dsc --out my_breakdown
    """
    options = build_options(by, bins, edges, metric, level, source)
    options = replace(options, pool_seeds=not separate_seeds, opened=opened_axes(opened_before))
    if regions:
        files = _break_down_regions(results, options, (region, regions), covariates)
    else:
        opened, breakdown = open_breakdown(results, options, region, covariates=covariates)
        files = export_files(breakdown, options, opened.manifest, results=opened.name)
        print_breakdown(breakdown)
        if breakdown.units.pairs:
            print_result("", tests_sentence(breakdown))
        print_caveats(opened.manifest, opened.rows)
        print_warnings(opened.left_out_sentences)
    print_json(files[JSON].decode())
    if out:
        for name, content in files.items():
            write_atomically(out / name, content)
        print_line(f"{', '.join(files)} written to {out}")


def _break_down_regions(
    folder: Path, options: Options, named: tuple[str, str], covariates: Path | None
) -> dict[str, bytes]:
    """Print the breakdown of each region and what the correction counts; returns the files."""
    regions, problems = open_regions(folder, options, *named, covariates=covariates)
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
    opened_before: OpenedOption = None,
    covariates: CovariatesOption = None,
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
    options = build_options(by, bins, edges, metric, level, source)
    options = replace(options, pool_seeds=not separate_seeds, opened=opened_axes(opened_before))
    if regions:
        found, problems = open_regions(results, options, region, regions, covariates=covariates)
        opened, first = found[0].comparison, found[0]
        findings = Findings(first.breakdown, first.options, opened, command_line(), found, problems)
    else:
        opened, breakdown = open_breakdown(results, options, region, covariates=covariates)
        findings = Findings(breakdown, options, opened, command_line())
    html = build_report(findings).encode()
    write_atomically(out, html)
    print_line(f"{out} written, {file_size(len(html))}")
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
            table.add_row(Text(units.axis(str(axis)).marked, style="bold"))
        for record in of_axis.to_dict("records"):
            table.add_row(*_cells(record, units, pair=bool(pair), apart=apart))
    print_result(table)
    overall = [breakdown.pair(*pair).iloc[0].to_dict() for pair in units.pairs]
    sentences = [pair_sentence(record, units) for record in overall]
    sentences += (
        [levels_sentence(breakdown.records, units)] if pair else [mean_sentence(records.iloc[0].to_dict(), units)]
    )
    sentences += [shared_sentence(breakdown.records, units)]
    sentences += [penalty_sentence(units, pair), runs_sentence(units, pair)] if pair else []
    print_result(
        *filter(None, (*sentences, *false_positives_sentences(units), left_out_sentence(units), *breakdown.unbinned))
    )


def _cells(record: dict[Any, Any], units: Units, *, pair: bool, apart: bool) -> tuple[str, ...]:
    digits = units.measure.digits
    value, low, high = ("mean_difference", "ci_low", "ci_high") if pair else ("mean", "mean_low", "mean_high")
    shown = (
        record["bin"],
        range_text(record, units),
        f"{record['n']} ({record['units']})" if apart else str(record["n"]),
        number(record[value], digits, sign=pair),
        interval(record[low], record[high], digits, sign=pair),
    )
    return (*shown, p_number(record["p_holm"]).replace("< ", "<")) if pair else shown
