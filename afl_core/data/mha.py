"""Read MetaImage files (`.mha`, `.mhd`) without ITK, which a damaged header makes crash together with its process.

Format: https://docs.itk.org/en/latest/learn/metaio.html. `NAME = VALUE` lines end with `ElementDataFile`; the voxels
follow (LOCAL) or lie in a file beside it, as one zlib stream or as they are.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afl_core.storage import ZLIB, unzip

MAX_HEADER = 2**16
"""Bytes in which a header must end; PI-CAI's, with their DICOM tags, take 2 KiB."""

_TYPES: Mapping[str, str] = {
    **{"MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4"},
    **{"MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8"},
    **{"MET_FLOAT": "f4", "MET_DOUBLE": "f8"},
}


@dataclass(frozen=True, eq=False)
class MhaHeader:
    """What the text of a MetaImage says.

    Attributes:
        shape: Voxels along the stored axes, X running fastest; the channels as a last axis where there are several.
        affine: Shape (4, 4), stored voxel index to RAS+ millimetres; the identity if the image is not 3-D.
        dtype: Of a voxel as stored.
        data: File that holds the voxels.
        start: Its first byte of them, or -1: they end the file.
        zipped: Whether they are a zlib stream.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    dtype: np.dtype[Any]
    data: Path
    start: int
    zipped: bool


def read_mha_header(path: Path) -> MhaHeader:
    """Parse the header; no voxel is read.

    Raises:
        ValueError: If it is not a MetaImage, or one that is not read here: voxels as text, or in another folder.
        KeyError: If a needed line is missing.
    """
    said, start = _lines(path)
    if said.get("ObjectType", "Image") != "Image" or said.get("BinaryData", "True") != "True":
        raise ValueError("it is no MetaImage with binary voxels")
    n = int(said["NDims"])
    shape = tuple(int(word) for word in said["DimSize"].split())
    channels = int(said.get("ElementNumberOfChannels", "1"))
    if len(shape) != n or n < 1 or channels < 1:
        raise ValueError(f"it declares {n} dimensions of {shape} voxels with {channels} channels")
    big = said.get("BinaryDataByteOrderMSB", said.get("ElementByteOrderMSB", "False")) == "True"
    if said["ElementType"] not in _TYPES:
        raise ValueError(f"voxels of the type {said['ElementType']!r} are not read")
    dtype = np.dtype(_TYPES[said["ElementType"]]).newbyteorder(">" if big else "<")
    data, start = _place(path, said, start)
    shape = shape if channels == 1 else (*shape, channels)
    affine = _affine(said) if len(shape) == 3 else np.eye(4)
    return MhaHeader(shape, affine, dtype, data, start, said.get("CompressedData", "False") == "True")


def read_mha_voxels(header: MhaHeader) -> NDArray[Any]:
    """Voxels in the stored order; raises EOFError before anything is allocated if the file cannot hold them."""
    count = int(np.prod(header.shape))
    size = count * header.dtype.itemsize
    there = header.data.stat().st_size
    start = there - size if header.start < 0 else header.start
    if header.zipped:
        found = np.frombuffer(unzip(header.data, size, start=max(header.start, 0), wbits=ZLIB), np.uint8)
        if found.size < size:
            raise EOFError(f"it holds {found.size} of {size} bytes of voxels")
        stored = found.view(header.dtype)
    elif start < 0 or there < start + size:
        raise EOFError(f"it holds {max(there - max(start, 0), 0)} of {size} bytes of voxels")
    else:
        stored = np.fromfile(header.data, header.dtype, count, offset=start)
    return stored.reshape(header.shape, order="F")


def _lines(path: Path) -> tuple[dict[str, str], int]:
    """Names and values up to `ElementDataFile`, and the byte after that line."""
    with path.open("rb") as file:
        block = file.read(MAX_HEADER)
    said, at = dict[str, str](), 0
    while at < len(block) and "ElementDataFile" not in said:
        end = block.find(b"\n", at)
        end = len(block) if end < 0 else end
        name, equals, value = block[at:end].decode("utf-8", "replace").partition("=")
        at = end + 1
        if equals:
            said[name.strip()] = value.strip()
    if "ElementDataFile" not in said:
        raise ValueError("it has no line ElementDataFile")
    return said, at


def _place(path: Path, said: Mapping[str, str], after: int) -> tuple[Path, int]:
    """The file that holds the voxels, and where they start in it."""
    name = said["ElementDataFile"]
    if name.upper() == "LOCAL":
        return path, after
    data = path.parent / name
    # Anything else could show a file that the person who gave this one must not see.
    if Path(name).name != name or name in ("", "..") or data.resolve().parent != path.resolve().parent:
        raise ValueError(f"its voxels must lie in the same folder, not in {name!r}")
    if not data.is_file():
        raise ValueError(f"there is no file {name!r} beside it, which holds its voxels")
    skipped = int(said.get("HeaderSize", "0"))
    if not -1 <= skipped <= MAX_HEADER:
        raise ValueError(f"it declares a header of {skipped} bytes")
    return data, skipped


def _affine(said: Mapping[str, str]) -> NDArray[np.float64]:
    """Index to RAS+ mm; a row of the matrix is the direction of one index, in ITK's LPS+."""
    directions = _numbers(said, ("TransformMatrix", "Rotation", "Orientation"), "1 0 0 0 1 0 0 0 1").reshape(3, 3)
    spacing_mm = _numbers(said, ("ElementSpacing", "ElementSize"), "1 1 1").reshape(3)
    if not (spacing_mm > 0).all():
        raise ValueError(f"it declares a spacing of {said['ElementSpacing']}")
    affine = np.eye(4)
    affine[:3, :3] = directions.T * spacing_mm
    affine[:3, 3] = _numbers(said, ("Offset", "Origin", "Position"), "0 0 0").reshape(3)
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _numbers(said: Mapping[str, str], names: tuple[str, ...], default: str) -> NDArray[np.float64]:
    text = next((said[name] for name in names if name in said), default)
    numbers = np.array([float(word) for word in text.split()])
    if not (np.abs(numbers) < sys.maxsize).all():  # also where one is NaN
        raise ValueError(f"it declares {names[0]} = {text[:80]}")
    return numbers
