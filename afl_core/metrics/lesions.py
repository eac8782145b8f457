"""Lesion by lesion: which reference lesions were found, how well, and which predicted ones are false.

A lesion is a 26-connected component. A reference lesion and a predicted component match when they share a voxel.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from afl_core.regions import BoolArray, label_lesions
from afl_core.volume import Spacing

Voxel = tuple[int, int, int]
Labels = NDArray[np.uint32]


@dataclass(frozen=True)
class LesionMetrics:
    """One reference lesion, or one predicted component that touches none.

    Attributes:
        lesion_id: Reference lesions are 1, 2, ... by volume, largest first; false positives go on from there.
        kind: Whether the row is a lesion of the reference or a false positive.
        volume_ml: Volume of the lesion, or of the false positive.
        dsc: Dice between the lesion and all predicted components that touch it, each whole, as in the lesion-wise
            Dice of BraTS 2023 without its dilation. A component that touches several lesions counts whole for each of
            them, so merging two lesions costs both. 0 for a missed lesion and for a false positive.
        detected: True if any predicted component touches the lesion; False for a false positive.
        centroid_voxel: The voxel of the lesion nearest (in mm) to its centre of mass, so it always lies inside it.
        overlap_ml: Volume of the lesion that is predicted.
        predicted_ml: Volume of the predicted components behind the row.
        predicted_components: Their numbers: 1, 2, ... by volume among all predicted components.
    """

    lesion_id: int
    kind: Literal["reference", "false_positive"]
    volume_ml: float
    dsc: float
    detected: bool
    centroid_voxel: Voxel
    overlap_ml: float
    predicted_ml: float
    predicted_components: tuple[int, ...]

    def as_dict(self) -> dict[str, object]:
        """The fields as a table row."""
        return asdict(self)


def match_lesions(
    prediction: BoolArray, reference: BoolArray, *, spacing_mm: Spacing, origin: Voxel = (0, 0, 0)
) -> tuple[LesionMetrics, ...]:
    """Match the lesions of two masks by any overlap.

    Args:
        prediction: Shape (X, Y, Z), possibly a crop that holds every True voxel of both masks.
        reference: Same shape.
        spacing_mm: Voxel edge lengths.
        origin: Index of the crop's first voxel in the whole grid.

    Returns:
        The reference lesions, then the false positives, each by volume; no row for two empty masks.
    """
    (labels, sizes), (components, component_sizes) = label_lesions(reference), label_lesions(prediction)
    lesion, component, shared = _overlaps(labels, components, np.flatnonzero(prediction & reference))
    ml = math.prod(spacing_mm) / 1000
    rows = []
    for k, centre in enumerate(_central_voxels(labels, reference, spacing_mm, origin), start=1):
        touching, overlap = component[lesion == k], int(shared[lesion == k].sum())
        size, predicted = int(sizes[k - 1]), int(component_sizes[touching - 1].sum())
        rows.append(
            LesionMetrics(
                lesion_id=k,
                kind="reference",
                volume_ml=size * ml,
                dsc=2 * overlap / (size + predicted),
                detected=overlap > 0,
                centroid_voxel=centre,
                overlap_ml=overlap * ml,
                predicted_ml=predicted * ml,
                predicted_components=tuple(touching.tolist()),
            )
        )
    false = np.setdiff1d(np.arange(1, len(component_sizes) + 1), component).tolist()
    centres = _central_voxels(components, prediction, spacing_mm, origin) if false else []
    for k, c in enumerate(false, start=len(rows) + 1):
        volume_ml = int(component_sizes[c - 1]) * ml
        rows.append(LesionMetrics(k, "false_positive", volume_ml, 0.0, False, centres[c - 1], 0.0, volume_ml, (c,)))
    return tuple(rows)


def lesion_tp(lesions: Sequence[LesionMetrics]) -> int:
    """Number of reference lesions that were detected."""
    return sum(row.detected for row in lesions)


def lesion_fp(lesions: Sequence[LesionMetrics]) -> int:
    """Number of predicted components that touch no reference lesion."""
    return sum(row.kind == "false_positive" for row in lesions)


def lesion_fn(lesions: Sequence[LesionMetrics]) -> int:
    """Number of reference lesions that were missed."""
    return sum(row.kind == "reference" and not row.detected for row in lesions)


def lesion_f1(lesions: Sequence[LesionMetrics]) -> float:
    """2 TP / (2 TP + FP + FN) over lesions; NaN when there is no row."""
    tp = lesion_tp(lesions)
    return 2 * tp / (tp + len(lesions)) if lesions else math.nan  # TP + FP + FN is the number of rows


def lesion_dsc(lesions: Sequence[LesionMetrics]) -> float:
    """Mean of `LesionMetrics.dsc` over the reference lesions; NaN when there is none. False positives do not enter."""
    values = [row.dsc for row in lesions if row.kind == "reference"]
    return sum(values) / len(values) if values else math.nan


def _overlaps(
    labels: Labels, components: Labels, shared: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Lesion number, component number and number of shared voxels of each pair that shares any."""
    lesion, component = labels.ravel()[shared].astype(np.int64), components.ravel()[shared]
    width = int(component.max(initial=0)) + 1
    pairs, voxels = np.unique(lesion * width + component, return_counts=True)
    return pairs // width, pairs % width, voxels


def _central_voxels(labels: Labels, mask: BoolArray, spacing_mm: Spacing, origin: Voxel) -> list[Voxel]:
    """The voxel of each lesion that is nearest to its centre of mass, shifted by `origin`."""
    inside = np.flatnonzero(mask)
    lesion = labels.ravel()[inside]
    axes = np.unravel_index(inside, mask.shape)
    sizes = np.bincount(lesion)[1:]
    centres = np.column_stack([np.bincount(lesion, weights=axis)[1:] for axis in axes]) / sizes[:, None]
    central = np.rint(centres).astype(np.int64)
    outside = labels[tuple(central.T)] != np.arange(1, len(sizes) + 1)
    for k in np.flatnonzero(outside):  # hollow or bent: the rounded centre is not part of the lesion
        voxels = np.column_stack([axis[lesion == k + 1] for axis in axes])
        apart_mm = (voxels - centres[k]) * np.array(spacing_mm)
        central[k] = voxels[(apart_mm**2).sum(axis=1).argmin()]
    return [(int(x), int(y), int(z)) for x, y, z in central + np.array(origin)]
