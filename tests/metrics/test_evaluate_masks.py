"""Hand-computed pairs, the empty-mask table, and what is refused."""

import math
from dataclasses import FrozenInstanceError, asdict

import numpy as np
import pytest

from afl_core.errors import GeometryError, UsageError
from afl_core.metrics import METRICS, evaluate_masks
from afl_core.shape import describe

NAN = math.nan


def mask_of(*boxes, shape=(10, 10, 10)):
    mask = np.zeros(shape, bool)
    for box in boxes:
        mask[box] = True
    return mask


def bar(start, stop, y=2, z=2):
    return slice(start, stop), y, z


def test_bars_that_overlap_by_half():
    """Bars of 4 voxels of 1 mm, shifted by 2: TP 2, FP 2, FN 2; every voxel is surface; distances 0 0 1 2 each way."""
    m = evaluate_masks(mask_of(bar(4, 8)), mask_of(bar(2, 6)), spacing_mm=(1, 1, 1))
    assert m.dsc == 0.5
    assert m.iou == pytest.approx(1 / 3)
    assert m.sensitivity == m.precision == 0.5
    assert m.specificity == pytest.approx(994 / 996)
    assert m.hd_mm == 2
    assert m.hd95_mm == pytest.approx(1.85)  # between 1 and 2 at position 0.95 * 3 = 2.85
    assert m.assd_mm == pytest.approx(6 / 8)
    assert m.nsd == pytest.approx(6 / 8)
    assert m.volume_error_ml == m.relative_volume_error == 0
    assert (m.lesion_tp, m.lesion_fp, m.lesion_fn, m.lesion_f1, m.lesion_dsc) == (1, 0, 0, 1, 0.5)
    assert m.empty == ""


@pytest.mark.parametrize(("axis", "hd"), [(0, 2 * 0.5), (1, 2 * 0.8), (2, 2 * 3.0)])
def test_spacing_goes_with_its_axis(axis, hd):
    reference = mask_of((5, 5, 5))
    m = evaluate_masks(np.roll(reference, 2, axis), reference, spacing_mm=(0.5, 0.8, 3.0))
    assert (m.hd_mm, m.hd95_mm, m.assd_mm) == pytest.approx((hd, hd, hd))
    assert m.dsc == 0


def test_diagonal_distance():
    m = evaluate_masks(mask_of((1, 1, 1)), mask_of((4, 5, 1)), spacing_mm=(1, 1, 1))
    assert m.hd_mm == 5


def test_directed_percentiles_are_not_pooled():
    """20 of 21 predicted voxels lie on the reference, one is 7 mm off: its percentile is 0, that of the pool too."""
    reference = mask_of(bar(0, 20), shape=(40, 5, 5))
    m = evaluate_masks(mask_of(bar(0, 20), bar(26, 27), shape=(40, 5, 5)), reference, spacing_mm=(1, 1, 1))
    assert m.hd_mm == 7
    assert m.hd95_mm == 0  # position 0.95 * 20 = 19 of 0..20: the last zero
    m = evaluate_masks(mask_of(bar(0, 10), shape=(40, 5, 5)), reference, spacing_mm=(1, 1, 1))
    assert m.hd95_mm == pytest.approx(9.05)  # reference to prediction: 10 zeros, then 1..10; position 18.05
    assert m.assd_mm == pytest.approx(55 / 30)


def test_only_surface_voxels_count():
    """A 5-cube in a 7-cube: 98 and 218 surface voxels."""
    m = evaluate_masks(mask_of(np.s_[2:7, 2:7, 2:7]), mask_of(np.s_[1:8, 1:8, 1:8]), spacing_mm=(1, 1, 1))
    assert m.dsc == pytest.approx(2 * 125 / (125 + 343))
    # outer to inner: 6 faces of 25 at 1, 12 edges of 5 at sqrt 2, 8 corners at sqrt 3; inner to outer: 98 at 1
    assert m.hd_mm == pytest.approx(math.sqrt(3))
    assert m.assd_mm == pytest.approx((98 + 150 + 60 * math.sqrt(2) + 8 * math.sqrt(3)) / (98 + 218))
    assert m.nsd == pytest.approx((98 + 150) / (98 + 218))


def test_the_border_of_the_array_is_surface():
    """A full array against its one central voxel: only the 26 outer voxels are surface, at 1, sqrt 2 and sqrt 3."""
    full = np.ones((3, 3, 3), bool)
    m = evaluate_masks(full, mask_of((1, 1, 1), shape=(3, 3, 3)), spacing_mm=(1, 1, 1))
    assert m.assd_mm == pytest.approx((6 + 12 * math.sqrt(2) + 8 * math.sqrt(3) + 1) / 27)
    assert m.specificity == 0
    assert math.isnan(evaluate_masks(full, full, spacing_mm=(1, 1, 1)).specificity)


