"""The runs of the study: which are due, what the validation cases choose, and their training."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from afl_core.base.workers import finished
from afl_core.data.layouts import AS_RECOGNISED, DataOptions
from afl_core.data.splits import SPLITS_FILE, load_splits, save_splits
from afl_core.errors import AflError, UsageError
from afl_core.model.checkpoints import load_card
from afl_core.study.arms import ARMS, RATES, SEEDS_AT_OWN_RATE
from afl_core.training.config import TrainConfig, build_config
from afl_core.training.launcher import stop_runs
from afl_core.training.run_records import RunSpec
from afl_core.training.runs import RunFolder, create_run, runs_folder


class Setup(NamedTuple):
    """One training run of the study.

    Attributes:
        arm: Key in `ARMS`.
        candidate: Number of its settings among the arm's candidates.
        rate: Learning rate, as a factor of the preset's.
        seed: Seed of the initial weights and the batches.
    """

    arm: str
    candidate: int = 0
    rate: float = 1.0
    seed: int = 0

    def config(self, preset: str, settings: Mapping[str, Any]) -> TrainConfig:
        """The configuration of the run: the preset, other settings, and what the setup says."""
        arm = ARMS[self.arm]
        common = build_config(preset, **{**settings, "loss": arm.loss, "loss_settings": {}})
        return common.model_copy(
            update={
                "loss_settings": dict(arm.candidates[self.candidate]),
                "factors_from": arm.factors_from,
                "learning_rate": common.learning_rate * self.rate,
                "seed": self.seed,
            }
        )

    def run_name(self, preset: str) -> str:
        """Name of the run's folder."""
        candidate = f"-{self.candidate}" if len(ARMS[self.arm].candidates) > 1 else ""
        return f"study-{preset}-{self.arm.replace(' ', '-')}{candidate}-rate{self.rate:g}-seed{self.seed}"


Runs = Mapping[Setup, RunFolder]


def plan_runs(
    setups: Iterable[Setup],
    preset: str,
    settings: Mapping[str, Any],
    *,
    data: Path,
    data_options: DataOptions = AS_RECOGNISED,
    command: str,
) -> dict[Setup, RunFolder]:
    """The runs of the study under models/runs, those that are there already and new ones.

    They have the data set's training and validation cases alone: no run sees a test case.

    Raises:
        UsageError: If a run of that name is there with other settings or data.
        DataError: If the data set has no splits of its own.
    """
    splits = {name: ids for name, ids in load_splits(data / SPLITS_FILE).items() if name != "test"}
    runs = {}
    for setup in setups:
        name = setup.run_name(preset)
        run = RunFolder(runs_folder() / name)
        spec = RunSpec(
            config=setup.config(preset, settings),
            data=data.resolve(),
            data_options=data_options,
            pair="study",
            command=command,
            created=setup.seed,
        )
        if not run.path.exists():
            run = create_run(name, spec)
            save_splits(run.path / SPLITS_FILE, splits)
        elif run.spec().model_copy(update={"command": command}) != spec:
            raise UsageError(
                "There is a run of that name with other settings or data", received=name, todo="Delete it first"
            )
        runs[setup] = run
    return runs


def train_runs(
    runs: Runs,
    executor: Executor | None,
    *,
    at_once: int | None = 1,
    report: Callable[[str], None] = lambda name: None,
) -> dict[str, str]:
    """Train what is not finished yet; gives the runs that did not finish, and why.

    Args:
        runs: The runs of `plan_runs`.
        executor: Executor that trains each run in a process of its own; in this process if None.
        at_once: Number of runs to hand to a pool: none must wait there, or it would begin after Ctrl-C. None is for a
            cluster, which drops what waits.
        report: Function that is called with the name of each run that ended.
    """
    due = [run for run in runs.values() if run.status().state != "finished"]
    problems: dict[str, str] = {}
    outcomes = finished(_train, due, of=lambda run: f"training {run.name}", executor=executor, at_once=at_once)
    try:
        for run, outcome in outcomes:
            if isinstance(outcome, AflError):
                problems[run.name] = str(outcome)
            report(run.name)
    except KeyboardInterrupt:
        outcomes.close()  # none begins any more
        stop_runs(due)  # Ctrl-C does not reach the workers of a cluster
        raise
    return {run.name: problems.get(run.name, run.status().message) for run in runs.values() if run.checkpoint is None}


def _train(run: RunFolder) -> None:
    from afl_core.training.run import run_training  # noqa: PLC0415 - imports torch and MONAI

    run_training(run)


def candidate_setups() -> list[Setup]:
    """The runs that choose the settings of the arms: each candidate, at the common rate, with one seed."""
    return [Setup(arm, candidate) for arm, of in ARMS.items() for candidate in range(len(of.candidates))]


def rate_setups(candidates: Mapping[str, int]) -> list[Setup]:
    """The runs that choose the learning rate of each arm, with the settings chosen before."""
    return [Setup(arm, candidate, rate) for arm, candidate in candidates.items() for rate in RATES]


@dataclass(frozen=True)
class Choices:
    """What the validation cases chose, before a test case was measured.

    Attributes:
        candidates: Arm to the number of its settings.
        rates: Arm to its own learning rate, as a factor of the common one.
    """

    candidates: Mapping[str, int]
    rates: Mapping[str, float]


def choose(runs: Runs) -> dict[str, Setup]:
    """The setup of each arm whose run has the highest validation DSC; of equal ones the first.

    Raises:
        UsageError: If a run is not finished.
    """
    scores: dict[Setup, float] = {}
    for setup, run in runs.items():
        if run.checkpoint is None:
            raise UsageError(
                "A run that is to choose is not finished", received=run.name, todo="Give the command again"
            )
        scores[setup] = load_card(run.checkpoint).training["best_validation_dsc"]
    best: dict[str, Setup] = {}
    for setup, score in scores.items():
        if setup.arm not in best or score > scores[best[setup.arm]]:
            best[setup.arm] = setup
    return best


def seed_setups(choices: Choices) -> list[Setup]:
    """The runs that the study compares: every arm at the common rate, and at its own where that is another."""
    chosen = choices.candidates.items()
    return [Setup(arm, candidate, 1.0, seed) for arm, candidate in chosen for seed in range(ARMS[arm].seeds)] + [
        Setup(arm, candidate, choices.rates[arm], seed)
        for arm, candidate in chosen
        if choices.rates[arm] != 1
        for seed in range(min(ARMS[arm].seeds, SEEDS_AT_OWN_RATE))
    ]
