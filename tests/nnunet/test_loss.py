"""The losses as nnU-Net calls them: levels of deep supervision, classes, regions and whole cases."""

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from afl_core.errors import UsageError
from afl_core.loss import AdaptiveFocalLoss, build_loss, factors
from afl_core.nnunet.catalogue import TRAINERS, TrainerSpec, find_trainer
from afl_core.nnunet.loss import Heads, LevelLoss

OFF = {"alpha": "none", "gamma_volume": False, "gamma_smoothness": "none"}
PLAIN = TrainerSpec("All terms off.", "adaptive_focal", {**OFF, "activation": "softmax"})
WEIGHTS = (4 / 7, 2 / 7, 1 / 7, 0.0)


def pyramid(target: torch.Tensor, levels: int = 4) -> list[torch.Tensor]:
    """A target at full resolution and halved again and again, as nnU-Net does it: every second voxel."""
    return [target[..., :: 2**k, :: 2**k, :: 2**k] for k in range(levels)]


def batch(channels: int = 2, masks: int = 1) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Logits and targets of two samples at four levels; the second sample has a tumour that the third level loses."""
    torch.manual_seed(0)
    target = torch.zeros(2, masks, 16, 24, 8, dtype=torch.int16)
    for k in range(masks):
        target[0, k, 2:12, 4 : 20 - k, 1:7] = 1
        target[1, k, 1:4, 3:6, 3:5] = 1
    targets = pyramid(target)
    return [torch.randn(2, channels, *t.shape[2:], requires_grad=True) for t in targets], targets


def gradients(loss: torch.Tensor, outputs: list[torch.Tensor]) -> list[torch.Tensor]:
    found = torch.autograd.grad(loss, outputs, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(outputs, found, strict=True)]


def assert_same(ours: torch.Tensor, theirs: torch.Tensor, outputs: list[torch.Tensor]) -> None:
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-6)
    for mine, other in zip(gradients(ours, outputs), gradients(theirs, outputs), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-6)


def test_all_terms_off_is_cross_entropy_at_every_level():
    outputs, targets = batch()
    ours = LevelLoss(PLAIN, Heads(2, False, (1.0, 1.0, 1.0), WEIGHTS))(outputs, targets)
    theirs = sum(w * F.cross_entropy(x, t[:, 0].long()) for w, x, t in zip(WEIGHTS, outputs, targets, strict=True))
    assert_same(ours, theirs, outputs)


def test_all_terms_off_is_binary_cross_entropy_of_regions():
    outputs, targets = batch(channels=3, masks=3)
    ours = LevelLoss(PLAIN, Heads(3, True, (1.0, 1.0, 1.0), WEIGHTS))(outputs, [t.bool() for t in targets])
    bce = F.binary_cross_entropy_with_logits
    theirs = sum(w * bce(x, t.float()) for w, x, t in zip(WEIGHTS, outputs, targets, strict=True))
    assert_same(ours, theirs, outputs)


@pytest.mark.parametrize("ignore_label", [None, 3])
def test_all_terms_off_is_cross_entropy_of_three_classes_where_it_counts(ignore_label):
    outputs, (full, *_) = batch(channels=3)
    full[:, :, 3:8] *= 2
    full[:, :, :, 6:9] = ignore_label or 0
    targets = pyramid(full)
    heads = Heads(3, False, (1.0, 1.0, 1.0), WEIGHTS, ignore_label)
    theirs = sum(
        w * F.cross_entropy(x, t[:, 0].long(), ignore_index=ignore_label or -100)
        for w, x, t in zip(WEIGHTS[:3], outputs, targets, strict=False)
    )
    assert_same(LevelLoss(PLAIN, heads)(outputs, targets), theirs, outputs)


def test_ignored_voxels_of_regions_are_marked_by_the_last_channel():
    outputs, targets = batch(channels=2, masks=3)
    targets = [target.bool() for target in targets]
    heads = Heads(2, True, (1.0, 1.0, 1.0), WEIGHTS, ignore_label=3)
    theirs = 0
    for weight, x, target in zip(WEIGHTS[:3], outputs, targets, strict=False):
        counted = ~target[:, -1:].expand_as(x)
        bce = F.binary_cross_entropy_with_logits(x, target[:, :-1].float(), reduction="none")
        theirs = theirs + weight * bce[counted].mean()
    assert_same(LevelLoss(PLAIN, heads)(outputs, targets), theirs, outputs)


@pytest.mark.parametrize("channels", [2, 3])
def test_fl_is_the_focal_loss_of_the_softmax(channels):
    (x, *_), (target, *_) = batch(channels=channels)
    ours = LevelLoss(TRAINERS["nnUNetTrainerFL"], Heads(channels, False, (1.0, 1.0, 1.0)))(x, target)
    ce = F.cross_entropy(x, target[:, 0].long(), reduction="none")
    assert_same(ours, ((1 - torch.exp(-ce)) ** 2 * ce).mean(), [x])


@pytest.mark.parametrize("name", ["nnUNetTrainerDiceFocal", "nnUNetTrainerBlob"])
def test_baselines_are_those_of_the_catalogue(name):
    outputs, targets = batch()
    spec = TRAINERS[name]
    loss = build_loss(spec.loss, **spec.settings)
    ours = LevelLoss(spec, Heads(2, False, (1.0, 1.0, 1.0), WEIGHTS))(outputs, targets)
    theirs = sum(w * loss(x, t) for w, x, t in zip(WEIGHTS[:3], outputs, targets, strict=False))
    assert_same(ours, theirs, outputs)


@pytest.mark.parametrize("name", [name for name in TRAINERS if "AFL" in name])
def test_factors_are_those_of_the_full_resolution_or_of_each_level(name):
    outputs, targets = batch()
    spec, spacing = TRAINERS[name], (3.0, 0.5, 0.5)
    loss = AdaptiveFocalLoss(**spec.settings)
    smoothness = loss.terms.gamma_smoothness

    def by_hand(own):
        total = 0
        for k, (weight, x, t) in enumerate(zip(WEIGHTS[:3], outputs, targets, strict=False)):
            edges = tuple(mm * 2**k for mm in spacing) if own else spacing
            known = factors(t if own else targets[0], smoothness=smoothness, spacing_mm=edges)
            total = total + weight * loss(x, t, factors=known)
        return total

    heads = Heads(2, False, spacing, WEIGHTS)
    full = LevelLoss(spec, heads)(outputs, targets)
    own = LevelLoss(find_trainer(f"{name}_levels"), heads)(outputs, targets)
    assert_same(full, by_hand(own=False), outputs)
    assert_same(own, by_hand(own=True), outputs)
    assert full.item() != own.item()


def test_regions_have_factors_of_their_own():
    (x, *_), (target, *_) = batch(channels=2, masks=2)
    ours = LevelLoss(TRAINERS["nnUNetTrainerAFL_paper"], Heads(2, True, (1.0, 1.0, 1.0)))(x, target.bool())
    loss = AdaptiveFocalLoss("paper_equation")
    each = [loss(x[:, k : k + 1], target[:, k : k + 1]) for k in (0, 1)]
    assert each[0].item() != each[1].item()
    assert_same(ours, sum(each) / 2, [x])


@pytest.mark.parametrize("channels", [2, 4])
def test_factors_of_the_case_are_looked_up_by_its_name_and_computed_once(channels):
    outputs, targets = batch(channels)
    torch.manual_seed(1)
    wholes = {
        name: torch.randint(low, channels, (1, 1, 20, 20, 20)).clamp(min=0) for name, low in (("a", -9), ("b", -2))
    }
    asked = []

    def reference(name):
        asked.append(name)
        return wholes[name]

    ours = LevelLoss(
        find_trainer("nnUNetTrainerAFL_paper_case"),
        Heads(channels, False, (1.0, 1.0, 1.0), WEIGHTS),
        reference=reference,
    )
    loss = AdaptiveFocalLoss("paper_equation", activation="softmax")
    for names in (("b", "a"), ("a", "a")):
        ours.cases = names
        known = factors(torch.cat([wholes[name] for name in names]), smoothness="surface", classes=channels)
        theirs = sum(w * loss(x, t, factors=known) for w, x, t in zip(WEIGHTS[:3], outputs, targets, strict=False))
        assert_same(ours(outputs, targets), theirs, outputs)
    assert sorted(asked) == ["a", "b"]


def test_the_spacing_is_that_of_the_axes_and_grows_with_the_level(monkeypatch):
    """Axis by axis as in the plans; a level that nnU-Net halves along two axes alone has longer edges along those."""
    outputs, targets = batch()
    seen = []
    monkeypatch.setattr(
        "afl_core.nnunet.loss.compute_factors",
        lambda target, *, spacing_mm, **given: seen.append(spacing_mm) or factors(target, **given),
    )
    flat = targets[0][:, :, :, ::2, ::2]
    levels = [outputs[0], torch.randn(2, 2, *flat.shape[2:])], [targets[0], flat]
    heads = Heads(2, False, (3.0, 0.5, 0.25), (2 / 3, 1 / 3))
    LevelLoss(TRAINERS["nnUNetTrainerAFL_scale_free"], heads)(*levels)
    assert seen == [(3.0, 0.5, 0.25)]
    LevelLoss(find_trainer("nnUNetTrainerAFL_scale_free_levels"), heads)(*levels)
    assert seen[1:] == [(3.0, 0.5, 0.25), (3.0, 1.0, 0.5)]


def test_planes_are_volumes_of_one_slice():
    (x, *_), (target, *_) = batch()
    flat, mask = x[..., 3].detach().requires_grad_(), target[..., 3]
    ours = LevelLoss(TRAINERS["nnUNetTrainerAFL_paper"], Heads(2, False, (1.0, 1.0)))(flat, mask)
    loss = AdaptiveFocalLoss("paper_equation", activation="softmax")
    assert_same(ours, loss(flat[..., None], mask[..., None]), [flat])


@pytest.mark.parametrize(
    ("name", "heads", "said"),
    [
        ("nnUNetTrainerBlob", Heads(4, False, (1.0, 1.0, 1.0)), "4 classes"),
        ("nnUNetTrainerDiceFocal", Heads(3, False, (1.0, 1.0, 1.0)), "3 classes"),
        ("nnUNetTrainerBlob", Heads(2, False, (1.0, 1.0, 1.0), ignore_label=2), "ignore"),
        ("nnUNetTrainerAFL_scale_free", Heads(2, False, (1.0, 1.0)), "volumes"),
    ],
)
def test_what_a_loss_is_not_defined_for_is_refused(name, heads, said):
    with pytest.raises(UsageError, match=said):
        LevelLoss(TRAINERS[name], heads)
