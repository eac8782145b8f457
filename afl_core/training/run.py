"""A training run from its folder to a checkpoint."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import cast, get_args

import torch

from afl_core.base import paths
from afl_core.base.storage import write_atomically
from afl_core.base.versions import versions
from afl_core.data.check.check import sound_splits
from afl_core.data.demo.design import SPLITS
from afl_core.data.demo_cohort import write_demo
from afl_core.data.layouts import Cohort, load_case
from afl_core.data.splits import SPLITS_FILE, load_splits, save_splits
from afl_core.errors import AflError, DataError, UsageError
from afl_core.loss import LOSSES
from afl_core.model.checkpoints import Card, DataFacts, DecisionRule, TrainingFacts, save_checkpoint
from afl_core.training.card_facts import data_facts, environment, machine, outcome, region_text, settings_text
from afl_core.training.cases import TrainingCase, training_case
from afl_core.training.config import TrainConfig
from afl_core.training.dataset import split_warnings
from afl_core.training.keeper import FolderKeeper, StoppedError, end_run
from afl_core.training.loop import Progress, train
from afl_core.training.ranks import ALONE, Ranks
from afl_core.training.run_records import TESTING, TRAINING, RunSpec
from afl_core.training.runs import CHECKPOINT, RunFolder
from afl_core.training.state import scores_by_rule
from afl_core.training.trackers import tracking
from afl_core.volume import Case

LIMITS = (
    "Trained for minutes on a small cohort to show the workbench; not for clinical use. "
    "One seed: a difference between two such checkpoints is also a difference between two runs."
)


def run_training(
    run: RunFolder, *, report: Callable[[Progress], None] = lambda progress: None, ranks: Ranks = ALONE
) -> Card | None:
    """Train, or go on training, what a run's folder asks for; the folder is locked meanwhile.

    Args:
        run: The folder of the run.
        report: Function that is called with every progress.
        ranks: The processes that train together, of which this is the first; the others `follow_training`.

    Returns:
        The card of the checkpoint; None where the run was stopped, and can go on.

    Raises:
        UsageError: If another process holds the run.
        AflError: If it failed; the status says so too.
    """
    if run.alive():
        raise UsageError("The run is under way already", received=run.name)
    with run.lock():
        return train_locked(run, report, ranks)


def train_locked(
    run: RunFolder, report: Callable[[Progress], None] = lambda progress: None, ranks: Ranks = ALONE
) -> Card | None:
    """`run_training` of a process that holds the run's lock."""
    with tracking(run) as track:

        def report_all(progress: Progress) -> None:
            report(progress)
            track(progress)

        return _train_kept(run, FolderKeeper(run, report_all), ranks)


def _train_kept(run: RunFolder, keeper: FolderKeeper, ranks: Ranks) -> Card | None:
    """Train, and write how it ended."""
    try:
        with keeper.listening():
            keeper.tell("Reading the cases")
            card = _train(run, run.spec(), keeper, ranks)
            end_run(run, "finished" if card else "stopped", "Finished" if card else "Stopped")
            return card
    except StoppedError:
        end_run(run, "stopped", "Stopped")
        return None
    except (AflError, OSError, MemoryError, torch.OutOfMemoryError) as error:
        failure = error if isinstance(error, AflError) else _as_failure(error)
        with suppress(OSError):  # a full disk does not take this either
            end_run(run, "failed", str(failure))
        raise failure from error


def follow_training(ranks: Ranks) -> None:
    """Train beside the first process, run after run, until it says with None that there is no other.

    Raises:
        AflError: If a run fails, for its own reason or as another process has ended.
    """
    while task := ranks.broadcast():
        spec, splits = task
        cohort = spec.data_options.load(spec.data)
        train_, validation = (_load(cohort, splits, name, spec.config) for name in ("train", "validation"))
        train(spec.config, train_, validation, ranks=ranks)


def _as_failure(error: BaseException) -> AflError:
    if isinstance(error, OSError):
        todo = "Check the free space and the permissions, then resume: the last state that was saved is kept"
        return DataError("A file could not be read or written", received=error, todo=todo)
    return DataError(
        "The memory does not suffice",
        received=str(error).splitlines()[0] if str(error) else None,
        todo="Take a smaller patch, batch or network",
    )


