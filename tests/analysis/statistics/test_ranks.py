"""The signed-rank test against SciPy's and by hand, Holm's correction against statsmodels'."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from afl_core.analysis.statistics.ranks import EXACT_UP_TO, MIN_PATIENTS, holm, mean_ranks, signed_ranks

NAN = math.nan
TENTHS = st.lists(st.integers(-30, 30).map(lambda tenths: tenths / 10), max_size=70)
P_VALUES = st.lists(st.floats(0, 1), max_size=30)


def differences(n, seed, *, ties=False):
    rng = np.random.default_rng(seed)
    return rng.integers(-4, 6, n).astype(float) if ties else rng.normal(0.3, 1, n)


@pytest.mark.parametrize("n", [1, 2, 5, 6, 13, 30, 49, 50])
def test_p_without_ties_is_scipys_exact_p(n):
    for seed in range(5):
        d = differences(n, seed)
        found = signed_ranks(d)
        assert found.exact
        assert found.p == pytest.approx(stats.wilcoxon(d, method="exact").pvalue, rel=1e-12)
        greater = stats.wilcoxon(d, method="exact", alternative="greater")
        assert found.p_greater == pytest.approx(greater.pvalue, rel=1e-12)


@pytest.mark.parametrize("n", [2, 5, 8, 10])
def test_p_with_ties_is_that_of_all_sign_patterns(n):
    for seed in range(4):
        d = differences(n, seed, ties=True)
        d[0] = 1
        moved = d[d != 0]
        every = stats.wilcoxon(moved, method=stats.PermutationMethod(n_resamples=np.inf)).pvalue
        assert signed_ranks(d).p == pytest.approx(every, rel=1e-12)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [70, 200, 1251])
def test_p_of_many_is_scipys_normal_approximation(n, ties):
    d = differences(n, n, ties=ties)
    found = signed_ranks(d)
    assert not found.exact
    expected = stats.wilcoxon(d, zero_method="wilcox", correction=False, method="asymptotic")
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    one_sided = stats.wilcoxon(d, zero_method="wilcox", correction=False, method="asymptotic", alternative="greater")
    assert found.p_greater == pytest.approx(one_sided.pvalue, rel=1e-9)


def test_exact_up_to_fifty_differences_that_are_not_zero():
    d = differences(EXACT_UP_TO + 1, 1)
    assert not signed_ranks(d).exact
    assert signed_ranks([*d[:-1], *[0.0] * 200]).exact
    balanced = np.arange(1, EXACT_UP_TO + 2) * np.resize([1, -1, 1], EXACT_UP_TO + 1)
    exact, normal = signed_ranks(balanced[:-1]).p, signed_ranks(np.append(balanced[:-1], 1e-9)).p
    assert normal == pytest.approx(exact, rel=0.1)  # one small difference more changes the method, hardly p


def test_effect_by_hand():
    """Ranks 1, 2.5, 2.5 and 4; above 0 are 1 + 2.5 + 2.5 = 6, below 4: (6 - 4) / 10."""
    found = signed_ranks([0.1, 0.2, 0.2, -0.3, 0.0])
    assert found.effect == pytest.approx(0.2)
    assert (found.n_positive, found.n_negative, found.n_zero) == (3, 1, 1)
    # 16 sign patterns have 10 rank sums of 4 or less (0, 1, 2.5 x 2, 3.5 x 2, 4) ...: 7 of 16, twice
    assert found.p == 14 / 16


def test_effect_of_six_by_hand():
    """Ranks 1 to 6 with -3 and -5 below: above 1 + 2 + 4 + 6 = 13 of 21, so (13 - 8) / 21."""
    found = signed_ranks([1, 2, -3, 4, -5, 6])
    assert found.effect == pytest.approx(5 / 21)
    assert found.p == pytest.approx(stats.wilcoxon([1, 2, -3, 4, -5, 6]).pvalue)


@pytest.mark.parametrize(("n", "p"), [(1, 1.0), (4, 0.125), (5, 0.0625), (6, 0.03125), (10, 2 / 1024)])
def test_all_on_one_side_is_twice_one_pattern_of_all(n, p):
    d = np.arange(1.0, n + 1)
    assert (signed_ranks(d).p, signed_ranks(d).effect) == (p, 1)
    assert (signed_ranks(-d).p, signed_ranks(-d).effect) == (p, -1)
    assert (signed_ranks(np.full(n, 0.5)).p) == p  # all tied


def test_fewer_than_six_patients_cannot_reach_five_per_cent():
    assert signed_ranks(np.arange(1, MIN_PATIENTS)).p > 0.05
    assert signed_ranks(np.arange(1, MIN_PATIENTS + 1)).p < 0.05


@pytest.mark.parametrize("d", [[], [0.0] * 9, [1e-14, -1e-15, 0.0]])
def test_nothing_moved(d):
    found = signed_ranks(d)
    assert (found.p, found.effect, found.n_positive, found.n_negative, found.n_zero) == (1, 0, 0, 0, len(d))


def test_differences_that_differ_by_rounding_alone_are_tied():
    apart = [0.3 - 0.2, 0.2 - 0.1, 0.1 - 0.2, 0.8 - 0.7, 0.9 - 1.0, 0.5, 0.7]
    tied = [0.1, 0.1, -0.1, 0.1, -0.1, 0.5, 0.7]
    assert len(set(np.abs(apart))) > 3
    assert signed_ranks(apart) == signed_ranks(tied)


@settings(max_examples=80, deadline=None)
@given(TENTHS)
def test_swapped_sources_keep_p_and_turn_the_effect(d):
    there, back = signed_ranks(d), signed_ranks([-value for value in d])
    assert back.p == pytest.approx(there.p, rel=1e-9)
    assert back.effect == pytest.approx(-there.effect, abs=1e-12)
    assert (back.n_positive, back.n_negative, back.n_zero) == (there.n_negative, there.n_positive, there.n_zero)


@settings(max_examples=80, deadline=None)
@given(TENTHS, st.randoms(use_true_random=False), st.sampled_from([0.5, 2, 1000]))
def test_neither_order_nor_unit_matters(d, random, unit):
    shuffled = [value * unit for value in d]
    random.shuffle(shuffled)
    there, other = signed_ranks(d), signed_ranks(shuffled)
    assert other.p == pytest.approx(there.p, rel=1e-9)
    assert other.effect == pytest.approx(there.effect, abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(TENTHS)
def test_p_and_effect_stay_in_their_range(d):
    found = signed_ranks(d)
    moved = found.n_positive + found.n_negative
    assert moved + found.n_zero == len(d)
    assert -1 <= found.effect <= 1
    assert 0 < found.p <= 1
    if found.exact:
        assert found.p >= min(1, 2 * 0.5**moved) * (1 - 1e-12)


@pytest.mark.parametrize("n", [1, 2, 7, 36])
@pytest.mark.parametrize("decimals", [1, 16])
def test_holm_is_statsmodels(n, decimals):
    p = np.random.default_rng(n).random(n).round(decimals) ** 2  # with and without ties
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], rtol=1e-12)


def test_holm_by_hand():
    """Sorted 0.01, 0.02, 0.02, 0.3: times 4, 3, 2, 1 is 0.04, 0.06, 0.04, 0.3, and never falls again."""
    assert holm([0.02, 0.3, 0.01, 0.02]).tolist() == [0.06, 0.3, 0.04, 0.06]
    assert holm([0.6, 0.5, 0.9]).tolist() == [1, 1, 1]


def test_holm_does_not_count_what_has_no_p():
    found = holm([NAN, 0.01, NAN, 0.04])
    assert found[[1, 3]].tolist() == [0.02, 0.04]
    assert np.isnan(found[[0, 2]]).all()
    assert np.isnan(holm([NAN, NAN])).all()
    assert holm([]).size == 0


@settings(max_examples=60, deadline=None)
@given(P_VALUES, st.randoms(use_true_random=False))
def test_holm_keeps_the_order_and_never_lowers(p, random):
    adjusted = holm(p)
    assert all(0 <= own <= after <= 1 for own, after in zip(p, adjusted, strict=True))
    by_p = [after for _, after in sorted(zip(p, adjusted, strict=True))]
    assert all(a <= b for a, b in pairwise(by_p))
    order = list(range(len(p)))
    random.shuffle(order)
    np.testing.assert_array_equal(holm([p[k] for k in order]), adjusted[order])


@given(st.lists(st.sampled_from([0.0, 0.1, 0.25, 1e-300, 3.0, 1e300]) | st.floats(0, 5), max_size=60))
def test_mean_ranks_are_those_of_a_second_library(values):
    assert mean_ranks(np.array(values, np.float64)).tolist() == stats.rankdata(values).tolist()
