"""A mask on another grid: resampled, cropped, and resized as training resizes references."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from afl_core.base.catalogue import pick
from afl_core.data.preprocess import resampled_shape
from afl_core.errors import GeometryError
from afl_core.regions import BoolArray, bounding_box
from afl_core.volume import Mask, Spacing

Resize = Literal["nearest", "area"]
Grid = tuple[int, int, int]

MAX_VOXELS = 2**28
"""Most voxels of a grid that a user sets; an image that is read may have as many."""


def resize_mask(mask: Mask, grid: Grid, *, how: Resize = "nearest") -> Mask:
    """A mask resized to a number of voxels, whatever its field of view.

    Args:
        mask: Shape (X, Y, Z).
        grid: Voxels along X, Y, Z of the result.
        how: `nearest` takes the voxel at the centre of each new one, PyTorch's `nearest-exact`. `area` marks a new
            voxel wherever any old one that it touches is marked, which is the paper's code: PyTorch's `area`, then
            everything above 0. It makes tumours larger.

    Returns:
        The mask with the affine of the new voxels.

    Raises:
        GeometryError: If the grid is not three numbers of voxels from 1 on, or has more than 2^28 voxels.
        UsageError: If there is no such way to resize.

    >>> line = Mask(np.array([0, 1, 0, 0, 0, 0], bool).reshape(6, 1, 1), np.eye(4))
    >>> [resize_mask(line, (3, 1, 1), how=how).array.ravel().tolist() for how in ("nearest", "area")]
    [[True, False, False], [True, False, False]]
    """
    pick(dict.fromkeys(get_args(Resize)), how, kind="way to resize a mask")
    _check(grid)
    array = mask.array
    if array.shape != tuple(grid):
        array = _nearest(array, grid) if how == "nearest" else _area(array, grid)
    scale = np.array(mask.array.shape) / grid
    affine = mask.affine.copy()
    affine[:3, 3] += mask.affine[:3, :3] @ ((scale - 1) / 2)
    affine[:3, :3] = mask.affine[:3, :3] * scale
    return Mask(np.ascontiguousarray(array), affine)


def resample_mask(mask: Mask, spacing_mm: Spacing) -> Mask:
    """A mask at another voxel size, over the same field of view as nearly as whole voxels can, by nearest neighbour.

    Raises:
        GeometryError: If that needs more than 2^28 voxels.
    """
    x, y, z = resampled_shape(mask.array.shape, mask.spacing_mm, spacing_mm)
    return resize_mask(mask, (x, y, z))


def crop_mask(mask: Mask, shape: Grid) -> Mask:
    """The voxels around the centre of a mask; background is added where it has fewer.

    Raises:
        GeometryError: If `resize_mask` would raise it.

    >>> crop_mask(Mask(np.ones((6, 1, 2), bool), np.eye(4)), (2, 3, 2)).array.sum(axis=(0, 2)).tolist()
    [0, 4, 0]
    """
    _check(shape)
    start = np.array([(n - m) // 2 for n, m in zip(mask.array.shape, shape, strict=True)])
    kept = tuple(slice(max(first, 0), max(first, 0) + m) for first, m in zip(start, shape, strict=True))
    missing = [m - n for n, m in zip(mask.array.shape, shape, strict=True)]
    padding = [(max(-first, 0), max(lack + first, 0)) for first, lack in zip(start, missing, strict=True)]
    affine = mask.affine.copy()
    affine[:3, 3] += mask.affine[:3, :3] @ start
    return Mask(np.pad(mask.array[kept], padding), affine)


def _check(grid: Grid) -> None:
    if len(grid) != 3 or min(grid) < 1 or np.prod(grid, dtype=float) > MAX_VOXELS:
        raise GeometryError("A grid must be three numbers of voxels, 2^28 in all at most", received=grid)


def _nearest(array: BoolArray, grid: Grid) -> BoolArray:
    return array[np.ix_(*(((2 * np.arange(m) + 1) * n) // (2 * m) for n, m in zip(array.shape, grid, strict=True)))]


def _area(array: BoolArray, grid: Grid) -> BoolArray:
    """New voxel k along an axis touches the old ones from floor(k n / m) to ceil((k + 1) n / m)."""
    resized = np.zeros(grid, dtype=np.bool_)
    box = bounding_box(array)
    if box is None:
        return resized
    crop, places = array[box], []
    for axis, (n, m, side) in enumerate(zip(array.shape, grid, box, strict=True)):
        k = np.arange(m)
        start = np.maximum(k * n // m, side.start)
        stop = np.minimum(-(-(k + 1) * n // m), side.stop)
        touched = np.flatnonzero(start < stop)
        places.append(touched)
        crop = _any_in(crop, axis, start[touched] - side.start, stop[touched] - side.start)
    resized[np.ix_(*places)] = crop
    return resized


def _any_in(array: BoolArray, axis: int, start: NDArray[np.int64], stop: NDArray[np.int64]) -> BoolArray:
    """Whether any voxel is marked in each stretch of an axis."""
    counts = np.insert(array.cumsum(axis=axis, dtype=np.int32), 0, 0, axis=axis)
    return np.asarray(counts.take(stop, axis=axis) > counts.take(start, axis=axis))
