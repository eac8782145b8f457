"""The study's tables: its runs, its cases, and the comparisons that are tested."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from afl_core.analysis.breakdown.options import Options, choose_breakdown, list_sources
from afl_core.analysis.breakdown.records import Breakdown
from afl_core.analysis.statistics.ranks import holm
from afl_core.base.storage import write_atomically
from afl_core.errors import DataError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.network_sources import CheckpointSource
from afl_core.model.checkpoints import CARD, WEIGHTS, DecisionRule, load_card
from afl_core.study.arms import ARMS, CONTRASTS
from afl_core.study.decisions import calibration_table, matched_table
from afl_core.study.plan import Choices, Runs, Setup
from afl_core.training.runs import CHECKPOINT

RULES: tuple[DecisionRule, ...] = ("argmax", "tumour_channel")
"""Ways to decide under which the arms are compared: the one of their training, and the released code's."""

OWN_RATE = " own rate"
"""What the name of a source says that was trained at its arm's own learning rate, where that is not the common one."""

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


def source_name(setup: Setup) -> str:
    """Name of a run among the sources; the runs of an arm at one rate differ in the seed alone."""
    return f"{setup.arm}{'' if setup.rate == 1 else OWN_RATE} seed{setup.seed}"


def _without_seed(name: str) -> str:
    """What `source_name` gives, without the seed: the name under which the runs are compared."""
    return name.rsplit(" seed", 1)[0]


def contrasts(choices: Choices) -> dict[str, list[tuple[str, str]]]:
    """The pairs that are tested, first and second, with all arms at the common learning rate and each at its own."""

    def own(arm: str) -> str:
        return arm if choices.rates[arm] == 1 else f"{arm}{OWN_RATE}"

    return {"common": list(CONTRASTS), "own": [(own(first), own(second)) for first, second in CONTRASTS]}


def rule_sources(runs: Runs, rule: DecisionRule) -> tuple[CheckpointSource, ...]:
    """The runs' checkpoints under a decision rule: the same weights with a card that says so, beside the own one."""
    sources = []
    for setup, run in runs.items():
        card = load_card(run.path / CHECKPOINT)
        folder = run.path / (CHECKPOINT if rule == card.decision_rule else f"{CHECKPOINT}-{rule}")
        if not (folder / CARD).is_file():
            summary = f"{card.summary.rsplit(', decided by', 1)[0]}, decided by {rule}"
            decided = card.model_copy(update={"decision_rule": rule, "summary": summary})
            write_atomically(folder / WEIGHTS, (run.path / CHECKPOINT / WEIGHTS).read_bytes())
            write_atomically(folder / CARD, (decided.model_dump_json(indent=2) + "\n").encode())
        sources.append(CheckpointSource(source_name(setup), folder))
    return tuple(sources)


