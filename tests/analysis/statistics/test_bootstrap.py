"""Intervals of means: SciPy's BCa at the expanded level, and what no interval may depend on."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from afl_core.analysis.statistics import bootstrap
from afl_core.analysis.statistics.bootstrap import DRAWS, SEED, expanded_level, mean_intervals, times_drawn

REAL = st.floats(-1, 1).map(lambda value: round(value, 4))


def scipys(column, *, level, resamples=9999):
    found = stats.bootstrap(
        (column,),
        np.mean,
        n_resamples=resamples,
        batch=1000,
        confidence_level=expanded_level(level, len(column)),
        method="BCa",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return found.low, found.high


def values(n, seed=5):
    """Symmetric, skewed, mostly zero, and far from 0; in 1/1024, so that a sum is the same in any order.

    Otherwise SciPy takes some resamples for lower than the mean that only hold the same rows in another order.
    """
    rng = np.random.default_rng(seed)
    rare = np.where(rng.random(n) < 0.7, 0, rng.normal(0.1, 0.2, n))
    rare[0] = 0.3  # never all zero
    rows = np.column_stack([rng.normal(0.02, 0.05, n), rng.exponential(1, n), rare, rng.normal(80, 2, n)])
    return np.round(rows * 1024) / 1024


@pytest.mark.parametrize("n", [3, 6, 15, 90, 300])
def test_an_interval_is_scipys_bca_at_the_expanded_level(n):
    rows = values(n)
    expected = [scipys(column, level=0.95) for column in rows.T]
    np.testing.assert_allclose(mean_intervals(rows), expected, rtol=1e-12, atol=1e-15)


def test_a_level_for_each_column():
    rows = values(20)[:, [0, 0, 1]]
    levels = (0.8, 0.99, 1 - 0.05 / 3)
    expected = [scipys(column, level=level) for column, level in zip(rows.T, levels, strict=True)]
    found = mean_intervals(rows, level=levels)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert found[1, 0] < found[0, 0] < found[0, 1] < found[1, 1]


@pytest.mark.parametrize("resamples", [999, 1000, 2500])
def test_resamples_need_not_fill_their_batches(resamples):
    column = values(12)[:, 0]
    expected = scipys(column, level=0.95, resamples=resamples)
    assert mean_intervals(column[:, None], resamples=resamples)[0] == pytest.approx(expected, rel=1e-9)


def test_a_column_does_not_feel_the_others():
    rows = values(25)
    alone = np.concatenate([mean_intervals(rows[:, [k]]) for k in range(4)])
    beside = np.column_stack([rows, np.zeros(25), values(25, seed=6)])
    np.testing.assert_allclose(mean_intervals(beside)[:4], alone, rtol=1e-12)
    np.testing.assert_array_equal(mean_intervals(rows), mean_intervals(rows))  # the seed is fixed


@pytest.mark.parametrize(
    ("n", "level", "expected"),
    [(2, 0.95, 1.0), (15, 0.95, 0.97358), (30, 0.95, 0.96249), (100, 0.95, 0.95387), (30, 0.8, 0.81775)],
)
def test_expanded_level_is_students_quantile_as_a_normal_one(n, level, expected):
    """At n = 15: sqrt(15 / 14) * 2.144787 = 2.220065, and 1 - 2 * 0.01321 of a normal lies within."""
    assert expanded_level(level, n) == pytest.approx(expected, abs=2e-5)
    quantile = stats.t.ppf((1 + level) / 2, n - 1) * math.sqrt(n / (n - 1))
    assert expanded_level(level, n) == pytest.approx(stats.norm.cdf(quantile) - stats.norm.cdf(-quantile))


def test_expansion_is_small_for_many_and_always_outwards():
    expanded = [expanded_level(0.95, n) for n in (2, 3, 6, 15, 30, 100, 1000, 100_000)]
    assert expanded == sorted(expanded, reverse=True)
    assert expanded[-1] == pytest.approx(0.95, abs=1e-5)
    assert min(expanded) > 0.95


def test_one_row_has_no_interval_and_none_neither():
    assert np.isnan(mean_intervals([[0.5, 1.0]])).all()
    assert mean_intervals([[0.5, 1.0]]).shape == (2, 2)
    assert np.isnan(mean_intervals(np.empty((0, 3)))).all()


def test_no_column_gives_no_interval():
    assert mean_intervals(np.empty((8, 0))).shape == (0, 2)


@pytest.mark.parametrize("value", [0.0, 0.25, -3.0, 1e-300, 1e200])
def test_equal_values_give_that_value(value):
    found = mean_intervals(np.column_stack([np.full(7, value), np.arange(7.0)]))
    assert found[0] == pytest.approx([value, value], rel=1e-12)
    assert found[1, 0] < 3 < found[1, 1]


def test_values_equal_but_for_rounding_give_that_value():
    column = np.array([0.4 - 0.3, 0.3 - 0.2, 0.8 - 0.7, 1 - 0.9] * 3)
    assert np.ptp(column) > 0
    low, high = mean_intervals(column[:, None])[0]
    assert low == high == pytest.approx(0.1)


@pytest.mark.parametrize("scale", [1e-300, 1e-110, 1e-8, 7.0, 1e8, 1e110, 1e290])
def test_the_unit_does_not_matter(scale):
    rows = values(15)
    np.testing.assert_allclose(mean_intervals(rows * scale) / scale, mean_intervals(rows), rtol=1e-9, atol=1e-12)


def test_one_value_apart_lies_at_the_end():
    low, high = mean_intervals(np.array([[0.0]] * 9 + [[0.4]]))[0]
    assert 0 <= low < 0.04 < high <= 0.4
    assert mean_intervals(np.array([[0.0]] * 6 + [[-0.1]]))[0, 1] == 0  # not a rounding error below 0


@pytest.mark.parametrize("n", [6, 30])
def test_a_wider_level_never_gives_a_narrower_interval(n):
    """One patient far from the others; at 0.9999 of six BCa's correction would turn over."""
    column = np.append(np.zeros(n - 1), 1.0) + values(n)[:, 0] / 100
    levels = (0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.999999)
    low, high = mean_intervals(np.column_stack([column] * len(levels)), level=levels).T
    assert (np.diff(low) <= 0).all()
    assert (np.diff(high) >= 0).all()
    assert column.min() <= low[-1] < high[-1] <= column.max()


