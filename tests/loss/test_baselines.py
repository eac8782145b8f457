"""Every baseline against its formula in NumPy, values worked out by hand, and the extremes that training meets."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from afl_core.errors import UsageError
from afl_core.loss.baselines import (
    BoundaryLoss,
    CrossEntropyLoss,
    DiceCELoss,
    DiceFocalLoss,
    DiceLoss,
    FocalLoss,
    IoULoss,
    TverskyLoss,
    UnifiedFocalLoss,
)
from afl_core.loss.per_lesion import BlobLoss, InverseVolumeFocalLoss, inverse_volume_weights

LOSSES = {
    "ce": CrossEntropyLoss,
    "tversky": TverskyLoss,
    "iou": IoULoss,
    "dice": DiceLoss,
    "dice_ce": DiceCELoss,
    "dice_focal": DiceFocalLoss,
    "focal": FocalLoss,
    "unified_focal": UnifiedFocalLoss,
    "boundary": BoundaryLoss,
    "inverse_volume_focal": InverseVolumeFocalLoss,
    "blob": BlobLoss,
}
every_loss = pytest.mark.parametrize("name", LOSSES)
one_and_two_channels = pytest.mark.parametrize("channels", [1, 2])


# The formulas, from tumour logits z of any number and a target t of one sample, both (X, Y, Z).
# Two channels are the logits [0, z], of which softmax makes [1 - p, p].


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def by_channel(z, t, channels):
    p = sigmoid(z)
    return [(p, t)] if channels == 1 else [(1 - p, 1 - t), (p, t)]


def tversky(z, t, channels, alpha, beta):
    scores = []
    for p, u in by_channel(z, t, channels):
        tp, fp, fn = (p * u).sum(), (p * (1 - u)).sum(), ((1 - p) * u).sum()
        scores.append(tp / (tp + alpha * fp + beta * fn))
    return 1 - np.mean(scores)


def dice(z, t, channels, power=1):
    parts = by_channel(z, t, channels)
    return 1 - np.mean([2 * (p * u).sum() / ((p**power).sum() + (u**power).sum()) for p, u in parts])


def ce(z, t):
    return -np.mean(t * np.log(sigmoid(z)) + (1 - t) * np.log(sigmoid(-z)))


def focal(z, t, channels, weights=1.0):
    """Sigmoid of each channel, so of the logits 0 and z where there are two."""
    values = []
    for logit, u in [(z, t)] if channels == 1 else [(np.zeros_like(z), 1 - t), (z, t)]:
        right = sigmoid(np.where(u == 1, logit, -logit))
        values.append(np.mean(weights * -((1 - right) ** 2) * np.log(right)))
    return np.mean(values)


def unified(z, t, weight, delta, gamma):
    p, q = sigmoid(z), sigmoid(-z)
    entropy = -delta * t * np.log(p) - (1 - delta) * p**gamma * (1 - t) * np.log(q)
    background = 1 - ((1 - t) * q).sum() / ((1 - t) * q + delta * (1 - t) * p + (1 - delta) * t * q).sum()
    tumour = 1 - (t * p).sum() / (t * p + delta * t * q + (1 - delta) * (1 - t) * p).sum()
    return weight * entropy.mean() / 2 + (1 - weight) * (background + tumour ** (1 - gamma)) / 2


def signed_distance(t):
    """To the nearest voxel of the other side; inside, one less and negative. Every pair of voxels is looked at."""
    inside, outside = np.argwhere(t == 1), np.argwhere(t == 0)
    phi = np.zeros(t.shape)
    for x in outside:
        phi[tuple(x)] = np.sqrt(((inside - x) ** 2).sum(1)).min()
    for x in inside:
        phi[tuple(x)] = 1 - np.sqrt(((outside - x) ** 2).sum(1)).min()
    return phi


def blob(z, t, channels, lesions):
    terms = []
    for lesion in lesions:
        domain = (t == 0) | lesion
        terms.append(dice(z[domain], t[domain], channels) + ce(z[domain], t[domain]))
    return 2 * (dice(z, t, channels) + ce(z, t)) + np.mean(terms)


def two_lesions():
    """A corner voxel and a block of 2 x 2 x 2 in 5 x 4 x 3: 1, 8 and 51 voxels."""
    small, large = np.zeros((2, 5, 4, 3), bool)
    small[0, 0, 0] = True
    large[3:5, 2:4, 1:3] = True
    return small, large


def expected(name, z, t, channels, lesions):
    volume_weights = sum(m * (t.size / (3 * m.sum())) for m in [t == 0, *lesions])
    return {
        "ce": lambda: ce(z, t),
        "tversky": lambda: tversky(z, t, channels, 0.5, 0.5),
        "iou": lambda: tversky(z, t, channels, 1, 1),
        "dice": lambda: dice(z, t, channels, power=2),
        "dice_ce": lambda: dice(z, t, channels) + ce(z, t),
        "dice_focal": lambda: dice(z, t, channels) + focal(z, t, channels),
        "focal": lambda: focal(z, t, channels),
        "unified_focal": lambda: unified(z, t, 0.5, 0.6, 0.5),
        "boundary": lambda: dice(z, t, channels) + 0.01 * np.mean(sigmoid(z) * signed_distance(t)),
        "inverse_volume_focal": lambda: focal(z, t, channels, volume_weights),
        "blob": lambda: blob(z, t, channels, lesions),
    }[name]()


def tensors(z, t, channels, *, dtype=torch.float64):
    """One sample as a batch of one."""
    tumour = torch.tensor(z, dtype=dtype)[None, None]
    logits = tumour if channels == 1 else torch.cat([torch.zeros_like(tumour), tumour], dim=1)
    return logits, torch.tensor(t, dtype=torch.float32)[None, None]


def mirrored(tumour, channels):
    """Logits of which both sigmoid and softmax make sure channels when `tumour` is large."""
    return tumour if channels == 1 else torch.cat([-tumour, tumour], dim=1)


def two_lesion_sample(seed=0):
    small, large = two_lesions()
    t = (small | large).astype(float)
    return np.random.default_rng(seed).normal(0, 2, t.shape), t, (small, large)


@every_loss
@one_and_two_channels
@pytest.mark.parametrize("seed", [0, 1])
def test_value_equals_the_formula(name, channels, seed):
    z, t, lesions = two_lesion_sample(seed)
    value = LOSSES[name]()(*tensors(z, t, channels)).item()
    assert value == pytest.approx(expected(name, z, t, channels, lesions), rel=2e-6, abs=2e-6)


LOG = -np.log(0.8)
BY_HAND = {
    "ce": LOG,
    "tversky": 1 - 3.2 / (3.2 + 0.5 * 0.8 + 0.5 * 0.8),
    "iou": 1 - 3.2 / (4 + 4 - 3.2),
    "dice": 1 - 6.4 / (4 * 0.64 + 4 * 0.04 + 4),
    "dice_ce": 0.2 + LOG,
    "dice_focal": 0.2 + 0.04 * LOG,
    "focal": 0.04 * LOG,
    "unified_focal": 0.5 * (0.6 * LOG + 0.4 * 0.2**0.5 * LOG) / 4 + 0.5 * (0.2 + 0.2**0.5) / 2,
    "boundary": 0.2 + 0.01 * (0.8 * (0 - 1) * 2 + 0.2 * (1 + 2) * 2) / 8,
    "inverse_volume_focal": 0.04 * LOG,
    "blob": 3 * (0.2 + LOG),
}


@every_loss
@one_and_two_channels
def test_by_hand_where_every_voxel_is_80_percent_right(name, channels):
    """Eight voxels, 2 x 1 x 4, of which the upper half is tumour: sum of p 4, of p t 3.2; distances 2, 1, 0, -1.

    One lesion, as large as the background: all volume weights are 1, and the blob term is the global one.
    """
    t = np.zeros((2, 1, 4))
    t[:, :, 2:] = 1
    tumour, target = tensors(np.log(0.8 / 0.2) * (2 * t - 1), t, 1)
    logits = mirrored(tumour, channels)
    value = BY_HAND[name]
    if channels == 2 and name == "dice_focal":  # softmax in the Dice part, 16 / 17 right, and sigmoid in the focal part
        value = 1 / 17 + 0.04 * LOG
    elif channels == 2 and name not in ("focal", "inverse_volume_focal"):
        logits = logits / 2  # softmax doubles the difference
    assert LOSSES[name]()(logits, target).item() == pytest.approx(value, rel=1e-5)


@every_loss
@one_and_two_channels
def test_perfect_prediction_costs_nothing(name, channels):
    _, t, _ = two_lesion_sample()
    tumour, target = tensors(40 * (2 * t - 1), t, 1)
    near = 1e-3 if name == "unified_focal" else 1e-6  # it takes the square root of its cut at 1e-6
    value = -0.01 / 60 if name == "boundary" else 0  # of the block's voxels, one has two voxels to the outside
    assert LOSSES[name]()(mirrored(tumour, channels), target).item() == pytest.approx(value, abs=near)


@pytest.mark.parametrize("name", ["ce", "unified_focal"])
@pytest.mark.parametrize("shift", [-3.0, 5.0])
def test_two_channels_count_by_their_difference(name, shift):
    """Softmax, so a shift of both changes nothing, and one channel of the difference is the same thing."""
    z, t, _ = two_lesion_sample()
    one, target = tensors(z, t, 1)
    two = tensors(z, t, 2)[0] + shift
    loss = LOSSES[name]()
    assert loss(two, target).item() == pytest.approx(loss(one, target).item(), rel=1e-9)


@pytest.mark.parametrize("name", ["focal", "inverse_volume_focal"])
def test_mirrored_sigmoid_channels_equal_one(name):
    z, t, _ = two_lesion_sample()
    tumour, target = tensors(z, t, 1)
    loss = LOSSES[name]()
    two = loss(mirrored(tumour, 2), target)
    assert two.item() == pytest.approx(loss(tumour, target).item(), rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "formula"),
    [
        (TverskyLoss(alpha=0.3, beta=0.7), lambda z, t: tversky(z, t, 2, 0.3, 0.7)),
        (DiceLoss(squared=False), lambda z, t: dice(z, t, 2)),
        (DiceFocalLoss(gamma=0), lambda z, t: dice(z, t, 2) + (ce(0 * z, 1 - t) + ce(z, t)) / 2),
        (FocalLoss(gamma=0), lambda z, t: (ce(0 * z, 1 - t) + ce(z, t)) / 2),
        (UnifiedFocalLoss(weight=0.9, delta=0.8, gamma=0.2), lambda z, t: unified(z, t, 0.9, 0.8, 0.2)),
        (BoundaryLoss(weight=2), lambda z, t: dice(z, t, 2) + 2 * np.mean(sigmoid(z) * signed_distance(t))),
        (BlobLoss(global_weight=1, lesion_weight=0), lambda z, t: dice(z, t, 2) + ce(z, t)),
        (
            BlobLoss(global_weight=0, lesion_weight=3),
            lambda z, t: 3 * (blob(z, t, 2, two_lesions()) - 2 * (dice(z, t, 2) + ce(z, t))),
        ),
    ],
    ids=lambda x: type(x).__name__,
)
def test_settings_reach_the_formula(loss, formula):
    z, t, _ = two_lesion_sample(3)
    assert loss(*tensors(z, t, 2)).item() == pytest.approx(formula(z, t), rel=5e-6)


def test_inverse_volume_gamma_reaches_the_formula():
    z, t, lesions = two_lesion_sample(4)
    weights = sum(m * (t.size / (3 * m.sum())) for m in [t == 0, *lesions])
    by_hand = -np.mean(weights * (t * np.log(sigmoid(z)) + (1 - t) * np.log(sigmoid(-z))))
    assert InverseVolumeFocalLoss(gamma=0)(*tensors(z, t, 1)).item() == pytest.approx(by_hand, rel=1e-6)


@every_loss
def test_a_batch_is_the_mean_of_its_samples(name):
    """One sample is empty, so sums and lesions pooled over the batch fail here."""
    torch.manual_seed(0)
    logits, target = torch.randn(3, 2, 5, 4, 3), torch.zeros(3, 1, 5, 4, 3)
    target[1, 0] = torch.tensor(two_lesion_sample()[1])
    target[2, 0, :2] = 1
    loss = LOSSES[name]()
    singles = [loss(logits[i : i + 1], target[i : i + 1]).item() for i in range(3)]
    assert loss(logits, target).item() == pytest.approx(np.mean(singles), rel=1e-6)


def extremes(channels):
    """Targets empty, full, of one voxel and of 1,000; logits from sure and right to sure and wrong."""
    targets = {"empty": 0, "full": 1, "one voxel": 0, "block": 0}
    for case, fill in targets.items():
        target = torch.full((1, 1, 12, 12, 12), float(fill))
        if case == "one voxel":
            target[..., 4, 5, 6] = 1
        if case == "block":
            target[..., 1:11, 1:11, 1:11] = 1
        checker = torch.arange(12**3).view(1, 1, 12, 12, 12) % 2
        for tumour in (2 * target - 1, 1 - 2 * target, torch.ones_like(target), -torch.ones_like(target), checker):
            for size in (0, 15, 17, 80):
                yield size * mirrored(tumour.float(), channels), target


@every_loss
@one_and_two_channels
def test_value_and_gradient_are_finite_at_the_extremes(name, channels):
    loss = LOSSES[name]()
    for logits, target in extremes(channels):
        logits.requires_grad_()
        value = loss(logits, target)
        value.backward()
        assert value.shape == ()
        assert torch.isfinite(value)
        assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("delta", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("tumour", [1, 100, 1500])
def test_unified_gradient_is_finite_where_probabilities_are_almost_1(delta, tumour):
    """Without the cut at 1e-6 the Tversky index rounds to 1 and the gradient of its power is infinite times 0."""
    loss = UnifiedFocalLoss(delta=delta)
    for size in torch.linspace(13, 18, 51):
        logits = torch.full((1, 1, tumour, 1, 1), size.item(), requires_grad=True)
        loss(logits, torch.ones(1, 1, tumour, 1, 1)).backward()
        assert torch.isfinite(logits.grad).all()


NOTHING = {  # p = 0.5 in each of the 64 voxels; a sum of 1e-5 over 32 is 0
    "ce": np.log(2),
    "tversky": 1,
    "iou": 1,
    "dice": 1,
    "dice_ce": 1 + np.log(2),
    "dice_focal": 1 + np.log(2) / 4,
    "focal": np.log(2) / 4,
    "unified_focal": 0.5 * 0.4 * 0.5**0.5 * np.log(2) / 2 + 0.5 * (1 - 1 / 1.6 + 1) / 2,
    "boundary": 1,
    "inverse_volume_focal": np.log(2) / 4,
    "blob": 2 * (1 + np.log(2)),
}


@every_loss
def test_empty_target_with_an_undecided_prediction(name):
    empty = torch.zeros(1, 1, 4, 4, 4)
    assert LOSSES[name]()(empty, empty).item() == pytest.approx(NOTHING[name], abs=2e-6)


@every_loss
@one_and_two_channels
def test_empty_target_with_nothing_predicted(name, channels):
    """The unified focal loss does not reach 0: its foreground Tversky term compares 64 e-6 with MONAI's 1e-7."""
    empty = torch.zeros(1, 1, 4, 4, 4)
    value = 0.5 * (1 - 1e-7 / (0.4 * 64e-6)) ** 0.5 / 2 if name == "unified_focal" else 0
    assert LOSSES[name]()(mirrored(empty - 80, channels), empty).item() == pytest.approx(value, abs=2e-5)


