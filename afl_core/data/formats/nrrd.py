"""Read NRRD files of one piece (`.nrrd`, and 3D Slicer's `.seg.nrrd` of one layer) without ITK.

Format: http://teem.sourceforge.net/nrrd/format.html. `FIELD: VALUE` lines end with an empty one; the voxels follow, as
they are or as a gzip stream. `KEY:=VALUE` lines name 3D Slicer's segments, no more. What is read, ITK reads alike; a
space that does not say where the patient's left is, which ITK takes for left-posterior-superior, is refused.

pynrrd 1.1.3 is no shorter way: it unzips 300 MB of a file that declares 64 bytes, follows a data file out of the folder
and takes unknown fields, so that only the loop over the lines could go, and every check would stay.
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

from afl_core.base.storage import told_size, unzip
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
from afl_core.errors import DataError

MAX_HEADER = 2**20
"""Bytes in which a header must end; 3D Slicer writes about 1 KiB for each segment."""

_MAGIC = re.compile(rb"NRRD000[1-5]\r?\n")

_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "i1": "signed char, int8, int8_t",
        "u1": "uchar, unsigned char, uint8, uint8_t",
        "i2": "short, short int, signed short, signed short int, int16, int16_t",
        "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
        "i4": "int, signed int, int32, int32_t",
        "u4": "uint, unsigned int, uint32, uint32_t",
        "i8": "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t",
        "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
        "f4": "float",
        "f8": "double",
    }
)
_TYPES: Mapping[str, str] = MappingProxyType(
    {name: code for code, names in _NAMES.items() for name in names.split(", ")}
)
_ORDERS: Mapping[str, str] = MappingProxyType({"little": "<", "big": ">"})
_ZIPPED: Mapping[str, bool] = MappingProxyType({"raw": False, "gzip": True, "gz": True})

_LPS, _LAS, _RAS = (-1.0, -1.0, 1.0), (-1.0, 1.0, 1.0), (1.0, 1.0, 1.0)
_SPACES: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        **{"left-posterior-superior": _LPS, "left posterior superior": _LPS, "lps": _LPS},
        **{"left-anterior-superior": _LAS, "left anterior superior": _LAS, "las": _LAS},
        **{"right-anterior-superior": _RAS, "right anterior superior": _RAS, "ras": _RAS},
    }
)
"""Signs that turn a space to RAS+."""

_PLACED = ("space", "spacedimension", "spaceorigin", "spacedirections")
"""Fields of an image that has a space; the others have spacings alone."""

_SEGMENT = re.compile(r"(?m)^Segment([0-9]{1,5})_(LabelValue|Name):=(.*)$")
"""Lines of 3D Slicer's; the other `KEY:=VALUE` lines do not matter."""

_NEEDED = ("type", "dimension", "sizes", "encoding")
_REFUSED: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("oldmin", "oldmax"), "it asks for values to be scaled, which ITK does not do either"),
        **dict.fromkeys(("axismins", "axismaxs"), "it says by axis mins or maxs where it lies, which is not read"),
    }
)
_FIELDS = frozenset(
    {
        *(*_NEEDED, *_PLACED, *_REFUSED, "endian", "kinds", "spacings", "spaceunits", "units", "datafile"),
        *("lineskip", "byteskip", "blocksize", "content", "min", "max", "number", "sampleunits"),
        *("measurementframe", "thicknesses", "centers", "centerings", "labels"),
    }
)
"""All that there are, without blanks; another one is an error of the format."""

_KINDS = frozenset({"domain", "space", "none", "???"})
_MM = frozenset({"mm", "millimeter", "millimeters", "", "???"})


@dataclass(frozen=True, eq=False)
class NrrdHeader(ImageHeader):
    """The facts in the text of an NRRD file.

    Attributes:
        start: First byte of the voxels.
        zipped: Whether they are a gzip stream.
    """

    start: int
    zipped: bool


