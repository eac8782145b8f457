"""Start and stop the process of a run. Needs no torch; the process outlives whoever started it."""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace

from pydantic import BaseModel, ConfigDict

from afl_core.base import processes
from afl_core.errors import UsageError
from afl_core.training.request import TrainingRequest
from afl_core.training.run_records import STARTING, UNDER_WAY, RunSpec
from afl_core.training.runs import RunFolder

PROCESS = "afl_core.evaluation.training_process"
"""Module of a run's process: it trains, and the last one of a batch has the test cases measured."""

STOP_SECONDS = 5
"""Seconds in which a run saves and ends after a stop was requested."""

PROPOSAL_SECONDS = 300
"""Seconds that planning runs and measuring their steps may take."""


class Proposal(BaseModel):
    """Runs that are possible, by name and in order, and the measured seconds of a step of each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: dict[str, RunSpec]
    step_seconds: dict[str, float]


def start_run(run: RunFolder) -> None:
    """Start or resume a run in a process of its own, which waits until earlier runs have ended.

    Raises:
        UsageError: If it is under way or finished.
    """
    if run.status().state in UNDER_WAY:
        raise UsageError("The run is under way already", received=run.name)
    with run.lock() as lock:  # of two that start it at once, one
        status = run.status()
        if status.state == "finished":
            raise UsageError("The run is finished", received=run.name)
        starting = replace(status, state="waiting", message=STARTING, pid=0)
        run.write_status(starting)  # before there is a process: a slow machine takes its time to make one
        try:
            processes.start(
                PROCESS,
                run.path.resolve(),
                lock,
                told=lambda pid: run.write_status(replace(starting, pid=pid)),
            )
        except BaseException:
            run.write_status(status)
            raise


def stop_run(run: RunFolder) -> None:
    """Ask a run to save and end, and wait until it has; what does not end by itself is ended.

    Raises:
        UsageError: If its process goes on nevertheless.
    """
    starting = run.status().message == STARTING  # there is nothing to save yet
    processes.stop(run.path, lambda: run.status().pid, seconds=0 if starting else STOP_SECONDS)


def stop_runs(runs: Iterable[RunFolder]) -> None:
    """`stop_run` for several runs, which save and end at the same time."""
    runs = [run for run in runs if processes.request_stop(run.path)]
    for run in runs:
        stop_run(run)


def propose_runs(request: TrainingRequest, *, waiting: Callable[[float], None] = lambda spent: None) -> Proposal:
    """Plan runs and measure a step of each loss, in a process of its own; takes some seconds to begin.

    Args:
        request: The runs that are wanted.
        waiting: Function as `processes.ask` takes it; an exception in it ends the measurement.

    Raises:
        UsageError: If a setting, loss, network, patch or device is not possible, or takes too long.
    """
    todo = "Try a smaller patch or batch"
    try:
        ended = processes.ask(
            "afl_core.training.proposal", request.model_dump_json(), seconds=PROPOSAL_SECONDS, waiting=waiting
        )
    except TimeoutError as error:
        raise UsageError("The steps could not be measured", received=error, todo=todo) from error
    reason = processes.last_words(ended)
    if ended.returncode == os.EX_USAGE:  # something impossible was asked for
        raise UsageError(reason.removesuffix("."))
    if ended.returncode:
        raise UsageError("The steps could not be measured", received=reason, todo=todo)
    return Proposal.model_validate_json(ended.stdout)
