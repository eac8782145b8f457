"""A loss of the catalogue as nnU-Net calls it: on every level of deep supervision, for classes or for regions.

nnU-Net's outputs are (B, C, X, Y, Z) logits, or (B, C, X, Y) in two dimensions, one tensor or a list of levels from the
full resolution down. Its targets are (B, 1, ...) labels where classes compete by softmax, and (B, R, ...) masks where
regions may overlap, each with a sigmoid of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from afl_core.errors import UsageError
from afl_core.loss import LOSSES, AdaptiveFocalLoss, Factors, build_loss
from afl_core.loss import factors as compute_factors
from afl_core.loss.factors import join_factors
from afl_core.nnunet.catalogue import TrainerSpec

Levels = Tensor | Sequence[Tensor]

GENERAL = ("focal", "adaptive_focal")
"""Losses that take any number of classes, regions and an ignore label; the others take one tumour."""


@dataclass(frozen=True)
class Heads:
    """The outputs of a network.

    Attributes:
        channels: Number of channels of logits: of classes with the background, or of regions without it.
        regions: Whether the channels are regions, each with a sigmoid, and not classes under one softmax.
        spacing_mm: Voxel edge lengths at full resolution, in the order of the arrays' axes; two or three.
        weights: Weight of each level of deep supervision, from the full resolution down; one where there is none.
        ignore_label: Label of voxels that do not count, if the data set has one; of regions the last channel of the
            target, one more, marks them.
    """

    channels: int
    regions: bool
    spacing_mm: tuple[float, ...]
    weights: tuple[float, ...] = (1.0,)
    ignore_label: int | None = None


class LevelLoss(nn.Module):
    """The weighted sum of a loss over the levels of deep supervision.

    A-FL's factors are those of the full resolution at every level, unless the trainer takes them from each level's own
    target. They say how hard a case is, and that does not change with the level; on a coarse level a small tumour is
    gone, and would get alpha 1 and gamma 0 there.

    Regions are masks of their own: the loss is the mean of theirs.

    Args:
        spec: What the trainer trains with.
        heads: What the network gives.
        reference: Function that gives the target of a whole case by its name, in the form of a batch of one; it is
            called once a case, and only by a trainer that takes its factors from the case.

    Raises:
        UsageError: If the loss is not defined for such outputs.
    """

    def __init__(self, spec: TrainerSpec, heads: Heads, *, reference: Callable[[str], Tensor] | None = None) -> None:
        super().__init__()
        _check(spec, heads)
        settings: dict[str, Any] = dict(spec.settings)
        if spec.loss in GENERAL:
            settings["ignore_index"] = heads.ignore_label
            if heads.regions:
                settings["activation"] = "sigmoid"
        self.loss = build_loss(spec.loss, **settings)
        self.spec, self.heads = spec, heads
        self.cases: Sequence[str] = ()
        """Names of the cases of the batch that comes next; a trainer sets them."""
        self._reference = reference
        self._known: dict[str, Factors] = {}

    def extra_repr(self) -> str:
        """What differs from trainer to trainer, for nnU-Net's records."""
        return f"{self.heads}, factors_from={self.spec.factors_from}, own_levels={self.spec.own_levels}"

    def forward(self, output: Levels, target: Levels) -> Tensor:
        """Loss of a batch; a level of weight 0 is not computed."""
        outputs, targets = ([x] if isinstance(x, Tensor) else list(x) for x in (output, target))
        outputs, targets = [_volume(x) for x in outputs], [_volume(x) for x in targets]
        full = targets[0]
        shared = {} if self.spec.own_levels else self._factors(full, full=full)
        losses = [
            weight * self._level(logits, level, shared or self._factors(level, full=full))
            for weight, logits, level in zip(self.heads.weights, outputs, targets, strict=False)
            if weight
        ]
        return torch.stack(losses).sum()

    def _level(self, logits: Tensor, target: Tensor, factors: dict[str, Factors]) -> Tensor:
        if self.heads.regions and self.spec.loss not in GENERAL:
            regions = zip(torch.split(logits, 1, dim=1), torch.split(target, 1, dim=1), strict=True)
            return torch.stack([self.loss(*region) for region in regions]).mean()
        loss: Tensor = self.loss(logits, target, **factors)
        return loss

    def _factors(self, target: Tensor, *, full: Tensor) -> dict[str, Factors]:
        """A-FL's factors of a target, for the loss; {} for a loss that takes nothing from it."""
        if not isinstance(self.loss, AdaptiveFocalLoss):
            return {}
        if self.spec.factors_from == "case":
            return {"factors": join_factors((self._of_case(name) for name in self.cases), device=target.device)}
        return {"factors": self._compute(target, full.shape)}

    def _of_case(self, name: str) -> Factors:
        if name not in self._known:
            assert self._reference is not None  # the trainer gives it
            whole = self._reference(name)
            self._known[name] = self._compute(whole, whole.shape)
        return self._known[name]

    def _compute(self, target: Tensor, full_shape: Sequence[int]) -> Factors:
        """Factors of a target whose voxels are larger than at full resolution as its shape says."""
        assert isinstance(self.loss, AdaptiveFocalLoss)
        edges = (*self.heads.spacing_mm, 1.0)[:3]  # the third of a plane is not used
        x, y, z = (mm * n / coarse for mm, n, coarse in zip(edges, full_shape[2:], target.shape[2:], strict=True))
        return compute_factors(
            target,
            smoothness=self.loss.terms.gamma_smoothness,
            spacing_mm=(x, y, z),
            classes=self.heads.channels,
            ignore_index=self.heads.ignore_label,
        )


def _volume(x: Tensor) -> Tensor:
    """A plane (B, C, X, Y) as a volume of one slice; a volume as it is."""
    return x[..., None] if x.ndim == 4 else x


def _check(spec: TrainerSpec, heads: Heads) -> None:
    label = LOSSES[spec.loss].label
    if spec.loss not in GENERAL and heads.channels > 2 and not heads.regions:
        raise UsageError(
            f"{label} takes the background and one class",
            received=f"{heads.channels} classes",
            todo="Train FL or A-FL, or train on regions",
        )
    if spec.loss not in GENERAL and heads.ignore_label is not None:
        raise UsageError(f"{label} takes no ignore label", received=heads.ignore_label, todo="Train FL or A-FL")
    if len(heads.spacing_mm) == 2 and spec.settings.get("gamma_smoothness") == "scale_free":
        raise UsageError(
            "The scale-free smoothness needs volumes", received="a 2d configuration", todo="Take 3d_fullres"
        )
