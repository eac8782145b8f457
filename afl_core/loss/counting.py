"""Passes over a target on the CPU, compiled by Numba and NumPy's.

They use one thread: a target is small beside the logits, and PyTorch's threads wait for each other on a busy machine.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from afl_core.regions import bounding_box

IGNORED = 255
"""Code of a voxel that does not count."""

Codes = NDArray[np.uint8]
"""Class of each voxel, or 1 inside a region and 0 outside; `IGNORED` where it does not count."""

Floats = NDArray[Any]
"""float32 or float64."""

_compiled = numba.njit(nogil=True, cache=True, error_model="numpy")


@_compiled
def read_masks(values: NDArray[Any], codes: Codes, ignoring: bool, ignored: Any) -> None:
    """Fill codes with 1 where the values, both of shape (N,), are not 0, with `IGNORED` where they are `ignored`."""
    zero = values.dtype.type(0)
    for i in range(values.size):
        codes[i] = IGNORED if ignoring and values[i] == ignored else values[i] != zero


@_compiled
def read_classes(values: NDArray[Any], codes: Codes, classes: int, ignoring: bool, ignored: Any) -> bool:
    """Fill codes with the values, both of shape (N,); whether one of these is no whole number below `classes`."""
    wrong = False
    for i in range(values.size):
        left_out = ignoring and values[i] == ignored
        code = np.int32(values[i])
        codes[i] = np.uint8(IGNORED) if left_out else np.uint8(code)
        wrong |= (not left_out) & ((code < 0) | (code >= classes) | (code != values[i]))
    return bool(wrong)


def near(codes: Codes, *, ignoring: bool) -> Codes:
    """The part of an array of codes (X, Y, Z) outside of which no mask, nor its gradient, is other than 0.

    Returns:
        A copy with one more voxel on each side, `IGNORED` there: as outside of the array, so inside of a copy.
    """
    box = bounding_box(codes - np.uint8(1) < IGNORED - 1 if ignoring else codes != 0)  # 0 - 1 is 255
    if box is None:
        box = (slice(0, 1),) * 3
    part = codes[tuple(slice(max(side.start - 2, 0), side.stop + 2) for side in box)]
    padded = np.full([n + 2 for n in part.shape], IGNORED, np.uint8)
    padded[1:-1, 1:-1, 1:-1] = part
    return padded


@_compiled
def _step(here: Any, before: Any, after: Any, ends: tuple[Any, Any]) -> Any:
    """Four times the square of the mask's difference along an axis, at a voxel that counts, from codes.

    Half of the difference of both neighbours, the whole difference to the only one that counts, or 0.
    """
    low, high = ends
    is_before, is_after = np.uint8(before != IGNORED), np.uint8(after != IGNORED)
    mask = np.uint8(low <= here) & np.uint8(here <= high)
    down = (mask ^ (np.uint8(low <= before) & np.uint8(before <= high))) & is_before
    up = (mask ^ (np.uint8(low <= after) & np.uint8(after <= high))) & is_after
    both = is_before & is_after
    return both * (down ^ up) + (np.uint8(1) - both) * np.uint8(4) * (down | up)


@_compiled
def _row(codes: Codes, x: int, y: int, ends: tuple[Any, Any], squares: NDArray[np.uint8]) -> None:
    for z in range(squares.size):
        here = codes[x, y, z + 1]
        square = _step(here, codes[x - 1, y, z + 1], codes[x + 1, y, z + 1], ends)
        square += _step(here, codes[x, y - 1, z + 1], codes[x, y + 1, z + 1], ends)
        square += _step(here, codes[x, y, z], codes[x, y, z + 2], ends)
        squares[z] = square * np.uint8(here != IGNORED)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "nsz"})
def gradient_sums(codes: Codes, low: Any, high: Any) -> tuple[int, float, int]:
    """Size and surface of the mask of the codes from `low` to `high` (uint8).

    Args:
        codes: Shape (X + 2, Y + 2, Z + 2), as `near` gives them.
        low: Lowest code of the mask.
        high: Highest.

    Returns:
        The number of voxels in the mask; the sum of |grad(mask)| over all that count, exact in any order, as each root
        is of a whole number in single precision; and the number of voxels where it is not 0.
    """
    size, total, band = 0, 0.0, 0
    squares = np.empty(codes.shape[2] - 2, np.uint8)
    for x in range(1, codes.shape[0] - 1):
        for y in range(1, codes.shape[1] - 1):
            _row(codes, x, y, (low, high), squares)
            for z in range(squares.size):
                code = codes[x, y, z + 1]
                size += low <= code <= high
                total += np.float64(np.sqrt(np.float32(squares[z])))
                band += squares[z] != 0
    return size, total / 2, band
