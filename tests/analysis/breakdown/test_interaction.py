"""Dependence on size: slopes by hand, every permutation, statsmodels' mixed model, SciPy's Theil-Sen, error rates."""

import math
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from afl_core.analysis.breakdown.interaction import (
    Interaction,
    Trend,
    interaction_sentence,
    robust_trend,
    size_interaction,
)
from afl_core.analysis.breakdown.measures import MEASURES
from afl_core.analysis.breakdown.units import Units

PAIR = ("FL", "A-FL")
LESIONS = (3, 1, 2, 4, 1, 2, 5, 2, 1, 3)
"""Of each of ten patients."""


def units(log_size, difference, *, patients=None, level="case", metric="dsc", shared=0.5):
    """Of that size and difference; what both sources share must not matter."""
    n = len(log_size)
    names = [f"p{k:04d}" for k in (range(n) if patients is None else patients)]
    table = pd.DataFrame(
        {"case_id": names, "patient": names, "lesion_id": 0, "size": 2.0 ** np.asarray(log_size, dtype=float)}
    )
    values = pd.DataFrame({"FL": np.full(n, shared), "A-FL": shared + np.asarray(difference, dtype=float)})
    return Units(level, MEASURES[level][metric], PAIR, table, table, values, {})


def lesions(spread):
    """Lesions of ten patients, whose differences differ between patients by about that much."""
    patients = np.repeat(np.arange(10), LESIONS)
    k = np.arange(len(patients))
    log_size = np.round(3 * np.sin(2.3 * k) + patients % 3, 2)
    return (
        patients,
        log_size,
        np.round(0.01 * log_size + spread * np.cos(5 * patients) + 0.05 * np.sin(7.7 * k**1.3), 3),
    )


def uneven(rng, n):
    """Sizes and differences without a slope, of which the small ones scatter more: half every 1.7 doublings."""
    log_size = rng.normal(1, 2, n)
    return log_size, 0.1 * np.exp(-0.4 * (log_size - 1)) * rng.normal(size=n)


def test_slope_is_the_least_squares_change_per_doubling():
    """Sizes 1, 2, 4 ... 64 ml: centred -3 ... 3, sum of squares 28; products 3 * 0.3 - 2 * 0.1 = 0.7."""
    found = size_interaction(units(range(7), [0, 0, 0, 0, 0, -0.1, 0.3]), PAIR)
    assert (found.method, found.n, found.units, found.note) == ("permutation", 7, 7, "")
    assert found.slope == pytest.approx(0.7 / 28)
    back = size_interaction(units(range(7), [0, 0, 0, 0, 0, -0.1, 0.3]), PAIR[::-1])
    assert (back.slope, back.low, back.high, back.p) == pytest.approx((-found.slope, -found.high, -found.low, found.p))


def test_p_is_the_share_of_all_orders_of_the_sizes_with_a_studentised_slope_as_far_out():
    """HC3 by its matrices: (X'X)^-1 X' diag(residual / (1 - leverage))^2 X (X'X)^-1."""
    log_size, difference = np.array([0, 0.5, 2, 3, 5, 9.0]), np.array([0.02, -0.05, 0.03, 0.02, 0.05, 0.06])
    reached = []
    for order in permutations(log_size):
        design = np.column_stack([np.ones(6), order])
        bread = np.linalg.inv(design.T @ design)
        slope = bread @ design.T @ difference
        scaled = (difference - design @ slope) / (1 - np.diag(design @ bread @ design.T))
        error = math.sqrt((bread @ (design.T * scaled**2) @ design @ bread)[1, 1])
        reached.append(abs(slope[1] / error))
    exact = np.mean(np.array(reached) >= reached[0] - 1e-9)
    assert 0.01 < exact < 0.3
    found = size_interaction(units(log_size, difference), PAIR)
    assert found.p == pytest.approx(exact, abs=3.5 * math.sqrt(exact * (1 - exact) / 9999))
    assert found == size_interaction(units(log_size, difference), PAIR)  # the seed is fixed


def test_p_is_never_zero():
    assert size_interaction(units(range(40), np.arange(40) + np.cos(np.arange(40))), PAIR).p == 1 / 10000


