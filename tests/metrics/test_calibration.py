"""Voxels counted by probability, and errors of calibration: by hand, against MONAI, and against the same by sorting."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics import CalibrationErrorMetric
from scipy.special import expit, logit

from afl_core.errors import UsageError
from afl_core.metrics.calibration import ERRORS, ace, brier, ece, mce
from afl_core.metrics.probability_counts import (
    LOGIT_BINS,
    LOGIT_EDGES,
    LOGITS,
    NEAR_MM,
    count_probabilities,
    mirrored,
    near,
)
from afl_core.metrics.reliability import reliability
from afl_core.metrics.thresholds import THRESHOLDS, count_thresholds


def drawn(seed, shape=(9, 8, 10), spread=4.0):
    """A map, and a reference that it says more or less about."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, spread, shape)
    probability = expit(logits).astype(np.float32)
    probability[rng.random(shape) < 0.2] = np.round(probability[rng.random(shape) < 0.2].mean(), 1)
    return probability, rng.random(shape) < expit(logits / 2)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), spread=st.sampled_from([0.5, 4, 20]))
def test_errors_are_those_of_monai(seed, spread):
    probability, reference = drawn(seed, spread=spread)
    counts = count_probabilities(probability, reference)
    for kind, error in (("expected", ece), ("average", ace), ("maximum", mce)):
        metric = CalibrationErrorMetric(calibration_reduction=kind)
        metric(y_pred=torch.from_numpy(probability)[None, None], y=torch.from_numpy(reference)[None, None].float())
        assert error(counts) == pytest.approx(metric.aggregate().item(), abs=2e-6), kind


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_counts_are_those_of_each_bin_by_itself(seed):
    probability, reference = drawn(seed, spread=12)
    counts = count_probabilities(probability, reference)
    ends = [-1, *THRESHOLDS.tolist(), 1]
    for k, (low, high) in enumerate(pairwise(ends)):
        inside = (probability > np.float32(low)) & (probability <= np.float32(high))
        assert counts.voxels[k] == inside.sum()
        assert counts.reference[k] == (inside & reference).sum()
        assert counts.probability[k] == pytest.approx(probability[inside].sum(dtype=np.float64))
    assert counts.squared_error == pytest.approx(((probability.astype(np.float64) - reference) ** 2).sum())
    above = count_thresholds(probability, reference)
    np.testing.assert_array_equal(counts.voxels[::-1].cumsum()[-2::-1], above.tp + above.fp)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_bins_of_the_logit_hold_the_logits_between_their_edges(seed):
    probability, reference = drawn(seed, spread=9)
    exact = logit(np.clip(probability.astype(np.float64), 1e-300, 1 - 2.0**-24))
    place = np.clip(np.searchsorted(LOGIT_EDGES, exact + 1e-12, side="right") - 1, 0, LOGIT_BINS - 1)
    place[probability == 0.5] = np.searchsorted(LOGIT_EDGES, 0.01) - 1
    on_edge = np.abs(exact[..., None] - LOGIT_EDGES).min(axis=-1) < 1e-9  # of 1 - p the bin holds its other end
    counts = count_probabilities(probability[~on_edge], reference[~on_edge]).logits
    for of, where in enumerate((~reference, reference)):
        np.testing.assert_array_equal(counts[of], np.bincount(place[where & ~on_edge], minlength=LOGIT_BINS))


def test_bins_of_the_logit_are_narrow_and_hold_their_middles():
    assert (np.diff(LOGIT_EDGES) > 0).all()
    assert np.diff(LOGIT_EDGES).max() < 0.165
    assert ((LOGIT_EDGES[:-1] < LOGITS) & (LOGIT_EDGES[1:] > LOGITS)).all()
    ends = count_probabilities(np.array([0, 1e-45, 1, 1], np.float32), np.array([0, 0, 0, 1], bool)).logits
    assert ends[0, 0] == 2
    assert ends[:, -1].tolist() == [1, 1]


