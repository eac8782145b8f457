"""The options by which every command opens a data set."""

from pathlib import Path
from typing import Annotated

import typer

from afl_core.data.labels import SCHEMES
from afl_core.data.layouts import LAYOUTS

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