@pytest.mark.parametrize(("tolerance", "nsd"), [(0, 4 / 8), (0.9, 4 / 8), (1, 6 / 8), (2, 1)])
def test_nsd_tolerance(tolerance, nsd):
    m = evaluate_masks(mask_of(bar(4, 8)), mask_of(bar(2, 6)), spacing_mm=(1, 1, 1), nsd_tolerance_mm=tolerance)
    assert m.nsd == nsd


def test_nsd_forgives_the_rounding_of_an_affine():
    m = evaluate_masks(mask_of((2, 2, 2)), mask_of((4, 2, 2)), spacing_mm=(0.5000002, 1, 1))
    assert m.nsd == 1


def test_volume_errors_are_prediction_minus_reference():
    m = evaluate_masks(mask_of(np.s_[0:2, 0:5, 0:5]), mask_of(np.s_[0:4, 0:5, 0:5]), spacing_mm=(1, 2, 3))
    assert m.volume_error_ml == pytest.approx(-50 * 6 / 1000)
    assert m.relative_volume_error == -0.5
    m = evaluate_masks(mask_of(np.s_[0:4, 0:5, 0:5]), mask_of(np.s_[0:2, 0:5, 0:5]), spacing_mm=(1, 2, 3))
    assert m.volume_error_ml == pytest.approx(50 * 6 / 1000)
    assert m.relative_volume_error == 1


def test_disjoint_masks_score_zero_but_have_distances():
    m = evaluate_masks(mask_of(bar(0, 2)), mask_of(bar(6, 8)), spacing_mm=(1, 1, 1))
    assert (m.dsc, m.iou, m.sensitivity, m.precision, m.nsd) == (0, 0, 0, 0, 0)
    assert m.hd_mm == 6
    assert (m.lesion_tp, m.lesion_fp, m.lesion_fn, m.lesion_f1, m.lesion_dsc) == (0, 1, 1, 0, 0)
    assert m.empty == ""


DIAGONAL = math.sqrt(4**2 + 10**2 + 18**2)  # of a 4x5x6 grid at 1x2x3 mm
EMPTY_TABLE = {  # both empty; reference empty, 3 of 120 voxels predicted; prediction empty, 3 of 120 in the reference
    "dsc": (1, 0, 0),
    "iou": (1, 0, 0),
    "sensitivity": (NAN, NAN, 0),
    "specificity": (1, 117 / 120, 1),
    "precision": (NAN, 0, 0),
    "hd_mm": (0, DIAGONAL, DIAGONAL),
    "hd95_mm": (0, DIAGONAL, DIAGONAL),
    "assd_mm": (0, DIAGONAL, DIAGONAL),
    "nsd": (1, 0, 0),
    "nsd_area": (1, 0, 0),
    "volume_error_ml": (0, 0.018, -0.018),
    "relative_volume_error": (0, NAN, -1),
    "lesion_tp": (0, 0, 0),
    "lesion_fp": (0, 1, 0),
    "lesion_fn": (0, 0, 1),
    "lesion_f1": (1, 0, 0),
    "lesion_dsc": (NAN, NAN, 0),
    "released_dsc": (1, *[((234 + 1e-5) / (237 + 1e-5) + 1e-5 / (3 + 1e-5)) / 2] * 2),  # smoothed by 1e-5
    "released_iou": (1, *[((234 + 1e-5) / (240 + 1e-5) + 1e-5 / (6 + 1e-5)) / 2] * 2),
}


@pytest.mark.parametrize(("which", "column"), [("both", 0), ("reference", 1), ("prediction", 2)])
@pytest.mark.parametrize("key", METRICS)
def test_empty_masks(key, which, column):
    full, empty = mask_of((slice(0, 3), 1, 1), shape=(4, 5, 6)), np.zeros((4, 5, 6), bool)
    pair = {"both": (empty, empty), "reference": (full, empty), "prediction": (empty, full)}[which]
    hard = np.stack([~pair[0], pair[0]]).astype(np.float32)
    m = evaluate_masks(*pair, spacing_mm=(1, 2, 3), probabilities=hard)
    assert m.empty == which
    assert getattr(m, key) == pytest.approx(EMPTY_TABLE[key][column], nan_ok=True)


def test_result_is_frozen_and_its_row_has_the_metrics_only():
    m = evaluate_masks(mask_of(bar(4, 8)), mask_of(bar(2, 6)), spacing_mm=(1, 1, 1))
    assert list(m.as_dict()) == list(METRICS)
    assert m.as_dict()["dsc"] == 0.5
    with pytest.raises(FrozenInstanceError):
        m.dsc = 1.0
    assert isinstance(m.lesion_tp, int)


