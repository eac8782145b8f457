"""What the project says of itself agrees with itself."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import afl_core

ROOT = Path(__file__).parents[1]

UNLOCKED = ("cluster", "dicom", "nnunet", "remote")
"""Extras that the lock leaves out: few have a cluster, DICOM or data elsewhere; nnU-Net has its own environment."""


def metadata():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_one_version_everywhere():
    assert f"version: {afl_core.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {afl_core.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_what_is_pinned_lies_in_the_ranges_and_is_all_that_they_ask_for():
    pins = dict(re.findall(r"^([a-z0-9-]+)==([\d.]+)", (ROOT / "requirements.txt").read_text().replace("_", "-"), re.M))
    extras = {name: lines for name, lines in metadata()["optional-dependencies"].items() if name not in UNLOCKED}
    asked = [*metadata()["dependencies"], *chain(*extras.values())]
    for line in asked:
        if line.startswith("afl-workbench["):
            continue
        name, low = line.split(">=")
        assert tuple(map(int, pins[name].split("."))) >= tuple(map(int, low.split("."))), line


def test_the_hashed_lock_pins_the_same_versions():
    pins = re.compile(r"^([A-Za-z0-9_.-]+)==([\d.a-z]+)", re.M)
    files = ("requirements.txt", "requirements-hashed.txt")
    plain, hashed = (dict(pins.findall((ROOT / name).read_text())) for name in files)
    assert plain == hashed


def test_the_workflow_runs_what_lands():
    assert "bash .ci/run" in (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert "make test" in (ROOT / ".ci" / "run").read_text()