def test_interval_is_the_jackknifes_with_students_quantile():
    log_size, difference = np.array([0, 0.5, 2, 3, 5, 9.0]), np.array([0.02, -0.05, 0.01, 0.06, 0.05, 0.2])
    without = [np.polyfit(np.delete(log_size, k), np.delete(difference, k), 1)[0] for k in range(6)]
    slope = np.polyfit(log_size, difference, 1)[0]
    half = stats.t.ppf(0.975, 4) * math.sqrt(5 / 6 * ((np.array(without) - slope) ** 2).sum())
    found = size_interaction(units(log_size, difference), PAIR)
    assert (found.slope, found.low, found.high) == pytest.approx((slope, slope - half, slope + half))


def test_several_cases_of_a_patient_count_once():
    """The first patient's cases of 1 and 16 ml, 0.1 and 0.3, are one of 4 ml and 0.2."""
    many = units([0, 4, 0, 1, 3, 4, 6], [0.1, 0.3, 0, 0.1, 0.1, 0.2, 0.5], patients=[0, 0, 1, 2, 3, 4, 5])
    once = units([2, 0, 1, 3, 4, 6], [0.2, 0, 0.1, 0.1, 0.2, 0.5])
    found, expected = size_interaction(many, PAIR), size_interaction(once, PAIR)
    assert (found.n, found.units) == (6, 7)
    assert (found.slope, found.low, found.high, found.p) == pytest.approx(
        (expected.slope, expected.low, expected.high, expected.p)
    )
    assert robust_trend(many, PAIR) == robust_trend(once, PAIR)


def test_units_without_a_tumour_are_left_out():
    table = units([0, 1, 2, 3, 4, 5, 0, 0], [0, 0.2, 0.1, 0.2, 0.4, 0.3, 9, 9])
    table.table.loc[[6, 7], "size"] = [0, math.nan]
    assert size_interaction(table, PAIR) == size_interaction(units(range(6), [0, 0.2, 0.1, 0.2, 0.4, 0.3]), PAIR)
    assert robust_trend(table, PAIR) == robust_trend(units(range(6), [0, 0.2, 0.1, 0.2, 0.4, 0.3]), PAIR)


@pytest.mark.parametrize(
    ("spread", "ratio", "slope"),
    [(0, 0.1008034, 0.007505148344), (0.1, 4.98486493, 0.006721826739), (0.4, 88.34194337, 0.006688459457)],
)
def test_mixed_model_is_statsmodels(spread, ratio, slope):
    """`MixedLM(difference, [1, log2 size], groups=patient).fit(reml=True, gtol=1e-12)` of statsmodels 0.14.6.

    The standard error is ours: generalised least squares with that ratio of variances without each patient in turn.
    """
    patients, log_size, difference = lesions(spread)
    found = size_interaction(units(log_size, difference, patients=patients, level="lesion"), PAIR)
    assert (found.method, found.n, found.units, found.note) == ("mixed model", 10, 24, "")
    assert found.slope == pytest.approx(slope, rel=1e-6)

    def fit(keep):
        x, y, g = log_size[keep], difference[keep], patients[keep]
        weights = np.linalg.inv(np.eye(len(x)) + ratio * (g[:, None] == g))
        design = np.column_stack([np.ones(len(x)), x])
        return np.linalg.solve(design.T @ weights @ design, design.T @ weights @ y)[1]

    without = np.array([fit(patients != k) for k in range(10)])
    error = math.sqrt(0.9 * ((without - slope) ** 2).sum())
    assert found.p == pytest.approx(2 * stats.t.sf(slope / error, 8), rel=1e-4)
    half = stats.t.ppf(0.975, 8) * error
    assert (found.low, found.high) == pytest.approx((slope - half, slope + half), rel=1e-4)


