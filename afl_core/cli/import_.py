"""`afl import`: results from tables that another tool has computed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from afl_core.analysis.breakdown.options import Options
from afl_core.analysis.breakdown.overall import Overall, overall
from afl_core.analysis.statistics.paired import patients_text
from afl_core.base.numbers import number
from afl_core.base.storage import json_text
from afl_core.cli.options import CovariatesOption, LabelsOption, PatientsOption, data_options
from afl_core.cli.output_options import command
from afl_core.cli.summary import print_caveats
from afl_core.cli.terminal import print_json, print_line, print_problems, print_result
from afl_core.data.labels import WHOLE
from afl_core.evaluation.comparison import Comparison, open_comparison
from afl_core.evaluation.imported.catalogue import TABLE, TOOLS
from afl_core.evaluation.imported.importing import Request, import_tables, parse_files
from afl_core.evaluation.imported.values import SIZE_UNITS, Choice, parse_metric

commands = typer.Typer()


@command(commands, name="import", table=True)
def import_(  # noqa: PLR0913 - one parameter an option
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]FILE...",
            help="Tables, or folders of them: of a model each, or of all. NAME is the model's, where the table names "
            "none; by default the folder's or the file's.",
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Results folder to make.")],
    format_: Annotated[
        str, typer.Option("--format", help=f"{', '.join(TOOLS)}, or {TABLE} for any other; told from the files.")
    ] = "",
    region: Annotated[str, typer.Option(help="Label or region to take, where the tables hold several.")] = "",
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Of any other table: COLUMN=higher or COLUMN=lower[:UNIT]; may be given several times."),
    ] = None,
    tool: Annotated[str, typer.Option(help="Of any other table: who measured, to stand behind each metric.")] = "table",
    case_column: Annotated[str, typer.Option(help="Of any other table: column of the case.")] = "case_id",
    model_column: Annotated[str, typer.Option(help="Of any other table: column of the model.")] = "",
    region_column: Annotated[str, typer.Option(help="Of any other table: column of the region.")] = "",
    metric_column: Annotated[
        str, typer.Option(help="Of a table with a row a metric: column of its name; --metric names those to take.")
    ] = "",
    value_column: Annotated[str, typer.Option(help="Of such a table: column of the value.")] = "value",
    size: Annotated[
        str, typer.Option(help=f"Of any other table: COLUMN:UNIT of the reference's size; {', '.join(SIZE_UNITS)}.")
    ] = "",
    voxel_mm3: Annotated[
        float | None, typer.Option(help="Volume of a voxel, where sizes are in voxels, as nnU-Net has them.", min=1e-9)
    ] = None,
    references: Annotated[
        Path | None, typer.Option(help="Folder of the reference masks: volume and roughness are measured on them.")
    ] = None,
    reference_region: Annotated[
        str, typer.Option(help="Region of the references that the tables are of; a name in --labels, or whole.")
    ] = WHOLE,
    labels: LabelsOption = None,
    patients: PatientsOption = None,
    covariates: CovariatesOption = None,
) -> None:
    """Make results of tables that another tool has computed: nnU-Net, AUDIT, panoptica, BraTS, or any CSV.

    The metrics keep their origin in their name, such as Dice (nnU-Net), and are never mixed with ours.

    Example: afl import FL=fl/summary.json A-FL=afl/summary.json --region 1 --references labelsTs --out my_import
    """
    column, _, unit = size.partition(":")
    columns = (case_column, model_column, region_column, metric_column, value_column)
    choice = Choice(tuple(map(parse_metric, metric or ())), *columns, column, unit or "ml")
    options = data_options(labels=labels, region=reference_region, patients=patients)
    cohort = options.references(references) if references else None
    request = Request(parse_files(files), format_, tool, region, choice, voxel_mm3, cohort, patients, covariates)
    opened = open_comparison(import_tables(request, out).folder)
    metrics = overall((opened.rows, opened.lesions), opened.manifest, Options(pool_seeds=False))
    _print(opened, metrics)
    print_problems(opened.manifest.data.skipped)
    print_caveats(opened.manifest, opened.rows, opened.manifest.covariates.told)
    print_line(f"Table and manifest are in {out}")


def _print(opened: Comparison, metrics: Sequence[Overall]) -> None:
    """Means of each source, a row a metric."""
    table = Table("metric", *opened.sources, "over", box=None, padding=(0, 1, 0, 0))
    records = []
    for metric in metrics:
        units, means = metric.units, metric.means
        n, of = int(metric.records["n"].iloc[0]), units.reference["patient"].nunique()
        over = patients_text(n, len(units.table), of)
        cells = [number(means[source], units.measure.digits) for source in opened.sources]
        table.add_row(*map(Text, (units.measure.title, *cells, over)))
        values = {source: None if means.isna()[source] else float(means[source]) for source in opened.sources}
        records.append({"metric": units.measure.key, "label": units.measure.label, "means": values, "over": over})
    print_result(table)
    print_json(json_text({"results": str(opened.results.folder), "metrics": records}))
