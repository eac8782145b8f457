"""`afl train`, and what it shares with the other commands."""

import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from afl_core.analysis.statistics.paired import mean_scores
from afl_core.base.extras import need
from afl_core.base.numbers import number
from afl_core.base.paths import DEMO
from afl_core.base.words import number_of
from afl_core.base.workers import worker_pool
from afl_core.cli.evaluate_cases import evaluate_cases
from afl_core.cli.options import (
    LabelsOption,
    LayoutOption,
    NamedPaths,
    PatientsOption,
    RegionOption,
    TrustOption,
    data_options,
)
from afl_core.cli.output_options import command
from afl_core.cli.terminal import command_line, print_line, print_warnings, progress_bar
from afl_core.data.check.doubts import doubt_organs, with_tumour
from afl_core.data.demo.design import SPLITS, DemoSpec
from afl_core.data.demo_cohort import write_demo
from afl_core.data.layouts import Cohort, DataOptions
from afl_core.data.splits import SPLITS_FILE, load_splits
from afl_core.errors import AflError, UsageError
from afl_core.evaluation.from_runs import describe_runs, ended_batch, test_cases
from afl_core.model.checkpoints import add_scores
from afl_core.training.config import PRESETS, parse_setting
from afl_core.training.request import TrainingRequest

commands = typer.Typer()

if TYPE_CHECKING:
    from afl_core.training.loop import Progress
    from afl_core.training.ranks import Ranks
    from afl_core.training.runs import RunFolder


