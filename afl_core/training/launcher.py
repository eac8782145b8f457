"""Start and stop the process of a run. Needs no torch; the process outlives whoever started it."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

from afl_core.errors import UsageError
from afl_core.training.config import TrainConfig
from afl_core.training.runs import LOG, RunFolder, RunStatus

_children: list[subprocess.Popen[bytes]] = []  # kept so that ended ones can be reaped

STOP_SECONDS = 5
"""A run that is asked to stop has saved and ended after so many seconds."""


def start_run(run: RunFolder) -> None:
    """Start or resume a run in a process of its own, which waits until earlier runs have ended.

    Raises:
        UsageError: If it is under way or finished.
    """
    status = run.status()
    if status.state in ("waiting", "running", "finished"):
        said = "finished" if status.state == "finished" else "under way already"
        raise UsageError(f"The run is {said}", received=run.name)
    run.write_status(RunStatus("waiting", "Starting", status.step, status.steps, status.seconds))
    with (run.path / LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "afl_core.training.run", str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _children[:] = [child for child in _children if child.poll() is None] + [process]


def stop_run(run: RunFolder) -> None:
    """Ask a run to save and end, and wait until it has; what does not end by itself is ended."""
    for number in (signal.SIGTERM, signal.SIGKILL):  # every write is atomic, so nothing is left half-written
        until = time.monotonic() + STOP_SECONDS
        asked = False
        while (status := run.status()).state in ("waiting", "running") and time.monotonic() < until:
            if status.pid and not asked:  # a process that has only just begun does not say its number yet
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(status.pid, number)
                asked = True
            time.sleep(0.05)
    if status.state in ("waiting", "running", "interrupted"):
        run.write_status(
            RunStatus("stopped", f"Stopped at step {status.step}", status.step, status.steps, status.seconds)
        )


def measure_step(config: TrainConfig) -> float:
    """Seconds of a step of this training, measured on two in a process of its own; takes some seconds to begin.

    Raises:
        UsageError: If the network, patch or device is not possible.
    """
    asked = [sys.executable, "-m", "afl_core.training.estimate"]
    found = subprocess.run(asked, input=config.model_dump_json(), capture_output=True, text=True, check=False)
    if found.returncode:
        reason = (found.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UsageError("The steps could not be measured", received=reason)
    return float(json.loads(found.stdout)["seconds"])