@every_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(name, dtype):
    """80,000 voxels of p = 0.9 add up to more than float16 can hold, and to more than bfloat16 can tell apart."""
    target = torch.zeros(1, 1, 50, 40, 40)
    target[..., :20, :20, :20] = 1
    logits = torch.cat([torch.zeros_like(target), torch.full_like(target, 2.2)], dim=1).to(dtype)
    loss = LOSSES[name]()
    value = loss(logits, target)
    assert value.dtype == torch.float32
    assert torch.equal(value, loss(logits.float(), target))


@every_loss
@one_and_two_channels
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float16, torch.float64])
def test_targets_of_any_dtype(name, channels, dtype):
    z, t, _ = two_lesion_sample()
    logits, target = tensors(z, t, channels, dtype=torch.float32)
    loss = LOSSES[name]()
    assert torch.equal(loss(logits, target.to(dtype)), loss(logits, target))


@every_loss
@one_and_two_channels
@pytest.mark.parametrize(
    "layout", [lambda x: x.mT.contiguous().mT, lambda x: x.to(memory_format=torch.channels_last_3d)]
)
def test_any_memory_layout(name, channels, layout):
    """Logits whose axes are stored in another order than the target's."""
    z, t, _ = two_lesion_sample()
    logits, target = tensors(z, t, channels)
    loss = LOSSES[name]()
    assert loss(layout(logits), target).item() == pytest.approx(loss(logits, target).item(), rel=1e-6)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "focal"])  # which takes more (test_classes)
