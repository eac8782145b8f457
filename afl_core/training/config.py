"""What a training run is: one validated, immutable configuration."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from afl_core.catalogue import pick
from afl_core.errors import UsageError
from afl_core.model.checkpoints import DecisionRule

Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PatchEdge = Annotated[int, Field(ge=16, multiple_of=8)]
"""The network halves a patch three times, and instance norm needs more than one voxel at the bottom."""


class TrainConfig(BaseModel):
    """Everything that decides the weights of a run, given the data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    loss: str
    loss_settings: dict[str, Any]
    network: str = "demo_unet"
    sequences: tuple[str, ...] = Field(default=("flair", "t1", "t1ce", "t2"), min_length=1)
    spacing_mm: tuple[Length, Length, Length] = (2.0, 2.0, 2.0)
    patch_size: tuple[PatchEdge, PatchEdge, PatchEdge] = (64, 64, 64)
    batch_size: int = Field(default=2, ge=1)
    steps: int = Field(default=2000, ge=1)
    validate_every: int = Field(default=500, ge=1)
    learning_rate: float = Field(default=0.1, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=1e-5, ge=0)
    seed: int = Field(default=0, ge=0)
    threads: int = Field(default=1, ge=1)
    decision_rule: DecisionRule = "argmax"


PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType({"demo": {}})
"""Preset name to the settings in which it differs from the defaults of `TrainConfig`."""


def build_config(preset: str, /, **settings: Any) -> TrainConfig:
    """A configuration from a preset and the settings that override it; None means not given.

    Raises:
        UsageError: If the preset is unknown or a setting is out of range; names the setting.
    """
    given = {key: value for key, value in settings.items() if value is not None}
    try:
        return TrainConfig.model_validate({**pick(PRESETS, preset, kind="preset"), **given})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"The training setting {name} is wrong: {first['msg']}", received=first["input"]) from error


def parse_setting(text: str) -> tuple[str, Any]:
    """Name and value of NAME=VALUE, the value read as JSON where it is JSON.

    Raises:
        UsageError: If there is no equals sign.

    >>> parse_setting("steps=500"), parse_setting("network=demo_unet")
    (('steps', 500), ('network', 'demo_unet'))
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError("A setting is written NAME=VALUE", received=text, todo="For example --set steps=500")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
