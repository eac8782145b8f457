"""RRUNet: a U-Net of recurrent residual units (Alom et al. 2018, arXiv 1802.06955, "R2U-Net"), in 3-D.

Ours, where the paper leaves it open or is 2-D: 3x3x3 kernels, the width, a 1x1x1 convolution where a unit changes the
number of channels, a BatchNorm of its own for each time step (their activations differ), transposed convolutions of
stride 2 on the way up.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

LEVELS = 5


class RecurrentLayer(nn.Module):
    """state(0) = f(feed), state(t) = f(feed + recurrent(state(t - 1))): the paper's recurrent convolutional layer.

    `feed` is a convolution of the input, `recurrent` one of the last state, f BatchNorm and ReLU; both convolutions
    are the same at each step.
    """

    def __init__(self, channels: int, steps: int) -> None:
        super().__init__()
        self.feed = nn.Conv3d(channels, channels, 3, padding=1, bias=False)
        self.recurrent = nn.Conv3d(channels, channels, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm3d(channels) for _ in range(steps + 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, X, Y, Z) to the same shape."""
        feed = self.feed(x)
        state = torch.relu(self.norms[0](feed))
        for norm in self.norms[1:]:
            state = torch.relu(norm(feed + self.recurrent(state)))
        return state


class RecurrentResidualUnit(nn.Module):
    """Two recurrent layers and a shortcut around both."""

    def __init__(self, in_channels: int, out_channels: int, steps: int) -> None:
        super().__init__()
        self.adapt = nn.Conv3d(in_channels, out_channels, 1)
        self.layers = nn.Sequential(*(RecurrentLayer(out_channels, steps) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, X, Y, Z) to (B, out_channels, X, Y, Z)."""
        x = self.adapt(x)
        result: Tensor = x + self.layers(x)
        return result


class RecurrentResidualUNet(nn.Module):
    """Five levels, max pooling down, concatenation up, two logits.

    Args:
        in_channels: Channels of the image.
        width: Channels at full resolution; doubled at each level.
        steps: Recurrent steps of a layer after its first pass; 2 in the paper's main results.
    """

    def __init__(self, in_channels: int, *, width: int = 16, steps: int = 2) -> None:
        super().__init__()
        channels = [width * 2**level for level in range(LEVELS)]
        pairs = list(pairwise(channels))
        inputs = [in_channels, *channels[:-1]]
        self.down = nn.ModuleList(RecurrentResidualUnit(a, b, steps) for a, b in zip(inputs, channels, strict=True))
        self.upsample = nn.ModuleList(nn.ConvTranspose3d(b, a, 2, stride=2) for a, b in reversed(pairs))
        self.up = nn.ModuleList(RecurrentResidualUnit(b, a, steps) for a, b in reversed(pairs))
        self.head = nn.Conv3d(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, X, Y, Z) to (B, 2, X, Y, Z)."""
        x = self.down[0](x)
        skips = []
        for unit in self.down[1:]:
            skips.append(x)
            x = unit(nn.functional.max_pool3d(x, 2))  # half the size, twice the channels
        for upsample, unit in zip(self.upsample, self.up, strict=True):
            x = unit(torch.cat([skips.pop(), upsample(x)], dim=1))  # twice the size, half the channels
        logits: Tensor = self.head(x)
        return logits
