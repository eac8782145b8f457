"""The process of a run that somebody started: its turn, then training, then what the caller does with an ended run.

PyTorch is imported when it is its turn: many may wait, and each would hold it.
"""

import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from filelock import FileLock, Timeout

from afl_core.base import processes
from afl_core.errors import AflError
from afl_core.training.run_records import ENDED, RunSpec
from afl_core.training.runs import RunFolder, list_runs

QUEUE = ".queue"
"""File beside the runs that is locked while one of them looks whether it is its turn."""

LOOK_SECONDS = 1.0
"""How often a run looks, and how long it waits for another one that is looking."""


def wait_for_turn(run: RunFolder) -> bool:
    """Wait until no run is running and none that is older waits, and take the turn; False where it was stopped."""
    spec, ahead = run.spec(), list[RunFolder]()
    while not processes.stop_requested(run.path):
        try:
            with FileLock(run.path.parent / QUEUE, timeout=LOOK_SECONDS):  # no two look at once and both go
                ahead = [other for other in list_runs(run.path.parent) if _is_ahead(other, run, spec)]
                if not ahead:
                    _tell(run, "running", "Loading PyTorch")
                    return True
        except Timeout:
            continue
        _tell(run, "waiting", f"Waiting for {ahead[-1].name}")
        time.sleep(LOOK_SECONDS)
    return False


def _tell(run: RunFolder, state: Literal["waiting", "running"], message: str) -> None:
    run.write_status(replace(run.status(), state=state, message=message, pid=os.getpid()))


def _is_ahead(other: RunFolder, run: RunFolder, spec: RunSpec) -> bool:
    """Whether another run goes first: it is running, or waiting and older."""
    if other.name == run.name:
        return False
    state = other.status().state
    return state == "running" or (state == "waiting" and (other.spec().created, other.name) < (spec.created, run.name))


def main(then: Callable[[RunFolder], None] = lambda run: None) -> None:
    """The process's own work; the lock of the run is held from before its start.

    Args:
        then: Function that is called once the run is finished or failed, and has said so; not where it was stopped.
    """
    failure = None
    run = RunFolder(processes.begin())
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S", level=logging.INFO)
    logging.info("Process %d begins", os.getpid())
    try:
        if wait_for_turn(run):
            from afl_core.training.run import train_locked  # noqa: PLC0415 - imports torch and MONAI

            train_locked(run)
    except (AflError, OSError) as error:
        failure = f"Error: {error}"
    if run.status().state in ENDED:
        then(run)
    if failure:
        sys.exit(failure)
