"""Training page: what losses, networks and presets are called on it.

The catalogues themselves, `LOSSES` and `MODELS`, load torch, which takes seconds and which no page needs. That nothing
is missing here is tested against them.
"""

from collections.abc import Mapping
from types import MappingProxyType

from afl_core.training.config import TrainConfig

LOSS_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "focal": "FL: focal loss",
        "adaptive_focal:released_code": "A-FL: as the released code computes it",
        "adaptive_focal:paper_equation": "A-FL: as the paper prints it",
        "ce": "CE: cross-entropy",
        "tversky": "Tversky loss",
        "iou": "IoU loss",
        "dice": "Dice loss",
        "dice_ce": "DiceCE: Dice loss and cross-entropy",
        "dice_focal": "DiceFocal: Dice loss and focal loss",
        "inverse_volume_focal": "IV-FL: focal loss weighted by inverse volume",
        "blob": "Blob loss",
        "unified_focal": "UFL: unified focal loss",
        "boundary": "Dice loss and boundary loss",
    }
)
"""Loss, or loss and preset, as `afl train --loss` takes it, to its name on screen."""

NETWORK_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "demo_unet": "Demo U-Net",
        "unet": "U-Net",
        "attention_unet": "Attention U-Net",
        "reg_unet": "RegUNet",
        "rr_unet": "RRUNet",
        "unet_resnet50": "U-Net with ResNet50 encoder",
        "seg_resnet": "SegResNet",
        "vnet": "V-Net",
        "mrrn": "MRRN",
    }
)

PRESET_NAMES: Mapping[str, str] = MappingProxyType(
    {"demo": "Demo: small and quick", "picai_paper": "PI-CAI, as in the paper", "brats_paper": "BraTS, as in the paper"}
)


def short_loss(config: TrainConfig) -> str:
    """Name of a run's loss in a table.

    >>> short_loss(TrainConfig(loss="adaptive_focal", loss_settings={"preset": "released_code"}))
    'A-FL released code'
    """
    preset = str(config.loss_settings.get("preset", ""))
    name = LOSS_NAMES.get(config.loss) or LOSS_NAMES.get(f"{config.loss}:{preset}") or config.loss
    label = "A-FL" if config.loss == "adaptive_focal" else name.split(":")[0]
    return f"{label} {preset.replace('_', ' ')}".strip()


def network_name(config: TrainConfig) -> str:
    """Name of a run's network."""
    return NETWORK_NAMES.get(config.network, config.network)


def duration(seconds: float) -> str:
    """A time in words, no more exact than it is known.

    >>> [duration(s) for s in (0.4, 42, 200, 5000, 200_000)]
    ['1 s', '42 s', '3 min', '1 h 23 min', '2 days 8 h']
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} days {hours % 24} h"
