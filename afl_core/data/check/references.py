"""Labels, size and roughness of every reference of a data set, read once and kept in its index."""

import math
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from afl_core.base.isolation import attempt
from afl_core.base.workers import finished
from afl_core.data.boxed_labels import load_boxed_labels
from afl_core.data.check.index import Index, Progress, file_state
from afl_core.data.loading import load_reference
from afl_core.data.voxel_order import grid_file
from afl_core.errors import AflError
from afl_core.shape import describe
from afl_core.volume import Case


@dataclass(frozen=True)
class ReferenceFacts:
    """One reference, by the region of its case.

    Attributes:
        labels: Label to voxels, without 0.
        volume_ml: Volume of the region; 0 when empty, NaN where it cannot be told.
        roughness: Roughness of the region; NaN where its lesions are too small or too thin for one.
        released_smoothness: Smoothness as the paper's code has it; NaN where it cannot be told.
        lesion_ml: Volume of each lesion (26-connected), in the order of `label_lesions`.
        lesion_roughness: Roughness of each lesion; NaN for one that is too small or too thin.
        problem: Why the reference cannot be used, or "".
    """

    labels: dict[int, int] = field(default_factory=dict)
    volume_ml: float = math.nan
    roughness: float = math.nan
    released_smoothness: float = math.nan
    lesion_ml: tuple[float, ...] = ()
    lesion_roughness: tuple[float, ...] = ()
    problem: str = ""


def read_references(
    index: Index, cases: Sequence[Case], *, progress: Progress, executor: Executor | None = None
) -> dict[str, ReferenceFacts]:
    """Describe the references of cases; those that did not change are taken from the index.

    What is finished is kept where this is interrupted.

    Args:
        index: Index of the data set.
        cases: Cases to describe; those without a reference are passed over.
        progress: Called with every reference that is finished.
        executor: Executor that reads the references; without one they are read here.

    Returns:
        Case id to facts.
    """
    with_reference = [case for case in cases if case.reference is not None]
    facts: dict[str, ReferenceFacts] = {}
    missing: list[Case] = []
    for case in with_reference:
        kept = index.get("references", *_key(index, case))
        if kept is None:
            missing.append(case)
        else:
            facts[case.case_id] = _facts(kept)
    progress(len(facts), len(with_reference), "")
    try:
        for case, described in finished(describe_reference, missing, of=_reading, executor=executor):
            kept = {"problem": str(described)} if isinstance(described, AflError) else described
            index.put("references", *_key(index, case), kept)
            facts[case.case_id] = _facts(kept)
            progress(len(facts), len(with_reference), case.case_id)
    finally:
        index.save()
    return facts


def count_unread(root: Path, folder: Path, cases: Sequence[Case]) -> int:
    """Number of references that `read_references` would have to read."""
    index = Index(root, folder)
    return sum(case.reference is not None and index.get("references", *_key(index, case)) is None for case in cases)


def describe_reference(case: Case) -> dict[str, Any]:
    """`ReferenceFacts` of a case as JSON keeps them; one whose region cannot be described has a problem.

    Raises:
        AflError: If the reference cannot be read.
    """
    assert case.reference is not None
    labels = load_boxed_labels(case.reference)
    counts = np.bincount(labels.inside.ravel())
    facts = {"labels": {str(label): int(counts[label]) for label in labels.present}}
    region = attempt(partial(_region, case), of=f"describing {case.reference.name} of {case.case_id}")
    return {**facts, "problem": str(region)} if isinstance(region, AflError) else {**facts, **region}


def _region(case: Case) -> dict[str, Any]:
    """The facts of the region of a case and of its lesions, for the index."""
    mask = load_reference(case)
    shape = describe(mask.array, spacing_mm=mask.spacing_mm)
    return {
        "volume_ml": shape.volume_ml,
        "roughness": _null(shape.roughness),
        "released_smoothness": shape.released_smoothness,
        "lesion_ml": list(shape.lesion_ml),
        "lesion_roughness": [_null(value) for value in shape.lesion_roughness],
    }


def _null(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value


def _nan(value: float | None) -> float:
    return math.nan if value is None else value


def _reading(case: Case) -> str:
    assert case.reference is not None
    return f"reading {case.reference.name} of {case.case_id}"


def _key(index: Index, case: Case) -> tuple[str, tuple[int, int]]:
    """Key of a reference in the index: its file and region, and the file that gives its place if it is not its own."""
    assert case.reference is not None
    region = f"{'+'.join(map(str, case.region.inside))} of {'+'.join(map(str, case.region.known))}"
    grid = grid_file(case) if case.trust_voxel_order else None
    region += f", placed by {grid.name} of {file_state(grid)}" if grid else ""
    return f"{case.reference.relative_to(index.root).as_posix()}: {region}", file_state(case.reference)


def _facts(kept: dict[str, Any]) -> ReferenceFacts:
    return ReferenceFacts(
        labels={int(value): count for value, count in kept.get("labels", {}).items()},
        volume_ml=kept.get("volume_ml", math.nan),
        roughness=_nan(kept.get("roughness")),
        released_smoothness=kept.get("released_smoothness", math.nan),
        lesion_ml=tuple(kept.get("lesion_ml", ())),
        lesion_roughness=tuple(_nan(value) for value in kept.get("lesion_roughness", ())),
        problem=kept.get("problem", ""),
    )
