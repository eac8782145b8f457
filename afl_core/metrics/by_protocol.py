"""Measure two label maps by a protocol: one row a region."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from afl_core.errors import DataError, GeometryError
from afl_core.metrics.components import Integers
from afl_core.metrics.lesions import LesionCrops, LesionMetrics, lesion_rows
from afl_core.metrics.matchers import Matching, match_masks
from afl_core.metrics.overlap import Counts, count, dsc
from afl_core.metrics.protocols import Protocol
from afl_core.metrics.surface import ROUNDING_MM, compute_surface_distances, hd95_pooled_mm
from afl_core.metrics.surface_area import hd95_area_mm
from afl_core.regions import BoolArray, bounding_box, check_spacing, union_box
from afl_core.volume import Spacing

Labels = NDArray[Any]
Scores = tuple[float, float, float]
"""Dice, HD95 in mm and NSD of one lesion."""

MATCHED_DSC = 1e-6
"""Dice from which a pair is one at all, in the code of BraTS 2025."""


@dataclass(frozen=True)
class ProtocolRow:
    """One region of one prediction; NaN where the protocol has no such value.

    Attributes:
        region: Name of the region.
        tp: Lesions of the reference that are matched.
        fp: Predicted components that are false positives.
        fn: Lesions that are not matched.
        ignored: Lesions that the protocol leaves out for their size.
        lesion_dsc: Lesion-wise mean of Dice.
        lesion_hd95_mm: Lesion-wise mean of HD95.
        lesion_nsd: Lesion-wise mean of NSD, the tolerance the smallest edge of a voxel; of pooled HD95 alone.
        dsc: Dice of the whole region.
        hd95_mm: HD95 of the whole region.
        large_tp: Large lesions that are detected; NaN where there is none.
        large_fn: Large lesions that are not.
        small_tp: Small lesions that are detected; NaN where there is none.
        small_fn: Small lesions that are not.
    """

    region: str
    tp: int
    fp: int
    fn: int
    ignored: int
    lesion_dsc: float
    lesion_hd95_mm: float
    lesion_nsd: float
    dsc: float
    hd95_mm: float
    large_tp: float = math.nan
    large_fn: float = math.nan
    small_tp: float = math.nan
    small_fn: float = math.nan


def measure_by_protocol(
    prediction: Labels, reference: Labels, spacing_mm: Spacing, protocol: Protocol
) -> list[ProtocolRow]:
    """Measure every region of a protocol.

    Args:
        prediction: Labels, whole numbers, shape (X, Y, Z).
        reference: Same shape.
        spacing_mm: Voxel edge lengths.
        protocol: A row of PROTOCOLS.

    Returns:
        One row a region, in the order of the protocol.

    Raises:
        GeometryError: If the shapes differ or are not of three axes, or the spacing is not positive.
        DataError: If a label is none of the protocol's.
    """
    check_spacing(spacing_mm)
    if prediction.shape != reference.shape or reference.ndim != 3 or 0 in reference.shape:
        raise GeometryError(
            "A protocol measures two label maps of one shape (X, Y, Z)",
            received=f"prediction {prediction.shape}, reference {reference.shape} voxels",
        )
    for name, labels in (("prediction", prediction), ("reference", reference)):
        check_protocol_labels(labels, protocol, file=f"The {name}")
    boxes = [box for labels in (prediction, reference) if (box := bounding_box(labels != 0))]
    box = union_box(boxes[0], boxes[-1]) if boxes else (slice(0, 1),) * 3
    predicted, true = prediction[box], reference[box]
    return [
        _measure_region(region, _mask(predicted, labels), _mask(true, labels), spacing_mm, protocol)
        for region, labels in protocol.regions.items()
    ]


def labels_in(labels: Labels) -> set[int]:
    """The labels of a map, without 0."""
    box = bounding_box(labels != 0)
    return set() if box is None else {int(value) for value in np.unique(labels[box])} - {0}


def check_protocol_labels(labels: Labels, protocol: Protocol, *, file: str) -> None:
    """Raise `DataError` unless the protocol knows every label of a file: one that it does not would be lost."""
    if unknown := sorted(labels_in(labels) - set(protocol.labels)) if protocol.labels else []:
        raise DataError(
            f"{file} holds labels that {protocol.title} does not have",
            received=f"{', '.join(map(str, unknown))} where {', '.join(map(str, protocol.labels))} are known",
            todo="Take the protocol of its task, save the file with these labels, or say by --labels what its own are",
        )


def _mask(labels: Labels, inside: tuple[int, ...]) -> BoolArray:
    return np.ascontiguousarray(np.isin(labels, inside) if inside else labels != 0)


def _measure_region(
    region: str, prediction: BoolArray, reference: BoolArray, spacing_mm: Spacing, protocol: Protocol
) -> ProtocolRow:
    voxel_mm3 = math.prod(spacing_mm)
    ignored = math.floor(protocol.ignored_up_to_mm3 / voxel_mm3 + 1e-6)
    matcher = replace(protocol.matcher, ignored_up_to_voxels=ignored)
    matching = match_masks(prediction, reference, spacing_mm=spacing_mm, matcher=matcher)
    scores, spared = _candidates(matching, protocol)
    if protocol.assignment:
        matching = replace(matching, pairs=_assigned(matching, scores))
    rows = lesion_rows(matching, origin=(0, 0, 0))
    lesions = [row for row in rows if row.kind == "reference"]
    false = [row for row in rows if row.kind == "false_positive" and row.predicted_components[0] not in spared]
    found = sum(row.detected for row in lesions)
    counts = count(prediction, reference, grid_voxels=prediction.size)
    means = _lesion_means(lesions, len(false), matching, protocol)
    hd95 = _whole_hd95(prediction, reference, counts, spacing_mm, protocol)
    return ProtocolRow(
        region,
        found,
        len(false),
        len(lesions) - found,
        sum(row.kind == "ignored" for row in rows),
        *means,
        dsc(counts) if counts.predicted or counts.reference else protocol.both_empty[0],
        hd95,
        *_detected(lesions, protocol),
    )


def _candidates(m: Matching, protocol: Protocol) -> tuple[NDArray[np.float64], set[int]]:
    """What each overlap of `m.shared` is worth, 0 where it is no pair; and components that are no false positives."""
    lesion, component, voxels = m.shared.T
    sizes = m.lesion_voxels[lesion - 1] + m.component_voxels[component - 1]
    if protocol.assignment == "number":
        iou = voxels / (sizes - voxels)
        enough = iou >= m.matcher.min_iou
        return np.where(enough, 1 + iou, 0.0), set(component[enough].tolist())
    dices = 2 * voxels / sizes
    return np.where(dices >= MATCHED_DSC, dices + MATCHED_DSC, 0.0), set()  # at equal sums, a pair more


def _assigned(m: Matching, scores: NDArray[np.float64]) -> Integers:
    """Pairs of lesion and component, each once, with the largest sum of scores above 0."""
    lesions, rows = np.unique(m.shared[:, 0], return_inverse=True)
    components, columns = np.unique(m.shared[:, 1], return_inverse=True)
    worth = np.zeros((len(lesions), len(components)))
    worth[rows, columns] = scores
    row, column = linear_sum_assignment(worth, maximize=True)
    chosen = worth[row, column] > 0
    return np.column_stack([lesions[row[chosen]], components[column[chosen]]]).astype(np.int64)


def _lesion_means(lesions: Sequence[LesionMetrics], false: int, m: Matching, protocol: Protocol) -> Scores:
    """Lesion-wise means of Dice, HD95 and NSD."""
    if not protocol.mean_over:
        return math.nan, math.nan, math.nan
    penalty: Scores = (0.0, protocol.matcher.penalty_mm or math.nan, 0.0)
    measure = partial(_scores, crops=LesionCrops(m), protocol=protocol, penalty=penalty)
    if protocol.mean_over == "matched":
        scores = [measure(row) for row in lesions if row.detected] or [penalty] * (len(lesions) + false)
    elif protocol.mean_over == "large":
        large = [row for row in lesions if _is_large(row, protocol)]
        scores = [*map(measure, large), *([penalty] * false if large else [])]
    else:
        scores = [*map(measure, lesions), *[penalty] * false]
    if not scores:
        return (*protocol.nothing, math.nan)
    dices, distances, surfaces = np.mean(scores, axis=0).tolist()
    return dices, distances, surfaces if protocol.hd95 == "pooled" else math.nan


def _scores(row: LesionMetrics, *, crops: LesionCrops, protocol: Protocol, penalty: Scores) -> Scores:
    """Dice, HD95 and NSD of a lesion and of what is matched to it."""
    if not row.detected:
        return penalty
    prediction, reference = crops.masks(row)
    spacing_mm = crops.matching.spacing_mm
    if protocol.hd95 == "area":
        return row.dsc, hd95_area_mm(prediction, reference, spacing_mm=spacing_mm), math.nan
    distances = compute_surface_distances(prediction, reference, spacing_mm=spacing_mm)
    tolerance_mm = min(spacing_mm) + ROUNDING_MM
    near = [np.mean(directed <= tolerance_mm) for directed in (distances.prediction, distances.reference)]
    return row.dsc, hd95_pooled_mm(distances), float(np.mean(near))


def _whole_hd95(
    prediction: BoolArray, reference: BoolArray, counts: Counts, spacing_mm: Spacing, protocol: Protocol
) -> float:
    if not protocol.hd95 or not (counts.predicted or counts.reference):
        return protocol.both_empty[1]
    if not (counts.predicted and counts.reference) or (protocol.apart_is_missed and not counts.tp):
        return protocol.matcher.penalty_mm or math.nan
    if protocol.hd95 == "area":
        return hd95_area_mm(prediction, reference, spacing_mm=spacing_mm)
    return hd95_pooled_mm(compute_surface_distances(prediction, reference, spacing_mm=spacing_mm))


def _is_large(row: LesionMetrics, protocol: Protocol) -> bool:
    return row.volume_ml * 1000 >= protocol.large_from_mm3 - 1e-6


def _detected(lesions: Sequence[LesionMetrics], protocol: Protocol) -> tuple[float, ...]:
    """Detected and missed lesions of the large and of the small, by their Dice; NaN where there is none of a kind."""
    if not protocol.large_from_mm3:
        return ()
    numbers: list[float] = []
    for wanted in (True, False):
        dices = [row.dsc for row in lesions if _is_large(row, protocol) == wanted]
        found = sum(value >= protocol.detected_from_dsc for value in dices)
        numbers += [found, len(dices) - found] if dices else [math.nan, math.nan]
    return tuple(numbers)
