"""`afl evaluate`, `rename` and `predict`: measure sources on cases, name them, and segment cases with a checkpoint."""

import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from afl_core.base.catalogue import pick
from afl_core.base.cluster import Cluster, hold_cluster
from afl_core.base.extras import need
from afl_core.base.words import number_of
from afl_core.base.workers import Workers, worker_pool
from afl_core.cli.by_protocol import measure_by
from afl_core.cli.evaluate_cases import evaluate_cases
from afl_core.cli.options import (
    DATA_HELP,
    ClusterOption,
    CovariatesOption,
    LabelsOption,
    LayoutOption,
    NamedPaths,
    PatientsOption,
    RegionsOption,
    TrustOption,
    WorkersOption,
    choose_cluster,
    data_options,
    open_cohort,
)
from afl_core.cli.output_options import command
from afl_core.cli.summary import print_summary
from afl_core.cli.terminal import print_always, print_line, print_problems, print_warnings, progress_bar
from afl_core.data.check.doubts import with_tumour
from afl_core.data.covariates import load_covariates
from afl_core.data.labels import WHOLE
from afl_core.data.layouts import Cohort, load_cohort
from afl_core.data.layouts.labelling import with_regions
from afl_core.data.layouts.masks import composed
from afl_core.data.patient_table import PARTICIPANTS
from afl_core.data.splits import SPLITS_FILE, unknown_sentence
from afl_core.errors import UsageError
from afl_core.evaluation.changes import rename_source
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.grids import OTHER_GRID
from afl_core.evaluation.manifest import MANIFEST
from afl_core.evaluation.prediction_stream import IN_A_ROW, predict_cases
from afl_core.evaluation.prediction_values import MEANINGS
from afl_core.evaluation.protocol_labels import by_labels
from afl_core.evaluation.protocol_results import left_out_sentence, measurable
from afl_core.evaluation.results import Results
from afl_core.evaluation.rows import SETTINGS, choose_settings
from afl_core.evaluation.sources import Source, parse_sources
from afl_core.evaluation.stored import untold_sentence, wanted_regions
from afl_core.metrics.matchers import LEAST_LESION_VOXELS, MATCHERS
from afl_core.metrics.protocols import Protocol, find_protocol
from afl_core.volume import Case

commands = typer.Typer()
CaseOption = Annotated[list[str] | None, typer.Option(help="Only this case; may be given several times.")]