def study_records(opened: Comparison, options: Options, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """The tested comparisons by bin: the records of the breakdown of each pair that was run, Holm over all of them."""
    parts = []
    for first, second in pairs:
        if not _there(opened, (first, second)):
            continue
        breakdown: Breakdown = choose_breakdown(
            (opened.rows, opened.lesions),
            opened.manifest,
            Options(**{**asdict(options), "sources": (first, second)}),
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


def check_pooled(opened: Comparison) -> None:
    """Refuse results in which a run would be left out of its arm's mean, unnoticed.

    Raises:
        DataError: If runs of an arm differ in more than the seed, as where files of the data changed between them.
    """
    seeds = list_sources(opened.manifest, pool_seeds=True)[1]
    alone = [name for name in opened.manifest.sources if name not in seeds.get(_without_seed(name), ())]
    if alone:
        raise DataError(
            "Runs of the study differ from the others of their loss in more than the seed",
            received=", ".join(alone),
            todo="Compare their cards with the others', delete them, and give the command again: they are trained anew",
        )


def _there(opened: Comparison, pair: tuple[str, str]) -> bool:
    """Whether both of a pair were run."""
    return set(pair) <= {_without_seed(name) for name in opened.manifest.sources}


def run_table(runs: Runs) -> pd.DataFrame:
    """A row a run: arm, rate, seed, best step and its validation DSC, seconds, and the hash of its weights."""
    rows = []
    for setup, run in runs.items():
        card = load_card(run.path / CHECKPOINT)
        rows.append(
            {
                "arm": setup.arm,
                "candidate": setup.candidate,
                "rate": setup.rate,
                "seed": setup.seed,
                "best_step": card.training["best_step"],
                "best_validation_dsc": card.training["best_validation_dsc"],
                "seconds": round(run.status().seconds),
                "weights_sha256": card.weights_sha256,
            }
        )
    return pd.DataFrame(rows)


def write_study(
    out: Path, runs: Runs, choices: Choices, results: Mapping[DecisionRule, Comparison], validation: Comparison
) -> None:
    """Write the tables of the study, cases.csv with the measures themselves among them.

    Args:
        out: Folder to write to.
        runs: Every finished run, those that chose included.
        choices: What the validation cases chose.
        results: Decision rule to its opened results.
        validation: Results of the same runs on the validation cases, as they decide in training.
    """
    write_cases(out, "", results)
    write_comparisons(out, "", results, contrasts(choices))
    whole = [pair for pairs in contrasts(choices).values() for pair in pairs]
    compared = results[RULES[0]], validation, [pair for pair in dict.fromkeys(whole) if _there(results[RULES[0]], pair)]
    tables = {"matched.csv": matched_table(*compared), "calibration.csv": calibration_table(*compared)}
    first = load_card(next(iter(runs.values())).path / CHECKPOINT)
    unlike = {"loss", "loss_settings", "seed", "best_step", "best_validation_dsc", "initial_weights_sha256"}
    unlike |= {"learning_rate", "factors_from"}
    document = {
        "arms": {arm: asdict(what) for arm, what in ARMS.items()},
        "contrasts": CONTRASTS,
        "training": {key: value for key, value in first.training.items() if key not in unlike},
        "data": first.data,
        "versions": first.versions,
    }
    _write(out, tables | {"runs.csv": run_table(runs)})
    write_atomically(out / "study.json", (json.dumps(document, indent=2, default=dict) + "\n").encode())


def write_comparisons(
    out: Path,
    prefix: str,
    results: Mapping[DecisionRule, Comparison],
    pairs: Mapping[str, Sequence[tuple[str, str]]],
) -> None:
    """Write comparisons.csv, by cases and by lesions.

    Args:
        out: Folder to write to.
        prefix: What the name of the file begins with.
        results: Decision rule to its opened results.
        pairs: Kind of learning rate to the pairs that are compared; under further rules the common one alone.
    """
    parts = []
    for rule, opened in results.items():
        check_pooled(opened)
        for rate, of_rate in pairs.items():
            if rule != RULES[0] and rate != "common":
                continue
            for level in ("case", "lesion"):
                records = study_records(opened, Options(level=level), of_rate)
                parts.append(records.assign(rule=rule, rate=rate, level=level))
    comparisons = pd.concat(parts, ignore_index=True)
    lead = ["rule", "rate", "level", "minus", "source", "axis", "bin"]
    comparisons = comparisons[lead + [column for column in comparisons if column not in lead]]
    _write(out, {f"{prefix}comparisons.csv": comparisons})


def write_cases(out: Path, prefix: str, results: Mapping[DecisionRule, Comparison]) -> None:
    """Write cases.csv, what was measured of every case, for each decision rule."""
    cases = pd.concat([opened.rows[list(MEASURED)].assign(rule=rule) for rule, opened in results.items()])
    _write(out, {f"{prefix}cases.csv": cases})


def _write(out: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    for name, table in tables.items():
        write_atomically(out / name, table.round(6).to_csv(index=False).encode())
