"""A row of a case or a lesion: what it depends on, by which it is known again, and its columns."""

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from afl_core.base.storage import hash_files
from afl_core.data.formats.files import read_header
from afl_core.data.layouts import Cohort
from afl_core.data.voxel_order import placed_by
from afl_core.evaluation.sources import Source
from afl_core.metrics import METRICS, LesionMetrics, evaluate_masks, metrics_of
from afl_core.metrics.matchers import LEAST_LESION_VOXELS, find_matcher
from afl_core.metrics.thresholds import COUNTS_AT, count_thresholds
from afl_core.shape import Shape
from afl_core.volume import Case, Mask, Prediction, Spacing

VERSION = 3
"""Raised when the meaning of a row changes, so that results made before are computed again."""


@dataclass(frozen=True)
class Settings:
    """What a row depends on besides its case and source; one choice for a whole results folder.

    Attributes:
        nsd_tolerance_mm: Distance up to which a surface counts as right in NSD.
        matcher: Name in `MATCHERS`: when a predicted component finds a lesion.
        least_lesion_voxels: Lesions and false positives of fewer voxels enter no lesion score; 0 is the matcher's rule.
        region: Name of the region that is measured and opened first.
        labels: Label scheme that was chosen; "" where it is the data set's own.
        trust_voxel_order: `Case.trust_voxel_order` of the cases.
        more_regions: Names of the regions that are measured besides it.
    """

    nsd_tolerance_mm: float = 1.0
    matcher: str = "overlap"
    least_lesion_voxels: int = 0
    region: str = "whole"
    labels: str = ""
    trust_voxel_order: bool = False
    more_regions: tuple[str, ...] = ()

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of every region that is measured."""
        return self.region, *self.more_regions

    def with_more(self, names: Iterable[str]) -> "Settings":
        """The settings with further regions."""
        more = dict.fromkeys((*self.more_regions, *names))
        return replace(self, more_regions=tuple(name for name in more if name != self.region))

    def is_like(self, other: "Settings") -> bool:
        """Whether both measure in the same way; results can take on further regions later."""
        return replace(self, more_regions=()) == replace(other, more_regions=())


SETTINGS = Settings(least_lesion_voxels=LEAST_LESION_VOXELS)
"""Settings of results that choose none; folders without a record of the least size had none."""


def choose_settings(
    nsd_tolerance_mm: float, matcher: str, least_lesion_voxels: int | None, *, held: Settings
) -> Settings:
    """The settings that are asked for; a least size that nobody chose is that of the results that are there.

    Args:
        nsd_tolerance_mm: As in `Settings`.
        matcher: Name in `MATCHERS`, in capitals or not.
        least_lesion_voxels: As in `Settings`; None for the default of the matcher.
        held: `Results.settings` of the folder.
    """
    rule = find_matcher(matcher)
    least = held.least_lesion_voxels if least_lesion_voxels is None and held.matcher == rule.name else None
    return Settings(nsd_tolerance_mm, rule.name, rule.least_voxels(least_lesion_voxels if least is None else least))


def settings_for(cohort: Cohort, settings: Settings = SETTINGS) -> Settings:
    """The settings with what a cohort says: regions, labels, and whether the order of voxels is trusted."""
    trust = cohort.trust_voxel_order
    settings = replace(settings, region=cohort.region.name, labels=cohort.labels, trust_voxel_order=trust)
    return settings.with_more(region.name for region in cohort.more_regions)


Known = tuple[str, str, str]
"""Names of a source and a region and key of a row, which together say that the row is there."""


def row_key(case: Case, source: Source, settings: Settings) -> str:
    """Content address of a row: version, settings, the reference's bytes and everything the prediction depends on.

    The name of the source is no part of it: a source that was renamed is the same.
    """
    reference = hash_files([case.reference] if case.reference else [])
    measured = {"nsd_tolerance_mm": settings.nsd_tolerance_mm, "matcher": settings.matcher}
    measured |= {"least_lesion_voxels": settings.least_lesion_voxels} if settings.least_lesion_voxels else {}
    measured |= {"lesion_dsc": 2023} if metrics_of(settings.matcher) is not METRICS else {}  # of nothing it was NaN
    region = [case.region.key] if case.region.key else []  # the labels that it really takes, by whatever name
    trusted = case.reference if case.trust_voxel_order else None
    placed = ["trusted", read_header(placed_by(case, trusted), any_axes=True).affine.tolist()] if trusted else []
    parts = [VERSION, measured, case.case_id, reference, source.key(case), *region, *placed]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def measure_rows(
    of: tuple[Case, str], prediction: Prediction, reference: Mask, shape: Shape, *, settings: Settings
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The row of a case and the rows of its lesions.

    Args:
        of: The case and the name of the source.
        prediction: Prediction of the source.
        reference: The reference of the case, on the same grid.
        shape: Description of the reference.
        settings: Settings of the measurement.
    """
    case, source = of
    metrics = evaluate_masks(
        prediction.mask.array,
        reference.array,
        spacing_mm=reference.spacing_mm,
        nsd_tolerance_mm=settings.nsd_tolerance_mm,
        matcher=settings.matcher,
        least_lesion_voxels=settings.least_lesion_voxels,
        probabilities=prediction.probabilities,
        within=(prediction.mask.within, reference.within),
    )
    row = {
        "case_id": case.case_id,
        "group": case.group,
        "source": source,
        "region": case.region.name,
        "reference_volume_ml": shape.volume_ml,
        "predicted_volume_ml": prediction.mask.volume_ml,
        "reference_lesions": shape.n_components,
        "ignored_lesions": sum(lesion.kind == "ignored" for lesion in metrics.lesions),
        "ignored_false_lesions": metrics.ignored_false,
        "surface_area_mm2": shape.surface_area_mm2,
        "slice_thickness_mm": max(reference.spacing_mm),
        "roughness": shape.roughness,
        "sphericity": shape.sphericity,
        "compactness": shape.compactness,
        "elongation": shape.elongation,
        "released_smoothness": shape.released_smoothness,
        "empty": metrics.empty,
        "note": prediction.note,
        **metrics.as_dict(),
    }
    apart = other_lesion_mm(metrics.lesions, reference.spacing_mm)
    return row, [
        {**_lesion_row(case, source, lesion, shape), "other_lesion_mm": apart.get(lesion.lesion_id, math.nan)}
        for lesion in metrics.lesions
    ]


