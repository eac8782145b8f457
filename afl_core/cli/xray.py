"""`afl xray`: what A-FL does on a data set, before anything is trained."""

import math
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Annotated, cast, get_args

import pandas as pd
import typer
from rich.table import Table
from rich.text import Text

from afl_core.analysis.breakdown.bins import tertiles
from afl_core.analysis.xray.document import xray_json
from afl_core.analysis.xray.findings import figure, findings, headline, percent
from afl_core.analysis.xray.focusing import SETTINGS, distance_from_ce
from afl_core.analysis.xray.table import (
    PREPARATIONS,
    QUANTITIES,
    Preparation,
    focusing_by_bin,
    summary,
    tumours,
    xray_table,
)
from afl_core.base.catalogue import find_key
from afl_core.base.cluster import Cluster
from afl_core.base.storage import write_atomically
from afl_core.base.words import number_of
from afl_core.base.workers import worker_pool
from afl_core.cli.options import (
    ClusterOption,
    LabelsOption,
    LayoutOption,
    NamedPaths,
    PatientsOption,
    RegionOption,
    TrustOption,
    choose_cluster,
    data_options,
    open_cohort,
)
from afl_core.cli.output_options import command
from afl_core.cli.terminal import (
    command_line,
    print_json,
    print_line,
    print_problems,
    print_result,
    print_warnings,
    progress_bar,
)
from afl_core.data.check.doubts import doubt_cohort, with_tumour
from afl_core.data.layouts import Cohort
from afl_core.data.mask_grid import Grid, Resize
from afl_core.errors import DataError, UsageError

commands = typer.Typer()

LEGEND = (
    "gamma_adaptive, A-FL's gamma: gamma_va + gamma_mSa. gamma_va: the tumour's share of all voxels; alpha_va: "
    "1 - gamma_va. gamma_mSa, the paper's smoothness: boundary faces over all voxels (released), over the boundary's "
    "voxels (boundary, as the text reads), or roughness (scale-free, ours). rho: Spearman's rank correlation with "
    "volume and roughness. from CE: largest distance from cross-entropy of the same weights, for its highest gamma."
)


@command(commands, table=True, cls=NamedPaths)
def xray(  # noqa: PLR0913 - one parameter an option
    *,
    data: Annotated[Path | None, typer.Option(help="Folder of the data set, as afl evaluate takes it.")] = None,
    references: Annotated[
        Path | None, typer.Option(help="Folder of reference masks alone, in place of --data.")
    ] = None,
    layout: LayoutOption = None,
    labels: LabelsOption = None,
    region: RegionOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder for xray.csv and xray.json.")] = None,
    prepare: Annotated[
        str, typer.Option(help=f"What is done to the masks before the loss: {', '.join(PREPARATIONS)}.")
    ] = "own",
    grid: Annotated[str | None, typer.Option(help="Voxels to resize to, such as 160,128,24, after --prepare.")] = None,
    trust_voxel_order: TrustOption = False,
    patients: PatientsOption = None,
    resize: Annotated[
        str | None, typer.Option(help="nearest, or area with everything above 0, as released. Needs a grid.")
    ] = None,
    cluster: ClusterOption = None,
) -> None:
    """Show what A-FL takes from every case: alpha, gamma under each reading, and what that does to the loss.

    Masks alone are enough. With --out, writes xray.csv (a row a case) and xray.json (what is printed).

    Example: afl xray --references MASKS --prepare picai_paper --out my_xray
    """
    preparation, on = build_preparation(prepare, grid, resize), choose_cluster(cluster)
    options = data_options(
        layout=layout, labels=labels, region=region, trust_voxel_order=trust_voxel_order, patients=patients
    )
    cohort = open_cohort(data, references, options)
    cohort = cohort if region else with_tumour(cohort)
    print_warnings((*cohort.patients.warnings, *doubt_cohort(cohort)))
    table, problems = _measure(cohort, preparation, on)
    problems |= dict(cohort.problems)
    if table.empty:
        print_problems(problems)
        raise DataError("No reference could be measured", received=data or references, todo="See the reasons above")
    print_xray(table, preparation)
    print_problems(problems)
    findings_json = xray_json(table, preparation, problems=problems, command=command_line())
    print_json(findings_json)
    if out:
        write_atomically(out / "xray.csv", table.to_csv(index=False).encode())
        write_atomically(out / "xray.json", findings_json.encode())
        print_line(f"xray.csv, xray.json written to {out}")


