"""Training page: a run as it was just read; what it reported is kept until its file changes."""

from pathlib import Path
from typing import Any

import streamlit as st

from afl_core.errors import AflError
from afl_core.training.progress import Seen
from afl_core.training.runs import METRICS, RunFolder


def look(run: RunFolder) -> Seen | None:
    """A run, or None where it was just deleted."""
    try:
        return Seen(run, run.spec(), run.status(), _rows(str(run.path), _stamp(run)))
    except AflError:
        return None


def _stamp(run: RunFolder) -> tuple[int, int]:
    try:
        state = (run.path / METRICS).stat()
    except OSError:
        return 0, 0
    return state.st_mtime_ns, state.st_size


@st.cache_data(max_entries=64, show_spinner=False)
def _rows(path: str, stamp: tuple[int, int]) -> list[dict[str, Any]]:
    return RunFolder(Path(path)).metrics()
