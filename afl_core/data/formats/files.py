"""Read NIfTI, MHA, NRRD and DICOM SEG files, and write NIfTI; every failure is one clear `DataError`."""

import hashlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import nibabel as nib
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from afl_core.base.remote import bring
from afl_core.base.storage import GZIP, replacing, write_atomically
from afl_core.data.formats.dicom_seg import DICOM_SUFFIXES, SegHeader, read_seg_header, read_seg_voxels
from afl_core.data.formats.header import ImageHeader, check_size, check_space, is_zipped, unreadable
from afl_core.data.formats.mha import MhaHeader, check_mha_length, read_mha_header, read_mha_voxels
from afl_core.data.formats.nifti import NiftiHeader, check_nifti_length, read_nifti_header, read_nifti_voxels
from afl_core.data.formats.nrrd import NrrdHeader, check_nrrd_length, read_nrrd_header, read_nrrd_voxels
from afl_core.data.formats.values import finite, small_labels, whole_labels
from afl_core.errors import DataError, GeometryError
from afl_core.volume import Mask, Volume

Array = TypeVar("Array", bound=NDArray[Any])


NIFTI_SUFFIXES = (".nii", ".nii.gz")
MHA_SUFFIXES = (".mha", ".mhd")
NRRD_SUFFIXES = (".nrrd", ".seg.nrrd")
SUFFIXES = NIFTI_SUFFIXES + MHA_SUFFIXES + NRRD_SUFFIXES + DICOM_SUFFIXES


def strip_suffix(name: str) -> str:
    """File name without its image suffix.

    >>> strip_suffix("case_1.nii.gz"), strip_suffix("case_1.seg.nrrd")
    ('case_1', 'case_1')
    """
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def load_volume(path: Path, *, channel: int | None = None) -> Volume:
    """Read an image into RAS+ order.

    Args:
        path: A `.nii`, `.nii.gz`, `.mha`, `.mhd` or `.nrrd` file with one 3-D image, or a `.dcm` segmentation.
        channel: Number of the volume in a 4-D NIfTI file, from 0.

    Returns:
        The volume with a float32 array of shape (X, Y, Z).

    Raises:
        DataError: If the file is missing, truncated, not 3-D, too large, or holds NaN or infinite voxels.
    """
    return Volume(*_read(path, finite, channel))


def load_labels(path: Path) -> Volume:
    """Read a label image into RAS+ order as integers; the rest as `load_volume`.

    Raises:
        DataError: If `load_volume` raises it, a voxel is no whole number, or there are more than `MAX_LABELS` labels.
    """
    return Volume(*_read(path, small_labels))


def load_mask(path: Path) -> Mask:
    """Read a label image as the mask of every label above 0 (whole tumour, csPCa); the rest as `load_labels`.

    The value of the tumour may be any, such as 255.
    """
    return Mask(*_read(path, lambda array, path: np.asarray(whole_labels(array, path) != 0)))


def load_channels(path: Path, *, axis: int) -> tuple[Volume, ...]:
    """Read a 4-D NIfTI image, with its channels along the first or the last axis, into RAS+ order.

    Args:
        path: The file; its affine is that of the three axes of space.
        axis: 0 or 3.

    Raises:
        DataError: If `load_volume` raises it.
    """
    header = _header(path, dims=(4,))
    stack = np.moveaxis(finite(_voxels(path, header), path), axis, -1)
    ras, affine, stored = to_ras(stack, header.affine)
    return tuple(Volume(ras[..., channel], affine, stored) for channel in range(ras.shape[3]))


def read_header(path: Path, *, stacked: bool = False, any_axes: bool = False) -> ImageHeader:
    """The header of an image, of four axes if stacked, or of either; no voxel is read. Errors as `load_volume`."""
    return _header(path, dims=(3, 4) if any_axes else (4,) if stacked else (3,))


def check_length(path: Path, header: ImageHeader) -> None:
    """Raise if a file ends before its last voxel, without reading the voxels where that can be told otherwise.

    Raises:
        DataError: If the file is cut off.
    """
    if isinstance(header, MhaHeader):
        check_mha_length(path, header)
    elif isinstance(header, NiftiHeader):
        check_nifti_length(path, header)
    elif isinstance(header, NrrdHeader):
        check_nrrd_length(path, header)


def save_volume(path: Path, array: NDArray[np.generic], affine: NDArray[np.float64]) -> None:
    """Write a NIfTI file atomically; the same input gives the same bytes.

    Args:
        path: Target, `.nii` or `.nii.gz`.
        array: Shape (X, Y, Z); a boolean array is stored as uint8.
        affine: Voxel index to RAS+ millimetres.
    """
    with replacing(path, suffix=".nii.gz" if is_zipped(path) else ".nii") as temporary:
        nib.save(_image(array, affine), temporary)


