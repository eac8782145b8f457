"""Make a results folder of tables that another tool has computed."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from afl_core.base.catalogue import pick
from afl_core.base.storage import write_atomically, write_table
from afl_core.base.versions import versions
from afl_core.base.words import number_of
from afl_core.data.covariates import Covariates, load_covariates, participants_covariates
from afl_core.data.layouts import Cohort
from afl_core.data.layouts.nnunet_results import SUMMARY, VALIDATION, find_models, mask_folders, model_name
from afl_core.data.patients import decide_patients
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.imported.catalogue import TABLE, TOOLS, Column, Tool
from afl_core.evaluation.imported.formats import read_entries, tell_format
from afl_core.evaluation.imported.sizes import case_facts
from afl_core.evaluation.imported.summaries import without_summaries
from afl_core.evaluation.imported.values import Choice, Entry
from afl_core.evaluation.manifest import FORMAT, IMPORTED, MANIFEST, Manifest
from afl_core.evaluation.manifest_sections import DataSection, MetricSection, SourceSection
from afl_core.evaluation.results import Results
from afl_core.evaluation.sources import NAME
from afl_core.evaluation.tables import CASES

MAX_FILES = 5000
"""Files of one import: the BraTS package writes one a case."""


@dataclass(frozen=True)
class Request:
    """Tables to import, and what they are.

    Attributes:
        files: Name of a source, or "" where the table or its place says it, and a file or a folder of files.
        format: A key of `TOOLS`, `TABLE`, or "" to tell it from the files.
        tool: Name of the tool of a `TABLE`, which stands behind each metric.
        region: The label or region to take; "" where the tables hold one.
        choice: The columns of a `TABLE`.
        voxel_mm3: Volume of a voxel in mm3, where sizes are in voxels; None where it is not known.
        references: The references, for volume and roughness; None takes the tables' sizes.
        patients: Table of patients.
        covariates: Table of covariates; None takes those of a participants.tsv that gives the patients.
    """

    files: tuple[tuple[str, Path], ...]
    format: str = ""
    tool: str = "another tool"
    region: str = ""
    choice: Choice = field(default_factory=Choice)
    voxel_mm3: float | None = None
    references: Cohort | None = None
    patients: Path | None = None
    covariates: Path | None = None


def parse_files(files: Sequence[str]) -> tuple[tuple[str, Path], ...]:
    """Names and paths from `NAME=FILE`; a path that is there is never cut.

    >>> parse_files(["FL=a/summary.json", "b.csv"])
    (('FL', PosixPath('a/summary.json')), ('', PosixPath('b.csv')))

    Raises:
        UsageError: If one is given twice.
    """
    named = []
    for text in files:
        name, equals, path = text.partition("=")
        whole = not equals or Path(text).exists()
        named.append(("", Path(text)) if whole else (name, Path(path)))
    if len(set(named)) < len(named):
        raise UsageError("Give each table once", received=", ".join(files))
    return tuple(named)


def import_tables(request: Request, out: Path) -> Results:
    """Read tables and make a results folder of them; nothing is written where one cannot be used.

    Raises:
        AflError: If a table has another form, holds several regions of which none is chosen, names a case twice, has
            values that cannot be, or if the folder holds results already.
    """
    if (out / MANIFEST).exists():
        todo = "Give another --out folder: imported tables are never mixed with what is there"
        raise UsageError(f"The folder {out.name} holds results already", received=out, todo=todo)
    paths = _paths(request.files)
    format_ = _format(request, [path for _, path in paths])
    tool = _tool(format_, request)
    entries = [(entry, path) for name, path in paths for entry in _named(path, name, format_, request)]
    entries, left_out = without_summaries(entries) if format_ != "nnunet" else (entries, {})
    entries = _of_region(entries, request.region)
    _check(entries, tool)
    unit = {"nnunet": "voxels", "brats": "mm3"}.get(tool.name, request.choice.size_unit)
    facts, problems = case_facts(entries, unit=unit, voxel_mm3=request.voxel_mm3, references=request.references)
    rows = [_row(entry, tool, facts[entry.case_id]) for entry, _ in entries if entry.case_id in facts]
    if not rows:
        raise DataError("No case of these tables can be used", received=next(iter(problems.items()), None))
    table = pd.DataFrame(rows)
    metrics = {tool.key(c): _section(c, tool) for c in tool.columns if tool.key(c) in table}
    manifest = _manifest(entries, tool, request, problems | left_out).model_copy(update={"metrics": metrics})
    manifest = _with_covariates(manifest, request, list(dict.fromkeys(table["case_id"])))
    write_table(out / CASES, table)
    write_atomically(out / MANIFEST, (json.dumps(manifest.record(), indent=1) + "\n").encode())
    return Results(out)


def _with_covariates(manifest: Manifest, request: Request, case_ids: Sequence[str]) -> Manifest:
    """The manifest with the covariates of its cases: of the table that was given, or of a participants.tsv."""
    patients = manifest.patients(case_ids)
    if request.covariates:
        return manifest.with_covariates(load_covariates(request.covariates, patients.of))
    root = request.references.root if request.references else Path(manifest.data.path).parent
    found = participants_covariates(root, patients)
    return manifest if found == Covariates() else manifest.with_covariates(found)


def _manifest(
    entries: Sequence[tuple[Entry, Path]], tool: Tool, request: Request, problems: Mapping[str, str]
) -> Manifest:
    """The manifest of the results, without the metrics."""
    case_ids, first, region = {entry.case_id for entry, _ in entries}, entries[0][1].resolve(), entries[0][0].region
    patients = request.references.patients if request.references else None
    if patients is None or request.patients:
        patients = decide_patients(sorted(case_ids), first.parent, table=request.patients)
    path_of = {entry.source: path.resolve() for entry, path in reversed(entries)}
    cases_of = {name: {e.case_id for e, _ in entries if e.source == name} for name in path_of}
    missing = {name: tuple(sorted(case_ids - problems.keys() - cases)) for name, cases in cases_of.items()}
    names = dict.fromkeys(entry.source for entry, _ in entries)
    return Manifest(
        format=FORMAT,
        data=DataSection(
            path=str(first),
            kind=IMPORTED,
            skipped=dict(problems),
            labels=f"{region}, as {tool.label} names it" if region else "the one that the tables have",
            references=str(request.references.root.resolve()) if request.references else "",
            patients=patients.record(),
        ),
        sources={name: SourceSection(kind="table", path=str(path_of[name]), option=tool.label) for name in names},
        missing={name: lacking for name, lacking in missing.items() if lacking},
        versions=versions(("numpy", "pandas")),
        updated=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _paths(files: Sequence[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """The files, those of a folder one by one, by name."""
    paths: list[tuple[str, Path]] = []
    for name, path in files:
        if path.is_dir():
            within = sorted(
                p for p in path.iterdir() if p.suffix.lower() in (".csv", ".tsv") or p.name == "summary.json"
            )
            within = within or [fold / SUMMARY for model in find_models(path) or [path] for fold in mask_folders(model)]
            if not all(file.is_file() for file in within):
                received, todo = path, "Give a .csv, a .tsv or nnU-Net's summary.json, or a folder that holds some"
                raise DataError("This folder holds no table", received=received, todo=todo)
            paths += [(name, p) for p in within]
        else:
            paths.append((name, path))
    if not paths or len(paths) > MAX_FILES:
        raise UsageError("Give one to 5,000 tables", received=number_of(len(paths), "file"))
    given: dict[Path, str] = {}
    for name, path in paths:
        if (place := path.resolve()) in given:
            twice = f"{path}, as {given[place]} and {name}" if name and given[place] else str(path)
            todo = "Give each table once, under one name; a folder gives all tables in it"
            raise UsageError(f"The table {path.name} is given twice", received=twice, todo=todo)
        given[place] = name
    return paths


def _format(request: Request, paths: Sequence[Path]) -> str:
    """The format that was given, that of chosen columns, or that which all files have."""
    if request.choice.metrics and request.format in TOOLS:
        received, todo = request.format, f"Leave out the metrics, or give the format {TABLE}"
        raise UsageError("Columns are chosen in tables of no known tool alone", received=received, todo=todo)
    if request.format or request.choice.metrics:
        return request.format or TABLE
    formats = dict.fromkeys(map(tell_format, paths))
    if len(formats) > 1:
        received, todo = ", ".join(formats), "Import each tool's tables into a folder of their own"
        raise UsageError("These tables are of several tools", received=received, todo=todo)
    return next(iter(formats))


def _tool(format_: str, request: Request) -> Tool:
    known = pick(dict(TOOLS) | {TABLE: Tool(TABLE, request.tool, request.choice.metrics)}, format_, kind="format")
    keys = [known.key(column) for column in known.columns]
    if len(set(keys)) < len(keys):
        raise UsageError("Give each metric once", received=", ".join(c.name for c in known.columns))
    return known


def _named(path: Path, name: str, format_: str, request: Request) -> list[Entry]:
    """The entries of a file, each with a source: the model in the table, the name that was given, or the file's own."""
    entries = read_entries(path, format_, request.choice)
    own = _own_name(path, format_)
    named = []
    for entry in entries:
        if name and entry.source and name != entry.source:
            received, todo = f"{name} where it has {entry.source}", "Give the file without a name"
            raise UsageError(f"{path.name} names its models itself", received=received, todo=todo)
        source = entry.source or name or own
        if not NAME.fullmatch(source):
            todo = "Give it one: NAME=FILE, of letters, digits, blanks and . _ + -, at most 80"
            raise UsageError("This is no name of a source", received=source[:60], todo=todo)
        named.append(replace(entry, source=source))
    return named


