"""Read MetaImage files (`.mha`, `.mhd`) without ITK, which a damaged header makes crash together with its process.

Format: https://docs.itk.org/en/latest/learn/metaio.html. `NAME = VALUE` lines end with `ElementDataFile`; the voxels
follow (LOCAL) or lie in a file beside it, as one zlib stream or as they are. A header is read as ITK reads it; one that
says a thing twice and differently, or in a spelling that ITK passes over, is refused.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afl_core.base.remote import bring
from afl_core.base.storage import ZLIB, unzip
from afl_core.data.formats.header import (
    ImageHeader,
    check_size,
    damaged,
    no_image,
    parse_numbers,
    truncated,
    unreadable,
    unzipped,
)

MAX_HEADER = 2**16
"""Bytes in which a header must end; PI-CAI's, with their DICOM tags, take 2 KiB."""

_TYPES: Mapping[str, str] = MappingProxyType(
    {
        **{"MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4"},
        **{"MET_UINT": "u4", "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8"},
        **{"MET_FLOAT": "f4", "MET_DOUBLE": "f8"},
    }
)

_MATRIX = ("TransformMatrix", "Rotation", "Orientation")
_OFFSET = ("Offset", "Position", "Origin")
_SPACING = ("ElementSpacing", "ElementSize")
_ORDER = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
_SLOPE, _SHIFT = "ElementToIntensityFunctionSlope", "ElementToIntensityFunctionOffset"
_KEYS = (
    *_MATRIX,
    *_OFFSET,
    *_SPACING,
    *_ORDER,
    *("ObjectType", "NDims", "DimSize", "BinaryData", "CompressedData", "CompressedDataSize", "HeaderSize"),
    *("ElementType", "ElementNumberOfChannels", "ElementDataFile", _SLOPE, _SHIFT),
)
"""Names of the lines that are read; any other line is a tag that does not matter."""

_WHOLE = re.compile(r"[-+]?[0-9]{1,19}")


@dataclass(frozen=True, eq=False)
class MhaHeader(ImageHeader):
    """The facts in the text of a MetaImage; the affine is the identity if the image is not 3-D.

    Attributes:
        data: File that holds the voxels.
        start: First byte of the voxels in it, or -1: they end the file.
        zipped: Whether they are a zlib stream.
        zipped_size: Bytes of that stream; 0 where the header does not say.
    """

    data: Path
    start: int
    zipped: bool
    zipped_size: int


def read_mha_header(path: Path) -> MhaHeader:
    """Parse the header; no voxel is read.

    Raises:
        DataError: If it is not a MetaImage, contradicts itself, or is one that is not read here: voxels as text, or in
            another folder.
        OSError: If the file cannot be opened.
    """
    fields, start = _lines(path)
    if fields.get("ObjectType", "Image") != "Image" or not _flag(path, fields, ("BinaryData",), default=True):
        raise damaged(path, "it is no image with binary voxels")
    if "NDims" not in fields or "DimSize" not in fields or "ElementType" not in fields:
        raise damaged(path, f"it has no line {next(k for k in ('NDims', 'DimSize', 'ElementType') if k not in fields)}")
    n, channels = _whole(path, fields, "NDims", 3), _whole(path, fields, "ElementNumberOfChannels", 1)
    words = fields["DimSize"].split()
    if len(words) != n or not 1 <= n <= 10 or channels < 1 or not all(map(_WHOLE.fullmatch, words)):
        raise damaged(path, f"it declares {n} dimensions of {fields['DimSize'][:80]} voxels with {channels} channels")
    if fields["ElementType"] not in _TYPES:
        raise damaged(path, f"voxels of the type {fields['ElementType'][:80]} are not read")
    if _numbers(path, fields, (_SLOPE,), "1") != 1 or _numbers(path, fields, (_SHIFT,), "0") != 0:
        raise damaged(path, "it asks for values to be scaled, which ITK does not do either")
    dtype = np.dtype(_TYPES[fields["ElementType"]]).newbyteorder(">" if _flag(path, fields, _ORDER) else "<")
    zipped, zipped_size = _flag(path, fields, ("CompressedData",)), _whole(path, fields, "CompressedDataSize", 0)
    if zipped and zipped_size < ("CompressedDataSize" in fields):
        raise damaged(path, f"it declares {zipped_size} bytes of compressed voxels")
    data, start = _voxels_at(path, fields, start, zipped=zipped)
    shape = (*map(int, words), *([channels] if channels > 1 else []))
    affine = _affine(path, fields) if len(shape) == 3 else np.eye(4)
    return MhaHeader(shape, affine, dtype, data, start, zipped, zipped_size)


def read_mha_voxels(path: Path, header: MhaHeader) -> NDArray[Any]:
    """Voxels in the stored order; raises DataError before anything is allocated if the file cannot hold them."""
    check_size(path, header)
    start, due = check_mha_length(path, header)
    if header.zipped:
        end = start + header.zipped_size if header.zipped_size else None
        content = unzipped(path, lambda: unzip(header.data, due, start=start, end=end, wbits=ZLIB))
        if content.size < due:
            raise truncated(path, content.size, due)
        stored = content.view(header.dtype)
    else:
        stored = np.fromfile(header.data, header.dtype, math.prod(header.shape), offset=start)
    return stored.reshape(header.shape, order="F")


