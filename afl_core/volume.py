"""Volumes, masks and cases: frozen values whose arrays are (X, Y, Z) in RAS+ order."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from afl_core.errors import GeometryError

Spacing = tuple[float, float, float]
Box = tuple[slice, slice, slice]

AFFINE_TOLERANCE = 0.25
"""Largest shift of any grid corner, in voxels, that still counts as rounding: each voxel keeps its own neighbour."""

SKEW = 0.01
"""Largest cosine between two axes of a grid that is measured: lengths are then right to 0.5 %, volumes to 0.01 %."""

SAME = 0.01
"""Spacings that differ by less than this fraction are told as the same."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3-D image.

    Attributes:
        array: Shape (X, Y, Z), axes pointing right, anterior, superior.
        affine: Shape (4, 4), voxel index to RAS+ millimetres.
        stored: Directions of the axes as its file stores them, such as "LPS".
    """

    array: NDArray[np.generic]
    affine: NDArray[np.float64]
    stored: str = "RAS"

    def __post_init__(self) -> None:
        """Refuse anything but a 3-D array with a usable affine."""
        if self.array.ndim != 3 or 0 in self.array.shape:
            raise GeometryError("An image must have three non-empty axes", received=self.array.shape)
        if self.affine.shape != (4, 4) or not np.isfinite(self.affine).all() or np.linalg.det(self.affine) == 0:
            raise GeometryError("An image needs an invertible 4x4 affine", received=self.affine.tolist())

    @cached_property
    def spacing_mm(self) -> Spacing:
        """Voxel edge lengths in mm along X, Y, Z."""
        x, y, z = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        return float(x), float(y), float(z)

    @cached_property
    def voxel_ml(self) -> float:
        """Volume of one voxel in ml, whatever the angles between its edges."""
        x, y, z = self.affine[:3, :3].T
        return float(abs(np.cross(x, y) @ z)) / 1000

    @cached_property
    def skew(self) -> float:
        """Largest cosine between two axes: 0 where they are at right angles."""
        axes = self.affine[:3, :3] / self.spacing_mm
        return float(np.abs(axes.T @ axes - np.eye(3)).max())

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Voxels along the axes in the order in which the file stores them."""
        return tuple(self.array.shape["RLAPSI".index(letter) // 2] for letter in self.stored)


@dataclass(frozen=True, eq=False)
class Mask(Volume):
    """A volume whose array is boolean: True inside the tumour.

    Attributes:
        within: A part of the grid that holds every True voxel, where it is known; None is the whole grid.
    """

    array: NDArray[np.bool_]
    within: Box | None = None

    def __post_init__(self) -> None:
        """Refuse a mask that is not boolean."""
        super().__post_init__()
        if self.array.dtype != np.bool_:
            raise GeometryError("A mask must be boolean", received=self.array.dtype)

    @property
    def volume_ml(self) -> float:
        """Volume of the mask in ml; 0 when empty."""
        return int(np.count_nonzero(self.array)) * self.voxel_ml


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a source predicts for a case.

    Attributes:
        mask: Predicted mask, on the grid of the images or of the reference.
        probabilities: Float32, shape (2, X, Y, Z) on the same grid: the sigmoid of the background and of the tumour
            channel; None where only a mask is known.
        note: Steps that changed it on the way, such as resampling; "" if none.
        tumour: Float32, shape (X, Y, Z): the probability whose values above 0.5 are the mask; None where it is unknown.
    """

    mask: Mask
    probabilities: NDArray[np.float32] | None = None
    note: str = ""
    tumour: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Region:
    """The labels of a reference that are the tumour.

    Attributes:
        name: Name for people and for settings: `whole`, `tc`, `et` or a name that the data set declares.
        inside: Labels that make the mask; () is every label above 0.
        known: Labels that may occur at all, besides 0; () is any.
    """

    name: str = "whole"
    inside: tuple[int, ...] = ()
    known: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """What a mask depends on; "" where it is every label above 0.

        >>> Region("whole", (1, 2, 4), (1, 2, 4)).key, Region("et", (4,), (1, 2, 4)).key
        ('', 'et: 4')
        """
        everything = not self.inside or set(self.inside) == set(self.known)
        return "" if everything else f"{self.name}: {'+'.join(map(str, sorted(self.inside)))}"


WHOLE = Region()
"""Every label above 0, whatever it is."""


@dataclass(frozen=True)
class Case:
    """The files of one case; nothing is read before it is asked for.

    Attributes:
        case_id: Id of the case, unique within its cohort.
        sequences: File by the name of the MRI sequence.
        reference: File of the reference segmentation, or None.
        group: Sub-folder or grade it was found under, or "".
        region: Labels of the reference that are the tumour.
        grid: Sequence onto whose grid the others are resampled; "" where all must lie on one grid.
        channels: Number of the volume, from 0, for sequences that share a 4-D file.
        trust_voxel_order: Whether a file that stores as many voxels along each axis as the image lies where that does,
            whatever its own header says.
        patient: Patient whose case it is, as the cohort decided; the case id where nothing declares one.
        more_regions: Regions that are measured besides `region`.
    """

    case_id: str
    sequences: Mapping[str, Path]
    reference: Path | None = None
    group: str = ""
    region: Region = WHOLE
    grid: str = ""
    channels: Mapping[str, int] = field(default_factory=dict)
    trust_voxel_order: bool = False
    patient: str = ""
    more_regions: tuple[Region, ...] = ()

    @property
    def regions(self) -> tuple[Region, ...]:
        """Every region that is measured."""
        return self.region, *self.more_regions

    def __post_init__(self) -> None:
        """Freeze the mappings."""
        object.__setattr__(self, "patient", self.patient or self.case_id)
        object.__setattr__(self, "sequences", MappingProxyType(dict(self.sequences)))
        object.__setattr__(self, "channels", MappingProxyType(dict(self.channels)))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the read-only mappings as plain ones."""
        return Case, (
            self.case_id,
            dict(self.sequences),
            self.reference,
            self.group,
            self.region,
            self.grid,
            dict(self.channels),
            self.trust_voxel_order,
            self.patient,
            self.more_regions,
        )


def check_same_grid(first: Volume, second: Volume, *, names: tuple[str, str]) -> None:
    """Raise unless two volumes lie on the same grid; the message says in words what differs.

    Args:
        first: The volume that defines the grid.
        second: The volume that must match it.
        names: Names of the two volumes for the message.

    Raises:
        GeometryError: If shapes differ, or any grid corner moves by more than `AFFINE_TOLERANCE`.
    """
    if is_same_grid(first, second):
        return
    same_shape = first.array.shape == second.array.shape
    what = f"{names[1]} {'has another affine' if same_shape else 'lies on another grid'} than {names[0]}"
    todo = "Resample it to the same grid with nearest-neighbour interpolation"
    if first.stored_shape == second.stored_shape:
        todo = (
            "If one of the headers is wrong and voxel belongs to voxel as stored, give --trust-voxel-order; if it lies "
            "there, resample it to the same grid"
        )
    raise GeometryError(what, received="; ".join(_differences(first, second)), todo=todo)


def check_right_angles(volume: Volume, *, name: str) -> None:
    """Raise unless the axes are at right angles, but for `SKEW`: distances and areas go by the voxels' edges alone.

    Raises:
        GeometryError: If they are not.
    """
    if volume.skew > SKEW:
        angle = float(np.degrees(np.arccos(volume.skew)))
        raise GeometryError(
            f"{name} has axes that are not at right angles, on which distances and areas are not measured",
            received=f"{angle:.1f} degrees between two axes",
            todo="Resample image and masks to a grid with right angles, the masks with nearest-neighbour interpolation",
        )


def is_same_grid(first: Volume, second: Volume) -> bool:
    """Whether `check_same_grid` is content."""
    if first.array.shape != second.array.shape:
        return False
    return _corner_shift_mm(first, second) <= AFFINE_TOLERANCE * min(first.spacing_mm)


def _differences(first: Volume, second: Volume) -> list[str]:
    """The differences between two grids, the cause before what follows from it."""
    differences = list[str]()
    if first.array.shape != second.array.shape:
        differences.append(f"{second.array.shape} against {first.array.shape} voxels")
    if not np.allclose(first.spacing_mm, second.spacing_mm, rtol=SAME, atol=0):
        differences.append(f"voxels of {_mm(second)} against {_mm(first)}")
    if first.stored != second.stored:
        differences.append(f"axes stored as {second.stored} against {first.stored}")
    turn = (first.affine[:3, :3] / first.spacing_mm).T @ (second.affine[:3, :3] / second.spacing_mm)
    angle = float(np.degrees(np.arccos(np.clip(np.diag(turn), -1, 1))).max())
    if angle > 1:
        differences.append(f"turned by {angle:.0f} degrees")
    x, y, z = second.affine[:3, 3] - first.affine[:3, 3]
    if math.hypot(x, y, z) > AFFINE_TOLERANCE * min(first.spacing_mm):
        differences.append(f"the first voxel is {math.hypot(x, y, z):.2f} mm away ({x:+.1f}, {y:+.1f}, {z:+.1f})")
    if first.array.shape == second.array.shape and len(differences) != 1:
        differences.append(f"a grid corner is {_corner_shift_mm(first, second):.2f} mm away")
    return differences


def _corner_shift_mm(first: Volume, second: Volume) -> float:
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in first.array.shape])).reshape(3, -1)
    shift = (first.affine - second.affine) @ np.vstack([corners, np.ones(8)])
    return float(np.linalg.norm(shift[:3], axis=0).max())


def _mm(volume: Volume) -> str:
    return "x".join(f"{s:.3g}" for s in volume.spacing_mm) + " mm"
