"""A loss of the catalogue as nnU-Net calls it: on every level of deep supervision, for classes or for regions.

nnU-Net's outputs are (B, C, X, Y, Z) logits, or (B, C, X, Y) in two dimensions, one tensor or a list of levels from the
full resolution down. Its targets are (B, 1, ...) labels where classes compete by softmax, and (B, R, ...) masks where
regions may overlap, each with a sigmoid of its own. The loss of regions is the mean of the regions' losses.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from afl_core.errors import UsageError
from afl_core.loss import LOSSES, AdaptiveFocalLoss, Factors, build_loss
from afl_core.loss import factors as compute_factors
from afl_core.loss.factors import join_factors
from afl_core.nnunet.catalogue import TrainerSpec
from afl_core.volume import Spacing

Levels = Tensor | Sequence[Tensor]


@dataclass(frozen=True)
class Heads:
    """The outputs of a network.

    Attributes:
        channels: Number of channels of logits: of classes with the background, or of regions without it.
        regions: Whether the channels are regions, each with a sigmoid, and not classes under one softmax.
        spacing_mm: Voxel edge lengths at full resolution, in the order of the arrays' axes; two or three.
        weights: Weight of each level of deep supervision, from the full resolution down; one where there is none.
        ignore_label: Label of voxels that do not count, if the data set has one.
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

    Args:
        spec: What the trainer trains with.
        heads: What the network gives.
        reference: Function that gives the target of a whole case by its name, shape (1, 1 or R, X, Y, Z); it is called
            once a case, and only by a trainer that takes its factors from the case.

    Raises:
        UsageError: If the loss is not defined for such outputs.
    """

    def __init__(self, spec: TrainerSpec, heads: Heads, *, reference: Callable[[str], Tensor] | None = None) -> None:
        super().__init__()
        _check(spec, heads)
        settings = dict(spec.settings)
        if heads.regions and "activation" in settings:
            settings["activation"] = "sigmoid"
        self.loss = build_loss(spec.loss, **settings)
        self.spec, self.heads = spec, heads
        self.cases: Sequence[str] = ()
        """Names of the cases of the batch that comes next; a trainer sets them."""
        self._reference = reference
        self._known: dict[str, list[Factors]] = {}

    def extra_repr(self) -> str:
        """What differs from trainer to trainer, for nnU-Net's records."""
        return f"{self.heads}, factors_from={self.spec.factors_from}, own_levels={self.spec.own_levels}"

    def forward(self, output: Levels, target: Levels) -> Tensor:
        """Loss of a batch; a level of weight 0 is not computed."""
        outputs, targets = ([x] if isinstance(x, Tensor) else list(x) for x in (output, target))
        outputs, targets = [_volume(x) for x in outputs], [_volume(x) for x in targets]
        full = None if self.spec.own_levels else self._factors(targets[0], full=targets[0])
        losses = [
            weight * self._level(logits, level, full or self._factors(level, full=targets[0]))
            for weight, logits, level in zip(self.heads.weights, outputs, targets, strict=False)
            if weight
        ]
        return torch.stack(losses).sum()

    def _level(self, logits: Tensor, target: Tensor, factors: list[Factors]) -> Tensor:
        known = [{"factors": one} for one in factors] or [{} for _ in range(target.shape[1])]
        losses = [
            self.loss(of_part, mask, **given)
            for of_part, mask, given in zip(self._parts(logits), torch.split(target, 1, dim=1), known, strict=True)
        ]
        return torch.stack(losses).mean()

    def _parts(self, logits: Tensor) -> Sequence[Tensor]:
        """Logits of every mask of the target: each region's own, or all of them for the one tumour."""
        return torch.split(logits, 1, dim=1) if self.heads.regions else [logits]

    def _factors(self, target: Tensor, *, full: Tensor) -> list[Factors]:
        """A-FL's factors of every mask of the target; none for a loss that takes nothing from it."""
        if not isinstance(self.loss, AdaptiveFocalLoss):
            return []
        if self.spec.factors_from == "case":
            of_cases = zip(*(self._of_case(name) for name in self.cases), strict=True)
            return [join_factors(of_mask, device=target.device) for of_mask in of_cases]
        return self._compute(target, full.shape)

    def _of_case(self, name: str) -> list[Factors]:
        if name not in self._known:
            assert self._reference is not None  # the trainer gives it
            whole = self._reference(name)
            self._known[name] = self._compute(whole, whole.shape)
        return self._known[name]

    def _compute(self, target: Tensor, full_shape: Sequence[int]) -> list[Factors]:
        """Factors of every mask of a target whose voxels are larger than at full resolution as its shape says."""
        assert isinstance(self.loss, AdaptiveFocalLoss)
        edges = (*self.heads.spacing_mm, 1.0)[:3]  # the third of a plane is not used
        x, y, z = (mm * n / coarse for mm, n, coarse in zip(edges, full_shape[2:], target.shape[2:], strict=True))
        spacing_mm: Spacing = (x, y, z)
        smoothness = self.loss.terms.gamma_smoothness
        masks = torch.split(target, 1, dim=1)
        return [compute_factors(mask, smoothness=smoothness, spacing_mm=spacing_mm) for mask in masks]


def _volume(x: Tensor) -> Tensor:
    """A plane (B, C, X, Y) as a volume of one slice; a volume as it is."""
    return x[..., None] if x.ndim == 4 else x


def _check(spec: TrainerSpec, heads: Heads) -> None:
    label = LOSSES[spec.loss].label
    if heads.channels > 2 and not heads.regions:
        raise UsageError(
            f"{label} takes the background and one class",
            received=f"{heads.channels} classes",
            todo="Train on regions, or on one label at a time",
        )
    if heads.ignore_label is not None:
        raise UsageError(f"{label} takes no ignore label", received=heads.ignore_label, todo="Leave those cases out")
    if len(heads.spacing_mm) == 2 and spec.settings.get("gamma_smoothness") == "scale_free":
        raise UsageError(
            "The scale-free smoothness needs volumes", received="a 2d configuration", todo="Take 3d_fullres"
        )
