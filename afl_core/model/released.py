"""The weights that the paper's authors saved, as a checkpoint: a bare state dict with its setting filled in."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from afl_core.base.catalogue import pick
from afl_core.base.storage import hash_files
from afl_core.base.words import number_of
from afl_core.errors import CheckpointError
from afl_core.model.checkpoints import Card

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Setting:
    """How the released code feeds the network; the card's names.

    Attributes:
        sequences: Input channels in order.
        spacing_mm: Voxel size, where the image is not resized to a grid.
        grid: Voxels to which it is resized.
        patch_size: Window of inference.
    """

    sequences: tuple[str, ...]
    spacing_mm: tuple[float, float, float]
    grid: tuple[int, int, int] | None
    patch_size: tuple[int, int, int]


RELEASED: Mapping[str, Setting] = MappingProxyType(
    {
        "picai": Setting(("t2w", "adc", "hbv"), (0.5, 0.5, 3.0), (160, 128, 24), (160, 128, 24)),
        # The released loader takes MSD Task01's 4-D files, whose channels are these.
        "brats": Setting(("flair", "t1", "t1ce", "t2"), (1.0, 1.0, 1.0), None, (224, 224, 144)),
    }
)


def released_card(path: Path, setting: str = "") -> Card:
    """What is known of a weights file of the authors.

    Args:
        path: A state dict, as `torch.save(model.state_dict(), path)` writes it; read without running code from it.
        setting: A name in `RELEASED`; "" tells it by the number of input channels: 3 is PI-CAI, 4 is BraTS. No shape
            depends on the strides, in which the two differ too.

    Raises:
        CheckpointError: If the file holds no weights or others, or if its channels do not tell the setting.
    """
    return _card(path.resolve(), setting, path.stat().st_mtime_ns)


def load_released_network(path: Path, setting: str = "") -> tuple["nn.Module", Card]:
    """The network in evaluation mode, on the CPU, and its card; errors as `released_card`."""
    from afl_core.model.resnet_weights import load_released  # noqa: PLC0415 - imports torch

    card = released_card(path, setting)
    strides = card.network_settings["strides"]
    return load_released(path, strides=strides, in_channels=len(card.sequences)), card


@lru_cache(maxsize=8)
def _card(path: Path, setting: str, _changed_ns: int) -> Card:
    from afl_core.model.resnet_unet import BRATS_STRIDES, PICAI_STRIDES  # noqa: PLC0415
    from afl_core.model.resnet_weights import released_channels  # noqa: PLC0415

    channels = released_channels(path)
    name = _setting_name(path, setting, channels)
    known = RELEASED[name]
    told = "" if setting else f", by its {number_of(channels, 'channel')}"
    return Card(
        name=path.stem,
        label=path.stem,
        summary=f"Weights of the paper's authors, {name} setting{told}",
        network="unet_resnet50",
        network_settings={"strides": PICAI_STRIDES if name == "picai" else BRATS_STRIDES},
        sequences=known.sequences,
        spacing_mm=known.spacing_mm,
        grid=known.grid,
        patch_size=known.patch_size,
        preprocessing="released",
        decision_rule="tumour_channel",
        loss="not recorded",
        loss_settings={},
        training={},
        data={"name": "not recorded"},
        scores={},
        command="not recorded",
        versions={},
        weights_sha256=hash_files([path]),
        licence="not recorded",
        limits="A bare weights file: on which data and with which loss it was trained is not in it. Research use only.",
    )


def _setting_name(path: Path, setting: str, channels: int) -> str:
    """The setting that was given, if it fits, or the one that the channels tell."""
    told = {len(known.sequences): name for name, known in RELEASED.items()}
    if not setting and channels not in told:
        raise CheckpointError(
            f"{path.name} has neither 3 input channels (PI-CAI) nor 4 (BraTS)",
            received=number_of(channels, "channel"),
            todo="Only the paper's two settings are known; give a checkpoint folder with a card",
        )
    known = pick(RELEASED, setting or told[channels], kind="setting of the released weights")
    if len(known.sequences) != channels:
        raise CheckpointError(
            f"{path.name} does not fit the setting {setting}, which takes {', '.join(known.sequences)}",
            received=number_of(channels, "input channel"),
        )
    return setting or told[channels]
