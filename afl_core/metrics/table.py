"""METRICS: what each metric is called, what it means, and what an empty mask gives. Everything shown reads it here."""

import math
from collections.abc import Mapping
from types import MappingProxyType

from afl_core.metrics import overlap, released, surface
from afl_core.metrics.lesion_table import LESION_DSC_2023, LESION_ROWS
from afl_core.metrics.matchers import MATCHERS
from afl_core.metrics.metric import UNDEFINED, MaskPair, Metric

INF = math.inf
TAHA = "Taha and Hanbury, BMC Medical Imaging 15:29 (2015)"
RELEASED = "The authors' released evaluation (AFL-CIBM, revision 1b57412); as 1 - MONAI DiceLoss with squared_pred"
RELEASED_WARNING = (
    "Not the Dice or IoU of a mask: a prediction of nothing but background scores 0.50 on a small tumour, and "
    "calibration moves the score while the mask stays the same. Undefined unless probabilities are given."
)


def _distances(pair: MaskPair) -> surface.SurfaceDistances:
    assert pair.distances is not None  # the empty rule of a surface metric is never "computed"
    return pair.distances


_ROWS = (
    Metric(
        key="dsc",
        label="Dice",
        unit="",
        better="higher",
        range=(0, 1),
        definition="2 TP / (2 TP + FP + FN), over voxels.",
        source=f"{TAHA}; as MONAI DiceMetric",
        both_empty=1,
        reference_empty=0,
        prediction_empty=0,
        function=lambda pair: overlap.dsc(pair.counts),
    ),
    Metric(
        key="iou",
        label="IoU",
        unit="",
        better="higher",
        range=(0, 1),
        definition="TP / (TP + FP + FN), over voxels.",
        source=f"{TAHA}; as MONAI compute_iou",
        both_empty=1,
        reference_empty=0,
        prediction_empty=0,
        function=lambda pair: overlap.iou(pair.counts),
    ),
    Metric(
        key="sensitivity",
        label="Sensitivity",
        unit="",
        better="higher",
        range=(0, 1),
        definition="TP / (TP + FN): the part of the tumour that was found.",
        source=TAHA,
        both_empty=UNDEFINED,
        reference_empty=UNDEFINED,
        prediction_empty=0,
        function=lambda pair: overlap.sensitivity(pair.counts),
    ),
    Metric(
        key="specificity",
        label="Specificity",
        unit="",
        better="higher",
        range=(0, 1),
        definition="TN / (TN + FP) over the whole grid, so it depends on the field of view; undefined if the "
        "reference fills the grid.",
        source=TAHA,
        both_empty="computed",
        reference_empty="computed",
        prediction_empty="computed",
        function=lambda pair: overlap.specificity(pair.counts),
    ),
    Metric(
        key="precision",
        label="Precision",
        unit="",
        better="higher",
        range=(0, 1),
        definition="TP / (TP + FP): the part of the prediction that is tumour.",
        source=TAHA,
        both_empty=UNDEFINED,
        reference_empty=0,
        prediction_empty=0,
        function=lambda pair: overlap.precision(pair.counts),
    ),
    Metric(
        key="hd_mm",
        label="HD",
        unit="mm",
        better="lower",
        range=(0, INF),
        definition="Largest distance from a surface voxel of either mask to the nearest of the other.",
        source=f"{TAHA}; as MONAI HausdorffDistanceMetric",
        both_empty=0,
        reference_empty="grid_diagonal_mm",
        prediction_empty="grid_diagonal_mm",
        function=lambda pair: surface.hd_mm(_distances(pair)),
    ),
    Metric(
        key="hd95_mm",
        label="HD95",
        unit="mm",
        better="lower",
        range=(0, INF),
        definition="The larger of the two directed 95th percentiles of the surface distances (not the percentile "
        "of both pooled). Other definitions can differ much: 2.06 mm was 13.56 mm weighted by area on one real case.",
        source="As MONAI HausdorffDistanceMetric(percentile=95); MedPy pools, DeepMind weights by area",
        both_empty=0,
        reference_empty="grid_diagonal_mm",
        prediction_empty="grid_diagonal_mm",
        function=lambda pair: surface.hd95_mm(_distances(pair)),
    ),
    Metric(
        key="assd_mm",
        label="ASSD",
        unit="mm",
        better="lower",
        range=(0, INF),
        definition="Mean surface distance, both directions pooled.",
        source="As MONAI SurfaceDistanceMetric(symmetric=True)",
        both_empty=0,
        reference_empty="grid_diagonal_mm",
        prediction_empty="grid_diagonal_mm",
        function=lambda pair: surface.assd_mm(_distances(pair)),
    ),
    Metric(
        key="nsd",
        label="Surface Dice",
        unit="",
        better="higher",
        range=(0, 1),
        definition="Part of the surface voxels of both masks within the tolerance (1 mm unless set otherwise, which on "
        "a 1 mm grid is one voxel) of the other surface: voxels are counted. By area it can differ by 0.15.",
        source="Nikolov et al., arXiv 1809.04430; by voxel, as MONAI SurfaceDiceMetric without subvoxels",
        both_empty=1,
        reference_empty=0,
        prediction_empty=0,
        function=lambda pair: surface.nsd(_distances(pair), tolerance_mm=pair.nsd_tolerance_mm),
    ),
    Metric(
        key="nsd_area",
        label="Surface Dice by area",
        unit="",
        better="higher",
        range=(0, 1),
        definition="Part of the area of both surfaces within the tolerance of the other; pieces of marching cubes "
        "between the voxel centres.",
        source="Nikolov et al., arXiv 1809.04430; as DeepMind surface-distance",
        both_empty=1,
        reference_empty=0,
        prediction_empty=0,
        function=lambda pair: pair.nsd_area,
    ),
    Metric(
        key="volume_error_ml",
        label="Volume error",
        unit="ml",
        better="zero",
        range=(-INF, INF),
        definition="Volume of the prediction minus volume of the reference.",
        source="This project",
        both_empty="computed",
        reference_empty="computed",
        prediction_empty="computed",
        function=lambda pair: (pair.counts.predicted - pair.counts.reference) * pair.voxel_ml,
    ),
    Metric(
        key="relative_volume_error",
        label="Relative volume error",
        unit="",
        better="zero",
        range=(-1, INF),
        definition="Volume error over the volume of the reference; undefined where the reference is empty and the "
        "prediction is not.",
        source="This project",
        both_empty=0,
        reference_empty=UNDEFINED,
        prediction_empty=-1,
        function=lambda pair: overlap.relative_volume_error(pair.counts),
    ),
    *LESION_ROWS,
    Metric(
        key="released_dsc",
        label="Released Dice (soft)",
        unit="",
        better="higher",
        range=(0, 1),
        definition="1 minus the soft, squared Dice loss on probabilities, averaged over background and tumour channel. "
        f"{RELEASED_WARNING}",
        source=RELEASED,
        both_empty="computed",
        reference_empty="computed",
        prediction_empty="computed",
        function=lambda pair: released.released_dsc(pair.soft) if pair.soft else UNDEFINED,
    ),
    Metric(
        key="released_iou",
        label="Released IoU (soft)",
        unit="",
        better="higher",
        range=(0, 1),
        definition="1 minus the soft, squared Jaccard loss on probabilities, averaged over background and tumour "
        f"channel. {RELEASED_WARNING}",
        source=RELEASED,
        both_empty="computed",
        reference_empty="computed",
        prediction_empty="computed",
        function=lambda pair: released.released_iou(pair.soft) if pair.soft else UNDEFINED,
    ),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.key: metric for metric in _ROWS})
"""Every metric by its key, in the order in which they are shown."""

_METRICS_2023 = MappingProxyType({**METRICS, LESION_DSC_2023.key: LESION_DSC_2023})


def metrics_of(matcher: str) -> Mapping[str, Metric]:
    """METRICS as they are measured by the matcher of that name; one that is not known leaves them as they are."""
    rule = MATCHERS.get(matcher)
    return _METRICS_2023 if rule and rule.false_positives_score_zero else METRICS
