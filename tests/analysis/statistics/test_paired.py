"""Paired differences: hand-computed means, SciPy's interval, and the headline table."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from afl_core.analysis.statistics.bootstrap import SEED, expanded_level
from afl_core.analysis.statistics.paired import headline, mean_scores, paired_difference, wide

NAN = math.nan


def rows(**values):
    """Case rows from `source=[dsc of a, b, c ...]`."""
    return pd.DataFrame(
        [
            {"case_id": chr(97 + i), "source": source.replace("_", "-"), "dsc": dsc, "hd95_mm": 10 * dsc}
            for source, scores in values.items()
            for i, dsc in enumerate(scores)
        ]
    )


def test_mean_is_second_minus_first():
    d = paired_difference([0.5, 0.7, 0.9], [0.6, 0.9, 0.9])
    assert d.n == 3
    assert d.mean == pytest.approx(0.1)
    assert d.low <= d.mean <= d.high


def test_interval_is_scipys_bca_bootstrap_of_the_mean_over_cases():
    rng = np.random.default_rng(3)
    first = rng.random(24)
    second = first + rng.exponential(0.05, 24)
    expected = stats.bootstrap(
        (second - first,),
        np.mean,
        n_resamples=9999,
        batch=1000,
        confidence_level=expanded_level(0.95, 24),
        method="BCa",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    d = paired_difference(first, second)
    assert (d.low, d.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert d == paired_difference(first, second)  # the seed is fixed
    assert 0 < d.low < d.mean < d.high
    back = paired_difference(second, first)
    assert back.mean == -d.mean
    assert (back.low, back.high) == pytest.approx((-d.high, -d.low), rel=0.05)


@pytest.mark.parametrize("shift", [0.0, 0.25, -0.5])
def test_equal_differences_give_that_one_value(shift):
    first = [0.25, 0.5, 0.75]
    d = paired_difference(first, [value + shift for value in first])
    assert (d.n, d.mean, d.low, d.high) == (3, shift, shift, shift)


def test_differences_equal_but_for_rounding_give_that_one_value():
    """0.4 - 0.3 and 0.3 - 0.2 differ in the last bit; the bootstrap must neither warn nor give NaN."""
    d = paired_difference([0.3, 0.2, 0.7], [0.4, 0.3, 0.8])
    assert (d.mean, d.low, d.high) == pytest.approx((0.1, 0.1, 0.1))


def test_two_cases_have_an_interval():
    d = paired_difference([0, 0], [0.1, 0.3])
    assert d.n == 2
    assert 0.1 <= d.low <= d.mean == pytest.approx(0.2)
    assert d.mean <= d.high <= 0.3


def test_one_changed_case_of_many_has_an_interval():
    d = paired_difference([0.5] * 10, [0.5] * 9 + [0.9])
    assert d.mean == pytest.approx(0.04)
    assert 0 <= d.low < d.high <= 0.4


def test_one_case_has_no_interval_and_none_has_no_mean():
    one = paired_difference([0.5], [0.75])
    assert (one.n, one.mean) == (1, 0.25)
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    none = paired_difference([], [])
    assert none.n == 0
    assert math.isnan(none.mean)


def test_a_pair_with_an_undefined_value_is_left_out():
    d = paired_difference([0.5, NAN, 0.5, 0.1], [0.75, 0.9, 1.0, NAN])
    assert d.n == 2
    assert d.mean == pytest.approx(0.375)
    assert paired_difference([NAN, NAN], [1, 1]).n == 0


def test_lengths_that_differ_are_an_error():
    with pytest.raises(ValueError, match="broadcast"):
        paired_difference([0.1, 0.2], [0.1, 0.2, 0.3])


def test_wide_has_a_row_a_case_and_a_column_a_source_in_the_order_asked():
    table = wide(rows(A_FL=[0.1, 0.2], FL=[0.3]), "dsc", ["FL", "A-FL", "none"])
    assert list(table.columns) == ["FL", "A-FL", "none"]
    assert list(table.index) == ["a", "b"]
    assert table["A-FL"].tolist() == [0.1, 0.2]
    assert table["FL"]["a"] == 0.3
    assert math.isnan(table["FL"]["b"])
    assert table["none"].isna().all()


def test_headline_is_over_the_cases_that_every_source_has():
    """Case c lacks a value of A-FL: means and medians are of a, b and d for both."""
    table = headline(rows(FL=[0.5, 0.75, 0.1, 1.0], A_FL=[0.75, 1.0, NAN, 1.0]), ["dsc", "hd95_mm"], ["FL", "A-FL"])
    sources = ["FL mean", "FL median", "A-FL mean", "A-FL median"]
    columns = ["metric", "n", "cases", "of", *sources, "difference", "low", "high"]
    assert list(table.columns) == columns
    dsc, hd95 = table.to_dict("records")
    assert (dsc["metric"], dsc["n"], dsc["cases"], dsc["of"]) == ("dsc", 3, 3, 4)
    assert (dsc["FL mean"], dsc["FL median"]) == (0.75, 0.75)
    assert (dsc["A-FL mean"], dsc["A-FL median"]) == pytest.approx((2.75 / 3, 1.0))
    assert dsc["difference"] == pytest.approx(0.5 / 3)
    assert 0 <= dsc["low"] <= dsc["difference"] <= dsc["high"] <= 0.25
    assert hd95["difference"] == pytest.approx(10 * dsc["difference"])


def test_headline_of_one_source_has_no_difference():
    table = headline(rows(FL=[0.5, 1.0]), ["dsc"], ["FL"])
    counts = {"metric": "dsc", "n": 2, "cases": 2, "of": 2}
    assert table.to_dict("records") == [{**counts, "FL mean": 0.75, "FL median": 0.75}]


def test_headline_without_a_common_case_has_n_zero():
    (record,) = headline(rows(FL=[0.5, NAN], A_FL=[NAN, 0.5]), ["dsc"], ["FL", "A-FL"]).to_dict("records")
    assert record["n"] == 0
    assert math.isnan(record["difference"])


def test_mean_scores_skip_what_is_undefined():
    assert mean_scores(rows(FL=[0.5, NAN, 1.0])) == {"cases": 3, "dsc": 0.75, "hd95_mm": 7.5}
