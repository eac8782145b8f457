"""What a reader steps through in the viewer: lesions, false positives, and where the sources disagree."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from itertools import islice
from typing import Any

import numpy as np
from scipy.ndimage import find_objects

from afl_core.metrics.lesions import LesionMetrics, match_lesions
from afl_core.regions import BoolArray, bounding_box, crop, label_lesions, union_box
from afl_core.volume import Mask, Spacing

MAX_COMPONENTS = 50
"""Components listed of each kind, the largest first: a noisy mask has thousands, and nobody steps through them."""

Spots = list[dict[str, Any]]


def viewer_findings(reference: Mask | None, predictions: Mapping[str, Mask]) -> dict[str, Spots]:
    """Places to step through, each kind by volume, largest first.

    Every place has `voxel`, `volume_ml`, `radius_mm` (of a ball of that volume) and `box` (first and one-past-last
    index along each axis).

    Args:
        reference: Mask of the lesions, or None.
        predictions: Source name to mask on the same grid.

    Returns:
        `lesions`: of the reference, else of all predictions together, with the names that missed them (`missed_by`:
        not one voxel shared). `false_positives`: components that share no voxel with the reference, with the `bit` of
        their source. `disagreements`: components of the voxels on which the predictions are not all equal (with one
        prediction: on which it differs from the reference). Where two predictions and a reference are known, `right`
        holds the share of a disagreement's voxels on which each is right; the two sum to 1.
    """
    everything = [*predictions.values()] if reference is None else [reference, *predictions.values()]
    boxes = [box for mask in everything if (box := bounding_box(mask.array))]
    if not boxes:
        return {"lesions": [], "false_positives": [], "disagreements": []}
    box = reduce(union_box, boxes)
    sources = {name: crop(mask.array, box) for name, mask in predictions.items()}
    truth = None if reference is None else crop(reference.array, box)
    cropped = _Crop(everything[0].spacing_mm, (box[0].start, box[1].start, box[2].start))
    lesions, false_positives = cropped.lesions(truth, sources)
    return {
        "lesions": lesions,
        "false_positives": false_positives,
        "disagreements": cropped.disagreements(truth, list(sources.values())),
    }


class _Crop:
    """Components within a crop of the grid."""

    def __init__(self, spacing_mm: Spacing, origin: tuple[int, int, int]) -> None:
        self.spacing_mm, self.origin = spacing_mm, origin

    def components(self, mask: BoolArray, covered: BoolArray | None = None) -> tuple[LesionMetrics, ...]:
        """Components of a mask, largest first; `covered` counts the voxels of each that are in another mask too."""
        covered = np.zeros_like(mask) if covered is None else covered
        rows = match_lesions(covered, mask, spacing_mm=self.spacing_mm, origin=self.origin)
        return tuple(row for row in rows if row.kind != "false_positive")

    def spots(self, rows: Iterable[LesionMetrics], mask: BoolArray) -> Spots:
        """The first `MAX_COMPONENTS` rows about components of a mask, with where each of these lies."""
        boxes = find_objects(label_lesions(mask)[0])
        return [_spot(row) | {"box": self._placed(boxes[_number(row) - 1])} for row in islice(rows, MAX_COMPONENTS)]

    def _placed(self, box: tuple[slice, ...]) -> list[list[int]]:
        return [[side.start + first, side.stop + first] for side, first in zip(box, self.origin, strict=True)]

    def lesions(self, truth: BoolArray | None, sources: Mapping[str, BoolArray]) -> tuple[Spots, Spots]:
        if truth is None:
            together = np.logical_or.reduce([*sources.values()])
            return [spot | {"missed_by": []} for spot in self.spots(self.components(together), together)], []
        rows = {
            name: match_lesions(mask, truth, spacing_mm=self.spacing_mm, origin=self.origin)
            for name, mask in sources.items()
        }
        lesions = [
            spot | {"missed_by": [name for name, of_source in rows.items() if not of_source[i].detected]}
            for i, spot in enumerate(self.spots(self.components(truth), truth))
        ]
        false_positives = []
        for bit, (name, of_source) in enumerate(rows.items(), 1):
            false = (row for row in of_source if row.kind == "false_positive")
            false_positives += [{"bit": bit} | spot for spot in self.spots(false, sources[name])]
        return lesions, false_positives

    def disagreements(self, truth: BoolArray | None, sources: Sequence[BoolArray]) -> Spots:
        compared = [*sources, truth] if len(sources) == 1 and truth is not None else sources
        if len(compared) < 2:
            return []
        differ = np.logical_or.reduce([mask ^ compared[0] for mask in compared[1:]])
        if truth is None or len(sources) != 2:
            return self.spots(self.components(differ), differ)
        rows = self.components(differ, differ & (sources[0] == truth))
        shares = [row.overlap_ml / row.volume_ml for row in rows]
        return [
            spot | {"right": [share, 1 - share]}
            for spot, share in zip(self.spots(rows, differ), shares, strict=False)  # the first spots alone are listed
        ]


def _number(row: LesionMetrics) -> int:
    """Number of the component that a row is about, by volume among those of its mask."""
    return (row.predicted_components if row.kind == "false_positive" else row.reference_components)[0]


def _spot(row: LesionMetrics) -> dict[str, Any]:
    radius_mm = (row.volume_ml * 1000 * 3 / (4 * np.pi)) ** (1 / 3)  # of a ball of this volume
    return {"voxel": list(row.centroid_voxel), "volume_ml": row.volume_ml, "radius_mm": round(radius_mm, 2)}