def other_lesion_mm(lesions: Sequence[LesionMetrics], spacing_mm: Spacing) -> dict[int, float]:
    """Distance from the centre of each lesion of the reference to that of the nearest other one, by `lesion_id`.

    A centre is `LesionMetrics.centroid_voxel`. Lesions that the matcher leaves out do not count, and a single lesion
    has no distance.
    """
    counted = [lesion for lesion in lesions if lesion.kind == "reference"]
    if len(counted) < 2:
        return {}
    centres = np.array([lesion.centroid_voxel for lesion in counted]) * spacing_mm
    apart = cdist(centres, centres)
    np.fill_diagonal(apart, math.inf)
    return {lesion.lesion_id: float(mm) for lesion, mm in zip(counted, apart.min(axis=0), strict=True)}


def measure_curve(
    of: tuple[Case, str], prediction: Prediction, reference: Mask, *, settings: Settings
) -> dict[str, Any] | None:
    """The counts of a case at every threshold, a row of `curves.parquet`; None where only a mask is known."""
    if prediction.tumour is None:
        return None
    rule = find_matcher(settings.matcher).from_size(settings.least_lesion_voxels)
    least = rule.ignored_up_to_voxels + 1
    counts = count_thresholds(
        prediction.tumour, reference.array, least=least, least_false=least if rule.spares_specks else 1
    )
    case, source = of
    return {
        "case_id": case.case_id,
        "source": source,
        "region": case.region.name,
        "reference_voxels": counts.reference,
        "voxel_ml": math.prod(reference.spacing_mm) / 1000,
        **{name: getattr(counts, name) for name in COUNTS_AT},
    }


def _lesion_row(case: Case, source: str, lesion: LesionMetrics, shape: Shape) -> dict[str, Any]:
    x, y, z = lesion.centroid_voxel
    parts = lesion.reference_components  # more than one where the matcher merges lesions: then no roughness of its own
    return {
        "case_id": case.case_id,
        "source": source,
        "region": case.region.name,
        "lesion_id": lesion.lesion_id,
        "kind": lesion.kind,
        "volume_ml": lesion.volume_ml,
        "roughness": shape.lesion_roughness[parts[0] - 1] if len(parts) == 1 else math.nan,
        "dsc": lesion.dsc,
        "dsc_in_region": lesion.dsc_in_region,
        "hd95_mm": lesion.hd95_mm,
        "assd_mm": lesion.assd_mm,
        "nearest_mm": lesion.nearest_mm,
        "detected": lesion.detected,
        "overlap_ml": lesion.overlap_ml,
        "predicted_ml": lesion.predicted_ml,
        "predicted_components": list(lesion.predicted_components),
        "x": x,
        "y": y,
        "z": z,
    }
