"""The configuration of a training run, validated and immutable."""

import json
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from afl_core.base.catalogue import pick
from afl_core.errors import UsageError
from afl_core.model.checkpoints import DecisionRule

Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Edge = Annotated[int, Field(ge=1)]
Precision = Literal["fp32", "bf16", "fp16"]
Device = Literal["auto", "cpu", "cuda"]


class TrainConfig(BaseModel):
    """Everything that decides the weights of a run, given the data.

    Attributes:
        loss: Key of the loss in `LOSSES`.
        loss_settings: Settings of the loss, as `build_loss` takes them.
        factors_from: Where A-FL takes alpha and gamma from: each `patch`, or the whole `case` that it is a part of.
        network: Key of the network in `MODELS`.
        network_settings: Settings of the network, as `build_model` takes them.
        encoder_weights: File of 2-D ImageNet weights for the encoder of the ResNet50 U-Net.
        sequences: Channels of the image, in order.
        spacing_mm: Voxel size to which every case is resampled.
        grid: Voxels to which every case is resized instead, whatever its field of view, as in the paper's PI-CAI code.
        patch_size: Number of voxels along each axis of what the network sees at a time.
        label_resize: How the reference is resized: `nearest` keeps its volume; `area`, as released, makes it
            1.45 times as large, since everything above 0 counts (facts of the released transforms, PI-CAI).
        augmentation: Key of the random transforms in `AUGMENTATIONS`.
        batch_size: Number of patches a step.
        steps: Number of steps of the run.
        epochs: Number of passes over the training cases, in place of steps.
        validate_every: Number of steps from one validation to the next; None is a pass over the training cases.
        optimiser: Name of the optimiser: `sgd` with Nesterov's momentum, or `adamw`.
        schedule: Schedule of the learning rate: `cosine` down to 0, or `constant`.
        learning_rate: Learning rate at the start.
        momentum: Momentum of SGD.
        weight_decay: Weight decay of either optimiser.
        precision: Precision of the network's arithmetic; the loss is always in float32.
        device: Device of the training; `auto` is CUDA where there is one.
        seed: Seed of the initial weights and the batches.
        threads: Number of threads of the processor; another number gives other bits.
        decision_rule: Rule by which logits become a mask, in validation and in the checkpoint.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    loss: str
    loss_settings: dict[str, Any]
    factors_from: Literal["patch", "case"] = "patch"
    network: str = "demo_unet"
    network_settings: dict[str, Any] = Field(default_factory=dict)
    encoder_weights: str | None = None
    sequences: tuple[str, ...] = Field(default=("flair", "t1", "t1ce", "t2"), min_length=1)
    spacing_mm: tuple[Length, Length, Length] = (2.0, 2.0, 2.0)
    grid: tuple[Edge, Edge, Edge] | None = None
    patch_size: tuple[Edge, Edge, Edge] = (64, 64, 64)
    label_resize: Literal["nearest", "area"] = "nearest"
    augmentation: Literal["demo", "picai_paper", "brats_paper", "none"] = "demo"
    batch_size: int = Field(default=2, ge=1)
    steps: int = Field(default=1000, ge=1)
    epochs: int | None = Field(default=None, ge=1)
    validate_every: int | None = Field(default=250, ge=1)
    optimiser: Literal["sgd", "adamw"] = "sgd"
    schedule: Literal["cosine", "constant"] = "cosine"
    learning_rate: float = Field(default=0.1, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=1e-5, ge=0)
    precision: Precision = "fp32"
    device: Device = "cpu"
    seed: int = Field(default=0, ge=0)
    threads: int = Field(default=1, ge=1)
    decision_rule: DecisionRule = "argmax"

    def total_steps(self, cases: int) -> int:
        """Steps of the run on so many training cases."""
        return self.steps if self.epochs is None else self.epochs * math.ceil(cases / self.batch_size)

    def epoch_steps(self, cases: int) -> int:
        """Steps from one validation to the next, on so many training cases."""
        return self.validate_every or math.ceil(cases / self.batch_size)


_RELEASED: Mapping[str, Any] = MappingProxyType(
    {
        "network": "unet_resnet50",
        "batch_size": 1,
        "epochs": 200,
        "validate_every": None,
        "schedule": "constant",
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 1e-5,
        "device": "auto",
        "decision_rule": "tumour_channel",
    }
)

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "demo": {},
        "picai_paper": {
            **_RELEASED,
            "network_settings": {"strides": [[2, 2, 2], [4, 2, 1], [2, 2, 2], [2, 2, 1], [1, 2, 3]]},
            "sequences": ("t2w", "adc", "hbv"),
            "grid": (160, 128, 24),
            "patch_size": (160, 128, 24),
            "augmentation": "picai_paper",
        },
        "brats_paper": {
            **_RELEASED,
            "network_settings": {"strides": [[2, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2], [1, 1, 1]]},
            "spacing_mm": (1.0, 1.0, 1.0),
            "patch_size": (224, 224, 144),
            "augmentation": "brats_paper",
        },
    }
)
"""Preset name to the settings in which it differs from the defaults of `TrainConfig`.

`picai_paper` and `brats_paper` follow the paper's released code. What differs from it on purpose, and how to have it as
released, is listed in docs/training.md.
"""


def build_config(preset: str, /, **settings: Any) -> TrainConfig:
    """A configuration from a preset and the settings that override it; None means not given.

    Steps that are given replace the epochs of a preset.

    Raises:
        UsageError: If the preset is unknown or a setting is out of range; names the setting.
    """
    given = {key: value for key, value in settings.items() if value is not None}
    base = dict(pick(PRESETS, preset, kind="preset"))
    if "steps" in given:
        base.pop("epochs", None)
    try:
        return TrainConfig.model_validate(base | given)
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
