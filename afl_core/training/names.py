"""What losses, networks and presets are called on pages, and how a run is named after its loss.

The catalogues themselves, `LOSSES` and `MODELS`, load torch, which takes seconds and which no page needs. That nothing
is missing here is tested against them.
"""

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from afl_core.base.words import number_of
from afl_core.training.config import TrainConfig

LOSS_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "focal": "FL: focal loss",
        "adaptive_focal:released_code": "A-FL: released code",
        "adaptive_focal:paper_equation": "A-FL: paper's equation",
        "ce": "CE: cross-entropy",
        "tversky": "Tversky",
        "iou": "IoU",
        "dice": "Dice",
        "dice_ce": "DiceCE: Dice and cross-entropy",
        "dice_focal": "DiceFocal: Dice and focal loss",
        "inverse_volume_focal": "IV-FL: focal loss weighted by inverse volume",
        "blob": "Blob",
        "unified_focal": "UFL: unified focal loss",
        "boundary": "Boundary: Dice and boundary loss",
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
    """Name of a run's loss in a table and a legend.

    >>> short_loss(TrainConfig(loss="adaptive_focal", loss_settings={"preset": "released_code", "gamma_scale": 4}))
    'A-FL released code gamma_scale 4'
    """
    names = [name for key, name in LOSS_NAMES.items() if key.split(":")[0] == config.loss]
    return source_name((names or [config.loss])[0].split(":")[0], config.loss_settings, config.factors_from)


def source_name(label: str, loss_settings: Mapping[str, Any], factors_from: str = "patch") -> str:
    """Label of a loss, and of A-FL what was set, as a source may be called.

    >>> source_name("A-FL", {"preset": "paper_equation"}, "case"), source_name("FL", {"gamma": 2.0}, "case")
    ('A-FL paper equation of the case', 'FL')
    """
    changed = dict(loss_settings) if label == "A-FL" else {}
    preset = str(changed.pop("preset", "")).replace("_", " ")
    whole = "of the case" if label == "A-FL" and factors_from == "case" else ""
    text = f"{label} {preset} {whole} {settings_words(changed, ' ')}"
    return re.sub(r"[^A-Za-z0-9._+-]+", " ", text).strip()[:40].strip()


def settings_words(settings: Mapping[str, Any], separator: str) -> str:
    """Settings of a loss in a line.

    >>> settings_words({"preset": "paper_equation", "normalise": True}, ", ")
    'preset paper_equation, normalise true'
    """
    return separator.join(f"{key} {json.dumps(value).strip(chr(34))}" for key, value in settings.items())


def first_unique(*ways: Sequence[str]) -> tuple[str, ...]:
    """The first of several ways to name the same things that tells all of them apart; the last one is numbered.

    >>> first_unique(["FL", "FL"], ["FL seed0", "FL seed1"], ["a", "b"])
    ('FL seed0', 'FL seed1')
    """
    numbered = [f"{name[:36]} {k}" for k, name in enumerate(ways[-1], start=1)]
    return tuple(next(way for way in (*ways, numbered) if len({name.lower() for name in way}) == len(way)))


def network_name(config: TrainConfig) -> str:
    """Name of a run's network."""
    return NETWORK_NAMES.get(config.network, config.network)


def duration(seconds: float) -> str:
    """A time in words, no more exact than it is known.

    >>> [duration(s) for s in (0.4, 42, 200, 6000, 200_000)]
    ['1 s', '42 s', '3 min', '1 h 40 min', '2 days 7 h']
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{number_of(hours // 24, 'day')} {hours % 24} h"
