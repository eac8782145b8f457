"""The options by which every command opens a data set, and how they open it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from afl_core.base.cluster import FORMS, Cluster, parse_cluster
from afl_core.base.extras import need
from afl_core.data.labels import SCHEMES, WHOLE
from afl_core.data.layouts import LAYOUTS, Cohort, DataOptions
from afl_core.errors import UsageError

DATA_HELP = "Folder of the data set, in a known layout (docs/data.md); or its address or archive (docs/remote.md)."
LayoutOption = Annotated[
    str | None,
    typer.Option(help=f"Layout, where it cannot be told: {', '.join(LAYOUTS)}, or a .toml file that describes one."),
]
LabelsOption = Annotated[
    str | None,
    typer.Option(
        help=f"What the labels are, where the data set does not say: {', '.join(SCHEMES)}, or your own codes, such as "
        "et=1,ncr=2,ed=3."
    ),
]
PatientsOption = Annotated[
    Path | None,
    typer.Option(
        help="CSV or TSV with the columns case_id and patient, where the names do not say who is one patient: the unit "
        "of all statistics and splits."
    ),
]
CovariatesOption = Annotated[
    Path | None,
    typer.Option(
        help="CSV or TSV with a column case_id or patient and further ones, such as site, scanner, grade or age: each "
        "can be an axis of the breakdown."
    ),
]
RegionOption = Annotated[
    str | None,
    typer.Option(
        help="What counts as tumour: whole (also wt, cspca; the default), tc, et, or the name of a label. It is needed "
        "where organ and tumour are labels of one set."
    ),
]
RegionsOption = Annotated[
    str | None,
    typer.Option(
        help="Several regions, such as whole,tc,et or whole,ring=2+4 (a name with its labels); the first one is opened "
        "first. By default all that the labels name."
    ),
]
MeasuredRegionOption = Annotated[
    str, typer.Option("--region", help="The region to look at, of those that were measured; by default the first one.")
]
TrustOption = Annotated[
    bool,
    typer.Option(
        "--trust-voxel-order",
        help="Files of one shape lie on one grid, voxel by voxel as stored, whatever their headers say: for masks that "
        "lost their header.",
    ),
]


WorkersOption = Annotated[int | None, typer.Option(help="Processes; one a core by default. Each holds a case.", min=1)]
ClusterOption = Annotated[
    str | None,
    typer.Option(help=f"Work on a cluster in place of processes of this machine: {FORMS} (docs/scale.md)."),
]


class NamedPaths(TyperCommand):
    """A command whose folders are options: a path that is given without its name is told which they are."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments that are left; raises `UsageError` where a path has no name."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if "extra argument" not in str(error):
                raise
            names = [name for option in self.params for name in option.opts if name in PATHS]
            todo = f"Give {' or '.join(f'{name} PATH ({PATHS[name]})' for name in names)}"
            given = str(error).rpartition("(")[2].rstrip(").")
            raise UsageError(f"afl {self.name} cannot tell what this is", received=given, todo=todo) from error


PATHS = {
    "--data": "the folder of a data set",
    "--references": "a folder of reference masks alone",
    "--model": "a checkpoint",
}
"""Options that take what is often given without a name, and what they take."""


def data_options(
    *,
    layout: str | None = None,
    labels: str | None = None,
    region: str | None = None,
    trust_voxel_order: bool = False,
    patients: Path | None = None,
) -> DataOptions:
    """The data options of a command; the path of the table is absolute, so that it holds from any folder."""
    return DataOptions(
        layout, labels, region or WHOLE, trust_voxel_order, str(patients.resolve()) if patients else None
    )


def choose_cluster(cluster: str | None, workers: int | None = None) -> Cluster | None:
    """The cluster that an option names; None where it names none.

    Raises:
        UsageError: If it is no cluster, its extra is missing, or a number of processes was given too.
        DataError: If its file cannot be read.
    """
    if cluster is None:
        return None
    need("cluster", of="--cluster")
    if workers is not None:
        raise UsageError("Give either --workers or --cluster", received=f"--workers {workers} --cluster {cluster}")
    return parse_cluster(cluster)


def open_cohort(data: Path | None, references: Path | None, options: DataOptions) -> Cohort:
    """The data set, or the folder of references, that a command was given.

    Raises:
        UsageError: If both were given, or neither, or if `load_cohort` or `references_cohort` raises it.
        DataError: If `load_cohort` or `references_cohort` raises it.
    """
    if data is not None and references is None:
        return options.load(data)
    if references is not None and data is None:
        return options.references(references)
    raise UsageError("Give either --data or --references")
