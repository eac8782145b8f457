"""The switches of A-FL: each term of the loss by itself, and the two sets of them that have a name."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import torch
from torch import Tensor

from afl_core.base.catalogue import pick
from afl_core.errors import UsageError
from afl_core.loss.factors import Factors, Smoothness

Alpha = Literal["balanced", "scalar", "released", "none"]


@dataclass(frozen=True)
class Terms:
    """Which terms an adaptive focal loss has, and how each is read.

    Attributes:
        alpha: How alpha_va weighs (`AdaptiveFocalLoss` explains the readings); `none` weighs everything 1.
        gamma_volume: Whether gamma_va, the tumour's share of the voxels, is part of the exponent.
        gamma_smoothness: Reading of gamma_mSa in the exponent (`factors` explains them); `none` leaves it out.
        gamma_scale: Multiplies gamma_adaptive; a negative one, with an offset, focuses on small tumours.
        gamma_offset: Number that is added after that. Where the exponent would fall below 0, it is 0.
        normalise: Divide the weights by their mean over the sample, so that a learning rate carries over from one
            reading of alpha to another. Where all weights of a sample are 0, they become 1.

    Raises:
        UsageError: If a switch has a value that it cannot have.
    """

    alpha: Alpha
    gamma_volume: bool
    gamma_smoothness: Smoothness
    gamma_scale: float = 1.0
    gamma_offset: float = 0.0
    normalise: bool = False

    def __post_init__(self) -> None:
        """Check the switches."""
        pick(dict.fromkeys(get_args(Alpha)), self.alpha, kind="reading of alpha")
        pick(dict.fromkeys(get_args(Smoothness)), self.gamma_smoothness, kind="reading of gamma_smoothness")
        for name in ("gamma_volume", "normalise"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} must be true or false", received=getattr(self, name))
        for name in ("gamma_scale", "gamma_offset"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise UsageError(f"{name} must be a finite number", received=value)

    def gamma(self, f: Factors) -> Tensor:
        """Focusing exponent of each sample, shape (B,): gamma_offset + gamma_scale * gamma_adaptive, at least 0."""
        adaptive = f.gamma_adaptive if self.gamma_volume else f.gamma_msa
        return (self.gamma_offset + self.gamma_scale * adaptive).clamp(min=0)

    def weights(self, f: Factors, *, channels: int, softmax: bool) -> Tensor:
        """Weight of a background and of a tumour voxel, for each sample and channel.

        Args:
            f: Factors of the samples.
            channels: 1 or 2 channels of logits.
            softmax: Whether the channels compete for one probability, and so share one weight per voxel.

        Returns:
            Shape (B, K, 2), with K = 1 under softmax and the number of channels otherwise.
        """
        shares = torch.stack([f.alpha_va, f.gamma_va], dim=-1)  # (B, 2): of the voxels, background and tumour
        by_class = {
            "none": torch.ones_like(shares),
            "scalar": shares[:, :1].expand(-1, 2),
            "balanced": shares.flip(-1),
            "released": shares,  # softmax: the weight of the channel of the voxel's class
        }[self.alpha]
        table = by_class[:, None].expand(-1, 1 if softmax else channels, -1)
        if self.alpha == "released" and not softmax:
            table = shares[:, -channels:, None].expand(-1, -1, 2)
        if self.normalise:
            mean = (table * shares[:, None]).sum(dim=-1).mean(dim=-1)[:, None, None]
            table = torch.where(mean > 0, table / mean, 1.0)
        return table


PRESETS: Mapping[str, Terms] = MappingProxyType(
    {
        "released_code": Terms(alpha="released", gamma_volume=True, gamma_smoothness="released"),
        "paper_equation": Terms(alpha="scalar", gamma_volume=True, gamma_smoothness="surface"),
    }
)
"""What the authors' code computes, and what the paper prints read word for word. Source: arXiv 2407.09828."""
