"""`afl demo`: the synthetic cohort, and the checkpoints that ship with the workbench compared on it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

import typer

from afl_core.analysis.statistics.paired import mean_scores
from afl_core.base.extras import need
from afl_core.base.paths import DEMO, IN_CHECKOUT, RESULTS, SHIPPED_MODELS
from afl_core.base.workers import worker_pool
from afl_core.cli.evaluate_cases import evaluate_cases
from afl_core.cli.output_options import command
from afl_core.cli.terminal import print_line, progress_bar
from afl_core.data.demo.design import DemoSpec
from afl_core.data.layouts import Cohort, load_cohort
from afl_core.data.layouts.labelling import with_regions
from afl_core.evaluation.network_sources import CheckpointSource
from afl_core.evaluation.results import Results
from afl_core.evaluation.sources import MaskSource, Source
from afl_core.model.checkpoints import add_scores

commands = typer.Typer()

DEMO_PAIR: Mapping[str, str] = MappingProxyType({"FL": "demo_fl", "A-FL": "demo_afl"})
"""Name on screen to checkpoint folder."""


def demo_sources() -> tuple[CheckpointSource, ...]:
    """The pair as sources."""
    return tuple(CheckpointSource(name, SHIPPED_MODELS / folder) for name, folder in DEMO_PAIR.items())


@command(commands)
def demo(
    *,
    images: Annotated[bool, typer.Option("--images", help="Also draw all images now, 1.3 GB.")] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Draw all, and measure what is not of these checkpoints and versions.")
    ] = False,
) -> None:
    """Put the synthetic demo cohort and the results of the shipped checkpoints in place.

    They come with the workbench. The images of a case are drawn when it is opened. What is there already is kept.
    """
    from afl_core.cli import shipped_study  # noqa: PLC0415 - imports the phantom
    from afl_core.cli.shipped_demo import RESULTS_OF, unpack_demo  # noqa: PLC0415 - the same
    from afl_core.data.demo_cohort import write_demo  # noqa: PLC0415 - the same

    if rebuild:
        need("train", of="`afl demo --rebuild`")
    for sentence in () if rebuild else unpack_demo():
        print_line(sentence)
    if images or rebuild:
        with progress_bar("Drawing (synthetic)") as advance, worker_pool(tasks=2) as executor:
            write_demo(DEMO, splits=tuple(dict.fromkeys(RESULTS_OF.values())), executor=executor, progress=advance)
    if rebuild:
        _measure_anew()
    else:
        shipped_study.unpack_study()
    names = ", ".join((*RESULTS_OF, shipped_study.NAME))
    print_line(f"The synthetic cohort is in {DEMO}, its results are in {RESULTS}: {names}")


def _measure_anew() -> None:
    """Measure the demo's results where a row is not of these checkpoints, predictions and versions; pack them."""
    from afl_core.cli.shipped_demo import REGIONS, RESULTS_OF, pack_demo, region_predictions  # noqa: PLC0415 - as above

    cohort = load_cohort(DEMO)
    for name, split in RESULTS_OF.items():
        of: Cohort = cohort
        sources: tuple[Source, ...] = demo_sources()
        if name == REGIONS:
            of = with_regions(cohort, ())
            sources = tuple(MaskSource(name, region_predictions() / name) for name in DEMO_PAIR)
        ids = DemoSpec().case_ids(split)
        evaluate_cases(of, of.only(ids).cases, sources, Results(RESULTS / name), split=sorted(ids))
    rows = Results(RESULTS / "demo").cases()
    if IN_CHECKOUT:
        for name, folder in DEMO_PAIR.items():
            add_scores(SHIPPED_MODELS / folder, {"test": mean_scores(rows[rows["source"] == name])})
        pack_demo()
        _pack_study()


def _pack_study() -> None:
    """Pack the first run of each loss of the study, where its results are here; else its archive stays as it is."""
    from afl_core.cli.shipped_study import pack_study, take_study  # noqa: PLC0415 - as above

    study = RESULTS / "study-demo-argmax"
    if study.is_dir():
        take_study(study)
        pack_study()
