"""A-FL against a transcription of its formula in NumPy, identities, and the numbers of one known lesion."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from afl_core.errors import UsageError
from afl_core.loss import AdaptiveFocalLoss, FocalLoss, build_loss, factors

READINGS = ("balanced", "scalar", "released")


def formula(logits, target, alpha):
    """Mean of -w (1 - p_t) ** gamma * log(p_t), and its gradient by the chain rule, one sample after the other."""
    values, gradients = [], []
    for z, t in zip(logits.astype(np.float64), target[:, 0].astype(np.float64), strict=True):
        p_fg, n = t.sum(), t.size
        axes = tuple(axis for axis in range(3) if t.shape[axis] > 1)
        parts = np.gradient(t, axis=axes) if axes else []
        parts = parts if isinstance(parts, (list, tuple)) else [parts]
        smoothness = np.sqrt(sum((p**2 for p in parts), np.zeros_like(t))).mean()
        gamma = p_fg / n + smoothness
        alpha_va = (n - p_fg) / n
        one_hot = np.stack([1 - t, t])[-len(z) :]
        weight = {
            "balanced": np.broadcast_to(np.where(t == 1, alpha_va, 1 - alpha_va), z.shape),
            "scalar": np.full(z.shape, alpha_va),
            "released": np.broadcast_to(np.array([alpha_va, p_fg / n])[-len(z) :, None, None, None], z.shape),
        }[alpha]
        sign = 2 * one_hot - 1
        s = sign * z
        p = 1 / (1 + np.exp(-s))
        q = 1 / (1 + np.exp(s))
        log_p = -np.log1p(np.exp(-s))
        values.append((-weight * q**gamma * log_p).mean())
        d_log = sign * q  # d log p / dz
        d_q = -sign * p * q  # d (1 - p) / dz
        power = np.where(gamma == 0, 0, gamma * q ** (gamma - 1))
        gradients.append(-weight * (power * d_q * log_p + q**gamma * d_log) / z.size)
    return np.mean(values), np.stack(gradients) / len(values)


def sample(seed, shape, channels, batch, fill):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (batch, channels, *shape))
    target = (rng.random((batch, 1, *shape)) < fill).astype(np.float64)
    return logits, target


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(*[st.integers(1, 7)] * 3),
    channels=st.sampled_from([1, 2]),
    batch=st.integers(1, 3),
    fill=st.sampled_from([0.0, 0.02, 0.3, 1.0]),
    alpha=st.sampled_from(READINGS),
)
def test_value_and_gradient_equal_the_formula(seed, shape, channels, batch, fill, alpha):
    logits, target = sample(seed, shape, channels, batch, fill)
    expected, gradient = formula(logits, target, alpha)
    z = torch.tensor(logits, requires_grad=True)
    value = AdaptiveFocalLoss(alpha=alpha)(z, torch.tensor(target))
    value.backward()
    assert value.item() == pytest.approx(expected, rel=1e-6, abs=1e-12)
    np.testing.assert_allclose(z.grad.numpy(), gradient, rtol=1e-6, atol=1e-6 * max(np.abs(gradient).max(), 1e-12))


def lesion_1080():
    target = torch.zeros(1, 1, 160, 128, 24)
    target[..., 50:62, 50:60, 8:17] = 1
    return target


def test_released_weights_of_a_1080_voxel_lesion():
    f = factors(lesion_1080())
    assert f.alpha_va.item() == pytest.approx(0.9978, abs=5e-5)
    assert f.gamma_va.item() == pytest.approx(0.0022, abs=5e-5)
    assert f.gamma_va.item() == 1080 / (160 * 128 * 24)


def test_released_weighs_channels_not_voxels():
    """Swapped weights, or weights by the voxel's class, fail here: a tumour channel at p = 0.5 is worth 0.2 %."""
    target = lesion_1080()
    right = torch.where(target == 1, 40.0, -40.0)
    undecided = torch.zeros_like(right)
    loss = AdaptiveFocalLoss(alpha="released")
    tumour = loss(torch.cat([-right, undecided], dim=1), target).item()
    background = loss(torch.cat([undecided, right], dim=1), target).item()
    gamma = factors(target).gamma_adaptive.item()
    half_of_elements = 0.5 * np.log(2) * 0.5**gamma
    assert tumour == pytest.approx(1080 / 491520 * half_of_elements, rel=1e-4)
    assert background == pytest.approx((1 - 1080 / 491520) * half_of_elements, rel=1e-4)


