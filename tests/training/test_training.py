"""The loop repeats bit for bit, compares fairly, chooses its weights by validation alone, and names what goes wrong."""

import copy
import math

import numpy as np
import pytest
import torch
from made_runs import ADAPTIVE, FOCAL, Listener, digest, prepared
from torch import nn

from afl_core.errors import DataError, UsageError
from afl_core.loss import LOSSES, AdaptiveFocalLoss, factors
from afl_core.loss.factors import join_factors
from afl_core.model.networks import build_model
from afl_core.training import loop, state
from afl_core.training.cases import BatchSampler
from afl_core.training.estimate import step_seconds
from afl_core.training.loop import Keeper, train
from afl_core.training.state import RunState, validation_dsc


@pytest.fixture
def cases(cohort):
    return prepared(cohort)


def changed(config=FOCAL, **settings):
    return config.model_copy(update=settings)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(cases):
    config, listeners = changed(steps=3), [Listener(), Listener()]
    first, second = (train(config, cases[:2], cases[2:3], listener) for listener in listeners)
    assert digest(first.network) == digest(second.network)
    assert listeners[0].heard == listeners[1].heard != []
    other = train(changed(config, seed=1), cases[:2], cases[2:3])
    assert digest(other.network) != digest(first.network)
    assert other.initial_weights_sha256 != first.initial_weights_sha256


def test_fl_and_a_fl_start_from_the_same_weights_and_see_the_same_batches(cases, monkeypatch):
    seen = {}

    class Spy(RunState):
        def advance(self, image, label, names):
            seen.setdefault(self.config.loss, []).append((image.clone(), label.clone(), names))
            super().advance(image, label, names)

    monkeypatch.setattr(loop, "RunState", Spy)
    focal, adaptive = (train(changed(c, steps=4), cases[:2], cases[2:3]) for c in (FOCAL, ADAPTIVE))
    assert focal.initial_weights_sha256 == adaptive.initial_weights_sha256
    assert digest(focal.network) != digest(adaptive.network)
    assert len(seen["focal"]) == 4
    draw = BatchSampler(cases[:2], FOCAL)
    for step, (one, two) in enumerate(zip(seen["focal"], seen["adaptive_focal"], strict=True), start=1):
        for batch in (two, draw(step)):  # the batch of each step, none left out or taken twice
            assert torch.equal(one[0], batch[0])
            assert torch.equal(one[1], batch[1])
            assert one[2] == batch[2]


def test_initial_weights_are_those_of_the_seed(cases):
    """Hashed before the first step, not after."""
    result = train(FOCAL, cases[:1], cases[2:3])
    torch.manual_seed(FOCAL.seed)
    assert result.initial_weights_sha256 == digest(build_model("demo_unet", in_channels=2))
    assert result.initial_weights_sha256 != digest(result.network)


def test_the_best_step_is_chosen_by_validation_and_its_weights_are_kept(cases, monkeypatch):
    scores, weights = iter([0.2, 0.9, 0.9, 0.5]), []

    def score(network, validation, config, *, stopped, ranks):
        assert [case.case_id for case in validation] == ["Case_C"]
        weights.append(digest(network))
        return next(scores)

    monkeypatch.setattr(state, "validation_dsc", score)
    listener = Listener()
    result = train(changed(steps=4, validate_every=1), cases[:2], cases[2:3], listener)
    assert (result.steps, result.best_step, result.best_validation_dsc) == (4, 2, 0.9)
    assert digest(result.network) == weights[1]
    assert len(set(weights)) == 4
    assert [(p.step, p.validation_dsc) for p in listener.heard] == [(1, 0.2), (2, 0.9), (3, 0.9), (4, 0.5)]
    assert not result.network.training


@pytest.mark.parametrize(
    ("settings", "validated"),
    [
        ({"steps": 3, "validate_every": 2}, [2, 3]),
        ({"steps": 4, "validate_every": 2}, [2, 4]),
        ({"epochs": 2, "validate_every": None, "batch_size": 1}, [2, 4]),
        ({"steps": 2, "validate_every": 9}, [2]),
    ],
)
def test_validation_is_done_as_often_as_asked_and_at_the_last_step(cases, settings, validated):
    listener = Listener()
    train(changed(**settings), cases[:2], cases[2:3], listener)
    assert [p.step for p in listener.heard if p.validation_dsc is not None] == validated


