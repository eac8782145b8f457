"""The losses that A-FL is compared with, from MONAI wherever MONAI has them.

All take logits (B, 1 or 2, X, Y, Z), tumour alone or background and tumour, and a target (B, 1, X, Y, Z) of any dtype,
0 outside the tumour and any other label inside; all return a scalar, the mean over the batch of each sample's own loss.

The losses of regions (Tversky, IoU, Dice and what contains them) are averaged over the channels, so with two channels
the background counts as much as the tumour. The authors of A-FL do so too, but with a sigmoid for each channel where
softmax stands here (only their DiceCE has softmax).
"""

from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own convention

from afl_core.base.catalogue import pick
from afl_core.errors import UsageError
from afl_core.loss.focal import Activation, focal
from afl_core.loss.inputs import check_pair, float_pair, probabilities
from afl_core.loss.targets import check_ignore_index, read_pair

FLOOR = 1e-6
"""Smallest probability that the unified focal loss sees: 1 - FLOOR differs from 1 in float32, with room for sums."""


def monai_losses() -> Any:
    """The module `monai.losses`."""
    import monai.losses  # noqa: PLC0415 - MONAI takes seconds to import

    return monai.losses


def cross_entropy(logits: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Cross-entropy of two channels, binary cross-entropy of one.

    Args:
        logits: Shape (B, 1 or 2, X, Y, Z), float32 or better.
        target: Shape (B, 1, X, Y, Z).
        reduction: "mean", or "none" for a value a voxel.

    Returns:
        A scalar, or B * X * Y * Z values in their order in memory.
    """
    if logits.shape[1] == 2:
        return F.cross_entropy(logits, target[:, 0].bool().long(), reduction=reduction)
    return F.binary_cross_entropy_with_logits(logits, target.bool().to(logits.dtype), reduction=reduction)


class _MonaiLoss(nn.Module):
    """A loss of MONAI that takes logits and the target of each of their channels."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self._loss = loss

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean loss of a batch; the shapes are those at the top of this module."""
        loss: Tensor = self._loss(*float_pair(logits, target))
        return loss


class CrossEntropyLoss(nn.Module):
    """Cross-entropy, -log(p_t) averaged over all voxels (PyTorch's).

    An empty target gives the cross-entropy of the background.
    """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean loss of a batch; the shapes are those at the top of this module."""
        return cross_entropy(float_pair(logits, target)[0], target)


class TverskyLoss(_MonaiLoss):
    """1 - TP / (TP + alpha FP + beta FN) of soft counts (Salehi et al. 2017), MONAI's.

    An empty target gives the tumour channel a loss of 0 where nothing at all is predicted, else almost 1 and almost no
    gradient.

    Args:
        alpha: Weight of false positives; 0.5 in the A-FL authors' baseline, which with beta 0.5 makes the Dice loss.
        beta: Weight of false negatives; 0.5 there too.
    """

    def __init__(self, *, alpha: float = 0.5, beta: float = 0.5) -> None:
        super().__init__(monai_losses().TverskyLoss(other_act=probabilities, alpha=alpha, beta=beta))


class IoULoss(_MonaiLoss):
    """1 - TP / (TP + FP + FN) of soft counts (Rahman and Wang 2016), MONAI's DiceLoss with `jaccard`.

    An empty target gives what it gives `TverskyLoss`.
    """

    def __init__(self) -> None:
        super().__init__(monai_losses().DiceLoss(other_act=probabilities, jaccard=True))


class DiceLoss(_MonaiLoss):
    """1 - 2 sum(p t) / (sum(p^2) + sum(t^2)), or without the squares (Milletari et al. 2016), MONAI's.

    An empty target gives what it gives `TverskyLoss`.

    Args:
        squared: Whether to square in the denominator; so do the paper and the A-FL authors' baseline.
    """

    def __init__(self, *, squared: bool = True) -> None:
        super().__init__(monai_losses().DiceLoss(other_act=probabilities, squared_pred=squared))


class DiceCELoss(_MonaiLoss):
    """Dice loss without squares plus cross-entropy, equally weighted (Isensee et al. 2018, nnU-Net), MONAI's.

    An empty target gives the cross-entropy of the background plus what it gives `TverskyLoss`.
    """

    def __init__(self) -> None:
        super().__init__(monai_losses().DiceCELoss(other_act=probabilities))


class DiceFocalLoss(_MonaiLoss):
    """Dice loss without squares plus `FocalLoss`, equally weighted (after Zhu et al. 2019, AnatomyNet), MONAI's.

    Of two channels the Dice part takes the softmax, the focal part the sigmoid of each.

    An empty target gives the focal loss of the background plus what it gives `TverskyLoss`.

    Args:
        gamma: Focusing exponent; MONAI's 2, which the A-FL authors' baseline keeps.
    """

    def __init__(self, *, gamma: float = 2.0) -> None:
        super().__init__(monai_losses().DiceFocalLoss(other_act=probabilities, gamma=gamma))


class FocalLoss(nn.Module):
    """-(1 - p_t)^gamma log(p_t) (Lin et al. 2017), without alpha.

    One channel, or two under sigmoid without `ignore_index`, is MONAI's focal loss. It also takes what
    `AdaptiveFocalLoss` takes, C classes, R regions and ignored voxels, with the same mean over elements, and then is
    A-FL with alpha `none` and a constant gamma. (MONAI's softmax focal loss divides by the channels too.)

    An empty target gives the focal loss of the background.

    Args:
        gamma: Focusing exponent; 2 in the paper of Lin et al. and in the A-FL authors' baseline.
        activation: `sigmoid`, each channel against its own one-hot target; or `softmax`, with one loss per voxel.
        ignore_index: Label of the voxels that do not count; see `AdaptiveFocalLoss`.

    Raises:
        UsageError: If there is no such activation, or the index is no whole number.
    """

    def __init__(
        self, *, gamma: float = 2.0, activation: Activation = "sigmoid", ignore_index: int | None = None
    ) -> None:
        super().__init__()
        pick(dict.fromkeys(get_args(Activation)), activation, kind="activation")
        check_ignore_index(ignore_index)
        self.gamma, self.softmax, self.ignore_index = gamma, activation == "softmax", ignore_index
        self._loss = monai_losses().FocalLoss(gamma=gamma)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean loss of a batch; the shapes are those of `AdaptiveFocalLoss`."""
        read = read_pair(logits, target, softmax=self.softmax, ignore_index=self.ignore_index)
        channels = logits.shape[1]
        if read.classes == 2 and read.codes.shape[1] == 1 and not self.softmax and not read.ignoring:
            loss: Tensor = self._loss(*float_pair(logits, target))
            return loss
        weights = logits.new_ones(len(logits), 1 if self.softmax else channels, read.classes)
        return focal(logits, read, weights, logits.new_full((len(logits), 1), self.gamma))


class UnifiedFocalLoss(nn.Module):
    """Asymmetric unified focal loss (Yeung et al. 2022): weight * focal + (1 - weight) * focal Tversky, MONAI's.

    The focal part suppresses easy background alone, delta weighing the tumour; the Tversky part has delta on false
    negatives, and its tumour term is raised to 1 - gamma. MONAI averages the focal part over the two classes where
    the paper adds them up, so its share here is half the paper's. Outside [1e-6, 1 - 1e-6] probabilities are cut off
    and have no gradient: MONAI's own 1e-7 can vanish in float32 sums, and an almost perfect case then has a gradient
    of NaN.

    An empty target gives the focal part of the background plus about (1 - weight) / 2, almost without a gradient, even
    where nothing is predicted.

    Args:
        weight: Share of the focal part; the paper's lambda, 0.5 there.
        delta: Weight of the tumour and of false negatives; 0.6 in the authors' code (0.7 in MONAI).
        gamma: Background suppression and tumour enhancement, in [0, 1); 0.5 in the authors' code and MONAI.

    Raises:
        UsageError: If gamma is outside [0, 1), where the Tversky part is no longer a loss.
    """

    def __init__(self, *, weight: float = 0.5, delta: float = 0.6, gamma: float = 0.5) -> None:
        super().__init__()
        if not 0 <= gamma < 1:
            raise UsageError("The gamma of the unified focal loss must lie in [0, 1)", received=gamma)
        self._loss = monai_losses().AsymmetricUnifiedFocalLoss(weight=weight, delta=delta, gamma=gamma)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean loss of a batch; the shapes are those at the top of this module."""
        check_pair(logits, target)
        if logits.shape[1] == 1:
            logits = torch.cat([torch.zeros_like(logits), logits], dim=1)  # their softmax is [1 - sigmoid, sigmoid]
        logits, one_hot = float_pair(logits, target)
        loss: Tensor = self._loss(probabilities(logits).clamp(FLOOR, 1 - FLOOR), one_hot)  # MONAI takes no logits here
        return loss


class BoundaryLoss(nn.Module):
    """Dice loss + weight * mean(p phi), phi the signed distance to the boundary (Kervadec et al. 2019), MONAI's.

    phi is in voxels, negative inside. The Dice loss is there because the boundary term alone is close to its least
    value, and has little gradient, where nothing is predicted; the paper too trains it with a region loss (generalised
    Dice). The paper raises the weight by 0.01 an epoch; here it stays. The sum can fall below 0. phi is computed on
    the CPU at each call, unless CuPy and cuCIM are installed.

    An empty or a full target has no boundary, so it gives the Dice loss alone: what it gives `TverskyLoss`.

    Args:
        weight: Weight of the boundary term; 0.01, where the paper starts.
    """

    def __init__(self, *, weight: float = 0.01) -> None:
        super().__init__()
        self.weight = weight
        self._region = monai_losses().DiceLoss()
        self._boundary = monai_losses().BoundaryLoss()

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean loss of a batch; the shapes are those at the top of this module."""
        logits, one_hot = float_pair(logits, target)
        p = probabilities(logits)
        loss: Tensor = self._region(p, one_hot) + self.weight * self._boundary(p[:, -1:], one_hot[:, -1:])
        return loss
