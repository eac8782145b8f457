"""Sizes and smoothness of the references of the training split, by which tumours can be binned."""

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from afl_core.data.check.index import Index, Progress
from afl_core.data.check.references import ReferenceFacts, read_references
from afl_core.data.layouts import Cohort
from afl_core.data.splits import SPLITS_FILE, load_splits
from afl_core.errors import DataError
from afl_core.volume import Case

TRAIN = "train"
"""Name of the split."""

COLUMNS = ("case_id", "patient", "lesion_id", "size", "roughness", "released_smoothness")
"""Columns of a described reference for the analysis: size in ml, lesion_id 0 for a whole case."""


def training_references(
    cohort: Cohort,
    *,
    index: Path,
    progress: Progress = lambda done, total, note: None,
    executor: Executor | None = None,
    level: Literal["case", "lesion"] = "case",
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The described references of a cohort's training split.

    Args:
        cohort: Data set whose `splits.json` names the training cases; those on disk are described.
        index: Folder in which what was read is kept; the check of a data set keeps the same there.
        progress: Called with every reference that is finished.
        executor: Executor that reads the references; without one they are read here.
        level: Whether a row is a case or a lesion (26-connected). Released smoothness is of a whole volume: a
            lesion has none.

    Returns:
        Columns COLUMNS, in the order of the cohort. And the cases that cannot be described, with what is wrong.

    Raises:
        DataError: If there is no training split, or no case of it on disk, or none that can be read.
    """
    cases = _training_cases(cohort)
    facts = read_references(Index(cohort.root, index), cases, progress=progress, executor=executor)
    problems = {case.case_id: facts[case.case_id].problem for case in cases if facts[case.case_id].problem}
    if len(problems) == len(cases):
        raise DataError(
            "No reference of the training split can be read",
            received="; ".join(f"{case_id}: {problem}" for case_id, problem in list(problems.items())[:3]),
            todo="Repair the files, or choose other bins",
        )
    return _table([case for case in cases if case.case_id not in problems], facts, level), problems


def left_out_sentence(problems: Mapping[str, str]) -> str:
    """A sentence on training cases that cannot be described and are in no bin; "" where there are none."""
    if not problems:
        return ""
    case_id, problem = next(iter(problems.items()))
    return f"Training cases that cannot be read are not in the bins: {len(problems)}, such as {case_id}: {problem}"


def _training_cases(cohort: Cohort) -> list[Case]:
    """The cases of the training split that are on disk with a reference."""
    path = cohort.root / SPLITS_FILE
    todo = f'Write {{"{TRAIN}": [case ids]}} there, or choose other bins'
    if not path.is_file():
        raise DataError("The data set names no training split", received=f"no {path}", todo=todo)
    ids = load_splits(path).get(TRAIN, ())
    if not ids:
        raise DataError(f"{SPLITS_FILE} names no training case", received=path, todo=todo)
    wanted = set(ids)
    cases = [case for case in cohort.cases if case.case_id in wanted and case.reference is not None]
    if not cases:
        raise DataError(
            "No case of the training split is on disk with a reference",
            received=f"{len(ids)} ids such as {ids[0]}, none of them in {cohort.root}",
            todo="Add the training cases to the folder, or choose other bins",
        )
    return cases


def _table(cases: Sequence[Case], facts: Mapping[str, ReferenceFacts], level: str) -> pd.DataFrame:
    rows = [row for case in cases for row in _rows(case, facts[case.case_id], level)]
    kinds = {name: "str" if name in ("case_id", "patient") else "float64" for name in COLUMNS} | {"lesion_id": "int64"}
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(kinds)


def _rows(case: Case, facts: ReferenceFacts, level: str) -> Iterator[tuple[Any, ...]]:
    if level == "case":
        yield case.case_id, case.patient, 0, facts.volume_ml, facts.roughness, facts.released_smoothness
        return
    for k, (size, rough) in enumerate(zip(facts.lesion_ml, facts.lesion_roughness, strict=True), start=1):
        yield case.case_id, case.patient, k, size, rough, math.nan
