"""`afl study`: the losses of the paper, trained with several seeds and compared on one test split."""

import os
from pathlib import Path
from typing import Annotated

import typer

from afl_core.base.extras import need
from afl_core.base.paths import RESULTS
from afl_core.base.workers import worker_pool
from afl_core.cli.evaluate_cases import evaluate_cases
from afl_core.cli.options import (
    LabelsOption,
    LayoutOption,
    PatientsOption,
    RegionOption,
    TrustOption,
    data_options,
)
from afl_core.cli.output_options import command
from afl_core.cli.terminal import command_line, print_line, print_problems, progress_bar
from afl_core.cli.training import training_data
from afl_core.data.splits import SPLITS_FILE, load_splits
from afl_core.errors import UsageError
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.results import Results
from afl_core.training.config import PRESETS, parse_setting

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
    seed: Annotated[list[int] | None, typer.Option(help="Give several; 0, 1 and 2 by default.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any other setting, such as steps=500.")] = None,
) -> None:
    """Train FL, the readings of A-FL and two baselines with three seeds each, and compare them on the test split.

    Hours on two cores. A run that was interrupted goes on when the command is given again; finished ones are kept.
    """
    need("train", of="`afl study`")
    from afl_core.study import RULES, plan_study, rule_sources, train_study, write_study  # noqa: PLC0415

    settings = dict(parse_setting(text) for text in set_ or [])
    typed_options = data_options(
        layout=layout, labels=labels, region=region, trust_voxel_order=trust_voxel_order, patients=patients
    )
    cohort, options = training_data(data, typed_options, named=region is not None)
    runs = plan_study(
        preset, seed or [0, 1, 2], settings, data=cohort.root, data_options=options, command=command_line()
    )
    with progress_bar("Training") as advance, worker_pool(tasks=len(runs)) as executor:
        ended = sum(run.checkpoint is not None for run in runs.values())
        advance(ended, len(runs))

        def report(name: str) -> None:
            nonlocal ended
            ended += 1
            advance(ended, len(runs), name)

        unfinished = train_study(runs, executor, at_once=os.cpu_count() or 1, report=report)
    if unfinished:
        print_problems(unfinished)
        raise UsageError("Some runs are not finished", todo="Give the command again: they go on where they stopped")
    test = set(load_splits(next(iter(runs.values())).path / SPLITS_FILE)["test"])
    results = {rule: Results(RESULTS / f"study-{preset}-{rule}") for rule in RULES}
    for rule, folder in results.items():
        evaluate_cases(cohort, cohort.cases, rule_sources(runs, rule), folder, split=sorted(test))
    write_study(out, runs, {rule: open_comparison(folder.folder) for rule, folder in results.items()})
    print_line(f"runs.csv, comparisons.csv and study.json written to {out}")
