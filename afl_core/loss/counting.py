"""Passes over a target on the CPU, compiled by Numba and NumPy's.

They use one thread: a target is small beside the logits, and PyTorch's threads wait for each other on a busy machine.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

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
    wrong, most = np.int32(0), np.int32(classes - 1)  # numbers of one size: a Boolean would be no vector code
    for i in range(values.size):
        left_out = ignoring and values[i] == ignored
        code = np.int32(values[i])
        codes[i] = np.uint8(IGNORED) if left_out else np.uint8(code)
        no_class = np.int32(code < 0) | np.int32(code > most) | np.int32(values.dtype.type(code) != values[i])
        wrong |= np.int32(0) if left_out else no_class
    return bool(wrong)


@_compiled
def _has_mask(codes: Codes) -> bool:
    """Whether a row (N,) meets any mask, all of it passed over, which is faster than to stop."""
    found = False
    for i in range(codes.size):
        found |= codes[i] - np.uint8(1) < np.uint8(IGNORED - 1)  # 0 - 1 is 255
    return found


@_compiled
def _near(codes: Codes) -> Codes:
    """The part of an array of codes (X, Y, Z) outside of which no mask, nor its gradient, is other than 0.

    Returns:
        A copy with one more voxel on each side, `IGNORED` there: as outside of the array, so inside of a copy.
    """
    first, last = np.array(codes.shape), np.full(3, -1)
    for x in range(codes.shape[0]):
        if not _has_mask(codes[x].reshape(-1)):
            continue
        for y in range(codes.shape[1]):
            if _has_mask(codes[x, y]):
                z, end = 0, codes.shape[2] - 1
                while codes[x, y, z] == 0 or codes[x, y, z] == IGNORED:
                    z += 1
                while codes[x, y, end] == 0 or codes[x, y, end] == IGNORED:
                    end -= 1
                first[0], last[0] = min(first[0], x), x
                first[1], last[1] = min(first[1], y), max(last[1], y)
                first[2], last[2] = min(first[2], z), max(last[2], end)
    if last[0] < 0:
        first[:], last[:] = 0, 0
    start = np.maximum(first - 2, 0)
    stop = np.minimum(last + 3, np.array(codes.shape))
    n = stop - start
    padded = np.full((n[0] + 2, n[1] + 2, n[2] + 2), np.uint8(IGNORED))
    padded[1:-1, 1:-1, 1:-1] = codes[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]]
    return padded


@_compiled
def _add_squares(here: Codes, before: Codes, after: Codes, ends: tuple[Any, Any], squares: Codes) -> None:
    """Add four times the square of the mask's difference along an axis, from the codes of voxels and their neighbours.

    Half of the difference of both neighbours, the whole difference to the only one that counts, or 0. Slices in place
    of indices, and numbers as small as can be: that is what becomes vector code.
    """
    low, high = ends
    for i in range(squares.size):
        is_before, is_after = before[i] != IGNORED, after[i] != IGNORED
        mask = (low <= here[i]) & (here[i] <= high)
        down = (mask != ((low <= before[i]) & (before[i] <= high))) & is_before
        up = (mask != ((low <= after[i]) & (after[i] <= high))) & is_after
        one_sided = np.uint8(4) if down | up else np.uint8(0)
        square = np.uint8(down != up) if is_before & is_after else one_sided
        squares[i] = np.uint8(squares[i] + square)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "nsz"})
def _sums_of(codes: Codes, ends: Codes, sums: Floats) -> None:
    """Fill the three sums of one mask, from codes as `_near` gives them, whose border adds nothing."""
    flat, x, y = codes.reshape(-1), codes.shape[1] * codes.shape[2], codes.shape[2]
    low, high = ends[0], ends[1]
    n = x - 2 * y - 2  # of a plane, from its first voxel inside the border to its last
    squares = np.empty(n, np.uint8)
    total = 0.0
    for plane in range(1, codes.shape[0] - 1):
        start = plane * x + y + 1
        here = flat[start : start + n]
        squares[:] = 0
        for step in (x, y, 1):
            before, after = flat[start - step : start - step + n], flat[start + step : start + step + n]
            _add_squares(here, before, after, (low, high), squares)
        size, band = np.int32(0), np.int32(0)
        for i in range(n):
            square = np.uint8(0) if here[i] == IGNORED else squares[i]
            size += np.int32(low <= here[i]) & np.int32(here[i] <= high)
            total += np.float64(np.sqrt(np.float32(square)))
            band += np.int32(square != 0)
        sums[0] += size
        sums[2] += band
    sums[1] = total / 2


@_compiled
def mask_sums(codes: Codes, ends: Codes, sums: Floats) -> None:
    """Size and surface of masks of each array of codes.

    Args:
        codes: Shape (S, X, Y, Z).
        ends: Shape (M, 2): the lowest and the highest code of each mask.
        sums: Shape (S, M, 3), zeros. Filled with the number of voxels in the mask; the sum of |grad(mask)| over all
            that count, exact in any order, as each root is of a whole number in single precision; and the number of
            voxels where it is not 0.
    """
    for sample in range(len(codes)):
        part = _near(codes[sample])
        for mask in range(len(ends)):
            _sums_of(part, ends[mask], sums[sample, mask])
