"""What is changed in results as a whole: predictions are added, a folder is renamed or deleted."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from afl_core.base import paths, processes
from afl_core.base.words import named
from afl_core.data.covariates import Covariates
from afl_core.data.labels import WHOLE
from afl_core.data.layouts import Cohort
from afl_core.data.layouts.labelling import with_regions
from afl_core.data.layouts.mask_folders import is_of_references
from afl_core.data.layouts.nnunet_results import is_model, models_near
from afl_core.data.scan import scan_folder
from afl_core.errors import AflError, UsageError
from afl_core.evaluation.job import EVERY, start_job
from afl_core.evaluation.manifest import MANIFEST, load_manifest
from afl_core.evaluation.manifest_sections import SourceSection
from afl_core.evaluation.prediction_files import predictions_of, source_name
from afl_core.evaluation.protocol_rows import rename_in_rows
from afl_core.evaluation.replaced import replaced_sentence
from afl_core.evaluation.results import Results
from afl_core.evaluation.sources import NAME as SOURCE_NAME
from afl_core.evaluation.sources import decide_meanings, parse_sources, source_text
from afl_core.evaluation.store import describe_new, find_results

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
"""Name of a results folder."""

MOST_BESIDE = 50
"""Folders beside a data set, and folders in them, that are looked into."""


@dataclass(frozen=True)
class Candidate:
    """A folder that holds masks of the cases of a data set.

    Attributes:
        path: Path of the folder.
        name: A name for the source, made of the folder's.
        cases: Number of the cases of which there is a mask.
        likely: Whether these are predictions to compare: of most cases, or a model of nnU-Net, of which a fold may be
            missing, and not references by what the folder is called.
    """

    path: Path
    name: str
    cases: int
    likely: bool


def find_candidates(cohort: Cohort) -> tuple[Candidate, ...]:
    """Folders of predictions for the cases of a data set: below its folder, beside it, and nnU-Net's models of it.

    The fullest come first.

    Files that the data set has as its own are no predictions.
    """
    root = cohort.root.resolve()
    own = {path.resolve() for case in cohort.cases for path in (*case.sequences.values(), case.reference) if path}
    ids = [case.case_id for case in cohort.cases]
    beside = [
        below for folder in _folders_in(root.parent) if folder != root for below in (folder, *_folders_in(folder))
    ]
    found = list[Candidate]()
    models = models_near(root)
    others = (
        path for path in (*_folders_below(root, ids), *beside[:MOST_BESIDE]) if not set(models) & {path, *path.parents}
    )
    for folder in (*models, *others):
        try:
            count = sum(path.resolve() not in own for path in predictions_of(folder, ids))
        except (AflError, OSError):  # it is offered, not asked for: who names it is told why it does not do
            continue
        if count:
            likely = is_model(folder) or (2 * count > len(ids) and not is_of_references(_below(folder, root)))
            found.append(Candidate(folder, source_name(folder), count, likely))
    return tuple(sorted(found, key=lambda candidate: -candidate.cases))


def held_sources(cohort: Cohort) -> tuple[str, dict[str, SourceSection]]:
    """Name of the results that `add_predictions` adds to, and their sources by name; "" and none without such."""
    name = find_results(_as_measured(cohort))
    return (name, load_manifest(paths.RESULTS / name).sources) if name else ("", {})


def told_before(held: Mapping[str, SourceSection], folders: Mapping[str, Path]) -> str:
    """Which held sources `add_predictions` would replace by these folders; "" where none.

    Raises:
        AflError: If a folder that has a held source's name holds no prediction, or a name cannot be one.
    """
    names = {name.lower() for name in held}
    same = [source_text(name, folder) for name, folder in folders.items() if name.lower() in names]
    return replaced_sentence(held, parse_sources(same))


def add_predictions(cohort: Cohort, folders: Mapping[str, Path], covariates: Covariates | None = None) -> str:
    """Take folders of predictions as sources and start to measure every case; the name of the results.

    Where the data set is read as the whole tumour, every region that its labels name is measured.

    Args:
        cohort: The data set, read as it counts.
        folders: The folder of each source, by the source's name.
        covariates: What a table says of the cases, to keep with the results; None leaves what they hold.

    Raises:
        AflError: If a folder holds no prediction, or a name cannot be one.
    """
    cohort = _as_measured(cohort)
    sources = parse_sources([source_text(name, folder) for name, folder in folders.items()])
    sources = decide_meanings(sources, cohort)
    if name := find_results(cohort):
        results = Results(paths.RESULTS / name)
        results.describe_cohort(cohort, sources)
    else:
        name = describe_new(cohort, sources)
        results = Results(paths.RESULTS / name)
    if covariates:
        results.keep_covariates(covariates)
    start_job(results, data=cohort.root, case_id=EVERY, sources=sources)
    return name


def change_sources(results: Results, names: Sequence[str]) -> None:
    """Put the sources in this order; one that is not named goes, with its rows and masks.

    Raises:
        UsageError: If a name is no source's, or something is being measured into the results.
    """
    _check_idle(results.folder)
    results.keep_sources(names)


def rename_source(results: Results, name: str, to: str) -> None:
    """Give a source of results another name; its place, rows and masks stay.

    Raises:
        UsageError: If it cannot have that name, or something is being measured into the results.
    """
    if not SOURCE_NAME.fullmatch(to):
        todo = "Use letters, digits, space and . _ + -, at most 80, with a letter or digit first"
        raise UsageError("A source cannot have that name", received=to, todo=todo)
    _check_idle(results.folder)
    if to != name:
        results.rename_source(name, to)
        rename_in_rows(results.folder, name, to)


def rename_results(name: str, to: str) -> None:
    """Give a results folder another name.

    Raises:
        UsageError: If it cannot have that name, or something is being measured into it.
    """
    if not NAME.fullmatch(to):
        todo = "Use letters, digits and . _ -, at most 80, with a letter or digit first"
        raise UsageError("Results cannot have that name", received=to, todo=todo)
    if (paths.RESULTS / to).exists():
        raise UsageError("There are results of that name already", received=to, todo="Choose another")
    _check_idle(paths.RESULTS / name)
    (paths.RESULTS / name).rename(paths.RESULTS / to)


def delete_results(name: str) -> None:
    """Delete a results folder: rows, masks and manifest. The data set and the predictions stay where they are.

    Raises:
        UsageError: If it is none, or something is being measured into it.
    """
    folder = paths.RESULTS / name
    if Path(name).name != name or not (folder / MANIFEST).is_file():
        raise UsageError("There are no such results", received=name, todo="Reload the page")
    _check_idle(folder)
    (folder / MANIFEST).unlink()  # first: a folder without it is no results folder, however far this gets
    shutil.rmtree(folder)


def _as_measured(cohort: Cohort) -> Cohort:
    """The data set, with every region that its labels name where it is read as the whole tumour."""
    return with_regions(cohort, ()) if cohort.region.name == WHOLE else cohort


def _check_idle(folder: Path) -> None:
    """Raise if a job works in the results folder."""
    jobs = [job for job in (folder / "jobs").glob("*") if processes.alive(job)]
    if jobs:
        cases = named(["every case" if job.name == EVERY else job.name for job in jobs])
        raise UsageError(f"{folder.name} is being measured", received=cases, todo="Wait for the end, or stop it")


def _below(folder: Path, root: Path) -> str:
    """The path of a folder below the data set, or else below the folder that holds the data set."""
    return folder.relative_to(root if folder.is_relative_to(root) else root.parent).as_posix()


def _folders_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []


def _folders_below(root: Path, ids: Sequence[str]) -> list[Path]:
    """Folders below a folder that hold image files, by path; in place of a folder of a case the one above it."""
    parents = {Path(relative).parent for relative in scan_folder(root).files}
    sets = {parent.parent if parent.name in ids else parent for parent in parents}
    return [root / folder for folder in sorted(sets) if folder != Path()]
