"""The paper's network: a 3-D U-Net on a ResNet50 encoder, with the state-dict keys of the authors' released weights.

Sources: He et al. 2016 (arXiv 1512.03385) with the stride in the 3x3 convolution, Ronneberger et al. 2015 (arXiv
1505.04597). Layers, their names and the stride settings follow `Unet("resnet50")` of segmentation-models-pytorch-3d
1.0.2, with which the authors trained; it cannot be imported beside a current PyTorch.
"""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from afl_core.errors import UsageError

Stride: TypeAlias = tuple[int, int, int]
Strides: TypeAlias = tuple[Stride, Stride, Stride, Stride, Stride]

PICAI_STRIDES: Strides = ((2, 2, 2), (4, 2, 1), (2, 2, 2), (2, 2, 1), (1, 2, 3))
BRATS_STRIDES: Strides = ((2, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2), (1, 1, 1))
"""Strides (X, Y, Z) of stem, max pooling and layers 2 to 4, as released for the two data sets."""

DECODER = (256, 128, 64, 32, 16)


class Bottleneck(nn.Module):
    """1x1, 3x3 (strided), 1x1 convolution plus a shortcut; gives four times `width` channels."""

    def __init__(self, in_channels: int, width: int, stride: Stride, *, project: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv3d(in_channels, width, 1, bias=False), nn.BatchNorm3d(width)
        self.conv2, self.bn2 = nn.Conv3d(width, width, 3, stride, padding=1, bias=False), nn.BatchNorm3d(width)
        self.conv3, self.bn3 = nn.Conv3d(width, 4 * width, 1, bias=False), nn.BatchNorm3d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if project:
            shortcut = nn.Conv3d(in_channels, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm3d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, X, Y, Z) to (B, 4 width, X / stride, Y / stride, Z / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        shortcut = x if self.downsample is None else self.downsample(x)
        result: Tensor = self.relu(self.bn3(self.conv3(out)) + shortcut)
        return result


class Encoder(nn.Module):
    """ResNet50 without its classifier."""

    def __init__(self, in_channels: int, strides: Strides) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(in_channels, 64, 7, strides[0], padding=3, bias=False)
        self.bn1, self.relu = nn.BatchNorm3d(64), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool3d(3, strides[1], padding=1)
        self.layer1 = _layer(64, 64, blocks=3, stride=(1, 1, 1))
        self.layer2 = _layer(256, 128, blocks=4, stride=strides[2])
        self.layer3 = _layer(512, 256, blocks=6, stride=strides[3])
        self.layer4 = _layer(1024, 512, blocks=3, stride=strides[4])
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of 64, 256, 512, 1024 and 2048 channels, each coarser than the last by one of the strides."""
        features = [self.relu(self.bn1(self.conv1(x)))]
        x = self.maxpool(features[0])
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            features.append(x)
        return features


def _layer(in_channels: int, width: int, *, blocks: int, stride: Stride) -> nn.Sequential:
    first = Bottleneck(in_channels, width, stride, project=True)
    return nn.Sequential(first, *(Bottleneck(4 * width, width, (1, 1, 1), project=False) for _ in range(blocks - 1)))


class DecoderBlock(nn.Module):
    """Nearest upsampling, concatenation with the encoder's feature of that size, two 3x3 convolutions."""

    def __init__(self, in_channels: int, out_channels: int, stride: Stride) -> None:
        super().__init__()
        self.upsample = nn.Upsample(scale_factor=tuple(float(edge) for edge in stride))
        self.conv1 = _conv_norm_relu(in_channels, out_channels)
        self.conv2 = _conv_norm_relu(out_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        """(B, C, X, Y, Z) to (B, out_channels, X * stride, Y * stride, Z * stride)."""
        x = self.upsample(x)
        if skip is not None:
            x = torch.cat([x, skip], dim=1)
        result: Tensor = self.conv2(self.conv1(x))
        return result


def _conv_norm_relu(in_channels: int, out_channels: int) -> nn.Sequential:
    conv = nn.Conv3d(in_channels, out_channels, 3, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm3d(out_channels), nn.ReLU(inplace=True))


class Decoder(nn.Module):
    """Five blocks of 256 to 16 channels, upsampling by the encoder's strides in reverse."""

    def __init__(self, strides: Strides) -> None:
        super().__init__()
        skips = (1024, 512, 256, 64, 0)
        inputs = [a + b for a, b in zip((2048, *DECODER[:-1]), skips, strict=True)]
        self.blocks = nn.ModuleList(map(DecoderBlock, inputs, DECODER, reversed(strides)))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """The encoder's features, finest first, to (B, 16, X, Y, Z) at the size of the input."""
        x = features[-1]
        for block, skip in zip(self.blocks, [*reversed(features[:-1]), None], strict=True):
            x = block(x, skip)
        return x


class ResNetUNet(nn.Module):
    """U-Net with a ResNet50 encoder, BatchNorm and two logits; 73.2 M parameters.

    Args:
        in_channels: Channels of the image.
        strides: Five strides (X, Y, Z): stem convolution, max pooling, layers 2, 3 and 4.

    Raises:
        UsageError: If the strides are not five times three whole numbers of at least 1.
    """

    def __init__(self, in_channels: int, strides: Strides = BRATS_STRIDES) -> None:
        super().__init__()
        strides = check_strides(strides)
        self.encoder, self.decoder = Encoder(in_channels, strides), Decoder(strides)
        self.segmentation_head = nn.Sequential(nn.Conv3d(DECODER[-1], 2, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, X, Y, Z) to (B, 2, X, Y, Z)."""
        logits: Tensor = self.segmentation_head(self.decoder(self.encoder(x)))
        return logits


def check_strides(strides: Sequence[Sequence[int]]) -> Strides:
    """Strides as tuples, also from the lists of a JSON file.

    Raises:
        UsageError: If they are not five times three whole numbers of at least 1.

    >>> check_strides([[2, 2, 2]] * 4)
    Traceback (most recent call last):
    afl_core.errors.UsageError: The strides must be five times (X, Y, Z), each a whole number of at least 1 (received: \
[[2, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2]]).
    """
    try:
        a, b, c, d, e = ((x, y, z) for x, y, z in strides)
    except (TypeError, ValueError):
        legal = False
    else:
        legal = all(type(edge) is int and edge >= 1 for stride in (a, b, c, d, e) for edge in stride)
    if not legal:
        raise UsageError(
            "The strides must be five times (X, Y, Z), each a whole number of at least 1", received=strides
        )
    return a, b, c, d, e
