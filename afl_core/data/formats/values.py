"""What the voxels of a file may hold: finite numbers, or labels; everything else is refused in words."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afl_core.base.words import number_of
from afl_core.errors import DataError

FRACTION = 1e-3
"""How far a stored label may be from a whole number: scaled integers come back as 0.99999997."""

MAX_LABELS = 32
"""A file of more values than that, 0 aside, is neither mask nor labels: BraTS has 4, a map of 0 to 255 has dozens."""

LARGEST_LABEL = 2**16 - 1
"""Masks of 0 and 65535 are written."""


_CODES = "Save the background as 0 and every label as a whole number above it"


def whole_labels(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """The array, rounded if need be, if every voxel is a label."""
    if array.dtype.kind == "f":
        array = _whole(finite(array, path), path)
    low, high = array.min(), array.max()
    if high > MAX_LABELS:
        _check_few(array, path, int(high))
    if low < 0 or high > LARGEST_LABEL:
        raise DataError(f"{path.name} is not a label image", received=f"values {low} to {high}", todo=_CODES)
    return array


def small_labels(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """The labels, as `whole_labels` checks them, in the smallest signed integers of at least 16 bits that hold them."""
    labels = whole_labels(array, path)
    return labels.astype(np.int16 if labels.max() < 2**15 else np.int32, copy=False)


def _check_few(array: NDArray[Any], path: Path, high: int) -> None:
    """Raise if whole numbers are too many to be labels."""
    small = array.dtype.kind != "f" and array.min() >= 0 and high < 2**16
    count = np.count_nonzero(np.bincount(array.ravel())) if small else len(np.unique(array))
    if count > MAX_LABELS + 1:
        raise _no_labels(path, high, f"{number_of(int(count), 'different value')}, the largest {high}")


def _no_labels(path: Path, high: float, received: str) -> DataError:
    top = next((top for top in (100, 255) if high <= top), None)
    return DataError(
        f"{path.name} is not a label image: it looks like a map of {f'0 to {top}' if top else 'grey values'}",
        received=received,
        todo="Save probabilities from 0 to 1, or threshold them and save 0 and 1; save numbered lesions as 0 and 1",
    )


def finite(array: NDArray[Any], path: Path) -> NDArray[np.float32]:
    """The array in float32, if every voxel is a finite number."""
    with np.errstate(over="ignore"):  # a value beyond float32 becomes infinite and is counted below
        array = array.astype(np.float32, copy=False)
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise DataError(
            f"{path.name} holds NaN or infinite voxels",
            received=f"{bad} of {array.size}",
            todo="Replace them, for example with the background value, and save the file again",
        )
    return array


def _whole(array: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
    """The array rounded, if every voxel is a whole number but for rounding."""
    labels: NDArray[np.float32] = np.rint(array)
    fractions = np.abs(array - labels) > FRACTION
    if fractions.any():
        if array.max() > MAX_LABELS and array.min() >= -FRACTION:
            raise _no_labels(path, float(array.max()), f"fractions, and values up to {array.max():g}")
        raise DataError(
            f"{path.name} is not a label image: it holds fractions",
            received=f"{np.unique(array[fractions])[:5].tolist()}",
            todo="Give a mask of whole numbers; threshold a probability map first",
        )
    return labels