def test_masks_are_left_as_they_were():
    prediction, reference = mask_of(bar(4, 8)), mask_of(bar(2, 6))
    before = prediction.copy(), reference.copy()
    evaluate_masks(prediction, reference, spacing_mm=(1, 1, 1))
    assert (prediction == before[0]).all()
    assert (reference == before[1]).all()


GOOD = np.ones((2, 3, 4), bool)


@pytest.mark.parametrize(
    ("prediction", "reference", "spacing", "message"),
    [
        (GOOD.astype(np.uint8), GOOD, (1, 1, 1), "prediction must be a boolean.*uint8"),
        (GOOD, GOOD.astype(float), (1, 1, 1), "reference must be a boolean.*float64"),
        (GOOD[0], GOOD[0], (1, 1, 1), r"prediction must have three.*\(3, 4\)"),
        (GOOD, GOOD[:, :2], (1, 1, 1), r"differ in shape.*\(2, 3, 4\).*\(2, 2, 4\)"),
        (GOOD, GOOD, (1, 0, 1), "spacing must be three positive"),
        (GOOD, GOOD, (1, NAN, 1), "spacing must be three positive"),
        (GOOD, GOOD, (1, 1), "spacing must be three positive"),
    ],
)
def test_refuses_masks_that_cannot_be_compared(prediction, reference, spacing, message):
    with pytest.raises(GeometryError, match=message):
        evaluate_masks(prediction, reference, spacing_mm=spacing)


@pytest.mark.parametrize("tolerance", [-1, NAN, math.inf])
def test_refuses_an_impossible_tolerance(tolerance):
    with pytest.raises(UsageError, match="tolerance"):
        evaluate_masks(GOOD, GOOD, spacing_mm=(1, 1, 1), nsd_tolerance_mm=tolerance)


def specks():
    """A cube of 64 voxels and specks of 9 and 10; predicted are the cube, the speck of 10, and a false 9 and 10."""
    reference, prediction = np.zeros((2, 40, 20, 12), bool)
    for mask in (reference, prediction):
        mask[2:6, 2:6, 2:6] = True
        mask[12:17, 2:4, 2] = True  # 10
    reference[20:23, 2:5, 2] = True  # 9, missed
    prediction[30:33, 2:5, 2] = True  # 9, false
    prediction[30:35, 12:14, 2] = True  # 10, false
    return prediction, reference


@pytest.mark.parametrize(
    ("least", "tp", "fp", "fn", "ignored"), [(0, 2, 2, 1, 0), (1, 2, 2, 1, 0), (10, 2, 1, 0, 1), (11, 1, 0, 0, 2)]
)
def test_lesions_and_false_positives_below_the_least_size_count_for_nothing(least, tp, fp, fn, ignored):
    metrics = evaluate_masks(*specks(), spacing_mm=(1, 1, 1), least_lesion_voxels=least)
    assert (metrics.lesion_tp, metrics.lesion_fp, metrics.lesion_fn) == (tp, fp, fn)
    assert sum(lesion.kind == "ignored" for lesion in metrics.lesions) == ignored
    assert metrics.lesion_f1 == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert metrics.dsc == evaluate_masks(*specks(), spacing_mm=(1, 1, 1)).dsc  # of the masks, not of lesions


def test_the_one_lesion_beside_spared_specks_has_its_own_distance():
    """It is matched exactly: 0 mm, whatever is predicted elsewhere."""
    reference, prediction = np.zeros((2, 40, 20, 12), bool)
    reference[2:6, 2:6, 2:6] = prediction[2:6, 2:6, 2:6] = True
    prediction[30:33, 2:5, 2] = True
    metrics = evaluate_masks(prediction, reference, spacing_mm=(1, 1, 1), least_lesion_voxels=10)
    assert [(lesion.kind, lesion.hd95_mm) for lesion in metrics.lesions] == [("reference", 0.0)]
    assert metrics.hd_mm > 20


def test_knowing_where_the_masks_are_changes_no_number():
    draw = np.random.default_rng(3)
    prediction, reference = np.zeros((2, 12, 11, 10), bool)
    prediction[2:6, 3:8, 1:5], reference[3:9, 3:7, 2:6] = draw.random((4, 5, 4)) < 0.7, draw.random((6, 4, 4)) < 0.7
    within = (slice(1, 7), slice(2, 9), slice(0, 6)), (slice(3, 9), slice(3, 7), slice(2, 6))
    known = evaluate_masks(prediction, reference, spacing_mm=(1, 2, 3), within=within)
    np.testing.assert_equal(asdict(known), asdict(evaluate_masks(prediction, reference, spacing_mm=(1, 2, 3))))
    shapes = [asdict(describe(reference, spacing_mm=(1, 2, 3), within=part)) for part in (within[1], None)]
    np.testing.assert_equal(*shapes)
