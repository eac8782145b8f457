"""Whether a file is as long as its header says, without reading its voxels where that can be told otherwise."""

import math
import re
from pathlib import Path

from afl_core.data.files import load_volume
from afl_core.errors import DataError

_HEAD = 2**16
"""Bytes in which the text header of an MHA file lies."""

_BYTES = {"UCHAR": 1, "CHAR": 1, "USHORT": 2, "SHORT": 2, "UINT": 4, "INT": 4, "FLOAT": 4, "DOUBLE": 8}


def check_length(path: Path, shape: tuple[int, ...], size: int) -> None:
    """Raise if a file ends before its last voxel; shape and size are those of `read_header`.

    A gzip file ends with its unzipped size; only where that is another one than the header needs (as of a file of
    several streams) the voxels are read.

    Raises:
        DataError: If the file is cut off.
    """
    name = path.name.lower()
    if name.endswith(".mhd"):
        return
    due, found = _mha_lengths(path, shape) if name.endswith(".mha") else (size, path.stat().st_size)
    if name.endswith(".gz"):
        with path.open("rb") as file:
            file.seek(max(0, found - 4))
            found = int.from_bytes(file.read(4), "little")
        if found != due % 2**32:
            load_volume(path, channel=0 if len(shape) == 4 else None)
    elif found < due:
        raise DataError(
            f"{path.name} is truncated", received=f"{found} bytes where {due} are due", todo="Copy or download it again"
        )


def _mha_lengths(path: Path, shape: tuple[int, ...]) -> tuple[int, int]:
    """Bytes of voxels that are due, and that are there; equal where the file does not say."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    start = re.search(rb"(?i)ElementDataFile\s*=\s*LOCAL\r?\n", head)
    fields = {key.strip().lower(): value.strip() for key, _, value in _lines(head)}
    size = fields.get("compresseddatasize", "")
    if start is None:
        return 0, 0
    if fields.get("compresseddata", "").lower() == "true":
        due = int(size) if size.isdecimal() else 0
    else:
        due = math.prod(shape) * _BYTES.get(fields.get("elementtype", "").upper().removeprefix("MET_"), 0)
    return due, path.stat().st_size - start.end()


def _lines(head: bytes) -> list[tuple[str, str, str]]:
    return [line.partition("=") for line in head.decode("latin-1").split("\n")[:100]]
