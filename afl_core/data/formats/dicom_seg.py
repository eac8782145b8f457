"""Read DICOM segmentations (SEG): one file of binary segments, or of labels, on a regular grid, through highdicom.

A segment's number is its label. Images as DICOM series are not read. highdicom comes with the extra `dicom`, and is
imported only where such a file is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afl_core.base.extras import missing
from afl_core.data.formats.header import MAX_BYTES, ImageHeader, damaged, no_image, truncated, unreadable
from afl_core.errors import DataError

DICOM_SUFFIXES = (".dcm",)

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Classes of a segmentation and of a label map. Source: DICOM PS3.4, table B.5-1."""

_CLASS = b"\x02\x00\x02\x00UI"
"""Tag and type of the class (0002,0002), in the part of a file that is written alike in all files."""

_DEFLATED = "1.2.840.10008.1.2.1.99"

_BROKEN = (ValueError, LookupError, AttributeError, TypeError, EOFError, ArithmeticError, RuntimeError)
"""What pydicom and highdicom raise on damaged files, besides errors of their own."""

_NO_SERIES = "Images as DICOM series are not read: convert them to NIfTI, for example with dcm2niix"


def is_segmentation(path: Path) -> bool:
    """Whether a file is a DICOM segmentation, by its first bytes; True for one that cannot be opened."""
    try:
        with path.open("rb") as file:
            block = file.read(1024)
    except OSError:
        return True  # its reader says why
    return block[128:132] == b"DICM" and _class(block) in SEGMENTATIONS


def read_seg_header(path: Path) -> ImageHeader:
    """The grid of a segmentation; no voxel is read.

    Raises:
        DataError: If it is no segmentation, holds shares in place of segments, has no regular grid, is cut off, or
            highdicom is missing.
        OSError: If the file cannot be opened.
    """
    segments = _open(path, voxels=False)
    with _told(path):
        rows, columns, frames = int(segments.Rows), int(segments.Columns), int(segments.NumberOfFrames)
        bits = rows * columns * frames * int(segments.BitsAllocated)
        stored = -(-bits // 8)
        if rows * columns * frames > MAX_BYTES:
            todo = "Save it on a smaller grid, or with fewer segments"
            raise unreadable(path, "it is too large", received=f"{frames} frames of {rows} x {columns}", todo=todo)
        if not segments.file_meta.TransferSyntaxUID.is_compressed and stored > path.stat().st_size:
            raise truncated(path, path.stat().st_size, stored)
        geometry = segments.get_volume_geometry()
        if geometry is None:
            todo = "Save it on the grid of its image"
            raise unreadable(path, "its frames are no regular stack of slices", received=f"{frames} frames", todo=todo)
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(geometry.affine, np.float64)
        most = max(segments.segment_numbers)
    dtype = np.dtype(np.uint8 if most < 256 else np.uint16)
    return SegHeader(tuple(map(int, geometry.spatial_shape)), affine, dtype)


class SegHeader(ImageHeader):
    """The facts of a DICOM segmentation."""


def read_seg_voxels(path: Path, header: SegHeader) -> NDArray[Any]:
    """Labels in the order of `SegHeader`: slices, rows, columns; raises DataError where segments overlap."""
    segments = _open(path, voxels=True)
    with _told(path):
        try:
            array: NDArray[Any] = segments.get_volume(combine_segments=True, dtype=header.dtype).array
        except RuntimeError as error:
            if "overlap" not in str(error):
                raise
            todo = "Save segments that overlap in files of their own"
            raise unreadable(path, "its segments overlap", todo=todo) from error
    if array.shape != header.shape:
        raise damaged(path, f"{array.shape} voxels where {header.shape} are declared")
    return array


def read_seg_names(path: Path) -> dict[int, str]:
    """Label to name of the segments; empty where the file is none that is read."""
    try:
        segments = _open(path, voxels=False)
        with _told(path):
            return {int(n): str(segments.get_segment_description(n).segment_label) for n in segments.segment_numbers}
    except DataError:
        return {}  # its case reports it


def _open(path: Path, *, voxels: bool) -> Any:
    """The segmentation of a file, with its voxels or without."""
    with path.open("rb") as file:
        block = file.read(1024)
    if block[128:132] != b"DICM":
        raise no_image(path, block, "DICOM")
    if _class(block) not in SEGMENTATIONS:
        raise unreadable(path, "it is a DICOM file, but no segmentation", received=_class(block), todo=_NO_SERIES)
    if find_spec("highdicom") is None:
        lacking = missing("highdicom", of="A DICOM segmentation")
        raise DataError(lacking.what, received=path.name, todo=lacking.todo)
    from highdicom.seg import Segmentation  # noqa: PLC0415 - an extra, and a third of a second
    from pydicom import dcmread  # noqa: PLC0415
    from pydicom.filereader import read_file_meta_info  # noqa: PLC0415

    with _told(path):
        if str(read_file_meta_info(path).TransferSyntaxUID) == _DEFLATED:
            raise unreadable(path, "it is deflated as a whole", todo="Save it with another transfer syntax")
        dataset = dcmread(path, stop_before_pixels=not voxels)
        segments = Segmentation.from_dataset(dataset, copy=False)
        if segments.segmentation_type.value == "FRACTIONAL":
            todo = "Save binary segments, or probabilities as NIfTI"
            raise unreadable(path, "it holds shares in place of segments", received="FRACTIONAL", todo=todo)
    return segments


def _class(block: bytes) -> str:
    """The class of a DICOM file, of its first bytes; "" where they do not say it."""
    _, found, after = block.partition(_CLASS)
    return after[2 : 2 + int.from_bytes(after[:2], "little")].decode("ascii", "replace").rstrip("\0 ") if found else ""


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Whatever pydicom and highdicom raise on a damaged file as a `DataError`."""
    from pydicom.errors import InvalidDicomError  # noqa: PLC0415 - an extra

    try:
        yield
    except (*_BROKEN, InvalidDicomError) as error:
        raise damaged(path, f"{type(error).__name__}: {error}"[:200]) from error
