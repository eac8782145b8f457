"""Read NIfTI-1 and NIfTI-2 files (`.nii`, `.nii.gz`): how long they are, and what their voxels are.

Source: https://nifti.nimh.nih.gov/nifti-1/documentation. Where an image lies in space is told by `nifti_space`. What
the format leaves open, or readers take differently, is refused.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from afl_core.base.storage import FileIdentity, file_identity, told_size, unzip
from afl_core.data.formats.header import (
    ImageHeader,
    check_size,
    damaged,
    is_zipped,
    no_image,
    truncated,
    unreadable,
    unzipped,
)
from afl_core.data.formats.nifti_space import place

_FORMATS = (nib.Nifti1Header, nib.Nifti2Header)
_MAGIC: Mapping[int, bytes] = MappingProxyType({348: b"n+1", 540: b"n+2"})
_LINE_ENDS = ((13, 10, 26, 10), (0, 0, 0, 0))
"""Behind the magic word of NIfTI-2; anything else was changed on the way, as text is."""

_MAX_OFFSET = 2**24
"""Furthest byte at which voxels may start: before them are extensions, text for the most part."""

_PIECE = 2**20
"""Voxels that are scaled at a time."""


@dataclass(frozen=True, eq=False)
class NiftiHeader(ImageHeader):
    """The facts in the header of a NIfTI file.

    Attributes:
        offset: Byte of the unzipped file at which the voxels start.
        slope: Factor of the stored numbers: a voxel's value is stored * slope + inter.
        inter: Summand of the stored numbers.
    """

    offset: int
    slope: float
    inter: float


def read_nifti_header(path: Path) -> NiftiHeader:
    """Parse the header without its extensions, which may claim any length; until the file changes it is kept.

    Raises:
        DataError: If the file is no NIfTI file, or its header is damaged or ambiguous.
        OSError: If it cannot be opened.
    """
    return _read_header(path, file_identity(path))


@lru_cache(maxsize=256)
def _read_header(path: Path, _identity: FileIdentity) -> NiftiHeader:
    fields = _fields(path)
    n = int(fields["dim"][0])
    if not 1 <= n <= 7:
        raise damaged(path, f"it declares {n} dimensions")
    shape = tuple(int(length) for length in fields["dim"][1 : n + 1])
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    code = int(fields["datatype"])
    try:
        dtype = np.dtype(nib.nifti1.data_type_codes.dtype[code]).newbyteorder(fields.dtype["datatype"].byteorder)
    except KeyError as error:
        raise damaged(path, f"it declares the data type {code}") from error
    offset = float(fields["vox_offset"])
    if not (fields.dtype.itemsize + 4 <= offset <= _MAX_OFFSET and offset.is_integer()):
        raise damaged(path, f"its voxels start at byte {offset:.12g}, its header ends at {fields.dtype.itemsize + 4}")
    slope, inter = _scaling(path, fields)
    affine, remarks = place(path, fields, shape) if len(shape) >= 3 else (np.eye(4), [])
    if inter != (intercept := float(fields["scl_inter"])) and not math.isnan(intercept):
        remarks.append(
            f"its values are not scaled (scl_slope {fields['scl_slope']:g}), so scl_inter {intercept:g} is not added"
        )
    affine.setflags(write=False)  # it is handed out more than once
    return NiftiHeader(shape, affine, dtype, int(offset), slope, inter, remarks=tuple(remarks))


def read_nifti_voxels(path: Path, header: NiftiHeader) -> NDArray[Any]:
    """Voxels in the stored order, scaled as the header says; nothing is allocated that the file cannot fill.

    Raises:
        DataError: If the file is truncated, damaged, or holds more than is read.
    """
    check_size(path, header)
    count, due = math.prod(header.shape), header.offset + header.size
    if is_zipped(path):
        content = unzipped(path, lambda: unzip(path, due))
        if len(content) < due:
            raise truncated(path, len(content) - header.offset, header.size)
        stored = np.frombuffer(content, header.dtype, count, header.offset)
    elif (there := path.stat().st_size - header.offset) < header.size:
        raise truncated(path, there, header.size)
    else:
        stored = np.fromfile(path, header.dtype, count, offset=header.offset)
    return _scaled(stored, header).reshape(header.shape, order="F")


def check_nifti_length(path: Path, header: NiftiHeader) -> None:
    """Raise if the file is too short, reading as little as tells.

    A gzip file ends with its unzipped size; only where that is another one than the header needs (as of a file of
    several streams) it is unzipped.
    """
    there, due = path.stat().st_size, header.offset + header.size
    if not is_zipped(path):
        if there < due:
            raise truncated(path, there - header.offset, header.size)
        return
    if told_size(path) != due % 2**32:
        read_nifti_voxels(path, header)


def _fields(path: Path) -> Any:
    """The header as a structured scalar in the file's own byte order."""
    if is_zipped(path):
        with path.open("rb") as file:
            start = file.read(256)
        if not start.startswith(b"\x1f\x8b"):
            if _begins(start):
                todo = "Rename it to end in .nii"
                raise unreadable(path, "it is no gzip file", received="a NIfTI file as it is", todo=todo)
            raise no_image(path, start, "gzip")
        block = unzipped(path, lambda: unzip(path, 540)).tobytes()
    else:
        with path.open("rb") as file:
            block = file.read(540)
    for kind, order in ((kind, order) for kind in _FORMATS for order in "<>"):
        dtype = kind.template_dtype.newbyteorder(order)
        if len(block) >= dtype.itemsize and np.frombuffer(block, f"{order}i4", 1)[0] == dtype.itemsize:
            fields = np.frombuffer(block, dtype, 1)[0]
            _check_magic(path, fields)
            return fields
    if _begins(block):
        raise unreadable(
            path,
            "it is truncated",
            received=f"{len(block)} bytes, less than a header",
            todo="Copy or download it again",
        )
    raise no_image(path, block, "NIfTI")


