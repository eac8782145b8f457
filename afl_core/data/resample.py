"""Bring an image onto another image's grid, by where both lie in the patient."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from afl_core.volume import Volume

APART = 0.1
"""An image that covers less of a grid than this does not lie where the case does."""


def covered(image: Volume, grid: Volume) -> float:
    """Share of a grid that lies within an image, from 11 points along each axis."""
    ends = [np.linspace(0, n - 1, 11) for n in grid.array.shape]
    points = np.stack(np.meshgrid(*ends, indexing="ij")).reshape(3, -1)
    to_image = np.linalg.inv(image.affine) @ grid.affine
    there = to_image[:3, :3] @ points + to_image[:3, 3:]
    edge = np.array(image.array.shape)[:, None] - 0.5
    return float(((there >= -0.5) & (there <= edge)).all(axis=0).mean())


def resample_onto(image: Volume, grid: Volume) -> Volume:
    """Linear interpolation in world coordinates; 0 more than a voxel outside the image.

    Args:
        image: Image to resample, on any grid, oblique or not.
        grid: Volume whose shape and affine the result has; its voxels do not matter.

    Returns:
        Float32 on the grid.
    """
    # One voxel more on every side: the image reaches to the edges of its voxels, not only to their centres.
    padded = np.pad(image.array.astype(np.float32, copy=False), 1, mode="edge")
    to_image = np.linalg.inv(image.affine) @ grid.affine
    array: NDArray[np.float32] = ndimage.affine_transform(
        padded, to_image[:3, :3], to_image[:3, 3] + 1, output_shape=grid.array.shape, order=1, cval=0.0
    )
    return Volume(array, grid.affine)
