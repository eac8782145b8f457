"""The command line, `afl`: which commands there are. Each is loaded when it is called, so that help comes at once."""

import sys
from collections.abc import Mapping
from concurrent.futures import BrokenExecutor
from importlib import import_module
from io import TextIOWrapper
from types import MappingProxyType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

import afl_core
from afl_core.errors import AflError

COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "app": ("app", "Serve the workbench on this machine, and open it in the browser."),
        "demo": ("demo", "Put the synthetic demo cohort and the results of the shipped checkpoints in place."),
        "evaluate": ("evaluate", "Measure every source on every case: per case and per lesion."),
        "protocol": (
            "protocol",
            "Measure folders of label files as a challenge does: lesions, sizes and empty masks by its own rules.",
        ),
        "import": (
            "import_",
            "Make results of tables that another tool has computed: nnU-Net, AUDIT, panoptica, BraTS, or any CSV.",
        ),
        "breakdown": (
            "analysis",
            "Compare sources by tumour size and smoothness: means, paired differences, intervals and tests in every "
            "bin.",
        ),
        "ranking": (
            "ranking",
            "Rank three sources or more: by four methods, over resamples of the patients, and which is shown better.",
        ),
        "label-errors": (
            "label_errors",
            "Show which label was taken for which: shares of each label of the reference, over all cases, by source.",
        ),
        "curves": (
            "curves",
            "Show what each source would find at every threshold, and compare two at thresholds chosen on other cases.",
        ),
        "confidence": (
            "confidence",
            "Show how sure each source is against how often it is right, and compare two at fitted temperatures.",
        ),
        "contrast": (
            "contrast",
            "Measure contrast and signal to noise of the reference's lesions on the images, as covariates of results.",
        ),
        "follow-up": (
            "follow_up",
            "Follow the tumour volume of each patient: change, response by volume, and agreement of the change.",
        ),
        "report": (
            "analysis",
            "Write one HTML file with everything that a comparison found; it opens anywhere, without a network.",
        ),
        "export": (
            "export",
            "Write the tables, the methods paragraph and the references of a paper; all formats unless some are named.",
        ),
        "bundle": (
            "export",
            "Write a case as one ZIP for 3D Slicer and ITK-SNAP: images, reference, masks, colours and the commands to "
            "start.",
        ),
        "figure": (
            "analysis",
            "Draw a large, a small, a smooth and a rough tumour as surfaces and slices, a row for each source.",
        ),
        "xray": (
            "xray",
            "Show what A-FL takes from every case: alpha, gamma under each reading, and what that does to the loss.",
        ),
        "data": ("data", "Check a data set, split it by patient, and write it for nnU-Net."),
        "train": (
            "training",
            "Train a checkpoint: weights.safetensors and card.json. Ctrl-C saves and ends; --resume goes on.",
        ),
        "nnunet": (
            "nnunet",
            "Print what to set so that nnU-Net trains with A-FL and its baselines, and list the trainers.",
        ),
        "study": (
            "study",
            "Train FL, the readings of A-FL and other losses with several seeds, and compare them on the test split.",
        ),
        "rename": (
            "evaluate",
            "Give a source of results another name; its rows and masks stay, and are not measured again.",
        ),
        "predict": ("evaluate", "Segment cases with a checkpoint, on all cores or a cluster; needs no reference."),
        "doctor": (
            "doctor",
            "Check the installation: versions, cores, memory, checkpoints, demo data; exit status 2 if something is "
            "amiss.",
        ),
    }
)
"""Name of a command to its module in this folder, and to its line in the list; a test holds it to the command's own."""


class Commands(TyperGroup):
    """The commands by name alone, until one of them is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=line) for name, (_, line) in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that is called, loaded, and its arguments."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else load_command(name), rest


def load_command(name: str) -> Any:
    """A command of `COMMANDS` with its options, from its module."""
    module = import_module(f"afl_core.cli.{COMMANDS[name][0]}")
    return get_group(module.commands).commands[name]


app = typer.Typer(
    cls=Commands,
    help="Compare tumour segmentation losses case by case: focal loss (FL) against adaptive focal loss (A-FL).\n\n"
    "Research use only, not a medical device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"afl-workbench {afl_core.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a user's mistake ends with one message and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may have no letter for a name
    try:
        app()
    except BrokenExecutor as error:
        todo = "Run the command again: cases that were finished are kept"
        _end(AflError("A worker process was ended from outside, perhaps for lack of memory", todo=todo), error)
    except Exception as error:  # noqa: BLE001 - a person gets one message, and the log the rest
        from afl_core.base.isolation import explained  # noqa: PLC0415 - as above
        from afl_core.cli.terminal import command_line  # noqa: PLC0415

        _end(explained(error, of=f"running {command_line()}"), error)


def _end(error: AflError, cause: Exception) -> NoReturn:
    from afl_core.cli import terminal  # noqa: PLC0415 - a command has loaded it

    if terminal.shown.verbose and error is not cause:
        terminal.console.print_exception()
    terminal.print_always(f"Error: {error}")
    sys.exit(2)