@command(commands, table=True, cls=NamedPaths)
def evaluate(  # noqa: PLR0913 - one parameter an option
    *,
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    references: Annotated[
        Path | None, typer.Option(help="Folder of reference masks alone, in place of --data; matched by case id.")
    ] = None,
    source: Annotated[
        list[str],
        typer.Option(
            help="NAME=PATH: a checkpoint folder, a weights file of the paper's authors (FILE@picai or FILE@brats if "
            "its channels do not tell), or a folder of predicted masks or probabilities. Give one or more. A folder of "
            "nnU-Net's results needs no NAME: each model in it is a source."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Results folder; rows that are still valid are kept.")],
    case: CaseOption = None,
    split: Annotated[str | None, typer.Option(help=f"Only this part of the data set's {SPLITS_FILE}, as test.")] = None,
    layout: LayoutOption = None,
    labels: LabelsOption = None,
    region: Annotated[
        str | None,
        typer.Option(
            help="This region alone: whole (also wt, cspca), tc, et, a name in your own --labels, or one "
            "with its labels, such as ring=2+4."
        ),
    ] = None,
    regions: RegionsOption = None,
    patients: PatientsOption = None,
    covariates: CovariatesOption = None,
    matcher: Annotated[
        str, typer.Option(help=f"When a predicted component finds a lesion: {', '.join(MATCHERS)}.")
    ] = SETTINGS.matcher,
    least_lesion: Annotated[
        int | None,
        typer.Option(
            help="Least size of a lesion in voxels: smaller ones, and smaller false positives, enter no lesion score, "
            f"and their number is said. By default {LEAST_LESION_VOXELS}, or the matcher's own rule; 1 counts all.",
            min=0,
        ),
    ] = None,
    nsd_tolerance: Annotated[
        float, typer.Option(help="Distance in mm up to which a surface counts as right.", min=0)
    ] = SETTINGS.nsd_tolerance_mm,
    other_grid: Annotated[
        str,
        typer.Option(help="Predicted masks on another grid: " + "; ".join(f"{k}: {v}" for k, v in OTHER_GRID.items())),
    ] = "refuse",
    prediction_labels: Annotated[
        str | None,
        typer.Option(
            help="What folders of predictions hold, where their files do not tell: "
            + "; ".join(f"{k}: {v}" for k, v in MEANINGS.items())
        ),
    ] = None,
    trust_voxel_order: TrustOption = False,
    protocol: Annotated[
        str | None,
        typer.Option(help="Also measure the folders of label files by this protocol of a challenge: see afl protocol."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with exit status 1 if a case failed or a prediction is missing.")
    ] = False,
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
) -> None:
    """Measure every source on every case: per case and per lesion.

    Writes cases.parquet, lesions.parquet, masks/SOURCE/CASE.nii.gz and manifest.json to the results folder.

    Example: afl evaluate --data data/demo --source FL=models/demo_fl --source A-FL=models/demo_afl --out my_results
    """
    rule, on = find_protocol(protocol) if protocol else None, choose_cluster(cluster, workers) or workers
    sources = parse_sources(source, other_grid=other_grid, meaning=prediction_labels or "")
    if any(source.sequences() for source in sources):
        need("train", of="A checkpoint as a source")
    options = data_options(
        layout=layout, labels=labels, region=region or WHOLE, trust_voxel_order=trust_voxel_order, patients=patients
    )
    cohort = open_cohort(data, references, options)
    cohort = cohort if region or regions else with_tumour(cohort)
    cohort = cohort if region and not regions else with_regions(cohort, _names(region, regions))
    if rule:
        by_labels(rule, cohort.scheme)  # what it cannot measure, it says before the long part
    table = load_covariates(covariates, cohort.patients.of) if covariates else None
    results = Results(out)
    settings = choose_settings(nsd_tolerance, matcher, least_lesion, held=results.settings())
    chosen, ids = _select(cohort, case), () if split is None else cohort.part(split)
    print_warnings([unknown_sentence(ids, cohort.known)])
    with hold_cluster(on) if rule and isinstance(on, Cluster) else nullcontext():  # one for both
        problems = evaluate_cases(cohort, chosen, sources, results, settings=settings, split=ids, workers=on)
        if table:
            results.keep_covariates(table)
        more = results.manifest().covariates.told if table else _participants_problem(results)
        print_summary(results, [s.name for s in sources], more=(*cohort.patients.declaration_warnings, *more))
        if regions and (untold := wanted_regions(results.manifest(), results.measured())[1]):
            print_warnings([untold_sentence(untold, cohort.region.name)])
        print_line(f"Tables, masks and manifest are in {out}")
        if rule:
            problems |= _by_protocol(rule, out, chosen, sources, on)
    missing = {f"{case_id} {name}" for name, ids in results.manifest().missing.items() for case_id in ids}
    if strict and (failed := missing | problems.keys()):
        print_always(
            f"{number_of(len(failed), 'prediction or case', 'predictions or cases')} failed or missing (--strict)"
        )
        raise typer.Exit(1)


@command(commands, cls=NamedPaths)
def predict(  # noqa: PLR0913 - one parameter an option
    *,
    model: Annotated[Path, typer.Option(help="Checkpoint folder, or a weights file of the authors.")],
    data: Annotated[Path, typer.Option(help=DATA_HELP)],
    out: Annotated[Path, typer.Option(help="Folder for the masks, CASE.nii.gz on each case's own grid.")],
    case: CaseOption = None,
    layout: LayoutOption = None,
    trust_voxel_order: TrustOption = False,
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
) -> None:
    """Segment cases with a checkpoint, on all cores or a cluster; needs no reference.

    Each process reads the next case and writes the last one while the network is at work.
    """
    need("train", of="`afl predict`")
    on = choose_cluster(cluster, workers) or workers
    (source,) = parse_sources([f"model={model}"])
    if not source.sequences():
        raise UsageError("These are predictions already", received=model, todo="Give a checkpoint")
    cohort = load_cohort(data, layout=layout, trust_voxel_order=trust_voxel_order)
    cases = _select(cohort, case)
    failed = dict(cohort.problems) if case is None else {}
    each = 1 if isinstance(on, Cluster) else min(IN_A_ROW, -(-len(cases) // (4 * (on or os.cpu_count() or 1))))
    with progress_bar("Predicting") as advance, worker_pool(tasks=len(cases), workers=on, shared=out) as executor:
        advance(0, len(cases))
        tasks = predict_cases(cases, source, out, executor=executor, in_a_row=each)
        for done, (chosen, error) in enumerate(tasks, start=1):
            if error is not None:
                failed[chosen.case_id] = str(error)
            advance(done, len(cases), chosen.case_id)
    written = sum(chosen.case_id not in failed for chosen in cases)
    print_line(f"{written} of {number_of(len(cases), 'mask')} written to {out}")
    print_problems(failed)
    if not written:
        raise UsageError(
            "No case could be segmented", received=number_of(len(cases), "case"), todo="See the reasons above"
        )


@command(commands)
def rename(
    results: Annotated[Path, typer.Argument(help="Results folder.")],
    source: Annotated[str, typer.Argument(help="Name of a source in it.")],
    to: Annotated[str, typer.Argument(help="Its new name.")],
) -> None:
    """Give a source of results another name; its rows and masks stay, and are not measured again."""
    if not (results / MANIFEST).is_file():
        raise UsageError("There are no such results", received=results, todo="Give a folder that afl evaluate made")
    rename_source(Results(results), source, to)
    print_line(f"{source} is now {to} in {results}")


def _by_protocol(
    rule: Protocol, results: Path, cases: Sequence[Case], sources: Sequence[Source], workers: Workers
) -> dict[str, str]:
    """Measure the same cases and sources by a protocol too; the problems by case and source."""
    of = measurable(open_comparison(results), rule.name)
    ids, names = {case.case_id for case in cases}, {source.name for source in sources}
    print_warnings([left_out_sentence([name for name in of.left_out if name in names])])
    if not (folders := tuple(folder for folder in of.sources if folder.name in names)):
        return {}
    return dict(measure_by(of.rule, of.cohort.only(ids), folders, folder=results, workers=workers).problems)


def _participants_problem(results: Results) -> tuple[str, ...]:
    """Why a participants.tsv gives no covariates, where it gives the patients and cannot."""
    of = results.manifest().covariates.left_out
    return (of[PARTICIPANTS],) if PARTICIPANTS in of else ()


def _names(region: str | None, regions: str | None) -> tuple[str, ...]:
    if region and regions:
        raise UsageError("Give either --region or --regions", received=f"{region} and {regions}")
    return tuple(filter(None, (name.strip() for name in (regions or "").split(","))))


def _select(cohort: Cohort, wanted: Sequence[str] | None) -> list[Case]:
    if not wanted:
        return list(cohort.cases)
    cases = {case.case_id: case for case in cohort.cases}
    problem_of = dict(cohort.problems)
    wanted = [composed(case_id) for case_id in wanted]
    for case_id in wanted:
        if case_id in problem_of:
            raise UsageError(problem_of[case_id])
        pick(cases, case_id, kind="case")
    return [cases[case_id] for case_id in wanted]
