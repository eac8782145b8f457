import math

import numpy as np
import pytest
from scipy import ndimage

from afl_core.metrics import evaluate_masks
from afl_core.metrics.lesions import match_lesions

SPACING = (1, 1, 2)
VOXEL_ML = 0.002


def line(*spans, shape=(30, 5, 5)):
    mask = np.zeros(shape, bool)
    for start, stop in spans:
        mask[start:stop, 2, 2] = True
    return mask


def rows_of(prediction, reference):
    return evaluate_masks(prediction, reference, spacing_mm=SPACING).lesions


def test_found_missed_and_false():
    rows = rows_of(line((0, 4), (20, 21)), line((2, 8), (12, 15)))
    found, missed, false = rows
    assert [row.lesion_id for row in rows] == [1, 2, 3]
    assert [row.kind for row in rows] == ["reference", "reference", "false_positive"]
    assert [row.detected for row in rows] == [True, False, False]
    assert [row.volume_ml for row in rows] == pytest.approx([6 * VOXEL_ML, 3 * VOXEL_ML, VOXEL_ML])
    assert [row.dsc for row in rows] == pytest.approx([2 * 2 / (6 + 4), 0, 0])
    assert [row.predicted_components for row in rows] == [(1,), (), (2,)]
    assert [row.predicted_ml for row in rows] == pytest.approx([4 * VOXEL_ML, 0, VOXEL_ML])
    assert [row.overlap_ml for row in rows] == pytest.approx([2 * VOXEL_ML, 0, 0])
    assert [row.centroid_voxel[1:] for row in rows] == [(2, 2)] * 3
    assert missed.centroid_voxel[0] == 13
    assert false.centroid_voxel[0] == 20
    assert found.centroid_voxel[0] in (4, 5)


def test_counts_follow_the_rows():
    m = evaluate_masks(line((0, 4), (20, 21)), line((2, 8), (12, 15)), spacing_mm=SPACING)
    assert (m.lesion_tp, m.lesion_fp, m.lesion_fn) == (1, 1, 1)
    assert m.lesion_f1 == 0.5
    assert m.lesion_dsc == pytest.approx(0.2)


def test_a_split_prediction_counts_with_all_its_parts():
    (row,) = rows_of(line((0, 3), (5, 8)), line((1, 7)))
    assert row.dsc == pytest.approx(2 * 4 / (6 + 6))
    assert row.predicted_components == (1, 2)


def test_a_merged_prediction_counts_whole_for_each_lesion():
    rows = rows_of(line((0, 10)), line((0, 4), (7, 10)))
    assert [row.dsc for row in rows] == pytest.approx([2 * 4 / (4 + 10), 2 * 3 / (3 + 10)])
    assert [row.predicted_components for row in rows] == [(1,), (1,)]
    assert [row.predicted_ml for row in rows] == pytest.approx([10 * VOXEL_ML] * 2)


def test_false_positives_are_numbered_by_volume_after_the_lesions():
    rows = rows_of(line((0, 1), (10, 12), (20, 23)), line((5, 8)))
    assert [(row.lesion_id, row.centroid_voxel[0]) for row in rows[1:]] == [
        (2, 21),
        (3, rows[2].centroid_voxel[0]),
        (4, 0),
    ]
    assert [row.predicted_components for row in rows] == [(), (1,), (2,), (3,)]


def test_touching_without_sharing_a_voxel_is_no_match():
    row, false = rows_of(line((4, 8)), line((0, 4)))
    assert not row.detected
    assert false.kind == "false_positive"


def test_the_centroid_of_a_ring_is_on_the_ring_and_nearest_in_mm():
    ring = np.zeros((12, 12, 12), bool)
    ring[2:7, 2:7, 4] = True
    ring[3:6, 3:6, 4] = False
    ring[4, 4, 5] = False
    row = rows_of(np.zeros_like(ring), ring)[0]
    assert ring[row.centroid_voxel]
    voxels = np.argwhere(ring)
    apart = np.linalg.norm((voxels - voxels.mean(axis=0)) * SPACING, axis=1)
    mine = np.linalg.norm((np.array(row.centroid_voxel) - voxels.mean(axis=0)) * SPACING)
    assert mine == pytest.approx(apart.min())


def test_nearest_in_mm_is_not_nearest_in_voxels():
    """Around the hollow centre (3, 3, 3) a step costs 9 mm along X, 4 mm along Y, 1 mm along Z."""
    shell = np.zeros((7, 7, 7), bool)
    shell[2:5, 2:5, 2:5] = True
    shell[3, 3, 3] = False
    row = match_lesions(np.zeros_like(shell), shell, spacing_mm=(9, 4, 1))[0]
    assert row.centroid_voxel in ((3, 3, 2), (3, 3, 4))


def test_voxels_are_those_of_the_whole_grid():
    prediction, reference = np.zeros((2, 20, 20, 20), bool)
    reference[5:8, 6:9, 7:10] = True
    prediction[15, 16, 17] = True
    rows = rows_of(prediction, reference)
    assert rows[0].centroid_voxel == (6, 7, 8)
    assert rows[1].centroid_voxel == (15, 16, 17)


def test_against_a_slow_count():
    rng = np.random.default_rng(3)
    for _ in range(20):
        prediction, reference = rng.random((2, 9, 9, 9)) < 0.06
        rows = rows_of(prediction, reference)
        labels, n = ndimage.label(reference, np.ones((3, 3, 3)))
        components, _ = ndimage.label(prediction, np.ones((3, 3, 3)))
        expected = []
        for k in range(1, n + 1):
            lesion = labels == k
            touching = np.isin(components, np.setdiff1d(components[lesion], 0))
            expected.append((lesion.sum(), 2 * (lesion & touching).sum() / (lesion.sum() + touching.sum())))
        mine = [(round(row.volume_ml / VOXEL_ML), row.dsc) for row in rows if row.kind == "reference"]
        assert np.array(sorted(mine)) == pytest.approx(np.array(sorted(expected)))
        volumes = [row.volume_ml for row in rows if row.kind == "reference"]
        assert volumes == sorted(volumes, reverse=True)
        assert all(reference[row.centroid_voxel] for row in rows if row.kind == "reference")
        assert all(prediction[row.centroid_voxel] for row in rows if row.kind == "false_positive")


def test_no_rows_without_a_mask():
    assert rows_of(line(), line()) == ()
    assert math.isnan(evaluate_masks(line(), line(), spacing_mm=SPACING).lesion_dsc)


def test_row_as_dict():
    row = rows_of(line((0, 4)), line((2, 8)))[0]
    assert row.as_dict()["lesion_id"] == 1
    assert set(row.as_dict()) >= {"lesion_id", "kind", "volume_ml", "dsc", "detected", "centroid_voxel"}
