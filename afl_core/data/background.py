"""Whether labels leave a background: 0 lies around a tumour, and where it does not, the file is coded otherwise."""

import numpy as np
from numpy.typing import NDArray

from afl_core.errors import DataError
from afl_core.volume import Region


def check_background(labels: NDArray[np.generic], *, file: str) -> None:
    """Raise if no voxel is 0, as where labels begin at 1; `file` is for the message.

    Raises:
        DataError: Names the file and the labels.
    """
    if labels.all():
        values = np.unique(labels).tolist()
        raise DataError(
            f"{file} has no voxel of 0, which is the background",
            received=f"labels {', '.join(map(str, values[:8]))}{' ...' if len(values) > 8 else ''}",
            todo="Save labels with 0 for the background",
        )


def check_predicted(labels: NDArray[np.generic], *, file: str) -> None:
    """As `check_background`, where there are several labels: of one it may be a network that calls all tumour."""
    if labels.min() != labels.max():
        check_background(labels, file=file)


def check_reference(labels: NDArray[np.generic], region: Region, *, file: str) -> None:
    """Raise if the labels of a reference cannot be right: they have no background, or the region is inverted.

    A tumour may fill most of a grid that was cut to it, but not reach all corners of it.

    Args:
        labels: The labels of the whole grid, shape (X, Y, Z).
        region: The region that is taken.
        file: Name of the file for the message.

    Raises:
        DataError: Says which.
    """
    check_background(labels, file=file)
    corners = at_corners(labels)
    if (np.isin(corners, region.inside) if region.inside else corners).all():
        raise DataError(
            f"The tumour in {file} fills all eight corners of the grid, as in an inverted mask",
            received=f"labels {', '.join(map(str, np.unique(corners).tolist()))} there",
            todo="Save the tumour as labels above 0, and the background as 0",
        )


def fills_corners(mask: NDArray[np.bool_]) -> bool:
    """Whether a mask holds all eight corners of its grid, as no tumour does, but an inverted mask."""
    return bool(at_corners(mask).all())


def at_corners(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """The eight voxels in the corners of a grid, shape (2, 2, 2)."""
    return array[np.ix_(*[(0, -1)] * 3)]
