"""Adaptive focal loss (A-FL): the focal loss with alpha and gamma taken from each case's own reference mask.

Source: arXiv 2407.09828, "Size and Smoothness Aware Adaptive Focal Loss for Small Tumor Segmentation", and the code
that its authors released, which differs from the text. The presets keep the two apart, the switches take them apart.
"""

from dataclasses import replace
from typing import Any, get_args

from torch import Tensor, nn

from afl_core.base.catalogue import pick
from afl_core.errors import UsageError
from afl_core.loss.factors import UNIT_SPACING, Factors, factors_of
from afl_core.loss.focal import Activation, Reduction, focal
from afl_core.loss.targets import Target, check_ignore_index, read_pair, read_target
from afl_core.loss.terms import PRESETS
from afl_core.volume import Spacing


class AdaptiveFocalLoss(nn.Module):
    """A-FL(p_t) = -alpha_va (1 - p_t) ** gamma_adaptive * log(p_t), averaged over all elements and samples.

    The paper prints it without the minus sign; there alpha_va = P_bg / (P_fg + P_bg), gamma_va = P_fg / (P_fg + P_bg)
    and gamma_adaptive = gamma_va + gamma_mSa (`factors`), with P_fg and P_bg the numbers of tumour and background
    voxels of the case.

    alpha_va can be read in three ways, which give very different losses, or be left out. The weights here are
    those that a lesion of 1,080 voxels in 160 x 128 x 24 (P_fg / N = 0.0022) gives a background and a tumour voxel:

    - `balanced`: alpha_va on tumour voxels, 1 - alpha_va on background voxels, as in the alpha-balanced focal loss
      (Lin et al. 2017, equation 5). The classes weigh the same in total, but everything weighs little.
    - `scalar`: alpha_va on every voxel, the printed formula taken word for word. Nothing is balanced.
    - `released`: P_bg / N on the background channel and P_fg / N on the tumour channel, whatever the voxel's class, as
      in the authors' code. The tumour channel, which the authors read at inference, gets the tumour's share of
      the voxels, often a thousandth.
    - `none`: no weights; with gamma_volume off and gamma_smoothness `none`, binary cross-entropy. A-FL with a gamma
      of 0 is the control that the paper does not show.

    >>> import torch
    >>> from afl_core.loss import AdaptiveFocalLoss, factors
    >>> lesion = torch.zeros(1, 1, 160, 128, 24)
    >>> lesion[..., 50:62, 50:60, 8:17] = 1
    >>> for alpha in ("balanced", "scalar", "released"):
    ...     loss = AdaptiveFocalLoss(alpha=alpha)
    ...     weights = loss.terms.weights(factors(lesion), channels=2, softmax=False)[0]
    ...     print(alpha, [[f"{weight:.4f}" for weight in channel] for channel in weights])
    balanced [['0.0022', '0.9978'], ['0.0022', '0.9978']]
    scalar [['0.9978', '0.9978'], ['0.9978', '0.9978']]
    released [['0.9978', '0.9978'], ['0.0022', '0.0022']]

    An empty target has alpha_va 1 and gamma_adaptive 0. So `scalar` and `none` give plain cross-entropy, `released`
    that of the background channel alone, weighted 1, and `balanced` 0 (cross-entropy when normalised).

    **More than two classes** (labels 0, 1 ... C - 1, C channels): class c has factors of its own, from the mask of its
    own voxels; the background's are those of the mask of all tumour classes together, so that two classes are the
    paper's form. Under softmax a voxel of class c has the loss -w_c (1 - p_c) ** gamma_c * log(p_c) with the gamma of
    its class. Under `balanced`, `scalar`, `released` and `none` w_c is alpha_va_c, alpha_va_c, gamma_va_c and 1 for a
    tumour class, and gamma_va, alpha_va, alpha_va and 1 for the background. Under sigmoid each channel is its class
    against all others, with the gamma of the channel's class; its own voxels weigh w_c, the others 1 - w_c under
    `balanced` and w_c otherwise. The mean is over voxels and, under sigmoid, channels; classes are not averaged first,
    so a class counts by its voxels and weights.

    **Regions** (a target of R channels, as many as the logits): each is a one-channel sigmoid with the factors of its
    own mask, and the mean over the channels is the loss.

    **Ignored voxels** are in no count, factor, mean or gradient, whatever their logits are.

    Args:
        preset: Name in `PRESETS`. `released_code`, what the authors ran, is the default as long as no study of ours
            shows that another is better.
        activation: `sigmoid`, each channel against its own one-hot target; or `softmax` of two or more channels, with
            one loss per voxel (MONAI's softmax focal loss divides by the channels too).
        reduction: `mean`, `sum` or `none`, of which the last gives one loss per element.
        spacing_mm: Voxel edge lengths of the targets, which `scale_free` smoothness alone needs.
        ignore_index: Label of the voxels that do not count. With regions any number says that the last channel of the
            target, one more, marks them, as nnU-Net does.
        switches: Fields of `Terms` in which the loss differs from the preset.

    Raises:
        UsageError: If there is no such preset, activation, reduction or value of a switch.
        TypeError: If there is no such switch.
    """

    def __init__(
        self,
        preset: str = "released_code",
        *,
        activation: Activation = "sigmoid",
        reduction: Reduction = "mean",
        spacing_mm: Spacing = UNIT_SPACING,
        ignore_index: int | None = None,
        **switches: Any,
    ) -> None:
        super().__init__()
        self.terms = replace(pick(PRESETS, preset, kind="A-FL preset"), **switches)
        pick(dict.fromkeys(get_args(Activation)), activation, kind="activation")
        pick(dict.fromkeys(get_args(Reduction)), reduction, kind="reduction")
        check_ignore_index(ignore_index)
        self.softmax, self.reduction, self.spacing_mm = activation == "softmax", reduction, spacing_mm
        self.ignore_index = ignore_index

    def extra_repr(self) -> str:
        """The terms, for `print`."""
        return f"{self.terms}, softmax={self.softmax}, reduction={self.reduction}"

    def factors(self, target: Tensor, *, channels: int) -> Factors:
        """Factors of a target as the loss computes them; `forward` takes those of a whole case for a patch of it.

        Args:
            target: As `forward` takes it.
            channels: Channels of the logits.

        Raises:
            UsageError: If the target is of another form.
        """
        return self._factors(read_target(target, channels=channels, ignore_index=self.ignore_index))

    def forward(self, logits: Tensor, target: Tensor, *, factors: Factors | None = None) -> Tensor:
        """Loss of a batch.

        Args:
            logits: Shape (B, 1, X, Y, Z), the tumour channel; (B, C, X, Y, Z), background and tumour classes; or
                (B, R, X, Y, Z), regions.
            target: Shape (B, 1, X, Y, Z), labels: for one or two channels 1 (or any label but 0) inside the tumour and
                0 outside, for C > 2 the classes 0 to C - 1. For regions shape (B, R, X, Y, Z), 0 outside each.
            factors: Factors of each sample, where they are known already, such as those of the whole case when the
                target is a patch of it. Their smoothness must be read as the loss reads it. By default they are
                those of the target.

        Returns:
            A scalar, or the loss of each element with `reduction` "none": shape (B, C, X, Y, Z), or (B, 1, X, Y, Z)
            under softmax. In float32, or float64 for such logits; finite for empty and full targets too, and 0 where
            all is ignored.

        Raises:
            UsageError: If the shapes are not of these forms, a label is no class, or the factors do not belong to this
                loss.
        """
        read = read_pair(logits, target, softmax=self.softmax, ignore_index=self.ignore_index)
        if factors is None:
            factors = self._factors(read)
        self._check_factors(factors, read)
        weights = self.terms.weights(
            factors, channels=logits.shape[1], softmax=self.softmax, regions=read.codes.shape[1] > 1
        )
        gamma = self.terms.gamma(factors).reshape(len(logits), -1)
        return focal(logits, read, weights, gamma, reduction=self.reduction)

    def _factors(self, target: Target) -> Factors:
        return factors_of(target, smoothness=self.terms.gamma_smoothness, spacing_mm=self.spacing_mm)

    def _check_factors(self, factors: Factors, target: Target) -> None:
        if factors.smoothness != self.terms.gamma_smoothness:
            todo = f'Compute them with smoothness="{self.terms.gamma_smoothness}", as the loss reads it'
            raise UsageError("Factors of another gamma_smoothness", received=factors.smoothness, todo=todo)
        if tuple(factors.alpha_va.shape) != target.factors_shape:
            raise UsageError(
                f"Factors must be one for each sample, and for each class or region where there are more than two "
                f"classes or one region: {target.factors_shape}",
                received=tuple(factors.alpha_va.shape),
            )
