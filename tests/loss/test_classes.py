"""More than two classes, regions and ignored voxels: the focal losses against their formula in float64, by autograd."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_switches import ALPHAS, SMOOTHNESS, SWITCHES
from monai.losses import FocalLoss as MonaiFocalLoss

from afl_core.errors import UsageError
from afl_core.loss import AdaptiveFocalLoss, build_loss, factors
from afl_core.loss.counting import IGNORED
from afl_core.loss.focal import _formula
from afl_core.loss.fused import ALONE
from afl_core.loss.targets import read_target
from afl_core.shape import roughness

IGNORE = 9
PLAIN = {"alpha": "none", "gamma_volume": False, "gamma_smoothness": "none"}


def slopes(mask, counted):
    """|grad(mask)| voxel by voxel: half the difference of both neighbours, or the whole one to the only neighbour."""
    result = np.zeros(mask.shape)
    for voxel in itertools.product(*map(range, mask.shape)):
        squared = 0.0
        for axis in range(3):
            near = []
            for step in (-1, 1):
                other = list(voxel)
                other[axis] += step
                inside = 0 <= other[axis] < mask.shape[axis] and counted[tuple(other)]
                near.append(mask[tuple(other)] if inside else None)
            low, high = near
            here = mask[voxel]
            if low is not None and high is not None:
                squared += ((high - low) / 2) ** 2
            elif low is not None or high is not None:
                squared += ((high if low is None else low) - here) ** 2
        result[voxel] = np.sqrt(squared) if counted[voxel] else 0
    return result


def numbers(mask, counted, smoothness):
    """alpha_va, gamma_va and gamma_msa of one mask (X, Y, Z) among the voxels that count."""
    mask = mask & counted
    n = max(1, counted.sum())
    slope = slopes(mask.astype(float), counted)
    gamma_msa = {
        "released": slope.sum() / n,
        "surface": slope[slope > 0].mean() if slope.any() else 0.0,
        "scale_free": np.nan_to_num(roughness(mask, spacing_mm=(1, 1, 1))),
        "none": 0.0,
    }[smoothness]
    return 1 - mask.sum() / n, mask.sum() / n, gamma_msa


def weights_of(alpha, outer, inner, tumour):
    """Weight of a voxel in the class and of one outside; the mask of the background is that of all tumour."""
    own, rest = (inner, outer) if tumour else (outer, inner)
    return {"none": (1, 1), "scalar": (outer, outer), "balanced": (rest, own), "released": (own, own)}[alpha]


def reference(z, masks, counted, terms, softmax, regions):
    """Loss of each element (K, X, Y, Z) of one sample, in float64; masks are those of channels, (C, X, Y, Z)."""
    tumours = [mask if regions or k > 0 else masks[1:].any(axis=0) for k, mask in enumerate(masks)]
    found = [numbers(tumour, counted, terms.gamma_smoothness) for tumour in tumours]
    volume = terms.gamma_volume * terms.gamma_volume_scale
    gammas = [max(0, terms.gamma_offset + terms.gamma_scale * (va * volume + msa)) for _, va, msa in found]
    pairs = [weights_of(terms.alpha, a, va, regions or k > 0) for k, (a, va, _) in enumerate(found)]
    weights = np.stack([np.where(mask, *pair) for mask, pair in zip(masks, pairs, strict=True)])  # (C, X, Y, Z)
    if softmax:
        weights = (weights * masks).sum(axis=0, keepdims=True)
    if terms.normalise:
        axes = (1, 2, 3) if regions else (0, 1, 2, 3)
        mean = (weights * counted).mean(axis=axes, keepdims=True) / max(counted.mean(), 1e-9)
        weights = np.where(mean > 0, weights / np.where(mean > 0, mean, 1), 1.0)
    weights, member, exponent = torch.tensor(weights), torch.tensor(masks), torch.tensor(gammas)[:, None, None, None]
    if softmax:
        log_p = torch.log_softmax(z, dim=0)
        log_q = torch.stack([z[torch.arange(len(z)) != k].logsumexp(dim=0) for k in range(len(z))]) - z.logsumexp(dim=0)
        losses = (-torch.exp(exponent * log_q) * log_p * member).sum(dim=0, keepdim=True)
    else:
        log_p = torch.nn.functional.logsigmoid(torch.where(member, z, -z))
        losses = -torch.exp(exponent * torch.nn.functional.logsigmoid(torch.where(member, -z, z))) * log_p
    return torch.where(torch.tensor(counted), weights * losses, 0.0)


def random_target(rng, form, channels, shape, *, ignoring, empty):
    """A target (B, ., X, Y, Z), the masks of its channels (B, C, X, Y, Z), and what counts (B, X, Y, Z)."""
    batch = 2
    counted = rng.random((batch, *shape)) > (0.3 if ignoring else -1)
    if ignoring == "all of one":
        counted[0] = False
    elif ignoring == "all":
        counted[:] = False
    if form == "regions":
        masks = rng.random((batch, channels, *shape)) < 0.3
        if empty:
            masks &= rng.random((batch, channels, 1, 1, 1)) < 0.5
        target = np.concatenate([masks, ~counted[:, None]], axis=1) if ignoring else masks
        return target, masks, counted
    labels = rng.integers(0, channels, (batch, *shape))
    if empty:
        labels[labels == rng.integers(1, channels)] = 0
        labels[0] *= rng.integers(2)
    masks = np.stack([labels == k for k in range(channels)], axis=1)
    return np.where(counted, labels, IGNORE)[:, None], masks & counted[:, None], counted


FORMS = (
    [("softmax", c) for c in range(2, 6)]
    + [("sigmoid", c) for c in range(2, 6)]
    + [("regions", r) for r in range(1, 5)]
)


@settings(max_examples=300, deadline=None)
@given(
    switches=SWITCHES,
    seed=st.integers(0, 10**6),
    shape=st.tuples(*[st.integers(1, 5)] * 3),
    form=st.sampled_from(FORMS),
    ignoring=st.sampled_from([None, "some", "all of one", "all"]),
    empty=st.booleans(),
)
def test_value_and_gradient_equal_the_formula(switches, seed, shape, form, ignoring, empty):
    """Both ways of computing; a class that borrows another's factors, or an ignored voxel that counts, fails here."""
    kind, channels = form
    rng = np.random.default_rng(seed)
    target, masks, counted = random_target(rng, kind, channels, shape, ignoring=ignoring, empty=empty)
    logits = rng.normal(0, 3, (2, channels, *shape)).astype(np.float32).astype(np.float64)  # both precisions hold them
    logits[rng.random(logits.shape) < 0.1] = 80
    loss = AdaptiveFocalLoss(
        activation="softmax" if kind == "softmax" else "sigmoid", ignore_index=IGNORE if ignoring else None, **switches
    )

    z = torch.tensor(logits, requires_grad=True)
    samples = zip(z, masks, counted, strict=True)
    losses = torch.stack([reference(*sample, loss.terms, loss.softmax, kind == "regions") for sample in samples])
    expected = losses.sum() / max(1, counted.sum() * losses.shape[1])
    expected.backward()
    gradient = z.grad.numpy()

    t = torch.tensor(target)
    read = read_target(t, channels=channels, ignore_index=loss.ignore_index)
    found = loss.factors(t, channels=channels)
    weights = loss.terms.weights(found, channels=channels, softmax=loss.softmax, regions=kind == "regions")
    gamma = loss.terms.gamma(found).reshape(2, -1)

    def plain(x):
        elements = _formula(x.flatten(2), read.codes.flatten(2), weights, gamma, bool(ignoring))
        return elements.sum() / max(1, counted.sum() * losses.shape[1])

    for compute in (lambda x: loss(x, t), plain):
        z = torch.tensor(logits, requires_grad=True)
        value = compute(z)
        value.backward()
        assert value.item() == pytest.approx(expected.item(), rel=1e-6, abs=1e-30)
        np.testing.assert_allclose(z.grad.numpy(), gradient, rtol=1e-6, atol=1e-20)
        ignored = np.broadcast_to(~counted[:, None], z.shape)
        assert (z.grad.numpy()[ignored] == 0).all()
    single = torch.tensor(logits, dtype=torch.float32, requires_grad=True)
    value = loss(single, t)
    value.backward()
    assert value.item() == pytest.approx(expected.item(), rel=1e-5, abs=5e-9)
    np.testing.assert_allclose(single.grad.numpy(), gradient, rtol=0, atol=1e-5 * np.abs(gradient).max() + 5e-9)


