"""Checks of an installation."""

import os
import platform
import re
import shutil
import sys
from dataclasses import dataclass

from afl_core.base.paths import DEMO, HOME, MODELS
from afl_core.base.versions import package_version
from afl_core.errors import AflError
from afl_core.model.checkpoints import CARD, load_card, verify_weights

PIN = re.compile(r"([A-Za-z0-9_.-]+)==([^\s;#]+)")


@dataclass(frozen=True)
class Check:
    """One line of `afl doctor`."""

    name: str
    fine: bool
    found: str


def run_checks() -> tuple[Check, ...]:
    """Look at Python, packages, machine, checkpoints and demo data; imports nothing heavy."""
    return (_python(), _packages(), _machine(), *_checkpoints(), _demo())


def _python() -> Check:
    return Check("Python", sys.version_info[:2] == (3, 11), f"{platform.python_version()} (3.11 is needed)")


def _packages() -> Check:
    requirements = HOME / "requirements.txt"
    if not requirements.is_file():
        return Check("packages", False, f"there is no {requirements.name} to compare with")
    wrong = []
    for line in requirements.read_text().splitlines():
        pin = PIN.match(line)
        if pin and (have := package_version(pin[1]).split("+")[0]) != pin[2]:
            wrong.append(f"{pin[1]} {have or 'missing'} (pinned {pin[2]})")
    return Check("packages", not wrong, "; ".join(wrong) or "all as pinned in requirements.txt")


def _machine() -> Check:
    existing = next(folder for folder in (HOME, *HOME.absolute().parents) if folder.is_dir())
    free_gb = shutil.disk_usage(existing).free / 1e9
    found = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {free_gb:.0f} GB free"
    return Check("machine", free_gb > 1, found)


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
