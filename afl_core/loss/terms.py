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
        gamma_volume_scale: Multiplies gamma_va before that: with a negative one gamma falls with the tumour's size and
            rises with its roughness.
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
    gamma_volume_scale: float = 1.0
    gamma_offset: float = 0.0
    normalise: bool = False

    def __post_init__(self) -> None:
        """Check the switches."""
        pick(dict.fromkeys(get_args(Alpha)), self.alpha, kind="reading of alpha")
        pick(dict.fromkeys(get_args(Smoothness)), self.gamma_smoothness, kind="reading of gamma_smoothness")
        for name in ("gamma_volume", "normalise"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} must be true or false", received=getattr(self, name))
        for name in ("gamma_scale", "gamma_volume_scale", "gamma_offset"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise UsageError(f"{name} must be a finite number", received=value)

    def gamma(self, f: Factors) -> Tensor:
        """Focusing exponent, gamma_offset + gamma_scale * gamma_adaptive but at least 0; of the factors' shape."""
        adaptive = f.gamma_msa + self.gamma_volume_scale * f.gamma_va if self.gamma_volume else f.gamma_msa
        return (self.gamma_offset + self.gamma_scale * adaptive).clamp(min=0)

    def weights(self, f: Factors, *, channels: int, softmax: bool, regions: bool = False) -> Tensor:
        """Weight of a voxel of each class, for each sample and channel.

        Args:
            f: Factors of the samples, shape (B,) or, for more than two classes and for regions, (B, channels).
            channels: Channels of logits: 1 (tumour), C classes, or R regions.
            softmax: Whether the channels compete for one probability, and so share one weight per voxel.
            regions: Whether each channel is a region by itself, normalised by itself.

        Returns:
            Shape (B, K, C), for the channels k and the classes c of a voxel, with K = 1 under softmax and the number
            of channels otherwise. C is 2 for one channel and for regions: outside and inside.
        """
        alone = regions or channels == 1
        outer, inner = (share.reshape(len(share), -1) for share in (f.alpha_va, f.gamma_va))  # (B, 1) or (B, channels)
        if alone:
            own, rest = inner, outer
        else:  # shares of each class: the background is what lies outside its mask, which is all tumour
            own = torch.cat([outer[:, :1], inner[:, -(channels - 1) :]], dim=-1)
            rest = torch.cat([inner[:, :1], outer[:, -(channels - 1) :]], dim=-1)
        every = own
        if self.alpha == "scalar":
            every = outer.expand_as(own)
        elif self.alpha == "none":
            every = torch.ones_like(own)
        inside, outside = (rest, own) if self.alpha == "balanced" else (every, every)
        if alone:
            table, shares = torch.stack([outside, inside], dim=-1), torch.stack([outer, inner], dim=-1)
        elif softmax:
            table, shares = inside[:, None], own[:, None]
        else:  # one class against the rest
            is_own = torch.eye(channels, dtype=torch.bool, device=own.device)
            table, shares = torch.where(is_own, inside[:, :, None], outside[:, :, None]), own[:, None]
        if self.normalise:
            mean = (table * shares).sum(dim=-1, keepdim=True)
            mean = mean if alone else mean.mean(dim=1, keepdim=True)
            table = torch.where(mean > 0, table / mean, 1.0)
        return table


PRESETS: Mapping[str, Terms] = MappingProxyType(
    {
        "released_code": Terms(alpha="released", gamma_volume=True, gamma_smoothness="released"),
        "paper_equation": Terms(alpha="scalar", gamma_volume=True, gamma_smoothness="surface"),
    }
)
"""What the authors' code computes, and what the paper prints read word for word. Source: arXiv 2407.09828."""
