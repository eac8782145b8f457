"""Small made-up tables in the exact forms in which other tools write them."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

DICE = {"a": 0.5, "b": 0.6, "c": 0.7, "d": 0.9, "e": 0.8, "f": 0.4}
"""Case to its Dice; the mean is 3.9 / 6 = 0.65."""

VOXELS = {"a": 100, "b": 200, "c": 300, "d": 400, "e": 500, "f": 600}


def write_nnunet(
    path: Path, *, gain: float = 0.0, region: str = "1", empty: bool = True, voxels: Mapping[str, int] = VOXELS
) -> Path:
    """nnU-Net's summary.json; the case `g` has no tumour and none is predicted, so its Dice is NaN."""
    cases = []
    for case_id, n_ref in {**voxels, **({"g": 0} if empty else {})}.items():
        dice = DICE[case_id] + gain if case_id in DICE else math.nan
        values = {"Dice": dice, "IoU": dice / (2 - dice), "FN": 1, "FP": 1, "TN": 9, "TP": 5, "n_pred": 6}
        cases.append(
            {
                "metrics": {region: {**values, "n_ref": n_ref}},
                "prediction_file": f"/runs/{path.parent.name}/{case_id}.nii.gz",
                "reference_file": f"/data/labelsTr/{case_id}.nii.gz",
            }
        )
    document = {"foreground_mean": {"Dice": 0.65}, "mean": {region: {"Dice": 0.65}}, "metric_per_case": cases}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=4, sort_keys=True))
    return path
