"""Commands of `afl` that write results for elsewhere: what a paper takes, and a case for other viewers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from afl_core.analysis.breakdown.export import JSON
from afl_core.base.catalogue import pick
from afl_core.base.numbers import file_size
from afl_core.base.storage import read_bounded, replacing, write_atomically
from afl_core.cli.analysis import ResultsArgument
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
from afl_core.cli.options import MeasuredRegionOption
from afl_core.cli.output_options import command
from afl_core.cli.summary import print_caveats
from afl_core.cli.terminal import command_line, print_line, print_problems, print_warnings
from afl_core.errors import UsageError
from afl_core.evaluation.comparison import Comparison

commands = typer.Typer()

MAX_DOCUMENT = 2**28
"""Bytes of a breakdown.json; a larger one is none of ours."""


@command(commands)
def export(  # noqa: PLR0913 - one parameter an option
    results: ResultsArgument,
    *,
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    latex: Annotated[bool, typer.Option("--latex", help="Tables (booktabs), methods and main.tex for LaTeX.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Tables and methods in Markdown.")] = False,
    docx_table_csv: Annotated[
        bool, typer.Option("--docx-table-csv", help="Tables with rounded numbers, for a word processor.")
    ] = False,
    by: ByOption = None,
    opened_before: OpenedOption = None,
    bins: BinsOption = "tertiles",
    edges: EdgesOption = None,
    metric: MetricOption = "dsc",
    level: LevelOption = "case",
    source: SourceOption = None,
    separate_seeds: SeedsOption = False,
    region: MeasuredRegionOption = "",
    regions: AllRegionsOption = "",
) -> None:
    """Write the tables, the methods paragraph and the references of a paper; all formats unless some are named.

    Beside each table stands a .csv in full precision, and breakdown.json holds what the tables show. Of several
    regions each has a folder of its own.

    Example: afl export data/results/demo --out paper --latex
    """
    from afl_core.report.findings import Findings  # noqa: PLC0415 - help comes at once
    from afl_core.report.paper_kit import FORMATS, paper_kit, regions_kit  # noqa: PLC0415

    if out.is_file():
        raise UsageError("The paper kit is a folder", received=out, todo="Give a folder as --out")
    named = {"latex": latex, "markdown": markdown, "docx_table_csv": docx_table_csv}
    formats = [name for name, wanted in named.items() if wanted] or list(FORMATS)
    options = build_options(by, bins, edges, metric, level, source)
    options = replace(options, pool_seeds=not separate_seeds, opened=opened_axes(opened_before))
    if regions:
        found, problems = open_regions(results, options, region, regions)
        opened, files = found[0].comparison, regions_kit(found, command_line(), formats)
        print_problems(problems)
    else:
        opened, breakdown = open_breakdown(results, options, region)
        files = paper_kit(Findings(breakdown, options, opened, command_line()), formats)
        _check_region(out / JSON, opened)
    for name, content in files.items():
        write_atomically(out / name, content)
    print_caveats(opened.manifest, opened.rows)
    print_warnings(opened.left_out_sentences)
    folders = dict.fromkeys(name.split("/")[0] for name in files)  # of one region these are its files
    print_line(f"{', '.join(folders)}{', a folder a region,' if regions else ''} written to {out}")


def _check_region(document: Path, opened: Comparison) -> None:
    """Refuse a folder that holds the tables of another region: they would be overwritten under the same names."""
    try:
        held = json.loads(read_bounded(document, MAX_DOCUMENT))["settings"]["region"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # no export, or one of other results
    if held != opened.region:
        todo = "Give another folder as --out, or --regions all for a folder a region"
        raise UsageError(f"{document.parent} holds the tables of another region", received=held, todo=todo)


@command(commands)
def bundle(
    results: ResultsArgument,
    case: Annotated[str, typer.Argument(help="Id of the case.")],
    *,
    out: Annotated[Path, typer.Option(help="ZIP file to write.")],
    region: MeasuredRegionOption = "",
) -> None:
    """Write a case as one ZIP for 3D Slicer and ITK-SNAP: images, reference, masks, colours and the commands to start.

    Example: afl bundle data/results/demo Brats18_SYN_test_000 --out case.zip
    """
    from afl_core.elsewhere.bundle import write_bundle  # noqa: PLC0415 - help comes at once

    if out.is_dir():
        raise UsageError("The bundle is one file", received=out, todo=f"Such as --out {out / 'case.zip'}")
    opened = open_compared(results, region)
    measured = dict.fromkeys(opened.rows["case_id"]) if not opened.rows.empty else {}
    pick(measured, case, kind="case")
    with replacing(out) as temporary, temporary.open("wb") as file:
        notes = write_bundle(opened, case, file)
    print_warnings(notes)
    print_line(f"{out} written, {file_size(out.stat().st_size)}")
