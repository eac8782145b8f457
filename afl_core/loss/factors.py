"""The numbers that A-FL takes from a reference mask."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - PyTorch's own convention

from afl_core.base.catalogue import pick
from afl_core.loss.counting import IGNORED, mask_sums
from afl_core.loss.targets import Target, read_target
from afl_core.shape import roughness
from afl_core.volume import Spacing

Smoothness = Literal["released", "surface", "scale_free", "none"]

UNIT_SPACING: Spacing = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Factors:
    """The numbers that A-FL takes from a reference mask; each float64, constants to autograd.

    Their shape is (B,) where there is one mask, of the only tumour class or the only region: background and tumour
    share these numbers. For C > 2 classes it is (B, C): column c has those of the mask of class c, and column 0, of the
    background, those of the mask of all tumour classes together. For R > 1 regions it is (B, R).

    Attributes:
        alpha_va: Share of the voxels outside the mask, P_bg / (P_fg + P_bg).
        gamma_va: Share of the voxels inside the mask, P_fg / (P_fg + P_bg).
        gamma_msa: "Mean surface smoothness" of the mask.
        smoothness: The reading of `factors` by which gamma_msa was computed.
    """

    alpha_va: Tensor
    gamma_va: Tensor
    gamma_msa: Tensor
    smoothness: Smoothness = "released"

    @property
    def gamma_adaptive(self) -> Tensor:
        """gamma_va + gamma_msa, shape (B,), (B, C) or (B, R)."""
        return self.gamma_va + self.gamma_msa


def factors(
    target: Tensor,
    *,
    smoothness: Smoothness = "released",
    spacing_mm: Spacing = UNIT_SPACING,
    classes: int = 2,
    ignore_index: int | None = None,
) -> Factors:
    """Compute the adaptive factors of each sample from its reference mask.

    gamma_msa has these readings, the first two from `|grad(mask)|` by central differences of unit spacing (one-sided at
    the border of the array), whatever the voxel size, as in the authors' code:

    - `released`: mean over all voxels, as in that code. About surface area over number of voxels, so it grows with
      the tumour and is almost 0 for small ones.
    - `surface`: mean over the boundary band, the voxels where it is not 0. Nearly the same for every tumour, 0.56 to
      0.60.
    - `scale_free`: `afl_core.shape.roughness`, by which the bins are made too; 0 where no lesion is large enough.
    - `none`: 0.

    Ignored voxels are in no count and no mean, and the rest meets them as it meets the border of the array.

    Args:
        target: Shape (B, 1, X, Y, Z), labels: 1 (or any label but 0) inside the tumour and 0 outside, or 0 to
            `classes` - 1 where these are more than two. Or (B, R, X, Y, Z): a region in each channel.
        smoothness: Reading of gamma_msa.
        spacing_mm: Voxel edge lengths, which `scale_free` alone needs.
        classes: Number of classes, the background included, of a target of labels.
        ignore_index: Label of the ignored voxels; with regions any number says that the last channel of the target,
            one more, marks them.

    Returns:
        The factors in float64, on the target's device: 1 - alpha_va must survive where the tumour is tiny. An empty
        mask gives alpha_va 1 and both gammas 0, a full one alpha_va 0, gamma_va 1 and gamma_msa 0 (but for
        `scale_free`, which sees the border of the array as boundary). Where all voxels are ignored the mask is empty.

    Raises:
        UsageError: If the target has another form, or there is no such reading.

    >>> lesion = torch.zeros(1, 1, 160, 128, 24)
    >>> lesion[..., 50:62, 50:60, 8:17] = 1  # 1,080 voxels
    >>> f = factors(lesion)
    >>> f"{f.alpha_va.item():.4f} {f.gamma_va.item():.4f} {f.gamma_adaptive.item():.4f}"
    '0.9978 0.0022 0.0034'
    >>> [f"{factors(lesion, smoothness=reading).gamma_msa.item():.4f}" for reading in ("surface", "scale_free")]
    ['0.5204', '0.1312']
    >>> lesion[..., 50:56, 50:60, 8:17] = 2  # half of them
    >>> factors(lesion, classes=3).gamma_va * lesion.numel()
    tensor([[1080.,  540.,  540.]], dtype=torch.float64)
    """
    channels = classes
    if isinstance(target, Tensor) and target.ndim == 5 and target.shape[1] > 1:
        channels = target.shape[1] - (ignore_index is not None)
    return factors_of(
        read_target(target, channels=channels, ignore_index=ignore_index), smoothness=smoothness, spacing_mm=spacing_mm
    )


def factors_of(target: Target, *, smoothness: Smoothness = "released", spacing_mm: Spacing = UNIT_SPACING) -> Factors:
    """Factors of a target that has been read; see `factors`."""
    pick(dict.fromkeys(get_args(Smoothness)), smoothness, kind="reading of gamma_smoothness")
    size, surface, band = _measure(target)  # (B, K)
    n: int | Tensor = target.codes[0, 0].numel()
    if target.ignoring:
        n = target.counted().clamp(min=1)[:, None]
    gamma_va = size / n
    if smoothness == "none":
        gamma_msa = torch.zeros_like(gamma_va)
    elif smoothness == "scale_free":
        gamma_msa = gamma_va.new_tensor(
            [[_roughness(mask, spacing_mm) for mask in _masks(sample, target)] for sample in target.codes]
        )
    else:
        gamma_msa = surface / (n if smoothness == "released" else band.clamp(min=1))
    shape = target.factors_shape
    return Factors((1 - gamma_va).view(shape), gamma_va.view(shape), gamma_msa.view(shape), smoothness)


def join_factors(each: Iterable[Factors], *, device: torch.device | str = "cpu") -> Factors:
    """The factors of a batch from those of its samples, which were computed by one reading, on a device."""
    samples = tuple(each)
    fields = zip(*((f.alpha_va, f.gamma_va, f.gamma_msa) for f in samples), strict=True)
    alpha_va, gamma_va, gamma_msa = (torch.cat(values).to(device) for values in fields)
    return Factors(alpha_va, gamma_va, gamma_msa, samples[0].smoothness)


def _measure(target: Target) -> tuple[Tensor, Tensor, Tensor]:
    """Voxels of each mask, sum of its |grad|, and voxels where that is not 0; each (B, K), float64."""
    if target.on_cpu:
        codes = target.codes.numpy()
        labels = [
            (1, target.classes - 1),
            *((label, label) for label in range(1, target.classes) if target.classes > 2),
        ]
        sums = np.zeros((len(codes) * codes.shape[1], len(labels), 3))
        mask_sums(codes.reshape(-1, *codes.shape[2:]), np.array(labels, np.uint8), sums)
        size, surface, band = torch.from_numpy(sums).view(len(codes), -1, 3).unbind(dim=-1)
        return size, surface, band
    masks = torch.stack([torch.stack(_masks(sample, target)) for sample in target.codes])  # (B, K, X, Y, Z)
    counted = [sample[0] != IGNORED if target.ignoring else None for sample in target.codes]
    squares = torch.stack(
        [
            torch.stack([_squared_gradient(mask, each) for mask in sample])
            for sample, each in zip(masks, counted, strict=True)
        ]
    )
    axes = (2, 3, 4)
    surface = squares.float().sqrt().sum(dim=axes, dtype=torch.float64) / 2
    return masks.sum(dim=axes).double(), surface, squares.count_nonzero(dim=axes).double()


def _masks(codes: Tensor, target: Target) -> list[Tensor]:
    """The masks (X, Y, Z) of a sample of codes (1 or R, X, Y, Z): of all tumour and each class, or of each region."""
    inside = list((codes > 0) & (codes != IGNORED))
    return inside + [codes[0] == label for label in range(1, target.classes) if target.classes > 2]


def _squared_gradient(mask: Tensor, counted: Tensor | None) -> Tensor:
    """Four times |grad(mask)|^2 of each voxel: a whole number, since differences are 0, 1/2 or (at a border) 1."""
    if counted is not None:
        return _squared_gradient_of_counted(mask, counted)
    mask = mask.to(torch.uint8)
    total = torch.zeros_like(mask)
    for axis, n in enumerate(mask.shape):
        if n == 1:
            continue
        total.narrow(axis, 1, n - 2).add_(mask.narrow(axis, 2, n - 2) ^ mask.narrow(axis, 0, n - 2))
        for border, inside in ((0, 1), (n - 1, n - 2)):
            total.narrow(axis, border, 1).add_(4 * (mask.narrow(axis, border, 1) ^ mask.narrow(axis, inside, 1)))
    return total


def _squared_gradient_of_counted(mask: Tensor, counted: Tensor) -> Tensor:
    """The same where only some voxels count: one-sided beside those that do not, 0 between two of them."""
    total = torch.zeros_like(mask, dtype=torch.uint8)
    for axis, n in enumerate(mask.shape):
        before, after = (mask.narrow(axis, start, n - 1) for start in (0, 1))
        both = counted.narrow(axis, 0, n - 1) & counted.narrow(axis, 1, n - 1)
        step = (before ^ after) & both
        ends = [0, 0] * (2 - axis)  # F.pad begins with the last axis
        ahead, behind = (F.pad(step, [*ends, *side]) for side in ((0, 1), (1, 0)))
        central = F.pad(both, [*ends, 0, 1]) & F.pad(both, [*ends, 1, 0])
        total += torch.where(central, ahead ^ behind, 4 * (ahead | behind).to(torch.uint8))
    return total


@torch.compiler.disable
def _roughness(mask: Tensor, spacing_mm: Spacing) -> float:
    value = roughness(mask.cpu().numpy(), spacing_mm=spacing_mm)
    return 0.0 if math.isnan(value) else value
