"""Where a mask is: its bounding box, its lesions, and the checks that every measurement starts with."""

import math

import cc3d
import numpy as np
from numpy.typing import NDArray

from afl_core.base.jit import jit
from afl_core.errors import GeometryError
from afl_core.volume import Box, Spacing

BoolArray = NDArray[np.bool_]


def check_mask(mask: BoolArray, name: str) -> None:
    """Raise unless `mask` is a boolean array (X, Y, Z) without an empty axis.

    Raises:
        GeometryError: If it is anything else.
    """
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        kind = getattr(mask, "dtype", type(mask).__name__)
        todo = "Turn labels into a mask first, for example with labels > 0"
        raise GeometryError(f"The {name} must be a boolean NumPy array", received=kind, todo=todo)
    if mask.ndim != 3 or 0 in mask.shape:
        raise GeometryError(f"The {name} must have three non-empty axes (X, Y, Z)", received=mask.shape)


def check_spacing(spacing_mm: Spacing) -> None:
    """Raise unless `spacing_mm` is three positive, finite numbers.

    Raises:
        GeometryError: If it is anything else.
    """
    if len(spacing_mm) != 3 or not all(math.isfinite(s) and s > 0 for s in spacing_mm):
        raise GeometryError("The spacing must be three positive, finite lengths in mm", received=spacing_mm)


def foreground(array: NDArray[np.generic]) -> BoolArray:
    """Voxels that differ from the constant background, read off the eight corners of the image.

    Skull-stripped images have 0 outside, z-scored ones a negative constant. An image without a constant background
    (its corners differ) is all foreground.

    Args:
        array: Shape (X, Y, Z).

    Returns:
        Boolean, same shape.
    """
    corners = array[np.ix_(*[(0, -1)] * 3)]
    if (corners == corners[0, 0, 0]).all():
        return np.asarray(array != corners[0, 0, 0])
    return np.ones(array.shape, dtype=np.bool_)


def bounding_box(mask: BoolArray, within: Box | None = None) -> Box | None:
    """Smallest box around the True voxels of `mask` (X, Y, Z), looked for in a part of it; None when it is empty.

    >>> mask = np.zeros((5, 5, 5), bool); mask[1, 2, 3] = mask[3, 2, 3] = True
    >>> bounding_box(mask)
    (slice(1, 4, None), slice(2, 3, None), slice(3, 4, None))
    """
    if within is not None:
        box = bounding_box(mask[within])
        return None if box is None else inner_box(within, box)
    axes = sorted(range(3), key=lambda axis: -abs(mask.strides[axis]))
    steps = [-1 if mask.strides[axis] < 0 else 1 for axis in axes]
    forward = tuple(slice(None, None, step) for step in steps)
    memory = mask.transpose(axes)[forward]  # as it lies in memory: several times as fast to pass over
    plane = np.any(memory, axis=0)  # the one pass over the whole array
    if not plane.any():
        return None
    second, third = _extent(np.any(plane, axis=1)), _extent(np.any(plane, axis=0))
    first = _extent(np.any(memory[:, second, third], axis=(1, 2)))
    extents = dict(zip(axes, (first, second, third), strict=True))
    for axis, step in zip(axes, steps, strict=True):
        if step < 0:
            n, end = mask.shape[axis], extents[axis]
            extents[axis] = slice(n - end.stop, n - end.start)
    return extents[0], extents[1], extents[2]


def crop(mask: BoolArray, box: Box) -> BoolArray:
    """The part of a mask in a box, in C order; NIfTI files give the other, whose copy by NumPy takes longer.

    >>> crop(np.ones((4, 4, 4), bool, order="F"), (slice(1, 4), slice(0, 4), slice(3, 4))).shape
    (3, 4, 1)
    """
    part = mask[box]
    if abs(part.strides[0]) >= abs(part.strides[2]):
        return np.ascontiguousarray(part)
    copy = np.zeros(part.shape, np.bool_)
    jit(_copy_true)(part.T, copy.T)
    return copy


