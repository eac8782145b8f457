"""Power by simulation: against the test itself, against a formula, and at its limits."""

import numpy as np
import pytest
from scipy.stats import norm

from afl_core.analysis.statistics.power import (
    ALPHA,
    MOST_PATIENTS,
    POWER,
    _rejected,
    plan_study,
    simulate_power,
)
from afl_core.analysis.statistics.ranks import signed_ranks


@pytest.mark.parametrize("patients", [6, 7, 12, 30, 50, 51, 80])
@pytest.mark.parametrize("zeros", [0, 3])
def test_a_study_is_judged_as_the_test_judges_it(patients, zeros):
    rng = np.random.default_rng(patients)
    judged = []
    for _ in range(300):
        study = rng.normal(0.35, 1, patients)
        study[:zeros] = 0
        ordered = study[np.argsort(np.abs(study))]
        judged.append(bool(_rejected(ordered, np.ones((1, patients), int))[0]))
        assert judged[-1] == (signed_ranks(study).p < ALPHA)
    assert patients - zeros < 6 or 0 < np.mean(judged) < 1


def test_a_patient_who_is_drawn_again_takes_further_ranks():
    ordered = np.array([-0.1, 0.2, 0.3])
    drawn = np.array([[1, 4, 3], [4, 2, 2]])
    apart = [np.repeat(ordered, counts) * (1 + 1e-6 * np.arange(8)) for counts in drawn]
    assert _rejected(ordered, drawn).tolist() == [signed_ranks(study).p < ALPHA for study in apart] == [True, False]


def test_the_number_is_that_of_the_normal_formula_over_the_tests_efficiency():
    rng = np.random.default_rng(5)
    seen = rng.normal(0, 1, 2000)
    seen = (seen - seen.mean()) / seen.std() * 0.1 + 0.02
    wanted = ((norm.ppf(1 - ALPHA / 2) + norm.ppf(POWER)) * 0.1 / 0.02) ** 2 / (3 / np.pi)  # 205: Pitman's efficiency
    assert plan_study(seen).patients == pytest.approx(wanted, rel=0.08)


def test_an_assumed_difference_moves_the_mean_alone():
    seen = np.random.default_rng(1).normal(0.01, 0.1, 40)
    small, large = (plan_study(seen, assumed=d) for d in (0.02, 0.08))
    assert (small.difference, large.difference) == pytest.approx((0.02, 0.08))
    assert large.patients < small.patients
    assert plan_study(seen, assumed=seen.mean()).patients == plan_study(seen).patients


def test_no_difference_is_found_as_often_as_the_level_says_and_never_planned():
    seen = np.random.default_rng(2).normal(0, 0.1, 60)
    seen -= np.median(seen)
    symmetric = np.concatenate([seen, -seen])
    assert symmetric.mean() != 0, "by rounding, so one of the two signs counts: half of the level"
    assert np.mean([simulate_power(symmetric, n) for n in (30, 40, 50, 60)]) == pytest.approx(ALPHA / 2, abs=0.0075)
    plan = plan_study(symmetric)
    assert plan.patients is None, f"not even {MOST_PATIENTS} patients show what is not there"


def test_six_patients_that_agree_are_enough_and_five_plan_nothing():
    assert plan_study([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]).patients == 6
    assert plan_study([0.1] * 5) is None
    assert plan_study([0.0] * 9).power == 0


def test_the_same_differences_give_the_same_plan():
    seen = np.random.default_rng(8).normal(0.03, 0.1, 25)
    assert plan_study(seen) == plan_study(seen)


def test_a_study_that_shows_the_other_sign_shows_nothing():
    """15 small losses and one large gain: the mean is above 0, and the test shows that most are below."""
    differences = np.array([-0.03] * 15 + [0.886]) + 1e-4 * np.arange(16)
    assert differences.mean() > 0
    assert simulate_power(differences, 20) < 0.05
    assert simulate_power(-differences, 20) < 0.05
    assert plan_study(differences).patients is None