@command(commands, cls=NamedPaths)
def train(  # noqa: PLR0913 - one parameter an option
    *,
    loss: Annotated[
        list[str] | None,
        typer.Option(help="Such as focal or adaptive_focal; a wrong name lists them all. Several make paired runs."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the checkpoint to this folder; for one run.")] = None,
    preset: Annotated[str, typer.Option(help=f"One of {', '.join(PRESETS)}.")] = "demo",
    data: Annotated[
        Path | None, typer.Option(help="Data set, with a splits.json or at random; without it the demo cohort.")
    ] = None,
    layout: LayoutOption = None,
    labels: LabelsOption = None,
    region: RegionOption = None,
    trust_voxel_order: TrustOption = False,
    patients: PatientsOption = None,
    random_split: Annotated[
        bool,
        typer.Option("--random-split", help="Draw the split at random, by patient, though the data set has one."),
    ] = False,
    sequences: Annotated[str | None, typer.Option(help="Input channels in order, such as flair,t1ce.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Of weights and batches; several make several runs.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run under models/runs.")] = None,
    resume: Annotated[str | None, typer.Option(help="Go on with this run, to the bits it would have had.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help='Any other setting, such as steps=500 or loss_settings={"preset":"paper_equation"}.',
        ),
    ] = None,
) -> None:
    """Train a checkpoint: weights.safetensors and card.json. Ctrl-C saves and ends; --resume goes on.

    After the last run the test cases are measured into a results folder, which Compare opens.

    Two runs that differ only in --loss start from the same weights and see the same batches.
    """
    need("train", of="`afl train`")
    from afl_core.training.ranks import joined  # noqa: PLC0415 - imports torch
    from afl_core.training.runs import find_run  # noqa: PLC0415

    with joined() as ranks:
        if not ranks.first:
            _follow(ranks)
            return
        if resume is not None:
            given = (loss, out, name, data, layout, labels, region, patients, set_, seed, sequences)
            if any((*given, trust_voxel_order, random_split)):
                raise UsageError("A run that goes on keeps its settings", todo="Give --resume alone")
            run = find_run(resume)
            _train(run, ranks)
        else:
            settings = dict(parse_setting(text) for text in set_ or [])
            if sequences:
                settings["sequences"] = tuple(sequences.split(","))
            typed_options = data_options(
                layout=layout, labels=labels, region=region, trust_voxel_order=trust_voxel_order, patients=patients
            )
            cohort, options = training_data(data, typed_options, named=region is not None)
            request = TrainingRequest(
                preset=preset,
                losses=tuple(loss or ()),
                seeds=tuple(seed or ()),
                settings=settings,
                data=cohort.root,
                data_options=options,
                random_split=random_split,
                command=command_line(),
            )
            run = _train_all(request, out, name, ranks)
        ranks.broadcast()
    _measure(run)


def _train_all(request: TrainingRequest, out: Path | None, name: str | None, ranks: "Ranks") -> "RunFolder":
    """Train every run of a request; the last one."""
    from afl_core.training.plan import plan_runs  # noqa: PLC0415 - imports torch
    from afl_core.training.runs import create_run  # noqa: PLC0415

    planned = plan_runs(request)
    if out is not None and len(planned) > 1:
        raise UsageError("--out takes one run", received=number_of(len(planned), "run"), todo="Leave it out")
    for label, spec in planned.items():
        run_name = label if name is None else name if len(planned) == 1 else f"{name}-{label}"
        run = create_run(
            out.name if out and not name else run_name, spec.model_copy(update={"out": out and out.resolve()})
        )
        _train(run, ranks, fresh=True)
    return run


def _follow(ranks: "Ranks") -> None:
    """Train beside the first process, which alone writes and prints; why it ended is printed there as well."""
    from afl_core.training.ranks import LostRankError  # noqa: PLC0415 - imports torch
    from afl_core.training.run import follow_training  # noqa: PLC0415 - imports torch and MONAI

    for number_ in (signal.SIGINT, signal.SIGTERM):  # the first process hears them, and says when to end
        signal.signal(number_, signal.SIG_IGN)
    try:
        follow_training(ranks)
    except LostRankError:
        raise typer.Exit(1) from None


def training_data(data: Path | None, typed_options: DataOptions, *, named: bool) -> tuple[Cohort, DataOptions]:
    """The data set to train on, and how it is read again; without one the demo cohort, made if it is not there.

    Raises:
        UsageError: If no region was `named`, and the labels do not say which is the tumour.
    """
    if data is None and not _demo_has_training_cases():
        write_demo_cohort(DemoSpec())
    cohort = typed_options.load(data or DEMO)
    cohort = cohort if named else with_tumour(cohort)
    print_warnings((*cohort.patients.warnings, doubt_organs(cohort)))
    return cohort, replace(typed_options, layout=typed_options.layout and cohort.layout.name, region=cohort.region.name)


def _train(run: "RunFolder", ranks: "Ranks", *, fresh: bool = False) -> None:
    """Train in this process, and in those beside it, with a progress bar.

    A fresh run that fails before its first step leaves no folder.
    """
    from afl_core.training.run import run_training  # noqa: PLC0415 - imports torch and MONAI

    with progress_bar(f"Training {run.name}") as advance:
        best = max((row["validation_dsc"] or 0.0 for row in run.metrics()), default=0.0)

        def report(progress: "Progress") -> None:
            nonlocal best
            best = max(best, progress.validation_dsc or 0.0)
            advance(progress.step, run.status().steps, f"loss {progress.loss:.4g}, best validation Dice {number(best)}")

        try:
            card = run_training(run, report=report, ranks=ranks)
        except AflError:
            if fresh and not run.metrics():  # there is nothing to go on with
                shutil.rmtree(run.path, ignore_errors=True)
            raise
    if card is None:
        print_line(f"Stopped at step {run.status().step}; go on with: afl train --resume {run.name}")
        raise typer.Exit(130)
    print_line(f"Checkpoint written to {run.spec().out or run.checkpoint}")


def _measure(run: "RunFolder") -> None:
    """Measure the test cases of a batch whose last run has ended, as a run of the page does in a process of its own.

    What `--out` asked for gets the scores as well. What goes wrong is said; the checkpoints are finished.
    """
    runs = ended_batch(run)
    try:
        if not runs or not test_cases(runs):
            return
        batch = describe_runs(runs)
        cases = [case for case in batch.cohort.cases if case.case_id in batch.cases]
        evaluate_cases(batch.cohort, cases, batch.sources, batch.results, again="open the results in Compare to go on")
    except AflError as error:
        print_warnings([f"The test cases are not measured: {error}"])
        return
    print_line(f"Results on the test split written to {batch.results.folder}")
    if out := run.spec().out:
        add_scores(out, {"test": mean_scores(batch.results.cases())})


def _demo_has_training_cases() -> bool:
    return (DEMO / SPLITS_FILE).is_file() and "train" in load_splits(DEMO / SPLITS_FILE)


def write_demo_cohort(spec: DemoSpec) -> None:
    """Write the cases of the demo that are missing, with a progress bar."""
    with progress_bar("Demo cohort (synthetic)") as advance, worker_pool(tasks=2) as executor:
        write_demo(DEMO, spec, splits=SPLITS, executor=executor, progress=advance)
