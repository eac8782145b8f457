"""Training page: a run as it was just read; what it reported is kept until its file changes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from afl_core.base.words import number_of
from afl_core.errors import AflError
from afl_core.evaluation.from_runs import measuring_job
from afl_core.training.progress import Seen
from afl_core.training.run_records import UNDER_WAY
from afl_core.training.runs import METRICS, RunFolder, list_runs


def look() -> list[Seen]:
    """Every run, the newest first, without those that were just deleted or cannot be read."""
    everything = [seen for run in list_runs() if (seen := _look(run))]
    measuring = {seen.batch: "" for seen in everything}
    for batch in measuring:
        measuring[batch] = _measuring([seen for seen in everything if seen.batch == batch])
    return [
        replace(seen, measuring=measuring[seen.batch]) if seen.status.state == "finished" else seen
        for seen in everything
    ]


def _look(run: RunFolder) -> Seen | None:
    try:
        return Seen(run, run.spec(), run.status(), _rows(str(run.path), _stamp(run)))
    except AflError:
        return None


def _measuring(batch: Sequence[Seen]) -> str:
    """How far the test cases of a batch are measured; "" while nothing measures them."""
    finished = [seen.run for seen in batch if seen.status.state == "finished" and seen.run.checkpoint]
    try:
        job = measuring_job(finished) if finished else None
    except AflError:  # a damaged checkpoint: its run says so
        return ""
    if job is not None and job.state == "running":
        return f"measuring {job.done} of {number_of(job.total, 'case')}" if job.done else "measuring"
    ended = not any(seen.status.state in UNDER_WAY for seen in batch)
    return "measuring" if ended and any(run.alive() for run in finished) else ""  # the last run is about to start it


def _stamp(run: RunFolder) -> tuple[int, int]:
    try:
        state = (run.path / METRICS).stat()
    except OSError:
        return 0, 0
    return state.st_mtime_ns, state.st_size


@st.cache_data(max_entries=64, show_spinner=False)
def _rows(path: str, stamp: tuple[int, int]) -> list[dict[str, Any]]:
    return RunFolder(Path(path)).metrics()
