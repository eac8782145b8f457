"""A-FL against its formula written in float64 NumPy, for every switch; identities; the numbers of one known lesion."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_switches import ALPHAS, SMOOTHNESS, SWITCHES
from monai.losses import FocalLoss as MonaiFocalLoss

from afl_core.errors import UsageError
from afl_core.loss import LOSSES, PRESETS, AdaptiveFocalLoss, Factors, build_loss, factors
from afl_core.loss.focal import _formula
from afl_core.loss.fused import ALONE
from afl_core.shape import roughness

PLAIN = {"alpha": "none", "gamma_volume": False, "gamma_smoothness": "none"}


def exponent(t, terms):
    """gamma_offset + gamma_scale * (gamma_volume_scale * gamma_va + gamma_mSa) of one mask, at least 0."""
    axes = tuple(axis for axis in range(3) if t.shape[axis] > 1)
    parts = np.gradient(t, axis=axes) if axes else []
    parts = parts if isinstance(parts, (list, tuple)) else [parts]
    slope = np.sqrt(sum((p**2 for p in parts), np.zeros_like(t)))
    if terms.gamma_smoothness == "released":
        gamma = slope.mean()
    elif terms.gamma_smoothness == "surface":
        gamma = slope[slope > 0].mean() if slope.any() else 0.0
    elif terms.gamma_smoothness == "scale_free":
        gamma = np.nan_to_num(roughness(t > 0, spacing_mm=(1, 1, 1)))
    else:
        gamma = 0.0
    gamma += terms.gamma_volume_scale * t.mean() if terms.gamma_volume else 0.0
    return max(0.0, terms.gamma_offset + terms.gamma_scale * gamma)


def voxel_weights(t, terms, channels, softmax):
    """Weight of every element, shape (K, X, Y, Z)."""
    tumour, background = t.mean(), (1 - t).mean()
    by_class = {
        "balanced": np.where(t == 1, background, tumour),
        "scalar": np.full(t.shape, background),
        "released": np.where(t == 1, tumour, background),
        "none": np.ones(t.shape),
    }[terms.alpha]
    weights = np.broadcast_to(by_class, (1 if softmax else channels, *t.shape))
    if terms.alpha == "released" and not softmax:
        of_channel = np.array([background, tumour])[-channels:, None, None, None]
        weights = np.broadcast_to(of_channel, (channels, *t.shape))
    if terms.normalise:
        weights = weights / weights.mean() if weights.any() else np.ones(weights.shape)
    return weights


def formula(logits, target, terms, softmax=False):
    """Losses of -w (1 - p_t) ** gamma * log(p_t), and the gradient of their mean by the chain rule, one by one."""
    losses, gradients = [], []
    for z, t in zip(logits.astype(np.float64), target[:, 0].astype(np.float64), strict=True):
        gamma = exponent(t, terms)
        weight = voxel_weights(t, terms, len(z), softmax)
        one_hot = t[None] if softmax else np.stack([1 - t, t])[-len(z) :]
        sign = 2 * one_hot - 1
        s = sign * (z[1:] - z[:1] if softmax else z)
        p, q = 1 / (1 + np.exp(-s)), 1 / (1 + np.exp(s))
        log_p = -np.logaddexp(0, -s)
        losses.append(-weight * q**gamma * log_p)
        d_q = -sign * p * q  # d (1 - p) / dz
        power = 0 if gamma == 0 else gamma * q ** (gamma - 1)
        gradient = -weight * (power * d_q * log_p + q**gamma * sign * q) / s.size
        gradients.append(np.concatenate([-gradient, gradient]) if softmax else gradient)
    return np.stack(losses), np.stack(gradients) / len(losses)


def masks(seed, shape, batch, kind):
    rng = np.random.default_rng(seed)
    target = np.zeros((batch, 1, *shape))
    for mask in target[:, 0]:
        if kind == "full":
            mask[:] = 1
        elif kind == "one voxel":
            mask[tuple(rng.integers(n) for n in shape)] = 1
        elif kind == "scattered":
            mask[:] = rng.random(shape) < 0.3
    return target


def sample(seed, shape, channels, batch, kind="scattered"):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (batch, channels, *shape))
    extreme = rng.random(logits.shape)
    logits[extreme < 0.1], logits[extreme > 0.9] = 80, -80
    logits[(extreme > 0.45) & (extreme < 0.55)] = 0
    return logits, masks(seed + 1, shape, batch, kind)


@settings(max_examples=400, deadline=None)
@given(
    switches=SWITCHES,
    seed=st.integers(0, 10**6),
    shape=st.tuples(*[st.integers(1, 7)] * 3),
    layout=st.sampled_from([(1, "sigmoid"), (2, "sigmoid"), (2, "softmax")]),
    batch=st.integers(1, 3),
    kind=st.sampled_from(["empty", "full", "one voxel", "scattered"]),
)
def test_value_and_gradient_equal_the_formula(switches, seed, shape, layout, batch, kind):
    """A wrong sign, a swapped weight or a pooled batch fail here; both ways of computing are held to the formula."""
    channels, activation = layout
    logits, target = sample(seed, shape, channels, batch, kind)
    loss = AdaptiveFocalLoss(activation=activation, **switches)
    losses, gradient = formula(logits, target, loss.terms, loss.softmax)
    t = torch.tensor(target)
    f = factors(t, smoothness=loss.terms.gamma_smoothness)
    weights = loss.terms.weights(f, channels=channels, softmax=loss.softmax)

    def plain(z):
        return _formula(z.flatten(2), t.flatten(2), weights, loss.terms.gamma(f)[:, None]).mean()

    for compute in (lambda z: loss(z, t), plain):
        z = torch.tensor(logits, requires_grad=True)
        value = compute(z)
        value.backward()
        assert value.item() == pytest.approx(losses.mean(), rel=1e-6, abs=1e-30)
        np.testing.assert_allclose(z.grad.numpy(), gradient, rtol=1e-6, atol=1e-30)
    single = torch.tensor(logits, dtype=torch.float32, requires_grad=True)
    losses, gradient = formula(single.detach().numpy(), target, loss.terms, loss.softmax)
    value = loss(single, t)
    value.backward()
    # Rounding a logit to single precision moves a loss as small as (1 - p)^3 by more than 1e-6 of itself.
    assert value.item() == pytest.approx(losses.mean(), rel=1e-6, abs=5e-9)
    np.testing.assert_allclose(single.grad.numpy(), gradient, rtol=0, atol=1e-6 * np.abs(gradient).max() + 5e-9)


def ball(shape=(24, 20, 18), radius=7.0):
    axes = np.meshgrid(*[np.arange(n) - n / 2 for n in shape], indexing="ij")
    return torch.from_numpy(sum(a**2 for a in axes) < radius**2)[None, None]


@pytest.mark.parametrize("smoothness", SMOOTHNESS)
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_tumour_that_spans_blocks_and_threads(smoothness, activation, dtype):
    """Larger than a block and than what one thread keeps; scale_free has a roughness here that is not 0."""
    target = ball((48, 40, 36), 9).repeat(2, 1, 1, 1, 1)
    target[1] = target[1].roll(5, dims=1)
    target[:, :, 24:, 16:24] = False
    assert target.numel() > ALONE
    logits = torch.randn(2, 2, *target.shape[2:], generator=torch.Generator().manual_seed(0)).mul(5).to(dtype)
    loss = AdaptiveFocalLoss(gamma_smoothness=smoothness, activation=activation, alpha="balanced")
    assert factors(target, smoothness=smoothness).gamma_msa.gt(0).all() == (smoothness != "none")
    losses, gradient = formula(logits.numpy(), target.numpy(), loss.terms, loss.softmax)
    results = []
    for threads in (1, 2, 3):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        z = logits.clone().requires_grad_()
        value = loss(z, target)
        value.backward()
        torch.set_num_threads(before)
        results.append((value.item(), z.grad))
        assert value.item() == pytest.approx(losses.mean(), rel=1e-6)
        np.testing.assert_allclose(z.grad.numpy(), gradient, rtol=0, atol=1e-6 * np.abs(gradient).max())
    assert all(value == results[0][0] and torch.equal(g, results[0][1]) for value, g in results)


@pytest.mark.parametrize(("shape", "empty_voxels"), [((100, 100, 20), 1), ((100, 100, 20), 199_999)])
def test_the_rarer_class_keeps_its_weight(shape, empty_voxels):
    """Weights that differ by a factor of 200,000 must not be found by adding and subtracting in single precision."""
    target = torch.ones(1, 1, *shape)
    target.view(-1)[:empty_voxels] = 0
    logits = torch.where(target == target.view(-1)[50], 80.0, 0.0) * (2 * target - 1)  # only the rare class is unsure
    loss = AdaptiveFocalLoss(alpha="balanced")
    losses, _ = formula(logits.numpy(), target.numpy(), loss.terms)
    assert loss(logits, target).item() == pytest.approx(losses.mean(), rel=1e-6)


def lesion_1080():
    target = torch.zeros(1, 1, 160, 128, 24)
    target[..., 50:62, 50:60, 8:17] = 1
    return target


def test_released_weights_of_a_1080_voxel_lesion():
    f = factors(lesion_1080())
    assert f.alpha_va.item() == pytest.approx(0.9978, abs=5e-5)
    assert f.gamma_va.item() == pytest.approx(0.0022, abs=5e-5)
    assert f.gamma_va.item() == 1080 / (160 * 128 * 24)
    weights = PRESETS["released_code"].weights(f, channels=2, softmax=False)[0]
    np.testing.assert_allclose(weights, [[0.9978, 0.9978], [0.0022, 0.0022]], atol=5e-5)


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


def test_presets_are_the_code_and_the_words_of_the_paper():
    code, words = PRESETS["released_code"], PRESETS["paper_equation"]
    assert (code.alpha, code.gamma_smoothness) == ("released", "released")
    assert (words.alpha, words.gamma_smoothness) == ("scalar", "surface")
    for terms in (code, words):
        assert (terms.gamma_volume, terms.gamma_scale, terms.gamma_offset, terms.normalise) == (True, 1, 0, False)
    assert AdaptiveFocalLoss().terms == code


def test_smoothness_of_one_voxel_by_hand():
    """Its six neighbours see a gradient of 1/2 each, and it sees none itself."""
    target = torch.zeros(1, 1, 5, 5, 5)
    target[..., 2, 2, 2] = 1
    f = factors(target)
    assert f.gamma_msa.item() == pytest.approx(6 * 0.5 / 125)
    assert f.gamma_adaptive.item() == pytest.approx(4 / 125)
    assert factors(target, smoothness="surface").gamma_msa.item() == pytest.approx(0.5)
    assert factors(target, smoothness="scale_free").gamma_msa.item() == 0  # too small to be rough
    assert factors(target, smoothness="none").gamma_adaptive.item() == pytest.approx(1 / 125)


def test_one_sided_differences_at_the_border():
    target = torch.zeros(1, 1, 2, 1, 1)
    target[0, 0, 0] = 1
    assert factors(target).gamma_msa.item() == pytest.approx(1.0)


def test_scale_free_smoothness_is_the_roughness_of_the_bins_at_the_spacing_given():
    target = ball(radius=8)
    target[..., 8:16, 10:, :] = False
    for spacing_mm in ((1.0, 1.0, 1.0), (0.5, 0.5, 3.0)):
        gamma = factors(target, smoothness="scale_free", spacing_mm=spacing_mm).gamma_msa.item()
        assert gamma == roughness(target[0, 0].numpy(), spacing_mm=spacing_mm) > 0.1


@pytest.mark.parametrize("smoothness", SMOOTHNESS)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("fill", "alpha_va"), [(0.0, 1.0), (1.0, 0.0)])
@pytest.mark.parametrize("size", [-80.0, 0.0, 80.0])
def test_finite_on_empty_and_full_targets(smoothness, channels, fill, alpha_va, size):
    target = torch.full((1, 1, 4, 4, 4), fill)
    f = factors(target, smoothness=smoothness)
    assert (f.alpha_va.item(), f.gamma_va.item(), f.gamma_msa.item()) == (alpha_va, fill, 0)
    for alpha in ALPHAS:
        logits = torch.full((1, channels, 4, 4, 4), size, requires_grad=True)
        value = AdaptiveFocalLoss(alpha=alpha, gamma_smoothness=smoothness, normalise=True)(logits, target)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(logits.grad).all()


def test_values_of_an_empty_target_are_those_documented():
    logits, empty = torch.randn(1, 2, 4, 4, 4), torch.zeros(1, 1, 4, 4, 4)
    background, tumour = (torch.nn.functional.softplus(z).mean().item() for z in (-logits[:, 0], logits[:, 1]))
    for alpha in ("scalar", "none"):
        assert AdaptiveFocalLoss(alpha=alpha)(logits, empty).item() == pytest.approx((background + tumour) / 2)
    assert AdaptiveFocalLoss(alpha="released")(logits, empty).item() == pytest.approx(background / 2)
    assert AdaptiveFocalLoss(alpha="balanced")(logits, empty).item() == 0
    normalised = AdaptiveFocalLoss(alpha="balanced", normalise=True)(logits, empty).item()
    assert normalised == pytest.approx((background + tumour) / 2)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize(("channels", "activation"), [(1, "sigmoid"), (2, "sigmoid"), (2, "softmax")])
def test_normalised_weights_have_mean_1(alpha, channels, activation):
    """Undecided everywhere, without focusing, the loss is then log 2 for every reading."""
    switches = {**PLAIN, "alpha": alpha, "normalise": True}
    loss = AdaptiveFocalLoss(activation=activation, **switches)
    assert loss(torch.zeros(1, channels, 24, 20, 18), ball()).item() == pytest.approx(math.log(2))


def test_gamma_0_and_no_alpha_is_cross_entropy():
    logits, target = (torch.tensor(a, dtype=torch.float32) for a in sample(1, (6, 5, 4), 2, 2))
    one_hot = torch.cat([1 - target, target], dim=1)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, one_hot)
    assert AdaptiveFocalLoss(**PLAIN)(logits, target).item() == pytest.approx(expected.item(), rel=1e-6)
    expected = torch.nn.functional.cross_entropy(logits, target[:, 0].long())
    softmax = AdaptiveFocalLoss(activation="softmax", **PLAIN)
    assert softmax(logits, target).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_a_fixed_gamma_is_monais_focal_loss(gamma, activation):
    logits, target = (torch.tensor(a, dtype=torch.float32) for a in sample(2, (6, 5, 4), 2, 2))
    monai = MonaiFocalLoss(gamma=gamma, to_onehot_y=True, use_softmax=activation == "softmax")
    expected = monai(logits, target).item() * (2 if activation == "softmax" else 1)  # it divides by the channels too
    ours = AdaptiveFocalLoss(activation=activation, gamma_offset=gamma, **PLAIN)
    assert ours(logits, target).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_a_batch_is_the_mean_of_its_samples(alpha):
    """Counts pooled over the batch, or the smoothness of item 0 for all, as in the released code, fail here."""
    logits, target = (torch.tensor(a, dtype=torch.float32) for a in sample(3, (6, 5, 4), 2, 2))
    target[1] = 0
    target[1, 0, :2] = 1
    loss = AdaptiveFocalLoss(alpha=alpha)
    singles = [loss(logits[i : i + 1], target[i : i + 1]).item() for i in range(2)]
    assert loss(logits, target).item() == pytest.approx(np.mean(singles), rel=1e-6)


@pytest.mark.parametrize("smoothness", SMOOTHNESS)
@pytest.mark.parametrize("axis", [2, 3, 4])
def test_flipping_an_axis_changes_nothing(smoothness, axis):
    target = ball()
    target[..., 12:, :9, :] = False
    logits = torch.randn(1, 2, *target.shape[2:], generator=torch.Generator().manual_seed(1)) * 3
    loss = AdaptiveFocalLoss(alpha="balanced", gamma_smoothness=smoothness)
    assert loss(logits.flip(axis), target.flip(axis)).item() == pytest.approx(loss(logits, target).item(), rel=1e-6)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_gradcheck_including_a_logit_of_exactly_zero(alpha, activation, reduction):
    logits, target = sample(7, (3, 3, 2), 2, 2)
    logits = np.clip(logits, -5, 5)  # finite differences see nothing at 80
    assert (logits == 0).any()
    loss = AdaptiveFocalLoss(alpha=alpha, activation=activation, reduction=reduction, gamma_offset=0.5)
    z = torch.tensor(logits, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: loss(x, torch.tensor(target)), (z,))


def test_reductions_agree():
    logits, target = (torch.tensor(a, dtype=torch.float32) for a in sample(8, (6, 5, 4), 2, 2))
    for activation, channels in (("sigmoid", 2), ("softmax", 1)):
        losses = AdaptiveFocalLoss(activation=activation, reduction="none")(logits, target)
        assert losses.shape == (2, channels, 6, 5, 4)
        assert AdaptiveFocalLoss(activation=activation)(logits, target).item() == pytest.approx(losses.mean().item())
        total = AdaptiveFocalLoss(activation=activation, reduction="sum")(logits, target)
        assert total.item() == pytest.approx(losses.sum().item())


def test_the_gradient_is_scaled_and_survives_a_second_backward():
    logits, target = (torch.tensor(a) for a in sample(9, (6, 5, 4), 2, 2))
    z = logits.clone().requires_grad_()
    value = AdaptiveFocalLoss()(z, target)
    once = torch.autograd.grad(value, z, retain_graph=True)[0]
    thrice = torch.autograd.grad(3 * value, z, retain_graph=True)[0]
    again = torch.autograd.grad(value, z)[0]
    assert torch.equal(once, again)
    torch.testing.assert_close(thrice, 3 * once)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(value, z)


def test_layouts_of_memory_and_kinds_of_targets_do_not_matter():
    logits, target = (torch.tensor(a, dtype=torch.float32) for a in sample(10, (6, 5, 4), 2, 2))
    loss = AdaptiveFocalLoss(alpha="balanced")
    expected = loss(logits, target).item()
    assert loss(logits.to(memory_format=torch.channels_last_3d), target).item() == expected
    assert loss(logits.transpose(2, 4).contiguous().transpose(2, 4), target.int() * 3).item() == expected
    assert loss(logits, target.bool()).item() == expected
    with torch.no_grad():
        assert loss(logits.requires_grad_(), target).item() == expected


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_computed_in_single(dtype):
    logits, target = (torch.tensor(a, dtype=torch.float32) for a in sample(11, (6, 5, 4), 2, 2))
    half = logits.to(dtype).requires_grad_()
    single = half.detach().float().requires_grad_()
    with torch.autocast("cpu", dtype=dtype):
        value = AdaptiveFocalLoss()(half * 1, target)
    expected = AdaptiveFocalLoss()(single, target)
    assert value.dtype == torch.float32
    assert value.item() == expected.item()
    value.backward()
    expected.backward()
    torch.testing.assert_close(half.grad, single.grad.to(dtype))


@pytest.mark.parametrize("fullgraph", [True, False])
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_torch_compile_gives_the_same_value_and_gradient(fullgraph, activation):
    target = ball()
    logits = torch.randn(1, 2, *target.shape[2:], generator=torch.Generator().manual_seed(2)) * 3
    loss = AdaptiveFocalLoss(activation=activation, alpha="balanced")
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=fullgraph)
    results = []
    for compute in (loss, compiled):
        z = logits.clone().requires_grad_()
        value = compute(z, target)
        value.backward()
        results.append((value.detach(), z.grad))
    torch.testing.assert_close(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1], results[1][1])


def test_a_logit_that_is_not_a_number_shows():
    logits = torch.zeros(1, 2, 4, 4, 4)
    logits[0, 1, 0, 0, 0] = math.nan
    assert math.isnan(AdaptiveFocalLoss()(logits, ball((4, 4, 4), 1)).item())


def test_factors_may_come_from_the_whole_case():
    logits, target = (torch.tensor(a, dtype=torch.float32) for a in sample(12, (6, 5, 4), 2, 2))
    loss = AdaptiveFocalLoss()
    assert loss(logits, target, factors=factors(target)).item() == loss(logits, target).item()
    with pytest.raises(UsageError, match=r"another gamma_smoothness.*smoothness=\"none\""):
        AdaptiveFocalLoss(gamma_smoothness="none")(logits, target, factors=factors(target))
    tiny = Factors(*(torch.tensor([value] * 2, dtype=torch.float64) for value in (0.999, 0.001, 0.002)))
    terms = loss.terms
    weights = terms.weights(tiny, channels=2, softmax=False)
    expected = _formula(logits.flatten(2), target.flatten(2), weights, terms.gamma(tiny)[:, None])
    assert loss(logits, target, factors=tiny).item() == pytest.approx(expected.mean().item())
    with pytest.raises(UsageError, match="one for each sample"):
        loss(logits[:1], target[:1], factors=tiny)


def test_an_offset_and_a_negative_scale_focus_on_small_tumours():
    small, large = factors(ball(radius=2)), factors(ball(radius=8))
    assert AdaptiveFocalLoss().terms.gamma(small) < AdaptiveFocalLoss().terms.gamma(large)
    designed = AdaptiveFocalLoss(gamma_offset=2, gamma_scale=-5).terms
    assert 2 > designed.gamma(small).item() > designed.gamma(large).item() > 0
    assert AdaptiveFocalLoss(gamma_scale=-1).terms.gamma(large).item() == 0


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"preset": "released"}, "Did you mean released_code"),
        ({"alpha": "balance"}, "Did you mean balanced"),
        ({"gamma_smoothness": "scalefree"}, "Did you mean scale_free"),
        ({"gamma_volume": "off"}, "gamma_volume must be true or false"),
        ({"normalise": 1}, "normalise must be true or false"),
        ({"gamma_scale": math.nan}, "gamma_scale must be a finite number"),
        ({"gamma_offset": "2"}, "gamma_offset must be a finite number"),
        ({"activation": "softmaks"}, "Did you mean softmax"),
        ({"reduction": "average"}, "no reduction of that name"),
        ({"gama_scale": 1}, "Did you mean gamma_scale"),
        ({"alpha": 0.25}, "no reading of alpha"),
    ],
)
def test_wrong_settings_say_what_is_accepted(settings_, message):
    with pytest.raises(UsageError, match=message):
        build_loss("adaptive_focal", **settings_)


def test_wrong_factors_say_what_is_accepted():
    with pytest.raises(UsageError, match="Did you mean surface"):
        factors(torch.zeros(1, 1, 2, 2, 2), smoothness="surfaces")
    with pytest.raises(UsageError, match=r"must be \(B, 1, X, Y, Z\)"):
        factors(torch.zeros(1, 2, 2, 2))
    with pytest.raises(UsageError, match=r"takes tensors.*ndarray"):
        factors(np.zeros((1, 1, 2, 2, 2)))


@pytest.mark.parametrize("name", LOSSES)
def test_any_label_above_0_is_tumour(name):
    logits, target = (torch.tensor(a, dtype=torch.float32) for a in sample(13, (6, 5, 4), 2, 2))
    loss = build_loss(name)
    assert loss(logits, target * 2).item() == loss(logits, target).item()


@pytest.mark.parametrize("value", [-1, "2", math.inf, True])
def test_a_weight_or_exponent_is_a_number_from_0_on(value):
    with pytest.raises(UsageError, match="gamma of focal must be a number from 0 on"):
        build_loss("focal", gamma=value)


def test_wrong_shapes_say_what_is_accepted():
    with pytest.raises(UsageError, match="must be"):
        AdaptiveFocalLoss()(torch.zeros(1, 3, 2, 2, 2), torch.zeros(1, 2, 2, 2, 2))
    with pytest.raises(UsageError, match="two channels"):
        AdaptiveFocalLoss(activation="softmax")(torch.zeros(1, 1, 2, 2, 2), torch.zeros(1, 1, 2, 2, 2))
    with pytest.raises(UsageError, match="Did you mean adaptive_focal"):
        build_loss("adaptve_focal")
