"""What is installed with the workbench has a licence that lets everyone use it."""

import os
import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
FORBIDDEN = re.compile(r"\bA?GPL|General Public License|Affero|non-?commercial|CC-BY-NC", re.IGNORECASE)
LESSER = re.compile(r"L-?GPL|Lesser General Public License|Library General Public License", re.IGNORECASE)


def locked():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [line.partition("==")[0] for line in lines if "==" in line and not line.lstrip().startswith("#")]


def licence(package):
    """What a package says of its own licence; a long text counts as its first line."""
    facts = metadata(package)
    classifiers = [text for text in facts.get_all("Classifier") or [] if text.startswith("License ::")]
    texts = [facts.get("License-Expression"), (facts.get("License") or "").strip().partition("\n")[0], *classifiers]
    return " / ".join(filter(None, texts))


@pytest.mark.parametrize("package", locked())
def test_no_package_is_gpl_or_non_commercial(package):
    try:
        text = licence(package)
    except PackageNotFoundError:  # a lock is for more than one platform
        pytest.fail(f"{package} is in requirements.txt and not installed")
    assert text, f"{package} does not say what its licence is"
    assert not FORBIDDEN.search(LESSER.sub("", text)), text


def test_no_package_of_the_extra_cluster_is_gpl_or_non_commercial():
    """The lock does not hold them: what is installed says what it needs."""
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["cluster"]
    todo, seen = [Requirement(line).name for line in extra], set()
    while todo:
        if (package := todo.pop()) in seen:
            continue
        seen.add(package)
        try:
            needed = map(Requirement, requires(package) or [])
        except PackageNotFoundError:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"the extra cluster is not installed: {package}")
        todo += [one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    texts = {package: licence(package) for package in seen}
    assert {"distributed", "dask-jobqueue", "cryptography", "tornado"} <= texts.keys()
    assert all(texts.values())
    assert not [package for package, text in texts.items() if FORBIDDEN.search(LESSER.sub("", text))]


@pytest.mark.parametrize("text", ["GPL-3.0-only", "GNU Affero General Public License v3", "CC-BY-NC-4.0", "AGPL"])
def test_what_is_refused(text):
    assert FORBIDDEN.search(LESSER.sub("", text))


@pytest.mark.parametrize("text", ["MIT", "LGPL-2.1-or-later", "GNU Lesser General Public License v3", "MPL-2.0"])
def test_what_is_allowed(text):
    assert not FORBIDDEN.search(LESSER.sub("", text))