def check_mha_length(path: Path, header: MhaHeader) -> tuple[int, int]:
    """First byte of the voxels and their number, unzipped; raises DataError if the file cannot hold them."""
    due = math.prod(header.shape) * header.dtype.itemsize
    stored = header.zipped_size if header.zipped else due
    there = header.data.stat().st_size
    start = there - due if header.start < 0 else header.start
    if start < 0 or there < start + max(stored, 1):
        raise truncated(path, there - max(start, 0), stored or due)
    return start, due


def _lines(path: Path) -> tuple[dict[str, str], int]:
    """Names and values up to `ElementDataFile`, and the byte after that line."""
    with path.open("rb") as file:
        block = file.read(MAX_HEADER)
    fields, at = dict[str, str](), 0
    exact = {key.lower(): key for key in _KEYS}
    while at < len(block) and "ElementDataFile" not in fields:
        end = block.find(b"\n", at)
        end = len(block) if end < 0 else end
        line = block[at:end].decode("utf-8", "replace").removesuffix("\r")
        name, equals, value = line.partition("=")
        key, value, at = name.rstrip(), value.strip(), end + 1
        if not (equals or line.strip()) and fields:
            continue
        if not equals or (not fields and key.strip().lower() not in exact):
            raise no_image(path, block, "MetaImage") if not fields else damaged(path, f"the line {line[:80]!r}")
        known = exact.get(re.split(r"[:\s]", key.strip(), maxsplit=1)[0].lower())
        if known and key != known:
            raise damaged(path, f"it writes {key[:80]!r} where the format has {known}")
        if fields.get(key, value) != value and known:
            raise damaged(path, f"it says {key} = {fields[key][:80]} and {key} = {value[:80]}")
        fields[key] = value
    if "ElementDataFile" not in fields:
        raise no_image(path, block, "MetaImage") if not fields else damaged(path, "it has no line ElementDataFile")
    return fields, at


def _voxels_at(path: Path, fields: Mapping[str, str], after: int, *, zipped: bool) -> tuple[Path, int]:
    """The file that holds the voxels, and where they start in it."""
    name, skipped = fields["ElementDataFile"], _whole(path, fields, "HeaderSize", 0)
    if not -1 <= skipped <= MAX_HEADER or (skipped and (zipped or name in ("LOCAL", "Local", "local"))):
        raise damaged(path, f"it declares a header of {skipped} bytes")
    if name in ("LOCAL", "Local", "local"):
        return path, after
    data = path.parent / name
    # Anything else could show a file that the person who gave this one must not see.
    if Path(name).name != name or "\0" in name or name in ("", "..") or data.resolve().parent != path.resolve().parent:
        todo = "Save it as one .mha file"
        raise unreadable(path, "its voxels must lie in the same folder", received=name[:80], todo=todo)
    if not data.is_file():
        raise unreadable(
            path, "there is no file beside it with its voxels", received=name[:80], todo="Copy that file too"
        )
    bring(data)
    return data, skipped


def _affine(path: Path, fields: Mapping[str, str]) -> NDArray[np.float64]:
    """Index to RAS+ mm; a row of the matrix is the direction of one index, in ITK's LPS+."""
    directions = _numbers(path, fields, _MATRIX, "1 0 0 0 1 0 0 0 1").reshape(3, 3)
    spacing_mm = _numbers(path, fields, _SPACING, "1 1 1")
    if not (spacing_mm > 0).all():
        raise damaged(path, f"it declares a spacing of {spacing_mm.tolist()} mm")
    affine = np.eye(4)
    affine[:3, :3] = directions.T * spacing_mm
    affine[:3, 3] = _numbers(path, fields, _OFFSET, "0 0 0")
    lps: NDArray[np.float64] = np.diag([-1.0, -1.0, 1.0, 1.0])
    return lps @ affine


def _flag(path: Path, fields: Mapping[str, str], names: tuple[str, ...], *, default: bool = False) -> bool:
    """Whether a line says yes, by its first letter as in ITK: `True`, `true`, `T` and `1` are yes."""
    told = {fields[name][:1].upper() for name in names if name in fields}
    if not told <= {"T", "1", "F", "0"}:
        raise damaged(path, f"{names[0]} is neither True nor False")
    yes = {letter in "T1" for letter in told}
    if len(yes) > 1:
        raise damaged(path, f"{' and '.join(names)} contradict each other")
    return yes.pop() if yes else default


def _whole(path: Path, fields: Mapping[str, str], name: str, default: int) -> int:
    text = fields.get(name, str(default))
    if not _WHOLE.fullmatch(text):
        raise damaged(path, f"it declares {name} = {text[:80]}")
    return int(text)


def _numbers(path: Path, fields: Mapping[str, str], names: tuple[str, ...], default: str) -> NDArray[np.float64]:
    """The numbers of a line that may have several names; as many as the default has."""
    declared = list[NDArray[np.float64]]()
    for name in names:
        words = fields.get(name, default).split()
        numbers = parse_numbers(words) if len(words) == len(default.split()) else None
        if numbers is None:
            raise damaged(path, f"it declares {name} = {fields[name][:80]}")
        declared += [numbers] if name in fields else []
    if any((numbers != declared[0]).any() for numbers in declared):
        raise damaged(path, f"{' and '.join(name for name in names if name in fields)} contradict each other")
    return declared[0] if declared else np.array([float(word) for word in default.split()])