def test_every_tenth_step_is_reported_with_the_mean_loss_since_the_last_report(cases, monkeypatch):
    losses = []

    class Spy(RunState):
        def advance(self, image, label, names):
            super().advance(image, label, names)
            losses.append(self.losses[-1])

    monkeypatch.setattr(loop, "RunState", Spy)
    listener = Listener()
    train(changed(steps=14, validate_every=14, batch_size=1), cases[:2], cases[2:3], listener)
    assert [p.step for p in listener.heard] == [10, 14]
    assert [p.loss for p in listener.heard] == pytest.approx([np.mean(losses[:10]), np.mean(losses[10:])])
    assert len(losses) == 14


class Says(nn.Module):
    """The same two logits everywhere."""

    def __init__(self, background, tumour):
        super().__init__()
        self.logits = (background, tumour)

    def forward(self, image):
        return torch.stack([torch.full_like(image[:, 0], logit) for logit in self.logits], dim=1)


@pytest.mark.parametrize(
    ("logits", "rule", "everything"),
    [
        ((1.0, 0.5), "tumour_channel", True),
        ((1.0, 0.5), "background_complement", False),
        ((1.0, 0.5), "argmax", False),
        ((-1.0, -0.5), "tumour_channel", False),
        ((-1.0, -0.5), "background_complement", True),
        ((-1.0, -0.5), "argmax", True),
    ],
)
def test_validation_dsc_is_the_mean_over_whole_cases_under_the_rule(cases, logits, rule, everything):
    network = Says(*logits)
    found = validation_dsc(network, cases, changed(decision_rule=rule))
    shares = [float(case.label.float().mean()) for case in cases]
    assert found == pytest.approx(np.mean([2 * f / (1 + f) for f in shares]) if everything else 0)
    assert network.training


def test_windows_that_slide_over_a_case_cover_it(cases):
    """A network that is right voxel by voxel finds every tumour, also where it lies across windows."""

    class Sees(nn.Module):
        def forward(self, image):
            assert image.shape[2:] == (16, 16, 16)
            return torch.stack([torch.zeros_like(image[:, 1]), image[:, 1] - 2], dim=1)

    assert min(case.image.shape[1] for case in cases) > 16
    exact = [copy.copy(case) for case in cases]
    for case in exact:
        object.__setattr__(case, "image", torch.cat([case.image[:1], 4 * case.label.half()]))
    assert validation_dsc(Sees(), exact, FOCAL) == 1


def test_a_stop_ends_validation_between_two_cases(cases):
    asked = iter([False, False, True])
    network = Says(0.0, 1.0)
    assert validation_dsc(network, cases, FOCAL, stopped=lambda: next(asked)) is None
    assert list(asked) == []
    assert network.training


class Kept(Keeper):
    """Stops after some steps, and holds a copy of the last state."""

    def __init__(self, last=None, stop_at=math.inf):
        self.last, self.stop_at, self.step, self.heard, self.saved_now = last, stop_at, None, [], []

    def load(self):
        return copy.deepcopy(self.last)

    def save(self, state, *, step, now):
        self.step, self.last = step, copy.deepcopy(state())
        if now:
            self.saved_now.append(step)

    def report(self, progress):
        self.heard.append(progress)

    def stopped(self):
        return self.step is not None and self.step + 1 >= self.stop_at


@pytest.mark.parametrize(
    ("settings", "stop_at"),
    [({}, 1), ({}, 2), ({}, 4), ({"optimiser": "adamw", "learning_rate": 1e-3}, 2)],
    ids=["between two", "amid a validation", "near the end", "adamw"],
)
def test_a_run_that_was_stopped_goes_on_to_the_weights_that_it_would_have_had(cases, settings, stop_at, monkeypatch):
    """By a network that drops channels at random, so that its random numbers must be kept too."""

    def dropping(_):
        return nn.Sequential(nn.Conv3d(2, 8, 3, padding=1), nn.Dropout3d(), nn.ReLU(), nn.Conv3d(8, 2, 1))

    monkeypatch.setattr(state, "build_network", dropping)
    config = changed(**{"steps": 5, "batch_size": 1} | settings)
    whole, first = Kept(), Kept(stop_at=stop_at)
    expected = train(config, cases[:2], cases[2:3], whole)
    part = train(config, cases[:2], cases[2:3], first)
    assert part.steps == stop_at
    second = Kept(first.last)
    found = train(config, cases[:2], cases[2:3], second)
    assert digest(found.network) == digest(expected.network)
    assert (found.best_step, found.best_validation_dsc) == (expected.best_step, expected.best_validation_dsc)
    assert found.initial_weights_sha256 == expected.initial_weights_sha256
    assert first.heard + second.heard == whole.heard
    assert first.saved_now[-1] == stop_at


