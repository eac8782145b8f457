"""The numbers that A-FL takes from a reference mask."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from afl_core.base.catalogue import pick
from afl_core.errors import UsageError
from afl_core.loss.inputs import check_tensors
from afl_core.regions import bounding_box
from afl_core.shape import roughness
from afl_core.volume import Spacing

Smoothness = Literal["released", "surface", "scale_free", "none"]

UNIT_SPACING: Spacing = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Factors:
    """The numbers that A-FL takes from a reference mask; each of shape (B,), float64, constants to autograd.

    Attributes:
        alpha_va: Background share of the voxels, P_bg / (P_fg + P_bg).
        gamma_va: Tumour share of the voxels, P_fg / (P_fg + P_bg).
        gamma_msa: "Mean surface smoothness".
        smoothness: The reading of `factors` by which gamma_msa was computed.
    """

    alpha_va: Tensor
    gamma_va: Tensor
    gamma_msa: Tensor
    smoothness: Smoothness = "released"

    @property
    def gamma_adaptive(self) -> Tensor:
        """gamma_va + gamma_msa, shape (B,)."""
        return self.gamma_va + self.gamma_msa


@torch.no_grad()
def factors(target: Tensor, *, smoothness: Smoothness = "released", spacing_mm: Spacing = UNIT_SPACING) -> Factors:
    """Compute the adaptive factors of each sample from its reference mask.

    gamma_msa has these readings, the first two from `|grad(mask)|` by central differences of unit spacing (one-sided at
    the border of the array), whatever the voxel size, as in the authors' code:

    - `released`: mean over all voxels, as in that code. About surface area over number of voxels, so it grows with
      the tumour and is almost 0 for small ones.
    - `surface`: mean over the boundary band, the voxels where it is not 0. Nearly the same for every tumour, 0.56 to
      0.60.
    - `scale_free`: `afl_core.shape.roughness`, by which the bins are made too; 0 where no lesion is large enough.
    - `none`: 0.

    Args:
        target: Shape (B, 1, X, Y, Z), 1 (or any label but 0) inside the tumour and 0 outside.
        smoothness: Reading of gamma_msa.
        spacing_mm: Voxel edge lengths, which `scale_free` alone needs.

    Returns:
        The factors in float64, on the target's device: 1 - alpha_va must survive where the tumour is tiny. An empty
        target gives alpha_va 1 and both gammas 0, a full one alpha_va 0, gamma_va 1 and gamma_msa 0 (but for
        `scale_free`, which sees the border of the array as boundary).

    Raises:
        UsageError: If the target has another form, or there is no such reading.

    >>> lesion = torch.zeros(1, 1, 160, 128, 24)
    >>> lesion[..., 50:62, 50:60, 8:17] = 1  # 1,080 voxels
    >>> f = factors(lesion)
    >>> f"{f.alpha_va.item():.4f} {f.gamma_va.item():.4f} {f.gamma_adaptive.item():.4f}"
    '0.9978 0.0022 0.0034'
    >>> [f"{factors(lesion, smoothness=reading).gamma_msa.item():.4f}" for reading in ("surface", "scale_free")]
    ['0.5204', '0.1312']
    """
    pick(dict.fromkeys(get_args(Smoothness)), smoothness, kind="reading of gamma_smoothness")
    check_tensors(target)
    if target.ndim != 5 or target.shape[1] != 1:
        raise UsageError("A target must be (B, 1, X, Y, Z)", received=tuple(target.shape))
    masks = [_near_tumour(mask) for mask in target[:, 0].bool()]
    n = target[0].numel()
    gamma_va = torch.stack([mask.sum() for mask in masks]).double() / n
    if smoothness == "none":
        gamma_msa = torch.zeros_like(gamma_va)
    elif smoothness == "scale_free":
        gamma_msa = gamma_va.new_tensor([_roughness(mask, spacing_mm) for mask in masks])
    else:
        squares = [_squared_gradient(mask) for mask in masks]
        total = torch.stack([square.float().sqrt().sum(dtype=torch.float64) / 2 for square in squares])
        band = torch.stack([square.count_nonzero() for square in squares]).clamp(min=1)
        gamma_msa = total / (n if smoothness == "released" else band)
    return Factors(1 - gamma_va, gamma_va, gamma_msa, smoothness)


def join_factors(each: Iterable[Factors], *, device: torch.device | str = "cpu") -> Factors:
    """The factors of a batch from those of its samples, which were computed by one reading, on a device."""
    samples = tuple(each)
    fields = zip(*((f.alpha_va, f.gamma_va, f.gamma_msa) for f in samples), strict=True)
    alpha_va, gamma_va, gamma_msa = (torch.cat(values).to(device) for values in fields)
    return Factors(alpha_va, gamma_va, gamma_msa, samples[0].smoothness)


def _near_tumour(mask: Tensor) -> Tensor:
    """The part of a mask (X, Y, Z) outside of which it is 0, and so is its gradient: a fraction of the whole.

    Finding it would make a GPU wait, and a compiler give up: there the mask stays whole.
    """
    if mask.device.type != "cpu" or torch.compiler.is_compiling():
        return mask
    box = bounding_box(mask.numpy())
    if box is None:
        return mask[:1, :1, :1]
    return mask[tuple(slice(max(side.start - 2, 0), side.stop + 2) for side in box)]


def _squared_gradient(mask: Tensor) -> Tensor:
    """Four times |grad(mask)|^2 of each voxel: a whole number, since differences are 0, 1/2 or (at a border) 1."""
    mask = mask.to(torch.uint8)
    total = torch.zeros_like(mask)
    for axis, n in enumerate(mask.shape):
        if n == 1:
            continue
        total.narrow(axis, 1, n - 2).add_(mask.narrow(axis, 2, n - 2) ^ mask.narrow(axis, 0, n - 2))
        for border, inside in ((0, 1), (n - 1, n - 2)):
            total.narrow(axis, border, 1).add_(4 * (mask.narrow(axis, border, 1) ^ mask.narrow(axis, inside, 1)))
    return total


@torch.compiler.disable
def _roughness(mask: Tensor, spacing_mm: Spacing) -> float:
    value = roughness(mask.cpu().numpy(), spacing_mm=spacing_mm)
    return 0.0 if math.isnan(value) else value