@pytest.mark.parametrize(
    ("logits", "target"),
    [
        ((1, 3, 2, 2, 2), (1, 1, 2, 2, 2)),
        ((1, 2, 2, 2, 2), (1, 2, 2, 2, 2)),
        ((2, 1, 2, 2, 2), (1, 1, 2, 2, 2)),
        ((1, 1, 2, 2, 2), (1, 1, 2, 2, 3)),
        ((1, 1, 2, 2), (1, 1, 2, 2)),
        ((8,), (8,)),
    ],
)
def test_wrong_shapes_are_named(name, logits, target):
    with pytest.raises(UsageError, match=r"must be \(B, 1 or 2, X, Y, Z\).*received: \(") as caught:
        LOSSES[name]()(torch.zeros(logits), torch.zeros(target))
    assert caught.value.received == f"{logits} and {target}"


@every_loss
def test_unknown_settings_are_refused(name):
    with pytest.raises(TypeError, match="alfa"):
        LOSSES[name](alfa=1)


@pytest.mark.parametrize("gamma", [-0.1, 1.0, 2.0])
def test_unified_gamma_outside_its_range(gamma):
    with pytest.raises(UsageError, match=r"\[0, 1\)"):
        UnifiedFocalLoss(gamma=gamma)


@one_and_two_channels
def test_focal_is_monais_bit_for_bit(channels):
    """Shipped checkpoints were trained with exactly this call."""
    from monai.losses import FocalLoss as MonaiFocalLoss

    torch.manual_seed(0)
    ours = (3 * torch.randn(2, channels, 9, 8, 7)).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    target = (torch.rand(2, 1, 9, 8, 7) < 0.2).float()
    value, reference = FocalLoss()(ours, target), MonaiFocalLoss(gamma=2.0, to_onehot_y=channels == 2)(theirs, target)
    value.backward()
    reference.backward()
    assert torch.equal(value, reference)
    assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize("name", ["unified_focal", "boundary", "blob"])