def read_nrrd_header(path: Path) -> NrrdHeader:
    """Parse the header; no voxel is read.

    Raises:
        DataError: If it is no NRRD file, contradicts itself, is not 3-D, or is one that is not read here: voxels in
            another file, as text or behind bytes to skip, lengths that are not mm, a space that is not the patient's.
        OSError: If the file cannot be opened.
    """
    fields, start = _fields(path)
    if "datafile" in fields:
        todo = "Save header and voxels in one .nrrd file"
        raise unreadable(path, "its voxels lie in another file", received=fields["datafile"][:80], todo=todo)
    if lacking := [name for name in _NEEDED if name not in fields]:
        raise damaged(path, f"it has no field {lacking[0]}")
    for name, why in _REFUSED.items():
        if name in fields:
            raise damaged(path, why)
    if any(fields.get(name, "0") != "0" for name in ("lineskip", "byteskip")):
        raise damaged(path, "it asks for lines or bytes before its voxels to be skipped")
    shape = _shape(path, fields)
    zipped = _ZIPPED.get(fields["encoding"].lower())
    if zipped is None:
        todo = "Save it with the encoding raw or gzip"
        raise unreadable(path, "the encoding of its voxels is not read", received=fields["encoding"][:80], todo=todo)
    dtype = _dtype(path, fields)
    affine, remarks = _place(path, fields)
    return NrrdHeader(shape, affine, dtype, start, zipped, remarks=remarks)


def read_nrrd_voxels(path: Path, header: NrrdHeader) -> NDArray[Any]:
    """Voxels in the stored order; raises DataError before anything is allocated if the file cannot hold them."""
    check_size(path, header)
    if header.zipped:
        content = unzipped(path, lambda: unzip(path, header.size, start=header.start))
        if content.size < header.size:
            raise truncated(path, content.size, header.size)
        stored = content.view(header.dtype)
    else:
        check_nrrd_length(path, header)
        stored = np.fromfile(path, header.dtype, math.prod(header.shape), offset=header.start)
    return stored.reshape(header.shape, order="F")


def check_nrrd_length(path: Path, header: NrrdHeader) -> None:
    """Raise DataError if the file is too short; unzipped only where its last bytes tell another size than is due."""
    there = path.stat().st_size - header.start
    if not header.zipped and there < header.size:
        raise truncated(path, there, header.size)
    if header.zipped and told_size(path) != header.size:
        read_nrrd_voxels(path, header)


def read_segments(path: Path) -> dict[int, str]:
    """Label to name of the segments that 3D Slicer has in a file; empty where it names none, or is no NRRD file."""
    with path.open("rb") as file:
        block = file.read(MAX_HEADER)
    text = block.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("utf-8", "replace")
    if not _MAGIC.match(block):
        return {}
    fields = {(number, key): value for number, key, value in _SEGMENT.findall(text)}
    return {
        int(value): fields.get((number, "Name"), "").strip()
        for (number, key), value in fields.items()
        if key == "LabelValue"
        and re.fullmatch(r"[0-9]{1,5}", value.strip())
        and fields.get((number, "Name"), "").strip()
    }


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """Fields, in lower case and without blanks, with their values, and the byte after the empty line."""
    with path.open("rb") as file:
        block = file.read(MAX_HEADER)
    magic = _MAGIC.match(block)
    if not magic:
        raise damaged(path, f"the magic word {block[:9]!r}") if block[:4] == b"NRRD" else no_image(path, block, "NRRD")
    fields, at = dict[str, str](), magic.end()
    while True:
        end = block.find(b"\n", at)
        if end < 0:
            raise damaged(path, f"no empty line ends it within {len(block)} bytes")
        line, at = block[at:end].decode("utf-8", "replace").removesuffix("\r"), end + 1
        if not line:
            return fields, at
        key, colon, value = line.partition(":")
        if line.startswith("#") or value.startswith("="):
            continue
        name = key.lower().replace(" ", "")
        if name not in _FIELDS or not (colon and value.startswith(" ")):
            raise damaged(path, f"the line {line[:80]!r}")
        if name in fields:
            raise damaged(path, f"it says {key[:80]} twice")
        fields[name] = value.strip()


def _shape(path: Path, fields: Mapping[str, str]) -> tuple[int, ...]:
    """Voxels along the three axes of space."""
    words, kinds = fields["sizes"].split(), fields.get("kinds", "").lower().split()
    if str(len(words)) != fields["dimension"] or not all(re.fullmatch("[0-9]{1,19}", word) for word in words):
        raise damaged(path, f"it declares {fields['dimension'][:80]} dimensions of {fields['sizes'][:80]} voxels")
    if kinds and len(kinds) != len(words):
        raise damaged(path, f"it declares {len(kinds)} kinds of {len(words)} axes")
    directions = fields.get("spacedirections", "").lower()
    if len(words) != 3 or not set(kinds) <= _KINDS or "none" in directions:
        raise _not_spatial(path, fields)
    return tuple(map(int, words))