def test_patients_that_do_not_differ_give_an_ordinary_regression_and_a_note():
    """Two lesions a patient whose differences mirror each other: the best variance between patients is 0."""
    log_size = np.array([0, 1, 2, 3, 1, 4, 0, 2, 5, 3, 2, 1])
    difference = 0.02 * log_size + np.tile([0.1, -0.1], 6) + np.repeat([1, -1, 0, 2, -2, 0], 2) / 1000
    found = size_interaction(units(log_size, difference, patients=np.repeat(range(6), 2), level="lesion"), PAIR)
    assert found.slope == pytest.approx(np.polyfit(log_size, difference, 1)[0])
    assert "singular" in found.note
    assert 0 < found.p < 1


def test_one_lesion_a_patient_is_an_ordinary_regression_with_a_note():
    log_size, difference = [0, 1, 2, 3, 4, 6], [0, 0.1, 0, 0.2, 0.1, 0.2]
    found = size_interaction(units(log_size, difference, level="lesion"), PAIR)
    cases = size_interaction(units(log_size, difference), PAIR)
    assert (found.slope, found.low, found.high) == pytest.approx((cases.slope, cases.low, cases.high))
    assert found.note.startswith("one lesion a patient")


def test_lesions_of_a_patient_that_differ_alike_have_a_slope():
    """No variance within patients at all: the likelihood has no maximum, and the slope is still a number."""
    found = size_interaction(
        units(range(12), np.repeat([0, 0.1, 0.1, 0.3, 0.2, 0.5], 2), patients=np.repeat(range(6), 2), level="lesion"),
        PAIR,
    )
    assert found.method == "mixed model"
    assert math.isfinite(found.slope)
    assert found.low <= found.slope <= found.high


