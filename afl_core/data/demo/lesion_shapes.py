"""Geometry of synthetic lesions: star-shaped blobs of known volume and boundary roughness, placed apart in a brain.

A blob is the set of points x with |x - c| < r0 (1 + a f(u)), u the direction of x - c, after an ellipsoidal stretch of
determinant 1. f is a band-limited random field on the sphere with mean 0 and variance 1, so that the amplitude a alone
sets the roughness, whatever the size; r0 follows from the volume.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

WAVES = 64
WAVE_NUMBERS = (4.5, 8.0)
"""Range of wave numbers on the unit sphere: 4 to 8 bumps around the equator."""

RADIUS_LIMITS = (0.3, 1.9)
"""Bounds of 1 + a f(u), so that a blob has neither a hole nor a needle."""

AXIS_RATIO = 1.25
"""Largest factor by which an axis of the ellipsoid is stretched before the determinant is set to 1."""

CORE_RADIUS, RIM_RADIUS = 0.45, 0.72
"""Outer radius of the necrotic core and of the enhancing rim, as fractions of the radius of the whole tumour."""

NECROSIS, EDEMA, ENHANCING = 1, 2, 4
"""Labels of BraTS 2018; label 3 is not used there."""

CANDIDATES = 120
INSIDE_FRACTION, LEAST_INSIDE_FRACTION = 0.97, 0.8
MARGIN_MM = 6.0


@dataclass(frozen=True, eq=False)
class Blob:
    """A star-shaped solid centred at the origin.

    Attributes:
        volume_ml: Volume of the continuous solid.
        amplitude: Standard deviation of the radius over the directions, relative to its mean; 0 is an ellipsoid.
        stretch: Shape (3, 3), determinant 1; takes millimetres to the space in which the solid is star-shaped.
        waves: Shape (WAVES, 3), wave vectors of f.
        phases: Shape (WAVES,), in radians.
        moments: Mean and standard deviation of the raw sum of waves over the sphere.
    """

    volume_ml: float
    amplitude: float
    stretch: Floats
    waves: Floats
    phases: Floats
    moments: tuple[float, float]

    @property
    def radius_mm(self) -> float:
        """r0, from the volume of a star-shaped solid: r0^3 / 3 times the integral of (1 + a f)^3 over the sphere."""
        mean_cube = float((self.profile(_sphere()) ** 3).mean())
        return float((self.volume_ml * 1000 * 3 / (4 * np.pi * mean_cube)) ** (1 / 3))

    def profile(self, directions: Floats) -> Floats:
        """1 + a f for unit vectors of shape (..., 3); shape (...)."""
        mean, deviation = self.moments
        field = (_waves(directions, self.waves, self.phases) - mean) / deviation
        return np.clip(1 + self.amplitude * field, *RADIUS_LIMITS)

    def depth(self, spacing_mm: float) -> Floats:
        """Relative radius |x| / R(u) on a cubic grid around the centre: below 1 inside, 0 at the centre.

        Args:
            spacing_mm: Edge of the voxels.

        Returns:
            Shape (2h + 1, 2h + 1, 2h + 1), h enough for the solid and one voxel more.
        """
        reach_mm = self.radius_mm * float(self.profile(_sphere()).max()) * AXIS_RATIO**1.5
        half = int(np.ceil(reach_mm / spacing_mm)) + 1
        axis = np.arange(-half, half + 1) * spacing_mm
        points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"))
        x, y, z = np.einsum("jxyz,ij->ixyz", points, self.stretch.T)
        across = np.hypot(x, y)
        # The profile is even enough to be looked up: it has 8 waves around at most, and a value every second degree.
        polar, around = np.linspace(0, np.pi, 91), np.linspace(-np.pi, np.pi, 181)
        sine = np.sin(polar)[:, None]
        directions = [sine * np.cos(around), sine * np.sin(around), np.cos(polar)[:, None] + 0 * around]
        where = np.stack([np.arctan2(across, z) * (90 / np.pi), (np.arctan2(y, x) + np.pi) * (90 / np.pi)])
        profile = ndimage.map_coordinates(self.profile(np.stack(directions, axis=-1)), where, order=1, mode="nearest")
        return np.asarray(np.hypot(across, z) / (self.radius_mm * profile))


def draw_blob(rng: np.random.Generator, *, volume_ml: float, amplitude: float) -> Blob:
    """Draw orientation, elongation and surface of a blob; volume and amplitude are given."""
    waves = rng.normal(size=(WAVES, 3))
    waves *= (rng.uniform(*WAVE_NUMBERS, size=WAVES) / np.sqrt((waves**2).sum(axis=1)))[:, None]
    phases = rng.uniform(0, 2 * np.pi, size=WAVES)
    axes = np.exp(rng.uniform(-np.log(AXIS_RATIO), np.log(AXIS_RATIO), size=3))
    axes /= np.prod(axes) ** (1 / 3)
    rotation = rotation_matrix(rng.uniform(-np.pi, np.pi, size=3))
    stretch = np.einsum("ij,j,kj->ik", rotation, 1 / axes, rotation)
    raw = _waves(_sphere(), waves, phases)
    return Blob(volume_ml, amplitude, stretch, waves, phases, (float(raw.mean()), float(raw.std())))


def rotation_matrix(angles: Floats) -> Floats:
    """Rotation about X, then Y, then Z by angles in radians; shape (3, 3)."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    return np.array(
        [
            [cy * cz, sx * sy * cz - cx * sz, cx * sy * cz + sx * sz],
            [cy * sz, sx * sy * sz + cx * cz, cx * sy * sz - sx * cz],
            [-sy, sx * cy, cx * cy],
        ]
    )


