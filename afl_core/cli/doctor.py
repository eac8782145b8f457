"""`afl doctor`: checks of an installation."""

import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import requires
from pathlib import Path

import typer
from packaging.requirements import Requirement
from rich.table import Table
from rich.text import Text

from afl_core.base.extras import EXTRAS, need
from afl_core.base.paths import DEMO, HOME, IN_CHECKOUT, MODELS, RESULTS, SHIPPED, SHIPPED_MODELS
from afl_core.base.storage import json_text
from afl_core.base.versions import package_version
from afl_core.cli.output_options import command
from afl_core.cli.terminal import print_json, print_result
from afl_core.errors import AflError, UsageError
from afl_core.model.checkpoints import CARD, load_card, verify_weights

commands = typer.Typer()

PIN = re.compile(r"([A-Za-z0-9_.-]+)==([^\s;#]+)")


@dataclass(frozen=True)
class Check:
    """One line of `afl doctor`."""

    name: str
    fine: bool
    detail: str


def run_checks() -> tuple[Check, ...]:
    """Look at Python, packages, machine, folders, checkpoints and demo data; imports nothing heavy."""
    return (_python(), _packages(), *_extras(), _machine(), *_folders(), *_checkpoints(), _demo())


def _python() -> Check:
    return Check("Python", sys.version_info >= (3, 11), f"{platform.python_version()} (3.11 is what is tested)")


def _packages() -> Check:
    """In a checkout the packages are compared with its lock, else with the ranges of the package's metadata."""
    if not IN_CHECKOUT:
        return _ranges(requires("afl-workbench") or [])
    requirements = SHIPPED / "requirements.txt"
    if not requirements.is_file():
        return Check("packages", False, f"there is no {requirements.name} to compare with")
    wrong = []
    for line in requirements.read_text().splitlines():
        pin = PIN.match(line)
        if pin and (have := package_version(pin[1]).split("+")[0]) != pin[2]:
            wrong.append(f"{pin[1]} {have or 'missing'} (pinned {pin[2]})")
    return Check("packages", not wrong, "; ".join(wrong) or "all as pinned in requirements.txt")


def _ranges(lines: Sequence[str]) -> Check:
    """Whether the installed packages lie in the ranges that a package asks for; an extra may be missing as a whole."""
    wrong = []
    for requirement in map(Requirement, lines):
        have = package_version(requirement.name)
        needed = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if (have and have not in requirement.specifier) or (needed and not have):
            wrong.append(f"{requirement.name} {have or 'missing'} (needed {requirement.specifier})")
    return Check("packages", not wrong, "; ".join(wrong) or "all in the ranges that afl-workbench asks for")


def _extras() -> tuple[Check, ...]:
    """Which of the extras are there; none has to be."""
    lines = []
    for extra in EXTRAS:
        try:
            need(extra, of=extra)
            lines.append(Check(f"extra {extra}", True, "installed"))
        except UsageError as error:
            lines.append(Check(f"extra {extra}", True, f"not installed: {error.todo.removeprefix('Give: ')} adds it"))
    return tuple(lines)


def _machine() -> Check:
    free_gb = shutil.disk_usage(_existing(HOME)).free / 1e9
    detail = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {free_gb:.0f} GB free"
    return Check("machine", free_gb > 1, detail)


def _folders() -> tuple[Check, ...]:
    """Checks of the folders in which the workbench keeps its files."""
    how = (
        "as AFL_HOME says"
        if os.environ.get("AFL_HOME")
        else f"{'the checkout' if IN_CHECKOUT else 'of this user'}; AFL_HOME names another"
    )
    home = _folder("home", HOME)
    return (
        Check(home.name, home.fine, f"{home.detail} ({how})"),
        _folder("results", RESULTS),
        _folder("runs", MODELS / "runs"),
    )


def _folder(what: str, path: Path) -> Check:
    """Whether files can be kept in a folder; one that is not there yet is made when it is needed."""
    name, existing = f"folder of {what}" if what != "home" else "home folder", _existing(path)
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        at = "" if existing == path else f": {existing}"
        return Check(name, False, f"{path} cannot be written{at} ({error.strerror})")
    return Check(name, True, f"{path}{'' if existing == path else ', which is made when it is needed'}")


def _existing(path: Path) -> Path:
    """A path, or the nearest above it that is there."""
    return next(place for place in (path, *path.parents) if os.path.lexists(place))


def _checkpoints() -> tuple[Check, ...]:
    roots = dict.fromkeys((SHIPPED_MODELS, MODELS))
    folders = [path.parent for root in roots for path in sorted(root.glob(f"*/{CARD}"))]
    if not folders:
        return (Check("checkpoints", False, f"none in {' or '.join(map(str, roots))}"),)
    checks = []
    for folder in folders:
        try:
            card = load_card(folder)
            verify_weights(folder, card)
            checks.append(Check(f"checkpoint {folder.name}", True, card.summary))
        except AflError as error:
            checks.append(Check(f"checkpoint {folder.name}", False, str(error)))
    return tuple(checks)


def _demo() -> Check:
    cases = len(list(DEMO.glob("HGG/*/*_seg.nii.gz")))
    return Check("demo cohort", True, f"{cases} cases in {DEMO}" if cases else "not made yet; `afl demo` makes it")


@command(commands, table=True)
def doctor() -> None:
    """Check the installation: versions, cores, memory, checkpoints, demo data; exit status 2 if something is amiss."""
    checks = run_checks()
    table = Table("", "check", "found", box=None)
    for check in checks:
        table.add_row(Text("ok", "green") if check.fine else Text("no", "red"), check.name, Text(check.detail))
    print_result(table)
    print_json(json_text({"checks": [asdict(check) for check in checks]}))
    if not all(check.fine for check in checks):
        todo = "Mend what stands beside no"
        if not all(check.fine for check in checks if "folder" in check.name):
            todo += "; AFL_HOME names a folder that can be written"
        raise UsageError("Some checks failed", todo=todo)