@settings(max_examples=40, deadline=None)
@given(arrays(float, st.integers(2, 30), elements=REAL))
def test_negated_values_have_the_negated_interval(column):
    low, high = mean_intervals(column[:, None], resamples=500)[0]
    assert mean_intervals(-column[:, None], resamples=500)[0] == pytest.approx([-high, -low], abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(arrays(float, st.integers(2, 30), elements=REAL), st.sampled_from([-2.0, 0.5, 64.0]))
def test_a_constant_shifts_the_interval(column, constant):
    rows = np.column_stack([column, column + constant])
    (low, high), shifted = mean_intervals(rows, resamples=500)
    assert shifted == pytest.approx([low + constant, high + constant], abs=1e-9)
    assert column.min() - 1e-12 <= low <= high <= column.max() + 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_rows_matters_no_more_than_another_seed(seed):
    rows = values(40)[:, :2]
    first, second = mean_intervals(rows), mean_intervals(np.random.default_rng(seed).permutation(rows))
    assert (first != second).any()
    assert np.abs(first - second).max(axis=1) == pytest.approx([0, 0], abs=0.06 * np.ptp(first, axis=1).max())


@pytest.mark.parametrize("kind", ["normal", "skewed", "found or missed"])
def test_intervals_of_many_are_what_resampling_gives(kind, monkeypatch):
    """To the noise of 9,999 draws: a fiftieth of the standard error at these quantiles is one deviation of it."""
    rng = np.random.default_rng(3)
    rows = {
        "normal": rng.normal(3, 2, (1500, 3)),
        "skewed": rng.lognormal(0, 1.2, (1500, 3)) - 4,
        "found or missed": (rng.uniform(size=(1500, 3)) < [0.5, 0.9, 0.03]).astype(float),
    }[kind]
    many = mean_intervals(rows, level=[0.95, 0.98, 0.95])
    monkeypatch.setattr(bootstrap, "MOST_RESAMPLED", len(rows))
    resampled = mean_intervals(rows, level=[0.95, 0.98, 0.95])
    error = rows.std(axis=0) / math.sqrt(len(rows))
    assert np.abs((many - resampled) / error[:, None]).max() < 0.12
    if kind == "skewed":  # and not only what mean and deviation give
        plain = rows.mean(axis=0)[:, None] + error[:, None] * np.array([-1.96, 1.96])
        assert (many - plain > 0.02 * error[:, None])[0].all()


@pytest.mark.parametrize(("n", "drawn"), [(401, 9999), (101, 1999)])
def test_without_draws_intervals_are_nearer_to_many_draws_than_the_usual_number_is(n, drawn):
    """Of as few rows as draws are spared for, by the breakdown and by the sweep of edges."""
    rng = np.random.default_rng(4)
    rare = np.where(rng.random(n) < 0.05, rng.uniform(0.3, 0.9, n), rng.normal(0, 0.01, n))
    rows = np.column_stack([rng.normal(3, 2, n), rng.lognormal(0, 1, n), rare, rng.standard_t(3, n)])
    levels = [0.95, 0.98, 0.95, 0.98]
    expanded = mean_intervals(rows, level=levels, resamples=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "MOST_RESAMPLED", n)
        truth, usual = (mean_intervals(rows, level=levels, resamples=many) for many in (100_000, drawn))
    assert np.abs(expanded - truth).mean() < 0.5 * np.abs(usual - truth).mean()
    assert np.abs(expanded - truth).max() < np.abs(usual - truth).max()


def test_intervals_of_many_equal_values_are_those_values():
    rows = np.column_stack([np.full(20, 0.3), np.arange(20) * 1e150])
    low, high = mean_intervals(rows, resamples=0).T
    assert low[0] == high[0] == rows[:, 0].mean()
    assert 0 < low[1] < rows[:, 1].mean() < high[1]


def test_what_is_kept_of_the_draws_changes_nothing():
    """The same draws as those of one generator, batch after batch; and kept ones cannot be changed by who asks."""
    rng = np.random.default_rng(SEED)
    n, resamples = 40, 4000
    batches = [rng.integers(0, n, (min(DRAWS // n, resamples - at), n)) for at in range(0, resamples, DRAWS // n)]
    expected = np.stack([np.bincount(row, minlength=n) for row in np.concatenate(batches)])
    values = np.random.default_rng(1).normal(size=(n, 2))
    for _ in range(2):
        np.testing.assert_allclose(bootstrap._resampled_means(values, resamples), expected @ values / n, atol=1e-12)
    drawn = times_drawn(n, 999)
    np.testing.assert_array_equal(drawn, np.random.default_rng(SEED).multinomial(n, [1 / n] * n, 999))
    with pytest.raises(ValueError, match="read-only"):
        drawn[0, 0] = 1
