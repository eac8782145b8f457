"""The rows of METRICS that count or measure single lesions."""

import math
from dataclasses import replace

from afl_core.metrics import lesions
from afl_core.metrics.metric import UNDEFINED, Metric

INF = math.inf
RELOADED = "Maier-Hein et al., Metrics reloaded, Nature Methods 21 (2024)"

LESION_ROWS = (
    Metric(
        key="lesion_tp",
        label="Lesions found",
        unit="",
        better="higher",
        range=(0, INF),
        definition="Reference lesions (26-connected) that the matcher finds; unless set otherwise, those that share a "
        "voxel with the prediction.",
        source=RELOADED,
        both_empty="computed",
        reference_empty="computed",
        prediction_empty="computed",
        function=lambda pair: lesions.lesion_tp(pair.lesions),
    ),
    Metric(
        key="lesion_fp",
        label="False lesions",
        unit="",
        better="lower",
        range=(0, INF),
        definition="Predicted components (26-connected) that belong to no lesion by the matcher; unless set otherwise, "
        "those that share no voxel with the reference.",
        source=RELOADED,
        both_empty="computed",
        reference_empty="computed",
        prediction_empty="computed",
        function=lambda pair: lesions.lesion_fp(pair.lesions),
    ),
    Metric(
        key="lesion_fn",
        label="Lesions missed",
        unit="",
        better="lower",
        range=(0, INF),
        definition="Reference lesions (26-connected) that the matcher does not find; unless set otherwise, those that "
        "share no voxel with the prediction.",
        source=RELOADED,
        both_empty="computed",
        reference_empty="computed",
        prediction_empty="computed",
        function=lambda pair: lesions.lesion_fn(pair.lesions),
    ),
    Metric(
        key="lesion_f1",
        label="Lesion F1",
        unit="",
        better="higher",
        range=(0, 1),
        definition="2 TP / (2 TP + FP + FN), over the lesions found, false and missed.",
        source=RELOADED,
        both_empty=1,
        reference_empty=0,
        prediction_empty=0,
        function=lambda pair: lesions.lesion_f1(pair.lesions),
    ),
    Metric(
        key="lesion_dsc",
        label="Lesion Dice",
        unit="",
        better="higher",
        range=(0, 1),
        definition="Mean over the reference lesions of the Dice between the lesion and all predicted components "
        "matched to it (unless set otherwise, all that touch it), each whole. By the matchers of BraTS 2023 their sum "
        "divided by the number of lesions and false positives.",
        source="As BraTS 2023 without dilation, and without its penalty for false positives; with both by the "
        "matchers brats2023_*",
        both_empty=UNDEFINED,
        reference_empty=UNDEFINED,
        prediction_empty=0,
        function=lambda pair: lesions.lesion_dsc(pair.lesions),
    ),
)
"""In the order in which they are shown."""

LESION_DSC_2023 = replace(
    next(row for row in LESION_ROWS if row.key == "lesion_dsc"),
    definition="Sum over the reference lesions of the Dice between the lesion and all predicted components matched to "
    "it, each whole, divided by the number of lesions and false positives; 1 where there is neither.",
    source="rachitsaluja/BraTS-2023-Metrics",
    both_empty="computed",
    reference_empty="computed",
    prediction_empty="computed",
    function=lambda pair: lesions.lesion_dsc_2023(pair.lesions),
)
"""Lesion Dice by the matchers with which a false positive scores 0, those of BraTS 2023."""
