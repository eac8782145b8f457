"""MRI-like phantoms of a head on the anatomy of the ICBM 2009 template: tissue maps in, four contrasts out.

The template (ICBM 2009a nonlinear symmetric: T1, grey and white matter) lies beside this module, with its licence.
"""

import lzma
from dataclasses import dataclass
from functools import cache
from importlib import resources
from io import BytesIO
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from afl_core.data.demo.lesion_shapes import EDEMA, ENHANCING, NECROSIS, rotation_matrix
from afl_core.interpolation import resize

Floats = NDArray[np.float64]
Images = NDArray[np.float32]
Maps = NDArray[np.floating]
Bools = NDArray[np.bool_]

SEQUENCES = ("t1", "t1ce", "t2", "flair")

FIELD_OF_VIEW_MM = (160.0, 192.0, 160.0)
"""Holds the head of the template (145 x 181 x 157 mm) after the largest scaling."""

TEMPLATE_CENTRE = (98.0, 117.0, 78.0)
"""Middle of the template's head in voxels of 1 mm."""

TISSUES = {"t1": (0.30, 0.66, 1.00), "t1ce": (0.32, 0.70, 1.00), "t2": (1.10, 0.62, 0.45), "flair": (0.22, 0.74, 0.60)}
"""Signal of fluid, grey and white matter in each sequence, in units of white matter on T1."""

COARSE_MM = 2.0
"""Spacing at which tissue is drawn, the template's own resolution; tumours, edges and noise have the grid's."""

SCANNERS = MappingProxyType({"A": ((1.0, 1.0, 1.0), 0.10, (300, 900)), "B": ((1.15, 0.94, 1.0), 0.20, (1200, 2400))})
"""Look of each scanner: factors of the signal of fluid, grey and white matter, bias field, and range of the scale."""