def save_mask(path: Path, mask: Volume, *, like: Path) -> str:
    """Write a RAS+ mask, or labels, atomically, on the grid and in the axis order in which `like` is stored.

    Returns:
        SHA-256 of the file's bytes, by which a reader knows that it is still the one that was written.

    Raises:
        GeometryError: If `like` is not the same grid.
    """
    header = _header(like, dims=(3, 4))
    shape, affine = header.shape, header.affine
    to_ras = nib.orientations.io_orientation(affine)
    back = nib.orientations.ornt_transform(np.array([[0, 1], [1, 1], [2, 1]]), to_ras)
    array = nib.orientations.apply_orientation(mask.array, back)
    if array.shape != shape[:3]:
        raise GeometryError(f"The mask does not fit {like.name}", received=f"{array.shape} against {shape} voxels")
    parts = _parts(_image(array, affine))
    data = b"".join(_zipped(parts) if is_zipped(path) else parts)
    write_atomically(path, data)
    return hashlib.sha256(data).hexdigest()


def _image(array: NDArray[np.generic], affine: NDArray[np.float64]) -> nib.Nifti1Image:
    image = nib.Nifti1Image(array.view(np.uint8) if array.dtype == np.bool_ else array, affine)
    image.header.set_xyzt_units("mm")
    return image


def _parts(image: nib.Nifti1Image) -> tuple[bytes, memoryview]:
    """What nibabel's `to_bytes` gives for whole numbers, header and voxels; it copies all voxels three times."""
    start = BytesIO()
    image.header.set_slope_inter(1, 0)
    image.header["vox_offset"] = image.header.single_vox_offset
    image.header.write_to(start)
    return start.getvalue(), np.asanyarray(image.dataobj).ravel(order="F").data


def _zipped(parts: tuple[bytes, memoryview]) -> Iterator[bytes]:
    squeeze = isal_zlib.compressobj(wbits=GZIP)
    yield from map(squeeze.compress, parts)
    yield squeeze.flush()


def _header(path: Path, *, dims: tuple[int, ...] = (3,)) -> ImageHeader:
    """The header; raises if missing, unreadable, not of so many dimensions, too large, or nowhere in space."""
    if not path.is_file():
        raise DataError(f"There is no file {path.name}", received=path, todo="Check the path")
    bring(path)
    try:
        header = _parse(path)
    except OSError as error:
        raise _unopened(path, error) from error
    if len(header.shape) not in dims or (len(header.shape) > 3 and not isinstance(header, NiftiHeader)):
        raise DataError(
            f"{path.name} has {len(header.shape)} dimensions where {dims[0]} are due",
            received=f"shape {header.shape}",
            todo="Save all sequences in one 4-D NIfTI image" if dims[0] == 4 else "Save one 3-D image in the file",
        )
    check_size(path, header)
    check_space(path, header.affine)
    return header


def _parse(path: Path) -> ImageHeader:
    """The header, read by the format that the file's ending names."""
    name = path.name.lower()
    if name.endswith(MHA_SUFFIXES):
        return read_mha_header(path)
    if name.endswith(DICOM_SUFFIXES):
        return read_seg_header(path)
    return read_nrrd_header(path) if name.endswith(NRRD_SUFFIXES) else read_nifti_header(path)


def _voxels(path: Path, header: ImageHeader) -> NDArray[Any]:
    if isinstance(header, MhaHeader):
        return read_mha_voxels(path, header)
    if isinstance(header, NrrdHeader):
        return read_nrrd_voxels(path, header)
    if isinstance(header, SegHeader):
        return read_seg_voxels(path, header)
    return read_nifti_voxels(path, header)  # type: ignore[arg-type]  # there are four formats


def _unopened(path: Path, error: OSError) -> DataError:
    todo = "Check its permissions and the disk"
    return unreadable(path, "it cannot be opened", received=error.strerror or error, todo=todo)


def _read(
    path: Path, convert: Callable[[NDArray[Any], Path], Array], channel: int | None = None
) -> tuple[Array, NDArray[np.float64], str]:
    """Voxels, checked and converted as stored, and affine, both in RAS+ order, and the order in which they are stored.

    The conversion comes first: NumPy takes several times as long to pass over an array whose axes have been flipped.
    """
    header = _header(path, dims=(3,) if channel is None else (4,))
    if channel is not None and not 0 <= channel < header.shape[3]:
        raise DataError(f"{path.name} has no volume {channel}", received=f"{header.shape[3]} volumes, counted from 0")
    try:
        array = _voxels(path, header)
    except OSError as error:
        raise _unopened(path, error) from error
    if channel is not None:
        array = array[..., channel]
    return to_ras(convert(array, path), header.affine)


def to_ras(array: Array, affine: NDArray[np.float64]) -> tuple[Array, NDArray[np.float64], str]:
    """The array with its first three axes in RAS+ order, its affine there, and the order in which it was stored."""
    orientation = nib.orientations.io_orientation(affine)
    ras: Array = nib.orientations.apply_orientation(array, orientation)
    return ras, affine @ nib.orientations.inv_ornt_aff(orientation, array.shape[:3]), "".join(nib.aff2axcodes(affine))
