"""Where the workbench keeps its files: under the project folder, or under `AFL_HOME` where that is set."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("AFL_HOME") or PROJECT).absolute()
MODELS = HOME / "models"
DEMO = HOME / "data" / "demo"
DEMO_NAME, DEMO_CASE = "synthetic demo cohort", "Brats18_SYN_"
"""Name of its data on the card of a network that was trained on them, and how the names of its cases begin."""
RESULTS = HOME / "data" / "results"
INDEX = HOME / "data" / "index"
"""Folder of what was read of data sets before; it may be deleted at any time."""
LOGS = HOME / "data" / "logs"
"""Folder of the logs of errors that nobody foresaw; it may be deleted at any time."""