def _measure(cohort: Cohort, preparation: Preparation, on: Cluster | None) -> tuple[pd.DataFrame, dict[str, str]]:
    """`xray_table` on all cores or a cluster, with a progress bar."""
    total, done = len(cohort.cases), count(1)
    with worker_pool(tasks=total, workers=on) as executor, progress_bar("Measuring") as advance:
        return xray_table(
            cohort.cases,
            preparation,
            executor=executor,
            report=lambda case_id: advance(next(done), total, case_id),
        )


def build_preparation(name: str, grid: str | None, resize: str | None) -> Preparation:
    """The preparation that the options ask for; raises `UsageError` where one is wrong."""
    name = find_key(PREPARATIONS, name, kind="preparation")
    preparation = PREPARATIONS[name]
    if grid is not None:
        preparation = replace(preparation, grid=parse_grid(grid))
    if resize is not None:
        resize = find_key(dict.fromkeys(get_args(Resize)), resize, kind="way to resize a mask")
        if preparation.grid is None:
            raise UsageError("--resize needs a grid to resize to", received=resize, todo="Add --grid 160,128,24")
        preparation = replace(preparation, resize=cast(Resize, resize))
    if preparation == PREPARATIONS[name] or preparation.grid is None:
        return preparation
    before = f"{preparation.title}, then " if preparation.spacing_mm or preparation.crop else ""
    return replace(
        preparation, title=f"{before}{' x '.join(map(str, preparation.grid))} voxels, resized by {preparation.resize}"
    )


def parse_grid(text: str) -> Grid:
    """Three numbers of voxels.

    >>> parse_grid("160,128,24")
    (160, 128, 24)
    """
    try:
        x, y, z = (int(part) for part in text.split(","))
    except ValueError:
        x = y = z = 0
    if min(x, y, z) < 1 or x * y * z > 2**28:
        raise UsageError(
            "A grid is three numbers of voxels, 2^28 in all at most", received=text, todo="Such as 160,128,24"
        )
    return x, y, z


def print_xray(table: pd.DataFrame, preparation: Preparation) -> None:
    """The distribution of every quantity, the losses by size, and the findings."""
    there = tumours(table)
    print_line(f"The loss sees: {preparation.title}. {len(there)} of {number_of(len(table), 'case')} with a tumour.")
    sentences = [f"- {f.claim} {f.measured}" for f in findings(table)]
    print_result(Text(headline(table), style="bold"))
    if not there.empty:
        print_result(_quantities(table))
        if len(there) >= 3:
            print_result(_by_size(there))
        sentences.insert(0, LEGEND)
    print_result(*sentences)


def _quantities(table: pd.DataFrame) -> Table:
    quantiles = summary(table)
    columns = ("min", "q1", "median", "q3", "p95", "max", "rho size", "rough")
    shown = Table("quantity", *columns, box=None, padding=(0, 1, 0, 0))
    for key, row in quantiles.iterrows():
        name = str(key)
        values = [f"{value:.4f}" if name == "alpha_va" else figure(value) for value in row.iloc[:6]]
        rho = ["–" if math.isnan(value) else f"{value:+.2f}" for value in row.iloc[6:]]
        shown.add_row(Text(QUANTITIES[name]), *values, *rho)
    shown.add_row(Text("gamma of FL"), *["2"] * 6, "–", "–")
    return shown


def _by_size(there: pd.DataFrame) -> Table:
    binning = tertiles("size", there["size"])
    medians = focusing_by_bin(there, SETTINGS, binning.assign(there["size"]))
    shown = Table(
        "median gamma",
        *(binning.names[int(k)] for k in medians.index),
        "from CE",
        box=None,
        padding=(0, 1, 0, 0),
    )
    shown.add_row("", *(binning.ends_text(int(k)) for k in medians.index), "")
    for name in SETTINGS:
        far = float(distance_from_ce(medians[name].max()))
        shown.add_row(Text(name), *(figure(value) for value in medians[name]), percent(far))
    return shown