@pytest.mark.parametrize("level", ["case", "lesion"])
def test_equal_differences_have_slope_zero(level):
    """0.3 + 0.1 and 0.2 + 0.1 leave differences equal but for rounding."""
    found = size_interaction(units(range(8), [0.4 - 0.3, 0.3 - 0.2] * 4, level=level), PAIR)
    assert (found.slope, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert found.note == "all differences are equal"


@pytest.mark.parametrize("level", ["case", "lesion"])
def test_a_line_without_scatter_is_its_slope(level):
    found = size_interaction(units(range(12), np.arange(12) / 100, level=level, patients=np.repeat(range(6), 2)), PAIR)
    assert (found.slope, found.low, found.high) == pytest.approx((0.01, 0.01, 0.01))
    assert found.p < 0.05


@pytest.mark.parametrize(
    ("log_size", "patients", "note"),
    [
        ([], None, "0 patients with a tumour are too few (6 are needed)"),
        ([3], None, "1 patient with a tumour is too few (6 are needed)"),
        (range(5), None, "5 patients with a tumour are too few (6 are needed)"),
        (range(10), [0, 1, 2, 3, 4] * 2, "5 patients with a tumour are too few (6 are needed)"),
        ([2] * 7, None, "all tumours have one size"),
        ([2] * 6 + [5], None, "all tumours but those of one patient have one size"),
    ],
)
@pytest.mark.parametrize("level", ["case", "lesion"])
def test_too_few_have_no_test(level, log_size, patients, note):
    table = units(log_size, np.arange(len(log_size)) ** 2 / 100, patients=patients, level=level)
    found = size_interaction(table, PAIR)
    assert (found.method, found.units, found.note) == ("", len(log_size), note)
    assert np.isnan([found.slope, found.low, found.high, found.p]).all()
    sentence = interaction_sentence(found, table, PAIR)
    assert sentence.startswith("Whether A-FL's ")
    assert sentence.endswith(f"was not tested: {note}.")


def test_uneven_scatter_is_not_taken_for_a_slope():
    """120 cohorts of 30 without one: the plain permutation test of the slope finds one in 1 of 5."""
    rng = np.random.default_rng(8)
    found = [size_interaction(units(*uneven(rng, 30)), PAIR) for _ in range(120)]
    assert sum(one.p < 0.05 for one in found) <= 10
    assert sum(not one.low <= 0 <= one.high for one in found) <= 12


def test_uneven_scatter_of_lesions_is_not_taken_for_a_slope():
    """200 cohorts of 40 without one: Wald's z of the mixed model finds one in 1 of 4."""
    rng = np.random.default_rng(8)
    small = 0
    for _ in range(200):
        patients = np.repeat(np.arange(40), rng.integers(1, 5, 40))
        log_size, difference = uneven(rng, len(patients))
        difference = difference + 0.05 * rng.normal(size=40)[patients]
        small += size_interaction(units(log_size, difference, patients=patients, level="lesion"), PAIR).p < 0.05
    assert small <= 22


@pytest.mark.parametrize(("level", "patients"), [("case", np.arange(80)), ("lesion", np.arange(80) // 2)])
def test_a_slope_that_is_there_is_found(level, patients):
    rng = np.random.default_rng(4)
    for _ in range(10):
        log_size, scatter = uneven(rng, 80)
        found = size_interaction(units(log_size, 0.12 * log_size + scatter, patients=patients, level=level), PAIR)
        assert found.p < 0.05
        assert found.low > 0


def test_trend_is_scipys_theil_sen_and_not_bent_by_an_outlier():
    difference = 0.1 + 0.02 * np.arange(9)
    difference[8] = 5
    trend = robust_trend(units(range(9), difference), PAIR)
    expected = stats.theilslopes(difference, np.arange(9), 0.95)
    assert trend == Trend(*(pytest.approx(v) for v in (0.02, 0.1, expected.low_slope, expected.high_slope)))
    rough = difference + 0.05 * np.cos(np.arange(9))
    trend, expected = robust_trend(units(range(9), rough), PAIR), stats.theilslopes(rough, np.arange(9), 0.95)
    assert (trend.low, trend.high) == pytest.approx((expected.low_slope, expected.high_slope))


def test_trend_needs_six_patients_and_two_sizes():
    assert robust_trend(units(range(5), range(5)), PAIR) is None
    assert robust_trend(units(range(6), range(6), patients=[0, 1, 2, 3, 4, 4]), PAIR) is None
    assert robust_trend(units([1] * 8, range(8)), PAIR) is None
    assert robust_trend(units(range(6), [0.1] * 6), PAIR) == Trend(0, pytest.approx(0.1), 0, 0)


def test_sentences_say_no_more_than_the_numbers():
    cases, millimetres = units([], []), units([], [], metric="hd95_mm")
    shown = Interaction("permutation", 0.012, 0.004, 0.02, 0.0123, 24, 24)
    assert interaction_sentence(shown, cases, PAIR) == (
        "A-FL's Dice minus FL's rises with tumour volume: +0.012 per doubling, 95 % interval +0.004 to +0.020 "
        "(24 cases; p = 0.012 by permutation of sizes over patients)."
    )
    none = Interaction("permutation", -0.5, -1.2, 0.2, 0.3, 24, 30)
    assert interaction_sentence(none, millimetres, PAIR) == (
        "No dependence on tumour volume shown: A-FL's HD95 minus FL's changes by -0.5 mm per doubling, 95 % interval "
        "-1.2 to +0.2 (30 cases of 24 patients; p = 0.300 by permutation of sizes over patients)."
    )
    mixed = Interaction("mixed model", -0.012, -0.02, -0.004, 0.00001, 10, 24, "a note")
    assert interaction_sentence(mixed, units([], [], level="lesion"), PAIR) == (
        "A-FL's lesion Dice minus FL's falls with lesion volume: -0.012 per doubling, 95 % interval -0.020 to -0.004 "
        "(24 lesions of 10 patients; p < 0.001 by a mixed model with a random intercept of the patient; a note)."
    )


def test_sentences_say_where_interval_and_test_disagree():
    cases = units([], [])
    unclear = "Whether A-FL's Dice minus FL's depends on tumour volume is unclear: the interval "
    by_interval = interaction_sentence(Interaction("permutation", 0.01, 0.001, 0.02, 0.07, 24, 24), cases, PAIR)
    assert by_interval.startswith(f"{unclear}leaves out 0, but the test shows no dependence. It changes by +0.010 per")
    by_test = interaction_sentence(Interaction("permutation", 0.01, -0.001, 0.02, 0.03, 24, 24), cases, PAIR)
    assert by_test.startswith(f"{unclear}holds 0, but the test shows a dependence. It changes by +0.010 per doubling")
