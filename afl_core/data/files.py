"""Read and write NIfTI and MHA files; every failure is one clear `DataError`."""

import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from afl_core.errors import DataError, GeometryError
from afl_core.storage import replacing
from afl_core.volume import Mask, Volume

MAX_VOXELS = 2**28
"""Largest image that is read (268 million voxels, 1 GiB as float32); checked in the header, before allocation."""

FRACTION = 1e-3
"""How far a stored label may be from a whole number: scaled integers come back as 0.99999997."""

NIFTI_SUFFIXES = (".nii", ".nii.gz")
ITK_SUFFIXES = (".mha", ".mhd")
SUFFIXES = NIFTI_SUFFIXES + ITK_SUFFIXES

_READ_ERRORS = (OSError, EOFError, ValueError, KeyError, zlib.error, ImageFileError, HeaderDataError, RuntimeError)


def strip_suffix(name: str) -> str:
    """File name without its image suffix.

    >>> strip_suffix("case_1.nii.gz")
    'case_1'
    """
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def load_volume(path: Path) -> Volume:
    """Read an image into RAS+ order.

    Args:
        path: A `.nii`, `.nii.gz`, `.mha` or `.mhd` file with one 3-D image.

    Returns:
        The volume with a float32 array of shape (X, Y, Z).

    Raises:
        DataError: If the file is missing, truncated, not 3-D, too large, or holds NaN or infinite voxels.
    """
    array, affine = _read(path)
    return Volume(_finite(array, path), affine)


def load_labels(path: Path) -> Volume:
    """Read a label image into RAS+ order as integers; the rest as `load_volume`.

    Raises:
        DataError: Also if a voxel is not a whole number.
    """
    array, affine = _read_labels(path)
    return Volume(array.astype(np.int16, copy=False), affine)


def load_mask(path: Path) -> Mask:
    """Read a label image as the mask of every label above 0 (whole tumour, csPCa); the rest as `load_labels`."""
    array, affine = _read_labels(path)
    return Mask(np.asarray(array != 0), affine)  # labels are never negative


def read_shape(path: Path) -> tuple[int, ...]:
    """Shape of the image as stored in the header, without reading voxels."""
    return _header(path)[0]


def save_volume(path: Path, array: NDArray[np.generic], affine: NDArray[np.float64]) -> None:
    """Write a NIfTI file atomically; the same input gives the same bytes.

    Args:
        path: Target, `.nii` or `.nii.gz`.
        array: Shape (X, Y, Z); a boolean array is stored as uint8.
        affine: Voxel index to RAS+ millimetres.
    """
    image = nib.Nifti1Image(array.astype(np.uint8) if array.dtype == np.bool_ else array, affine)
    image.header.set_xyzt_units("mm")
    _save_atomically(image, path)


def save_mask(path: Path, mask: Mask, *, like: Path) -> None:
    """Write a RAS+ mask atomically, on the grid and in the axis order in which `like` is stored.

    Raises:
        GeometryError: If `like` is not the same grid.
    """
    shape, affine = _header(like)
    to_ras = nib.orientations.io_orientation(affine)
    back = nib.orientations.ornt_transform(np.array([[0, 1], [1, 1], [2, 1]]), to_ras)
    array = nib.orientations.apply_orientation(mask.array.astype(np.uint8), back)
    if array.shape != shape:
        raise GeometryError(f"The mask does not fit {like.name}", received=f"{array.shape} against {shape} voxels")
    save_volume(path, np.asarray(array), affine)


def _save_atomically(image: nib.Nifti1Image, path: Path) -> None:
    with replacing(path, suffix=".nii.gz" if path.name.endswith(".gz") else ".nii") as temporary:
        nib.save(image, temporary)


