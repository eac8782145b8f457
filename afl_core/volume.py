"""Volumes, masks and cases: frozen values whose arrays are (X, Y, Z) in RAS+ order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from afl_core.errors import GeometryError

Spacing = tuple[float, float, float]

AFFINE_TOLERANCE = 0.25
"""Largest shift of any grid corner, in voxels, that still counts as rounding: each voxel keeps its own neighbour."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3-D image.

    Attributes:
        array: Shape (X, Y, Z), axes pointing right, anterior, superior.
        affine: Shape (4, 4), voxel index to RAS+ millimetres.
    """

    array: NDArray[np.generic]
    affine: NDArray[np.float64]

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
        """Volume of one voxel in ml."""
        return float(np.prod(self.spacing_mm)) / 1000


@dataclass(frozen=True, eq=False)
class Mask(Volume):
    """A volume whose array is boolean: True inside the tumour."""

    array: NDArray[np.bool_]

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
    """What a source says about a case.

    Attributes:
        mask: On the grid of the images, or of the reference.
        probabilities: Float32, shape (2, X, Y, Z) on the same grid: the sigmoid of the background and of the tumour
            channel; None where only a mask is known.
        note: What was done to it on the way, such as resampling; "" if nothing.
    """

    mask: Mask
    probabilities: NDArray[np.float32] | None = None
    note: str = ""


@dataclass(frozen=True)
class Region:
    """Which labels of a reference are the tumour.

    Attributes:
        name: For people and for settings: `whole`, `tc`, `et` or a name that the data set declares.
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
        case_id: Unique within its cohort.
        sequences: MRI sequence name to file.
        reference: File of the reference segmentation, or None.
        group: Sub-folder or grade it was found under, or "".
        region: Which of the reference's labels are the tumour.
        grid: Sequence onto whose grid the others are resampled; "" where all must lie on one grid.
        channels: Of sequences that share a 4-D file, which of its volumes they are.
        patient: Whose it is, as the cohort decided; the case itself where nothing was said.
    """

    case_id: str
    sequences: Mapping[str, Path]
    reference: Path | None = None
    group: str = ""
    region: Region = WHOLE
    grid: str = ""
    channels: Mapping[str, int] = field(default_factory=dict)
    patient: str = ""

    def __post_init__(self) -> None:
        """Freeze the mappings."""
        object.__setattr__(self, "patient", self.patient or self.case_id)
        object.__setattr__(self, "sequences", MappingProxyType(dict(self.sequences)))
        object.__setattr__(self, "channels", MappingProxyType(dict(self.channels)))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the read-only mappings as plain ones."""
        own = (self.case_id, dict(self.sequences), self.reference, self.group)
        return Case, (*own, self.region, self.grid, dict(self.channels), self.patient)


def check_same_grid(first: Volume, second: Volume, *, names: tuple[str, str]) -> None:
    """Raise unless two volumes lie on the same grid.

    Args:
        first: The volume that defines the grid.
        second: The volume that must match it.
        names: What to call them in the message.

    Raises:
        GeometryError: If shapes differ, or any grid corner moves by more than `AFFINE_TOLERANCE`.
    """
    if first.array.shape != second.array.shape:
        raise GeometryError(
            f"{names[1]} lies on another grid than {names[0]}",
            received=f"{second.array.shape} against {first.array.shape} voxels",
            todo="Resample it to the same grid with nearest-neighbour interpolation",
        )
    distance_mm = _corner_shift_mm(first, second)
    if distance_mm > AFFINE_TOLERANCE * min(first.spacing_mm):
        raise GeometryError(
            f"{names[1]} has another affine than {names[0]}",
            received=f"a grid corner is {distance_mm:.2f} mm away, spacing {_mm(second)} against {_mm(first)}",
            todo="Save it with the affine of the reference",
        )


def is_same_grid(first: Volume, second: Volume) -> bool:
    """Whether `check_same_grid` is content."""
    if first.array.shape != second.array.shape:
        return False
    return _corner_shift_mm(first, second) <= AFFINE_TOLERANCE * min(first.spacing_mm)


def _corner_shift_mm(first: Volume, second: Volume) -> float:
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in first.array.shape])).reshape(3, -1)
    shift = (first.affine - second.affine) @ np.vstack([corners, np.ones(8)])
    return float(np.linalg.norm(shift[:3], axis=0).max())


def _mm(volume: Volume) -> str:
    return "x".join(f"{s:.3g}" for s in volume.spacing_mm) + " mm"
