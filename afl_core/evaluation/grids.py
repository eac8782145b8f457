"""A predicted mask onto the reference's own grid, where everything is measured."""

from collections.abc import Mapping
from types import MappingProxyType

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from afl_core.errors import GeometryError
from afl_core.volume import AFFINE_TOLERANCE, Mask, check_same_grid

OTHER_GRID: Mapping[str, str] = MappingProxyType(
    {
        "refuse": "a mask on another grid is a problem",
        "resample": "it is resampled, nearest neighbour, by its affine",
        "stretch": "as resample; one that was resized but kept the reference's affine is stretched over its field",
    }
)
"""What may happen to a mask on another grid than the reference's."""

PICAI_GRID, BRATS_CROP = (160, 128, 24), (224, 224, 144)
"""Shapes in which the paper's released inference writes its masks, with the affine of the case they are not on."""


def onto_reference(mask: Mask, reference: Mask, *, other_grid: str, what: str, stored: str) -> tuple[Mask, str]:
    """The mask on the reference's grid.

    Args:
        mask: Predicted mask as read, RAS+.
        reference: Reference mask, on whose grid everything is measured.
        other_grid: One of `OTHER_GRID`.
        what: Name of the mask for messages: source and case.
        stored: Axis codes of the file, such as "LPS".

    Returns:
        The mask, and what was done to it; "" if it lay there already.

    Raises:
        GeometryError: If it lies elsewhere and that is refused, or if its place cannot be known.
    """
    try:
        check_same_grid(reference, mask, names=("the reference", what))
    except GeometryError as error:
        if keeps_affine(mask, reference):
            return _stretched(mask, reference, other_grid=other_grid, what=what, stored=stored)
        if other_grid == "refuse":
            todo = error.todo if mask.stored_shape == reference.stored_shape else "Give --other-grid resample"
            raise GeometryError(error.what, received=error.received, todo=todo) from error
        return _resampled(mask, reference, what=what)
    return Mask(mask.array, reference.affine, within=mask.within), ""


def keeps_affine(mask: Mask, reference: Mask) -> bool:
    """Whether a mask of another shape has the very affine of the reference: as stored, by which one corner is shared.

    It then was cropped at the far end, or resized, and its affine is wrong; which of the two, the file does not say.
    """
    if mask.array.shape == reference.array.shape:
        return False
    near = AFFINE_TOLERANCE * min(reference.spacing_mm)
    if not np.allclose(mask.affine[:3, :3], reference.affine[:3, :3], atol=near / max(reference.array.shape)):
        return False
    ends = [np.linalg.norm(_corners(mask) - _corners(reference), axis=1)]
    return bool(np.min(ends) < near)


def _corners(mask: Mask) -> NDArray[np.float64]:
    """Centres of the eight corner voxels in mm, shape (8, 3), in a fixed order."""
    index = np.array(np.meshgrid(*[(0, n - 1) for n in mask.array.shape], indexing="ij")).reshape(3, -1)
    corners: NDArray[np.float64] = (mask.affine[:3, :3] @ index + mask.affine[:3, 3:]).T
    return corners


def _stretched(mask: Mask, reference: Mask, *, other_grid: str, what: str, stored: str) -> tuple[Mask, str]:
    """Undo a resize whose affine was not changed with it."""
    shape = mask.array.shape
    received = f"{shape} against {reference.array.shape} voxels"
    if shape == BRATS_CROP:
        raise GeometryError(
            f"{what} is a crop with the affine of the whole, as the paper's released BraTS inference writes it",
            received=received,
            todo="It crops and flips at random, so the place is lost: give the checkpoint itself as the source",
        )
    paper = shape == PICAI_GRID
    if other_grid != "stretch":
        like = ", as the paper's released PI-CAI inference does" if paper else ", or cropped at the end"
        raise GeometryError(
            f"{what} lies on another grid than the reference, but has its affine: it was resized{like}",
            received=received,
            todo="If it was resized, give --other-grid stretch; if it was cropped, pad it to the reference's shape",
        )
    array = mask.array
    if paper:  # its array runs right, anterior, superior, whatever the affine beside it says
        turn = nib.orientations.axcodes2ornt(tuple(stored))
        back = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt(("R", "A", "S")), turn)
        array = nib.orientations.apply_orientation(array, back)
    picks = [
        np.minimum(((np.arange(n) + 0.5) * m / n).astype(int), m - 1)
        for n, m in zip(reference.array.shape, array.shape, strict=True)
    ]
    return Mask(np.ascontiguousarray(array[np.ix_(*picks)]), reference.affine), f"stretched from {_text(shape)} voxels"


def _resampled(mask: Mask, reference: Mask, *, what: str) -> tuple[Mask, str]:
    """Nearest neighbour at every voxel of the reference; what lies outside of the mask's grid is no tumour."""
    step = np.linalg.inv(mask.affine) @ reference.affine
    ends = step[:3, :3] @ _box(reference) + step[:3, 3:]
    if (ends.max(axis=1) < -0.5).any() or (ends.min(axis=1) > np.array(mask.array.shape) - 0.5).any():
        raise GeometryError(
            f"{what} lies elsewhere in space than the reference", received="no voxel in common", todo="Check its affine"
        )
    array = ndimage.affine_transform(
        mask.array.view(np.uint8), step[:3, :3], step[:3, 3], reference.array.shape, order=0, mode="grid-constant"
    )
    resampled = Mask(array.astype(np.bool_), reference.affine)
    if mask.array.any() and not array.any():
        raise GeometryError(
            f"Nothing is left of {what} on the reference's grid: it lies elsewhere, or is smaller than a voxel",
            received=f"{mask.volume_ml:.3g} ml before, none after",
            todo="Check its affine; if voxel belongs to voxel as stored, give --trust-voxel-order",
        )
    spacing = "x".join(f"{edge:.3g}" for edge in mask.spacing_mm)
    volumes = f"{mask.volume_ml:.2f} ml before, {resampled.volume_ml:.2f} ml after"
    return resampled, f"resampled from {_text(mask.array.shape)} voxels of {spacing} mm: {volumes}"


def _box(mask: Mask) -> NDArray[np.float64]:
    """Outer corners in voxel indices, shape (3, 8)."""
    return np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in mask.array.shape], indexing="ij")).reshape(3, -1)


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
