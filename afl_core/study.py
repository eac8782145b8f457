"""The study: every loss that the question needs, with several seeds, on the same cases, batches and steps."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import pandas as pd

from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.analysis.breakdown.records import Breakdown
from afl_core.analysis.statistics.ranks import holm
from afl_core.base.storage import write_atomically
from afl_core.base.workers import finished
from afl_core.data.layouts import AS_RECOGNISED, DataOptions
from afl_core.errors import AflError, UsageError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.network_sources import CheckpointSource
from afl_core.model.checkpoints import CARD, WEIGHTS, DecisionRule, load_card
from afl_core.training.config import build_config
from afl_core.training.run_records import RunSpec
from afl_core.training.runs import CHECKPOINT, RunFolder, create_run, runs_folder

RULES: tuple[DecisionRule, ...] = get_args(DecisionRule)

MEASURED = (
    "source",
    "case_id",
    "reference_volume_ml",
    "roughness",
    "dsc",
    "hd95_mm",
    "nsd",
    "lesion_f1",
    "released_dsc",
)
"""Columns of cases.csv, beside the decision rule."""


@dataclass(frozen=True)
class Arm:
    """One loss of the study, with settings that differ from the catalogue's."""

    loss: str
    settings: Mapping[str, Any]


_PAPER = {"preset": "paper_equation", "normalise": True}

ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        "FL": Arm("focal", {"gamma": 2.0}),
        "A-FL released": Arm("adaptive_focal", {"preset": "released_code"}),
        "A-FL gamma 0": Arm(
            "adaptive_focal", {"preset": "released_code", "gamma_volume": False, "gamma_smoothness": "none"}
        ),
        "A-FL paper": Arm("adaptive_focal", _PAPER),
        "A-FL scale-free": Arm("adaptive_focal", {**_PAPER, "gamma_smoothness": "scale_free"}),
        "DiceFocal": Arm("dice_focal", {"gamma": 2.0}),
        "DiceCE": Arm("dice_ce", {}),
    }
)
"""FL, A-FL as released and its control without any gamma, A-FL by the paper's equation (weights normalised, so that one
learning rate serves all) and with a smoothness that does not grow with the tumour, and two of the paper's baselines."""

CONTRASTS = (*(("FL", arm) for arm in ARMS if arm != "FL"), ("A-FL gamma 0", "A-FL released"))
"""The comparisons that are tested, first and second; Holm's correction counts all of one decision rule."""


def plan_study(
    preset: str,
    seeds: Sequence[int],
    settings: Mapping[str, Any],
    *,
    data: Path,
    data_options: DataOptions = AS_RECOGNISED,
    command: str,
) -> dict[str, RunFolder]:
    """The runs of the study under models/runs, those that are there already and new ones; name of the source to run.

    Raises:
        UsageError: If a run of that name is there with other settings.
    """
    runs = {}
    for seed in seeds:
        for arm, what in ARMS.items():
            config = build_config(
                preset, **{**settings, "loss": what.loss, "loss_settings": dict(what.settings), "seed": seed}
            )
            name = f"study-{preset}-{arm.replace(' ', '-')}-seed{seed}"
            run = RunFolder(runs_folder() / name)
            spec = RunSpec(
                config=config,
                data=data.resolve(),
                data_options=data_options,
                pair="study",
                command=command,
                created=seed,
            )
            if not run.path.exists():
                run = create_run(name, spec)
            elif run.spec().model_copy(update={"command": command}) != spec:
                raise UsageError(
                    "There is a run of that name with other settings or data", received=name, todo="Delete it first"
                )
            runs[f"{arm} seed{seed}"] = run
    return runs


def train_study(
    runs: Mapping[str, RunFolder],
    executor: Executor | None,
    *,
    at_once: int = 1,
    report: Callable[[str], None] = lambda name: None,
) -> dict[str, str]:
    """Train what is not finished yet; gives the runs that did not finish, and why.

    Args:
        runs: The runs of `plan_study`.
        executor: Executor that trains each run in a process of its own; in this process if None.
        at_once: Number of runs to hand to the executor: none must wait there, or it would begin after Ctrl-C.
        report: Function that is called with the name of each run that ended.
    """
    due = [run for run in runs.values() if run.status().state != "finished"]
    problems: dict[str, str] = {}
    for run, outcome in finished(
        _train, due, of=lambda run: f"training {run.name}", executor=executor, at_once=at_once
    ):
        if isinstance(outcome, AflError):
            problems[run.name] = str(outcome)
        report(run.name)
    return {run.name: problems.get(run.name, run.status().message) for run in runs.values() if run.checkpoint is None}


