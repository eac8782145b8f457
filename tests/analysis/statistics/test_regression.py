"""Least squares with HC3: by hand, against statsmodels, and where nothing can be said."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afl_core.analysis.statistics.regression import least_squares


@given(st.integers(0, 10_000), st.integers(8, 40), st.integers(1, 4))
def test_it_is_statsmodels(seed, n, k):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, k))
    y = x @ rng.normal(size=k) + rng.normal(size=n) * (1 + np.abs(x[:, 0]))
    found = least_squares(y, x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of statsmodels about pandas
        from statsmodels.regression.linear_model import OLS
    theirs = OLS(y, np.column_stack([np.ones(n), x])).fit(cov_type="HC3", use_t=True)
    np.testing.assert_allclose(found.estimate, theirs.params[1:], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(np.column_stack([found.low, found.high]), theirs.conf_int()[1:], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.p, theirs.pvalues[1:], rtol=1e-5, atol=1e-12)


def test_two_groups_by_hand():
    """Means 1 and 3; HC3's variance of a mean of n is the sum of squares over (n - 1) squared."""
    found = least_squares([0, 1, 2, 2, 3, 4], [[0], [0], [0], [1], [1], [1]])
    error = np.sqrt(2 / 4 + 2 / 4)
    assert found.estimate == pytest.approx([2])
    assert found.high - found.estimate == pytest.approx([2.7764451 * error])  # t of 4 degrees of freedom


def test_nothing_is_said_where_nothing_can_be():
    assert least_squares([1, 2, 3, 4], [[1, 2], [2, 4], [3, 6], [4, 8]]) is None  # one column is twice the other
    assert least_squares([1, 2, 3, 5], [[0], [0], [0], [1]]) is None  # one patient is the group
    assert least_squares([1, 2], [[0], [1]]) is None


def test_a_perfect_line_is_certain_and_a_constant_shows_nothing():
    assert least_squares([0, 1, 2, 3], [[0], [1], [2], [3]]).p == pytest.approx([0])
    assert least_squares([1, 1, 1, 1], [[0], [1], [2], [3]]).p == pytest.approx([1])
