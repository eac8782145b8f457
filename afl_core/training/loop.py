"""The training loop: random patches, SGD, best weights by validation."""

import copy
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.transforms import (
    Compose,
    RandCropByPosNegLabeld,
    RandFlipd,
    RandScaleIntensityd,
    RandShiftIntensityd,
)
from torch import Tensor, nn

from afl_core.errors import DataError
from afl_core.inference import prepare, tumour_probability, window_logits
from afl_core.loss import build_loss
from afl_core.metrics import evaluate_masks
from afl_core.model.networks import build_model
from afl_core.training.config import TrainConfig
from afl_core.volume import Mask, Volume


@dataclass(frozen=True, eq=False)
class TrainingCase:
    """One case as the network sees it.

    Attributes:
        case_id: For messages.
        image: Float16, shape (C, X, Y, Z), z-scored.
        label: Uint8, shape (1, X, Y, Z), on the same grid.
        tumour_voxels: Flat indices of tumour voxels, from which half of the patches are drawn.
        other_voxels: Flat indices of the rest.
    """

    case_id: str
    image: Tensor
    label: Tensor
    tumour_voxels: Tensor
    other_voxels: Tensor


@dataclass(frozen=True)
class Progress:
    """State after a step: mean loss since the last report, and the validation DSC where it was just measured."""

    step: int
    loss: float
    validation_dsc: float | None


@dataclass(frozen=True, eq=False)
class TrainResult:
    """The network with its best weights, and how it got there."""

    network: nn.Module
    best_step: int
    best_validation_dsc: float
    initial_weights_sha256: str
    history: tuple[Progress, ...]


def training_case(case_id: str, images: Mapping[str, Volume], reference: Mask, config: TrainConfig) -> TrainingCase:
    """Preprocess a case for training; the reference is resampled nearest, a case smaller than the patch is padded.

    Args:
        case_id: For messages.
        images: Sequence name to volume, all on one grid.
        reference: On the same grid.
        config: Names sequences and spacing.
    """
    image = prepare(images, sequences=config.sequences, spacing_mm=config.spacing_mm)
    label = torch.from_numpy(reference.array.astype(np.uint8))[None]
    if label.shape[1:] != image.shape[1:]:
        label = nn.functional.interpolate(label[None], image.shape[1:], mode="nearest-exact")[0]
    short = [max(0, edge - n) for edge, n in zip(config.patch_size, image.shape[1:], strict=True)]
    if any(short):  # background (0) up to the patch, so that patches can be stacked
        padding = [after for n in reversed(short) for after in (0, n)]
        image, label = nn.functional.pad(image, padding), nn.functional.pad(label, padding)
    flat = label.flatten()
    return TrainingCase(case_id, image.half(), label, flat.nonzero()[:, 0], (flat == 0).nonzero()[:, 0])


def train(
    config: TrainConfig,
    cases: Sequence[TrainingCase],
    validation: Sequence[TrainingCase],
    *,
    report: Callable[[Progress], None] = lambda progress: None,
) -> TrainResult:
    """Train a network; the same configuration and cases give the same weights on the same machine.

    Initial weights and batches depend on the seed alone, so two runs that differ only in the loss see the same ones.

    Args:
        config: The run.
        cases: Training cases.
        validation: Cases on which the best step is chosen; never the test split.
        report: Called after every 10th step and every validation.

    Raises:
        DataError: If there is no case, or the loss stops being finite; names the cases of that batch.
    """
    if not cases or not validation:
        raise DataError("Training needs training and validation cases", received=f"{len(cases)} and {len(validation)}")
    network, optimiser, schedule = _seeded(config)
    initial = _hash(network)
    loss_function = build_loss(config.loss, **config.loss_settings)
    draw = BatchSampler(cases, config)
    history: list[Progress] = []
    best: tuple[float, int, dict[str, Any]] = (-math.inf, 0, {})
    losses: list[float] = []
    for step in range(1, config.steps + 1):
        image, label, names = draw(step)
        loss = loss_function(network(image), label)
        if not torch.isfinite(loss):
            raise DataError(f"The loss is not finite at step {step}", received=f"{loss.item()} on {', '.join(names)}")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        dsc = None
        if step % config.validate_every == 0 or step == config.steps:
            dsc = validation_dsc(network, validation, config)
            if dsc > best[0]:
                best = (dsc, step, copy.deepcopy(network.state_dict()))
        if dsc is not None or step % 10 == 0:
            history.append(Progress(step, float(np.mean(losses)), dsc))
            losses.clear()
            report(history[-1])
    network.load_state_dict(best[2])
    return TrainResult(network.eval(), best[1], best[0], initial, tuple(history))


def _seeded(
    config: TrainConfig,
) -> tuple[nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Network, SGD and cosine schedule; the initial weights depend on the seed alone."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    torch.use_deterministic_algorithms(mode=True)
    network = build_model(config.network, in_channels=len(config.sequences)).train()
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.momentum > 0,
    )
    return network, optimiser, torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps)


def _hash(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for tensor in network.state_dict().values():
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def validation_dsc(network: nn.Module, cases: Sequence[TrainingCase], config: TrainConfig) -> float:
    """Mean DSC over whole cases at the network's spacing, under the run's decision rule."""
    network.eval()
    scores = []
    for case in cases:
        logits = window_logits(network, case.image.float(), patch_size=config.patch_size)
        prediction = tumour_probability(logits, config.decision_rule)[0].numpy() > 0.5
        scores.append(evaluate_masks(prediction, case.label[0].numpy() > 0, spacing_mm=config.spacing_mm).dsc)
    network.train()
    return float(np.mean(scores))


class BatchSampler:
    """Random patches: half around a tumour voxel, flipped and rescaled. A batch depends on seed and step alone."""

    def __init__(self, cases: Sequence[TrainingCase], config: TrainConfig) -> None:
        self.cases, self.config = cases, config
        both = ("image", "label")
        self.transform = Compose(
            [
                RandCropByPosNegLabeld(
                    both,
                    label_key="label",
                    spatial_size=config.patch_size,
                    num_samples=1,
                    fg_indices_key="tumour",
                    bg_indices_key="other",
                    allow_smaller=True,
                ),
                *[RandFlipd(both, prob=0.5, spatial_axis=axis) for axis in range(3)],
                RandScaleIntensityd("image", factors=0.1, prob=0.5),
                RandShiftIntensityd("image", offsets=0.1, prob=0.5),
            ]
        )

    def __call__(self, step: int) -> tuple[Tensor, Tensor, list[str]]:
        """Images (B, C, X, Y, Z), labels (B, 1, X, Y, Z) and case ids of a step's batch."""
        random = np.random.default_rng([self.config.seed, step])
        self.transform.set_random_state(seed=int(random.integers(2**32)))
        chosen = [self.cases[i] for i in random.integers(len(self.cases), size=self.config.batch_size)]
        patches = [self._patch(case) for case in chosen]
        image = torch.stack([patch["image"].as_tensor().float() for patch in patches])
        label = torch.stack([patch["label"].as_tensor().float() for patch in patches])
        return image, label, [case.case_id for case in chosen]

    def _patch(self, case: TrainingCase) -> dict[str, Any]:
        sample = {
            "image": case.image,
            "label": case.label,
            "tumour": case.tumour_voxels if len(case.tumour_voxels) else case.other_voxels,
            "other": case.other_voxels if len(case.other_voxels) else case.tumour_voxels,
        }
        patch: dict[str, Any] = self.transform(sample)[0]
        return patch