def _begins(start: bytes) -> bool:
    """Whether a file starts as a NIfTI header does: with its size, in either byte order."""
    return any(start[:4] == size.to_bytes(4, order) for size in _MAGIC for order in ("little", "big"))


def _check_magic(path: Path, fields: Any) -> None:
    magic = bytes(fields["magic"])
    if magic.startswith(b"ni"):
        todo = "Convert the pair of .hdr and .img to one .nii file"
        raise unreadable(path, "it is half of a pair of files: its voxels lie in another", received=magic, todo=todo)
    if magic != _MAGIC[fields.dtype.itemsize]:
        raise damaged(path, f"the magic word {magic!r}")
    if fields.dtype.itemsize == 540 and tuple(fields["eol_check"].tolist()) not in _LINE_ENDS:
        raise damaged(path, "its line ends were changed, as when a file is sent as text")


def _scaling(path: Path, fields: Any) -> tuple[float, float]:
    """Slope and intercept; a slope that is 0 or no number means that there is no scaling."""
    slope, inter = float(fields["scl_slope"]), float(fields["scl_inter"])
    if slope == 0 or math.isnan(slope):
        return 1.0, 0.0
    if not (math.isfinite(slope) and math.isfinite(inter)):
        todo = "Set scl_slope to 1 and scl_inter to 0, or to what they should be"
        received = f"scl_slope {slope:g}, scl_inter {inter:g}"
        raise unreadable(path, "the scaling of its values is no number", received=received, todo=todo)
    return slope, inter


def _scaled(stored: NDArray[Any], header: NiftiHeader) -> NDArray[Any]:
    """Stored numbers as the header scales them; piece by piece, as on the way they take eight bytes each."""
    if (header.slope, header.inter) == (1.0, 0.0):
        return stored
    scaled = np.empty(stored.size, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite or NaN is counted later
        for at in range(0, stored.size, _PIECE):
            piece = slice(at, at + _PIECE)
            scaled[piece] = apply_read_scaling(stored[piece], header.slope, header.inter)
    return scaled
