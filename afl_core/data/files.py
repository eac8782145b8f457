"""Read and write NIfTI and MHA files; every failure is one clear `DataError`."""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import nibabel as nib
import numpy as np
from isal import isal_zlib
from nibabel.imageglobals import LoggingOutputSuppressor
from nibabel.spatialimages import HeaderDataError
from nibabel.volumeutils import apply_read_scaling
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from afl_core.data.mha import read_mha_header, read_mha_voxels
from afl_core.errors import DataError, GeometryError
from afl_core.storage import GZIP, replacing, unzip, write_atomically
from afl_core.volume import Mask, Volume

Array = TypeVar("Array", bound=NDArray[Any])

MAX_VOXELS = 2**28
"""Largest image that is read (268 million voxels, 1 GiB as float32); checked in the header, before allocation."""

FRACTION = 1e-3
"""How far a stored label may be from a whole number: scaled integers come back as 0.99999997."""

NIFTI_SUFFIXES = (".nii", ".nii.gz")
ITK_SUFFIXES = (".mha", ".mhd")
SUFFIXES = NIFTI_SUFFIXES + ITK_SUFFIXES

MAX_BYTES = 2**30
"""Most bytes that its voxels may take as stored."""

_PIECE = 2**20
"""Voxels that are scaled at a time."""

_HEADER_BYTES = 540
"""Of NIfTI-2; NIfTI-1 has 348."""

_MAX_OFFSET = 2**24
"""Furthest byte at which voxels may start: before them are extensions, text for the most part."""

_READ_ERRORS: tuple[type[Exception], ...] = (
    *(OSError, EOFError, ValueError, KeyError, ArithmeticError, HeaderDataError, WrapStructError),
    isal_zlib.error,  # type: ignore[assignment]  # its stub calls the class an instance
)


def strip_suffix(name: str) -> str:
    """File name without its image suffix.

    >>> strip_suffix("case_1.nii.gz")
    'case_1'
    """
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def load_volume(path: Path, *, channel: int | None = None) -> Volume:
    """Read an image into RAS+ order.

    Args:
        path: A `.nii`, `.nii.gz`, `.mha` or `.mhd` file with one 3-D image.
        channel: Which volume of a 4-D NIfTI file, from 0.

    Returns:
        The volume with a float32 array of shape (X, Y, Z).

    Raises:
        DataError: If the file is missing, truncated, not 3-D, too large, or holds NaN or infinite voxels.
    """
    return Volume(*_read(path, _finite, channel))


def load_labels(path: Path) -> Volume:
    """Read a label image into RAS+ order as integers; the rest as `load_volume`.

    Raises:
        DataError: Also if a voxel is not a whole number.
    """
    return Volume(*_read(path, lambda array, path: _labels(array, path).astype(np.int16, copy=False)))


def load_mask(path: Path) -> Mask:
    """Read a label image as the mask of every label above 0 (whole tumour, csPCa); the rest as `load_labels`."""
    return Mask(*_read(path, lambda array, path: np.asarray(_labels(array, path) != 0)))  # labels are never negative


def read_header(path: Path, *, stacked: bool = False) -> tuple[tuple[int, ...], NDArray[np.float64], int]:
    """Stored shape (of four axes if stacked), RAS+ affine, and bytes of the whole NIfTI file unzipped (0 of others)."""
    shape, affine = _header(path, dims=(4,) if stacked else (3,))
    header = None if path.name.lower().endswith(ITK_SUFFIXES) else _parse_nifti(path)
    size = header.get_data_offset() + math.prod(shape) * header.get_data_dtype().itemsize if header else 0
    return shape, affine, size


def stored_axes(path: Path) -> str:
    """Where the stored axes point, such as "LPS"; reads the header alone."""
    return "".join(nib.aff2axcodes(_header(path)[1]))


def save_volume(path: Path, array: NDArray[np.generic], affine: NDArray[np.float64]) -> None:
    """Write a NIfTI file atomically; the same input gives the same bytes.

    Args:
        path: Target, `.nii` or `.nii.gz`.
        array: Shape (X, Y, Z); a boolean array is stored as uint8.
        affine: Voxel index to RAS+ millimetres.
    """
    with replacing(path, suffix=".nii.gz" if _is_zipped(path) else ".nii") as temporary:
        nib.save(_image(array, affine), temporary)


def save_mask(path: Path, mask: Mask, *, like: Path) -> str:
    """Write a RAS+ mask atomically, on the grid and in the axis order in which `like` is stored.

    Returns:
        SHA-256 of the file's bytes, by which a reader knows that it is still the one that was written.

    Raises:
        GeometryError: If `like` is not the same grid.
    """
    shape, affine = _header(like, dims=(3, 4))
    to_ras = nib.orientations.io_orientation(affine)
    back = nib.orientations.ornt_transform(np.array([[0, 1], [1, 1], [2, 1]]), to_ras)
    array = nib.orientations.apply_orientation(mask.array, back)
    if array.shape != shape[:3]:
        raise GeometryError(f"The mask does not fit {like.name}", received=f"{array.shape} against {shape} voxels")
    data = _image(array, affine).to_bytes()
    data = isal_zlib.compress(data, wbits=GZIP) if _is_zipped(path) else data
    write_atomically(path, data)
    return hashlib.sha256(data).hexdigest()


