"""From a case's own grid to a network's input grid and back."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from afl_core.errors import GeometryError
from afl_core.regions import foreground
from afl_core.volume import Spacing

MAX_VOXELS = 2**27
"""Most voxels of a grid to resample to: 512 x 512 x 512, half a GiB for each channel."""

SAME_SPACING = 0.02
"""Spacings that differ by less than this fraction are taken as equal: no resampling."""


def z_score(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale the foreground to mean 0 and standard deviation 1 and set the background to 0; a constant image gives 0.

    Args:
        array: Shape (X, Y, Z).
    """
    inside = foreground(array)
    values = array[inside].astype(np.float64)
    spread = values.std() if values.size else 0.0
    if spread == 0:
        return np.zeros_like(array)
    scored = np.zeros(array.shape, dtype=np.float32)
    scored[inside] = (values - values.mean()) / spread
    return scored


def check_grid_size(shape: Sequence[float]) -> None:
    """Refuse a grid to resample to before anything is allocated; raises GeometryError above `MAX_VOXELS`."""
    if not math.prod(shape) <= MAX_VOXELS:
        raise GeometryError(
            "The grid to resample to is too large",
            received=f"{' x '.join(f'{n:.4g}' for n in shape)} voxels, at most {MAX_VOXELS} in all",
            todo="Check the voxel sizes of the image, and of the checkpoint or the settings",
        )


def resampled_shape(shape: tuple[int, ...], spacing_mm: Spacing, target_mm: Spacing) -> tuple[int, ...]:
    """Number of voxels that cover the same field of view at another spacing.

    Raises:
        GeometryError: If they are more than `MAX_VOXELS`.

    >>> resampled_shape((240, 240, 155), (1, 1, 1), (2, 2, 2))
    (120, 120, 78)
    """
    factors = [s / t for s, t in zip(spacing_mm, target_mm, strict=True)]
    if all(abs(f - 1) < SAME_SPACING for f in factors):
        return shape
    check_grid_size([max(1.0, n * f) for n, f in zip(shape, factors, strict=True)])
    return tuple(max(1, round(n * f)) for n, f in zip(shape, factors, strict=True))
