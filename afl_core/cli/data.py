"""`afl data`: check a data set, split it by patient, and write it for nnU-Net."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from afl_core.base.catalogue import pick
from afl_core.base.paths import INDEX
from afl_core.base.remote import address
from afl_core.base.storage import write_atomically
from afl_core.base.words import number_in_parts, number_of
from afl_core.base.workers import worker_pool
from afl_core.cli.options import (
    DATA_HELP,
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
from afl_core.cli.terminal import print_json, print_line, print_problems, print_result, print_warnings, progress_bar
from afl_core.data.check.check import Report, check_cohort
from afl_core.data.layouts import MASKS_ALONE
from afl_core.data.layouts.nnunet_results import FOLDS_FILE
from afl_core.data.splits import SPLITS_FILE, random_splits, save_splits
from afl_core.elsewhere.nnunet_classes import EXPLAINED
from afl_core.elsewhere.nnunet_dataset import Request, export_nnunet
from afl_core.elsewhere.nnunet_folds import save_folds
from afl_core.errors import UsageError

PathArgument = Annotated[Path, typer.Argument(help=DATA_HELP)]

MASKS_HELP = "The folder holds masks alone, CASE.nii.gz."

SHOWN = 5
"""Cases listed of a finding; --out and --json have them all."""

_COLOURS = {"error": "red", "question": "magenta", "warning": "yellow", "note": "cyan"}

FORMS = MappingProxyType({"nnunet": "nnU-Net raw"})
"""Forms in which a data set can be written."""

data_app = typer.Typer(help="Check a data set, split it by patient, and write it for nnU-Net.", no_args_is_help=True)
commands = typer.Typer()
commands.add_typer(data_app, name="data")


@command(data_app, table=True)
def check(  # noqa: PLR0913 - one parameter an option
    path: PathArgument,
    *,
    layout: LayoutOption = None,
    labels: LabelsOption = None,
    region: RegionOption = None,
    trust_voxel_order: TrustOption = False,
    patients: PatientsOption = None,
    masks: Annotated[bool, typer.Option("--masks", help=MASKS_HELP)] = False,
    headers_only: Annotated[bool, typer.Option("--headers-only", help="Do not read the references.")] = False,
    out: Annotated[Path | None, typer.Option(help="Also write the whole report, as JSON, to this file.")] = None,
    cluster: ClusterOption = None,
) -> None:
    """Report what a data set holds and what is wrong with it; exit status 1 if there is an error.

    Example: afl data check BraTS2021 --out report.json
    """
    on = choose_cluster(cluster)
    options = data_options(
        layout=layout, labels=labels, region=region, trust_voxel_order=trust_voxel_order, patients=patients
    )
    cohort = options.references(path) if masks else options.load(path)
    tasks = 0 if headers_only else len(cohort.cases) // (1 if on else 8)  # a few are read sooner than workers start
    with progress_bar("Reading") as advance, worker_pool(tasks=tasks, workers=on) as executor:
        report = check_cohort(cohort, index=INDEX, read=not headers_only, progress=advance, executor=executor)
    _print_report(report)
    document = json.dumps(report.as_dict(), indent=1, ensure_ascii=False)
    print_json(document)
    if out is not None:
        write_atomically(out, document.encode())
        print_line(f"The whole report is in {out}")
    if report.worst == "error":
        raise typer.Exit(1)


@command(data_app)
def split(  # noqa: PLR0913 - one parameter an option
    path: PathArgument,
    *,
    layout: LayoutOption = None,
    labels: LabelsOption = None,
    trust_voxel_order: TrustOption = False,
    patients: PatientsOption = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same split.", min=0)] = 0,
    out: Annotated[
        Path | None, typer.Option(help=f"File to write; {SPLITS_FILE} in the data set if not given.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a split file that is there.")] = False,
) -> None:
    """Write a random split of the patients, 60 % train, 20 % validate, 20 % test; unsound cases are left out."""
    options = data_options(layout=layout, labels=labels, trust_voxel_order=trust_voxel_order, patients=patients)
    cohort = options.load(path)
    target = out or cohort.root / SPLITS_FILE
    if target.exists() and not replace:
        raise UsageError("There is a split file already", received=target, todo="Give --out, or --replace")
    with progress_bar("Reading") as advance, worker_pool(tasks=len(cohort.cases) // 8) as executor:
        report = check_cohort(cohort, index=INDEX, progress=advance, executor=executor)
    splits = random_splits(report.sound, patients=report.patient_of, seed=seed)
    save_splits(target, splits)
    if report.unusable:
        print_line(f"Left out, for what afl data check says of them: {', '.join(report.unusable)}")
    print_line(f"{number_in_parts({name: len(ids) for name, ids in splits.items()}, 'case')} written to {target}")
    print_line(report.patients)
    print_warnings(cohort.patients.warnings)


@command(data_app)
def export(  # noqa: PLR0913 - one parameter an option
    path: PathArgument,
    *,
    form: Annotated[str, typer.Option("--as", help=f"Form of the copy: {', '.join(FORMS)}.")],
    out: Annotated[Path, typer.Option(help="Folder to write, nnUNet_raw/DatasetNNN_Name.")],
    layout: LayoutOption = None,
    labels: LabelsOption = None,
    region: RegionOption = None,
    trust_voxel_order: TrustOption = False,
    patients: PatientsOption = None,
    classes: Annotated[str, typer.Option(help=f"What nnU-Net is to tell apart. {EXPLAINED}.")] = "labels",
    splits: Annotated[
        Path | None, typer.Option(help=f"Split file; the data set's own {SPLITS_FILE} by default.")
    ] = None,
    folds: Annotated[
        int,
        typer.Option(help="Folds of whole patients; 0: the validation part of the split is the one fold.", min=0),
    ] = 0,
    preprocessed: Annotated[
        Path | None,
        typer.Option(help=f"Folder nnUNet_preprocessed, to have {FOLDS_FILE} where nnU-Net looks for it."),
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="Hard links in place of copies of the images.")] = False,
) -> None:
    """Write a data set of any layout as one that nnU-Net trains on.

    The test part goes to imagesTs and labelsTs, all else to imagesTr and labelsTr. Labels are counted 1, 2, 3.

    Example: afl data export BraTS2021 --as nnunet --out nnUNet_raw/Dataset501_BraTS2021
    """
    pick(FORMS, form, kind="form of a data set")
    options = data_options(
        layout=layout, labels=labels, region=region, trust_voxel_order=trust_voxel_order, patients=patients
    )
    cohort, request = options.load(path), Request(out, classes, folds, splits, link)
    with progress_bar("Writing") as advance, worker_pool(tasks=len(cohort.cases) // 4) as executor:
        exported = export_nnunet(cohort, request, executor=executor, progress=advance)
    print_problems(exported.problems)
    numbers = {part: len(ids) for part, ids in exported.cases.items()}
    print_line(f"{number_in_parts(numbers, 'case')} written to {out}")
    print_line(f"Channels: {', '.join(f'{n} {name}' for n, name in enumerate(exported.channels))}")
    print_line(f"Classes: {exported.classes.told()}")
    print_line(cohort.patients.sentence([*exported.cases["train"], *exported.cases["validation"]]))
    _save_folds(exported.folds, out, preprocessed)


@command(data_app)
def make(  # noqa: PLR0913 - one parameter an option
    out: Annotated[Path, typer.Argument(help="Folder of the new data set, in the BraTS 2018 layout.")],
    *,
    shapes: Annotated[Path, typer.Option(help="Data set, or folder of masks, whose references give the shapes.")],
    layout: LayoutOption = None,
    labels: LabelsOption = None,
    region: RegionOption = None,
    patients: PatientsOption = None,
    masks: Annotated[bool, typer.Option("--masks", help=MASKS_HELP)] = False,
    seed: Annotated[int, typer.Option(help="The same seed draws the same.", min=0)] = 0,
) -> None:
    """Draw a synthetic data set whose lesions have the shapes of real ones, and write what became of each.

    Head, place, contrast, noise and scanner are drawn, as in the demo. The shapes are those of the references: what is
    made is no patient's image, but it holds patients' lesions.

    Example: afl data make shapes_of_mine --shapes MyData
    """
    from afl_core.data.shaped_cohort import LEAST_VOXELS, TABLE, write_shapes  # noqa: PLC0415 - imports the phantom

    options = data_options(layout=layout, labels=labels, region=region, patients=patients)
    cohort = options.references(shapes) if masks else options.load(shapes)
    cases = [case for case in cohort.cases if case.reference]
    if out.exists() and any(out.iterdir()) and not (out / TABLE).exists():
        raise UsageError("The folder is there, and no such data set", received=out, todo="Choose another folder")
    with progress_bar("Drawing") as advance, worker_pool(tasks=len(cases)) as executor:
        rows, problems = write_shapes(out, cases, seed=seed, executor=executor, progress=advance)
    print_problems(dict(cohort.problems) | problems)
    if not rows:
        raise UsageError("Nothing was drawn", received=number_of(len(cases), "case"), todo="See the reasons above")
    specks = sum(row.specks for row in rows)
    print_line(
        f"{number_of(len(rows), 'case')} with {number_of(sum(row.lesions for row in rows), 'lesion')} written to {out}"
    )
    if specks:
        print_line(f"Left out: {number_of(specks, 'speck')} of fewer than {LEAST_VOXELS} voxels of 1 mm")
    print_line(f"Volumes and roughness, of the references and as drawn: {out / TABLE}")


def _save_folds(folds: Sequence[Mapping[str, list[str]]], out: Path, preprocessed: Path | None) -> None:
    """Put the folds where nnU-Net looks for them, or say where that is."""
    if not folds:
        print_warnings(["No folds were made, of one patient: nnU-Net would make its own, of cases, not of patients"])
    elif preprocessed is None:
        there = f"nnUNet_preprocessed/{out.name}/{FOLDS_FILE}"
        print_warnings([f"Copy {out / FOLDS_FILE} to {there} before training: else nnU-Net makes folds of its own"])
    else:
        save_folds(folds, preprocessed / out.name)
        print_line(f"{number_of(len(folds), 'fold')} written to {preprocessed / out.name / FOLDS_FILE}")


def _print_report(report: Report) -> None:
    name, title = report.layout
    facts = {
        "Folder": address(report.root),
        "Layout": title if name == MASKS_ALONE.name else f"{title} ({name})",
        "Labels": report.labels[1],
        "Region": report.region,
        "Cases": f"{len(report.cases)}, of {number_of(len({row.patient for row in report.cases}), 'patient')}; "
        f"{sum(row.reference for row in report.cases)} with a reference",
        "Patients": report.patients,
        "Sequences": ", ".join(dict.fromkeys(s for row in report.cases for s in row.sequences)) or "none: masks alone",
    }
    if report.references_read:
        volumes = sorted(row.volume_ml for row in report.cases if row.volume_ml > 0)
        facts["Tumours"] = f"{number_of(len(volumes), 'case')} with one, {len(report.empty)} empty"
        if volumes:
            middle = f"{volumes[0]:.3g} to {volumes[-1]:.3g} ml, median {median(volumes):.3g} ml"
            facts["Volumes"] = middle
    if report.splits:
        facts["Split"] = ", ".join(f"{n} {split}" for split, n in report.splits.items())
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for key, value in facts.items():
        table.add_row(Text(key, style="bold"), Text(value))
    print_result(table)
    _print_tables(report)
    for finding in report.findings:
        print_result(Text.assemble((f"\n{finding.level}: ", _COLOURS[finding.level]), (finding.what, "bold")))
        print_result(*(Text(f"  {item}") for item in finding.items[:SHOWN]))
        if len(finding.items) > SHOWN:
            print_result(f"  and {len(finding.items) - SHOWN} more")
        if finding.todo:
            print_result(Text(f"  {finding.todo}.", style="italic"))
    if not report.findings:
        print_result("\nNothing is wrong.")


def _print_tables(report: Report) -> None:
    grids = Table("files", "grid", "spacing (mm)", "stored", "cases", box=None, padding=(0, 2, 0, 0))
    for row in report.grids[:12]:
        shape, spacing = "x".join(map(str, row.shape)), " x ".join(f"{s:g}" for s in row.spacing_mm)
        grids.add_row(Text(row.what), shape, spacing, row.stored, str(row.cases))
    print_result("", grids)
    if len(report.grids) > 12:
        print_result(f"and {len(report.grids) - 12} more grids")
    if report.values:
        values = Table("label", "meaning", "references", box=None, padding=(0, 2, 0, 0))
        for label in report.values:
            values.add_row(str(label.value), Text(label.meaning or "not declared"), str(label.cases))
        print_result("", values)
