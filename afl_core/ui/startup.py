"""What a server does once it answers, while the browser loads its own part: the demo, imports, and cleaning up."""

import gc
import os
import threading
from importlib import import_module

from afl_core.cli.shipped_demo import unpack_at_first_start
from afl_core.cli.shipped_study import unpack_beside_demo
from afl_core.data.upload import remove_leftovers, remove_process_folder

_OVERVIEW = ("panels", "picture", "gallery", "label_errors", "protocols", "regions", "table")
FIRST_PAGE = (
    *("streamlit.emojis", "afl_core.ui.shared.bar", "afl_core.ui.shared.job_panel", "afl_core.ui.thumbnail_picture"),
    *(f"afl_core.ui.overview.{name}" for name in _OVERVIEW),
)
"""Modules that the first page imports, or that its title needs."""

REST = ("scipy.stats", "afl_core.figures.stills")
"""Modules that other pages import: for Breakdown half a second, for a case's surfaces one and a half."""

REST_SECONDS = 10.0
"""Seconds after the start at which the rest of the demo and of the imports follows: the first page comes first."""


def begin() -> None:
    """Put the demo in place, where no results folder is named, and import what the first page needs."""
    demo = threading.Thread(target=unpack_at_first_start, daemon=True)
    if not os.environ.get("AFL_RESULTS"):
        demo.start()
    rest = threading.Timer(REST_SECONDS, _add_rest)
    rest.daemon = True
    rest.start()
    for module in FIRST_PAGE:
        import_module(module)
    if demo.is_alive():
        demo.join()
    remove_leftovers()  # of a server that was killed
    gc.freeze()  # else all of this is searched for garbage after every run of a page, for a seventh of a second


def _add_rest() -> None:
    for module in REST:
        import_module(module)
    if not os.environ.get("AFL_RESULTS"):
        unpack_beside_demo()
    gc.freeze()


def end() -> None:
    """Leave nothing of this server's visitors behind."""
    remove_process_folder()