def _image(array: NDArray[np.generic], affine: NDArray[np.float64]) -> nib.Nifti1Image:
    image = nib.Nifti1Image(array.view(np.uint8) if array.dtype == np.bool_ else array, affine)
    image.header.set_xyzt_units("mm")
    return image


def _header(path: Path, *, dims: tuple[int, ...] = (3,)) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Stored shape and RAS+ affine; raises if missing, unreadable, not of so many dimensions or too large."""
    if not path.is_file():
        raise DataError(f"There is no file {path.name}", received=path, todo="Check the path")
    try:
        shape, affine = _itk_header(path) if path.name.lower().endswith(ITK_SUFFIXES) else _nifti_header(path)
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error
    if len(shape) not in dims or (len(shape) > 3 and path.name.lower().endswith(ITK_SUFFIXES)):
        raise DataError(
            f"{path.name} has {len(shape)} dimensions where {dims[0]} are due",
            received=f"shape {shape}",
            todo="Save one 3-D image per sequence" if dims[0] == 3 else "Save all sequences in one 4-D NIfTI image",
        )
    if np.prod(shape, dtype=np.float64) > MAX_VOXELS or min(shape) < 1:
        raise DataError(
            f"{path.name} declares an impossible or too large grid", received=f"{shape}, at most {MAX_VOXELS} voxels"
        )
    return shape, affine


def _nifti_header(path: Path) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    header = _parse_nifti(path)
    shape = tuple(int(n) for n in header.get_data_shape())
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return shape, np.asarray(header.get_best_affine(), dtype=np.float64)


def _parse_nifti(path: Path) -> nib.Nifti1Header:
    """The header without its extensions, which may claim any length."""
    if _is_zipped(path):
        block = unzip(path, _HEADER_BYTES).tobytes()
    else:
        with path.open("rb") as file:
            block = file.read(_HEADER_BYTES)
    kind = nib.Nifti2Header if nib.Nifti2Header.may_contain_header(block) else nib.Nifti1Header
    with LoggingOutputSuppressor():  # nibabel's remarks on what it mends
        header = kind(block[: kind.sizeof_hdr])
    if not 0 <= header.get_data_offset() <= _MAX_OFFSET:
        raise ValueError(f"its voxels start at byte {header.get_data_offset()}")
    return header


def _nifti_voxels(path: Path) -> NDArray[Any]:
    """Voxels in the stored order, scaled as the header says."""
    header = _parse_nifti(path)
    shape, dtype, offset = header.get_data_shape(), header.get_data_dtype(), header.get_data_offset()
    count = math.prod(shape)
    if count * dtype.itemsize > MAX_BYTES:
        raise ValueError(f"it declares {count * dtype.itemsize} bytes of voxels, at most {MAX_BYTES} are read")
    if _is_zipped(path):
        stored = np.frombuffer(unzip(path, offset + count * dtype.itemsize), dtype, count, offset)
    elif (there := path.stat().st_size - offset) < count * dtype.itemsize:
        raise EOFError(f"it holds {max(there, 0)} of {count * dtype.itemsize} bytes of voxels")
    else:
        stored = np.fromfile(path, dtype, count, offset=offset)
    return _scaled(stored, *header.get_slope_inter()).reshape(shape, order="F")


def _scaled(stored: NDArray[Any], slope: float | None, inter: float | None) -> NDArray[Any]:
    """Stored numbers as the header scales them; piece by piece, as on the way they take eight bytes each."""
    if (slope or 1.0, inter or 0.0) == (1.0, 0.0):
        return stored
    scaled = np.empty(stored.size, np.float32)
    with np.errstate(over="ignore"):  # what becomes infinite is counted later
        for at in range(0, stored.size, _PIECE):
            piece = slice(at, at + _PIECE)
            scaled[piece] = apply_read_scaling(stored[piece], slope or 1.0, inter or 0.0)
    return scaled


def _is_zipped(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _itk_header(path: Path) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    header = read_mha_header(path)
    return header.shape, header.affine


def _read(
    path: Path, convert: Callable[[NDArray[Any], Path], Array], channel: int | None = None
) -> tuple[Array, NDArray[np.float64]]:
    """Voxels, checked and converted as stored, and affine, both in RAS+ order.

    The conversion comes first: NumPy takes several times as long to pass over an array whose axes have been flipped.
    """
    shape, affine = _header(path, dims=(3,) if channel is None else (4,))
    if channel is not None and not 0 <= channel < shape[3]:
        raise DataError(f"{path.name} has no volume {channel}", received=f"{shape[3]} volumes, counted from 0")
    try:
        if path.name.lower().endswith(ITK_SUFFIXES):
            array = read_mha_voxels(read_mha_header(path))
        else:
            array = _nifti_voxels(path).reshape(shape)
        if channel is not None:
            array, shape = array[..., channel], shape[:3]
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
    ras: Array = nib.orientations.apply_orientation(convert(array, path), orientation)
    return ras, affine @ nib.orientations.inv_ornt_aff(orientation, shape)


def _labels(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """The array, rounded if need be, if every voxel is a label."""
    if array.dtype.kind == "f":
        array = _whole(_finite(array, path), path)
    low, high = array.min(), array.max()
    if low < 0 or high > np.iinfo(np.int16).max:
        raise DataError(f"{path.name} is not a label image", received=f"values {low} to {high}")
    return array


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