def _train(run: RunFolder, spec: RunSpec, keeper: FolderKeeper, ranks: Ranks) -> Card | None:
    config = spec.config
    ranks.check_batch(config.batch_size)  # before the others hear of the run: one message is enough
    if spec.data == paths.DEMO.resolve():
        _make_demo(keeper)
    cohort = spec.data_options.load(spec.data)
    splits = _splits(run, cohort, keeper)
    ranks.broadcast((spec, splits))
    cases = {name: _load(cohort, splits, name, config, keeper) for name in ("train", "validation")}
    keeper.steps = config.total_steps(len(cases["train"]))
    write_atomically(run.path / "environment.json", json.dumps(environment(), indent=2).encode())
    keeper.tell(TRAINING)
    result = train(config, cases["train"], cases["validation"], keeper, ranks)
    if result.steps < keeper.steps:
        return None
    keeper.tell(TESTING)
    test = _load(cohort, splits, "test", config, keeper) if splits.get("test") else []
    counts = {name: len(loaded) for name, loaded in (cases | {"test": test}).items()}
    rules: tuple[DecisionRule, ...] = get_args(DecisionRule)
    scores = scores_by_rule(result.network, test, config, rules=rules, stopped=keeper.stopped) if test else {}
    if scores is None:
        raise StoppedError
    card = Card(
        name=(spec.out or run.path).name,
        label=LOSSES[config.loss].label,
        summary=f"{LOSSES[config.loss].title}, {settings_text(config)}, decided by {config.decision_rule}"
        f"{region_text(cohort)}",
        network=config.network,
        network_settings=config.network_settings,
        sequences=config.sequences,
        spacing_mm=config.spacing_mm,
        grid=config.grid,
        patch_size=config.patch_size,
        decision_rule=config.decision_rule,
        loss=config.loss,
        loss_settings=config.loss_settings,
        training=cast(TrainingFacts, config.model_dump(mode="json") | outcome(result, ranks)),
        data=cast(DataFacts, data_facts(cohort, _chosen(cohort, splits, "train", config), config) | {"cases": counts}),
        scores={"test_mean_dsc_by_decision_rule": {rule: round(dsc, 4) for rule, dsc in scores.items()}}
        if test
        else {},
        command=spec.command,
        versions=versions(("torch", "monai", "numpy", "nibabel")) | {"machine": machine()},
        weights_sha256="",
        limits=LIMITS,
    )
    for folder in (spec.out, run.path / CHECKPOINT):
        if folder is not None:
            card = save_checkpoint(folder, result.network, card)
    return card


def _make_demo(keeper: FolderKeeper) -> None:
    """Write the demo cohort if its training cases are not there; `afl demo` alone makes the test cases."""
    if (paths.DEMO / SPLITS_FILE).is_file() and "train" in load_splits(paths.DEMO / SPLITS_FILE):
        return

    def tell(done: int, total: int) -> None:
        keeper.check()
        keeper.tell(f"Drawing the demo cohort, {done} of {total}")

    write_demo(paths.DEMO, splits=SPLITS, progress=tell)


def _splits(run: RunFolder, cohort: Cohort, keeper: FolderKeeper) -> Mapping[str, Sequence[str]]:
    """The splits of the run's first start; else the data set's own, or random ones if it has none or they are wanted.

    Random ones leave out the cases that `afl data check` finds something against.
    """
    kept, shipped = run.path / SPLITS_FILE, cohort.root / SPLITS_FILE

    def tell(done: int, total: int, _: str) -> None:
        keeper.check()
        keeper.tell(f"Checking the data set, {done} of {total}")

    if not kept.is_file():
        declared = shipped.is_file() and not run.spec().random_split
        save_splits(kept, load_splits(shipped) if declared else sound_splits(cohort, index=paths.INDEX, progress=tell))
    splits = load_splits(kept)
    for warning in split_warnings(splits, cohort):
        logging.warning(warning)
    return splits


def _load(
    cohort: Cohort,
    splits: Mapping[str, Sequence[str]],
    name: str,
    config: TrainConfig,
    keeper: FolderKeeper | None = None,
) -> list[TrainingCase]:
    chosen = _chosen(cohort, splits, name, config)
    if not chosen:
        todo = f"List its cases in {SPLITS_FILE}, or start a run with --random-split"
        raise UsageError(f"The data set has no {name} split", received=cohort.root, todo=todo)
    loaded = []
    for done, case in enumerate(chosen):
        if keeper:
            keeper.check()
            keeper.tell(f"Reading the cases of the {name} split, {done} of {len(chosen)}")
        files = load_case(case, sequences=config.sequences)
        assert files.reference is not None  # cases without one were left out above
        loaded.append(training_case(case.case_id, files.images, files.reference, config))
    return loaded


def _chosen(cohort: Cohort, splits: Mapping[str, Sequence[str]], name: str, config: TrainConfig) -> list[Case]:
    """The cases of a split with a reference and every sequence; if none has all, those that will say what they lack."""
    wanted = set(splits.get(name, ()))
    referenced = [case for case in cohort.cases if case.case_id in wanted and case.reference]
    return [case for case in referenced if set(config.sequences) <= set(case.sequences)] or referenced
