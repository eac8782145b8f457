"""Where the workbench keeps its files, and where those lie that it came with.

It keeps them under `AFL_HOME`; where that is not set, a checkout keeps them in itself, and an installed package in the
user's data folder.
"""

import os
from pathlib import Path

from platformdirs import user_data_path

PACKAGE = Path(__file__).resolve().parents[1]
IN_CHECKOUT = (PACKAGE.parent / "app.py").is_file() and (PACKAGE.parent / "pyproject.toml").is_file()
SHIPPED = PACKAGE.parent if IN_CHECKOUT else PACKAGE / "workbench"
"""Folder of what the workbench came with: app.py, pages and the checkpoints of the demo. Nothing is written to it."""
SHIPPED_MODELS = SHIPPED / "models"

HOME = Path(
    os.environ.get("AFL_HOME") or (SHIPPED if IN_CHECKOUT else user_data_path("afl-workbench", appauthor=False))
).absolute()
MODELS = HOME / "models"
DEMO = HOME / "data" / "demo"
DEMO_NAME, DEMO_CASE = "synthetic demo cohort", "Brats18_SYN_"
"""Name of its data on the card of a network that was trained on them, and how the names of its cases begin."""
RESULTS = Path(os.environ.get("AFL_RESULTS") or HOME / "data" / "results").absolute()
"""Folder of the results folders; `afl app --results` names another one for its server."""
REMOTE = (HOME / "data" / "remote").resolve()
"""Folder of what was fetched of data sets at an address or in an archive; it may be deleted at any time."""
INDEX = HOME / "data" / "index"
"""Folder of what was read of data sets before; it may be deleted at any time."""
COMPILED = HOME / "data" / "compiled"
"""Folder of the loops that Numba compiled, if the workbench is installed; it may be deleted at any time."""
LOGS = HOME / "data" / "logs"
"""Folder of the logs of errors that nobody foresaw; it may be deleted at any time."""


def from_here(path: Path) -> Path:
    """A path as one types it in the folder where the process runs: relative where it lies below that folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
