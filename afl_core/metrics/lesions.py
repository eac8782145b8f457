"""Lesion by lesion: which reference lesions were found, how well, and which predicted ones are false.

A lesion is a 26-connected component. What matches what is decided by a `Matcher`; sharing a voxel is the default.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from afl_core.base.jit import jit
from afl_core.metrics.components import Flat, Integers, Labels
from afl_core.metrics.lesion_distances import lesion_distances
from afl_core.metrics.lesion_places import Voxel, central_voxels
from afl_core.metrics.lesion_shares import voxels_in_region
from afl_core.metrics.matchers import MATCHERS, Matching, match_masks
from afl_core.metrics.surface import SurfaceDistances
from afl_core.regions import BoolArray, union_box
from afl_core.volume import Box, Spacing

Values = Sequence[Sequence[float]]
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class LesionMetrics:
    """One reference lesion, or one predicted component that is matched to none.

    Attributes:
        lesion_id: Reference lesions are 1, 2, ... by volume, largest first; false positives go on from there.
        kind: A lesion of the reference, one that the matcher leaves out of all scores, or a false positive.
        volume_ml: Volume of the lesion, or of the false positive.
        dsc: Dice between the lesion and all predicted components matched to it, each whole, as in the lesion-wise
            Dice of BraTS 2023. A component matched to several lesions counts whole for each of them, so merging two
            lesions costs both. 0 for a missed lesion and for a false positive.
        detected: True if any predicted component is matched to the lesion; False for a false positive.
        centroid_voxel: The voxel of the lesion nearest (in mm) to its centre of mass, so it always lies inside it.
        overlap_ml: Volume of the lesion that its matched components cover.
        predicted_ml: Volume of the predicted components behind the row.
        predicted_components: Numbers of those components: 1, 2, ... by volume among all predicted components.
        reference_components: Numbers of the reference components that make up the lesion, by volume among all. Only a
            matcher that merges lesions gives more than `(lesion_id,)`. None for a false positive.
        dsc_in_region: The same as `dsc`, but a component matched to several lesions is divided among them: each of its
            voxels counts for the nearest one (either at equal distance). It says how well the lesion is outlined where
            `dsc` also says that it was merged; the two are equal where no component is shared.
        hd95_mm: HD95 between the surfaces of the lesion and of its matched components, each whole. For a missed
            lesion and a false positive the diagonal of the grid, or the penalty of the matcher.
        assd_mm: Average symmetric surface distance between them, with the same rule.
        nearest_mm: Distance from the lesion to the nearest predicted voxel, matched or not, between voxel centres; for
            a false positive to the nearest reference voxel. 0 where they share a voxel, the diagonal of the grid where
            the other mask is empty.
    """

    lesion_id: int
    kind: Literal["reference", "ignored", "false_positive"]
    volume_ml: float
    dsc: float
    detected: bool
    centroid_voxel: Voxel
    overlap_ml: float
    predicted_ml: float
    predicted_components: tuple[int, ...]
    reference_components: tuple[int, ...] = ()
    dsc_in_region: float = math.nan
    hd95_mm: float = math.nan
    assd_mm: float = math.nan
    nearest_mm: float = math.nan

    def as_dict(self) -> dict[str, object]:
        """The fields as a table row."""
        return asdict(self)


def match_lesions(
    prediction: BoolArray, reference: BoolArray, *, spacing_mm: Spacing, origin: Voxel = (0, 0, 0)
) -> tuple[LesionMetrics, ...]:
    """Match the lesions of two masks by any overlap, without what takes longer: the last four fields stay NaN.

    Args:
        prediction: Shape (X, Y, Z), possibly a crop that holds every True voxel of both masks.
        reference: Same shape.
        spacing_mm: Voxel edge lengths.
        origin: Index of the crop's first voxel in the whole grid.

    Returns:
        The reference lesions, then the false positives, each by volume; no row for two empty masks.
    """
    matching = match_masks(prediction, reference, spacing_mm=spacing_mm, matcher=MATCHERS["overlap"])
    return lesion_rows(matching, origin=origin)


def lesion_rows(matching: Matching, *, origin: Voxel) -> tuple[LesionMetrics, ...]:
    """The rows of a matching; see `match_lesions`."""
    unknown = [(math.nan,) * 4]
    lesions, components = len(matching.lesion_voxels) + 1, len(matching.component_voxels) + 1
    return _rows(matching, origin, unknown * lesions, unknown * components)


def _rows(m: Matching, origin: Voxel, of_lesion: Values, of_component: Values) -> tuple[LesionMetrics, ...]:
    """The rows, whose last four fields are known by the number of a lesion and of a false component."""
    count, ml = len(m.lesion_voxels), math.prod(m.spacing_mm) / 1000
    sizes, overlaps, predicted = m.lesion_voxels, _overlap_voxels(m)[1:], _predicted_voxels(m)[1:]
    starts = np.searchsorted(m.pairs[:, 0], np.arange(1, count + 2)).tolist()
    matched = m.pairs[:, 1].tolist()
    columns = zip(
        ["ignored" if ignored else "reference" for ignored in (sizes <= m.matcher.ignored_up_to_voxels).tolist()],
        (sizes * ml).tolist(),
        (2 * overlaps / (sizes + predicted)).tolist(),
        [first < last for first, last in pairwise(starts)],
        central_voxels(m.lesions, m.inside[1], count, spacing_mm=m.spacing_mm, origin=origin),
        (overlaps * ml).tolist(),
        (predicted * ml).tolist(),
        [tuple(matched[first:last]) for first, last in pairwise(starts)],
        m.parts,
        strict=True,
    )
    rows = [LesionMetrics(k, *column, *of_lesion[k]) for k, column in enumerate(columns, start=1)]
    false = (np.flatnonzero(_is_false(m) & ~_is_speck(m)) + 1).tolist()
    centres = _component_centres(m, origin) if false else []
    for k, c in enumerate(false, start=count + 1):
        volume_ml = int(m.component_voxels[c - 1]) * ml
        known = volume_ml, 0.0, False, centres[c - 1], 0.0, volume_ml, (c,), ()
        rows.append(LesionMetrics(k, "false_positive", *known, *of_component[c]))
    return tuple(rows)


def count_ignored_false(matching: Matching) -> int:
    """Number of predicted components that are matched to nothing, and too small to be false positives."""
    return int(np.count_nonzero(_is_false(matching) & _is_speck(matching)))


def _is_false(m: Matching) -> BoolArray:
    """Whether each component is matched to no lesion."""
    return np.isin(np.arange(1, len(m.component_voxels) + 1), m.pairs[:, 1], invert=True)


def _is_speck(m: Matching) -> BoolArray:
    """Whether each component is too small to be a false positive."""
    return np.asarray(m.component_voxels <= (m.matcher.ignored_up_to_voxels if m.matcher.spares_specks else 0))


def measure_lesions(
    matching: Matching, *, origin: Voxel, grid_diagonal_mm: float, distances: SurfaceDistances | None
) -> tuple[LesionMetrics, ...]:
    """The rows of a matching with all their fields.

    Args:
        matching: What belongs to what.
        origin: Index of the crop's first voxel in the whole grid.
        grid_diagonal_mm: Diagonal of the whole grid, for what has no distance.
        distances: Those between the two masks; None where one is empty.
    """
    m, ml = matching, math.prod(matching.spacing_mm) / 1000
    penalty_mm = grid_diagonal_mm if m.matcher.penalty_mm is None else m.matcher.penalty_mm
    lesion_mm, component_mm = _nearest_mm(m, grid_diagonal_mm, distances)
    whole = np.full((4, len(lesion_mm)), math.nan)
    whole[0, 1:] = 2 * (_overlap_voxels(m)[1:] * ml) / (m.lesion_voxels * ml + voxels_in_region(m)[1:] * ml)
    whole[1:3] = lesion_distances(m, distances) if distances else math.nan
    whole[1:3][np.isnan(whole[1:3])] = penalty_mm
    whole[3] = lesion_mm
    false = [(0.0, penalty_mm, penalty_mm, nearest) for nearest in component_mm.tolist()]
    return _rows(m, origin, whole.T.tolist(), false)


def lesion_tp(lesions: Sequence[LesionMetrics]) -> int:
    """Number of reference lesions that were detected."""
    return sum(row.kind == "reference" and row.detected for row in lesions)


def lesion_fp(lesions: Sequence[LesionMetrics]) -> int:
    """Number of predicted components that are matched to no reference lesion."""
    return sum(row.kind == "false_positive" for row in lesions)


def lesion_fn(lesions: Sequence[LesionMetrics]) -> int:
    """Number of reference lesions that were missed."""
    return sum(row.kind == "reference" and not row.detected for row in lesions)


def lesion_f1(lesions: Sequence[LesionMetrics]) -> float:
    """2 TP / (2 TP + FP + FN) over lesions; NaN when no row counts."""
    tp, counted = lesion_tp(lesions), sum(row.kind != "ignored" for row in lesions)
    return 2 * tp / (tp + counted) if counted else math.nan  # TP + FP + FN is the number of rows that count


def lesion_dsc(lesions: Sequence[LesionMetrics]) -> float:
    """Mean of `LesionMetrics.dsc` over the reference lesions; NaN when there is none."""
    values = [row.dsc for row in lesions if row.kind == "reference"]
    return sum(values) / len(values) if values else math.nan


def lesion_dsc_2023(lesions: Sequence[LesionMetrics]) -> float:
    """Mean of `LesionMetrics.dsc` over the reference lesions and the false positives (0); 1 when there is neither."""
    values = [row.dsc for row in lesions if row.kind != "ignored"]
    return sum(values) / len(values) if values else 1.0


class LesionCrops:
    """Cuts out a lesion with its matched components; the bounding boxes are computed when first needed."""

    def __init__(self, matching: Matching) -> None:
        self.matching = matching
        self._boxes: tuple[list[Box], list[Box]] | None = None

    def masks(self, row: LesionMetrics) -> tuple[BoolArray, BoolArray]:
        """The components matched to the lesion of a row, and the lesion, in the box around both."""
        m, numbers = self.matching, list(row.predicted_components)
        if self._boxes is None:
            self._boxes = _boxes(m.lesions), _boxes(m.components)
        box = reduce(union_box, [self._boxes[1][c - 1] for c in numbers], self._boxes[0][row.lesion_id - 1])
        matched = np.zeros(len(m.component_voxels) + 1, dtype=bool)
        matched[numbers] = True
        return matched[m.components[box]], m.lesions[box] == row.lesion_id


def _boxes(labels: Labels) -> list[Box]:
    return [(x, y, z) for x, y, z in find_objects(labels.view(np.int32))]


def _overlap_voxels(m: Matching) -> Integers:
    """Voxels of each lesion (by number, 0 unused) that its matched components cover."""
    width = len(m.component_voxels) + 1
    matched = np.isin(m.shared[:, 0] * width + m.shared[:, 1], m.pairs[:, 0] * width + m.pairs[:, 1])
    lesion, _, voxels = m.shared[matched].T
    return np.bincount(lesion, weights=voxels, minlength=len(m.lesion_voxels) + 1).astype(np.int64)


def _predicted_voxels(m: Matching) -> Integers:
    """Voxels of the components that are matched to each lesion (by number, 0 unused)."""
    lesion, component = m.pairs.T
    weights = m.component_voxels[component - 1]
    return np.bincount(lesion, weights=weights, minlength=len(m.lesion_voxels) + 1).astype(np.int64)


def _component_centres(m: Matching, origin: Voxel) -> list[Voxel]:
    count = len(m.component_voxels)
    return central_voxels(m.components, m.inside[0], count, spacing_mm=m.spacing_mm, origin=origin)


def _nearest_mm(m: Matching, nothing_mm: float, distances: SurfaceDistances | None) -> tuple[Reals, Reals]:
    """Distance of each lesion to the prediction and of each component to the reference, by number (0 unused)."""
    lesions = np.full(len(m.lesion_voxels) + 1, nothing_mm)
    components = np.full(len(m.component_voxels) + 1, nothing_mm)
    lesions[m.shared[:, 0]] = components[m.shared[:, 1]] = 0
    if distances:  # what shares no voxel is nearest to the other mask where their surfaces are
        if lesions[1:].any():
            jit(_lower)(lesions, m.lesions.ravel(), m.surfaces[1], distances.reference)
        if components[1:].any():
            jit(_lower)(components, m.components.ravel(), m.surfaces[0], distances.prediction)
    return lesions, components


def _lower(least: Reals, numbers: Labels, places: Flat, values: Reals) -> None:
    """Lower the entry of each number to the least value at its places."""
    for i in range(len(places)):
        k = numbers[places[i]]
        least[k] = min(least[k], values[i])
