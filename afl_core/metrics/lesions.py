"""Lesion by lesion: which reference lesions were found, how well, and which predicted ones are false.

A lesion is a 26-connected component. What matches what is decided by a `Matcher`; sharing a voxel is the default.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from afl_core.base.jit import jit
from afl_core.metrics.lesion_shares import voxels_in_region
from afl_core.metrics.matchers import MATCHERS, Integers, Labels, Matching, match_masks
from afl_core.metrics.surface import SurfaceDistances, assd_mm, compute_surface_distances, hd95_mm, surface_voxels
from afl_core.regions import BoolArray, union_box
from afl_core.volume import Box, Spacing

Voxel = tuple[int, int, int]
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
    m, ml = matching, math.prod(matching.spacing_mm) / 1000
    lesion, component = m.pairs.T
    overlaps = _overlap_voxels(m)
    rows = []
    for k, centre in enumerate(_central_voxels(m.lesions, m.spacing_mm, origin), start=1):
        matched, overlap = component[lesion == k], int(overlaps[k])
        size, predicted = int(m.lesion_voxels[k - 1]), int(m.component_voxels[matched - 1].sum())
        ignored = size <= m.matcher.ignored_up_to_voxels
        rows.append(
            LesionMetrics(
                lesion_id=k,
                kind="ignored" if ignored else "reference",
                volume_ml=size * ml,
                dsc=2 * overlap / (size + predicted),
                detected=len(matched) > 0,
                centroid_voxel=centre,
                overlap_ml=overlap * ml,
                predicted_ml=predicted * ml,
                predicted_components=tuple(matched.tolist()),
                reference_components=m.parts[k - 1],
            )
        )
    false = (np.flatnonzero(_is_false(m) & ~_is_speck(m)) + 1).tolist()
    centres = _central_voxels(m.components, m.spacing_mm, origin) if false else []
    for k, c in enumerate(false, start=len(rows) + 1):
        volume_ml = int(m.component_voxels[c - 1]) * ml
        rows.append(LesionMetrics(k, "false_positive", volume_ml, 0.0, False, centres[c - 1], 0.0, volume_ml, (c,)))
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
    rows = lesion_rows(matching, origin=origin)
    voxel_ml = math.prod(matching.spacing_mm) / 1000
    penalty_mm = grid_diagonal_mm if matching.matcher.penalty_mm is None else matching.matcher.penalty_mm
    region_ml = voxels_in_region(matching) * voxel_ml
    lesion_mm, component_mm = _nearest_mm(matching, grid_diagonal_mm, distances)
    crops = LesionCrops(matching)
    measured = []
    for row in rows:
        if row.kind == "false_positive":
            nearest, in_region = component_mm[row.predicted_components[0]], 0.0
        else:
            nearest = lesion_mm[row.lesion_id]
            in_region = 2 * row.overlap_ml / (row.volume_ml + float(region_ml[row.lesion_id]))
        hd95, assd = penalty_mm, penalty_mm
        if row.detected:
            alone = len(rows) == 1 and len(matching.component_voxels) == len(row.predicted_components)
            apart = distances if distances and alone else crops.distances(row)
            hd95, assd = hd95_mm(apart), assd_mm(apart)
        measured.append(replace(row, dsc_in_region=in_region, hd95_mm=hd95, assd_mm=assd, nearest_mm=float(nearest)))
    return tuple(measured)


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

    def distances(self, row: LesionMetrics) -> SurfaceDistances:
        """Surface distances between the lesion of a row and its components."""
        return compute_surface_distances(*self.masks(row), spacing_mm=self.matching.spacing_mm)


def _boxes(labels: Labels) -> list[Box]:
    return [(x, y, z) for x, y, z in find_objects(labels.view(np.int32))]


def _overlap_voxels(m: Matching) -> Integers:
    """Voxels of each lesion (by number, 0 unused) that its matched components cover."""
    width = len(m.component_voxels) + 1
    matched = np.isin(m.shared[:, 0] * width + m.shared[:, 1], m.pairs[:, 0] * width + m.pairs[:, 1])
    lesion, _, voxels = m.shared[matched].T
    return np.bincount(lesion, weights=voxels, minlength=len(m.lesion_voxels) + 1).astype(np.int64)


def _nearest_mm(m: Matching, nothing_mm: float, distances: SurfaceDistances | None) -> tuple[Reals, Reals]:
    """Distance of each lesion to the prediction and of each component to the reference, by number (0 unused)."""
    lesions = np.full(len(m.lesion_voxels) + 1, nothing_mm)
    components = np.full(len(m.component_voxels) + 1, nothing_mm)
    lesions[m.shared[:, 0]] = components[m.shared[:, 1]] = 0
    if distances:  # what shares no voxel is nearest to the other mask where their surfaces are
        if lesions[1:].any():
            np.minimum.at(lesions, m.lesions[surface_voxels(m.reference)], distances.reference)
        if components[1:].any():
            np.minimum.at(components, m.components[surface_voxels(m.prediction)], distances.prediction)
    return lesions, components


def _central_voxels(labels: Labels, spacing_mm: Spacing, origin: Voxel) -> list[Voxel]:
    """The voxel of each lesion that is nearest to its centre of mass, shifted by `origin`."""
    sums = np.zeros((int(labels.max(initial=0)) + 1, 4))  # voxels, and their x, y, z
    jit(_add_moments)(labels, sums)
    centres = sums[1:, 1:] / sums[1:, :1]
    central = np.rint(centres).astype(np.int64)
    outside = labels[tuple(central.T)] != np.arange(1, len(sums))
    if outside.any():  # hollow or bent: the rounded centre is not part of the lesion
        nearest = np.empty_like(central)
        jit(_find_nearest)(labels, centres, np.square(spacing_mm), nearest)
        central[outside] = nearest[outside]
    return [(int(x), int(y), int(z)) for x, y, z in central + np.array(origin)]


def _add_moments(labels: Labels, sums: Reals) -> None:
    for x in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            for z in range(labels.shape[2]):
                k = labels[x, y, z]
                if k:
                    sums[k, 0] += 1
                    sums[k, 1] += x
                    sums[k, 2] += y
                    sums[k, 3] += z


def _find_nearest(labels: Labels, centres: Reals, weights: Reals, nearest: Integers) -> None:
    """Fill in the voxel of each label that is nearest to the label's centre; the first in memory of equal ones."""
    least = np.full(len(centres), np.inf)
    for x, y, z in np.ndindex(labels.shape):
        k = labels[x, y, z]
        if k:
            c = centres[k - 1]
            apart = (x - c[0]) ** 2 * weights[0] + (y - c[1]) ** 2 * weights[1] + (z - c[2]) ** 2 * weights[2]
            if apart < least[k - 1]:
                least[k - 1] = apart
                nearest[k - 1, 0], nearest[k - 1, 1], nearest[k - 1, 2] = x, y, z
