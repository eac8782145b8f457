"""Linear interpolation of an array to another number of voxels."""

import numpy as np
from numpy.typing import NDArray


def resize(array: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Linear interpolation to another number of voxels over the same field of view (voxel edges aligned)."""
    for axis, target in enumerate(shape):
        if array.shape[axis] != target:
            array = _resize_axis(array, axis, target)
    return array


def _resize_axis(array: NDArray[np.float32], axis: int, target: int) -> NDArray[np.float32]:
    """`resize` along one axis: three passes, one an axis, take a fifth of the time of one over all three."""
    n = array.shape[axis]
    where = np.clip((np.arange(target) + 0.5) * (n / target) - 0.5, 0, n - 1)
    low = np.minimum(where.astype(np.intp), max(n - 2, 0))
    share = np.expand_dims((where - low).astype(np.float32), tuple(range(1, array.ndim - axis)))
    below, above = array.take(low, axis), array.take(np.minimum(low + 1, n - 1), axis)
    above -= below
    above *= share
    return np.asarray(below + above, dtype=np.float32)
