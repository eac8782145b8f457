"""Weights from elsewhere for the ResNet50 U-Net: the authors' released ones, and those of ImageNet."""

import pickle
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from afl_core.errors import CheckpointError
from afl_core.model.resnet_unet import ResNetUNet, Strides
from afl_core.model.weights import check_finite, load_torch


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
    with torch.device("meta"):  # what the file's weights replace is not drawn
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
    counters = {key: torch.tensor(0) for key in expected if key.endswith("num_batches_tracked")}  # old files lack them
    if next(network.parameters()).is_meta:
        network.to_empty(device="cpu")
    network.load_state_dict(counters | dict(state))
