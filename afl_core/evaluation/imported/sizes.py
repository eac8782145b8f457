"""Volume and roughness of the cases of imported tables: from references, or the volume from the tables themselves."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from afl_core.base import paths
from afl_core.base.catalogue import pick
from afl_core.data.check.index import Index
from afl_core.data.check.references import ReferenceFacts, read_references
from afl_core.data.layouts import Cohort
from afl_core.errors import DataError
from afl_core.evaluation.imported.values import SIZE_UNITS, Entry


def case_facts(
    entries: Sequence[tuple[Entry, Path]], *, unit: str, voxel_mm3: float | None, references: Cohort | None
) -> tuple[dict[str, Mapping[str, float]], dict[str, str]]:
    """Size and smoothness of each case, of its reference or the tables; and why a case lacks them.

    Where no case has a size, all are kept without one.

    Args:
        entries: What the tables say, with their files.
        unit: Key of `SIZE_UNITS`: unit of the tables' sizes.
        voxel_mm3: Volume of a voxel; without it, sizes in voxels count for nothing.
        references: References to measure in place of the tables' sizes.

    Raises:
        DataError: If tables disagree on a size, or the references are of other cases or another region.
    """
    case_ids = list(dict.fromkeys(entry.case_id for entry, _ in entries))
    if references is not None:
        return _measured(entries, case_ids, references, unit)
    ml = (voxel_mm3 or math.nan) * 1e-3 if unit == "voxels" else pick(SIZE_UNITS, unit, kind="unit of sizes")
    sizes: dict[str, float] = {}
    for entry, path in entries:
        if entry.size is None or math.isnan(ml):
            continue
        size = entry.size * ml
        if not math.isnan(size) and not math.isclose(sizes.setdefault(entry.case_id, size), size, rel_tol=1e-3):
            received = f"{sizes[entry.case_id]:g} and {size:g} ml"
            todo = "All sources must be compared with the same references"
            raise DataError(f"{entry.case_id} has two sizes ({path.name})", received=received, todo=todo)
    unknown = {c: "The table gives no size of its reference" for c in case_ids if not sizes.get(c, math.nan) >= 0}
    if len(unknown) == len(case_ids):
        return {case_id: {} for case_id in case_ids}, {}
    return {c: {"reference_volume_ml": sizes[c]} for c in case_ids if c not in unknown}, unknown


def _measured(
    entries: Sequence[tuple[Entry, Path]], case_ids: Sequence[str], cohort: Cohort, unit: str
) -> tuple[dict[str, Mapping[str, float]], dict[str, str]]:
    cases = [case for case in cohort.cases if case.case_id in set(case_ids) and case.reference]
    if not cases:
        received = f"{case_ids[0]} where there is {cohort.cases[0].case_id if cohort.cases else 'none'}"
        todo = "The file of a reference is named as its case is in the table"
        raise DataError("No reference in this folder is of a case of the tables", received=received, todo=todo)
    read = read_references(Index(cohort.root, paths.INDEX), cases, progress=lambda *_: None)
    problems = {c: "There is no reference of this case" for c in case_ids if c not in read}
    problems |= {c: of.problem for c, of in read.items() if of.problem}
    facts = {c: of for c, of in read.items() if not of.problem}
    inside = cohort.region.inside
    voxels = {c: sum(n for label, n in of.labels.items() if not inside or label in inside) for c, of in facts.items()}
    ml = {c: of.volume_ml / pick(SIZE_UNITS, unit, kind="unit of sizes") for c, of in facts.items()}
    _check_sizes(entries, voxels if unit == "voxels" else ml, unit)
    return {c: _described(of) for c, of in facts.items()}, problems


def _check_sizes(entries: Sequence[tuple[Entry, Path]], sizes: Mapping[str, float], unit: str) -> None:
    """Raise where a table's size is not that of the reference, as far as it may be rounded: it is of another region."""
    rounding = 1 if unit == "voxels" else 0.05 / SIZE_UNITS[unit]
    for entry, path in entries:
        if entry.size is None or math.isnan(entry.size) or entry.case_id not in sizes:
            continue
        size = sizes[entry.case_id]
        same = math.isclose(entry.size, size, rel_tol=0.05, abs_tol=rounding)
        if not same or (entry.size > 0) != (size > 0):
            received = f"{entry.size:g} {unit} in {path.name}, {size:g} {unit} in the reference"
            todo = "Choose the labels and the region of the references that the table is of"
            raise DataError(
                f"The reference of {entry.case_id} is not of the table's region", received=received, todo=todo
            )


def _described(of: ReferenceFacts) -> dict[str, float]:
    return {
        "reference_volume_ml": of.volume_ml,
        "reference_lesions": float(len(of.lesion_ml)),
        "roughness": of.roughness,
        "released_smoothness": of.released_smoothness,
    }