def test_smoothness_of_a_block_by_hand():
    """One voxel inside: its six neighbours see a gradient of 1/2 each, and it sees none itself."""
    target = torch.zeros(1, 1, 5, 5, 5)
    target[..., 2, 2, 2] = 1
    f = factors(target)
    assert f.gamma_msa.item() == pytest.approx(6 * 0.5 / 125)
    assert f.gamma_adaptive.item() == pytest.approx(4 / 125)


def test_one_sided_differences_at_the_border():
    target = torch.zeros(1, 1, 2, 1, 1)
    target[0, 0, 0] = 1
    assert factors(target).gamma_msa.item() == pytest.approx(1.0)


@pytest.mark.parametrize("alpha", READINGS)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("fill", [0.0, 1.0])
@pytest.mark.parametrize("size", [-80.0, 0.0, 80.0])
def test_finite_on_empty_and_full_targets(alpha, channels, fill, size):
    logits = torch.full((1, channels, 4, 4, 4), size, requires_grad=True)
    value = AdaptiveFocalLoss(alpha=alpha)(logits, torch.full((1, 1, 4, 4, 4), fill))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()


def test_empty_target_of_the_balanced_reading_is_zero():
    logits = torch.randn(1, 2, 4, 4, 4)
    assert AdaptiveFocalLoss(alpha="balanced")(logits, torch.zeros(1, 1, 4, 4, 4)).item() == 0


@pytest.mark.parametrize("alpha", READINGS)
def test_a_batch_is_the_mean_of_its_samples(alpha):
    """Counts pooled over the batch, as the released code does, fail here."""
    logits, target = (torch.tensor(a, dtype=torch.float32) for a in sample(3, (6, 5, 4), 2, 2, 0.3))
    target[1] = 0
    target[1, 0, :2] = 1
    loss = AdaptiveFocalLoss(alpha=alpha)
    singles = [loss(logits[i : i + 1], target[i : i + 1]).item() for i in range(2)]
    assert loss(logits, target).item() == pytest.approx(np.mean(singles), rel=1e-6)


@pytest.mark.parametrize("alpha", READINGS)
@pytest.mark.parametrize("axis", [2, 3, 4])
def test_flipping_an_axis_changes_nothing(alpha, axis):
    logits, target = (torch.tensor(a, dtype=torch.float32) for a in sample(5, (6, 5, 4), 2, 1, 0.2))
    loss = AdaptiveFocalLoss(alpha=alpha)
    assert loss(logits.flip(axis), target.flip(axis)).item() == pytest.approx(loss(logits, target).item(), rel=1e-6)


@pytest.mark.parametrize("alpha", READINGS)
def test_gradcheck_including_a_logit_of_exactly_zero(alpha):
    logits, target = sample(7, (3, 3, 2), 2, 2, 0.4)
    logits[0, :, 0, 0, 0] = 0
    loss = AdaptiveFocalLoss(alpha=alpha)
    z = torch.tensor(logits, requires_grad=True)
    t = torch.tensor(target)
    assert torch.autograd.gradcheck(lambda x: loss(x, t), (z,))


@pytest.mark.parametrize("channels", [1, 2])
def test_focal_loss_by_hand(channels):
    """p_t = 0.8 everywhere: 0.2 ** 2 * -log 0.8."""
    target = torch.zeros(1, 1, 2, 2, 2)
    target[..., 0] = 1
    logit = float(np.log(0.8 / 0.2))
    tumour = torch.where(target == 1, logit, -logit)
    logits = tumour if channels == 1 else torch.cat([-tumour, tumour], dim=1)
    assert FocalLoss(gamma=2)(logits, target).item() == pytest.approx(0.04 * -np.log(0.8), rel=1e-5)


def test_wrong_shapes_and_names_say_what_is_accepted():
    with pytest.raises(UsageError, match="must be"):
        AdaptiveFocalLoss()(torch.zeros(1, 3, 2, 2, 2), torch.zeros(1, 1, 2, 2, 2))
    with pytest.raises(UsageError, match="balanced, scalar, released"):
        AdaptiveFocalLoss(alpha="volume")
    with pytest.raises(UsageError, match="Did you mean adaptive_focal"):
        build_loss("adaptve_focal")
    with pytest.raises(UsageError, match="no such setting"):
        build_loss("focal", alfa=1)
