"""Contrast and signal to noise of the references of results on their images, kept in `contrast.parquet`."""

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from afl_core.base.catalogue import find_key
from afl_core.base.storage import file_state
from afl_core.base.words import named, number_of
from afl_core.base.workers import finished
from afl_core.data.layouts import Cohort, load_case
from afl_core.data.loading import load_reference
from afl_core.errors import AflError, DataError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.contrast_rows import PLACE, contrast_table, load_contrast, reference_lesions
from afl_core.evaluation.tables import distinct
from afl_core.metrics.components import Labels
from afl_core.metrics.contrast import measure_contrasts
from afl_core.metrics.matchers import Matcher, find_matcher, match_masks
from afl_core.regions import bounding_box
from afl_core.volume import Case, Mask, Volume

VERSION = 1
"""Version of the values; it goes up whenever they are measured otherwise, and what is kept is then measured again."""

ENHANCED = ("t1ce", "t1c", "t1gd")
"""Names of the contrast-enhanced T1, in small letters without signs."""

ROUNDING = 1e-6
"""Slack of a centre of mass, in voxels or mm."""

Places = tuple[tuple[float, ...], ...]
"""Lesion id and `PLACE` of every lesion of a case; the first is the case itself, with the id 0."""


@dataclass(frozen=True)
class _Task:
    """A case to measure: its lesions as the results hold them, by region."""

    case: Case
    sequence: str
    matcher: Matcher
    places: Mapping[str, Places]

    @property
    def key(self) -> str:
        """A key that changes with a file, the sequence, or what the results hold of the reference."""
        case = self.case
        image = case.sequences.get(self.sequence)
        regions = [region.key for region in case.regions]
        rule = self.matcher.name, self.matcher.ignored_up_to_voxels
        how = case.trust_voxel_order, case.grid, case.channels.get(self.sequence)
        parts = (VERSION, self.sequence, rule, regions, dict(self.places), how)
        files = [file_state(file and file.resolve()) for file in (case.reference, image)]
        return hashlib.sha256(repr((parts, files)).encode()).hexdigest()


def pick_sequence(cohort: Cohort, name: str = "") -> str:
    """The sequence of that name, in capitals or not; without one contrast-enhanced T1, else FLAIR, else the first.

    Raises:
        DataError: If the data set has no images.
        UsageError: If it has no such sequence.
    """
    there = dict.fromkeys((*cohort.sequences, *sorted({of for case in cohort.cases for of in case.sequences})))
    if not there:
        todo = "Evaluate with --data, the folder of images and references"
        raise DataError("The data set of these results has no images", received=cohort.root, todo=todo)
    if name:
        return find_key(there, name, kind="sequence")
    common = cohort.sequences or tuple(there)
    plain = {re.sub(r"[^a-z0-9]", "", of.lower()): of for of in reversed(common)}
    return next((plain[of] for of in (*ENHANCED, "flair") if of in plain), common[0])


