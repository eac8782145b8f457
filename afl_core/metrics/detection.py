"""Detection of lesions by maps of confidences: candidates, which lesion each finds, and the scores of PI-CAI.

Definitions: picai_eval 1.4.13 (matching, AP, AUROC, score) and report_guided_annotation 0.3.4 (`dynamic-v2`, candidates
of a map of probabilities). docs/protocols.md says where they differ from what is here.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from afl_core.errors import DataError, GeometryError
from afl_core.regions import BoolArray, bounding_box
from afl_core.volume import Box

Map = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]
Numbers = NDArray[np.signedinteger[Any]]
CONNECTED = np.ones((3, 3, 3), bool)

MIN_IOU = 0.1
"""IoU from which a candidate finds a lesion."""

MOST, FACTOR, LEAST_VOXELS, LEAST_CONFIDENCE = 5, 2.5, 10, 0.01
"""Of a map of probabilities: number of candidates, ratio of a candidate's largest probability to the one at its edge,
size that a candidate must exceed, and probability below which there is none."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Lesion candidates of one case.

    Attributes:
        labels: Number of the candidate at each voxel, from 1; 0 outside. Shape (X, Y, Z).
        confidences: Confidence of each, shape (candidates,).
    """

    labels: Numbers
    confidences: Floats


@dataclass(frozen=True)
class CaseDetection:
    """What the candidates of one case find.

    Attributes:
        lesions: Confidence with which each lesion of the reference is found; 0 for a missed one.
        false: Confidences of the candidates that are false positives.
        confidence: Confidence that the case has a lesion: the largest of its candidates, 0 without one.
    """

    lesions: tuple[float, ...]
    false: tuple[float, ...]
    confidence: float


@dataclass(frozen=True)
class DetectionScores:
    """Scores of many cases; NaN where they are undefined.

    Attributes:
        ap: Average precision over the lesions of all cases; undefined without a lesion.
        auroc: Area under the ROC curve over cases; undefined without cases of both kinds.
        score: Mean of both, the ranking score of PI-CAI.
        cases: Number of cases.
        with_lesion: Number of cases with a lesion.
        lesions: Number of lesions.
    """

    ap: float
    auroc: float
    score: float
    cases: int
    with_lesion: int
    lesions: int


def is_detection_map(values: Map) -> bool:
    """Whether every 26-connected component above 0 holds one value: a confidence, and no map of probabilities."""
    inside = values[_box(values > 0)]
    return not any(
        np.any((first > 0) & (second > 0) & (first != second)) for first, second in _neighbours(np.pad(inside, 1))
    )


def map_candidates(values: Map) -> Candidates:
    """The candidates of a detection map: its 26-connected components above 0, each with its largest value.

    Raises:
        DataError: If a value is negative or not finite.
    """
    _check_values(values)
    labels, box = np.zeros(values.shape, np.int32), _box(values > 0)
    labels[box], count = ndimage.label(values[box], structure=CONNECTED)
    return Candidates(labels, _highest(values[box], labels[box], count))


def probability_candidates(probabilities: Map) -> Candidates:
    """The candidates of a map of probabilities by a threshold that follows its maxima.

    Again and again, voxels of at least the largest probability left, divided by `FACTOR`, are taken; of their
    26-connected components with more than `LEAST_VOXELS` voxels, the one with the largest probability is a candidate,
    unless it touches an earlier one, and is gone from the map.

    Raises:
        DataError: If a value is negative or not finite.
    """
    _check_values(probabilities)
    labels, box = np.zeros(probabilities.shape, np.int32), _box(probabilities >= LEAST_CONFIDENCE / FACTOR)
    left, taken, confidences = probabilities[box].copy(), labels[box], list[float]()
    while len(confidences) < MOST and (highest := left.max(initial=0)) >= LEAST_CONFIDENCE:
        threshold = highest / FACTOR
        blob = _surest(left, threshold)
        if blob is None:
            left[left > threshold] = 0  # specks alone
            continue
        if not (ndimage.binary_dilation(taken > 0, CONNECTED) & blob).any():
            confidences.append(float(left[blob].max()))
            taken[blob] = len(confidences)
        left[blob] = 0
    return Candidates(labels, np.array(confidences))


def match_candidates(candidates: Candidates, reference: BoolArray) -> CaseDetection:
    """Which lesions the candidates find: as many pairs of an IoU of `MIN_IOU` as there can be, then the largest sum.

    A further candidate with such an IoU is no false positive.

    Args:
        candidates: The candidates of a case.
        reference: Its lesions, shape (X, Y, Z).

    Raises:
        GeometryError: If the shapes differ.
    """
    if candidates.labels.shape != reference.shape:
        shapes = f"map {candidates.labels.shape}, reference {reference.shape} voxels"
        raise GeometryError("Map and reference must have one shape", received=shapes)
    box = _box(reference | (candidates.labels > 0))
    lesions, count = ndimage.label(reference[box], structure=CONNECTED)
    iou = _ious(lesions, count, Candidates(candidates.labels[box], candidates.confidences))
    worth = np.where(iou >= MIN_IOU, 1 + iou, 0)
    lesion, candidate = linear_sum_assignment(worth, maximize=True)
    paired = worth[lesion, candidate] > 0
    found = np.zeros(count)
    found[lesion[paired]] = candidates.confidences[candidate[paired]]
    false = candidates.confidences[~(worth > 0).any(axis=0)]
    return CaseDetection(tuple(found.tolist()), tuple(false.tolist()), float(candidates.confidences.max(initial=0)))


def detection_scores(cases: Sequence[CaseDetection]) -> DetectionScores:
    """AP, AUROC and their mean over cases, of equal weight."""
    has_lesion = np.array([bool(case.lesions) for case in cases], bool)
    ap, auroc = _average_precision(cases), _auroc(np.array([case.confidence for case in cases]), has_lesion)
    lesions = sum(len(case.lesions) for case in cases)
    return DetectionScores(ap, auroc, (ap + auroc) / 2, len(cases), int(has_lesion.sum()), lesions)


def froc(cases: Sequence[CaseDetection]) -> tuple[Floats, Floats]:
    """The FROC curve: false positives a case, and sensitivity over lesions, at every confidence from the highest on.

    Both are empty where nothing has a confidence; the sensitivity is NaN without a lesion.
    """
    found, false = _confidences(cases)
    thresholds = np.unique(np.concatenate([found, false]))
    thresholds = thresholds[thresholds > 0][::-1]
    above = [(np.count_nonzero(false >= of), np.count_nonzero(found >= of)) for of in thresholds]
    wrong, right = np.array(above, np.float64).reshape(-1, 2).T
    return wrong / max(len(cases), 1), right / len(found) if len(found) else np.full(len(right), math.nan)


def sensitivity_at(cases: Sequence[CaseDetection], false_a_case: float) -> float:
    """The largest sensitivity with at most so many false positives a case; NaN without a lesion."""
    if not any(case.lesions for case in cases):
        return math.nan
    wrong, sensitivity = froc(cases)
    return float(sensitivity[wrong <= false_a_case].max(initial=0))


def _check_values(values: Map) -> None:
    if values.ndim != 3 or not np.isfinite(values).all() or (values < 0).any():
        raise DataError(
            "A map of confidences has three axes and values from 0 on",
            received=f"{values.ndim} axes, {values.min(initial=0):g} to {values.max(initial=0):g}",
        )


def _box(mask: BoolArray) -> Box:
    """The box around a mask, of one voxel where it is empty."""
    return bounding_box(mask) or (slice(0, 1),) * 3


def _neighbours(values: Map) -> Iterator[tuple[Map, Map]]:
    """An array against itself, moved to each of the 13 neighbours that lie in one half; its rim is left out."""
    inner = (slice(1, -1),) * 3
    for step in list(itertools.product((-1, 0, 1), repeat=3))[14:]:
        yield values[inner], values[tuple(slice(1 + d, n - 1 + d) for d, n in zip(step, values.shape, strict=True))]


def _highest(values: Map, labels: Numbers, count: int) -> Floats:
    """The largest value of each label from 1 on."""
    highest, where = np.zeros(count + 1), labels > 0
    np.maximum.at(highest, labels[where], values[where])
    return highest[1:]


def _surest(values: Map, threshold: float) -> BoolArray | None:
    """Of the components from a threshold on that are no specks, the one with the largest value; the first of equals."""
    labels, count = ndimage.label(values >= threshold, structure=CONNECTED)
    large = np.bincount(labels.ravel(), minlength=count + 1)[1:] > LEAST_VOXELS
    if not large.any():
        return None
    return np.asarray(labels == 1 + np.argmax(np.where(large, _highest(values, labels, count), 0)))


def _ious(lesions: Numbers, count: int, candidates: Candidates) -> Floats:
    """IoU of each lesion (row) and candidate (column)."""
    columns = len(candidates.confidences) + 1
    both = np.bincount((lesions * columns + candidates.labels).ravel(), minlength=(count + 1) * columns)
    shared = both.reshape(-1, columns)
    either = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0, keepdims=True) - shared
    return np.asarray(shared[1:, 1:] / np.maximum(either[1:, 1:], 1))


def _confidences(cases: Sequence[CaseDetection]) -> tuple[Floats, Floats]:
    """Confidences of all lesions, 0 for missed ones, and of all false positives."""
    found = [confidence for case in cases for confidence in case.lesions]
    return np.array(found), np.array([confidence for case in cases for confidence in case.false])


def _average_precision(cases: Sequence[CaseDetection]) -> float:
    """Precision, weighted by the step of recall at each confidence; what no candidate finds adds to recall alone."""
    found, false = _confidences(cases)
    if not len(found):
        return math.nan
    total = 0.0
    for threshold in np.unique(found[found > 0]):
        right = np.count_nonzero(found >= threshold)
        precision = right / (right + np.count_nonzero(false >= threshold))
        total += precision * np.count_nonzero(found == threshold) / len(found)
    return total


def _auroc(confidences: Floats, has_lesion: NDArray[np.bool_]) -> float:
    """How often a case with a lesion has the larger confidence than one without; equal ones count half."""
    from scipy.stats import rankdata  # noqa: PLC0415 - takes a second to import

    with_lesion, without = int(has_lesion.sum()), int((~has_lesion).sum())
    if not with_lesion or not without:
        return math.nan
    ranks = rankdata(confidences)[has_lesion].sum()
    return float((ranks - with_lesion * (with_lesion + 1) / 2) / (with_lesion * without))