LESION = {
    NECROSIS: {"t1": 0.45, "t1ce": 0.50, "t2": 1.05, "flair": 0.80},
    ENHANCING: {"t1": 0.62, "t1ce": 1.45, "t2": 0.86, "flair": 1.08},
    EDEMA: {"t1": 0.60, "t1ce": 0.64, "t2": 0.98, "flair": 1.14},
}
"""Signal of the three parts of a tumour at full contrast; the same unit."""


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A head without disease on the demo grid; every array has shape (X, Y, Z).

    Attributes:
        brain: True inside the skull-stripped brain.
        fluid: Fraction of cerebrospinal fluid, 0 to 1.
        grey: Fraction of grey matter.
        white: Fraction of white matter.
        texture: What the template's T1 adds to its tissue fractions, in units of white matter.
        spacing_mm: Edge of the voxels.
    """

    brain: Bools
    fluid: Maps
    grey: Maps
    white: Maps
    texture: Maps
    spacing_mm: float


@dataclass(frozen=True)
class Look:
    """How visible the tumours of a case are.

    Attributes:
        contrast: 0 (same as the tissue around) to 1 (full signal of `LESION`).
        enhancement: 0 to 1, of the enhancing rim on T1ce alone.
        noise: Standard deviation of the noise, in units of white matter on T1.
        scanner: Key of `SCANNERS`.
    """

    contrast: float
    enhancement: float
    noise: float
    scanner: str = "A"


def grid(spacing_mm: float) -> tuple[tuple[int, int, int], Floats]:
    """Shape of the demo grid and its RAS+ affine, origin in the middle."""
    x, y, z = (round(length / spacing_mm) for length in FIELD_OF_VIEW_MM)
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = [-(n - 1) / 2 * spacing_mm for n in (x, y, z)]
    return (x, y, z), affine


def draw_anatomy(rng: np.random.Generator, *, spacing_mm: float) -> Anatomy:
    """Draw a head: the template, flipped by chance, rotated, scaled and smoothly deformed.

    Args:
        rng: Source of the deformation.
        spacing_mm: Edge of the voxels that it is for; those of the anatomy are no smaller than `COARSE_MM`.
    """
    spacing_mm = max(spacing_mm, COARSE_MM)
    shape, affine = grid(spacing_mm)
    rotation = rotation_matrix(np.deg2rad(rng.uniform(-6, 6, size=3)))
    scale = rng.uniform(1.03, 1.15, size=3) * np.array([rng.choice([-1.0, 1.0]), 1.0, 1.0])
    shift = np.array(TEMPLATE_CENTRE) + rng.uniform(-2, 2, size=3)
    axes = np.meshgrid(*[np.arange(n) * spacing_mm + affine[i, 3] for i, n in enumerate(shape)], indexing="ij")
    warped = np.stack([a + 3.0 * smooth_field(rng, shape, knots_mm=36 / spacing_mm) for a in axes])
    where = np.einsum("ij,j...->i...", rotation * scale, warped) + shift[:, None, None, None]
    t1, grey, white = (ndimage.map_coordinates(m, where, output=np.float32, order=1) / 255 for m in _template())
    brain = ndimage.binary_fill_holes(ndimage.binary_opening(t1 > 0.18, iterations=1))
    total = np.maximum(grey + white, 1)
    grey, white = grey / total, white / total
    fluid = 1 - grey - white
    expected = 0.35 * fluid + 0.66 * grey + 0.86 * white
    return Anatomy(np.asarray(brain), fluid, grey, white, t1 - expected, spacing_mm)


def smooth_field(rng: np.random.Generator, shape: tuple[int, ...], *, knots_mm: float) -> Images:
    """Gaussian random field of variance 1 everywhere, with one knot every `knots_mm` voxels; shape as given."""
    bases = []
    for n in shape:
        knots = np.arange(-1.0, n / knots_mm + 2) * knots_mm
        basis = np.exp(-0.5 * ((np.arange(n)[:, None] - knots) / (0.7 * knots_mm)) ** 2)
        bases.append((basis / np.sqrt((basis**2).sum(axis=1, keepdims=True))).astype(np.float32))
    field = rng.standard_normal([b.shape[1] for b in bases], dtype=np.float32)
    for basis in bases:  # contract the first axis, append the long one: three turns restore the order
        field = np.einsum("abc,na->bcn", field, basis)
    return np.ascontiguousarray(field)


def finer(coarse: Maps | Bools, spacing_mm: float) -> Images:
    """A map on the grid of an anatomy, brought onto that of the images by linear interpolation.

    >>> finer(np.ones((80, 96, 80), np.float32), 1.0).shape
    (160, 192, 160)
    """
    return resize(coarse.astype(np.float32), grid(spacing_mm)[0])


def coarser(fine: Bools, shape: tuple[int, ...]) -> Bools:
    """A mask on the grid of the images, brought onto that of an anatomy: the voxels in which any of it lies."""
    coarse = np.zeros(shape, dtype=bool)
    where = np.argwhere(fine)
    sizes = np.array(fine.shape)
    places = np.rint((where - (sizes - 1) / 2) * (np.array(shape) / sizes) + (np.array(shape) - 1) / 2).astype(int)
    coarse[tuple(np.clip(places, 0, np.array(shape) - 1).T)] = True
    return coarse


def brain_of(anatomy: Anatomy, spacing_mm: float) -> Bools:
    """The brain of an anatomy on the grid of the images."""
    return finer(anatomy.brain, spacing_mm) > 0.5


def render(
    rng: np.random.Generator, anatomy: Anatomy, labels: NDArray[np.uint8], *, look: Look, spacing_mm: float
) -> dict[str, NDArray[np.int16]]:
    """Draw the four sequences of a head with tumours.

    Args:
        rng: Source of contrast jitter, distractors, bias field and noise.
        anatomy: The head.
        labels: Shape (X, Y, Z), BraTS labels of the tumours on the grid of the images.
        look: Visibility of the tumours.
        spacing_mm: Edge of the voxels of the images.

    Returns:
        Sequence name to an array of shape (X, Y, Z): exactly 0 outside the brain, at least 1 inside.
    """
    shape, knots_mm = anatomy.brain.shape, 1 / anatomy.spacing_mm
    box = _around(labels > 0, round(5 / spacing_mm))
    sigmas_mm = {label: 2 * rng.uniform(0.55, 0.85) for label in LESION}
    parts = {label: _blur(labels[box] == label, sigma / spacing_mm) for label, sigma in sigmas_mm.items()}
    mottle = finer(1 + 0.18 * smooth_field(rng, shape, knots_mm=8 * knots_mm), spacing_mm)[box]
    tumour = coarser(labels > 0, shape)
    spots, vessels = _spots(rng, anatomy, tumour), _vessels(rng, anatomy, tumour)
    brain = brain_of(anatomy, spacing_mm)
    tissue, bias_strength, scale = SCANNERS[look.scanner]
    images = {}
    for sequence in SEQUENCES:
        fluid, grey, white = np.array(TISSUES[sequence]) * tissue * rng.uniform(0.94, 1.06, size=3)
        image = fluid * anatomy.fluid + grey * anatomy.grey + white * anatomy.white
        image += anatomy.texture * {"t1": 0.7, "t1ce": 0.7, "t2": -0.35, "flair": 0.25}[sequence]
        image *= 1 + 0.03 * smooth_field(rng, shape, knots_mm=7 * knots_mm)
        image += spots * (LESION[EDEMA][sequence] - image)
        image += vessels * {"t1": -0.1, "t1ce": 0.75, "t2": -0.25, "flair": -0.1}[sequence]
        bias = np.exp(bias_strength * smooth_field(rng, shape, knots_mm=60 * knots_mm))
        whole, bias = finer(np.maximum(image, 0.02) * bias, spacing_mm), finer(bias, spacing_mm)[box]
        for label, part in parts.items():
            strength = look.enhancement if label == ENHANCING and sequence == "t1ce" else look.contrast
            whole[box] += part * strength * mottle * (LESION[label][sequence] * bias - whole[box])
        images[sequence] = _scan(rng, whole, brain, noise=look.noise, scale=rng.uniform(*scale))
    return images


def _scan(rng: np.random.Generator, image: Images, brain: Bools, *, noise: float, scale: float) -> NDArray[np.int16]:
    """Rician noise and the scale of the scanner; 0 outside the brain."""
    real, imaginary = noise * rng.standard_normal((2, np.count_nonzero(brain)), dtype=np.float32)
    scanned = np.zeros(brain.shape, dtype=np.int16)
    scanned[brain] = np.maximum(np.rint(np.hypot(image[brain] + real, imaginary) * scale), 1)
    return scanned


def _around(mask: Bools, margin: int) -> tuple[slice, slice, slice]:
    """The box of a mask and a margin."""
    where = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    x, y, z = (slice(max(0, int(of[0]) - margin), int(of[-1]) + margin + 1) for of in where)
    return x, y, z


def _spots(rng: np.random.Generator, anatomy: Anatomy, tumour: Bools) -> Images:
    """Bright spots of white matter that are no tumour (small-vessel disease): 0 to 1, shape (X, Y, Z)."""
    size = anatomy.spacing_mm
    deep = anatomy.fluid * ndimage.binary_erosion(anatomy.brain, iterations=round(18 / size))
    near = ndimage.gaussian_filter(deep, 5 / size)
    allowed = anatomy.brain & (_blur(tumour, 5 / size) < 0.01)
    chance = np.cumsum((anatomy.white**2 * (near + 0.02) * allowed).ravel())
    spots = np.zeros(tumour.shape, dtype=np.float32)
    for index in np.searchsorted(chance, rng.uniform(0, chance[-1], size=rng.integers(4, 13)), side="right"):
        centre = np.array(np.unravel_index(index, tumour.shape))
        radii = np.exp(rng.uniform(np.log(1.6), np.log(5.5))) * rng.uniform(0.75, 1.3, size=3) / size
        low = np.maximum(centre - 10, 0)
        box = tuple(slice(a, a + 21) for a in low)
        offsets = np.indices(spots[box].shape) - (centre - low + rng.uniform(-0.5, 0.5, size=3))[:, None, None, None]
        distance = np.sqrt(((offsets / radii[:, None, None, None]) ** 2).sum(axis=0))
        spots[box] = np.maximum(spots[box], rng.uniform(0.35, 0.95) / (1 + np.exp(6 * (distance - 1))))
    return np.where(allowed, spots, 0).astype(np.float32)


def _vessels(rng: np.random.Generator, anatomy: Anatomy, tumour: Bools) -> Images:
    """Thin winding tubes that take up contrast agent, and nothing else: 0 to 1, shape (X, Y, Z)."""
    size, brain = anatomy.spacing_mm, anatomy.brain
    marks = np.zeros(tumour.shape, dtype=np.float32)
    chance = np.cumsum((brain * (anatomy.fluid + 0.1)).ravel())
    for index in np.searchsorted(chance, rng.uniform(0, chance[-1], size=rng.integers(10, 22)), side="right"):
        steps = rng.integers(15, 60)
        turns = np.cumsum(rng.normal(scale=0.25, size=(steps, 3)), axis=0) + rng.normal(size=3)
        turns /= np.sqrt((turns**2).sum(axis=1, keepdims=True))
        path = np.array(np.unravel_index(index, tumour.shape)) + np.cumsum(turns, axis=0) * 0.8
        x, y, z = np.clip(np.rint(path).astype(int).T, 0, np.array(tumour.shape)[:, None] - 1)
        marks[x, y, z] = np.maximum(marks[x, y, z], rng.uniform(0.4, 1.0))
    tubes = np.minimum(ndimage.gaussian_filter(marks, 0.9 / size) * 3.0, 1.0)
    return np.where(brain & ~tumour, tubes, 0).astype(np.float32)


def _blur(mask: Bools, sigma: float) -> Images:
    """Partial volume: the mask smoothed by a Gaussian of `sigma` voxels."""
    return np.asarray(ndimage.gaussian_filter(mask.astype(np.float32), sigma, truncate=3))


@cache
def _template() -> NDArray[np.uint8]:
    """T1, grey and white matter of the template, 1 mm, 0 to 255, averaged over 2 mm against aliasing."""
    packed = (resources.files(__package__) / "icbm_2009a.npy.xz").read_bytes()
    return np.asarray(np.load(BytesIO(lzma.decompress(packed)), allow_pickle=False))