def measure_contrast(
    opened: Mapping[str, Comparison],
    sequence: str,
    *,
    executor: Executor | None = None,
    report: Callable[[int, int, str], object] = lambda done, total, case_id: None,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Measure every case with a tumour; one that was measured before, and whose files are the same, is not read again.

    Args:
        opened: Region to the comparison of it, of every region that was measured.
        sequence: Name of the sequence.
        executor: Executor that measures the cases; without one they are measured here.
        report: Function that is called at the begin and with every finished case: how many are done, those of before
            among them, of how many, and the case.

    Returns:
        The rows of `contrast.parquet`, by case, and the cases that could not be measured: they end no other.
    """
    results = next(iter(opened.values())).results
    tasks = {task.case.case_id: task for task in _tasks(opened, sequence)}
    keys = {case_id: task.key for case_id, task in tasks.items()}
    table = load_contrast(results.folder)
    table = table[table["key"] == table["case_id"].map(keys)]
    held = distinct(table, "case_id")
    due = [task for case_id, task in tasks.items() if case_id not in held]
    rows, problems = list[Mapping[Any, Any]](table.to_dict("records")), dict[str, str]()
    report(len(held), len(tasks), "")
    try:
        outcomes = finished(_measure, due, of=_told, folder=results.folder, executor=executor)
        for done, (task, outcome) in enumerate(outcomes, start=len(held) + 1):
            case_id = task.case.case_id
            if isinstance(outcome, AflError):
                problems[case_id] = str(outcome)
            else:
                rows += [row | {"key": keys[case_id]} for row in outcome]
            report(done, len(tasks), case_id)
    finally:  # what is measured stays, also where it is stopped
        table = contrast_table(rows).sort_values(["case_id", "region", "lesion_id"], ignore_index=True)
        if due:
            results.keep_contrast(table)
    return table, problems


def without_sentences(table: pd.DataFrame) -> tuple[str, ...]:
    """Which cases have no ratio of intensities, and which no value at all, a sentence each."""
    cases = table[table["lesion_id"] == 0]
    nothing = cases["contrast_to_noise"].isna() & cases["contrast"].isna()
    signed = cases["contrast"].isna() & ~nothing
    why = {
        "intensities without a true zero, as z-scores or CT, so contrast_to_noise alone": signed,
        "no value: the image is empty in the lesion, or too little of it lies around": nothing,
    }
    ids = {text: list(dict.fromkeys(cases.loc[which, "case_id"])) for text, which in why.items()}
    have = "case has", "cases have"
    return tuple(f"{number_of(len(of), *have)} {text}: {named(of, shown=4)}." for text, of in ids.items() if of)


def _tasks(opened: Mapping[str, Comparison], sequence: str) -> list[_Task]:
    """Every case whose reference holds a lesion in some region."""
    first = next(iter(opened.values()))
    cohort, settings = first.needed_cohort(), first.manifest.settings.choice()
    matcher = find_matcher(settings.matcher).from_size(settings.least_lesion_voxels)
    places: dict[str, dict[str, Places]] = {}
    for region, of in opened.items():
        lesions = reference_lesions(of.rows, of.lesions).drop_duplicates(["case_id", "lesion_id"])
        for case_id, group in lesions.groupby("case_id"):
            ordered = group.sort_values("lesion_id")[["lesion_id", *PLACE]]
            places.setdefault(str(case_id), {})[region] = tuple(map(tuple, ordered.to_numpy(float).tolist()))
    cases = [case for case in cohort.cases if case.case_id in places]
    if not cases:
        raise DataError("No reference of these results holds a lesion", received=number_of(len(cohort.cases), "case"))
    return [_Task(case, sequence, matcher, places[case.case_id]) for case in cases]


def _told(task: _Task) -> str:
    return f"measuring contrast of {task.case.case_id} on {task.sequence}"


def _measure(task: _Task) -> list[dict[str, Any]]:
    """The rows of a case in every region; raises `AflError` where a file cannot be used."""
    case = task.case
    if task.sequence not in case.sequences:
        received = f"only {', '.join(sorted(case.sequences)) or 'no images'}"
        todo = "Add the file, or choose another --sequence"
        raise DataError(f"{case.case_id} has no {task.sequence} image", received=received, todo=todo)
    loaded = load_case(case, sequences=[task.sequence])
    image, rows = loaded.images[task.sequence], list[dict[str, Any]]()
    for region in case.regions:
        if places := task.places.get(region.name):
            mask = loaded.reference if region == case.region else load_reference(replace(case, region=region))
            assert mask is not None
            rows += [row | {"region": region.name} for row in _rows(task, image, mask, places)]
    return rows


def _rows(task: _Task, image: Volume, reference: Mask, places: Places) -> list[dict[str, Any]]:
    """The row of a case and those of its lesions in one region."""
    lesions = _numbered(reference, task.matcher)
    _check_same(task.case.case_id, lesions, reference, places)
    found = measure_contrasts(image.array, lesions, spacing_mm=reference.spacing_mm)
    return [
        {"case_id": task.case.case_id, "sequence": task.sequence, "lesion_id": int(number)}
        | dict(zip(PLACE, place, strict=True))
        | asdict(found[int(number)])
        for number, *place in places
    ]


def _numbered(reference: Mask, matcher: Matcher) -> Labels:
    """The lesions of a reference as the matcher numbers them, on the whole grid."""
    lesions = np.zeros(reference.array.shape, np.uint32)
    box = bounding_box(reference.array, reference.within)
    if box is not None:
        crop = np.ascontiguousarray(reference.array[box])
        nothing = np.zeros_like(crop)
        lesions[box] = match_masks(nothing, crop, spacing_mm=reference.spacing_mm, matcher=matcher).lesions
    return lesions


def _check_same(case_id: str, lesions: Labels, reference: Mask, places: Places) -> None:
    """Raise unless a reference has the lesions that the results hold, each of its size and at its place."""
    where = np.argwhere(lesions)
    numbers = lesions[tuple(where.T)]
    order = np.argsort(numbers, kind="stable")
    sizes = np.bincount(numbers)[1:]
    parts = np.split(where[order], np.cumsum(sizes)[:-1])
    told = [place for _, *place in places[1:]]
    step = np.array(reference.spacing_mm)
    if len(told) != len(sizes) or not all(_is_at(part, place, step) for part, place in zip(parts, told, strict=True)):
        received = f"{number_of(len(sizes), 'lesion')}; {len(told)} were measured"
        what = f"The reference of {case_id} is another one than was measured"
        raise DataError(what, received=received, todo="Evaluate again")


def _is_at(voxels: NDArray[np.int64], place: Sequence[float], step: NDArray[np.float64]) -> bool:
    """Whether a lesion has a volume, and the voxel in it that is nearest to its centre of mass (`LesionMetrics`)."""
    volume_ml, *at = place
    centre = voxels.mean(axis=0)
    off = np.abs(at - centre)
    is_rounded = off.max() <= 0.5 + ROUNDING  # to which of two voxels half a step goes is left open
    is_nearest = np.linalg.norm(off * step) <= np.linalg.norm((voxels - centre) * step, axis=1).min() + ROUNDING
    is_inside = bool((voxels == at).all(axis=1).any())
    return (
        is_inside and bool(is_rounded or is_nearest) and math.isclose(len(voxels) * math.prod(step) / 1000, volume_ml)
    )
