"""A-FL and its baselines; `LOSSES` lists them and `build_loss` makes one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import nn

from afl_core.catalogue import pick
from afl_core.errors import UsageError
from afl_core.loss.adaptive_focal import AdaptiveFocalLoss, Factors, factors
from afl_core.loss.baselines import FocalLoss

__all__ = ["LOSSES", "AdaptiveFocalLoss", "Factors", "FocalLoss", "LossEntry", "build_loss", "factors"]


@dataclass(frozen=True)
class LossEntry:
    """One loss of the catalogue: its short and long name, the class, and the settings it is trained with by default."""

    label: str
    title: str
    build: Callable[..., nn.Module]
    settings: Mapping[str, Any]


LOSSES: Mapping[str, LossEntry] = MappingProxyType(
    {
        "focal": LossEntry("FL", "Focal loss", FocalLoss, {"gamma": 2.0}),
        "adaptive_focal": LossEntry("A-FL", "Adaptive focal loss", AdaptiveFocalLoss, {"alpha": "released"}),
    }
)


def build_loss(name: str, **settings: Any) -> nn.Module:
    """Make a loss by name; `settings` override the catalogue's.

    Raises:
        UsageError: If there is no such loss or setting; says which there are.
    """
    entry = pick(LOSSES, name, kind="loss")
    try:
        return entry.build(**{**entry.settings, **settings})
    except TypeError as error:
        raise UsageError(f"The loss {name} has no such setting", received=settings, todo=str(error)) from error
