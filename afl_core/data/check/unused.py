"""Image files of a data set that are of no case or that its layout does not use, and what they may serve for."""

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from afl_core.base.words import number_of
from afl_core.data.check.facts import Facts, Finding, counted
from afl_core.data.formats.files import strip_suffix
from afl_core.data.layouts import LAYOUT_FILE, Cohort
from afl_core.data.layouts.assembly import match_part
from afl_core.data.layouts.mask_folders import find_mask_folders

MANY = 8
"""More folders of unused files than these are told together."""


def unused_files(facts: Facts) -> Iterator[Finding]:
    """Image files that are of no case or that the layout does not use, by folders of which nothing is used."""
    cohort = facts.cohort
    for folder, paths in _by_folder(cohort, cohort.strays):
        what = f"{counted(paths, 'image file')} of no case{folder}"
        todo = "Nothing, if they are to be of none; else rename them as the layout has it: " + cohort.layout.example
        if predicted := _to_measure(cohort, paths):
            todo = f"{predicted}. {todo}"
        yield Finding("warning", what, paths, todo)
    referenced = {case.case_id for case in cohort.cases if case.reference}
    for folder, paths in _by_folder(cohort, cohort.aside, lowest=True):
        without = [path for path in paths if _case_of(cohort, path) not in referenced]
        what = f"{counted(paths, 'file')} that {cohort.layout.label} does not use{folder}"
        if without:
            what += f"; {len(without)} of them of cases without a reference"
        todos = (_to_measure(cohort, paths), _to_take(cohort, without[0]) if without else "")
        if folder:
            yield Finding("warning" if without else "note", what, paths, ". ".join(filter(None, todos)))


def _to_measure(cohort: Cohort, paths: Sequence[str]) -> str:
    """Advice how to measure masks of the cases that are a model's; "" where there are none."""
    names = {case.case_id for case in cohort.cases}
    models = [mask_folder for mask_folder in find_mask_folders(paths) if mask_folder.predicted]
    of_cases = any(strip_suffix(PurePosixPath(path).name).startswith(tuple(names)) for path in paths)
    if not models or not of_cases:
        return ""
    sources = " ".join(f"--source {shlex.quote(_source(cohort.root, model.path))}" for model in models)
    return f"They can be evaluated as a model's: afl evaluate {sources}"


def _source(root: Path, path: str) -> str:
    folder = PurePosixPath(path)
    name = "AI" if "AI" in folder.parts else re.sub("[^A-Za-z0-9]+", "_", folder.name).strip("_") or "NAME"
    return f"{name}={root / path}"


def _case_of(cohort: Cohort, path: str) -> str:
    """Case of a file that the layout knows: as its pattern says, or by its name."""
    patterns = [(role, re.compile(pattern)) for role, pattern in cohort.layout.files]
    part = match_part(cohort.layout, patterns, path, refused=False)
    return (part.case_id if part else "") or strip_suffix(path.rpartition("/")[2])


def _to_take(cohort: Cohort, path: str) -> str:
    """Advice how to take the masks of a folder as references: never by themselves, as some are a model's."""
    line = f'reference = "{Path(path).parent.as_posix()}/{{case}}"'
    whole = f"docs/data.md has the whole file for {cohort.layout.label}"
    return f"To take them as references, write {line} in {LAYOUT_FILE}, alone or in a list with others ({whole})"


def _by_folder(cohort: Cohort, paths: Sequence[str], *, lowest: bool = False) -> list[tuple[str, tuple[str, ...]]]:
    """Paths by the highest (or lowest) folder above them of which no file is used, in words; "" where there is none.

    A folder of a case is passed over.
    """
    ids = {case.case_id for case in cohort.cases}
    used = {
        folder
        for case in cohort.cases
        for path in (*case.sequences.values(), *([case.reference] if case.reference else []))
        for folder in path.relative_to(cohort.root).parents
    }
    groups: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        unused = [folder for folder in Path(path).parents if folder not in used and folder.name not in ids]
        groups[f", in {unused[0 if lowest else -1].as_posix()}" if unused else ""].append(path)
    if len(groups) > MANY:
        folders = [name.removeprefix(", in ") for name in groups if name]
        return [(f", in {number_of(len(folders), 'folder')} such as {folders[0]}", tuple(paths))]
    return [(folder, tuple(members)) for folder, members in groups.items()]
