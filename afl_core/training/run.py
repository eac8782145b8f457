"""A training run from a cohort to a checkpoint folder."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from afl_core.data.layouts import Cohort, load_case
from afl_core.errors import UsageError
from afl_core.loss import LOSSES
from afl_core.model.checkpoints import Card, DecisionRule, save_checkpoint
from afl_core.paths import DEMO
from afl_core.storage import hash_files
from afl_core.training.config import TrainConfig
from afl_core.training.loop import Progress, TrainingCase, TrainResult, train, training_case, validation_dsc
from afl_core.versions import versions

LIMITS = (
    "Trained for minutes on a small cohort to show the workbench; not for clinical use. "
    "One seed: a difference between two such checkpoints is also a difference between two runs."
)


def train_checkpoint(
    config: TrainConfig,
    cohort: Cohort,
    splits: Mapping[str, Sequence[str]],
    out: Path,
    *,
    command: str,
    report: Callable[[Progress], None],
) -> Card:
    """Train on the train split, choose the step on the validation split, and save weights and card.

    Args:
        config: The run.
        cohort: Holds the cases of all splits.
        splits: Case ids under `train`, `validation` and `test`.
        out: Checkpoint folder.
        command: What repeats the run, for the card.
        report: As `train` takes it.

    Returns:
        The card, its scores being the test split's mean DSC under each decision rule.

    Raises:
        UsageError: If a split is missing or empty.
        AflError: If a case cannot be read.
    """
    cases = {name: _load(cohort, splits, name, config) for name in ("train", "validation", "test")}
    result = train(config, cases["train"], cases["validation"], report=report)
    rules: tuple[DecisionRule, ...] = get_args(DecisionRule)
    by_rule = {rule: _score(result, cases["test"], config.model_copy(update={"decision_rule": rule})) for rule in rules}
    card = Card(
        name=out.name,
        label=LOSSES[config.loss].label,
        summary=f"{LOSSES[config.loss].title}, {_settings(config)}, decided by {config.decision_rule}",
        network=config.network,
        sequences=config.sequences,
        spacing_mm=config.spacing_mm,
        patch_size=config.patch_size,
        decision_rule=config.decision_rule,
        loss=config.loss,
        loss_settings=config.loss_settings,
        training=config.model_dump(mode="json") | _outcome(result),
        data=_describe(cohort, splits, config) | {"cases": {name: len(used) for name, used in cases.items()}},
        scores={"test_mean_dsc_by_decision_rule": by_rule},
        command=command,
        versions=versions(("torch", "monai", "numpy", "nibabel")),
        weights_sha256="",
        limits=LIMITS,
    )
    return save_checkpoint(out, result.network, card)


def _load(cohort: Cohort, splits: Mapping[str, Sequence[str]], name: str, config: TrainConfig) -> list[TrainingCase]:
    wanted = set(splits.get(name, ()))
    chosen = [case for case in cohort.cases if case.case_id in wanted and case.reference]
    if not chosen:
        raise UsageError(
            f"The data set has no {name} split", received=cohort.root, todo="List its cases in splits.json"
        )
    loaded = []
    for case in chosen:
        files = load_case(case, sequences=config.sequences)
        assert files.reference is not None  # cases without one were left out above
        loaded.append(training_case(case.case_id, files.images, files.reference, config))
    return loaded


def _score(result: TrainResult, cases: Sequence[TrainingCase], config: TrainConfig) -> float:
    return round(validation_dsc(result.network, cases, config), 4)


def _settings(config: TrainConfig) -> str:
    return ", ".join(f"{key} {value}" for key, value in config.loss_settings.items()) or "default settings"


def _outcome(result: TrainResult) -> dict[str, Any]:
    return {
        "parameters": sum(p.numel() for p in result.network.parameters()),
        "best_step": result.best_step,
        "best_validation_dsc": round(result.best_validation_dsc, 4),
        "initial_weights_sha256": result.initial_weights_sha256,
    }


def _describe(cohort: Cohort, splits: Mapping[str, Sequence[str]], config: TrainConfig) -> dict[str, Any]:
    train_ids = set(splits["train"])
    files = [
        path
        for case in cohort.cases
        if case.case_id in train_ids and case.reference
        for path in (*(case.sequences[name] for name in config.sequences), case.reference)
    ]
    return {
        "name": "synthetic demo cohort" if cohort.root == DEMO else cohort.root.name,
        "layout": cohort.layout.name,
        "training_files_sha256": hash_files(files),
    }