def test_alpha_and_gamma_are_logged_with_their_spread_at_each_validation(cases, monkeypatch):
    seen = []

    class Spy(RunState):
        def advance(self, image, label, names):
            seen.append(factors(label, smoothness="released"))
            super().advance(image, label, names)

    monkeypatch.setattr(loop, "RunState", Spy)
    listener = Listener()
    train(changed(ADAPTIVE, steps=4), cases[:2], cases[2:3], listener)
    for epoch, progress in enumerate(listener.heard):
        own = seen[2 * epoch : 2 * epoch + 2]
        alpha = torch.cat([f.alpha_va for f in own])
        gamma = torch.cat([f.gamma_va + f.gamma_msa for f in own])
        assert len(alpha) == 4
        for name, values in (("alpha", alpha), ("gamma", gamma)):
            said = progress.factors[name]
            expected = [values.mean(), values.min(), np.median(values), values.max()]
            assert list(said) == ["mean", "low", "middle", "high"]
            assert list(said.values()) == pytest.approx([float(value) for value in expected], rel=1e-5)
            assert said["low"] < said["high"]
    assert len(listener.heard) == 2


def test_a_loss_without_factors_logs_none(cases):
    listener = Listener()
    train(FOCAL, cases[:2], cases[2:3], listener)
    assert [p.factors for p in listener.heard] == [{}]


def test_the_factors_that_are_logged_are_those_that_the_loss_uses(cases, monkeypatch):
    """They are computed once and handed on; the loss must not depend on who computed them."""
    with_log = train(ADAPTIVE, cases[:2], cases[2:3])
    monkeypatch.setattr(RunState, "_factors", lambda self, label, names: {})
    monkeypatch.setattr(RunState, "_note", lambda self, known: None)
    assert digest(train(ADAPTIVE, cases[:2], cases[2:3]).network) == digest(with_log.network)


