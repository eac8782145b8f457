"""Distances of single lesions, and Dice where a component covers several."""

import math

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist

from afl_core.metrics import evaluate_masks
from afl_core.metrics.lesions import match_lesions

SPACING = (1, 1, 2)
DIAGONAL = math.sqrt(30**2 + 5**2 + 10**2)


def line(*spans):
    mask = np.zeros((30, 5, 5), bool)
    for start, stop in spans:
        mask[start:stop, 2, 2] = True
    return mask


def rows_of(prediction, reference, spacing=SPACING):
    return evaluate_masks(prediction, reference, spacing_mm=spacing).lesions


def test_found_missed_and_false():
    """To the prediction 0 0 1 2 3 4, back 2 1 0 0; position 0.95 * 5 = 4.75. Voxels 14 and 20 are 6 mm apart."""
    found, missed, false = rows_of(line((0, 4), (20, 21)), line((2, 8), (12, 15)))
    assert found.hd95_mm == pytest.approx(3.75)
    assert found.assd_mm == pytest.approx(1.3)
    assert found.nearest_mm == 0
    assert (missed.hd95_mm, missed.assd_mm) == pytest.approx((DIAGONAL, DIAGONAL))
    assert (false.hd95_mm, false.assd_mm) == pytest.approx((DIAGONAL, DIAGONAL))
    assert missed.nearest_mm == false.nearest_mm == 6


@pytest.mark.parametrize("swap", [False, True])
def test_nothing_there(swap):
    masks = line(), line((2, 8))
    (row,) = rows_of(*masks[::-1] if swap else masks)
    assert (row.hd95_mm, row.assd_mm, row.nearest_mm) == pytest.approx((DIAGONAL,) * 3)
    assert row.dsc_in_region == 0


def test_distance_along_thick_slices():
    prediction, reference = np.zeros((2, 6, 6, 9), bool)
    reference[3, 3, 1] = prediction[3, 3, 7] = True
    assert [row.nearest_mm for row in rows_of(prediction, reference, (0.5, 0.5, 3))] == [18, 18]


def test_a_single_lesion_has_the_distances_of_the_case():
    rng = np.random.default_rng(2)
    noise = ndimage.gaussian_filter(rng.normal(size=(2, 20, 20, 20)), (0, 5, 5, 5))
    masks = noise > 0.5 * noise.std()
    labels = [ndimage.label(mask, np.ones((3, 3, 3)))[0] for mask in masks]
    masks = [label == np.bincount(label[label > 0]).argmax() for label in labels]
    masks[0] = masks[0] | masks[1]
    m = evaluate_masks(*masks, spacing_mm=SPACING)
    (row,) = m.lesions
    assert (row.hd95_mm, row.assd_mm, row.dsc) == (m.hd95_mm, m.assd_mm, m.dsc)
    assert row.dsc_in_region == pytest.approx(m.dsc)


def test_each_lesion_as_if_alone():
    rng = np.random.default_rng(4)
    for _ in range(20):
        shape = rng.integers(1, 12, 3)
        spacing = tuple(rng.uniform(0.3, 4, 3))
        prediction, reference = rng.random((2, *shape)) < 0.06
        lesions, components = (ndimage.label(mask, np.ones((3, 3, 3)))[0] for mask in (reference, prediction))
        for row in rows_of(prediction, reference, spacing):
            false = row.kind == "false_positive"
            own, other = (components, reference) if false else (lesions, prediction)
            mask = own == own[row.centroid_voxel]
            if other.any():
                apart = cdist(np.argwhere(mask) * spacing, np.argwhere(other) * spacing).min()
                assert row.nearest_mm == pytest.approx(apart)
            if row.detected:
                touching = np.isin(components, np.setdiff1d(components[mask], 0))
                alone = evaluate_masks(touching, mask, spacing_mm=spacing)
                assert (row.hd95_mm, row.assd_mm) == pytest.approx((alone.hd95_mm, alone.assd_mm), rel=1e-6)


