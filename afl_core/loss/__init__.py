"""A-FL and its baselines; `LOSSES` lists them and `build_loss` makes one."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from torch import nn

from afl_core.base.catalogue import pick
from afl_core.errors import UsageError
from afl_core.loss.adaptive_focal import AdaptiveFocalLoss
from afl_core.loss.baselines import (
    BoundaryLoss,
    CrossEntropyLoss,
    DiceCELoss,
    DiceFocalLoss,
    DiceLoss,
    FocalLoss,
    IoULoss,
    TverskyLoss,
    UnifiedFocalLoss,
)
from afl_core.loss.factors import Factors, factors
from afl_core.loss.per_lesion import BlobLoss, InverseVolumeFocalLoss
from afl_core.loss.terms import PRESETS, Terms

__all__ = [
    "LOSSES",
    "PRESETS",
    "AdaptiveFocalLoss",
    "Factors",
    "FocalLoss",
    "LossEntry",
    "Terms",
    "build_loss",
    "factors",
]


@dataclass(frozen=True)
class LossEntry:
    """One loss of the catalogue: its short and long name, the class, and the settings it is trained with by default."""

    label: str
    title: str
    build: Callable[..., nn.Module]
    settings: Mapping[str, Any]


LOSSES: Mapping[str, LossEntry] = MappingProxyType(
    {
        "ce": LossEntry("CE", "Cross-entropy", CrossEntropyLoss, {}),
        "tversky": LossEntry("Tversky", "Tversky loss", TverskyLoss, {"alpha": 0.5, "beta": 0.5}),
        "iou": LossEntry("IoU", "IoU loss", IoULoss, {}),
        "dice": LossEntry("Dice", "Dice loss", DiceLoss, {"squared": True}),
        "dice_ce": LossEntry("DiceCE", "Dice loss and cross-entropy", DiceCELoss, {}),
        "dice_focal": LossEntry("DiceFocal", "Dice loss and focal loss", DiceFocalLoss, {"gamma": 2.0}),
        "focal": LossEntry("FL", "Focal loss", FocalLoss, {"gamma": 2.0}),
        "adaptive_focal": LossEntry("A-FL", "Adaptive focal loss", AdaptiveFocalLoss, {"preset": "released_code"}),
        "inverse_volume_focal": LossEntry(
            "IV-FL", "Inverse-volume-weighted focal loss", InverseVolumeFocalLoss, {"gamma": 2.0}
        ),
        "blob": LossEntry("Blob", "Blob loss", BlobLoss, {"global_weight": 2.0, "lesion_weight": 1.0}),
        "unified_focal": LossEntry(
            "UFL", "Unified focal loss", UnifiedFocalLoss, {"weight": 0.5, "delta": 0.6, "gamma": 0.5}
        ),
        "boundary": LossEntry("Boundary", "Dice loss and boundary loss", BoundaryLoss, {"weight": 0.01}),
    }
)
"""The paper's eight losses, then what else is meant for small tumours. Settings are written out, so cards hold them."""


def build_loss(name: str, **settings: Any) -> nn.Module:
    """Make a loss by name.

    Args:
        name: Key in LOSSES.
        settings: Override the catalogue's; the arguments of the loss's class, for A-FL also the fields of `Terms`.

    Raises:
        UsageError: If there is no such loss or setting, or a value is not possible; says what there is.

    >>> build_loss("focal", gama=1)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    afl_core.errors.UsageError: There is no setting of focal of that name (received: gama). Did you mean gamma? ...
    """
    entry = pick(LOSSES, name, kind="loss")
    accepted = [key for key in inspect.signature(entry.build).parameters if key != "switches"]
    if entry.build is AdaptiveFocalLoss:
        accepted += [field.name for field in fields(Terms)]
    for key, value in settings.items():
        pick(dict.fromkeys(accepted), key, kind=f"setting of {name}")
        if isinstance(entry.settings.get(key), float) and not _is_weight(value):
            raise UsageError(f"The setting {key} of {name} must be a number from 0 on", received=value)
    return entry.build(**{**entry.settings, **settings})


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