def test_factors_of_the_case_are_those_of_its_whole_reference_computed_once(cases, monkeypatch):
    """Two steps on patches of two cases: value and gradient are those of the loss with the factors of the cases."""
    config = changed(ADAPTIVE, factors_from="case")
    whole = {case.case_id: factors(case.label[None], smoothness="released") for case in cases[:2]}
    computed = []
    compute = AdaptiveFocalLoss.factors

    def spy(loss, target, *, channels):
        computed.append(target.shape)
        return compute(loss, target, channels=channels)

    monkeypatch.setattr(AdaptiveFocalLoss, "factors", spy)
    run, draw = RunState(config, cases[:2]), BatchSampler(cases[:2], config)
    for step in (1, 2):
        image, label, _ = draw(step)
        names = ["Case_B", "Case_A"] if step == 1 else ["Case_A", "Case_A"]
        twin = copy.deepcopy(run.network)
        loss = run.loss(twin(image), label, factors=join_factors(whole[name] for name in names))
        loss.backward()
        run.advance(image, label, names)
        assert run.losses[-1] == pytest.approx(loss.item(), rel=1e-6)
        for own, other in zip(run.network.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(own.grad, other.grad)
    order = ["Case_B", "Case_A", "Case_A", "Case_A"]
    assert run.factors["alpha"] == [whole[name].alpha_va.item() for name in order]
    assert run.factors["gamma"] == [whole[name].gamma_adaptive.item() for name in order]
    assert sorted(computed) == sorted((1, *case.label.shape) for case in cases[:2])
    assert cases[0].label.shape[1:] != config.patch_size


def test_a_lost_sample_is_found_by_the_factors_that_it_was_trained_with(cases):
    """By those of its patch, which has no tumour, the other one would be blamed."""
    config = changed(ADAPTIVE, factors_from="case", loss_settings={"preset": "paper_equation"})
    run = RunState(config, cases[:2])
    asked = []
    run.loss.forward = lambda logits, target, *, factors: asked.append(factors) or logits.sum() * math.nan
    image, label, _ = BatchSampler(cases[:2], config)(1)
    with pytest.raises(DataError):
        run.advance(image, label * 0, ["Case_A", "Case_B"])
    assert [len(f.alpha_va) for f in asked] == [2, 1, 1]
    assert asked[1].alpha_va.item() == asked[0].alpha_va[0].item() < 1
    assert asked[2].alpha_va.item() == asked[0].alpha_va[1].item() < 1


def test_what_a_loss_takes_nothing_for_changes_nothing(cases):
    first, second = (train(changed(factors_from=of), cases[:2], cases[2:3]) for of in ("patch", "case"))
    assert digest(first.network) == digest(second.network)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [("constant", [0.1, 0.1, 0.1]), ("cosine", [0.1, 0.075, 0.025])],
)
@pytest.mark.parametrize(
    ("optimiser", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)], ids=["sgd", "adamw"]
)
def test_optimiser_and_schedule_are_those_asked_for(cases, optimiser, kind, schedule, rates):
    run = RunState(changed(optimiser=optimiser, schedule=schedule, steps=3, weight_decay=0.01), cases)
    assert type(run.optimiser) is kind
    (group,) = run.optimiser.param_groups
    assert group["weight_decay"] == 0.01
    assert (group.get("nesterov"), group.get("momentum")) == ((True, 0.9) if optimiser == "sgd" else (None, None))
    draw, used = BatchSampler(cases[:2], FOCAL), []
    for step in (1, 2, 3):
        used.append(group["lr"])
        run.advance(*draw(step))
    assert used == pytest.approx(rates)


def test_one_step_of_sgd_is_the_gradient_times_the_rate(cases):
    """By hand: with Nesterov's momentum the first step moves by (1 + momentum) rates of gradient plus decay."""
    config = changed(learning_rate=0.01, weight_decay=0.1, momentum=0.5)
    run = RunState(config, cases)
    before = copy.deepcopy(run.network)
    image, label, names = BatchSampler(cases[:2], config)(1)
    run.advance(image, label, names)
    LOSSES["focal"].build(**config.loss_settings)(before(image), label).backward()
    for old, new in zip(before.parameters(), run.network.parameters(), strict=True):
        expected = old - 0.01 * 1.5 * (old.grad + 0.1 * old)
        torch.testing.assert_close(new, expected.detach(), rtol=1e-4, atol=1e-7)


HALF = {"patch_size": (32, 32, 32), "batch_size": 1}
"""At 2 x 2 x 2 voxels at the coarsest level, PyTorch's bf16 convolution on the CPU has a wrong gradient."""


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_of_the_network_alone(cases, monkeypatch, precision):
    seen = {}

    def spy(kind):
        def build(*args, **kwargs):
            loss = LOSSES["focal"].build(gamma=2.0)

            def call(logits, label):
                seen[kind] = logits.dtype
                return loss(logits, label)

            return call

        return build

    monkeypatch.setattr(state, "build_loss", spy("loss"))
    config = changed(**HALF, precision=precision)
    run = RunState(config, cases)
    hook = run.network.register_forward_hook(lambda _module, _given, result: seen.update(network=result.dtype))
    run.advance(*BatchSampler(cases[:2], config)(1))
    hook.remove()
    assert seen == {
        "loss": torch.float32,
        "network": getattr(torch, {"bf16": "bfloat16", "fp16": "float16"}[precision]),
    }
    assert {p.dtype for p in run.network.parameters()} == {torch.float32}
    assert run.scaler.is_enabled() == (precision == "fp16")


def test_bf16_repeats_and_differs_from_fp32(cases):
    full = changed(**HALF)
    half, again = (train(changed(full, precision="bf16"), cases[:2], cases[2:3]) for _ in range(2))
    assert digest(half.network) == digest(again.network)
    assert digest(half.network) != digest(train(full, cases[:2], cases[2:3]).network)


