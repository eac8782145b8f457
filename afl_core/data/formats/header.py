"""What the headers of all image formats have in common, and the one sentence for each cause why a file is refused."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from afl_core.errors import DataError

MAX_VOXELS = 2**28
"""Largest image that is read (268 million voxels, 1 GiB as float32); checked in the header, before allocation."""

MAX_BYTES = 2**30
"""Most bytes that its voxels may take as stored."""

LEAST_CORNER = 1e-3
"""Volume of the box between the axes over that of a right-angled one; below, the axes lie in one plane."""

_NUMBER = re.compile(r"[-+]?([0-9]++(\.[0-9]*+)?|\.[0-9]++)([eE][-+]?[0-9]{1,4})?")
_MAX_LENGTH = 1e15
"""Largest number that the geometry may hold."""

_STARTS: Mapping[bytes, tuple[str, str]] = MappingProxyType(
    {
        b"\x1f\x8b": ("a gzip file", "If it is a zipped NIfTI file, rename it to end in .nii.gz"),
        b"version https://git-lfs": ("a pointer of Git LFS", "Fetch the file itself with git lfs pull"),
        b"NRRD": ("an NRRD file", "Rename it to end in .nrrd"),
        b"ObjectType": ("a MetaImage", "Rename it to end in .mha"),
        b"<": ("a web page", "Download the file itself"),
        b"PK": ("a zip archive", "Unpack it"),
    }
)
"""How files begin that are often taken for an image: what they are, and what to do."""


def is_zipped(path: Path) -> bool:
    """Whether a file's name says that it is a gzip file."""
    return path.name.lower().endswith(".gz")


@dataclass(frozen=True, eq=False)
class ImageHeader:
    """The facts in the header of an image.

    Attributes:
        shape: Voxels along the stored axes, X running fastest; the volumes or channels as a last axis, if several.
        affine: Shape (4, 4), stored voxel index to RAS+ millimetres.
        dtype: Number type of a voxel as stored.
        remarks: Sentences on its geometry that a person should know, such as two transforms that disagree.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    dtype: np.dtype[Any]
    remarks: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def size(self) -> int:
        """Bytes of the voxels, unzipped."""
        return math.prod(self.shape) * self.dtype.itemsize


def parse_numbers(words: Sequence[str]) -> NDArray[np.float64] | None:
    """The numbers that a header writes as text; None where a word is none, or one too large for a geometry."""
    if not all(map(_NUMBER.fullmatch, words)):
        return None
    numbers = np.array([float(word) for word in words])
    return numbers if (np.abs(numbers) < _MAX_LENGTH).all() else None


def unreadable(path: Path, cause: str, *, received: object = None, todo: str) -> DataError:
    """Why a file cannot be read, in one sentence that begins with its name."""
    return DataError(f"{path.name} cannot be read as an image: {cause}", received=received, todo=todo)


def truncated(path: Path, there: int, due: int) -> DataError:
    """A file that ends before its last voxel."""
    return unreadable(
        path, "it is truncated", received=f"{max(there, 0)} of {due} bytes of voxels", todo="Copy or download it again"
    )


def damaged(path: Path, problem: object) -> DataError:
    """A header that contradicts itself or the format."""
    return unreadable(path, "its header is damaged", received=problem, todo="Write the file again where it was made")


def no_image(path: Path, start: bytes, kind: str) -> DataError:
    """A file that is something else than its name says; `start` is how it begins."""
    again = "Copy or download it again"
    if not start:
        return unreadable(path, "it is empty", received="0 bytes", todo=again)
    known = next((what for begin, what in _STARTS.items() if start.lstrip().startswith(begin)), None)
    if start[128:132] == b"DICM":
        known = ("a DICOM file", "Convert the series to NIfTI, for example with dcm2niix")
    received, todo = known or (f"a file that begins with {start[:12]!r}", again)
    return unreadable(path, f"it is no {kind} file", received=received, todo=todo)


def check_size(path: Path, header: ImageHeader) -> None:
    """Refuse, before anything is allocated, a grid or voxels that are not read; raises DataError."""
    if min(header.shape) < 1 or np.prod(header.shape, dtype=np.float64) > MAX_VOXELS:
        raise DataError(
            f"{path.name} declares an impossible or too large grid",
            received=f"{header.shape}, at most {MAX_VOXELS} voxels",
            todo="Check the file; a larger image is to be cropped or resampled first",
        )
    if header.dtype.kind not in "biuf" or header.dtype.itemsize > 8:
        raise DataError(
            f"{path.name} holds voxels that are no plain numbers",
            received=header.dtype,
            todo="Save one number per voxel, not colours, complex values or more than 64 bits",
        )
    size = int(np.prod(header.shape)) * header.dtype.itemsize
    if size > MAX_BYTES:
        todo = "Save it with a smaller number type, or crop it"
        raise unreadable(path, "it is too large", received=f"{size} bytes of voxels, at most {MAX_BYTES}", todo=todo)


def check_space(path: Path, affine: NDArray[np.float64]) -> None:
    """Refuse an affine that does not map the grid to space; raises DataError."""
    with np.errstate(all="ignore"):
        axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        flat = not np.isfinite(axes).all() or abs(np.linalg.det(axes)) < LEAST_CORNER
    if flat or not np.isfinite(affine).all():
        raise DataError(
            f"{path.name} has an affine that does not map to space",
            received=affine.tolist(),
            todo="Write the file again with the affine of the scan",
        )


def unzipped(path: Path, read: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """What `read` unzips; a stream that is cut off or damaged becomes a DataError that says so."""
    try:
        return read()
    except EOFError as error:
        raise unreadable(path, "it is truncated", received=error, todo="Copy or download it again") from error
    except isal_zlib.error as error:  # type: ignore[misc]  # its stub calls the class an instance
        what = "its compressed voxels are damaged"
        raise unreadable(path, what, received=error, todo="Copy or download it again") from error
