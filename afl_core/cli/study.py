"""`afl study`: the losses of the paper, trained with several seeds and compared on one test split."""

import json
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from afl_core.base.cluster import Cluster, hold_cluster
from afl_core.base.extras import need
from afl_core.base.paths import RESULTS
from afl_core.base.storage import write_atomically
from afl_core.base.workers import worker_pool
from afl_core.cli.evaluate_cases import evaluate_cases
from afl_core.cli.options import (
    ClusterOption,
    LabelsOption,
    LayoutOption,
    PatientsOption,
    RegionOption,
    TrustOption,
    choose_cluster,
    data_options,
)
from afl_core.cli.output_options import command
from afl_core.cli.terminal import command_line, print_line, print_problems, progress_bar
from afl_core.cli.training import training_data
from afl_core.data.layouts import Cohort, load_cohort
from afl_core.data.splits import SPLITS_FILE, load_splits
from afl_core.errors import UsageError
from afl_core.evaluation.comparison import Comparison, open_comparison
from afl_core.evaluation.results import Results
from afl_core.study.arms import BY_CHANNEL
from afl_core.training.config import PRESETS, parse_setting
from afl_core.training.runs import runs_folder

if TYPE_CHECKING:
    from afl_core.model.checkpoints import DecisionRule
    from afl_core.study.plan import Choices, Runs, Setup
    from afl_core.training.runs import RunFolder

commands = typer.Typer()


@command(commands)
def study(  # noqa: PLR0913 - one parameter an option
    *,
    out: Annotated[Path, typer.Option(help="Folder for the tables.")] = Path("docs/study"),
    preset: Annotated[str, typer.Option(help=f"One of {', '.join(PRESETS)}.")] = "demo",
    data: Annotated[Path | None, typer.Option(help="Data set; without it the demo cohort.")] = None,
    layout: LayoutOption = None,
    labels: LabelsOption = None,
    region: RegionOption = None,
    trust_voxel_order: TrustOption = False,
    patients: PatientsOption = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any other setting, such as steps=500.")] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another data set, on all of which the losses with most seeds are measured. May be repeated."
        ),
    ] = None,
    cluster: ClusterOption = None,
) -> None:
    """Train FL, the readings of A-FL and other losses with several seeds, and compare them on the test split.

    The validation cases alone choose settings and learning rates, which are written down before a test case is
    measured. Hours on two cores. A run that was interrupted goes on when the command is given again; finished ones
    are kept.
    """
    need("train", of="`afl study`")
    on = choose_cluster(cluster)
    from afl_core.study.plan import Choices, candidate_setups, choose, plan_runs, rate_setups, seed_setups  # noqa: PLC0415
    from afl_core.study.tables import write_study  # noqa: PLC0415

    settings = dict(parse_setting(text) for text in set_ or [])
    typed_options = data_options(
        layout=layout, labels=labels, region=region, trust_voxel_order=trust_voxel_order, patients=patients
    )
    cohort, options = training_data(data, typed_options, named=region is not None)

    def trained(setups: "Iterable[Setup]") -> "dict[Setup, RunFolder]":
        runs = plan_runs(setups, preset, settings, data=cohort.root, data_options=options, command=command_line())
        _train(runs, on)
        return runs

    with hold_cluster(on) if on else nullcontext():  # one for all that follows
        every = trained(candidate_setups())
        candidates = {arm: setup.candidate for arm, setup in choose(every).items()}
        tried = trained(rate_setups(candidates))
        choices = Choices(candidates, {arm: setup.rate for arm, setup in choose(tried).items()})
        _write_choices(out / "choices.json", choices)
        runs = trained(seed_setups(choices))
        write_study(out, every | tried | runs, choices, *_measure(cohort, runs, preset, on))
        for further in also or []:
            _measure_also(further, runs, out, preset, on)
    print_line(f"The tables of the study are written to {out}")


def _write_choices(path: Path, choices: "Choices") -> None:
    write_atomically(path, (json.dumps(asdict(choices), indent=2) + "\n").encode())
    print_line(f"What the validation cases chose is written to {path}; no test case was measured yet")


def _measure(
    cohort: Cohort, runs: "Runs", preset: str, on: Cluster | None
) -> "tuple[dict[DecisionRule, Comparison], Comparison]":
    """The results of the runs on the test cases, by decision rule, and on the validation cases, which come first."""
    from afl_core.study.tables import RULES, rule_sources  # noqa: PLC0415

    splits = load_splits(cohort.root / SPLITS_FILE)

    def measured(name: str, rule: "DecisionRule", split: str) -> Comparison:
        under = runs if rule == RULES[0] else {s: runs[s] for s in runs if s.arm in BY_CHANNEL and s.rate == 1}
        results, ids = Results(RESULTS / f"study-{preset}-{name}"), sorted(splits[split])
        evaluate_cases(cohort, cohort.cases, rule_sources(under, rule), results, split=ids, workers=on)
        return open_comparison(results.folder)

    validation = measured("validation", RULES[0], "validation")
    return {rule: measured(rule, rule, "test") for rule in RULES}, validation


def _measure_also(data: Path, runs: "Runs", out: Path, preset: str, on: Cluster | None) -> None:
    """Measure runs at the common learning rate on every case of another data set, and write its tables.

    With too few patients for a comparison, every arm is measured and only the cases are listed; else the arms with
    most seeds are compared.
    """
    from afl_core.study.arms import CONTRASTS, LEAST_PATIENTS  # noqa: PLC0415
    from afl_core.study.tables import RULES, rule_sources, write_cases, write_comparisons  # noqa: PLC0415

    cohort = load_cohort(data)
    compared = len({case.patient for case in cohort.cases}) >= LEAST_PATIENTS
    common = {setup: run for setup, run in runs.items() if setup.rate == 1}
    seeds = Counter(setup.arm for setup in common)
    least = max(seeds.values()) if compared else 1
    measured = {setup: run for setup, run in common.items() if seeds[setup.arm] >= least}
    results, prefix = Results(RESULTS / f"study-{preset}-{cohort.root.name}"), f"{cohort.root.name}_"
    evaluate_cases(cohort, cohort.cases, rule_sources(measured, RULES[0]), results, workers=on)
    opened = {RULES[0]: open_comparison(results.folder)}
    write_cases(out, prefix, opened)
    if compared:
        write_comparisons(out, prefix, opened, {"common": list(CONTRASTS)})


def _train(runs: "Runs", on: Cluster | None) -> None:
    """Train what is not finished, here or on a cluster, with a progress bar.

    Raises:
        UsageError: If a run did not finish.
    """
    from afl_core.study.plan import train_runs  # noqa: PLC0415

    pool = worker_pool(tasks=len(runs), workers=on, shared=runs_folder())
    with progress_bar("Training") as advance, pool as executor:
        ended = sum(run.checkpoint is not None for run in runs.values())
        advance(ended, len(runs))

        def report(name: str) -> None:
            nonlocal ended
            ended += 1
            advance(ended, len(runs), name)

        unfinished = train_runs(runs, executor, at_once=None if on else os.cpu_count(), report=report)
    if unfinished:
        print_problems(unfinished)
        raise UsageError("Some runs are not finished", todo="Give the command again: they go on where they stopped")