def test_cuda_that_is_not_there_is_refused_and_auto_takes_what_there_is(cases, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UsageError, match="no CUDA device here"):
        train(changed(device="cuda"), cases[:1], cases[:1])
    assert RunState(changed(device="auto"), cases).device == "cpu"


@pytest.mark.parametrize("spoiled", ["Case_A", "Case_B"])
def test_a_loss_that_is_not_finite_names_the_case_that_caused_it(cases, spoiled):
    """Of a batch of two, and no other."""
    for case in cases:
        if case.case_id == spoiled:
            case.image[:] = math.nan
    patches = [BatchSampler([case], changed(batch_size=1))(1) for case in cases[:2]]
    image, label = (torch.cat([patch[k] for patch in patches]) for k in (0, 1))
    with pytest.raises(DataError, match=rf"The loss is nan at step 1 \(received: {spoiled}\)\. Look at that case"):
        RunState(FOCAL, cases).advance(image, label, ["Case_A", "Case_B"])


def test_a_run_with_a_spoiled_case_stops_with_its_name(cases):
    cases[1].image[:] = math.nan
    keeper = Kept()
    with pytest.raises(DataError, match=r"at step \d+ \(received: Case_B\)"):
        train(changed(steps=20, batch_size=1, validate_every=20), cases[:2], cases[2:3], keeper)
    assert all(torch.isfinite(value).all() for value in keeper.last["network"].values())


def test_a_gradient_that_is_not_finite_stops_before_it_reaches_the_weights(cases):
    config = changed(batch_size=1)
    run = RunState(config, cases)
    weight = next(run.network.parameters())
    weight.register_hook(lambda gradient: gradient * math.inf)
    before = weight.detach().clone()
    with pytest.raises(DataError, match=r"The gradient is not finite at step 1 \(received: Case_[AB]\)"):
        run.advance(*BatchSampler(cases[:2], config)(1))
    assert torch.equal(weight, before)


def test_a_loss_that_explodes_stops_the_run(cases, monkeypatch):
    """A number still, but a million times those of the first ten steps."""
    scale = {"now": 1.0}
    plain = LOSSES["focal"].build(gamma=2.0)
    monkeypatch.setattr(state, "build_loss", lambda *_, **__: lambda logits, label: scale["now"] * plain(logits, label))
    run = RunState(changed(steps=20, batch_size=1, learning_rate=1e-4), cases)
    draw = BatchSampler(cases[:1], changed(batch_size=1))
    scale["now"] = 1e-6
    run.advance(*draw(1))
    scale["now"] = 1.0  # a rise within the first ten steps is the start of a training
    for step in range(2, 12):
        run.advance(*draw(step))
    scale["now"] = 1e6
    with pytest.raises(DataError, match=r"The loss is \d+ at step 12 \(received: Case_A\)"):
        run.advance(*draw(12))


def test_a_rate_that_is_too_high_ends_in_one_message(cases):
    config = changed(learning_rate=1e38, steps=4, validate_every=4)
    with pytest.raises(DataError, match=r"at step [1234] \(received: Case_[AB]( and Case_[AB])?\)"):
        train(config, cases[:2], cases[2:3])


@pytest.mark.parametrize(("training", "validation"), [(0, 1), (1, 0)])
def test_training_needs_both_splits(cases, training, validation):
    with pytest.raises(DataError, match=f"received: {training} and {validation}"):
        train(FOCAL, cases[:training], cases[:validation])


def test_a_wrong_loss_setting_is_named(cases):
    with pytest.raises(UsageError, match=r"no setting of focal of that name.*gama"):
        train(changed(loss_settings={"gama": 1}), cases[:1], cases[:1])


def test_encoder_weights_are_for_the_resnet_alone(cases):
    with pytest.raises(UsageError, match=r"Only the ResNet50 U-Net takes encoder weights \(received: demo_unet\)"):
        train(changed(encoder_weights="resnet50.pth"), cases[:1], cases[:1])


def test_a_short_run_learns(cases):
    """The tumours are bright: 60 steps are enough to find most of them."""
    result = train(changed(steps=60, validate_every=20), cases[:2], cases[2:3])
    assert result.best_validation_dsc > 0.7


def test_a_step_is_timed_whatever_the_factors_are_of():
    for of in ("patch", "case"):
        assert step_seconds(changed(ADAPTIVE, factors_from=of)) > 0
