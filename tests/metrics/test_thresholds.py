"""Counts at every threshold: against the same counts of each mask by itself, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from afl_core.metrics.thresholds import THRESHOLDS, count_thresholds
from afl_core.regions import label_lesions


def one_by_one(probability, reference, least):
    """The same, each threshold by itself."""
    labels, sizes = label_lesions(reference)
    tp, fp, found, false = [], [], [], []
    for threshold in THRESHOLDS:
        mask = probability > threshold
        tp.append(np.count_nonzero(mask & reference))
        fp.append(np.count_nonzero(mask & ~reference))
        found.append(sum(mask[labels == k].any() for k in range(1, len(sizes) + 1) if sizes[k - 1] >= least))
        components, counts = label_lesions(mask)
        false.append(
            sum(not reference[components == k].any() and counts[k - 1] >= least for k in range(1, len(counts) + 1))
        )
    return tp, fp, found, false


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    least=st.sampled_from([1, 4]),
    smooth=st.sampled_from([0, 1.2]),
    shape=st.sampled_from([(9, 8, 10), (7, 11, 9), (1, 13, 14)]),
)
def test_counts_are_those_of_each_threshold_by_itself(seed, least, smooth, shape):
    rng = np.random.default_rng(seed)
    field = rng.random(shape)
    field = gaussian_filter(field, smooth) if smooth else field
    field = (field - field.min()) / np.ptp(field)
    probability = np.where(rng.random(field.shape) < 0.3, np.round(field, 1), field).astype(np.float32)
    reference = gaussian_filter(rng.random(field.shape), 1) > 0.53
    turned = (np.asfortranarray(of) if seed % 2 else of for of in (probability, reference))
    found = count_thresholds(*turned, least=least, least_false=least)
    tp, fp, lesions, false = one_by_one(probability, reference, least)
    assert found.tp.tolist() == tp
    assert found.fp.tolist() == fp
    assert found.lesions_found().tolist() == lesions
    assert found.false_lesions.tolist() == false
    assert found.reference == reference.sum()


@pytest.mark.parametrize("step", [step for step in np.ndindex(3, 3, 3) if step != (1, 1, 1)])
@pytest.mark.parametrize("start", list(np.ndindex(2, 2, 2)))
def test_two_voxels_are_one_where_they_touch_and_two_where_they_lie_apart(start, step):
    first = np.array(start) + 3
    for far, lesions in ((1, 1), (2, 2)):
        probability = np.zeros((8, 8, 8), np.float32)
        probability[tuple(first)], probability[tuple(first + far * (np.array(step) - 1))] = 0.9, 0.4
        found = count_thresholds(probability, np.zeros((8, 8, 8), bool))
        assert found.false_lesions.tolist() == [lesions] * 39 + [1] * 50 + [0] * 10


def test_components_that_grow_together_by_hand():
    probability = np.zeros((1, 1, 9), np.float32)
    probability[0, 0, :] = [0, 0.9, 0.3, 0.8, 0, 0, 0, 0.6, 0]
    reference = np.zeros((1, 1, 9), bool)
    reference[0, 0, 7] = True
    found = count_thresholds(probability, reference)
    by_threshold = {round(float(t), 2): n for t, n in zip(THRESHOLDS, found.false_lesions.tolist(), strict=True)}
    assert [by_threshold[t] for t in (0.95, 0.9, 0.85, 0.5, 0.3, 0.1)] == [0, 0, 1, 2, 2, 1], "one, two, joined by 0.3"
    assert found.lesions_found()[np.float32(0.5) == THRESHOLDS] == 1
    assert found.lesions_found()[np.float32(0.6) == THRESHOLDS] == 0, "above, not at, the threshold"


@pytest.mark.parametrize("filled", [True, False])
def test_an_empty_side_is_counted(filled):
    shape = (5, 6, 7)
    ball = np.zeros(shape, bool)
    ball[1:3, 1:3, 1:3] = True
    sure, empty = ball.astype(np.float32), np.zeros(shape, np.float32)
    found = count_thresholds(empty if filled else sure, ball if filled else ~ball & False)
    assert found.tp.sum() == 0
    assert found.fp.tolist() == ([0] * 99 if filled else [8] * 99)
    assert found.false_lesions.tolist() == ([0] * 99 if filled else [1] * 99)
    assert found.lesion_voxels.tolist() == ([8] if filled else [])
    nothing = count_thresholds(empty, ball & False)
    assert nothing.fp.sum() == nothing.reference == len(nothing.lesion_peak) == 0


def test_a_monotone_transform_leaves_the_curve_of_lesions_as_it_is():
    rng = np.random.default_rng(3)
    field = gaussian_filter(rng.random((20, 20, 20)), 1.5)
    tenths = np.floor(9.99 * (field - field.min()) / np.ptp(field)) / 10 + 0.05  # ten values, apart after a root too
    reference = gaussian_filter(rng.random(field.shape), 2) > 0.52
    curves = []
    for probability in (tenths, np.sqrt(tenths)):
        found = count_thresholds(probability.astype(np.float32), reference, least=3, least_false=3)
        curves.append(set(zip(found.false_lesions.tolist(), found.lesions_found().tolist(), strict=True)))
    assert curves[0] == curves[1]
    assert len(curves[0]) > 5
