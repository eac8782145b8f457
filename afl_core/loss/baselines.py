"""The losses that A-FL is compared with."""

from torch import Tensor, nn


class FocalLoss(nn.Module):
    """Focal loss (Lin et al. 2017) on sigmoid channels, without alpha: MONAI's, for one or two channels of logits.

    Args:
        gamma: Focusing exponent; the paper's baseline uses 2.
    """

    def __init__(self, *, gamma: float = 2.0) -> None:
        from monai.losses import FocalLoss as MonaiFocalLoss  # noqa: PLC0415 - MONAI takes seconds to import

        super().__init__()
        self._one_channel = MonaiFocalLoss(gamma=gamma)
        self._two_channels = MonaiFocalLoss(gamma=gamma, to_onehot_y=True)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean loss of logits (B, 1 or 2, X, Y, Z) against a target (B, 1, X, Y, Z)."""
        loss: Tensor = (self._one_channel if logits.shape[1] == 1 else self._two_channels)(logits, target)
        return loss
