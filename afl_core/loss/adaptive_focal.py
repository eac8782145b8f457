"""Adaptive focal loss (A-FL): the focal loss with alpha and gamma taken from each case's own reference mask.

Source: arXiv 2407.09828, "Size and Smoothness Aware Adaptive Focal Loss for Small Tumor Segmentation", and the code
that its authors released, which differs from the text; the three readings of alpha keep the two apart.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own convention

from afl_core.errors import UsageError

Alpha = Literal["balanced", "scalar", "released"]


@dataclass(frozen=True)
class Factors:
    """The four numbers that A-FL takes from a reference mask; each of shape (B,), constants to autograd.

    Attributes:
        alpha_va: Background fraction of the voxels, P_bg / (P_fg + P_bg).
        gamma_va: Tumour fraction of the voxels, P_fg / (P_fg + P_bg).
        gamma_msa: Mean over all voxels of abs(grad(label)): the surface area in voxel faces over the number of voxels.
        gamma_adaptive: gamma_va + gamma_msa, the focusing exponent.
    """

    alpha_va: Tensor
    gamma_va: Tensor
    gamma_msa: Tensor

    @property
    def gamma_adaptive(self) -> Tensor:
        """Focusing exponent, shape (B,)."""
        return self.gamma_va + self.gamma_msa


@torch.no_grad()
def factors(target: Tensor) -> Factors:
    """Compute the adaptive factors of each sample from its reference mask.

    The gradient is taken by central differences of unit spacing (one-sided at the border), whatever the voxel size:
    so the released code does. An empty target gives alpha_va 1 and gamma 0, a full one alpha_va 0 and gamma 1.

    Args:
        target: Shape (B, 1, X, Y, Z), 1 inside the tumour and 0 outside.

    Returns:
        The factors in float64, on the target's device: 1 - alpha_va must survive where the tumour is tiny.

    >>> lesion = torch.zeros(1, 1, 160, 128, 24)
    >>> lesion[..., 50:62, 50:60, 8:17] = 1  # 1,080 voxels
    >>> f = factors(lesion)
    >>> f"{f.alpha_va.item():.4f} {f.gamma_va.item():.4f} {f.gamma_adaptive.item():.4f}"
    '0.9978 0.0022 0.0034'
    """
    mask = target[:, 0].float()
    gamma_va = mask.double().mean(dim=(1, 2, 3))
    squared = torch.zeros_like(mask)
    for axis in (1, 2, 3):
        if mask.shape[axis] > 1:
            squared += torch.gradient(mask, dim=axis)[0] ** 2
    return Factors(1 - gamma_va, gamma_va, squared.sqrt().double().mean(dim=(1, 2, 3)))


class AdaptiveFocalLoss(nn.Module):
    """A-FL(p_t) = -alpha (1 - p_t) ** gamma_adaptive * log(p_t), on sigmoid probabilities, averaged over all elements.

    alpha_va weighs the elements in one of three ways, which give very different losses:

    - `balanced`: alpha_va on tumour voxels, 1 - alpha_va on background voxels, as in the alpha-balanced focal loss
      (Lin et al. 2017). An empty target gives a loss of 0, since all its voxels weigh 0.
    - `scalar`: alpha_va on every voxel, the printed formula taken literally. Almost 1, so nothing is balanced.
    - `released`: P_bg / N on the background channel and P_fg / N on the tumour channel, whatever the voxel's class, as
      in the authors' code. The tumour channel, which the authors read at inference, gets P_fg / N of the weight.

    Args:
        alpha: Which reading of alpha_va.

    Raises:
        UsageError: If `alpha` is none of the three.
    """

    def __init__(self, *, alpha: Alpha = "released") -> None:
        super().__init__()
        if alpha not in get_args(Alpha):
            raise UsageError(
                "Unknown reading of alpha", received=alpha, todo=f"Use one of {', '.join(get_args(Alpha))}"
            )
        self.alpha = alpha

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean loss of a batch.

        Args:
            logits: Shape (B, 1, X, Y, Z), the tumour channel, or (B, 2, X, Y, Z), background and tumour.
            target: Shape (B, 1, X, Y, Z), 1 inside the tumour and 0 outside.

        Returns:
            A scalar; finite for empty and full targets too.

        Raises:
            UsageError: If the shapes are not of these forms.
        """
        target = target.to(logits.dtype)
        one_hot = _one_hot(logits, target)  # (B, C, X, Y, Z)
        f = factors(target)
        gamma = _per_sample(f.gamma_adaptive).to(logits.dtype)
        signed = (2 * one_hot - 1) * logits  # p_t = sigmoid(signed)
        log_p = F.logsigmoid(signed)
        log_q = log_p - signed  # log(1 - p_t) without a second logarithm
        return (-self._weights(f, target, channels=logits.shape[1]) * torch.exp(gamma * log_q) * log_p).mean()

    def _weights(self, f: Factors, target: Tensor, *, channels: int) -> Tensor:
        """Weights that broadcast to (B, C, X, Y, Z)."""
        background, tumour = (_per_sample(share).to(target.dtype) for share in (f.alpha_va, f.gamma_va))  # of N
        if self.alpha == "balanced":
            return background * target + tumour * (1 - target)
        if self.alpha == "scalar":
            return background
        return torch.cat([background, tumour], dim=1)[:, -channels:]


def _per_sample(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1, 1)


def _one_hot(logits: Tensor, target: Tensor) -> Tensor:
    """Target of every channel: tumour alone, or background and tumour."""
    if logits.ndim != 5 or logits.shape[1] not in (1, 2) or target.shape != (logits.shape[0], 1, *logits.shape[2:]):
        raise UsageError(
            "Logits must be (B, 1 or 2, X, Y, Z) and targets (B, 1, X, Y, Z)",
            received=f"{tuple(logits.shape)} and {tuple(target.shape)}",
        )
    return target if logits.shape[1] == 1 else torch.cat([1 - target, target], dim=1)
