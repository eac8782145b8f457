"""Size, form and boundary of one mask, and the smoothness of the A-FL paper's code; see docs/shape.md."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from skimage.measure import inertia_tensor

from afl_core.regions import BoolArray, bounding_box, check_mask, check_spacing, edge_strength, label_lesions
from afl_core.surface_area import area_mm2
from afl_core.volume import Box, Spacing

BLUR_FRACTION = 0.4
"""Standard deviations of the roughness blur over the semi-axes of the lesion."""

LEAST_VOXELS, LEAST_SEMI_AXIS = 100, 1.25
"""Least number of voxels, and least length in voxels of the shortest semi-axis, of a lesion that carries roughness."""

MOST_VOXELS = 2**24
"""Voxels of the box around a lesion from which on its roughness is that of every second voxel each way: the blur takes
80 bytes for each (1.3 GiB), and a lesion of 256x256x256 voxels shows its boundary as well with half of them."""


SMALL = 512
"""Voxels of a box up to which lesions are looked up by their form: noise has 300,000 of them, of 13,000 forms."""

Values = tuple[int, float, float, float]
"""Voxels, area in mm2, elongation and roughness of a lesion."""


@dataclass(frozen=True)
class Shape:
    """Size, form and boundary of a mask.

    Form and roughness belong to a lesion. For several, each is the mean over the lesions weighted by volume: two round
    lesions are round, wherever they lie.

    Attributes:
        volume_ml: Volume of the mask in ml; 0 when empty.
        n_components: Number of lesions (26-connected); 0 when empty.
        surface_area_mm2: Bias-corrected area of the surface (`surface_area_mm2`); 0 when empty.
        roughness: Mean of `lesion_roughness`, over the lesions that can carry it; NaN when none can, or when empty.
        sphericity: Area of the sphere of equal volume over the area, pi^(1/3) (6 V)^(2/3) / A: 1 is a sphere; NaN when
            empty. An estimate above 1 is set to 1. Source: IBSI, sphericity (QCFX).
        compactness: 36 pi V^2 / A^3, the cube of a lesion's sphericity: 1 is a sphere; NaN when empty. Source: IBSI,
            compactness 2 (BQWJ).
        elongation: Second over first principal axis, sqrt(lambda_minor / lambda_major): 1 is not elongated, near 0 is
            very elongated; NaN when empty. The voxels are boxes in mm, so one voxel has a value. Source: IBSI,
            elongation (Q3CK), and PyRadiomics, which take the voxels as points.
        released_smoothness: `released_smoothness`, the gamma_mSa of the A-FL paper's code; 0 when empty.
        lesion_roughness: `lesion_roughness` of each lesion, in the order of `label_lesions` (and so of `lesion_id`).
        lesion_ml: Volume of each lesion, in the same order.
    """

    volume_ml: float
    n_components: int
    surface_area_mm2: float
    roughness: float
    sphericity: float
    compactness: float
    elongation: float
    released_smoothness: float
    lesion_roughness: tuple[float, ...]
    lesion_ml: tuple[float, ...]

    def as_dict(self) -> dict[str, float]:
        """The descriptors as a table row; without what belongs to the lesion rows."""
        return {field.name: getattr(self, field.name) for field in fields(self) if not field.name.startswith("lesion_")}


def describe(mask: BoolArray, *, spacing_mm: Spacing, within: Box | None = None) -> Shape:
    """Describe size, form and boundary of a mask.

    Args:
        mask: Boolean, shape (X, Y, Z), any memory order.
        spacing_mm: Voxel edge lengths along X, Y, Z.
        within: Part of the grid that holds every True voxel; None is all of it.

    Returns:
        The descriptors; an empty mask has volume, area and released smoothness 0, and NaN for the others.

    Raises:
        GeometryError: If the mask is not a boolean 3-D array, or the spacing is not positive.

    >>> shape = describe(np.ones((10, 10, 10), bool), spacing_mm=(1, 1, 1))
    >>> shape.volume_ml, shape.n_components, round(shape.surface_area_mm2), shape.elongation
    (1.0, 1, 532, 1.0)
    """
    check_mask(mask, "mask")
    check_spacing(spacing_mm)
    box = bounding_box(mask, within)
    if box is None:
        return Shape(0.0, 0, 0.0, math.nan, math.nan, math.nan, math.nan, 0.0, (), ())
    known: dict[object, Values] = {}
    measured = np.array([_described(lesion, spacing_mm, known) for lesion in _lesions(mask[box])], dtype=np.float64)
    voxels, areas_mm2, elongation, by_lesion = measured.T
    volumes_mm3 = voxels * math.prod(spacing_mm)
    sphericity = np.minimum(math.pi ** (1 / 3) * (6 * volumes_mm3) ** (2 / 3) / areas_mm2, 1)
    return Shape(
        volume_ml=float(volumes_mm3.sum()) / 1000,
        n_components=len(measured),
        surface_area_mm2=float(areas_mm2.sum()),  # no neighbours in two lesions, so no crossing is counted twice
        roughness=_mean(by_lesion, volumes_mm3),
        sphericity=_mean(sphericity, volumes_mm3),
        compactness=_mean(sphericity**3, volumes_mm3),
        elongation=_mean(elongation, volumes_mm3),
        released_smoothness=released_smoothness(mask, within=box),
        lesion_roughness=tuple(by_lesion.tolist()),
        lesion_ml=tuple((volumes_mm3 / 1000).tolist()),
    )


def _described(lesion: BoolArray, spacing_mm: Spacing, known: dict[object, Values]) -> Values:
    """Voxels, area, elongation and roughness of a lesion; small ones are all alike, and are measured once."""
    key: object = (lesion.shape, lesion.tobytes()) if lesion.size <= SMALL else None
    if key is None or key not in known:
        values = (area_mm2(lesion, spacing_mm), _elongation(lesion, spacing_mm), _roughness(lesion, spacing_mm))
        known[key] = (int(np.count_nonzero(lesion)), *values)
    return known[key]


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
    if box is None:
        return math.nan
    lesions = list(_lesions(mask[box]))
    sizes = np.array([np.count_nonzero(lesion) for lesion in lesions])
    return _mean(np.array([_roughness(lesion, spacing_mm) for lesion in lesions]), sizes)


def lesion_roughness(mask: BoolArray, *, spacing_mm: Spacing) -> float:
    """Roughness of the boundary of one lesion, whatever its size and elongation: 0 is smooth, 1 all boundary.

    The part of the lesion that moves when it is made smooth: 1 - DSC(lesion, smoothed lesion). Smoothing blurs the mask
    with a Gaussian whose axes are 0.4 of those of the ellipsoid with the same second moments, and keeps the highest
    values, as many voxels as before. An ellipsoid stays what it is: up to 0.025 at 1 mm; 0.09 on 3 mm slices,
    0.04 from 5 ml. Bumps of relative amplitude a, 4 to 8 around the equator, give about 0.8 a; details finer than a
    voxel are not in the mask. Source: this project.

    Args:
        mask: Boolean, shape (X, Y, Z), one lesion; outside the array counts as background.
        spacing_mm: Voxel edge lengths along X, Y, Z.

    Returns:
        Roughness in [0, 1]; NaN for an empty mask and for a lesion too small or too thin to carry it: below 100 voxels
        (0.1 ml at 1 mm, 0.075 ml at 0.5x0.5x3 mm), or a shortest axis of less than 2.5 voxels (about two slices).

    Raises:
        GeometryError: If the mask is not a boolean 3-D array, or the spacing is not positive.
    """
    check_mask(mask, "mask")
    check_spacing(spacing_mm)
    box = bounding_box(mask)
    return math.nan if box is None else _roughness(mask[box], spacing_mm)


def released_smoothness(mask: BoolArray, *, within: Box | None = None) -> float:
    """The "mean surface smoothness" gamma_mSa as the A-FL paper's code computes it: mean of |grad(mask)|.

    The gradient is by central differences at unit spacing (`numpy.gradient`), the mean over the whole array, so the
    value is about the surface area over the number of voxels: it grows with the tumour and shrinks with the field of
    view. It says nothing about roughness. Source: facts on arXiv 2407.09828 and its code, AFL-CIBM.

    Args:
        mask: Boolean, shape (X, Y, Z). An axis of one voxel has no gradient.
        within: Part of the grid that holds every True voxel; None is all of it.

    Returns:
        The mean; 0 for an empty and for a full mask.
    """
    return float(edge_strength(mask, within).sum(dtype=np.float64) / mask.size)


def _lesions(crop: BoolArray) -> Iterator[BoolArray]:
    """Each lesion of a mask that is not empty, cropped to itself, in the order of `label_lesions`."""
    labels, _ = label_lesions(crop)
    for k, part in enumerate(ndimage.find_objects(labels), start=1):
        yield labels[part] == k


def _mean(by_lesion: NDArray[np.float64], weights: NDArray[np.float64] | NDArray[np.int64]) -> float:
    known = ~np.isnan(by_lesion)
    return float(np.average(by_lesion[known], weights=weights[known])) if known.any() else math.nan


def _second_moments(lesion: BoolArray, spacing_mm: Spacing) -> NDArray[np.float64]:
    """Covariance of the positions in a lesion in mm2, shape (3, 3); the voxels are boxes, not points."""
    inertia = inertia_tensor(lesion, spacing=spacing_mm)
    return np.asarray(np.trace(inertia) / 2 * np.eye(3) - inertia + np.diag(np.square(spacing_mm)) / 12)


def _elongation(lesion: BoolArray, spacing_mm: Spacing) -> float:
    _, minor, major = np.linalg.eigvalsh(_second_moments(lesion, spacing_mm))
    return math.sqrt(minor / major)


def _roughness(lesion: BoolArray, spacing_mm: Spacing) -> float:
    """Roughness of one non-empty lesion that fills its array."""
    if np.count_nonzero(lesion) < LEAST_VOXELS:
        return math.nan
    while lesion.size > MOST_VOXELS:
        x, y, z = spacing_mm
        lesion, spacing_mm = lesion[::2, ::2, ::2], (2 * x, 2 * y, 2 * z)
    size = int(np.count_nonzero(lesion))
    squares = 5 * _second_moments(lesion, spacing_mm)  # a solid ellipsoid with semi-axis a has the moment a^2 / 5
    if np.linalg.eigvalsh(squares / np.outer(spacing_mm, spacing_mm))[0] < LEAST_SEMI_AXIS**2:
        return math.nan
    covariance = BLUR_FRACTION**2 * squares
    reach = [math.ceil(2 * math.sqrt(covariance[i, i]) / spacing_mm[i]) + 1 for i in range(3)]
    padded = np.pad(lesion, [(n, n) for n in reach])
    blurred = _blur(padded, covariance, spacing_mm).round(5)  # so that mirrored voxels stay equal
    smooth = blurred >= np.partition(blurred.ravel(), -size)[-size]
    return 1 - 2 * int(np.count_nonzero(smooth & padded)) / (size + int(np.count_nonzero(smooth)))


def _blur(mask: BoolArray, covariance: NDArray[np.float64], spacing_mm: Spacing) -> NDArray[np.float32]:
    """The mask convolved with a Gaussian of this covariance in mm2, whose axes need not be those of the array."""
    shape = [fft.next_fast_len(n, real=True) for n in mask.shape]
    waves = [2 * np.pi * fft.fftfreq(n, s).astype(np.float32) for n, s in zip(shape, spacing_mm, strict=True)]
    k = np.ix_(waves[0], waves[1], waves[2][: shape[2] // 2 + 1])
    power = sum(np.float32(covariance[i, j]) * (k[i] * k[j]) for i, j in product(range(3), repeat=2))
    spectrum = fft.rfftn(mask.astype(np.float32), shape) * np.exp(-power / 2)
    return np.asarray(fft.irfftn(spectrum, shape)[tuple(slice(n) for n in mask.shape)])
