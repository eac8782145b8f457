"""Segmentation networks, by name: the small demo U-Net and the eight that the paper compares."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from afl_core.base.catalogue import pick
from afl_core.errors import UsageError
from afl_core.model.mrrn import MRRN
from afl_core.model.recurrent_unet import RecurrentResidualUNet
from afl_core.model.resnet_unet import BRATS_STRIDES, ResNetUNet, check_strides


@dataclass(frozen=True)
class Network:
    """One entry of the catalogue.

    Attributes:
        title: Name as people write it.
        builder: Takes the number of input channels and the settings; the module gives (B, 2, X, Y, Z) logits.
        multiple: Numbers of which the edges (X, Y, Z) of a patch must be multiples, with the default settings.
        source: The paper, and the library where the code is not ours.
        settings: The settings that there are, with their defaults.
    """

    title: str
    builder: Callable[..., nn.Module]
    multiple: tuple[int, int, int]
    source: str
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


def _demo_unet(in_channels: int) -> nn.Module:
    from monai.networks.nets import UNet  # noqa: PLC0415 - MONAI takes seconds to import

    return UNet(spatial_dims=3, in_channels=in_channels, out_channels=2, channels=(16, 32, 64, 128), strides=(2, 2, 2))  # type: ignore[no-any-return]


def _unet(in_channels: int, *, width: int) -> nn.Module:
    from monai.networks.nets import BasicUNet  # noqa: PLC0415

    features = (width, width, 2 * width, 4 * width, 8 * width, width)
    return BasicUNet(spatial_dims=3, in_channels=in_channels, out_channels=2, features=features)  # type: ignore[no-any-return]


def _attention_unet(in_channels: int, *, width: int) -> nn.Module:
    from monai.networks.nets import AttentionUnet  # noqa: PLC0415

    channels = [width * 2**level for level in range(5)]
    return AttentionUnet(3, in_channels, out_channels=2, channels=channels, strides=(2, 2, 2, 2))  # type: ignore[no-any-return]


def _reg_unet(in_channels: int, *, width: int) -> nn.Module:
    """All five levels feed the logits: MONAI's default reads the coarsest alone, a segmentation in 16-voxel blocks."""
    from monai.networks.nets import RegUNet  # noqa: PLC0415

    return RegUNet(3, in_channels, width, depth=4, out_channels=2, extract_levels=(0, 1, 2, 3, 4))  # type: ignore[no-any-return]


def _seg_resnet(in_channels: int, *, width: int) -> nn.Module:
    from monai.networks.nets import SegResNet  # noqa: PLC0415

    return SegResNet(spatial_dims=3, init_filters=width, in_channels=in_channels, out_channels=2)  # type: ignore[no-any-return]


def _vnet(in_channels: int) -> nn.Module:
    """V-Net adds the image to 16 channels, so the number of channels must divide 16: channels of zeros fill it up."""
    from monai.networks.nets import VNet  # noqa: PLC0415

    fitting = [n for n in (1, 2, 4, 8, 16) if n >= in_channels]
    if not fitting:
        raise UsageError("V-Net takes at most 16 input channels", received=in_channels)
    network: nn.Module = VNet(spatial_dims=3, in_channels=fitting[0], out_channels=2)
    return network if fitting[0] == in_channels else nn.Sequential(ZeroChannels(fitting[0]), network)


class ZeroChannels(nn.Module):
    """Channels of zeros up to a total of `channels`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, X, Y, Z) to (B, channels, X, Y, Z)."""
        return nn.functional.pad(x, (0, 0, 0, 0, 0, 0, 0, self.channels - x.shape[1]))


_U_NET = "Cicek et al. 2016, arXiv 1606.06650"

