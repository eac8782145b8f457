"""Losses that see each lesion of a target, so that a small one counts beside a large one.

Lesions are 26-connected components, found on the CPU. Shapes, dtypes and results are those of `baselines`.
"""

import numpy as np
import torch
from torch import Tensor, nn

from afl_core.loss.baselines import DiceCELoss, cross_entropy, monai_losses
from afl_core.loss.inputs import float_pair, probabilities
from afl_core.regions import label_lesions

SMOOTH = 1e-5
"""Added to both sides of each Dice fraction, as MONAI does."""


def inverse_volume_weights(target: Tensor) -> Tensor:
    """Weight of each voxel: N / (components * voxels of its own component), so that all components weigh the same.

    The background is a component too. The weights of a sample have mean 1, and are all 1 if it is empty or full.

    Args:
        target: Shape (B, 1, X, Y, Z), 1 inside the tumour and 0 outside.

    Returns:
        Same shape, float32, on the target's device.

    >>> inverse_volume_weights(torch.tensor([1, 0, 0, 0, 0, 0, 1, 1, 1]).view(1, 1, 9, 1, 1)).flatten()
    tensor([3.0000, 0.6000, 0.6000, 0.6000, 0.6000, 0.6000, 1.0000, 1.0000, 1.0000])
    """
    weights = []
    for mask in target[:, 0].bool().cpu().numpy():
        labels, sizes = label_lesions(mask)
        voxels = np.concatenate([[mask.size - sizes.sum()], sizes])
        of_component = mask.size / (np.count_nonzero(voxels) * np.maximum(voxels, 1))  # a full target has no background
        weights.append(torch.from_numpy(of_component.astype(np.float32)[labels]))
    return torch.stack(weights)[:, None].to(target.device)


class InverseVolumeFocalLoss(nn.Module):
    """Focal loss weighted by `inverse_volume_weights` (Shirokikh et al. 2020, "Universal loss reweighting").

    The focal loss is that of `FocalLoss`. An empty target gives the plain focal loss.

    Args:
        gamma: Focusing exponent; 2, as in `FocalLoss`.
    """

    def __init__(self, *, gamma: float = 2.0) -> None:
        super().__init__()
        self._loss = monai_losses().FocalLoss(gamma=gamma, reduction="none")

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean loss of a batch; the shapes are those of `baselines`."""
        losses: Tensor = self._loss(*float_pair(logits, target))  # (B, C, X, Y, Z)
        return (inverse_volume_weights(target) * losses).mean()


class BlobLoss(nn.Module):
    """global_weight * DiceCE + lesion_weight * mean over the lesions of DiceCE on all voxels but the other lesions'.

    Source: Kofler et al. 2022, "blob loss". The other lesions are left out of every sum and count; the authors' code
    sets their logits to 0 instead, which counts each of their voxels as a false positive of probability 0.5. All
    lesions together cost one pass over the voxels. `DiceCELoss` is the one of `baselines`.

    An empty target gives the global term alone.

    Args:
        global_weight: Weight of the DiceCE of the whole volume; 2 in the paper.
        lesion_weight: Weight of the mean over the lesions of a sample; 1 in the paper.
    """

    def __init__(self, *, global_weight: float = 2.0, lesion_weight: float = 1.0) -> None:
        super().__init__()
        self.global_weight = global_weight
        self.lesion_weight = lesion_weight
        self._global = DiceCELoss()

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean loss of a batch; the shapes are those of `baselines`."""
        whole: Tensor = self._global(logits, target)
        logits, one_hot = float_pair(logits, target)
        samples = zip(torch.split(logits, 1), torch.split(one_hot, 1), strict=True)
        lesions = torch.stack([_mean_over_lesions(*sample) for sample in samples]).mean()
        return self.global_weight * whole + self.lesion_weight * lesions


def _mean_over_lesions(logits: Tensor, one_hot: Tensor) -> Tensor:
    """Mean over the lesions k of one sample of DiceCE on background and lesion k; both (1, C, X, Y, Z)."""
    labels, sizes = label_lesions(one_hot[0, -1].bool().cpu().numpy())
    if not sizes.size:
        return logits.new_zeros(())
    p, t = probabilities(logits)[0].flatten(1), one_hot[0].flatten(1)  # (C, N)
    ce = cross_entropy(logits, one_hot[:, -1:], reduction="none").reshape(1, -1)
    terms = torch.cat([p * t, p + t, ce, torch.ones_like(ce)])  # (2 C + 2, N)
    of_voxel = torch.from_numpy(labels.astype(np.int64)).to(logits.device).flatten()
    lesion = of_voxel > 0
    sums = terms.new_zeros(len(terms), sizes.size).index_add(1, of_voxel[lesion] - 1, terms[:, lesion])
    sums = sums + (terms * ~lesion).sum(dim=1, keepdim=True)  # (2 C + 2, lesions)
    overlap, both, (ce, voxels) = torch.split(sums, [len(p), len(p), 2])
    dice = 1 - (2 * overlap + SMOOTH) / (both + SMOOTH)
    mean: Tensor = (dice.mean(dim=0) + ce / voxels).mean()
    return mean
