"""MRRN: a multiple resolution residually connected network, in 3-D.

Source: Jiang et al., "Multiple Resolution Residually Connected Feature Streams for Automatic Lung Tumor Segmentation
from CT Images", IEEE Trans. Med. Imaging 38(1), 2019, the incremental variant. A stream of features is kept at every
resolution; each coarser level works through the finer streams in turn, reading a pooled copy and adding its result
back, so that a stream is refined at every level passed.

Ours, where the paper leaves it open or is 2-D: 3x3x3 kernels and trilinear upsampling; half the paper's channels (16
to 256 instead of 32 to 512), since a third axis triples a kernel; on the way up the coarser features are concatenated
with the stream of that level; no dropout; no second output.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

LEVELS = 4
"""Coarser levels below full resolution."""


def _conv(in_channels: int, out_channels: int) -> nn.Sequential:
    conv = nn.Conv3d(in_channels, out_channels, 3, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm3d(out_channels), nn.ReLU(inplace=True))


def _upsample(x: Tensor, factor: int) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=float(factor), mode="trilinear", align_corners=False)


class ResidualUnit(nn.Module):
    """A convolution and a shortcut around it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = _conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, X, Y, Z) to the same shape."""
        result: Tensor = x + self.conv(x)
        return result


class ConnectionUnit(nn.Module):
    """Join coarse features with a finer stream, and give the result to both.

    Args:
        in_channels: Channels of the coarse features that come in.
        out_channels: Channels of the coarse features that go out.
        stream_channels: Channels of the finer stream.
        factor: How many times finer the stream is, along each axis.
    """

    def __init__(self, in_channels: int, out_channels: int, stream_channels: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        merged = _conv(in_channels + stream_channels, out_channels)
        self.convs = nn.Sequential(merged, _conv(out_channels, out_channels))
        self.back = nn.Conv3d(out_channels, stream_channels, 1)

    def forward(self, x: Tensor, stream: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, X, Y, Z) and (B, S, fX, fY, fZ) to (B, out_channels, X, Y, Z) and (B, S, fX, fY, fZ)."""
        pooled = nn.functional.max_pool3d(stream, self.factor)  # (B, S, X, Y, Z)
        x = self.convs(torch.cat([x, pooled], dim=1))
        return x, stream + _upsample(self.back(x), self.factor)


class Level(nn.Module):
    """The connection units of one level: the finest stream first, then from the next finer one to the finest again.

    Args:
        in_channels: Channels of the features that come in.
        channels: Channels of the streams, finest first, up to and with this level's.
    """

    def __init__(self, in_channels: int, channels: Sequence[int]) -> None:
        super().__init__()
        level = len(channels) - 1
        self.order = (0, *reversed(range(level))) if level > 1 else (0, 0, 0)
        inputs = [in_channels, *[channels[level]] * (len(self.order) - 1)]
        self.units = nn.ModuleList(
            ConnectionUnit(n, channels[level], channels[stream], 2 ** (level - stream))
            for n, stream in zip(inputs, self.order, strict=True)
        )

    def forward(self, x: Tensor, streams: list[Tensor]) -> Tensor:
        """The features of this level; the streams are updated in the list."""
        for stream, unit in zip(self.order, self.units, strict=True):
            x, streams[stream] = unit(x, streams[stream])
        return x


class MRRN(nn.Module):
    """Full resolution and four coarser levels, two logits.

    Args:
        in_channels: Channels of the image.
        width: Channels at full resolution; doubled at each level.
    """

    def __init__(self, in_channels: int, *, width: int = 16) -> None:
        super().__init__()
        channels = [width * 2**level for level in range(LEVELS + 1)]
        self.stem = nn.Sequential(_conv(in_channels, width), *(ResidualUnit(width) for _ in range(3)))
        self.down = nn.ModuleList(Level(channels[n - 1], channels[: n + 1]) for n in range(1, LEVELS + 1))
        self.up = nn.ModuleList(
            Level(channels[n + 1] + channels[n], channels[: n + 1]) for n in reversed(range(1, LEVELS))
        )
        merged = _conv(channels[1] + width, width)
        self.head = nn.Sequential(merged, *(ResidualUnit(width) for _ in range(3)), nn.Conv3d(width, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, X, Y, Z) to (B, 2, X, Y, Z)."""
        x = self.stem(x)
        streams = [x]
        for level in self.down:
            x = level(nn.functional.max_pool3d(x, 2), streams)  # half the size, twice the channels
            streams.append(x)
        streams.pop()  # the coarsest is x
        for level in self.up:
            x = torch.cat([_upsample(x, 2), streams.pop()], dim=1)  # twice the size
            x = level(x, streams)
        logits: Tensor = self.head(torch.cat([_upsample(x, 2), streams[0]], dim=1))
        return logits
