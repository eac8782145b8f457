"""Size and boundary of one mask: volume, surface area, roughness, and the smoothness of the A-FL paper's code."""

import math
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import product

import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from afl_core.regions import BoolArray, bounding_box, check_mask, check_spacing, label_lesions
from afl_core.volume import Spacing

BALL_FRACTION = 0.3
"""Radius of the roughness ball over the radius of the sphere of equal volume."""

_OFFSETS = np.array([step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0)])
"""The 13 directions from a voxel to its neighbours, one of each opposite pair."""


@dataclass(frozen=True)
class Shape:
    """Size and boundary descriptors of a mask.

    Attributes:
        volume_ml: Volume; 0 when empty.
        n_components: Number of lesions (26-connected); 0 when empty.
        surface_area_mm2: Bias-corrected area of the surface (`surface_area_mm2`); 0 when empty.
        roughness: Mean of `lesion_roughness` over the lesions that can carry it, weighted by volume, in [0, 1];
            NaN when none can, or when empty.
        released_smoothness: `released_smoothness`, the gamma_mSa of the A-FL paper's code; 0 when empty.
        lesion_roughness: `lesion_roughness` of each lesion, in the order of `label_lesions` (and so of `lesion_id`).
    """

    volume_ml: float
    n_components: int
    surface_area_mm2: float
    roughness: float
    released_smoothness: float
    lesion_roughness: tuple[float, ...]

    def as_dict(self) -> dict[str, float]:
        """The descriptors as a table row; without `lesion_roughness`, which belongs to the lesion rows."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "lesion_roughness"}


def describe(mask: BoolArray, *, spacing_mm: Spacing) -> Shape:
    """Describe the size and the boundary of a mask.

    Args:
        mask: Boolean, shape (X, Y, Z), any memory order.
        spacing_mm: Voxel edge lengths along X, Y, Z.

    Returns:
        The descriptors; an empty mask has volume, area and released smoothness 0, and roughness NaN.

    Raises:
        GeometryError: If the mask is not a boolean 3-D array, or the spacing is not positive.

    >>> shape = describe(np.ones((10, 10, 10), bool), spacing_mm=(1, 1, 1))
    >>> shape.volume_ml, shape.n_components, round(shape.surface_area_mm2)
    (1.0, 1, 524)
    """
    check_mask(mask, "mask")
    check_spacing(spacing_mm)
    box = bounding_box(mask)
    if box is None:
        return Shape(0.0, 0, 0.0, math.nan, 0.0, ())
    crop = np.ascontiguousarray(mask[box])
    by_lesion, sizes = _roughness_by_lesion(crop, spacing_mm)
    return Shape(
        volume_ml=int(sizes.sum()) * math.prod(spacing_mm) / 1000,
        n_components=len(sizes),
        surface_area_mm2=_area_mm2(crop, spacing_mm),
        roughness=_mean_roughness(by_lesion, sizes),
        released_smoothness=released_smoothness(mask),
        lesion_roughness=tuple(by_lesion.tolist()),
    )


def roughness(mask: BoolArray, *, spacing_mm: Spacing) -> float:
    """The roughness that `describe` gives, alone.

    Args:
        mask: Boolean, shape (X, Y, Z), any number of lesions.
        spacing_mm: Voxel edge lengths along X, Y, Z.

    Returns:
        Mean over the lesions, weighted by volume; NaN when none can carry roughness, or when empty.

    Raises:
        GeometryError: If the mask is not a boolean 3-D array, or the spacing is not positive.
    """
    check_mask(mask, "mask")
    check_spacing(spacing_mm)
    box = bounding_box(mask)
    return math.nan if box is None else _mean_roughness(*_roughness_by_lesion(mask[box], spacing_mm))


def lesion_roughness(mask: BoolArray, *, spacing_mm: Spacing) -> float:
    """Roughness of the boundary of one lesion, whatever its size: 0 is smooth, 1 is nothing but boundary.

    One minus the open/close ratio |opening(M)| / |closing(M)| with a ball whose radius is 0.3 of that of the sphere of
    equal volume: the part of the lesion that is bump or dent at that scale. Voxels are bumps too: smooth ellipsoids
    give up to 0.02 from 5 ml and 0.06 at 0.3 ml at 1 mm; on 3 mm slices up to 0.09 below 10 ml. Source: this project.

    Args:
        mask: Boolean, shape (X, Y, Z), one lesion; outside the array counts as background.
        spacing_mm: Voxel edge lengths along X, Y, Z.

    Returns:
        Roughness in [0, 1]; NaN for a lesion too small to carry it (ball radius below one voxel, taken as the
        geometric mean of the spacing: 0.155 ml at 1 mm) and for an empty mask.

    Raises:
        GeometryError: If the mask is not a boolean 3-D array, or the spacing is not positive.
    """
    check_mask(mask, "mask")
    check_spacing(spacing_mm)
    box = bounding_box(mask)
    return math.nan if box is None else _roughness(mask[box], spacing_mm)


def released_smoothness(mask: BoolArray) -> float:
    """The "mean surface smoothness" gamma_mSa as the A-FL paper's code computes it: mean of |grad(mask)|.

    The gradient is by central differences at unit spacing (`numpy.gradient`), the mean over the whole array, so the
    value is about the surface area over the number of voxels: it grows with the tumour and shrinks with the field of
    view. It says nothing about roughness. Source: facts on arXiv 2407.09828 and its code, AFL-CIBM.

    Args:
        mask: Boolean, shape (X, Y, Z). An axis of one voxel has no gradient.

    Returns:
        The mean; 0 for an empty and for a full mask.
    """
    box = bounding_box(mask)
    if box is None:
        return 0.0
    with_margin = tuple(slice(max(side.start - 2, 0), side.stop + 2) for side in box)
    crop = mask[with_margin].astype(np.float32)  # halves and quarters: exact
    squared = sum(np.gradient(crop, axis=axis) ** 2 for axis in range(3) if mask.shape[axis] > 1)
    return float(np.sqrt(squared).sum(dtype=np.float64) / mask.size)


def surface_area_mm2(mask: BoolArray, *, spacing_mm: Spacing) -> float:
    """Area of the surface of a mask, estimated without the bias of voxel faces or of marching cubes.

    Counts how often lines in the 13 neighbour directions cross the surface (Crofton's formula), each direction
    weighted by its share of all directions in mm. Spheres from 1 ml are within 2 % at 1 mm and at 0.5x0.5x3 mm, other
    ellipsoids within 1 % and 8 %; marching cubes on a binary sphere is 8.5 % and 16 % too high. Not meant for boxes: a
    flat face along the grid comes out 7 % low, and a sharp edge is cut. Source: Legland, Kieu and Devaux, Image
    Analysis and Stereology 26 (2007) 83.

    Args:
        mask: Boolean, shape (X, Y, Z); where it meets the border of the array it is closed by a surface.
        spacing_mm: Voxel edge lengths along X, Y, Z.

    Returns:
        Area in mm2; 0 for an empty mask.

    Raises:
        GeometryError: If the mask is not a boolean 3-D array, or the spacing is not positive.
    """
    check_mask(mask, "mask")
    check_spacing(spacing_mm)
    box = bounding_box(mask)
    return 0.0 if box is None else _area_mm2(mask[box], spacing_mm)


def _area_mm2(mask: BoolArray, spacing_mm: Spacing) -> float:
    padded = np.pad(mask, 1)
    area = 0.0
    for offset, weight in zip(_OFFSETS, _crossing_areas_mm2(spacing_mm), strict=True):
        here = tuple(slice(max(-step, 0), n - max(step, 0)) for step, n in zip(offset, padded.shape, strict=True))
        there = tuple(slice(max(step, 0), n - max(-step, 0)) for step, n in zip(offset, padded.shape, strict=True))
        area += weight * np.count_nonzero(padded[here] ^ padded[there])
    return float(area)


@lru_cache(maxsize=256)
def _crossing_areas_mm2(spacing_mm: Spacing) -> NDArray[np.float64]:
    """Surface area that one crossing stands for, by direction: twice its share times the area per line."""
    steps = _OFFSETS * np.array(spacing_mm)
    lengths = np.linalg.norm(steps, axis=1)
    k = np.arange(10_000) + 0.5  # directions spread evenly over the sphere (Fibonacci lattice)
    z, turn = 1 - 2 * k / k.size, math.pi * (1 + math.sqrt(5)) * k
    sphere = np.column_stack([np.cos(turn) * np.sqrt(1 - z * z), np.sin(turn) * np.sqrt(1 - z * z), z])
    nearest = np.abs(sphere @ (steps / lengths[:, None]).T).argmax(axis=1)
    share = np.bincount(nearest, minlength=len(steps)) / k.size
    return np.asarray(2 * share * math.prod(spacing_mm) / lengths)


def _roughness(lesion: BoolArray, spacing_mm: Spacing) -> float:
    """Roughness of one non-empty lesion that fills its array."""
    volume_mm3 = int(np.count_nonzero(lesion)) * math.prod(spacing_mm)
    radius_mm = BALL_FRACTION * (volume_mm3 * 3 / (4 * math.pi)) ** (1 / 3)
    if radius_mm < math.prod(spacing_mm) ** (1 / 3):
        return math.nan
    opened = _dilate(~_dilate(~np.pad(lesion, 1), radius_mm, spacing_mm), radius_mm, spacing_mm)
    reach = [(math.ceil(radius_mm / s) + 1,) * 2 for s in spacing_mm]
    closed = ~_dilate(~_dilate(np.pad(lesion, reach), radius_mm, spacing_mm), radius_mm, spacing_mm)
    return 1 - int(np.count_nonzero(opened)) / int(np.count_nonzero(closed))


def _roughness_by_lesion(crop: BoolArray, spacing_mm: Spacing) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Roughness and number of voxels of each lesion of a mask that is not empty."""
    labels, sizes = label_lesions(crop)
    parts = enumerate(ndimage.find_objects(labels), start=1)
    return np.array([_roughness(labels[part] == k, spacing_mm) for k, part in parts]), sizes


def _mean_roughness(by_lesion: NDArray[np.float64], sizes: NDArray[np.int64]) -> float:
    carrying = ~np.isnan(by_lesion)
    return float(np.average(by_lesion[carrying], weights=sizes[carrying])) if carrying.any() else math.nan


def _dilate(mask: BoolArray, radius_mm: float, spacing_mm: Spacing) -> BoolArray:
    """Voxels within the radius of a True voxel of the mask."""
    within: BoolArray = edt.edt(~mask, anisotropy=spacing_mm, parallel=1) <= radius_mm
    return within
