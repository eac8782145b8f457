"""Temperature scaling from counts: against the exact fit on the voxels, and a known temperature that is recovered."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit

from afl_core.metrics.calibration import ERRORS
from afl_core.metrics.probability_counts import ProbabilityCounts, count_probabilities, mirrored
from afl_core.metrics.released import released_dsc, sum_probabilities
from afl_core.metrics.temperature import best_temperature, log_losses, scale, scaled_soft_dice

RADIUS = np.linalg.norm(np.indices((36, 36, 36)) - 17.5, axis=0)


def drawn(seed, sharpness=1.0):
    """Logits of a noisy ball, and a reference that is right as often as these say."""
    rng = np.random.default_rng(seed)
    logits = 1.2 * (9 - RADIUS) + rng.normal(0, 1.5, RADIUS.shape)
    return sharpness * logits, rng.random(RADIUS.shape) < expit(logits)


def counted(logits, reference) -> ProbabilityCounts:
    """The counts of one case, as of many."""
    of = count_probabilities(expit(logits).astype(np.float32), reference)
    return ProbabilityCounts(*(np.asarray(getattr(of, field.name))[None] for field in fields(of)))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), temperature=st.sampled_from([0.5, 1, 1.7, 3]))
def test_a_known_temperature_is_recovered(seed, temperature):
    draws = [drawn(16 * seed + k, temperature) for k in range(16)]  # of one the temperature has an error of 2 %
    logits, reference = (np.concatenate(of) for of in zip(*draws, strict=True))
    assert best_temperature(counted(logits, reference), np.ones(1)) == pytest.approx(temperature, rel=0.03)


@pytest.mark.parametrize("sharpness", [0.4, 1, 2.5])
def test_the_fit_is_that_on_the_voxels(sharpness):
    logits, reference = drawn(3, sharpness)

    def loss(temperature):
        return np.logaddexp(0, np.where(reference, -1, 1) * logits / temperature).mean()

    exact = minimize_scalar(loss, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-8}).x
    counts = counted(logits, reference)
    assert best_temperature(counts, np.ones(1)) == pytest.approx(exact, rel=0.002)
    assert log_losses(counts, np.array([1.0, exact]))[0] == pytest.approx([loss(1), loss(exact)], rel=0.005)


@pytest.mark.parametrize("temperature", [1, 0.6, 2.5])
def test_errors_and_the_soft_score_are_those_of_the_scaled_map(temperature):
    logits, reference = drawn(5, 1.6)
    counts, exact = counted(logits, reference), counted(logits / temperature, reference)
    scaled = scale(counts, temperature)
    for key, error in ERRORS.items():
        least = {"mce": 0.02, "ace": 0.005}.get(key, 0.0005)  # a bin of few voxels counts as much as others
        assert error.function(scaled)[0] == pytest.approx(error.function(exact)[0], rel=0.02, abs=least), key
    channels = np.stack([mirrored(counts.logits), counts.logits], axis=1)
    p = expit(logits / temperature).astype(np.float32)
    wanted = released_dsc(sum_probabilities(np.stack([1 - p, p]), reference))
    assert scaled_soft_dice(channels, temperature)[0] == pytest.approx(wanted, abs=5e-4)


def test_two_channels_of_their_own_are_scaled_each():
    rng = np.random.default_rng(6)
    both = np.stack([drawn(7)[0], -drawn(8)[0]])[::-1] + rng.normal(0, 0.3, (2, *RADIUS.shape))
    reference = drawn(7)[1]
    channels = np.stack([counted(of, reference).logits for of in both], axis=1)
    wanted = released_dsc(sum_probabilities(expit(both / 1.8).astype(np.float32), reference))
    assert scaled_soft_dice(channels, 1.8)[0] == pytest.approx(wanted, abs=5e-4)


def test_a_case_without_a_voxel_does_not_count():
    one = counted(*drawn(9, 2))
    two = ProbabilityCounts(*(np.concatenate([of := np.asarray(getattr(one, f.name)), 0 * of]) for f in fields(one)))
    assert best_temperature(two, np.ones(2)) == pytest.approx(best_temperature(one, np.ones(1)), rel=1e-6)


def test_a_mask_that_is_right_has_no_temperature():
    reference = RADIUS < 9
    assert best_temperature(counted(np.where(reference, 30.0, -30.0), reference), np.ones(1)) is None


@pytest.mark.parametrize("temperature", [0.1, 1, 10])
def test_no_voxel_is_lost(temperature):
    counts = counted(*drawn(10, 6))
    scaled = scale(counts, temperature)
    assert scaled.voxels.sum() == pytest.approx(RADIUS.size)
    assert scaled.reference.sum() == pytest.approx(counts.reference.sum())
