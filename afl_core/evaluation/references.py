"""Sizes and smoothness of the references of the training split, by which tumours can be binned."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Any, Literal

import pandas as pd

from afl_core.base.storage import write_table
from afl_core.base.workers import finished
from afl_core.data.layouts import Cohort, load_case
from afl_core.data.splits import SPLITS_FILE, load_splits
from afl_core.errors import AflError, DataError
from afl_core.evaluation.results import Results
from afl_core.evaluation.rows import VERSION
from afl_core.regions import bounding_box, label_lesions
from afl_core.shape import describe
from afl_core.volume import Case

TRAINING, TRAIN = "training.parquet", "train"
"""File in a results folder, and name of the split."""

COLUMNS = ("case_id", "patient", "lesion_id", "size", "roughness", "released_smoothness")
"""Of a described reference, as the analysis takes them: size in ml, lesion_id 0 for a whole case."""

Row = dict[str, Any]
Report = Callable[[str, str], None]
"""Called with every finished case, and what went wrong or ""."""


def describe_references(
    cases: Sequence[Case], *, executor: Executor | None = None, report: Report = lambda case_id, problem: None
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]:
    """Describe the references of cases; a case that fails becomes a problem, the others go on.

    Args:
        cases: With references.
        executor: Runs the cases; without one they run here.
        report: Called with every finished case.

    Returns:
        A row a case; a row a lesion (26-connected), without released smoothness, which is of a whole volume; both with
        columns COLUMNS, in the order of the cases. And case id to what went wrong.
    """
    found = dict(_describe_all(cases, executor, report))
    outcomes = {case.case_id: found[case.case_id] for case in cases}
    table = _table([row for rows in outcomes.values() if not isinstance(rows, AflError) for row in rows])
    problems = {case_id: str(error) for case_id, error in outcomes.items() if isinstance(error, AflError)}
    return _of_level(table, "case"), _of_level(table, "lesion"), problems


def training_references(
    results: Results,
    cohort: Cohort,
    *,
    executor: Executor | None = None,
    report: Report = lambda case_id, problem: None,
    level: Literal["case", "lesion"] = "case",
) -> pd.DataFrame:
    """The described references of a cohort's training split, kept in the results folder.

    A case is described again only if its reference has another size or time than when it was kept; where this is
    interrupted, what is finished is kept.

    Args:
        results: Where `training.parquet` is kept.
        cohort: Its `splits.json` names the training cases; those on disk are described.
        executor: Runs the cases; without one they run here.
        report: Called with every case that was not kept already.
        level: Whether a row is a case or a lesion.

    Returns:
        Columns COLUMNS. Cases that cannot be read are left out: `report` says which.

    Raises:
        DataError: If there is no training split, or no case of it on disk, or none that can be read.
    """
    cases = _training_cases(cohort)
    keys = {case.case_id: _key(case) for case in cases}
    kept = _kept(results, keys)
    known = set(kept["case_id"])
    missing = [case for case in cases if case.case_id not in known]
    problems: dict[str, str] = {}
    rows: list[Row] = []
    try:
        for case_id, described in _describe_all(missing, executor, report):
            if isinstance(described, AflError):
                problems[case_id] = str(described)
            else:
                rows.extend({**row, "key": keys[case_id]} for row in described)
    finally:
        kept = _keep(results, kept, rows)
    if kept.empty:
        raise DataError(
            "No reference of the training split can be read",
            received="; ".join(f"{case_id}: {said}" for case_id, said in list(problems.items())[:3]),
            todo="Repair the files, or choose other bins",
        )
    return _of_level(kept, level)


def _training_cases(cohort: Cohort) -> list[Case]:
    """The cases of the training split that are on disk."""
    path = cohort.root / SPLITS_FILE
    todo = f'Write {{"{TRAIN}": [case ids]}} there, or choose other bins'
    if not path.is_file():
        raise DataError("The data set names no training split", received=f"no {path}", todo=todo)
    ids = load_splits(path).get(TRAIN, ())
    if not ids:
        raise DataError(f"{SPLITS_FILE} names no training case", received=path, todo=todo)
    wanted = set(ids)
    cases = [case for case in cohort.cases if case.case_id in wanted]
    if not cases:
        raise DataError(
            "No case of the training split is on disk",
            received=f"{len(ids)} ids such as {ids[0]}, none of them in {cohort.root}",
            todo="Add the training cases to the folder, or choose other bins",
        )
    return cases


def _describe_all(
    cases: Sequence[Case], executor: Executor | None, report: Report
) -> Iterator[tuple[str, tuple[Row, ...] | AflError]]:
    """Case id, and the rows of the case or what is wrong with it, as they are finished."""
    for case, described in finished(
        _rows, cases, of=lambda case: f"describing the reference of {case.case_id}", executor=executor
    ):
        report(case.case_id, str(described) if isinstance(described, AflError) else "")
        yield case.case_id, described


def _rows(case: Case) -> tuple[Row, ...]:
    """Rows of one case, the case itself first."""
    reference = load_case(case, sequences=()).reference
    if reference is None:
        raise DataError(f"{case.case_id} has no reference segmentation")
    shape = describe(reference.array, spacing_mm=reference.spacing_mm)
    values = [(0, shape.volume_ml, shape.roughness, shape.released_smoothness)]
    box = bounding_box(reference.array)
    if box is not None:
        _, voxels = label_lesions(reference.array[box])
        lesions = zip(voxels.tolist(), shape.lesion_roughness, strict=True)
        values += [(k, n * reference.voxel_ml, rough, math.nan) for k, (n, rough) in enumerate(lesions, start=1)]
    own = (case.case_id, case.patient)
    return tuple(dict(zip(COLUMNS, (*own, *numbers), strict=True)) for numbers in values)


def _key(case: Case) -> str:
    """Changes with the reference's size and time on disk, which are read in no time, and with what a row means."""
    if case.reference is None:
        return ""
    try:
        state = case.reference.stat()
    except OSError:
        return ""
    file = [str(case.reference.resolve()), state.st_size, state.st_mtime_ns]
    parts = [VERSION, case.case_id, case.patient, *file, case.region.key]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _kept(results: Results, keys: dict[str, str]) -> pd.DataFrame:
    """Rows that are still valid, with their keys; a damaged file holds none, since it can be made again."""
    nothing = _table([]).assign(key=pd.Series(dtype="str"))
    try:
        table = pd.read_parquet(results.folder / TRAINING)[list(nothing.columns)].astype(nothing.dtypes.to_dict())
    except (OSError, ValueError, KeyError):
        return nothing
    valid = [
        bool(key) and keys.get(case_id) == key for case_id, key in zip(table["case_id"], table["key"], strict=True)
    ]
    return table[valid].reset_index(drop=True)


def _keep(results: Results, kept: pd.DataFrame, rows: Sequence[Row]) -> pd.DataFrame:
    """All valid rows, after new ones were written to the file with them."""
    if not rows:
        return kept
    new = pd.DataFrame(rows, columns=list(kept.columns)).astype(kept.dtypes.to_dict())
    table = pd.concat([part for part in (kept, new) if len(part)]).sort_values(["case_id", "lesion_id"])
    write_table(results.folder / TRAINING, table)
    return table


def _table(rows: Sequence[Row]) -> pd.DataFrame:
    kinds = {name: "str" if name in ("case_id", "patient") else "float64" for name in COLUMNS} | {"lesion_id": "int64"}
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(kinds)


def _of_level(table: pd.DataFrame, level: Literal["case", "lesion"]) -> pd.DataFrame:
    wanted = (table["lesion_id"] == 0) == (level == "case")
    return table.loc[wanted, list(COLUMNS)].reset_index(drop=True)
