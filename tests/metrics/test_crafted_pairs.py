"""Small pairs whose metrics were worked out by hand."""

from math import sqrt

import numpy as np
import pytest

from afl_core.metrics import METRICS, evaluate_masks


def voxels(*points, shape=(10, 10, 10)):
    mask = np.zeros(shape, bool)
    for point in points:
        mask[point] = True
    return mask


def box(start, stop):
    return voxels(np.s_[start:stop, start:stop, start:stop])


def bars(*spans):
    return voxels(*[(slice(*span), 5, 5) for span in spans])


def without(mask, *points):
    return mask & ~voxels(*points, shape=mask.shape)


PLATE = voxels(np.s_[2:7, 2:7, 5])
SCATTERED = voxels((1, 1, 1), (1, 1, 8), (1, 8, 1), (8, 1, 1))

PAIRS = {  # prediction, reference, spacing in mm, metrics
    "one voxel, right": (
        voxels((5, 5, 5)),
        voxels((5, 5, 5)),
        (1, 1, 1),
        {
            "dsc": 1,
            "iou": 1,
            "hd_mm": 0,
            "hd95_mm": 0,
            "assd_mm": 0,
            "nsd": 1,
            "nsd_area": 1,
            "lesion_f1": 1,
            "lesion_dsc": 1,
        },
    ),
    "one voxel, beside it": (
        voxels((5, 5, 6)),
        voxels((5, 5, 5)),
        (1, 1, 1),
        {"dsc": 0, "hd_mm": 1, "assd_mm": 1, "nsd": 1, "lesion_tp": 0, "lesion_fp": 1, "lesion_fn": 1, "lesion_f1": 0},
    ),
    "voxels that touch by a corner are one lesion": (
        voxels((1, 1, 1)),
        voxels((1, 1, 1), (2, 2, 2)),
        (1, 1, 1),
        {"dsc": 2 / 3, "hd_mm": sqrt(3), "assd_mm": sqrt(3) / 3, "lesion_tp": 1, "lesion_fn": 0, "lesion_dsc": 2 / 3},
    ),
    "voxels that touch by a corner, the lesion predicted whole": (
        voxels((1, 1, 1), (2, 2, 2), (3, 3, 3)),
        voxels((1, 1, 1), (2, 2, 2)),
        (1, 2, 2),
        {"dsc": 4 / 5, "hd_mm": 3, "assd_mm": 3 / 5, "lesion_tp": 1, "lesion_fp": 0, "lesion_dsc": 4 / 5},
    ),
    "a step along the thick slices": (
        voxels(np.s_[5, 5, 4:7]),
        voxels(np.s_[5, 5, 3:6]),
        (0.5, 0.5, 3),  # 3 0 0 and 0 0 3; the percentile lies at position 0.95 * 2 = 1.9
        {"dsc": 2 / 3, "iou": 0.5, "hd_mm": 3, "hd95_mm": 2.7, "assd_mm": 1, "nsd": 4 / 6, "volume_error_ml": 0},
    ),
    "a step along the wide axis": (
        voxels(np.s_[3:5, 2:4, 2:4]),
        voxels(np.s_[2:4, 2:4, 2:4]),
        (2, 1, 1),
        {"dsc": 0.5, "iou": 1 / 3, "hd_mm": 2, "hd95_mm": 2, "assd_mm": 1, "nsd": 0.5},
    ),
    "a hollow 3-cube has the surface of a full one": (
        without(box(2, 5), (3, 3, 3)),
        box(2, 5),
        (1, 1, 2),
        {"dsc": 52 / 53, "hd_mm": 0, "assd_mm": 0, "nsd": 1, "volume_error_ml": -0.002, "sensitivity": 26 / 27},
    ),
    "a hollow 5-cube has six more surface voxels, 1 mm deep": (
        without(box(2, 7), (4, 4, 4)),
        box(2, 7),
        (1, 1, 1),  # 98 zeros and 6 ones: position 0.95 * 103 = 97.85
        {"dsc": 248 / 249, "hd_mm": 1, "hd95_mm": 0.85, "assd_mm": 6 / 202, "nsd": 1},
    ),
    "a ring for a plate": (
        PLATE & ~voxels(np.s_[3:6, 3:6, 5]),
        PLATE,
        (1, 1, 1),  # 8 inner voxels at 1, the centre at 2
        {"dsc": 32 / 41, "sensitivity": 16 / 25, "precision": 1, "hd_mm": 2, "assd_mm": 10 / 41, "nsd": 40 / 41},
    ),
    "a 3-cube inside a 5-cube": (
        box(3, 6),
        box(2, 7),
        (1, 1, 1),
        {
            "dsc": 54 / 152,
            "precision": 1,
            "sensitivity": 27 / 125,
            "hd_mm": sqrt(3),
            "assd_mm": (26 + 54 + 36 * sqrt(2) + 8 * sqrt(3)) / 124,
            "nsd": 80 / 124,
            "relative_volume_error": -98 / 125,
        },
    ),
    "opposite corners of the array": (
        voxels((9, 9, 9)),
        voxels((0, 0, 0)),
        (1, 2, 3),
        {"dsc": 0, "hd_mm": 9 * sqrt(14), "assd_mm": 9 * sqrt(14), "nsd": 0, "specificity": 998 / 999},
    ),
    "the whole array for one corner": (
        np.ones((3, 3, 3), bool),
        voxels((0, 0, 0), shape=(3, 3, 3)),
        (1, 1, 1),
        {"sensitivity": 1, "specificity": 0, "precision": 1 / 27, "hd_mm": 2 * sqrt(3), "relative_volume_error": 26},
    ),
    "four scattered voxels, two found, one false": (
        voxels((1, 1, 1), (1, 1, 8), (8, 8, 8)),
        SCATTERED,
        (1, 1, 1),
        {
            "dsc": 4 / 7,
            "hd_mm": 7 * sqrt(2),
            "assd_mm": (14 + 7 * sqrt(2)) / 7,
            "lesion_tp": 2,
            "lesion_fp": 1,
            "lesion_fn": 2,
            "lesion_f1": 4 / 7,
            "lesion_dsc": 0.5,
        },
    ),
    "two lesions merged": (
        bars((1, 9)),
        bars((1, 4), (6, 9)),
        (1, 1, 1),
        {"dsc": 12 / 14, "hd_mm": 1, "assd_mm": 2 / 14, "lesion_tp": 2, "lesion_fp": 0, "lesion_dsc": 6 / 11},
    ),
    "a lesion split": (
        bars((1, 4), (6, 9)),
        bars((1, 9)),
        (1, 1, 1),
        {"dsc": 12 / 14, "hd_mm": 1, "assd_mm": 2 / 14, "lesion_tp": 1, "lesion_fp": 0, "lesion_dsc": 12 / 14},
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_pair(name):
    prediction, reference, spacing, expected = PAIRS[name]
    row = evaluate_masks(prediction, reference, spacing_mm=spacing).as_dict()
    assert {key: row[key] for key in expected} == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_every_metric_of_masks_has_a_pair():
    released = {"released_dsc", "released_iou"}  # of probabilities: test_released.py
    assert set().union(*(expected for *_, expected in PAIRS.values())) == set(METRICS) - released
