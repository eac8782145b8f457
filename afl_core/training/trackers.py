"""A run's metrics for TensorBoard and MLflow as well, where these are installed; by default nothing leaves the run."""

import logging
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from types import MappingProxyType
from typing import Protocol

from afl_core.training.loop import Progress
from afl_core.training.run_records import State
from afl_core.training.runs import RunFolder

EVENTS, MLFLOW_ID = "tensorboard", "mlflow.txt"
"""Folder of TensorBoard's event files, and file with MLflow's id of the run, in the folder of a run."""

MLFLOW_URI = "MLFLOW_TRACKING_URI"
EXPERIMENT = "afl-workbench"

ENDS = MappingProxyType[State, str]({"finished": "FINISHED", "failed": "FAILED"})
"""How MLflow calls an end; what was stopped can go on, and is `KILLED` there."""


class Tracker(Protocol):
    """Somebody else who keeps a run's metrics."""

    def report(self, progress: Progress) -> None:
        """Take what a run reports."""

    def end(self) -> None:
        """Take that the run has ended, finished or not."""


class TensorBoard:
    """Event files in the folder of the run; a run that goes on replaces what it reports again."""

    def __init__(self, run: RunFolder) -> None:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - takes seconds to import

        self.begin = partial(SummaryWriter, str(run.path / EVENTS))
        self.writer: SummaryWriter | None = None

    def report(self, progress: Progress) -> None:
        """Write a scalar for each value."""
        self.writer = self.writer or self.begin(purge_step=progress.step)
        for name, value in scalars(progress).items():
            self.writer.add_scalar(name, value, progress.step)
        self.writer.flush()

    def end(self) -> None:
        """Close the file."""
        if self.writer:
            self.writer.close()


class MLflow:
    """A run of MLflow's, at the address that `MLFLOW_TRACKING_URI` gives; one that goes on keeps its id."""

    def __init__(self, run: RunFolder) -> None:
        from mlflow import MlflowClient  # noqa: PLC0415 - takes seconds to import

        self.run, self.client, known = run, MlflowClient(), run.path / MLFLOW_ID
        if known.is_file():
            self.id = known.read_text().strip()
            self.client.update_run(self.id, status="RUNNING")
            return
        found = self.client.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found else self.client.create_experiment(EXPERIMENT)
        self.id = self.client.create_run(experiment, run_name=run.name).info.run_id
        known.write_text(self.id)
        for name, value in run.spec().config.model_dump(mode="json").items():
            self.client.log_param(self.id, name, value)

    def report(self, progress: Progress) -> None:
        """Log a metric for each value."""
        for name, value in scalars(progress).items():
            self.client.log_metric(self.id, name, value, step=progress.step)

    def end(self) -> None:
        """Say how the run has ended."""
        self.client.set_terminated(self.id, ENDS.get(self.run.status().state, "KILLED"))


def scalars(progress: Progress) -> dict[str, float]:
    """Name to value of everything that a progress tells.

    >>> scalars(Progress(10, 0.5, None, 0.1, {"alpha": {"mean": 0.9, "low": 0.8}}))
    {'loss': 0.5, 'learning_rate': 0.1, 'alpha/mean': 0.9, 'alpha/low': 0.8}
    """
    values = {"loss": progress.loss, "learning_rate": progress.learning_rate}
    if progress.validation_dsc is not None:
        values["validation_dsc"] = progress.validation_dsc
    return values | {
        f"{factor}/{name}": value for factor, spread in progress.factors.items() for name, value in spread.items()
    }


@contextmanager
def tracking(run: RunFolder) -> Generator[Callable[[Progress], None]]:
    """Function that takes a run's progress to every tracker that is there; one that fails is left out and said."""
    trackers: list[Tracker] = []

    def each(call: Callable[[Tracker], None]) -> None:
        for tracker in tuple(trackers):
            try:
                call(tracker)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with somebody else's store
                trackers.remove(tracker)
                _left_out(type(tracker).__name__, error)

    wanted: list[type[TensorBoard] | type[MLflow]] = [TensorBoard] if find_spec("tensorboard") else []
    wanted += [MLflow] if os.environ.get(MLFLOW_URI) and find_spec("mlflow") else []
    for kind in wanted:
        try:
            trackers.append(kind(run))
        except Exception as error:  # noqa: BLE001 - likewise
            _left_out(kind.__name__, error)
    try:
        yield lambda progress: each(lambda tracker: tracker.report(progress))
    finally:
        each(lambda tracker: tracker.end())


def _left_out(name: str, error: Exception) -> None:
    logging.warning("%s takes no more of this run, which goes on: %s", name, str(error).partition("\n")[0][:200])
