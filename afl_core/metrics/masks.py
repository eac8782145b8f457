"""One call that measures a predicted mask against its reference."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from afl_core.errors import GeometryError, UsageError
from afl_core.metrics.lesions import LesionMetrics, count_ignored_false, measure_lesions
from afl_core.metrics.matchers import Matcher, find_matcher, match_masks
from afl_core.metrics.metric import Empty, MaskPair
from afl_core.metrics.overlap import Counts, count
from afl_core.metrics.released import Probabilities, SoftOverlap, sum_probabilities
from afl_core.metrics.surface import distances_between, places
from afl_core.metrics.surface_area import nsd_area
from afl_core.metrics.table import METRICS, metrics_of
from afl_core.regions import BoolArray, bounding_box, check_mask, check_spacing, crop, union_box
from afl_core.volume import Box, Spacing


@dataclass(frozen=True)
class MaskMetrics:
    """The metrics of one prediction; METRICS says what each means, its unit, and what an empty mask gives.

    Attributes:
        empty: Which mask is empty ("", "both", "reference" or "prediction"): the empty rule that decided the values.
        lesions: One row a reference lesion, then one a false positive.
        ignored_false: Number of predicted components that are matched to nothing, and too small to count.
    """

    dsc: float
    iou: float
    sensitivity: float
    specificity: float
    precision: float
    hd_mm: float
    hd95_mm: float
    assd_mm: float
    nsd: float
    nsd_area: float
    volume_error_ml: float
    relative_volume_error: float
    lesion_tp: int
    lesion_fp: int
    lesion_fn: int
    lesion_f1: float
    lesion_dsc: float
    released_dsc: float
    released_iou: float
    empty: Empty
    lesions: tuple[LesionMetrics, ...]
    ignored_false: int

    def as_dict(self) -> dict[str, float]:
        """The metrics as a table row, keyed as METRICS; without `empty` and `lesions`."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name in METRICS}


def evaluate_masks(  # noqa: PLR0913 - one argument a choice
    prediction: BoolArray,
    reference: BoolArray,
    *,
    spacing_mm: Spacing,
    nsd_tolerance_mm: float = 1.0,
    matcher: str = "overlap",
    least_lesion_voxels: int = 0,
    probabilities: Probabilities | None = None,
    within: tuple[Box | None, Box | None] = (None, None),
) -> MaskMetrics:
    """Measure a predicted mask against its reference: overlap, surface distances, volume, lesions.

    Args:
        prediction: Boolean, shape (X, Y, Z), any memory order.
        reference: Same shape.
        spacing_mm: Voxel edge lengths along X, Y, Z.
        nsd_tolerance_mm: Distance up to which a surface counts as right in NSD.
        matcher: Name in MATCHERS: which predicted components belong to which lesion.
        least_lesion_voxels: Lesions and false positives of fewer voxels enter no lesion score; 0 is the matcher's rule.
        probabilities: Floating point, shape (2, X, Y, Z), background and tumour channel after the sigmoid: what the
            two `released_` metrics are computed from, NaN without. No other metric reads them.
        within: Part of the grid that holds every True voxel of the prediction, and of the reference; None is all of it.

    Returns:
        All metrics. An empty mask follows the rule in METRICS: a missed tumour scores 0 and a whole grid diagonal,
        it never vanishes; NaN only where a metric is undefined.

    Raises:
        GeometryError: If a mask is not a boolean 3-D array, the shapes differ, or the spacing is not positive.
        UsageError: If the tolerance is negative or not finite, the matcher unknown, or a probability not in 0 to 1.

    >>> import numpy as np
    >>> reference = np.zeros((4, 4, 4), bool); reference[1, 1, 1:3] = True
    >>> prediction = np.zeros((4, 4, 4), bool); prediction[1, 1, 1] = True
    >>> metrics = evaluate_masks(prediction, reference, spacing_mm=(1, 1, 3))
    >>> metrics.dsc, metrics.hd_mm, metrics.volume_error_ml
    (0.6666666666666666, 3.0, -0.003)
    """
    _check(prediction, reference, spacing_mm, nsd_tolerance_mm)
    rule = find_matcher(matcher).from_size(least_lesion_voxels)
    soft = None if probabilities is None else sum_probabilities(probabilities, reference)
    masks = prediction, reference
    boxes = [box for mask, part in zip(masks, within, strict=True) if (box := bounding_box(mask, part))]
    pair = _measure(masks, boxes, spacing_mm, nsd_tolerance_mm, matcher=rule, soft=soft)
    values: dict[str, Any] = {key: metric.value(pair) for key, metric in metrics_of(rule.name).items()}
    return MaskMetrics(**values, empty=pair.empty, lesions=pair.lesions, ignored_false=pair.ignored_false)


def _check(prediction: BoolArray, reference: BoolArray, spacing_mm: Spacing, nsd_tolerance_mm: float) -> None:
    check_mask(prediction, "prediction")
    check_mask(reference, "reference")
    check_spacing(spacing_mm)
    if prediction.shape != reference.shape:
        received = f"prediction {prediction.shape}, reference {reference.shape} voxels"
        todo = "Resample the prediction to the grid of the reference with nearest-neighbour interpolation"
        raise GeometryError("Prediction and reference differ in shape", received=received, todo=todo)
    if not (math.isfinite(nsd_tolerance_mm) and nsd_tolerance_mm >= 0):
        raise UsageError("The NSD tolerance must be a finite length of 0 mm or more", received=nsd_tolerance_mm)


def _measure(
    masks: tuple[BoolArray, BoolArray],
    boxes: Sequence[Box],
    spacing_mm: Spacing,
    nsd_tolerance_mm: float,
    *,
    matcher: Matcher,
    soft: SoftOverlap | None,
) -> MaskPair:
    """The measurements; a box around each mask that is not empty."""
    prediction, reference = masks
    counts, distances, by_area = Counts(tp=0, fp=0, fn=0, tn=prediction.size), None, math.nan
    rows: tuple[LesionMetrics, ...] = ()
    ignored_false = 0
    diagonal_mm = math.hypot(*(n * s for n, s in zip(prediction.shape, spacing_mm, strict=True)))
    if boxes:
        box = union_box(boxes[0], boxes[-1])
        cropped = crop(prediction, box), crop(reference, box)
        counts = count(*cropped, grid_voxels=prediction.size)
        matching = match_masks(*cropped, spacing_mm=spacing_mm, matcher=matcher)
        if len(boxes) == 2:
            first, second = (places(surface, cropped[0].shape) for surface in matching.surfaces)
            distances = distances_between(first, second, spacing_mm=spacing_mm)
            by_area = nsd_area(*cropped, spacing_mm=spacing_mm, tolerance_mm=nsd_tolerance_mm)
        ignored_false = count_ignored_false(matching)
        rows = measure_lesions(
            matching,
            origin=(box[0].start, box[1].start, box[2].start),
            grid_diagonal_mm=diagonal_mm,
            distances=distances,
        )
    return MaskPair(
        counts=counts,
        distances=distances,
        nsd_area=by_area,
        lesions=rows,
        soft=soft,
        ignored_false=ignored_false,
        voxel_ml=math.prod(spacing_mm) / 1000,
        grid_diagonal_mm=diagonal_mm,
        nsd_tolerance_mm=nsd_tolerance_mm,
    )
