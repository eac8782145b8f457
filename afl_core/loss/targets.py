"""What a focal loss is told of each voxel: its class, or whether it lies in each region, or that it does not count."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from afl_core.errors import UsageError
from afl_core.loss.counting import IGNORED, read_classes, read_masks
from afl_core.loss.inputs import check_tensors


@dataclass(frozen=True, eq=False)
class Target:
    """A target as codes.

    Attributes:
        codes: uint8, contiguous. Of classes, shape (B, 1, X, Y, Z): the class of each voxel, 0 to `classes` - 1. Of
            regions, shape (B, R, X, Y, Z): 1 inside and 0 outside. `IGNORED` in all channels where a voxel does not
            count.
        classes: Number of classes, the background included; 2 for regions, each of which has an inside and an outside.
        ignoring: Whether any voxel may be ignored.
    """

    codes: Tensor
    classes: int
    ignoring: bool

    @property
    def on_cpu(self) -> bool:
        """Whether NumPy can take the codes: on the CPU, and not while PyTorch compiles."""
        return _on_cpu(self.codes)

    def counted(self) -> Tensor:
        """Number of voxels of each sample that count, shape (B,)."""
        if self.on_cpu:
            return torch.tensor([np.count_nonzero(codes != IGNORED) for codes in self.codes[:, 0].numpy()])
        return (self.codes[:, 0] != IGNORED).flatten(1).sum(dim=1)

    @property
    def factors_shape(self) -> tuple[int, ...]:
        """Shape of the factors of this target; see `Factors`."""
        columns = self.classes if self.classes > 2 else self.codes.shape[1]
        return (len(self.codes),) if columns == 1 else (len(self.codes), columns)


def read_pair(logits: Tensor, target: Tensor, *, softmax: bool, ignore_index: int | None = None) -> Target:
    """Read the target of these logits, both checked.

    Args:
        logits: Shape (B, C, X, Y, Z).
        target: As `read_target` takes it.
        softmax: Whether the channels are competing classes.
        ignore_index: See `read_target`.

    Raises:
        UsageError: If shapes or labels are not possible; says what is accepted.
    """
    check_tensors(logits, target)
    if logits.ndim != 5 or (len(logits), *logits.shape[2:]) != (*target.shape[:1], *target.shape[2:]):
        raise UsageError(
            "Logits must be (B, C, X, Y, Z) and targets of the same batch and grid",
            received=f"{tuple(logits.shape)} and {tuple(target.shape)}",
        )
    channels = logits.shape[1]
    if softmax and channels == 1:
        raise UsageError("A softmax needs two channels of logits or more", received=tuple(logits.shape))
    if softmax and target.shape[1] > 1:
        todo = 'Take activation "sigmoid" for regions; for classes give their labels in one channel'
        raise UsageError("A softmax takes labels, not regions", received=f"a target {tuple(target.shape)}", todo=todo)
    return read_target(target, channels=channels, ignore_index=ignore_index)


def check_ignore_index(ignore_index: int | None) -> None:
    """Raise unless this is a whole number or None.

    Raises:
        UsageError: If it is anything else.
    """
    if ignore_index is not None and (isinstance(ignore_index, bool) or not isinstance(ignore_index, int)):
        raise UsageError("ignore_index must be a whole number, or none", received=ignore_index)


def read_target(target: Tensor, *, channels: int, ignore_index: int | None = None) -> Target:
    """Read a target for so many channels of logits.

    Args:
        target: Shape (B, 1, X, Y, Z), labels. For one or two channels 0 is background and any other label tumour; for
            more, the labels are 0 (background) to `channels` - 1. Or shape (B, R, X, Y, Z), for R channels: 0 outside
            each region and anything else inside.
        channels: Channels of logits.
        ignore_index: Label of the voxels that do not count. With regions, which have no such label, the target has
            one channel more, the last, with anything but 0 at these voxels: nnU-Net writes both in this way.

    Raises:
        UsageError: If the target is no tensor of these forms, or has another label; says what is accepted.
    """
    check_tensors(target)
    labels = target.ndim == 5 and target.shape[1] == 1
    if not labels and (target.ndim != 5 or target.shape[1] != channels + (ignore_index is not None)):
        raise UsageError(
            f"A target must be (B, 1, X, Y, Z) for labels, or (B, {channels}, X, Y, Z) for a region in each of "
            f"{channels} channels, with one channel more, of the ignored voxels, if ignore_index is set",
            received=f"{tuple(target.shape)}, ignore_index {ignore_index}",
        )
    if channels >= IGNORED:
        raise UsageError(f"There may be at most {IGNORED - 1} classes or regions", received=channels)
    read = _read_on_cpu if _on_cpu(target) else _read
    classes = channels if labels and channels > 2 else 2
    codes = read(
        target.detach() if labels else target.detach()[:, :channels], classes, ignore_index if labels else None
    )
    if not labels and ignore_index is not None:
        codes = codes.masked_fill(target[:, -1:].bool(), IGNORED)
    return Target(codes, classes, ignore_index is not None)


def _on_cpu(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu" and not torch.compiler.is_compiling()


def _read_on_cpu(target: Tensor, classes: int, ignore_index: int | None) -> Tensor:
    """Codes of a target (B, 1 or R, X, Y, Z)."""
    if classes == 2 and ignore_index is None:
        return _read(target, classes, None)  # PyTorch has a loop of its own for this
    if target.dtype in (torch.bfloat16, torch.float16):
        target = target.float()
    values = np.ascontiguousarray(target.numpy())
    values = values.view(np.uint8) if values.dtype == bool else values
    codes = np.empty(values.shape, np.uint8)
    ignored = values.dtype.type(0)
    if ignore_index is not None and (values.dtype.kind == "f" or _holds(values.dtype, ignore_index)):
        ignored = values.dtype.type(ignore_index)
    else:
        ignore_index = None  # no voxel can have it
    if classes == 2:
        read_masks(values.reshape(-1), codes.reshape(-1), ignore_index is not None, ignored)
    elif read_classes(values.reshape(-1), codes.reshape(-1), classes, ignore_index is not None, ignored):
        raise _no_class(target if ignore_index is None else target[target != ignore_index], classes)
    return torch.from_numpy(codes)


def _holds(dtype: np.dtype[Any], number: int) -> bool:
    return bool(np.iinfo(dtype).min <= number <= np.iinfo(dtype).max)


def _read(target: Tensor, classes: int, ignore_index: int | None) -> Tensor:
    """The same elsewhere; a compiled loss cannot stop for a check."""
    ignored = None if ignore_index is None else target == ignore_index
    if classes == 2:
        codes = target.to(torch.bool, copy=True, memory_format=torch.contiguous_format).view(torch.uint8)
    else:
        values = target if ignored is None else target.masked_fill(ignored, 0)
        codes = values.to(torch.uint8).contiguous()
        if not torch.compiler.is_compiling() and bool(((codes != values) | (codes >= classes)).any()):
            raise _no_class(values, classes)
    return codes if ignored is None else codes.masked_fill(ignored, IGNORED)


def _no_class(values: Tensor, classes: int) -> UsageError:
    wrong = values[(values != values.to(torch.uint8)) | (values >= classes)]
    return UsageError(
        f"With {classes} channels of logits, labels must be whole numbers from 0 to {classes - 1}",
        received=", ".join(sorted({f"{label:g}" for label in wrong[:1000].tolist()})[:5]),
        todo="Give the label of voxels that do not count as ignore_index",
    )
