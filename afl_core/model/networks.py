"""Segmentation networks, by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import nn

from afl_core.catalogue import pick


def _demo_unet(in_channels: int) -> nn.Module:
    """Plain 3-D U-Net of 0.49 M parameters (Cicek et al. 2016, MONAI's), instance norm, two logits."""
    from monai.networks.nets import UNet  # noqa: PLC0415 - MONAI takes seconds to import

    return UNet(spatial_dims=3, in_channels=in_channels, out_channels=2, channels=(16, 32, 64, 128), strides=(2, 2, 2))  # type: ignore[no-any-return]


MODELS: Mapping[str, Callable[[int], nn.Module]] = MappingProxyType({"demo_unet": _demo_unet})
"""Network name to a builder that takes the number of input channels; all give (B, 2, X, Y, Z) logits."""


def build_model(name: str, *, in_channels: int) -> nn.Module:
    """Make a network by name, with PyTorch's current random state.

    Raises:
        UsageError: If there is no such network.
    """
    return pick(MODELS, name, kind="network")(in_channels)
