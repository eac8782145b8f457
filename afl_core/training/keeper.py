"""The keeper of a run's state on disk while it trains, which also stops the run when a stop is requested."""

import io
import json
import logging
import os
import pickle
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from typing import Any

import torch

from afl_core.base.processes import POLL_SECONDS, stop_requested
from afl_core.base.storage import write_atomically
from afl_core.errors import DataError
from afl_core.model.weights import load_torch
from afl_core.training.loop import Keeper, Progress
from afl_core.training.run_records import TRAINING, VALIDATING, RunStatus, State
from afl_core.training.runs import LAST, METRICS, RunFolder

log = logging.getLogger(__name__)

SAVE_SECONDS, SAVE_SHARE = 20, 0.05
"""The state is saved so often at most, and takes no more than this share of the time."""

STOPPING = (signal.SIGINT, signal.SIGTERM)
GIVE_UP_SECONDS = 4
"""A step that has not ended so long after a stop is given up; the run goes on from the last state that it saved."""


class StoppedError(Exception):
    """A stop was requested before the run was finished."""


def end_run(run: RunFolder, state: State, message: str) -> None:
    """Write how a run ended."""
    log.info(message)
    run.write_status(replace(run.status(), state=state, message=message, pid=0))


class FolderKeeper(Keeper):
    """Keeps a run's state in its folder; under `listening` it stops when a stop is requested.

    Args:
        run: The folder of the run.
        report: Function that is called with every progress as well.
    """

    def __init__(self, run: RunFolder, report: Callable[[Progress], None] = lambda progress: None) -> None:
        self.run, self.also = run, report
        self.stopping = threading.Event()
        before = run.status()
        self.step, self.steps, self.before, self.began = before.step, before.steps, before.seconds, time.monotonic()
        self.saved = self.told = self.began
        self.cost = 0.0

    def seconds(self) -> float:
        """Seconds spent in training, over all resumptions."""
        return self.before + time.monotonic() - self.began

    def tell(self, message: str, step: int | None = None) -> None:
        """Write that the run is under way; without a step, at the one that was told last."""
        self.told = time.monotonic()
        self.step = self.step if step is None else step
        self.run.write_status(RunStatus("running", message, self.step, self.steps, self.seconds(), os.getpid()))

    def check(self) -> None:
        """Raise `StoppedError` if a stop was requested."""
        if self.stopping.is_set():
            raise StoppedError

    def load(self) -> dict[str, Any] | None:
        """The last state, and the metrics up to it; what was reported after it will be reported again.

        Raises:
            DataError: If the state is there and cannot be read.
        """
        for unfinished in self.run.path.glob(".*"):  # of a process that was killed while it wrote
            unfinished.unlink(missing_ok=True)
        if not (self.run.path / LAST).is_file():
            (self.run.path / METRICS).unlink(missing_ok=True)
            return None
        state = self._last_state()
        self.before = state.pop("seconds")
        reported = state["step"] - bool(state["losses"])  # losses are kept until the step was reported
        rows = [row for row in self.run.metrics() if row["step"] <= reported]
        write_atomically(self.run.path / METRICS, "".join(json.dumps(row) + "\n" for row in rows).encode())
        return state

    def _last_state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = load_torch(self.run.path / LAST)
        except (RuntimeError, EOFError, LookupError, ValueError, pickle.UnpicklingError) as error:
            todo = f"Delete {LAST}, and the run begins anew"
            raise DataError(f"{self.run.name}/{LAST} is damaged", received=type(error).__name__, todo=todo) from error
        return state

    def save(self, state: Callable[[], dict[str, Any]], *, step: int, now: bool) -> None:
        """Save now, or when the last time is long enough ago."""
        begin = time.monotonic()
        if begin - self.told > 1:
            self.tell(TRAINING, step)
        if now or begin - self.saved > max(SAVE_SECONDS, self.cost / SAVE_SHARE):
            buffer = io.BytesIO()
            torch.save(state() | {"seconds": self.seconds()}, buffer)
            write_atomically(self.run.path / LAST, buffer.getvalue())
            self.saved = time.monotonic()
            self.cost = self.saved - begin

    def validating(self, step: int) -> None:
        """Tell that the steps pause for a validation."""
        self.tell(VALIDATING, step)

    def report(self, progress: Progress) -> None:
        """Append to the metrics, and tell."""
        row = json.dumps(asdict(progress) | {"seconds": round(self.seconds(), 2)})
        with (self.run.path / METRICS).open("a", encoding="utf-8") as file:
            file.write(row + "\n")
        self.tell(TRAINING, progress.step)
        if progress.validation_dsc is not None:
            log.info("Step %d: loss %.4g, validation DSC %.3f", progress.step, progress.loss, progress.validation_dsc)
        self.also(progress)

    def stopped(self) -> bool:
        """Whether a stop was requested."""
        return self.stopping.is_set()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Ctrl-C, SIGTERM and `processes.stop` ask the run to end; one whose step takes too long ends without it.

        Python's own handlers run between two operations of PyTorch, and one of them can take a minute: a thread hears.
        A run in a thread, as on a worker of a cluster, hears no signals: there `processes.stop` alone asks.
        """
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        thread = threading.Thread(target=self._listen, args=(reader,), daemon=True)
        hearing = STOPPING if threading.current_thread() is threading.main_thread() else ()
        outer = signal.set_wakeup_fd(writer) if hearing else -1
        handlers = {number: signal.signal(number, lambda number, frame: None) for number in hearing}
        thread.start()
        try:
            yield
        finally:
            if hearing:
                signal.set_wakeup_fd(outer)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            os.close(writer)
            thread.join()
            os.close(reader)

    def _listen(self, reader: int) -> None:
        """Read the numbers of signals until the other end is closed, and look for the file that requests a stop."""
        timer = threading.Timer(GIVE_UP_SECONDS, self._give_up)
        timer.daemon = True
        while True:
            stop_wanted = stop_requested(self.run.path)
            if select.select([reader], [], [], POLL_SECONDS)[0]:
                if not (byte := os.read(reader, 1)):
                    break
                stop_wanted = stop_wanted or byte[0] in STOPPING
            if stop_wanted and not self.stopping.is_set():
                self.stopping.set()
                timer.start()
        timer.cancel()

    def _give_up(self) -> None:
        with suppress(OSError):
            end_run(self.run, "stopped", "Stopped amid a long step; it goes on from the state that was saved before")
        os._exit(1)
