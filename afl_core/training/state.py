"""What changes during a run, how a step changes it, and how it is kept."""

import copy
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from afl_core.errors import DataError, UsageError
from afl_core.inference import tumour_probability, window_logits
from afl_core.loss import AdaptiveFocalLoss, Factors, build_loss
from afl_core.loss.factors import join_factors
from afl_core.metrics import evaluate_masks
from afl_core.model.checkpoints import DecisionRule
from afl_core.model.networks import build_model, check_patch
from afl_core.model.resnet_unet import ResNetUNet
from afl_core.model.resnet_weights import load_imagenet
from afl_core.training.cases import TrainingCase
from afl_core.training.config import TrainConfig
from afl_core.training.ranks import ALONE, Ranks, interleave

CHANNELS = 2
"""Channels of every network here: background and tumour."""

EARLY = 10
EXPLODED = 1e4
"""After the first 10 steps, a loss of so many times the highest of theirs is lost, even if it is still a number."""


class RunState:
    """Everything that changes during a run."""

    def __init__(self, config: TrainConfig, cases: Sequence[TrainingCase], ranks: Ranks = ALONE) -> None:
        self.config, self.ranks, self.total = config, ranks, config.total_steps(len(cases))
        self.device = choose_device(config)
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        torch.use_deterministic_algorithms(mode=True, warn_only=self.device == "cuda")  # CUDA has no such 3-D pooling
        self.network = build_network(config).train()
        if self.device == "cuda":  # tensor cores read channels last
            self.network.to(self.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.parallel = ranks.wrap(self.network)
        self.optimiser = _build_optimiser(config, self.network)
        schedules = torch.optim.lr_scheduler
        self.schedule = (
            schedules.CosineAnnealingLR(self.optimiser, self.total)
            if config.schedule == "cosine"
            else schedules.ConstantLR(self.optimiser, factor=1)
        )
        self.scaler = torch.amp.GradScaler(self.device, enabled=config.precision == "fp16")
        self.loss = build_loss(config.loss, **config.loss_settings)
        self._cases = {case.case_id: case for case in cases}
        self._of_case: dict[str, Factors] = {}
        self.initial = _hash(self.network)
        self.step, self.scored, self.highest = 0, 0, 0.0
        self.losses: list[float] = []
        self.factors: dict[str, list[float]] = {"alpha": [], "gamma": []}
        self.best: tuple[float, int] = (-math.inf, 0)
        self.best_weights: dict[str, Tensor] = {}

    def state(self) -> dict[str, Any]:
        """Everything that the next steps depend on."""
        fields = ("step", "scored", "highest", "losses", "factors", "best", "best_weights", "initial")
        return {name: getattr(self, name) for name in fields} | {
            **{name: getattr(self, name).state_dict() for name in ("network", "optimiser", "schedule", "scaler")},
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if self.device == "cuda" else [],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name, value in state.items():
            if name in ("network", "optimiser", "schedule", "scaler"):
                getattr(self, name).load_state_dict(value)
            elif not name.startswith("random"):
                setattr(self, name, value)
        torch.set_rng_state(state["random"])
        if state["random_cuda"]:
            torch.cuda.set_rng_state_all(state["random_cuda"])

    def advance(self, image: Tensor, label: Tensor, names: Sequence[str]) -> None:
        """One step on a batch, of which each process takes its share."""
        share = self.ranks.share
        image, label, names = self._moved(image[share]), self._moved(label[share]), names[share]
        with torch.autocast(self.device, _dtype(self.config), enabled=self.config.precision != "fp32"):
            logits = self.parallel(image)
        known = self._factors(label, names)
        self._note(known)
        loss = self.loss(logits.float(), label, **known)
        self._check(loss, logits, label, names)
        self.optimiser.zero_grad()
        with self.ranks.together():
            self.scaler.scale(loss).backward()
        self._check_gradient(names)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.schedule.step()
        self.step += 1

    def _moved(self, batch: Tensor) -> Tensor:
        """The batch on the run's device; the copy to a GPU runs beside what that still computes."""
        if self.device == "cpu":
            return batch
        return batch.pin_memory().to(self.device, non_blocking=True, memory_format=torch.channels_last_3d)

    def validate(self, cases: Sequence[TrainingCase], stopped: Callable[[], bool]) -> float | None:
        """DSC on the validation cases, and the best weights so far; None where it was stopped."""
        dsc = validation_dsc(self.network, cases, self.config, stopped=stopped, ranks=self.ranks)
        if dsc is not None:
            self.scored = self.step
            if dsc > self.best[0]:
                self.best, self.best_weights = (dsc, self.step), copy.deepcopy(self.network.state_dict())
        return dsc

    def _factors(self, label: Tensor, names: Sequence[str]) -> dict[str, Factors]:
        """A-FL's factors of a batch, for the loss; {} for a loss that takes nothing from its target."""
        if not isinstance(self.loss, AdaptiveFocalLoss):
            return {}
        if self.config.factors_from == "patch":
            return {"factors": self.loss.factors(label, channels=CHANNELS)}
        for name in set(names) - set(self._of_case):
            self._of_case[name] = self.loss.factors(self._cases[name].label[None], channels=CHANNELS)
        return {"factors": join_factors((self._of_case[name] for name in names), device=label.device)}

    def _note(self, known: Mapping[str, Factors]) -> None:
        """Keep alpha and gamma of a batch for the next report."""
        if isinstance(self.loss, AdaptiveFocalLoss):
            own = known["factors"].alpha_va.tolist(), self.loss.terms.gamma(known["factors"]).tolist()
            alpha, gamma = zip(*self.ranks.gather(own), strict=True)
            self.factors["alpha"] += interleave(alpha)
            self.factors["gamma"] += interleave(gamma)

    def _check(self, loss: Tensor, logits: Tensor, label: Tensor, names: Sequence[str]) -> None:
        value = float(np.mean(self.ranks.gather(loss.item())))
        if self.step < EARLY:
            self.highest = max(self.highest, abs(value))
        if not math.isfinite(value) or (self.step >= EARLY and value > EXPLODED * self.highest > 0):
            logits = logits.detach().float()
            samples = zip(torch.split(logits, 1), torch.split(label, 1), names, strict=True)
            each = [float(self.loss(x, mask, **self._factors(mask, [name]))) for x, mask, name in samples]
            both = [pair for part in self.ranks.gather(list(zip(names, each, strict=True))) for pair in part]
            highest = max(each_loss for _, each_loss in both)
            lost = [name for name, each_loss in both if not math.isfinite(each_loss)]
            worst = lost or [name for name, each_loss in both if each_loss == highest]
            raise _lost(f"The loss is {value:g} at step {self.step + 1}", worst)
        self.losses.append(value)

    def _check_gradient(self, names: Sequence[str]) -> None:
        """Blame the batch that makes the weights useless, not the next one; a scaler skips such steps by itself."""
        if not self.scaler.is_enabled():
            norm = torch.nn.utils.get_total_norm(p.grad for p in self.network.parameters() if p.grad is not None)
            if not torch.isfinite(norm):
                raise _lost(f"The gradient is not finite at step {self.step + 1}", names)


def _lost(what: str, names: Sequence[str]) -> DataError:
    todo = "Look at that case, or take a smaller learning rate"
    return DataError(what, received=" and ".join(dict.fromkeys(names)), todo=todo)


def choose_device(config: TrainConfig) -> str:
    """`cpu` or `cuda`.

    Raises:
        UsageError: If CUDA is asked for and not there.
    """
    there = torch.cuda.is_available()
    if config.device == "cuda" and not there:
        raise UsageError("There is no CUDA device here", received="device cuda", todo="Use device auto or cpu")
    return "cuda" if there and config.device != "cpu" else "cpu"


def build_network(config: TrainConfig) -> nn.Module:
    """The network of a run, with PyTorch's current random state, after its patch was checked."""
    check_patch(config.network, config.patch_size, **config.network_settings)
    network = build_model(config.network, in_channels=len(config.sequences), **config.network_settings)
    if config.encoder_weights:
        if not isinstance(network, ResNetUNet):
            raise UsageError("Only the ResNet50 U-Net takes encoder weights", received=config.network)
        load_imagenet(network, Path(config.encoder_weights))
    return network


def _build_optimiser(config: TrainConfig, network: nn.Module) -> torch.optim.Optimizer:
    shared: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    if config.optimiser == "adamw":
        return torch.optim.AdamW(network.parameters(), **shared)
    momentum = config.momentum
    return torch.optim.SGD(network.parameters(), momentum=momentum, nesterov=momentum > 0, **shared)


def _dtype(config: TrainConfig) -> torch.dtype:
    return torch.float16 if config.precision == "fp16" else torch.bfloat16


def _hash(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for tensor in network.state_dict().values():
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def validation_dsc(
    network: nn.Module,
    cases: Sequence[TrainingCase],
    config: TrainConfig,
    *,
    stopped: Callable[[], bool] = lambda: False,
    ranks: Ranks = ALONE,
) -> float | None:
    """Mean DSC over whole cases at the network's spacing, under the run's decision rule; None where it was stopped."""
    scores = scores_by_rule(network, cases, config, rules=(config.decision_rule,), stopped=stopped, ranks=ranks)
    return scores[config.decision_rule] if scores else None


def scores_by_rule(
    network: nn.Module,
    cases: Sequence[TrainingCase],
    config: TrainConfig,
    *,
    rules: Sequence[DecisionRule],
    stopped: Callable[[], bool] = lambda: False,
    ranks: Ranks = ALONE,
) -> dict[DecisionRule, float] | None:
    """Mean DSC under each decision rule, from one pass to which each process adds its share; None where it stopped."""
    network.eval()
    device = next(network.parameters(), torch.empty(0)).device
    scores: list[list[float]] = []
    for case in cases[ranks.share]:
        if stopped():
            break
        with torch.autocast(device.type, _dtype(config), enabled=config.precision != "fp32"):
            logits = window_logits(network, case.image.float().to(device), patch_size=config.patch_size).float()
        masks = [tumour_probability(logits, rule)[0].cpu().numpy() > 0.5 for rule in rules]
        reference = case.label[0].numpy() > 0
        scores.append([evaluate_masks(mask, reference, spacing_mm=config.spacing_mm).dsc for mask in masks])
    network.train()
    parts = ranks.gather(scores)
    if sum(map(len, parts)) < len(cases):
        return None
    by_rule = zip(*interleave(parts), strict=True)
    return {rule: float(np.mean(dice)) for rule, dice in zip(rules, by_rule, strict=True)}
