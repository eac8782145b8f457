"""What means of scores imply, against cases whose scores are known."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from afl_core.analysis.statistics.score_checks import (
    MIDDLE,
    ROUNDING,
    dsc_spread,
    least_iou,
    middle_share,
    needed_cases,
    tumour_share,
    with_background_at_1,
)
from afl_core.metrics.released import SoftOverlap, released_dsc, released_iou

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=30)
COUNTS = st.tuples(*[st.integers(1, 10_000)] * 4)


def rates(counts):
    """DSC of the tumour and of the background, IoU, sensitivity, specificity and share of TP, FN, FP, TN."""
    tp, fn, fp, tn = counts
    background = 2 * tn / (2 * tn + fn + fp)
    return (
        2 * tp / (2 * tp + fn + fp),
        background,
        tp / (tp + fn + fp),
        tp / (tp + fn),
        tn / (tn + fp),
        (tp + fn) / sum(counts),
    )


@given(SCORES)
def test_the_spread_of_cases_lies_where_their_printed_means_put_it(scores):
    dsc = np.array(scores)
    found = dsc_spread(round(float(least_iou(dsc).mean()), 3), round(float(dsc.mean()), 3))
    assert found is not None
    assert found[0] - 1e-9 <= dsc.std() <= found[1] + 1e-9


@given(SCORES)
def test_and_so_it_does_where_a_background_of_1_is_counted_in(scores):
    dsc = np.array(scores)
    printed = (round(float((1 + score.mean()) / 2), 3) for score in (least_iou(dsc), dsc))
    found = dsc_spread(*map(with_background_at_1, printed), rounding=2 * ROUNDING)
    assert found is not None
    assert found[0] - 1e-9 <= dsc.std() <= found[1] + 1e-9


@given(SCORES)
def test_no_more_cases_lie_in_the_middle_than_is_said(scores):
    dsc = np.array(scores)
    most = middle_share(round(float(least_iou(dsc).mean()), 3), round(float(dsc.mean()), 3))
    assert np.mean((dsc >= MIDDLE[0]) & (dsc <= MIDDLE[1])) <= most + 1e-9


def test_both_ends_of_the_spread_are_reached():
    """Cases at m and 1 alone, or at 0 and m: 1 / (2 - DSC) is 1 for the perfect ones and 1/2 for the missed ones."""
    assert dsc_spread(least_iou(0.8), 0.8, rounding=0) == (0, 0)
    few_perfect, few_missed = np.array([0.5] * 999 + [1.0]), np.array([0.9] * 999 + [0.0])
    for dsc, end in ((few_perfect, 0), (few_missed, 1)):
        assert dsc_spread(least_iou(dsc).mean(), dsc.mean(), rounding=0)[end] == pytest.approx(dsc.std(), rel=0.01)


@pytest.mark.parametrize(
    ("iou", "dsc", "possible"),
    [(0.898, 0.951, False), (0.907, 0.951, True), (0.951, 0.951, True), (0.953, 0.951, False)],
)
def test_a_pair_outside_the_bounds_has_no_cases(iou, dsc, possible):
    assert (dsc_spread(iou, dsc) is not None) == possible


@given(st.floats(0, 1000), st.floats(0, 1000), st.integers(1, 1000))
def test_the_released_score_obeys_the_same_curve(shared, predicted, reference):
    assume(2 * shared <= predicted + reference)
    overlap = SoftOverlap((shared,) * 2, (predicted,) * 2, (reference,) * 2)
    assert released_iou(overlap) == pytest.approx(least_iou(released_dsc(overlap)))


@given(COUNTS)
def test_hard_masks_have_a_sensitivity_of_at_least_their_iou(counts):
    _, background, iou, sensitivity, _, _ = rates(counts)
    assert sensitivity >= iou
    assert sensitivity >= with_background_at_1((iou + least_iou(background)) / 2)


def test_a_soft_score_is_bound_to_no_sensitivity():
    """Every tumour voxel at 0.5, no other above 0: the mask above 0.5 is empty, the soft IoU of the tumour 2/3."""
    tumour, predicted, reference = 0.5 * 100, 0.25 * 100, 100
    assert tumour / (predicted + reference - tumour) == pytest.approx(2 / 3)


@given(COUNTS)
def test_the_share_of_tumour_is_that_of_the_counts(counts):
    dsc, background, _, sensitivity, specificity, share = rates(counts)
    assert tumour_share(dsc, sensitivity, specificity) == pytest.approx(share)
    found = tumour_share((dsc + background) / 2, sensitivity, specificity, background=True)
    assert found is None or found <= share * 1.001  # the smallest; none where the only one falls between two tried


def test_a_share_with_the_background_gives_the_values_again():
    share = tumour_share(0.769, 0.951, 0.9501, background=True)
    tp, fp = 0.951 * share, 0.0499 * (1 - share)
    fn, tn = share - tp, 1 - share - fp
    assert (tp / (2 * tp + fn + fp)) + (tn / (2 * tn + fn + fp)) == pytest.approx(0.769, abs=1e-4)
    assert tumour_share(0.921, 0.5221, 0.6499) is None
    assert tumour_share(0.921, 0.5221, 0.6499, background=True) is None


def test_the_cases_that_a_gain_needs():
    """SD of the difference 0.2 * sqrt(2 * 0.5) = 0.2; its standard error is 0.1 / 1.96 at n = 3.92 squared."""
    assert needed_cases(0.1, 0.2, correlation=0.5) == math.ceil(3.92**2)
    assert needed_cases(0.1, 0.2, correlation=0.9) == math.ceil(3.92**2 / 5)
    assert needed_cases(0.1, 0.0, correlation=0.5) == 2
