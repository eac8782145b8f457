"""Intensities as the bytes that the slice viewer draws, and the windows that it offers."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afl_core.regions import foreground

_WINDOWS = ((0.5, 99.5), (2.0, 98.0), (10.0, 90.0))
_TAILS = (8, 223)
"""Bytes of the ends of the window, where there are intensities beyond."""

_SAMPLE = 2**18
"""Voxels, evenly taken, from which a window is read: its ends lie within 0.1 % of the voxels of those of all."""


def windows(
    values: NDArray[np.float32], window: tuple[float, float] | None
) -> tuple[float, float, list[dict[str, Any]]]:
    """The window at first, and all that are offered: it, narrower ones, and the whole range."""
    inside = values[foreground(values)]
    inside = inside if inside.size else values.ravel(order="K")
    cuts = np.percentile(inside[:: -(-inside.size // _SAMPLE)], [p for pair in _WINDOWS for p in pair])
    ranges = {f"{low:g}–{high:g} %": cuts[2 * i : 2 * i + 2] for i, (low, high) in enumerate(_WINDOWS)}
    if window is not None:
        ranges = {"as given": np.array(window)} | ranges
    low, high = (float(cut) for cut in next(iter(ranges.values())))
    high = high if high > low else low + 1
    ranges["all values"] = np.array([values.min(), values.max()])
    presets = [{"name": k, "low": float(a), "high": float(b)} for k, (a, b) in ranges.items() if b > a]
    return low, high, presets


def levelled(values: NDArray[np.float32], low: float, high: float) -> tuple[NDArray[np.uint8], list[tuple[int, float]]]:
    """Image as 0..255, and the knots between which bytes are even steps of intensity: most of them in the window.

    What lies beyond the window, often the brightest part of a tumour, keeps coarser steps of its own.
    """
    least, most = float(values.min()), float(values.max())
    first, last = (_TAILS[0] if least < low else 0), (_TAILS[1] if most > high else 255)
    tails = [(0, least)] * (least < low), [(255, most)] * (most > high)
    knots = [*tails[0], (first, low), (last, high), *tails[1]]
    image = np.empty(values.shape, np.uint8, order="F")
    for z in range(values.shape[2]):  # a slice at a time: copies of a whole volume stay in the process
        image[..., z] = np.rint(_interpolated(values[..., z].astype(np.float64), knots))
    return image, knots


def _interpolated(values: NDArray[np.float64], knots: Sequence[tuple[int, float]]) -> NDArray[np.float64]:
    """Bytes of intensities within the knots: what `np.interp` gives, in half the time."""
    found = np.full_like(values, knots[0][0])
    for (low, start), (high, end) in pairwise(knots):
        found += (np.clip(values, start, end) - start) * ((high - low) / (end - start))
    return found


def scaled(array: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Values as 0..255 from low to high, cut off at both ends."""
    bytes_ = (np.asarray(array, dtype=np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    rounded: NDArray[np.uint8] = np.rint(np.clip(bytes_, 0, 255, out=bytes_), out=bytes_).astype(np.uint8)
    return rounded
