"""Results as the commands open them: a folder in a region, with a breakdown, or in several regions."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from afl_core.analysis.breakdown.measures import Level, choose_measure
from afl_core.analysis.breakdown.options import TRAINING, Options, choose_breakdown
from afl_core.analysis.breakdown.records import Breakdown
from afl_core.analysis.breakdown.regions import EVERY_REGION, RegionBreakdown, compare_regions
from afl_core.base.paths import INDEX
from afl_core.base.workers import worker_pool
from afl_core.cli.terminal import print_warnings, progress_bar
from afl_core.data.covariates import load_covariates
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.comparison import Comparison, open_comparison
from afl_core.evaluation.contrast_rows import VALUES, lacking_sentence
from afl_core.evaluation.stored import pick_region, wanted_regions


def open_compared(folder: Path, region: str = "") -> Comparison:
    """A results folder with sources; raises `AflError` where it is none, or damaged, or lacks the region."""
    opened = open_comparison(folder, region=region)
    if not opened.sources:
        raise DataError(f"{opened.name} has no source to compare", todo="Run afl evaluate with --source")
    return opened


def with_table(opened: Comparison, covariates: Path) -> Comparison:
    """The results with the covariates of a table in place of those that they hold; nothing is written."""
    patient_of = {} if opened.rows.empty else dict(zip(opened.rows["case_id"], opened.rows["patient"], strict=True))
    table = load_covariates(covariates, patient_of)
    manifest = opened.manifest.with_covariates(table)
    print_warnings(manifest.covariates.told)
    return replace(opened, manifest=manifest)


def open_breakdown(
    folder: Path, options: Options, region: str = "", *, covariates: Path | None = None
) -> tuple[Comparison, Breakdown]:
    """A results folder and its breakdown; raises `AflError` where it is none, or cannot give what is asked for."""
    opened = open_compared(folder, region)
    opened = with_table(opened, covariates) if covariates else opened
    choose_measure(opened.manifest, options.level, options.metric)  # a wrong one says so before anything is read
    return opened, _break_down(opened, options)


def open_regions(
    folder: Path, options: Options, region: str, names: str, *, covariates: Path | None = None
) -> tuple[tuple[RegionBreakdown, ...], dict[str, str]]:
    """What `compare_regions` gives for the regions of these names, separated by commas, or for `all`.

    Raises:
        UsageError: If one region was named beside several, or one was not measured.
        AflError: If the folder cannot be read, or no region gives what is asked for.
    """
    if region:
        raise UsageError("Give --region or --regions, not both", received=f"--region {region} --regions {names}")
    first = open_compared(folder)
    first = with_table(first, covariates) if covariates else first
    choose_measure(first.manifest, options.level, options.metric)
    wanted = first.regions
    if names != EVERY_REGION:
        there, untold = wanted_regions(first.results.manifest(), first.results.measured())
        wanted = tuple(dict.fromkeys(pick_region(there, name.strip(), untold=untold) for name in names.split(",")))
    opened = [first if name == first.region else open_compared(folder, name) for name in wanted]
    of = first.manifest.covariates
    opened = [replace(one, manifest=one.manifest.model_copy(update={"covariates": of})) for one in opened]
    return compare_regions(opened, options, _break_down)


def _break_down(opened: Comparison, options: Options) -> Breakdown:
    training = training_facts(opened, options.level) if options.bins == TRAINING else None
    found = choose_breakdown((opened.rows, opened.lesions), opened.manifest, options, training)
    if set(VALUES).intersection(options.axes):
        print_warnings([lacking_sentence(opened.rows, opened.results.folder)])
    return found


def training_facts(opened: Comparison, level: Level) -> pd.DataFrame:
    """Size and smoothness of the references of the training split; measured where that was not done before."""
    from afl_core.evaluation.references import left_out_sentence, training_references  # noqa: PLC0415 - only these bins need it

    if opened.whole is None:
        raise DataError(f"The training split is not known. {opened.problem} Without it, choose other bins")
    with progress_bar("Reading") as advance, worker_pool(tasks=len(opened.whole.cases)) as executor:
        table, problems = training_references(
            opened.whole, index=INDEX, progress=advance, executor=executor, level=level
        )
    print_warnings([left_out_sentence(problems)])
    return table