def test_many_surface_voxels_still_give_the_nearest():
    """More than 64 surface voxels go through the bound first; the nearest pair is a single spike."""
    prediction, reference = np.zeros((2, 60, 20, 20), bool)
    reference[2:12, 2:18, 2:18] = True
    reference[12:20, 7, 11] = True
    prediction[40:50, 2:18, 2:18] = True
    assert [row.nearest_mm for row in rows_of(prediction, reference)] == [40 - 19] * 2


def test_a_merging_component_is_divided():
    """Lesions 0-3 and 8-9 under a component 0-9: voxels 4 and 5 are nearer to the first, 6 and 7 to the second."""
    rows = rows_of(line((0, 10)), line((0, 4), (8, 10)))
    assert [row.dsc for row in rows] == pytest.approx([8 / 14, 4 / 12])
    assert [row.dsc_in_region for row in rows] == pytest.approx([8 / 10, 4 / 6])


def test_a_component_is_divided_among_its_own_lesions_only():
    """A third lesion lies nearer to the middle of the component but is not touched; 4-7 go left, 8-11 right."""
    reference = line((0, 4), (12, 16))
    reference[6:9, 4, 2] = True
    rows = rows_of(line((0, 14)), reference)
    assert [row.dsc_in_region for row in rows] == pytest.approx([8 / 12, 4 / 10, 0])


def test_nearer_in_mm_not_in_voxels():
    """The voxel between is 2 steps of 1 mm from the first lesion, 1 step of 4 mm from the second."""
    prediction, reference = np.zeros((2, 8, 8, 3), bool)
    reference[0:3, 1, 1] = reference[4, 2:4, 1] = True
    prediction[0:5, 1, 1] = prediction[4, 1:4, 1] = True
    rows = rows_of(prediction, reference, (1, 4, 1))
    assert [row.dsc_in_region for row in rows] == pytest.approx([2 * 3 / (3 + 5), 1])


def test_in_region_is_dsc_where_no_component_is_shared():
    rows = rows_of(line((0, 5), (6, 8), (12, 18)), line((1, 7), (14, 16), (20, 22)))
    assert [row.dsc_in_region for row in rows] == pytest.approx([row.dsc for row in rows])


def test_matching_alone_leaves_the_slow_fields_out():
    prediction, reference = line((0, 10), (20, 21)), line((0, 4), (8, 10))
    full = rows_of(prediction, reference)
    quick = match_lesions(prediction, reference, spacing_mm=SPACING)
    slow = ("dsc_in_region", "hd95_mm", "assd_mm", "nearest_mm")
    for row, other in zip(full, quick, strict=True):
        left, right = row.as_dict(), other.as_dict()
        assert not any(math.isnan(left.pop(key)) for key in slow)
        assert all(math.isnan(right.pop(key)) for key in slow)
        assert left == right


def test_a_component_over_many_voxels_is_divided_as_one_over_few(monkeypatch):
    """A prediction of ones everywhere over two lesions: by transform as by search, one plane between them."""
    reference, prediction = np.zeros((21, 9, 7), bool), np.ones((21, 9, 7), bool)
    reference[2:4, 3:6, 2:5] = reference[16:18, 3:6, 2:5] = True  # the plane x = 9.5 lies in the middle
    searched = rows_of(prediction, reference)
    monkeypatch.setattr("afl_core.metrics.lesion_shares.FEW", 0)
    transformed = rows_of(prediction, reference)
    assert [row.dsc_in_region for row in transformed] == pytest.approx([row.dsc_in_region for row in searched])
    assert transformed[0].dsc_in_region == pytest.approx(2 * 18 / (18 + 10 * 63))  # x 0 to 9
    assert transformed[1].dsc_in_region == pytest.approx(2 * 18 / (18 + 11 * 63))  # x 10 to 20