@one_and_two_channels
def test_gradcheck(name, channels):
    z, t, _ = two_lesion_sample(5)
    logits, target = tensors(z, t, channels)
    assert torch.autograd.gradcheck(lambda x: LOSSES[name]()(x, target), (logits.requires_grad_(),))


def test_boundary_term_grows_with_distance_and_reads_the_tumour_alone():
    """A line of 7 voxels, 3 of them tumour: phi = 2, 1, 0, -1, 0, 1, 2."""
    t = np.array([0, 0, 1, 1, 1, 0, 0.0]).reshape(7, 1, 1)
    found = np.array([1, 0, 1, 1, 1, 0, 0.0]).reshape(7, 1, 1)
    logits, target = tensors(80 * (2 * found - 1), t, 2)
    region = 1 - (6 / 7 + 6 / 7) / 2  # tumour 2 * 3 / (4 + 3), background 2 * 3 / (3 + 4)
    assert BoundaryLoss(weight=0)(logits, target).item() == pytest.approx(region, rel=1e-5)
    assert BoundaryLoss(weight=7)(logits, target).item() == pytest.approx(region + 2 + 0 - 1 + 0, rel=1e-5)


def test_inverse_volume_weights_by_hand():
    """60 voxels in three components of 51, 1 and 8: each gets 20 in all."""
    small, large = two_lesions()
    weights = inverse_volume_weights(torch.tensor(small | large)[None, None])[0, 0].numpy()
    assert weights.mean() == pytest.approx(1, rel=1e-6)
    np.testing.assert_allclose(weights[small], 20, rtol=1e-6)
    np.testing.assert_allclose(weights[large], 20 / 8, rtol=1e-6)
    np.testing.assert_allclose(weights[~(small | large)], 20 / 51, rtol=1e-6)


