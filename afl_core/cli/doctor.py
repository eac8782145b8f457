"""Checks of an installation."""

import os
import platform
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from afl_core.base.paths import DEMO, HOME, MODELS, PROJECT, RESULTS
from afl_core.base.versions import package_version
from afl_core.errors import AflError
from afl_core.model.checkpoints import CARD, load_card, verify_weights

PIN = re.compile(r"([A-Za-z0-9_.-]+)==([^\s;#]+)")


@dataclass(frozen=True)
class Check:
    """One line of `afl doctor`."""

    name: str
    fine: bool
    detail: str


def run_checks() -> tuple[Check, ...]:
    """Look at Python, packages, machine, folders, checkpoints and demo data; imports nothing heavy."""
    return (_python(), _packages(), _machine(), *_folders(), *_checkpoints(), _demo())


def _python() -> Check:
    return Check("Python", sys.version_info[:2] == (3, 11), f"{platform.python_version()} (3.11 is needed)")


def _packages() -> Check:
    requirements = PROJECT / "requirements.txt"
    if not requirements.is_file():
        return Check("packages", False, f"there is no {requirements.name} to compare with")
    wrong = []
    for line in requirements.read_text().splitlines():
        pin = PIN.match(line)
        if pin and (have := package_version(pin[1]).split("+")[0]) != pin[2]:
            wrong.append(f"{pin[1]} {have or 'missing'} (pinned {pin[2]})")
    return Check("packages", not wrong, "; ".join(wrong) or "all as pinned in requirements.txt")


def _machine() -> Check:
    free_gb = shutil.disk_usage(_existing(HOME)).free / 1e9
    detail = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {free_gb:.0f} GB free"
    return Check("machine", free_gb > 1, detail)


def _folders() -> tuple[Check, ...]:
    """Checks of the folders in which the workbench keeps its files."""
    how = "as AFL_HOME says" if os.environ.get("AFL_HOME") else "the project's own; AFL_HOME names another"
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
    folders = sorted(path.parent for path in MODELS.glob(f"*/{CARD}"))
    if not folders:
        return (Check("checkpoints", False, f"none in {MODELS}"),)
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
    return Check("demo cohort", cases > 0, f"{cases} cases in {DEMO}")