def inner_box(outer: Box, box: Box) -> Box:
    """A box that is counted from the corner of another, on the grid of that other."""
    x, y, z = (slice(a.start + b.start, a.start + b.stop) for a, b in zip(outer, box, strict=True))
    return x, y, z


def union_box(first: Box, second: Box) -> Box:
    """Smallest box around two boxes."""
    x, y, z = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return x, y, z


def label_lesions(mask: BoolArray) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Number the lesions (26-connected components) of a mask 1, 2, ... from the largest to the smallest.

    Equal sizes keep cc3d's order (first voxel met), so the same mask always gives the same numbers.

    Args:
        mask: Shape (X, Y, Z); crop it to its bounding box first where speed matters.

    Returns:
        The labels, shape (X, Y, Z), 0 outside; and the size of each lesion in voxels, none when the mask is empty.
    """
    thin = min(mask.shape) < 4  # cc3d 4.1.1 makes room for size/4 + 1 labels: too few for 3x1x1 or 3x3x3 checkerboards
    array = np.pad(mask, (0, 1)) if thin else np.ascontiguousarray(mask)
    labels, n = cc3d.connected_components(array, connectivity=26, return_N=True, out_dtype=np.uint32)
    if thin:
        labels = np.ascontiguousarray(labels[:-1, :-1, :-1])
    if n < 2:
        return labels, np.full(n, np.count_nonzero(mask))
    inside = np.flatnonzero(mask)  # far fewer than all voxels
    numbers = labels.ravel()[inside]
    sizes = np.bincount(numbers, minlength=n + 1)[1:]
    order = np.argsort(-sizes, kind="stable")
    rank = np.zeros(n + 1, dtype=np.uint32)
    rank[order + 1] = np.arange(1, n + 1)
    np.put(labels, inside, rank[numbers])
    return labels, sizes[order]


def _copy_true(part: BoolArray, copy: BoolArray) -> None:
    """Set what is True, read as it lies in memory: few voxels are, and only these are far apart in the copy."""
    for z in range(part.shape[0]):
        for y in range(part.shape[1]):
            for x in range(part.shape[2]):
                if part[z, y, x]:
                    copy[z, y, x] = True


def _extent(line: BoolArray) -> slice:
    inside = np.flatnonzero(line)
    return slice(int(inside[0]), int(inside[-1]) + 1)


_STRENGTHS = np.sqrt(np.arange(13) / 4).astype(np.float32)
"""Length of a gradient by quarters of its square."""


def edge_strength(mask: BoolArray, within: Box | None = None) -> NDArray[np.float32]:
    """|grad(mask)| by central differences of unit spacing, as the paper's code takes it, where it is not 0.

    Args:
        mask: Shape (X, Y, Z); an axis of one voxel has no gradient.
        within: Part of the grid that holds every True voxel; None is all of it.

    Returns:
        The values around the tumour alone, 0 among them; shape (0, 0, 0) for an empty mask.

    >>> edge_strength(np.pad(np.ones((1, 1, 1), bool), 2)).sum().item()
    3.0
    """
    box = bounding_box(mask, within)
    if box is None:
        return np.zeros((0, 0, 0), np.float32)
    near = tuple(slice(max(side.start - 2, 0), side.stop + 2) for side in box)
    crop = mask[near].view(np.uint8)
    quarters = np.zeros(crop.shape, np.uint8)  # of the squared gradient: 1 across two voxels, 4 at a border of the grid
    for axis in (axis for axis in range(3) if mask.shape[axis] > 1):
        line, found = np.moveaxis(crop, axis, 0), np.moveaxis(quarters, axis, 0)
        found[1:-1] += line[2:] ^ line[:-2]
        found[0] += 4 * (line[1] ^ line[0])
        found[-1] += 4 * (line[-1] ^ line[-2])
    return _STRENGTHS[quarters]