def test_voxels_that_touch_at_a_corner_are_one_lesion():
    target = torch.zeros(1, 1, 5, 5, 5)
    target[..., 1, 1, 1] = target[..., 2, 2, 2] = 1
    assert inverse_volume_weights(target).max().item() == pytest.approx(125 / (2 * 2))


@pytest.mark.parametrize("fill", [0, 1])
def test_inverse_volume_weights_of_one_component_are_1(fill):
    weights = inverse_volume_weights(torch.full((2, 1, 3, 4, 5), fill))
    assert weights.shape == (2, 1, 3, 4, 5)
    assert (weights == 1).all()


BACKGROUND = 60 * 40 * 40 - 8 - 216


def missed(loss, lesion):
    """Loss of a prediction that is sure, p = 1e-6, and right but for one lesion, of 8 or of 216 voxels."""
    target = torch.zeros(1, 1, 60, 40, 40)
    lesions = {"small": (slice(2, 4),) * 3, "large": (slice(22, 28), slice(2, 8), slice(2, 8))}
    for place in lesions.values():
        target[(0, 0, *place)] = 1
    logits = 14 * (2 * target - 1)
    if lesion:
        logits[(0, 0, *lesions[lesion])] = -14
    return loss(logits, target).item()


def price_of_a_small_lesion(loss):
    """What missing the small lesion adds to the loss, as a share of what missing the large one adds."""
    return (missed(loss, "small") - missed(loss, None)) / (missed(loss, "large") - missed(loss, None))


