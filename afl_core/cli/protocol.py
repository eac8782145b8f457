"""`afl protocol`: measure folders of label files as a challenge does."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from afl_core.analysis.protocol_means import protocol_means, scores_of_maps
from afl_core.base.storage import json_text
from afl_core.base.words import number_of
from afl_core.cli.by_protocol import measure_by
from afl_core.cli.opened import open_compared
from afl_core.cli.options import (
    DATA_HELP,
    LabelsOption,
    LayoutOption,
    NamedPaths,
    PatientsOption,
    TrustOption,
    data_options,
    open_cohort,
)
from afl_core.cli.output_options import command
from afl_core.cli.terminal import print_json, print_problems, print_result, print_warnings
from afl_core.data.layouts import Cohort
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.manifest import MANIFEST
from afl_core.evaluation.protocol_cases import check_folders
from afl_core.evaluation.protocol_labels import by_labels
from afl_core.evaluation.protocol_results import left_out_sentence, measurable
from afl_core.evaluation.sources import MaskSource, decide_meanings, parse_sources
from afl_core.metrics.protocols import PROTOCOLS, find_protocol

commands = typer.Typer()


@command(commands, table=True, cls=NamedPaths)
def protocol(  # noqa: PLR0913 - one parameter an option
    name: Annotated[str | None, typer.Argument(help="Name of the protocol; without it, all are listed.")] = None,
    *,
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    references: Annotated[
        Path | None, typer.Option(help="Folder of reference files alone, in place of --data; matched by case id.")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=PATH: a folder of label files; for picai also of maps of confidences. Give one or more."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder, such as a results folder, that keeps the rows in protocols/NAME.csv; those that still hold "
            "are not measured again."
        ),
    ] = None,
    layout: LayoutOption = None,
    labels: LabelsOption = None,
    patients: PatientsOption = None,
    trust_voxel_order: TrustOption = False,
) -> None:
    """Measure folders of label files as a challenge does: lesions, sizes and empty masks by its own rules.

    Without a name, lists the protocols with the codes that they follow. With a results folder as --out and no data,
    its own data and folders of label files are measured.

    Example: afl protocol brats2023_met --data my_data --source mine=my_masks --out my_results
    """
    reading: dict[str, object] = {"--layout": layout, "--labels": labels, "--patients": patients}
    reading |= {"--trust-voxel-order": trust_voxel_order}
    if name is None:
        given = reading | {"--data": data, "--references": references, "--source": source, "--out": out}
        _check_unused(given, why="Without the name of a protocol all are listed, and nothing is read")
        _list_protocols()
        return
    rule = find_protocol(name)
    if source:
        options = data_options(layout=layout, labels=labels, trust_voxel_order=trust_voxel_order, patients=patients)
        folders = check_folders(parse_sources(source))
        cohort = open_cohort(data, references, options)
        folders = check_folders(decide_meanings(folders, cohort)) if rule.name == "picai" else folders
    elif out and (out / MANIFEST).is_file() and not (data or references):
        _check_unused(reading, why="Results are read with the options of their evaluation")
        cohort, folders = _of_results(out, rule.name)
    else:
        todo = "Give folders of label files, --source NAME=FOLDER, or a results folder as --out"
        raise UsageError("There is nothing to measure", todo=todo)
    rule = by_labels(rule, cohort.scheme)
    print_problems(dict(cohort.problems))
    found = measure_by(rule, cohort, folders, folder=out)
    if found.table.empty:
        todo = "See the reasons above"
        raise DataError("No prediction could be measured", received=number_of(len(cohort.cases), "case"), todo=todo)
    rows = [asdict(of) | {"means": _finite(of.means)} for of in protocol_means(found.table)]
    problems = dict(cohort.problems) | dict(found.problems)
    regions = {region: list(of) for region, of in rule.regions.items()}
    document = {"protocol": rule.name, "source": rule.source, "regions": regions, "rows": rows, "problems": problems}
    detection = {source: _finite(asdict(of)) for source, of in scores_of_maps(found.table).items()}
    print_json(json_text(document | ({"detection": detection} if detection else {})))


def _check_unused(given: Mapping[str, object], *, why: str) -> None:
    """Raise `UsageError` where an option was given that would change nothing."""
    if names := [name for name, value in given.items() if value]:
        todo = "Leave them out, or give NAME, --data or --references, and --source with them"
        raise UsageError(why, received=", ".join(names), todo=todo)


def _of_results(folder: Path, protocol: str) -> tuple[Cohort, tuple[MaskSource, ...]]:
    """The cases that count in a results folder, and its folders of label files."""
    of = measurable(open_compared(folder), protocol)
    print_warnings([left_out_sentence(of.left_out)])
    if not of.sources:
        raise UsageError("These results have no folder of label files to measure", received=folder)
    return of.cohort, of.sources


def _finite(means: Mapping[str, float]) -> dict[str, float | None]:
    return {key: None if math.isnan(mean) else mean for key, mean in means.items()}


def _list_protocols() -> None:
    table = Table("name", "title", "regions", box=None, padding=(0, 1, 0, 0))
    followers = defaultdict[str, list[str]](list)
    for rule in PROTOCOLS.values():
        regions = (f"{name} {'+'.join(map(str, labels)) or 'above 0'}" for name, labels in rule.regions.items())
        table.add_row(*map(Text, (rule.name, rule.title, ", ".join(regions))))
        followers[rule.source].append(rule.name)
    print_result(table, *(f"{source}: {', '.join(names)}" for source, names in followers.items()))
    described = [
        {"name": rule.name, "title": rule.title, "source": rule.source, "definition": rule.definition}
        | {"regions": {region: list(labels) for region, labels in rule.regions.items()}}
        for rule in PROTOCOLS.values()
    ]
    print_json(json_text({"protocols": described}))
