"""Probabilities that nnU-Net stores beside a mask, in `CASE.npz`; the pickle beside them is never opened.

The array is (channels, Z, Y, X) on the grid of the mask, whose file says where that lies. Source: nnunetv2 2.8.1,
`inference/export_prediction.py` and `imageio/`.
"""

import math
import zlib
from pathlib import Path
from typing import Any, TypeVar
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from afl_core.data.formats.files import load_labels, read_header, strip_suffix, to_ras
from afl_core.data.layouts.nnunet_results import Declaration
from afl_core.data.loading import ras_grid_of
from afl_core.errors import DataError
from afl_core.volume import Region

Array = TypeVar("Array", bound=NDArray[Any])

POSTPROCESSED = "its probabilities give another mask, so post-processing was applied: the mask was used"
UNREAD = "its .npz was not used"
"""Words of a row's note on probabilities that do not belong to the mask, and on those that cannot be read."""

_ENTRY = "probabilities.npy"
_FLOATS = ("<f2", "<f4", "<f8")
_SPARE = 2**20
"""Bytes that an archive may have beside its array."""

_ROUNDING = 1e-3
"""A probability may be above 1 by this."""


def archive_of(mask: Path) -> Path | None:
    """The archive of probabilities beside a mask; None where there is none, or it is a link that leaves the folder."""
    path = mask.with_name(f"{strip_suffix(mask.name)}.npz")
    inside = path.is_file() and path.resolve().is_relative_to(mask.parent.resolve())
    return path if inside else None


def load_probabilities(
    path: Path, mask: Path, declaration: Declaration, region: Region
) -> tuple[NDArray[np.float32] | None, str]:
    """Probability of a region, by which the mask was made.

    Args:
        path: The archive.
        mask: The file of labels beside it.
        declaration: Labels and channels of the model.
        region: The region, of labels of the model.

    Returns:
        The probabilities, shape (X, Y, Z) in RAS+ order; None, and why in words, where they are not those of the mask
        or cannot be read; or None alone where the model has no channel of the region.
    """
    header = read_header(mask)
    grid = ras_grid_of(header.shape, header.affine).array.shape if declaration.reoriented else header.shape
    try:
        channels = _read(path, grid[::-1], declaration)
    except DataError as error:
        return None, f"{UNREAD}: {error.what} ({error.received})"

    def turned(array: Array) -> Array:
        """(Z, Y, X) as nnU-Net has it to (X, Y, Z) in RAS+ order."""
        return array.T if declaration.reoriented else to_ras(array.T, header.affine)[0]

    if not np.array_equal(turned(_labels_of(channels, declaration)), load_labels(mask).array):
        return None, POSTPROCESSED
    inside = frozenset(region.inside)
    if not declaration.order:
        return turned(channels[sorted(inside)].sum(axis=0, dtype=np.float32).clip(0, 1)), ""
    if inside in declaration.channels:
        return turned(channels[declaration.channels.index(inside)].astype(np.float32)), ""
    return None, ""


def _labels_of(channels: NDArray[np.floating], declaration: Declaration) -> NDArray[np.integer]:
    """The labels that nnU-Net makes of probabilities: the likeliest, or regions above 0.5 written in their order."""
    if not declaration.order:
        return np.asarray(channels.argmax(axis=0))
    labels = np.zeros(channels.shape[1:], np.int64)
    for channel, label in zip(channels, declaration.order, strict=True):
        labels[channel > 0.5] = label
    return labels


def _read(path: Path, grid: tuple[int, ...], declaration: Declaration) -> NDArray[np.floating]:
    """The array (channels, Z, Y, X); nothing is made room for that the grid (Z, Y, X) does not call for.

    Raises:
        DataError: If the archive is broken, or holds another array.
    """
    if not declaration.channels:
        raise DataError("the channels are not known", received=declaration.path.name)
    shape = (len(declaration.channels), *grid)
    if (size := path.stat().st_size) > math.prod(shape) * np.dtype(_FLOATS[-1]).itemsize + _SPARE:
        raise DataError("it is larger than its grid", received=f"{size:,} bytes")
    try:
        array = _load(path, shape)
    except (BadZipFile, KeyError, ValueError, EOFError, OSError, RuntimeError, zlib.error) as error:
        raise DataError("it is broken", received=str(error) or type(error).__name__) from error
    if not (array.min() >= 0 and array.max() <= 1 + _ROUNDING):  # false for NaN too
        raise DataError("it holds no probabilities", received=f"values {array.min():g} to {array.max():g}")
    return array


def _load(path: Path, shape: tuple[int, ...]) -> NDArray[np.floating]:
    """The array of an archive, if it has this shape; raises what NumPy and zipfile do where it is broken."""
    with ZipFile(path) as archive:
        if archive.getinfo(_ENTRY).compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise ValueError("a compression that nnU-Net does not write")
        with archive.open(_ENTRY) as file:
            if npy.read_magic(file) != (1, 0):  # others may have a header of gigabytes
                raise ValueError("a version that nnU-Net does not write")
            there, _, kind = npy.read_array_header_1_0(file)
        if there != shape:
            raise DataError("it is of another grid or model", received=f"shape {there} in place of {shape}")
        if kind.str not in _FLOATS:
            raise DataError("it holds no probabilities", received=kind)
        with archive.open(_ENTRY) as file:
            return np.asarray(npy.read_array(file, allow_pickle=False))