def test_inverse_volume_prices_a_small_lesion_as_a_large_one():
    assert price_of_a_small_lesion(InverseVolumeFocalLoss()) == pytest.approx(1, rel=1e-3)
    assert price_of_a_small_lesion(FocalLoss()) == pytest.approx(8 / 216, rel=1e-3)


def test_blob_prices_a_small_lesion_as_a_large_one():
    """By hand: half of a Dice loss of 1 and a cross-entropy of 14 in each missed voxel; the other lesion costs 0."""
    loss = BlobLoss(global_weight=0, lesion_weight=1)
    assert missed(loss, "small") == pytest.approx((1 + 14 * 8 / (BACKGROUND + 8)) / 2, rel=5e-3)
    assert missed(loss, "large") == pytest.approx((1 + 14 * 216 / (BACKGROUND + 216)) / 2, rel=5e-3)
    assert price_of_a_small_lesion(loss) == pytest.approx(1, abs=0.05)
    assert price_of_a_small_lesion(DiceLoss()) < 0.03
    assert price_of_a_small_lesion(DiceCELoss()) < 0.05


@one_and_two_channels
def test_blob_of_one_lesion_is_its_loss_thrice(channels):
    z, _, (_, large) = two_lesion_sample()
    pair = tensors(z, large.astype(float), channels)
    assert BlobLoss()(*pair).item() == pytest.approx(3 * DiceCELoss()(*pair).item(), rel=1e-9)


@one_and_two_channels
def test_blob_equals_dice_ce_on_the_voxels_of_each_domain(channels):
    """MONAI's DiceCE of the voxels left when the other lesion is cut out of the arrays."""
    z, t, lesions = two_lesion_sample(6)
    logits, target = tensors(z, t, channels)
    terms = []
    for lesion in lesions:
        domain = torch.tensor((t == 0) | lesion)
        terms.append(DiceCELoss()(logits[..., domain][..., None, None], target[..., domain][..., None, None]))
    value = BlobLoss(global_weight=0, lesion_weight=1)(logits, target)
    assert value.item() == pytest.approx(torch.stack(terms).mean().item(), rel=1e-9)


def test_building_nothing_loads_no_monai():
    code = "import sys, afl_core.loss.per_lesion, afl_core.loss.baselines; sys.exit('monai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
