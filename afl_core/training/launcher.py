"""Start and stop the process of a run. Needs no torch; the process outlives whoever started it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from afl_core.data.layouts import AS_RECOGNISED, DataOptions
from afl_core.errors import UsageError
from afl_core.training.runs import LOG, RunFolder, RunSpec, RunStatus

_children: list[subprocess.Popen[bytes]] = []  # kept so that ended ones can be reaped

STOP_SECONDS = 5
"""A run that is asked to stop has saved and ended after so many seconds."""

REFUSED = 2
"""Exit status of a process that was asked for something impossible and says what, in its last line."""


class PlanRequest(BaseModel):
    """What runs are wanted; the arguments of `plan_runs`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str
    losses: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: dict[str, Any]
    data: Path
    data_options: DataOptions = AS_RECOGNISED
    command: str


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
    status = run.status()
    if status.state in ("waiting", "running", "finished"):
        said = "finished" if status.state == "finished" else "under way already"
        raise UsageError(f"The run is {said}", received=run.name)
    starting = RunStatus("waiting", "Starting", status.step, status.steps, status.seconds)
    run.write_status(starting)
    with (run.path / LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "afl_core.training.run", str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    run.write_status(replace(starting, pid=process.pid))
    _children[:] = [child for child in _children if child.poll() is None] + [process]


def stop_run(run: RunFolder) -> None:
    """Ask a run to save and end, and wait until it has; what does not end by itself is ended."""
    if (status := run.status()).state == "waiting" and not run.alive():  # it has only just begun: nothing to save
        _kill(status.pid, signal.SIGKILL)
        run.write_status(replace(status, state="stopped", message=f"Stopped at step {status.step}", pid=0))
        return
    for number in (signal.SIGTERM, signal.SIGKILL):  # every write is atomic, so nothing is left half-written
        until = time.monotonic() + STOP_SECONDS
        asked = False
        while (status := run.status()).state in ("waiting", "running") and time.monotonic() < until:
            if not asked:
                _kill(status.pid, number)
                asked = True
            time.sleep(0.05)
    if status.state in ("waiting", "running", "interrupted"):
        run.write_status(
            RunStatus("stopped", f"Stopped at step {status.step}", status.step, status.steps, status.seconds)
        )


def _kill(pid: int, number: signal.Signals) -> None:
    if pid:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def propose_runs(request: PlanRequest) -> Proposal:
    """Plan runs and measure a step of each loss, in a process of its own; takes some seconds to begin.

    Raises:
        UsageError: If a setting, loss, network, patch or device is not possible.
    """
    asked = [sys.executable, "-m", "afl_core.training.proposal"]
    found = subprocess.run(asked, input=request.model_dump_json(), capture_output=True, text=True, check=False)
    reason = (found.stderr.strip().splitlines() or [f"ended by signal {-found.returncode}"])[-1]
    if found.returncode == REFUSED:
        raise UsageError(reason.removesuffix("."))
    if found.returncode:
        raise UsageError("The steps could not be measured", received=reason, todo="Try a smaller patch or batch")
    return Proposal.model_validate_json(found.stdout)
