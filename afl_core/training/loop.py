"""The training loop: one plain loop, seeded, that can stop after any step and go on from there to the same bits."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from afl_core.errors import DataError
from afl_core.training.cases import BatchSampler, TrainingCase
from afl_core.training.config import TrainConfig
from afl_core.training.ranks import ALONE, Ranks
from afl_core.training.state import RunState

REPORT_EVERY = 10


@dataclass(frozen=True)
class Progress:
    """The progress of a run after a step.

    Attributes:
        step: Number of steps done.
        loss: Mean training loss since the last report.
        validation_dsc: Validation DSC, where it was just measured.
        learning_rate: Learning rate of this step.
        factors: Factors of A-FL at a validation: alpha and gamma to mean, lowest, middle and highest value over the
            samples since the last one.
    """

    step: int
    loss: float
    validation_dsc: float | None
    learning_rate: float
    factors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


class Keeper:
    """The keeper of a run's state, which may also stop the run; this one keeps nothing and is never stopped."""

    def load(self) -> dict[str, Any] | None:
        """The state of `save` to go on from; None begins anew."""
        return None

    def save(self, state: Callable[[], dict[str, Any]], *, step: int, now: bool) -> None:
        """Keep the state: tensors and plain values. Without `now`, a keeper may leave it for a later step."""

    def validating(self, step: int) -> None:
        """Called before every validation."""

    def report(self, progress: Progress) -> None:
        """Called after every 10th step and every validation."""

    def stopped(self) -> bool:
        """Whether to end after this step."""
        return False


@dataclass(frozen=True, eq=False)
class TrainResult:
    """The network with its best weights, and how it got there; `steps` fewer than asked where it was stopped."""

    network: nn.Module
    steps: int
    best_step: int
    best_validation_dsc: float
    initial_weights_sha256: str


def train(
    config: TrainConfig,
    cases: Sequence[TrainingCase],
    validation: Sequence[TrainingCase],
    keeper: Keeper | None = None,
    ranks: Ranks = ALONE,
) -> TrainResult:
    """Train a network; the same configuration and cases give the same weights on the same machine.

    Initial weights and batches depend on the seed alone, so two runs that differ only in the loss see the same ones. A
    run that was stopped, or killed, goes on from its keeper's state to the weights that it would have had.

    Args:
        config: Configuration of the run.
        cases: Training cases.
        validation: Cases on which the best step is chosen; never the test split.
        keeper: Keeper that holds the state, receives the progress, and may stop the run; that of the first process
            speaks for all.
        ranks: The processes that train together; every one calls this with the same configuration and cases.

    Raises:
        DataError: If there is no case, or the loss stops being finite or explodes; names the case.
        UsageError: If the network cannot be built so, or the device is not there.
    """
    if not cases or not validation:
        raise DataError("Training needs training and validation cases", received=f"{len(cases)} and {len(validation)}")
    keeper = keeper or Keeper()
    run, draw, every = RunState(config, cases, ranks), BatchSampler(cases, config), config.epoch_steps(len(cases))
    if state := ranks.broadcast(keeper.load()):
        run.restore(state)
    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(config.threads,)) as loader:
        following = loader.submit(draw, run.step + 1)  # the next batch is made while a step runs
        while True:
            due = run.step > run.scored and (run.step % every == 0 or run.step == run.total)
            if due:
                keeper.validating(run.step)
            dsc = run.validate(validation, keeper.stopped) if due else None
            if dsc is not None or (run.losses and run.step % REPORT_EVERY == 0 and not due):
                keeper.report(_progress(run, dsc))
            done = run.step == run.scored == run.total
            if done or ranks.broadcast(keeper.stopped()):
                keeper.save(run.state, step=run.step, now=True)
                break
            keeper.save(run.state, step=run.step, now=dsc is not None)
            batch = following.result()
            following = loader.submit(draw, run.step + 2)
            run.advance(*batch)
    if run.best_weights:
        run.network.load_state_dict(run.best_weights)
    return TrainResult(run.network.cpu().eval(), run.step, run.best[1], run.best[0], run.initial)


def _progress(run: RunState, dsc: float | None) -> Progress:
    """What happened since the last report; a validation ends an epoch of factors."""
    rate = float(run.optimiser.param_groups[0]["lr"])
    progress = Progress(
        run.step, float(np.mean(run.losses)), dsc, rate, _spread(run.factors) if dsc is not None else {}
    )
    run.losses.clear()
    if dsc is not None:
        for values in run.factors.values():
            values.clear()
    return progress


def _spread(factors: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    return {
        name: {"mean": float(np.mean(v)), "low": min(v), "middle": float(np.median(v)), "high": max(v)}
        for name, v in factors.items()
        if v
    }