MODELS: Mapping[str, Network] = MappingProxyType(
    {
        "demo_unet": Network("Demo U-Net", _demo_unet, (8, 8, 8), f"{_U_NET}; MONAI UNet, 16 to 128 channels"),
        "unet": Network("U-Net", _unet, (16,) * 3, f"{_U_NET}; MONAI BasicUNet", MappingProxyType({"width": 32})),
        "attention_unet": Network(
            "Attention U-Net",
            _attention_unet,
            (16,) * 3,
            "Oktay et al. 2018, arXiv 1804.03999; MONAI AttentionUnet",
            MappingProxyType({"width": 16}),
        ),
        "reg_unet": Network(
            "RegUNet",
            _reg_unet,
            (16,) * 3,
            "Fu et al. 2020 (DeepReg), doi 10.21105/joss.02705; MONAI RegUNet",
            MappingProxyType({"width": 16}),
        ),
        "rr_unet": Network(
            "RRUNet",
            RecurrentResidualUNet,
            (16,) * 3,
            "Alom et al. 2018, arXiv 1802.06955",
            MappingProxyType({"width": 16, "steps": 2}),
        ),
        "unet_resnet50": Network(
            "U-Net with ResNet50 encoder",
            ResNetUNet,
            (16,) * 3,
            "He et al. 2016, arXiv 1512.03385; layout of segmentation-models-pytorch-3d 1.0.2",
            MappingProxyType({"strides": BRATS_STRIDES}),
        ),
        "seg_resnet": Network(
            "SegResNet",
            _seg_resnet,
            (8, 8, 8),
            "Myronenko 2018, arXiv 1810.11654, without its autoencoder; MONAI SegResNet",
            MappingProxyType({"width": 8}),
        ),
        "vnet": Network("V-Net", _vnet, (16,) * 3, "Milletari et al. 2016, arXiv 1606.04797; MONAI VNet"),
        "mrrn": Network(
            "MRRN",
            MRRN,
            (16,) * 3,
            "Jiang et al. 2019, IEEE Trans. Med. Imaging 38(1), 134-144",
            MappingProxyType({"width": 16}),
        ),
    }
)
"""Network name to entry. `width` is the number of channels at full resolution."""

COARSEST_VOXELS = 8
"""A patch must leave this many voxels at the coarsest level: normalisation needs more than one, and of two the first
gradient of the ResNet50 U-Net has a norm of 1e17, of eight 20 (batch of one)."""


def build_model(name: str, *, in_channels: int, **settings: Any) -> nn.Module:
    """Make a network by name, with PyTorch's current random state.

    Args:
        name: One of `MODELS`.
        in_channels: Channels of the image.
        **settings: Those of the entry; what is not given has its default.

    Raises:
        UsageError: If there is no such network or setting, or a value is not accepted.
    """
    network = pick(MODELS, name, kind="network")
    complete = _complete(name, network, settings)
    try:
        return network.builder(in_channels, **complete)
    except ValueError as error:  # from the library, such as a width that its groups do not divide
        raise UsageError(f"The network {name} cannot be built so: {error}", received=complete) from error


def patch_multiple(name: str, **settings: Any) -> tuple[int, int, int]:
    """What the edges (X, Y, Z) of a patch must be multiples of, under these settings.

    Raises:
        UsageError: If there is no such network or setting, or a value is not accepted.

    >>> patch_multiple("unet_resnet50", strides=((2, 2, 2), (4, 2, 1), (2, 2, 2), (2, 2, 1), (1, 2, 3)))
    (32, 32, 12)
    """
    network = pick(MODELS, name, kind="network")
    complete = _complete(name, network, settings)
    if "strides" not in complete:
        return network.multiple
    x, y, z = (math.prod(edges) for edges in zip(*complete["strides"], strict=True))
    return x, y, z


def check_patch(name: str, patch_size: tuple[int, int, int], **settings: Any) -> None:
    """Refuse a patch that the network cannot halve often enough or learn from, before a run starts.

    Raises:
        UsageError: If an edge is not a multiple of `patch_multiple`, or fewer than `COARSEST_VOXELS` are left at the
            coarsest level; names a larger size that fits.

    >>> check_patch("demo_unet", (64, 64, 20))
    Traceback (most recent call last):
    afl_core.errors.UsageError: The network demo_unet cannot take a patch of that size (received: (64, 64, 20)). \
Its edges must be multiples of (8, 8, 8), with 8 of such blocks or more, for example (64, 64, 24).
    """
    multiple = patch_multiple(name, **settings)
    blocks = [max(1, math.ceil(edge / m)) for edge, m in zip(patch_size, multiple, strict=True)]
    while math.prod(blocks) < COARSEST_VOXELS:
        blocks[blocks.index(min(blocks))] += 1
    fits = tuple(n * m for n, m in zip(blocks, multiple, strict=True))
    if fits != tuple(patch_size):
        rule = f"Its edges must be multiples of {multiple}, with {COARSEST_VOXELS} of such blocks or more"
        raise UsageError(
            f"The network {name} cannot take a patch of that size",
            received=patch_size,
            todo=f"{rule}, for example {fits}",
        )


def _complete(name: str, network: Network, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Default settings with those given, checked."""
    for key, value in settings.items():
        if not network.settings:
            raise UsageError(f"The network {name} has no settings", received=key)
        pick(network.settings, key, kind=f"setting of {name}")
        if key != "strides" and (type(value) is not int or value < 1):
            raise UsageError(f"The setting {key} of {name} must be a whole number of at least 1", received=value)
    complete = {**network.settings, **settings}
    if "strides" in complete:
        complete["strides"] = check_strides(complete["strides"])
    return complete