def test_one_minus_the_map_is_the_mirrored_counts():
    probability = expit(np.random.default_rng(2).normal(0, 4, (20, 20, 20))).astype(np.float32)
    reference = np.zeros(probability.shape, bool)
    turned = count_probabilities(1 - probability, reference).logits[0]
    away = np.abs(turned - mirrored(count_probabilities(probability, reference).logits)[0]).sum()
    assert away <= 0.01 * probability.size, "rounding of 1 - p moves a few over an edge"
    assert turned.sum() == probability.size


@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray, lambda a: a[::-1, :, ::-1]])
def test_the_order_in_memory_changes_nothing(layout):
    probability, reference = drawn(4)
    one, other = (
        count_probabilities(probability, reference),
        count_probabilities(layout(probability), layout(reference)),
    )
    mixed = count_probabilities(np.asfortranarray(probability), reference)
    for counts in (other, mixed):
        np.testing.assert_array_equal(counts.voxels, one.voxels)
        np.testing.assert_array_equal(counts.logits, one.logits)


def test_a_map_of_07_that_is_right_in_7_of_10_voxels_is_calibrated():
    reference = np.arange(1000).reshape(10, 10, 10) % 10 < 7
    counts = count_probabilities(np.full(reference.shape, 0.7, np.float32), reference)
    assert [float(error(counts)) for error in (ece, ace, mce)] == pytest.approx([0, 0, 0], abs=1e-7)
    assert brier(counts) == pytest.approx(0.7 * 0.3)


def test_errors_by_hand():
    probability = np.array([0.1, 0.1, 0.1, 0.1, 0.9, 0.6], np.float32)
    reference = np.array([0, 0, 1, 0, 1, 0], bool)
    counts = count_probabilities(probability, reference)
    gaps = 0.25 - 0.1, 1 - 0.9, 0.6
    assert ece(counts) == pytest.approx((4 * gaps[0] + gaps[1] + gaps[2]) / 6)
    assert ace(counts) == pytest.approx(sum(gaps) / 3)
    assert mce(counts) == pytest.approx(0.6)
    assert brier(counts) == pytest.approx((3 * 0.01 + 0.81 + 0.01 + 0.36) / 6)
    curve = reliability(counts.voxels, counts.reference, counts.probability)
    assert curve.voxels.sum() == 6
    assert np.isfinite(curve.frequency).sum() == 3


def test_no_voxel_has_no_error():
    counts = count_probabilities(np.zeros((0, 3, 3), np.float32), np.zeros((0, 3, 3), bool))
    assert all(np.isnan(error.function(counts)) for error in ERRORS.values())


@pytest.mark.parametrize("value", [1.5, -0.1, np.nan])
def test_what_is_no_probability_is_refused(value):
    probability = np.full((2, 2, 2), 0.3, np.float32)
    probability[1, 1, 1] = value
    with pytest.raises(UsageError, match="between 0 and 1"):
        count_probabilities(probability, probability > 2)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.7, 0.7, 3), (2, 4, 20)])
def test_near_are_the_voxels_within_the_distance(spacing):
    reference = np.zeros((30, 28, 16), bool)
    reference[4:9, 10:14, 6:8] = reference[20, 20, 15] = True
    (x, y, z), found = near(reference, spacing)
    whole = np.zeros_like(reference)
    whole[x, y, z] = found
    points, others = (np.argwhere(of) * spacing for of in (np.ones_like(reference), reference))
    apart = np.sqrt(((points[:, None] - others) ** 2).sum(axis=2)).min(axis=1)
    np.testing.assert_array_equal(whole.ravel(), apart <= NEAR_MM + 1e-4)


def test_an_empty_reference_has_nothing_near_it_and_a_full_one_is_all():
    assert near(np.zeros((5, 5, 5), bool), (1, 1, 1)) is None
    assert near(np.ones((5, 5, 5), bool), (1, 1, 1))[1].all()
