"""The options by which every command opens a data set, and how they open it."""

from pathlib import Path
from typing import Annotated

import typer

from afl_core.data.labels import SCHEMES, WHOLE
from afl_core.data.layouts import LAYOUTS, Cohort, DataOptions
from afl_core.errors import UsageError

DATA_HELP = "Folder of the data set, in a known layout (docs/data.md)."
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
RegionOption = Annotated[
    str, typer.Option(help="What counts as tumour: whole (also wt, cspca), tc, et, or a name in your own --labels.")
]
TrustOption = Annotated[
    bool,
    typer.Option(
        "--trust-voxel-order",
        help="Files of one shape lie on one grid, voxel by voxel as stored, whatever their headers say: for masks that "
        "lost their header.",
    ),
]


def data_options(
    *,
    layout: str | None = None,
    labels: str | None = None,
    region: str = WHOLE,
    trust_voxel_order: bool = False,
    patients: Path | None = None,
) -> DataOptions:
    """What a command was given of these; the table's path holds from any folder, for who reads the data set later."""
    return DataOptions(layout, labels, region, trust_voxel_order, str(patients.resolve()) if patients else None)


def open_cohort(data: Path | None, references: Path | None, options: DataOptions) -> Cohort:
    """The data set, or the folder of references, that a command was given.

    Raises:
        UsageError: If both were given, or neither; else as `load_cohort` and `references_cohort`.
        DataError: As these.
    """
    if data is not None and references is None:
        return options.load(data)
    if references is not None and data is None:
        return options.references(references)
    raise UsageError("Give either --data or --references")
