"""The paper's network: a 3-D U-Net on a ResNet50 encoder, with the state-dict keys of the authors' released weights.

Sources: He et al. 2016 (arXiv 1512.03385) with the stride in the 3x3 convolution, Ronneberger et al. 2015 (arXiv
1505.04597). Layers, their names and the stride settings follow `Unet("resnet50")` of segmentation-models-pytorch-3d
1.0.2, with which the authors trained; it cannot be imported beside a current PyTorch.
"""

import pickle
import struct
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from afl_core.errors import CheckpointError, UsageError
from afl_core.model.weights import check_finite, load_torch

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


def load_released(path: Path, *, strides: Strides, in_channels: int) -> nn.Module:
    """Read weights that the authors' code saved: the state dict of this network, from a torch or safetensors file.

    Args:
        path: The file; keys may begin with `module.`, the state dict may lie under `state_dict`.
        strides: Strides of the training. No shape depends on them, so wrong ones are not noticed here.
        in_channels: 3 for the released PI-CAI weights (T2W, ADC, HBV), 4 for BraTS.

    Returns:
        The network in evaluation mode, on the CPU.

    Raises:
        CheckpointError: If the file holds no weights, or those of another network; names the first keys.
    """
    network = ResNetUNet(in_channels, strides)
    _load_into(network, _read_state(path), path, what=f"{path.name} does not hold the weights of this ResNet50 U-Net")
    return network.eval()


def released_channels(path: Path) -> int:
    """Number of input channels of a file that `load_released` reads.

    Raises:
        CheckpointError: If the file holds no weights, or those of another network.
    """
    first = _read_state(path).get("encoder.conv1.weight")
    if first is None or first.ndim != 5:
        raise CheckpointError(
            f"{path.name} does not hold the weights of this ResNet50 U-Net",
            received="no encoder.conv1.weight of five axes",
            todo="Give the authors' state dict, or a checkpoint folder of this project",
        )
    return int(first.shape[1])


def load_imagenet(network: ResNetUNet, path: Path) -> None:
    """Start the encoder from the 2-D ImageNet weights of a torchvision ResNet50 in a local file.

    Raises:
        CheckpointError: If the file holds no weights, or those of another network; names the first keys.
    """
    state = {key: value for key, value in _read_state(path).items() if not key.startswith("fc.")}
    if "conv1.weight" in state and state["conv1.weight"].ndim == 4:
        state = inflate_imagenet(state, in_channels=network.encoder.conv1.in_channels)
    _load_into(network.encoder, state, path, what=f"{path.name} does not hold the ImageNet weights of a ResNet50")


def inflate_imagenet(state: Mapping[str, Tensor], *, in_channels: int = 3) -> dict[str, Tensor]:
    """2-D ResNet50 weights as weights of the 3-D encoder.

    A kernel is repeated along the new, last axis and divided by its length, so that an image that does not change
    along that axis gives the 2-D response. For one channel the first convolution's channels are summed, for any other
    number they are taken in turn (0 1 2 0 ...) and scaled by 3 / in_channels: both as segmentation-models-pytorch-3d.

    Args:
        state: Names as in torchvision; the classifier `fc` is left out.
        in_channels: Channels of the 3-D image.
    """
    inflated = {}
    for key, weight in state.items():
        if key.startswith("fc."):
            continue
        if weight.ndim == 4:  # (out, in, X, Y) -> (out, in, X, Y, Z)
            weight = torch.stack([weight] * weight.shape[-1], dim=-1) / weight.shape[-1]  # noqa: PLW2901
        inflated[key] = weight
    first = inflated["conv1.weight"]
    if in_channels == 1:
        inflated["conv1.weight"] = first.sum(1, keepdim=True)
    elif in_channels != 3:
        inflated["conv1.weight"] = first[:, [i % 3 for i in range(in_channels)]] * (3 / in_channels)
    return inflated


_PLAIN = (OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError)
_UNREADABLE = (*_PLAIN, struct.error, pickle.UnpicklingError, SafetensorError)
"""What PyTorch and safetensors raise on damaged files, found by feeding them some."""


def _read_state(path: Path) -> dict[str, Tensor]:
    """Names and tensors of a weights file; never runs code from it."""
    todo = "Give a file with a state dict, as torch.save(model.state_dict(), path) or safetensors write it. "
    todo += "Pickled weights are not loaded, for safety, unless they are one"
    try:
        with warnings.catch_warnings(action="ignore"):  # on the pickle protocol; the error below says enough
            state = load_file(path) if path.suffix == ".safetensors" else load_torch(path)
    except _UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise CheckpointError(f"{path.name} cannot be read as weights", received=reason, todo=todo) from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path.name} holds no weights", received=type(state).__name__, todo=todo)
    return {str(key).removeprefix("module."): value for key, value in state.items()}


def _load_into(network: nn.Module, state: Mapping[str, Tensor], path: Path, *, what: str) -> None:
    """Load weights, or say in one line what does not fit."""
    expected = network.state_dict()
    missing = [key for key in expected if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in expected]
    wrong = [
        f"{key} is {tuple(state[key].shape)} instead of {tuple(tensor.shape)}"
        for key, tensor in expected.items()
        if key in state and state[key].shape != tensor.shape
    ]
    problems = (("missing", missing), ("unexpected", unexpected), ("wrong shape", wrong))
    if missing or unexpected or wrong:
        received = "; ".join(f"{len(keys)} {kind}: {', '.join(keys[:3])}" for kind, keys in problems if keys)
        raise CheckpointError(what, received=received, todo="Check the file and the number of input channels")
    check_finite(state, path.name)
    network.load_state_dict(state, strict=False)  # strict but for the batch counters that old files lack