@dataclass(frozen=True, eq=False)
class Placed:
    """A blob on the grid of a brain.

    Attributes:
        depth: Relative radius of each voxel of a box around it; infinite where it may not lie.
        box: Where the box is in the grid.
        voxel_ml: Volume of a voxel.
        volume_ml: Volume at which the relative radius is 1.
    """

    depth: Floats
    box: tuple[slice, slice, slice]
    voxel_ml: float
    volume_ml: float

    def labels(self, volume_ml: float) -> NDArray[np.uint8]:
        """Nested BraTS 2018 labels of the box, for a volume of at most `volume_ml`; 0 outside.

        The voxels are those of smallest relative radius, as many as the volume needs: where the edge of the brain cuts
        off a little, the rest grows by as much.
        """
        kept = _closest(self.depth, max(1, round(volume_ml / self.voxel_ml)))
        radius = (volume_ml / self.volume_ml) ** (1 / 3)
        limits = (kept < CORE_RADIUS * radius, kept < RIM_RADIUS * radius, np.isfinite(kept))
        return np.select(limits, (NECROSIS, ENHANCING, EDEMA), default=0).astype(np.uint8)


def find_room(
    rng: np.random.Generator, blob: Blob, *, free: Bools, likelihood: NDArray[np.floating], spacing_mm: float
) -> tuple[int, int, int] | None:
    """The centre of a blob in the free part of a brain.

    Args:
        rng: Source of the candidate centres.
        blob: Lesion shape to place.
        free: Shape (X, Y, Z), voxels that the lesion may take.
        likelihood: Shape (X, Y, Z), relative density of centres; 0 where none may lie.
        spacing_mm: Edge of the voxels.

    Returns:
        The first of `CANDIDATES` centres at which at least `INSIDE_FRACTION` of the solid is free, or else the best
        one; None if even there less than `LEAST_INSIDE_FRACTION` is.
    """
    solid = blob.depth(spacing_mm) < 1
    room = np.pad(free, solid.shape[0] // 2)
    chance = np.cumsum((likelihood * free).ravel(), dtype=np.float64)
    draws = np.searchsorted(chance, rng.uniform(0, chance[-1], size=CANDIDATES), side="right")
    centre, inside = _best_corner(room, solid, np.stack(np.unravel_index(draws, free.shape), axis=1))
    return None if inside < LEAST_INSIDE_FRACTION else centre


def place_blob(blob: Blob, centre: tuple[int, int, int], *, free: Bools, spacing_mm: float) -> Placed | None:
    """The blob around a voxel of a grid; None where fewer voxels are free than its volume needs.

    Args:
        blob: Lesion shape to place.
        centre: Voxel of its centre.
        free: Shape (X, Y, Z), voxels that the lesion may take.
        spacing_mm: Edge of the voxels.
    """
    depth = blob.depth(spacing_mm)
    half = depth.shape[0] // 2
    low = [max(0, c - half) for c in centre]
    high = [min(n, c + half + 1) for c, n in zip(centre, free.shape, strict=True)]
    x, y, z = (slice(a, b) for a, b in zip(low, high, strict=True))
    cut = tuple(slice(a - c + half, b - c + half) for a, b, c in zip(low, high, centre, strict=True))
    available = np.where(free[x, y, z], depth[cut], np.inf)
    voxel_ml = spacing_mm**3 / 1000
    if np.count_nonzero(np.isfinite(available)) < blob.volume_ml / voxel_ml:
        return None
    return Placed(available, (x, y, z), voxel_ml, blob.volume_ml)


def _best_corner(room: Bools, solid: Bools, corners: NDArray[np.integer]) -> tuple[tuple[int, int, int], float]:
    """First corner at which enough of the solid has room, or else the best one; with the fraction that has room."""
    best, corner = -1.0, (0, 0, 0)
    for x, y, z in corners.tolist():
        box = tuple(slice(c, c + n) for c, n in zip((x, y, z), solid.shape, strict=True))
        inside = float(room[box][solid].mean())
        if inside > best:
            best, corner = inside, (x, y, z)
        if inside >= INSIDE_FRACTION:
            break
    return corner, best


def keep_apart(mask: Bools, *, spacing_mm: float) -> Bools:
    """The mask grown by `MARGIN_MM`: no other lesion may begin there; shape (X, Y, Z)."""
    iterations = round(MARGIN_MM / spacing_mm)
    return np.asarray(ndimage.binary_dilation(mask, np.ones((3, 3, 3), dtype=bool), iterations=iterations))


def _closest(depth: Floats, count: int) -> Floats:
    """Keep the `count` smallest values that hang together (26 neighbours); infinity elsewhere."""
    limit = np.partition(depth.ravel(), count - 1)[count - 1]
    kept = depth <= limit
    pieces, number = ndimage.label(kept, np.ones((3, 3, 3)))
    if number > 1:
        kept = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    return np.where(kept, depth, np.inf)


def _sphere(count: int = 2048) -> Floats:
    """Evenly spread unit vectors (Fibonacci lattice); shape (count, 3)."""
    index = np.arange(count) + 0.5
    height = 1 - 2 * index / count
    angle = np.pi * (1 + 5**0.5) * index
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)


def _waves(directions: Floats, waves: Floats, phases: Floats) -> Floats:
    """Sum of plane waves cos(k . u + phase); einsum, not BLAS, so that the thread count cannot change a bit."""
    total = np.zeros(directions.shape[:-1])
    for wave, phase in zip(waves, phases, strict=True):
        total += np.cos(np.einsum("...i,i->...", directions, wave) + phase)
    return total
