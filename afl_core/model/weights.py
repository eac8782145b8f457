"""Weights files are data: read without running code, bounded before they are unpacked, and made of numbers."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from afl_core.errors import CheckpointError

MAX_UNPACKED = 2**32
"""Most bytes that a torch file may hold once it is unpacked; the released network takes 0.3 GB."""


def load_torch(path: Path) -> Any:
    """What a file of `torch.save` holds, on the CPU, as weights alone.

    Raises:
        ValueError: If it would unpack to more than it may; nothing was unpacked then.
        OSError, RuntimeError, pickle.UnpicklingError and the like: If it is damaged, or holds anything else.
    """
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(entry.file_size for entry in archive.infolist())
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise ValueError(str(error)) from error
        if unpacked > min(MAX_UNPACKED, max(2 * path.stat().st_size, 2**20)):  # torch.save does not deflate
            raise ValueError(f"{path.stat().st_size:,} bytes that unpack to {unpacked:,}")
    return torch.load(path, "cpu", weights_only=True)


def check_finite(state: Mapping[str, Tensor], name: str) -> None:
    """Raise `CheckpointError` if a weight of the file of that name is NaN or infinite: it predicts nothing."""
    for key, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f"{name} holds weights that are NaN or infinite",
                received=key,
                todo="The training failed: train again, with a smaller learning rate",
            )
