"""Versions of what a result was made with, read without importing the packages."""

import importlib.metadata
import platform
from collections.abc import Iterable

from afl_core import __version__


def package_version(package: str) -> str:
    """Installed version of a package, or "" if it is missing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of the workbench, of Python and of the packages that are installed."""
    installed = {package: package_version(package) for package in packages}
    project = {"afl-workbench": __version__, "python": platform.python_version()}
    return project | {package: version for package, version in installed.items() if version}
