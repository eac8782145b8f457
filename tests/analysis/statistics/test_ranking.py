"""Rankings: by hand, their laws, the tests behind them, and the example data of challengeR, made anew."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.special import expit, ndtri

from afl_core.analysis.statistics.ranking import (
    METHODS,
    _aggregate,
    kendall_tau,
    rank_sources,
    rank_stability,
    shown_better,
)
from afl_core.analysis.statistics.ranks import MIN_PATIENTS, holm

SCORES = arrays(
    float, st.tuples(st.integers(6, 12), st.integers(2, 4)), elements=st.integers(0, 8).map(lambda v: v / 8)
)

OUTLIER = np.array([[0.1, 0.5, 0.4], [0.8, 0.7, 0.6], [0.9, 0.8, 0.7]])
"""Means 0.6, 0.667, 0.567; medians 0.8, 0.7, 0.6; ranks 3 1 2, 1 2 3 and 1 2 3, whose means are 1.67, 1.67, 2.67."""


def r_normals(seed, n):
    """R's set.seed(seed); rnorm(n): its Mersenne Twister, turned by inversion of two numbers each."""
    states = []
    for step in range(675):
        seed = (69069 * seed + 1) % 2**32
        states += [seed] if step >= 50 else []
    twister = np.random.RandomState()
    twister.set_state(("MT19937", np.array(states[1:], dtype=np.uint32), 624))
    uniform = twister.randint(0, 2**32, 2 * n, dtype=np.uint32) * 2.3283064365386963e-10
    return ndtri((np.floor(2**27 * uniform[::2]) + uniform[1::2]) / 2**27)


def c_random():
    """Five algorithms that differ by chance alone: the recipe of challengeR's example data, 50 cases."""
    return expit(1.5 + r_normals(1, 250)).reshape(5, 50).T


def test_each_method_by_hand():
    assert rank_sources(OUTLIER, "mean").tolist() == [2, 1, 3]
    assert rank_sources(OUTLIER, "median").tolist() == [1, 2, 3]
    assert rank_sources(OUTLIER, "rank").tolist() == [1, 1, 3]


def test_equal_sources_share_the_best_rank_whatever_rounding_makes_of_them():
    sums = np.array([[0.1 + 0.2, 0.3, 0.9]])
    assert rank_sources(sums, "mean").tolist() == rank_sources(sums, "rank").tolist() == [2, 2, 1]


def test_ranks_by_tests_count_the_sources_that_one_is_shown_better_than():
    step = np.arange(1, 13)[:, None] / 100
    scores = 0.5 + step * [0, 0, 1, 2]  # 12 of 12: p = 2^-12 each
    assert rank_sources(scores, "test").tolist() == [3, 3, 2, 1]
    p = shown_better(scores)
    assert p[3, 0] == pytest.approx(12 * 2**-12), "the smallest of 12, so Holm multiplies by 12"
    assert p[0, 1] == p[0, 3] == 1


def test_p_values_are_scipys_one_sided_ones_after_holm():
    scores = np.random.default_rng(3).normal([0, 0.3, 0.6], 0.5, (20, 3))
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    raw = [stats.wilcoxon(scores[:, i], scores[:, j], alternative="greater").pvalue for i, j in pairs]
    found = shown_better(scores)
    assert [found[pair] for pair in pairs] == pytest.approx(holm(raw))
    assert np.isnan(np.diag(found)).all()


def test_below_six_patients_no_test_and_no_resample():
    few = np.random.default_rng(1).random((MIN_PATIENTS - 1, 3))
    assert np.isnan(shown_better(few)).all()
    assert np.isnan(rank_sources(few, "test")).all()
    ranking = rank_stability(few, "mean")
    assert sorted(ranking.ranks) == [1, 2, 3]
    assert np.isnan(ranking.frequencies).all()
    assert np.isnan(ranking.low).all()
    assert np.isnan(rank_sources(np.zeros((0, 3)), "mean")).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_resample_is_ranked_as_the_patients_in_it(method):
    rng = np.random.default_rng(4)
    scores = np.round(rng.normal([0, 0.1, 0.4], 0.3, (70, 3)), 1)
    counts = rng.multinomial(70, np.full(70, 1 / 70), 20)
    found = _aggregate(scores, counts, method)
    for count, values in zip(counts, found, strict=True):
        drawn = np.repeat(scores, count, axis=0)
        ranks = stats.rankdata(-np.round(values, 12), method="min")
        assert ranks.tolist() == rank_sources(drawn, method).tolist()


@given(SCORES, st.sampled_from(list(METHODS)))
@settings(max_examples=40, deadline=None)
def test_frequencies_of_a_source_sum_to_1_and_the_range_holds_95_percent(scores, method):
    ranking = rank_stability(scores, method)
    assert ranking.frequencies.sum(axis=1) == pytest.approx(1)
    places = np.arange(1, scores.shape[1] + 1)
    for shares, low, high in zip(ranking.frequencies, ranking.low, ranking.high, strict=True):
        assert shares[(places >= low) & (places <= high)].sum() >= 0.95


@given(SCORES, st.sampled_from(list(METHODS)))
@settings(max_examples=40, deadline=None)
def test_sources_in_another_order_are_ranked_alike(scores, method):
    one, other = rank_stability(scores, method), rank_stability(scores[:, ::-1], method)
    assert one.ranks[::-1].tolist() == other.ranks.tolist()
    assert np.array_equal(one.frequencies[::-1], other.frequencies)
    assert shown_better(scores)[::-1, ::-1] == pytest.approx(shown_better(scores[:, ::-1]), nan_ok=True)


@given(SCORES)
@settings(max_examples=40, deadline=None)
def test_a_metric_that_is_turned_turns_every_pair(scores):
    assert shown_better(-scores) == pytest.approx(shown_better(scores).T, nan_ok=True)


def test_a_source_that_is_best_on_every_patient_is_first_in_every_resample():
    scores = np.random.default_rng(2).random((10, 3)) + np.array([2, 1, 0])
    for method in METHODS:
        assert rank_stability(scores, method).frequencies.tolist() == np.eye(3).tolist()


def test_tau_counts_the_pairs_that_are_in_order():
    assert kendall_tau([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6)
    assert kendall_tau([1, 2, 3], [3, 2, 1]) == -1
    assert np.isnan(kendall_tau([1, 1, 1], [1, 2, 3]))


def test_the_papers_random_challenge_has_one_shared_rank_by_tests():
    """Wiesenfarth et al. 2021: for c_random there should be only one shared rank for all algorithms."""
    scores = c_random()
    published = [0.705483050079144, 0.843386364799023, 0.660241675312884]
    assert scores[:3, 0] == pytest.approx(published, abs=1e-14), "as in inst/extdata/data_matrix.csv of challengeR"
    assert rank_sources(scores, "test").tolist() == [1, 1, 1, 1, 1]
    assert rank_stability(scores, "mean").frequencies.max() < 0.95


def test_the_papers_ideal_challenge_is_certain():
    """Five algorithms whose scores do not overlap: challengeR's c_ideal."""
    scores = np.random.default_rng(4).uniform([0.9, 0.8, 0.7, 0.6, 0.5], [1, 0.89, 0.79, 0.69, 0.59], (50, 5))
    for method in METHODS:
        ranking = rank_stability(scores, method)
        assert ranking.ranks.tolist() == ranking.low.tolist() == ranking.high.tolist() == [1, 2, 3, 4, 5]