def sample(channels, *, seed=0, shape=(12, 10, 8), batch=2):
    """Logits, and labels in blocks so that masks have a surface."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((batch, 1, *shape), np.uint8)
    for item in labels[:, 0]:
        for label in range(1, channels):
            x, y, z = (rng.integers(0, n - 3) for n in shape)
            item[x : x + 4, y : y + 3, z : z + 3] = label
    return torch.tensor(rng.normal(0, 3, (batch, channels, *shape))), torch.tensor(labels)


def value_and_gradient(loss, logits, target):
    z = logits.clone().requires_grad_()
    value = loss(z, target)
    value.backward()
    return value.item(), z.grad


def test_two_classes_are_those_of_the_paper_as_before():
    """Values of the loss from before it took more classes."""
    z = torch.linspace(-4, 4, 2 * 2 * 60).view(2, 2, 5, 4, 3).transpose(0, 1).flip(2)
    target = torch.zeros(2, 1, 5, 4, 3)
    target[0, 0, 1:3, 1:3, :2] = 1
    target[1, 0, 4] = 1
    stored = {
        ("released_code", "sigmoid"): 0.8909491896629333,
        ("released_code", "softmax"): 2.7803852558135986,
        ("paper_equation", "sigmoid"): 1.3835045099258423,
        ("paper_equation", "softmax"): 2.7577860355377197,
    }
    for (preset, activation), value in stored.items():
        now = AdaptiveFocalLoss(preset, activation=activation)(z, target).item()
        assert now == pytest.approx(value, rel=1e-6)  # the order of sums differs by processor


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("alpha", ALPHAS)
def test_permuting_tumour_classes_permutes_the_gradient(activation, alpha):
    logits, target = sample(4)
    loss = AdaptiveFocalLoss(alpha=alpha, activation=activation, gamma_smoothness="surface", normalise=True)
    value, gradient = value_and_gradient(loss, logits, target)
    order = torch.tensor([0, 3, 1, 2])  # new class k was class order[k]
    permuted, moved = value_and_gradient(loss, logits[:, order], torch.argsort(order)[target.long()])
    assert permuted == pytest.approx(value, rel=1e-12)
    torch.testing.assert_close(moved, gradient[:, order], rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("alpha", ALPHAS)
def test_regions_are_losses_of_one_channel(alpha, normalise):
    logits, target = sample(3)
    masks = torch.cat([target > 0, target == 1, target == 2], dim=1)
    loss = AdaptiveFocalLoss(alpha=alpha, normalise=normalise, gamma_smoothness="surface")
    value, gradient = value_and_gradient(loss, logits, masks)
    alone = [value_and_gradient(loss, logits[:, k : k + 1], masks[:, k : k + 1]) for k in range(3)]
    assert value == pytest.approx(np.mean([each for each, _ in alone]), rel=1e-12)
    torch.testing.assert_close(gradient, torch.cat([each for _, each in alone], dim=1) / 3)


@pytest.mark.parametrize("name", ["focal", "adaptive_focal"])
def test_without_factors_it_is_monais_focal_loss(name):
    """Which under softmax divides by the channels too."""
    logits, target = sample(4)
    switches = {"focal": {"gamma": 1.5}, "adaptive_focal": {**PLAIN, "gamma_offset": 1.5}}[name]
    for activation, channels in (("softmax", 4), ("sigmoid", 1)):
        monai = MonaiFocalLoss(gamma=1.5, to_onehot_y=True, use_softmax=activation == "softmax")
        ours = build_loss(name, activation=activation, **switches)
        assert ours(logits, target).item() == pytest.approx(monai(logits, target).item() * channels, rel=1e-6)
    masks = torch.cat([target == k for k in range(4)], dim=1)
    assert build_loss(name, **switches)(logits, masks).item() == pytest.approx(
        MonaiFocalLoss(gamma=1.5)(logits, masks.float()).item(), rel=1e-6
    )


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64, torch.float32])
@pytest.mark.parametrize("label", [4, 255, -1])
def test_without_any_term_it_is_cross_entropy_with_its_ignore_index(dtype, label):
    if label == -1 and dtype == torch.uint8:
        label = 200
    logits, target = sample(4)
    target = target.to(dtype)
    target[:, :, :5] = label
    ours = AdaptiveFocalLoss(activation="softmax", ignore_index=label, **PLAIN)
    value, gradient = value_and_gradient(ours, logits, target)
    z = logits.clone().requires_grad_()
    expected = torch.nn.functional.cross_entropy(z, target[:, 0].long(), ignore_index=label)
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-12)
    torch.testing.assert_close(gradient, z.grad)


@pytest.mark.parametrize("form", ["one channel", "two channels", "two classes", "classes", "one region", "regions"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_ignored_changes_nothing(form, dtype):
    """Neither its logits, even where they are no numbers, nor what a region says there."""
    channels = {"one channel": 1, "one region": 1, "classes": 4, "regions": 3}.get(form, 2)
    logits, target = sample(max(channels, 2))
    logits = logits[:, -channels:].to(dtype)
    ignored = torch.zeros_like(target, dtype=torch.bool)
    ignored[0, :, 2:7, :, 1:6] = True
    if "region" in form:
        masks = torch.cat([target > 0, target == 1, target == 2], dim=1)[:, :channels]
        first, second = (torch.cat([m, ignored], dim=1) for m in (masks, masks ^ ignored))
    else:
        first = second = target.masked_fill(ignored, 7)
    softmax = "classes" in form
    for switches in ({}, {"alpha": "balanced", "gamma_smoothness": "surface", "normalise": True}):
        loss = AdaptiveFocalLoss(activation="softmax" if softmax else "sigmoid", ignore_index=7, **switches)
        value, gradient = value_and_gradient(loss, logits, first)
        assert (gradient.masked_select(ignored) == 0).all()
        assert (gradient.masked_select(~ignored) != 0).any()
        for filling in (50.0, math.nan, -math.inf):
            again, same = value_and_gradient(loss, logits.masked_fill(ignored, filling), second)
            assert again == value
            assert torch.equal(same, gradient)


@pytest.mark.parametrize("name", ["focal", "adaptive_focal"])
@pytest.mark.parametrize(("activation", "channels"), [("sigmoid", 1), ("sigmoid", 3), ("softmax", 2), ("softmax", 4)])
def test_where_all_is_ignored_the_loss_is_0(name, activation, channels):
    logits, target = sample(max(channels, 2))
    loss = build_loss(name, activation=activation, ignore_index=5)
    value, gradient = value_and_gradient(loss, logits[:, :channels], torch.full_like(target, 5))
    assert value == 0
    assert (gradient == 0).all()


def test_the_mean_is_over_what_is_left_of_all_samples():
    logits, target = sample(3)
    target[0, :, 3:] = 7
    loss = AdaptiveFocalLoss(activation="softmax", ignore_index=7)
    elements = AdaptiveFocalLoss(activation="softmax", ignore_index=7, reduction="none")(logits, target)
    assert loss(logits, target).item() == pytest.approx(elements.sum().item() / (target != 7).sum().item())
    total = AdaptiveFocalLoss(activation="softmax", ignore_index=7, reduction="sum")(logits, target)
    assert total.item() == pytest.approx(elements.sum().item())


def test_factors_of_three_classes_by_hand():
    target = torch.zeros(1, 1, 8, 5, 5, dtype=torch.uint8)
    target[..., 2, 2, 2], target[..., 5, 2, 2] = 1, 2
    found = factors(target, classes=3)
    assert (found.gamma_va * 200).tolist() == [[2, 1, 1]]
    assert (found.alpha_va * 200).tolist() == [[198, 199, 199]]
    np.testing.assert_allclose(found.gamma_msa * 200, [[6, 3, 3]])  # six neighbours with a gradient of 1/2 each
    np.testing.assert_allclose(factors(target, classes=3, smoothness="surface").gamma_msa, [[0.5] * 3])
    weights = AdaptiveFocalLoss(alpha="balanced").terms.weights(found, channels=3, softmax=True)
    np.testing.assert_allclose(weights * 200, [[[2, 199, 199]]])
    two = factors(target)
    assert (two.gamma_va.shape, two.gamma_va.item() * 200) == ((1,), 2)


def test_ignored_voxels_are_met_like_the_border_of_the_array():
    """Cut off or ignored, the last slices of an array have the same meaning."""
    _, target = sample(3)
    shorter = target[:, :, :6]
    target[:, :, 6:] = 9
    for smoothness in SMOOTHNESS:
        whole, cut = (factors(labels, classes=3, ignore_index=9, smoothness=smoothness) for labels in (target, shorter))
        for name in ("alpha_va", "gamma_va", "gamma_msa"):
            torch.testing.assert_close(getattr(whole, name), getattr(cut, name), rtol=1e-12, atol=0)
        torch.testing.assert_close(factors(shorter, classes=3, smoothness=smoothness).gamma_msa, cut.gamma_msa)


def test_factors_may_come_from_the_whole_case():
    logits, case = sample(3)
    loss = AdaptiveFocalLoss(activation="softmax")
    known = loss.factors(case, channels=3)
    assert loss(logits, case, factors=known).item() == loss(logits, case).item()
    patch, z = case[:, :, :6], logits[:, :, :6]
    assert loss(z, patch, factors=known).item() != loss(z, patch).item()
    with pytest.raises(UsageError, match=r"Factors must be .*\(2, 3\).*received: \(2,\)"):
        loss(logits, case, factors=factors(case))
    with pytest.raises(UsageError, match=r"Factors must be .*\(2,\).*received: \(2, 3\)"):
        loss(logits[:, :2], case, factors=known)


@pytest.mark.parametrize(("form", "channels"), [("sigmoid", 4), ("softmax", 3), ("softmax", 5), ("regions", 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_blocks_and_threads_change_nothing(form, channels, dtype):
    """Larger than a block and than what one thread keeps."""
    logits, target = sample(channels, shape=(48, 40, 36))
    target[:, :, 10:12] = 9
    assert target.numel() > ALONE
    if form == "regions":
        target = torch.cat([target == 1, target == 2, target > 0, target == 9], dim=1)
    loss = AdaptiveFocalLoss(
        alpha="balanced", activation="softmax" if form == "softmax" else "sigmoid", ignore_index=9, gamma_offset=1
    )
    expected, reference_gradient = value_and_gradient(loss, logits, target)
    found = loss.factors(target, channels=channels)
    read = read_target(target, channels=channels, ignore_index=9)
    weights = loss.terms.weights(found, channels=channels, softmax=loss.softmax, regions=form == "regions")
    z = logits.clone().requires_grad_()
    elements = _formula(z.flatten(2), read.codes.flatten(2), weights, loss.terms.gamma(found).reshape(2, -1), True)
    plain = elements.sum() / (elements.shape[1] * (read.codes[:, 0] != IGNORED).sum())
    plain.backward()
    assert expected == pytest.approx(plain.item(), rel=1e-12)
    torch.testing.assert_close(reference_gradient, z.grad, rtol=1e-9, atol=1e-18)
    results = []
    for threads in (1, 2, 3):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        results.append(value_and_gradient(loss, logits.to(dtype), target))
        torch.set_num_threads(before)
        assert results[-1][0] == pytest.approx(expected, rel=1e-6)
        torch.testing.assert_close(
            results[-1][1].double(), z.grad, rtol=0, atol=2e-6 * z.grad.abs().max().item(), check_dtype=False
        )
    assert all(value == results[0][0] and torch.equal(gradient, results[0][1]) for value, gradient in results)


@pytest.mark.parametrize(("form", "channels"), [("sigmoid", 3), ("softmax", 3), ("regions", 3)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_gradcheck(form, channels, reduction):
    logits, target = sample(channels, shape=(4, 4, 4))
    target[0, :, 0, 0] = 9
    if form == "regions":
        target = torch.cat([target == 1, target == 2, target > 0, target == 9], dim=1)
    loss = AdaptiveFocalLoss(
        activation="softmax" if form == "softmax" else "sigmoid", reduction=reduction, gamma_offset=0.5, ignore_index=9
    )
    assert torch.autograd.gradcheck(lambda x: loss(x, target), (logits.requires_grad_(),))


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_torch_compile_gives_the_same_value_and_gradient(activation):
    logits, target = sample(3)
    target[:, :, 0] = 9
    loss = AdaptiveFocalLoss(activation=activation, alpha="balanced", ignore_index=9)
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    (value, gradient), (other, moved) = (value_and_gradient(each, logits, target) for each in (loss, compiled))
    assert other == pytest.approx(value, rel=1e-12)
    torch.testing.assert_close(moved, gradient)


@pytest.mark.parametrize("name", ["focal", "adaptive_focal"])
@pytest.mark.parametrize(
    ("logits", "target", "settings_", "message"),
    [
        ((2, 1, 2, 2, 2), (1, 1, 2, 2, 2), {}, "same batch and grid"),
        ((1, 1, 2, 2, 2), (1, 1, 2, 2, 3), {}, "same batch and grid"),
        ((1, 1, 2, 2), (1, 1, 2, 2), {}, "same batch and grid"),
        ((8,), (8,), {}, "same batch and grid"),
        ((1, 3, 2, 2, 2), (1, 3, 2, 2), {}, "same batch and grid"),
        ((1, 3, 2, 2, 2), (1, 2, 2, 2, 2), {}, r"target must be .*\(B, 3, X, Y, Z\)"),
        ((1, 3, 2, 2, 2), (1, 4, 2, 2, 2), {}, "target must be .* if ignore_index is set"),
        ((1, 3, 2, 2, 2), (1, 3, 2, 2, 2), {"ignore_index": 3}, "target must be .* one channel more"),
        ((1, 3, 2, 2, 2), (1, 3, 2, 2, 2), {"activation": "softmax"}, "softmax takes labels, not regions"),
        ((1, 1, 2, 2, 2), (1, 1, 2, 2, 2), {"activation": "softmax"}, "softmax needs two channels"),
        ((1, 255, 2, 2, 2), (1, 1, 2, 2, 2), {}, "at most 254"),
        ((1, 1, 2, 2, 2), (1, 1, 2, 2, 2), {"activation": "softmaks"}, "Did you mean softmax"),
        ((1, 1, 2, 2, 2), (1, 1, 2, 2, 2), {"ignore_index": 1.5}, "ignore_index must be a whole number"),
    ],
)
def test_wrong_input_says_what_is_accepted(name, logits, target, settings_, message):
    with pytest.raises(UsageError, match=message):
        build_loss(name, **settings_)(torch.zeros(logits), torch.zeros(target))


@pytest.mark.parametrize("wrong", [3, -1, 0.5, 256, math.nan])
@pytest.mark.parametrize("name", ["focal", "adaptive_focal"])
def test_a_label_that_is_no_class_is_named(name, wrong):
    target = torch.zeros(1, 1, 2, 2, 2)
    target[..., 1] = wrong
    with pytest.raises(UsageError, match=rf"whole numbers from 0 to 2 \(received: {wrong}\)"):
        build_loss(name, activation="softmax")(torch.zeros(1, 3, 2, 2, 2), target)
