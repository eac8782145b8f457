"""`afl demo`: the checkpoints that ship with the workbench, compared on the test split of the synthetic cohort."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

import typer

from afl_core.base.extras import need
from afl_core.base.paths import DEMO, RESULTS, SHIPPED_MODELS
from afl_core.cli.evaluate_cases import evaluate_cases
from afl_core.cli.output_options import command
from afl_core.cli.training import write_demo_cohort
from afl_core.data.demo.design import DemoSpec
from afl_core.data.layouts import load_cohort
from afl_core.data.splits import SPLITS_FILE, load_splits
from afl_core.evaluation.network_sources import CheckpointSource
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import pending

commands = typer.Typer()

DEMO_PAIR: Mapping[str, str] = MappingProxyType({"FL": "demo_fl", "A-FL": "demo_afl"})
"""Name on screen to checkpoint folder."""


def demo_sources() -> tuple[CheckpointSource, ...]:
    """The pair as sources."""
    return tuple(CheckpointSource(name, SHIPPED_MODELS / folder) for name, folder in DEMO_PAIR.items())


@command(commands)
def demo(
    *,
    test: Annotated[int, typer.Option(help="Number of test cases.")] = 24,
    validation: Annotated[int, typer.Option(help="Number of validation cases; `afl train` makes 8.")] = 0,
    train: Annotated[int, typer.Option(help="Number of training cases; `afl train` makes 48.")] = 0,
) -> None:
    """Make the synthetic demo cohort, and evaluate the shipped checkpoints on its test split.

    What is there already is kept, so the second run takes a second or two.
    """
    need("train", of="`afl demo`")
    write_demo_cohort(DemoSpec(n_train=train, n_validation=validation, n_test=test))
    cohort = load_cohort(DEMO)
    wanted = set(load_splits(DEMO / SPLITS_FILE)["test"])
    results = Results(RESULTS / "demo")
    cases = pending([case for case in cohort.cases if case.case_id in wanted], demo_sources(), results)
    if cases:
        evaluate_cases(cohort, cases, demo_sources(), results, split=sorted(wanted))