def _own_name(path: Path, format_: str) -> str:
    """The name of a file that was given none: of the model of nnU-Net in which it lies, else of its folder."""
    folder = path.resolve().parent
    if format_ not in ("nnunet", "brats"):
        return path.name.removesuffix(path.suffix)
    if folder.name == VALIDATION and (name := model_name(folder.parent.parent)):
        return name
    return model_name(folder) or folder.name


def _of_region(entries: Sequence[tuple[Entry, Path]], region: str) -> list[tuple[Entry, Path]]:
    regions = dict.fromkeys(entry.region for entry, _ in entries)
    if not entries:
        raise DataError("These tables hold no case")
    if not region and len(regions) > 1:
        todo = f"Choose one with --region. There are: {', '.join(map(repr, regions))}"
        raise UsageError("These tables hold several regions", received=number_of(len(regions), "region"), todo=todo)
    chosen = region or next(iter(regions))
    pick(regions, chosen, kind="region")
    return [(entry, path) for entry, path in entries if entry.region == chosen]


def _check(entries: Sequence[tuple[Entry, Path]], tool: Tool) -> None:
    """Raise unless each case is there once a source, and the values are such as the metrics have."""
    seen: dict[tuple[str, str], Path] = {}
    for entry, path in entries:
        if (key := (entry.case_id, entry.source)) in seen:
            files = path.name if seen[key] == path else f"{seen[key]} and {path}"
            todo = "Keep one row a case and model; two models need two names: NAME=FILE"
            raise DataError(f"{entry.source} has {entry.case_id} twice", received=files, todo=todo)
        seen[key] = path
    for column in tool.columns:
        values = [(entry.values.get(column.name, math.nan), entry.case_id) for entry, _ in entries]
        if column.unit == "" and (wrong := [(v, c) for v, c in values if not math.isnan(v) and not 0 <= v <= 1]):
            value, case_id = wrong[0]
            todo = (
                "Divide percentages by 100 in the table, or with the format table give a unit: --metric COLUMN=higher:%"
            )
            raise DataError(
                f"{column.label} lies between 0 and 1, and leaves it in {number_of(len(wrong), 'row')}",
                received=f"{value:g} in {case_id}",
                todo=todo,
            )
    if all(math.isnan(value) for entry, _ in entries for value in entry.values.values()):
        todo = "Fill in the columns of metrics, or name others (--metric COLUMN=higher)"
        raise DataError("These tables hold no value of a metric", received=f"format {tool.name}", todo=todo)


def _row(entry: Entry, tool: Tool, facts: Mapping[str, float]) -> dict[str, Any]:
    """A case row: what we would measure is not there, the tool's metrics stand in columns of their own."""
    ours = (
        "dsc",
        "predicted_volume_ml",
        "reference_volume_ml",
        "reference_lesions",
        "roughness",
        "released_smoothness",
    )
    texts = {"case_id": entry.case_id, "source": entry.source, **dict.fromkeys(("group", "key", "empty", "note"), "")}
    values = {tool.key(c): entry.values[c.name] for c in tool.columns if c.name in entry.values}
    return texts | dict.fromkeys(ours, math.nan) | dict(facts) | values


def _section(column: Column, tool: Tool) -> MetricSection:
    return MetricSection(
        label=f"{column.label} ({tool.label})",
        unit=column.unit,
        better=column.better,
        empty_rule=column.empty_rule,
        definition=f"{column.definition} Measured by {tool.label}, imported.",
    )