def _header(path: Path) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Stored shape and RAS+ affine; raises if missing, unreadable, not 3-D or too large."""
    if not path.is_file():
        raise DataError(f"There is no file {path.name}", received=path, todo="Check the path")
    try:
        shape, affine = _itk_header(path) if path.name.lower().endswith(ITK_SUFFIXES) else _nifti_header(path)
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error
    if len(shape) != 3:
        raise DataError(
            f"{path.name} has {len(shape)} dimensions where 3 are due",
            received=f"shape {shape}",
            todo="Save one 3-D image per sequence",
        )
    if np.prod(shape, dtype=np.float64) > MAX_VOXELS or min(shape) < 1:
        raise DataError(
            f"{path.name} declares an impossible or too large grid", received=f"{shape}, at most {MAX_VOXELS} voxels"
        )
    return shape, affine


def _nifti_header(path: Path) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    image = nib.load(path)
    shape = tuple(int(n) for n in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return shape, np.asarray(image.affine, dtype=np.float64)


def _itk_header(path: Path) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    import SimpleITK as sitk  # noqa: N813, PLC0415 - only .mha files need it

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    shape = tuple(int(n) for n in reader.GetSize())
    if reader.GetNumberOfComponents() != 1 or len(shape) != 3:
        return (*shape, reader.GetNumberOfComponents()), np.eye(4)
    affine = np.eye(4)
    affine[:3, :3] = np.array(reader.GetDirection()).reshape(3, 3) * np.array(reader.GetSpacing())
    affine[:3, 3] = reader.GetOrigin()
    return shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # ITK's LPS+ to RAS+


def _read(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Voxels and affine in RAS+ order."""
    shape, affine = _header(path)
    try:
        if path.name.lower().endswith(ITK_SUFFIXES):
            import SimpleITK as sitk  # noqa: N813, PLC0415 - only .mha files need it

            array = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T
        else:
            array = np.asanyarray(nib.load(path).dataobj).reshape(shape)
        orientation = nib.orientations.io_orientation(affine)
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error
    if array.dtype.kind not in "biuf":
        raise DataError(
            f"{path.name} holds voxels that are no plain numbers",
            received=array.dtype,
            todo="Save one number per voxel, not colours or complex values",
        )
    if np.isnan(orientation).any() or not np.isfinite(affine).all():
        raise DataError(f"{path.name} has an affine that does not map to space", received=affine.tolist())
    ras = np.asarray(nib.orientations.apply_orientation(array, orientation))
    return ras, affine @ nib.orientations.inv_ornt_aff(orientation, shape)


def _read_labels(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Voxels, as stored but checked to be labels, and affine in RAS+ order."""
    array, affine = _read(path)
    if array.dtype.kind == "f":
        array = _whole(_finite(array, path), path)
    low, high = array.min(), array.max()
    if low < 0 or high > np.iinfo(np.int16).max:
        raise DataError(f"{path.name} is not a label image", received=f"values {low} to {high}")
    return array, affine


def _finite(array: NDArray[Any], path: Path) -> NDArray[np.float32]:
    """The array in float32, if every voxel is a finite number."""
    with np.errstate(over="ignore"):  # a value beyond float32 becomes infinite and is counted below
        array = array.astype(np.float32, copy=False)
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise DataError(
            f"{path.name} holds NaN or infinite voxels",
            received=f"{bad} of {array.size}",
            todo="Replace them, for example with the background value, and save the file again",
        )
    return array


def _whole(array: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
    """The array rounded, if every voxel is a whole number but for rounding."""
    labels: NDArray[np.float32] = np.rint(array)
    fractions = np.abs(array - labels) > FRACTION
    if fractions.any():
        raise DataError(
            f"{path.name} is not a label image: it holds fractions",
            received=f"{np.unique(array[fractions])[:5].tolist()}",
            todo="Give a mask of whole numbers; threshold a probability map first",
        )
    return labels


def _unreadable(path: Path, error: BaseException) -> DataError:
    reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
    return DataError(
        f"{path.name} cannot be read as an image: it is truncated or not a NIfTI or MHA file",
        received=reason,
        todo="Copy or download the file again",
    )