def _not_spatial(path: Path, fields: Mapping[str, str]) -> DataError:
    """Layers of segments above all, as 3D Slicer saves those that overlap; also colours, vectors and time."""
    kinds = f", kinds {fields['kinds'][:80]}" if "kinds" in fields else ""
    todo = "Save one 3-D image in the file; of a segmentation in layers, export a binary labelmap (in 3D Slicer: "
    todo += "Export visible segments to binary labelmap)"
    what = "it does not hold three axes of space alone"
    return unreadable(path, what, received=f"sizes {fields['sizes'][:80]}{kinds}", todo=todo)


def _dtype(path: Path, fields: Mapping[str, str]) -> np.dtype[Any]:
    code = _TYPES.get(" ".join(fields["type"].lower().split()))
    if code is None:
        raise damaged(path, f"voxels of the type {fields['type'][:80]} are not read")
    order = _ORDERS.get(fields.get("endian", "").lower())
    if order is None and ("endian" in fields or code[1] != "1"):
        raise damaged(path, f"endian: {fields.get('endian', 'not given')[:80]}, where little or big is due")
    return np.dtype((order or "=") + code)


def _place(path: Path, fields: Mapping[str, str]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Stored voxel index to RAS+ mm, and what a person should know of how it was told."""
    _check_mm(path, fields)
    affine = np.eye(4)
    if not any(name in fields for name in _PLACED):
        spacing_mm = parse_numbers(fields.get("spacings", "").split())
        if spacing_mm is None or len(spacing_mm) != 3 or not (spacing_mm > 0).all():
            what = "neither space directions nor spacings that are larger than 0"
            raise damaged(path, f"it has {what}: spacings {fields.get('spacings', 'not given')[:80]}")
        affine[:3, :3] = np.diag(spacing_mm)
        remark = "it names no space, so where it lies is not known: taken as ITK does, with the axes pointing left, "
        return np.diag([*_LPS, 1.0]) @ affine, (remark + "back and up and 0 mm at the first voxel",)
    signs = _SPACES.get(fields.get("space", "").lower())
    if signs is None or fields.get("spacedimension", "3") != "3":
        received = " and ".join(f"{name}: {fields[name][:80]}" for name in _PLACED[:2] if name in fields) or "no space"
        todo = "Save it with the space left-posterior-superior, as 3D Slicer and ITK do"
        raise unreadable(path, "its space does not say where the patient's left is", received=received, todo=todo)
    if "spacings" in fields or "spacedirections" not in fields:
        raise damaged(path, "it names a space, so space directions are due, and no spacings")
    affine[:3, :3] = _vectors(path, fields["spacedirections"], 3).T
    if "spaceorigin" in fields:
        affine[:3, 3] = _vectors(path, fields["spaceorigin"], 1)[0]
        remarks: tuple[str, ...] = ()
    else:
        remarks = ("it has no space origin, so where it lies is not known: taken as ITK does, 0 mm at the first voxel",)
    return np.diag([*signs, 1.0]) @ affine, remarks


def _vectors(path: Path, text: str, count: int) -> NDArray[np.float64]:
    """Vectors such as `(1,0,0) (0,1,0)`, shape (count, 3)."""
    vectors = re.findall(r"\(([^()]*)\)", text)
    numbers = [parse_numbers([word.strip() for word in vector.split(",")]) for vector in vectors]
    if len(vectors) != count or re.sub(r"\([^()]*\)", "", text).strip():
        raise damaged(path, f"{count} vectors are due where it declares {text[:80]}")
    if any(vector is None or len(vector) != 3 for vector in numbers):
        raise damaged(path, f"three numbers to a vector are due where it declares {text[:80]}")
    return np.array(numbers, np.float64)


def _check_mm(path: Path, fields: Mapping[str, str]) -> None:
    for name in ("spaceunits", "units"):
        units = re.findall(r'"([^"]*)"', fields.get(name, ""))
        if name in fields and (len(units) != 3 or not {unit.lower() for unit in units} <= _MM):
            todo = "Save it with lengths in mm"
            raise unreadable(path, "the unit of its lengths is not mm", received=fields[name][:80], todo=todo)