def _train(run: RunFolder) -> None:
    from afl_core.training.run import run_training  # noqa: PLC0415 - imports torch and MONAI

    run_training(run)


def rule_sources(runs: Mapping[str, RunFolder], rule: DecisionRule) -> tuple[CheckpointSource, ...]:
    """The runs' checkpoints under a decision rule: the same weights with a card that says so, beside the own one."""
    sources = []
    for name, run in runs.items():
        card = load_card(run.path / CHECKPOINT)
        folder = run.path / (CHECKPOINT if rule == card.decision_rule else f"{CHECKPOINT}-{rule}")
        if not (folder / CARD).is_file():
            summary = f"{card.summary.rsplit(', decided by', 1)[0]}, decided by {rule}"
            decided = card.model_copy(update={"decision_rule": rule, "summary": summary})
            write_atomically(folder / WEIGHTS, (run.path / CHECKPOINT / WEIGHTS).read_bytes())
            write_atomically(folder / CARD, (decided.model_dump_json(indent=2) + "\n").encode())
        sources.append(CheckpointSource(name, folder))
    return tuple(sources)


def study_records(opened: Comparison, options: Options) -> pd.DataFrame:
    """The tested comparisons by bin: the records of the breakdown of each pair in CONTRASTS, Holm over all of them."""
    parts = []
    for first, second in CONTRASTS:
        breakdown: Breakdown = choose_breakdown(
            (opened.rows, opened.lesions), opened.manifest, _pair_options(options, first, second)
        )
        both = breakdown.records.merge(
            breakdown.records.loc[breakdown.records["source"] == first, ["axis", "bin", "mean"]].rename(
                columns={"mean": "first"}
            ),
            on=["axis", "bin"],
        )
        parts.append(both[both["minus"] == first])
    records = pd.concat(parts, ignore_index=True)
    records["p_holm"] = holm(records["p"].to_numpy(dtype=float))
    return records


def _pair_options(options: Options, first: str, second: str) -> Options:
    return Options(**{**asdict(options), "sources": (first, second)})


def run_table(runs: Mapping[str, RunFolder]) -> pd.DataFrame:
    """A row a run: seed, best step, validation and test DSC under each rule, seconds, and the hash of its weights."""
    rows = []
    for name, run in runs.items():
        card = load_card(run.path / CHECKPOINT)
        scores = card.scores["test_mean_dsc_by_decision_rule"]
        rows.append(
            {
                "arm": name.rsplit(" seed", 1)[0],
                "seed": card.training["seed"],
                "best_step": card.training["best_step"],
                "best_validation_dsc": card.training["best_validation_dsc"],
                **{f"test_dsc_{rule}": scores[rule] for rule in RULES},
                "seconds": round(run.status().seconds),
                "weights_sha256": card.weights_sha256,
            }
        )
    return pd.DataFrame(rows)


def write_study(out: Path, runs: Mapping[str, RunFolder], results: Mapping[DecisionRule, Comparison]) -> None:
    """Write runs.csv, comparisons.csv, study.json, and cases.csv with the measures themselves.

    Args:
        out: Folder to write to.
        runs: The finished runs.
        results: Decision rule to its opened results.
    """
    parts = []
    for rule, opened in results.items():
        for level in ("case", "lesion"):
            records = study_records(opened, Options(level=level))
            parts.append(records.assign(rule=rule, level=level))
    comparisons = pd.concat(parts, ignore_index=True)
    lead = ["rule", "level", "minus", "source", "axis", "bin"]
    comparisons = comparisons[lead + [column for column in comparisons if column not in lead]]
    first = load_card(next(iter(runs.values())).path / CHECKPOINT)
    unlike = ("loss", "loss_settings", "seed", "best_step", "best_validation_dsc", "initial_weights_sha256")
    document = {
        "arms": {arm: asdict(what) for arm, what in ARMS.items()},
        "contrasts": CONTRASTS,
        "training": {key: value for key, value in first.training.items() if key not in unlike},
        "data": first.data,
        "versions": first.versions,
    }
    cases = pd.concat([opened.rows[list(MEASURED)].assign(rule=rule) for rule, opened in results.items()])
    write_atomically(out / "cases.csv", cases.round(5).to_csv(index=False).encode())
    write_atomically(out / "runs.csv", run_table(runs).to_csv(index=False).encode())
    write_atomically(out / "comparisons.csv", comparisons.round(6).to_csv(index=False).encode())
    write_atomically(out / "study.json", (json.dumps(document, indent=2, default=dict) + "\n").encode())
