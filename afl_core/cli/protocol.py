"""`afl protocol`: measure folders of label files as a challenge does."""

import math
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.table import Table
from rich.text import Text

from afl_core.base.numbers import COUNT, RATIO, number
from afl_core.base.storage import json_text, write_atomically
from afl_core.base.words import number_of
from afl_core.base.workers import finished, worker_pool
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
from afl_core.cli.terminal import print_json, print_line, print_problems, print_result, print_warnings, progress_bar
from afl_core.data.layouts import Cohort
from afl_core.errors import AflError, DataError, UsageError
from afl_core.evaluation.protocol_cases import check_folders, check_regions, doubt_labels, measure_case
from afl_core.evaluation.sources import MaskSource, parse_sources
from afl_core.metrics.matchers import task_warning
from afl_core.metrics.protocols import PROTOCOLS, Protocol, find_protocol

commands = typer.Typer()

TITLES = {
    "tp": "found",
    "fp": "false",
    "fn": "missed",
    "ignored": "ignored",
    "lesion_dsc": "lesion Dice",
    "lesion_hd95_mm": "lesion HD95",
    "lesion_nsd": "lesion NSD",
    "dsc": "Dice",
    "hd95_mm": "HD95",
    "large_tp": "large found",
    "large_fn": "large missed",
    "small_tp": "small found",
    "small_fn": "small missed",
}
"""Column of protocol.csv to its title in the table."""


@command(commands, table=True, cls=NamedPaths)
def protocol(  # noqa: PLR0913 - one parameter an option
    name: Annotated[str | None, typer.Argument(help="Name of the protocol; without it, all are listed.")] = None,
    *,
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    references: Annotated[
        Path | None, typer.Option(help="Folder of reference files alone, in place of --data; matched by case id.")
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option(help="NAME=PATH: a folder of label files. Give one or more.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for protocol.csv, a row a case, source and region.")] = None,
    layout: LayoutOption = None,
    labels: LabelsOption = None,
    patients: PatientsOption = None,
    trust_voxel_order: TrustOption = False,
) -> None:
    """Measure folders of label files as a challenge does: lesions, sizes and empty masks by its own rules.

    Without a name, lists the protocols with the codes that they follow.

    Example: afl protocol brats2023_met --data my_data --source mine=my_masks --out my_results
    """
    if name is None:
        _list_protocols()
        return
    rule = find_protocol(name)
    if not source:
        raise UsageError("There is nothing to measure", todo="Give folders of label files, --source NAME=FOLDER")
    sources = check_folders(parse_sources(source))
    options = data_options(layout=layout, labels=labels, trust_voxel_order=trust_voxel_order, patients=patients)
    cohort = open_cohort(data, references, options)
    check_regions(cohort, rule)
    table, problems = _measure(cohort, sources, rule)
    print_problems(problems)
    if table.empty:
        todo = "See the reasons above"
        raise DataError("No prediction could be measured", received=number_of(len(cohort.cases), "case"), todo=todo)
    if out:
        write_atomically(out / "protocol.csv", table.to_csv(index=False).encode())
    _print_means(table, rule, problems)
    print_warnings([_other_cases(table, [source.name for source in sources])])
    if out:
        print_line(f"protocol.csv written to {out}")


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


def _measure(cohort: Cohort, sources: Sequence[MaskSource], rule: Protocol) -> tuple[pd.DataFrame, dict[str, str]]:
    """All rows, in the order of sources and cases; and the problems by case, and by source where they are of one."""
    rows: list[Any] = []
    problems, seen = dict(cohort.problems), defaultdict[str, set[int]](set)
    work = partial(measure_case, sources=sources, protocol=rule.name)
    cases = cohort.cases
    with progress_bar("Measuring") as advance, worker_pool(tasks=len(cases)) as executor:
        tasks = finished(work, cases, of=lambda case: f"measuring {case.case_id}", executor=executor)
        for done, (case, outcome) in enumerate(tasks, start=1):
            advance(done, len(cases), case.case_id)
            if isinstance(outcome, AflError):
                problems[case.case_id] = str(outcome)
                continue
            rows += outcome.rows
            problems |= {f"{case.case_id} {source}": text for source, text in outcome.problems.items()}
            for source, labels in outcome.labels.items():
                seen[source] |= labels
    print_warnings([task_warning(rule.matcher.name, [case.case_id for case in cases]), *doubt_labels(seen, rule)])
    table = pd.DataFrame(rows)
    if not table.empty:
        order = {source.name: k for k, source in enumerate(sources)}
        table = table.sort_values(["source", "case_id"], key=lambda c: c.map(order) if c.name == "source" else c)
    return table, problems


def _print_means(table: pd.DataFrame, rule: Protocol, problems: dict[str, str]) -> None:
    """Means over the cases of every source and region, each over those in which the value is defined."""
    groups = table.groupby(["source", "region"], sort=False)
    columns = [key for key in TITLES if table[key].notna().any()]
    shown = Table("source", "region", "cases", *(TITLES[key] for key in columns), box=None, padding=(0, 1, 0, 0))
    records: list[dict[str, Any]] = []
    for (source, region), rows in groups:
        defined = {key: int(rows[key].notna().sum()) for key in columns}
        means = {key: float(rows[key].mean()) for key in columns}
        cells = [_cell(key, means[key], defined[key], len(rows)) for key in columns]
        shown.add_row(Text(str(source)), Text(str(region)), str(len(rows)), *cells)
        values = {key: None if math.isnan(mean) else mean for key, mean in means.items()}
        records.append({"source": source, "region": region, "cases": len(rows), "means": values, "defined_in": defined})
    print_line(f"{rule.title}: {rule.definition}")
    print_line(f"It follows {rule.source}.")
    print_result(shown)
    print_line('Means over cases; "of 3": over the 3 cases in which the value is defined. Distances are in mm.')
    document = {"protocol": rule.name, "source": rule.source, "rows": records, "problems": problems}
    print_json(json_text(document))


def _other_cases(table: pd.DataFrame, sources: Sequence[str]) -> str:
    """That the means are of different cases; "" where all sources have the same."""
    cases = {source: set(table.loc[table["source"] == source, "case_id"]) for source in sources}
    if all(ids == cases[sources[0]] for ids in cases.values()):
        return ""
    numbers = ", ".join(f"{source} {len(ids)}" for source, ids in cases.items())
    return f"The means of the sources are over different cases and cannot be compared: {numbers}."


def _cell(key: str, mean: float, defined: int, cases: int) -> str:
    digits = RATIO if key in ("dsc", "lesion_dsc", "lesion_nsd") else COUNT
    return number(mean, digits) + (f" of {defined}" if 0 < defined < cases else "")
