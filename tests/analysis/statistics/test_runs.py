"""The interval for new patients and new runs: by hand, against statsmodels' crossed model, and its properties."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from afl_core.analysis.statistics.runs import _components, _Parts, runs_interval

PATIENTS, RUNS = 12, 4


def drawn(seed, patients=PATIENTS, runs=RUNS, *, run=0.03):
    rng = np.random.default_rng(seed)
    return (
        0.05 + rng.normal(0, 0.1, (patients, 1)) + rng.normal(0, run, (1, runs)) + rng.normal(0, 0.04, (patients, runs))
    )


def test_patients_and_runs_alone_by_hand():
    patient, run = np.arange(6.0)[:, None], np.array([[0.0, 3.0, 6.0]])
    table = patient + run  # nothing is left over: MS_rest 0
    found = runs_interval(np.zeros_like(table), table, paired=True)
    of_patients, of_runs = 3.5 / 6, 9 / 3  # variance of 0 to 5 over 6 patients; of 0, 3, 6 over 3 runs
    assert found.mean == pytest.approx(5.5)
    assert found.runs_share == pytest.approx(of_runs / (of_patients + of_runs))
    quantile = (of_patients * t.ppf(0.975, 5) + of_runs * t.ppf(0.975, 2)) / (of_patients + of_runs)
    half = quantile * (of_patients + of_runs) ** 0.5
    assert (found.low, found.high) == pytest.approx((5.5 - half, 5.5 + half))
    assert found.patients_to_halve is None, "the runs alone leave it too wide"
    assert 3 < found.runs_to_halve < 12


def test_mean_squares_by_hand():
    table = np.array([[1.0, 2.0, 6.0], [3.0, 2.0, 4.0]])  # means of rows 3 and 3, of columns 2, 2 and 5
    run, rest = _components(table)
    assert rest == pytest.approx(4 / 2)  # residuals -1, 0, 1 and 1, 0, -1
    assert run == pytest.approx((2 * 3 - 2) / 2)  # MS_runs: 2 patients times the variance of the column means


@pytest.mark.parametrize("seed", range(3))
def test_components_are_those_of_statsmodels_crossed_model(seed):
    table = drawn(seed, run=0.08)
    rows = pd.DataFrame(
        [(p, r, table[p, r]) for p in range(PATIENTS) for r in range(RUNS)], columns=["patient", "run", "value"]
    ).assign(all=1)
    effects = {"patient": "0 + C(patient)", "run": "0 + C(run)"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of statsmodels about pandas, and of its optimiser
        from statsmodels.formula.api import mixedlm

        fitted = mixedlm("value ~ 1", rows, groups="all", vc_formula=effects, re_formula="0").fit(reml=True)
    run, rest = _components(table)
    assert run == pytest.approx(fitted.vcomp[1], rel=0.02)
    assert rest == pytest.approx(fitted.scale, rel=0.02)
    found = runs_interval(np.zeros_like(table), table, paired=True)
    variance = table.mean(axis=1).var(ddof=1) / PATIENTS + run / RUNS
    assert variance**0.5 == pytest.approx(float(fitted.bse["Intercept"]), rel=0.02)
    assert found.runs_share == pytest.approx(run / RUNS / variance)


def test_runs_of_no_effect_leave_students_interval_of_the_patients():
    patient = np.random.default_rng(3).normal(0, 1, (10, 1))
    found = runs_interval(np.zeros((10, 3)), np.repeat(patient, 3, axis=1), paired=True)
    half = t.ppf(0.975, 9) * patient.std(ddof=1) / 10**0.5
    assert found.high - found.mean == pytest.approx(half)
    assert found.runs_share == 0
    assert found.runs_to_halve is None
    assert 30 < found.patients_to_halve <= 40, "a quarter of the variance, and a smaller quantile"


def test_what_halves_the_interval_is_the_smallest_number_that_does():
    table = drawn(7)
    found = runs_interval(np.zeros_like(table), table, paired=True)
    half = found.high - found.mean
    run, rest = _components(table)
    parts = _Parts(table.mean(axis=1).var(ddof=1) - rest / RUNS, run, rest, PATIENTS, RUNS)
    if found.patients_to_halve is not None:
        assert parts.half_width(found.patients_to_halve, RUNS, 0.95) <= half / 2
        assert parts.half_width(found.patients_to_halve - 1, RUNS, 0.95) > half / 2
    assert found.runs_to_halve is None or parts.half_width(PATIENTS, found.runs_to_halve, 0.95) <= half / 2


def test_few_patients_or_runs_give_no_interval():
    assert runs_interval(np.zeros((5, 3)), np.ones((5, 3)), paired=True) is None
    assert runs_interval(np.zeros((9, 2)), np.ones((9, 3)), paired=False) is None


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), paired=st.booleans())
def test_swapped_sources_turn_the_signs_and_more_confidence_is_wider(seed, paired):
    first, second = drawn(seed), drawn(seed + 1)
    found, swapped = runs_interval(first, second, paired=paired), runs_interval(second, first, paired=paired)
    assert (swapped.mean, swapped.low, swapped.high) == pytest.approx((-found.mean, -found.high, -found.low))
    assert found.low <= found.mean <= found.high
    assert 0 <= found.runs_share <= 1
    wider = runs_interval(first, second, paired=paired, level=0.99)
    assert wider.high >= found.high


def test_runs_that_are_paired_share_what_their_seed_did():
    patient = np.random.default_rng(1).normal(0, 0.1, (20, 1))
    seeds = np.array([[0.0, 0.2, 0.4]])
    first = patient + seeds
    found = runs_interval(first, first + 0.1, paired=True)
    apart = runs_interval(first, first + 0.1, paired=False)
    assert found.high - found.low == pytest.approx(0, abs=1e-9)
    assert apart.high - apart.low > 0.5
