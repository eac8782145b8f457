"""`afl nnunet`: how nnU-Net is told of the trainers; needs neither nnU-Net nor torch."""

import os
import shlex

import typer
from rich.table import Table
from rich.text import Text

from afl_core.base.storage import json_text
from afl_core.base.versions import package_version
from afl_core.cli.output_options import command
from afl_core.cli.terminal import print_json, print_line, print_result
from afl_core.nnunet.catalogue import ENDINGS, FOLDER, TRAINERS, VARIABLE

commands = typer.Typer()

EXAMPLE = "nnUNetv2_train 501 3d_fullres 0 -tr nnUNetTrainerAFL_paper"

INSTALL = "pip install 'afl-workbench[nnunet]'"


@command(commands, table=True)
def nnunet() -> None:
    """Print what to set so that nnU-Net trains with A-FL and its baselines, and list the trainers.

    Nothing in nnU-Net's own folder is changed. Set the variable for nnUNetv2_predict too.

    Example: afl nnunet
    """
    export = f"export {VARIABLE}={shlex.quote(folders())}"
    version = package_version("nnunetv2")
    table = Table("trainer", "trains with", box=None)
    for name, spec in TRAINERS.items():
        table.add_row(name, Text(spec.line))
    for ending, meaning in ENDINGS.items():
        table.add_row(f"... {ending}", Text(meaning))
    print_line("Give these two lines, the second with your data set, configuration and fold:")
    print_result(Text(export), Text(EXAMPLE), table)
    print_line(f"nnU-Net {version} is installed here." if version else f"nnU-Net is not installed here: {INSTALL}")
    print_json(
        json_text(
            {
                "export": export,
                "train": EXAMPLE,
                "nnunetv2": version or None,
                "trainers": [
                    {"name": name, "trains_with": spec.line, "loss": spec.loss, "settings": dict(spec.settings)}
                    for name, spec in TRAINERS.items()
                ],
                "endings": dict(ENDINGS),
            }
        )
    )


def folders() -> str:
    """The folder of the trainers, after those that the variable names already."""
    named = [path for path in os.environ.get(VARIABLE, "").split(os.pathsep) if path]
    return os.pathsep.join(dict.fromkeys([*named, str(FOLDER)]))
