"""What the values of predicted files mean: a mask, labels of the data set, or probabilities.

A file alone may not tell: one that holds the label 1 is a mask of the enhancing tumour, or the necrosis of a file of
labels. So the meaning is decided once for a folder, from its files, and goes with everything that is measured.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from afl_core.data.files import FRACTION, MAX_LABELS, load_labels, load_mask, load_volume
from afl_core.data.loading import region_mask
from afl_core.errors import DataError
from afl_core.regions import bounding_box
from afl_core.volume import WHOLE, Mask, Region

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "mask": "masks of the region: every value above 0 is in it",
        "labels": "files of labels, of which the region is taken",
        "probabilities": "maps of probabilities, cut at 0.5",
    }
)
"""What the files of a folder may be."""

SAMPLED = 4
"""Files that are read to tell masks of the whole tumour from maps: the largest, which hold most."""

_MAP, _UNREAD = frozenset({-1}), frozenset[int]()
"""In place of the values of a file: one without whole numbers, and one that cannot be read, which tells nothing."""


def decide_meaning(paths: Sequence[Path], region: Region) -> str:
    """What the files of a folder are by the values of them all.

    Where the region is a part of the labels, they are labels if any file holds one above 1, else masks of the region.
    They are probabilities where more files hold maps than labels.

    Args:
        paths: The files; one that cannot be read tells nothing.
        region: What is taken of them.

    Returns:
        A name in `MEANINGS`, or "" where the whole is taken and masks and labels are the same.
    """
    if not region.key:
        paths = sorted(paths, key=lambda path: path.stat().st_size, reverse=True)[:SAMPLED]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(_values, paths))
    maps = sum(values == _MAP for values in found)
    labels = sum(any(1 < value <= MAX_LABELS for value in values) for values in found)
    if maps > labels:
        return "probabilities"
    if not region.key:
        return ""
    return "labels" if labels else "mask"


def load_prediction(
    path: Path, region: Region = WHOLE, meaning: str = ""
) -> tuple[Mask, NDArray[np.float32] | None, str]:
    """A predicted mask of the region.

    Args:
        path: The file.
        region: What is taken of labels.
        meaning: Name in `MEANINGS`; "" reads masks, labels and maps of the whole, and decides by this file for a part.

    Returns:
        The mask; the probabilities, shape (X, Y, Z), or None; and how the file was read, "" where it is a plain mask.

    Raises:
        DataError: If the file is not what `meaning` says, or holds a label that the data set lacks.
    """
    meaning = meaning or decide_meaning([path], region)
    if meaning == "probabilities":
        mask, probabilities = _cut(path)
        return mask, probabilities, "a map of probabilities, cut at 0.5"
    if meaning == "labels" and region.key:
        note = f"a file of labels, of which {region.key} was taken"
        return region_mask(load_labels(path), region, file=path.name), None, note
    return load_mask(path), None, ""


def _cut(path: Path) -> tuple[Mask, NDArray[np.float32]]:
    """A map of probabilities, rounding beyond 0 and 1 cut off, and its mask."""
    volume = load_volume(path)
    low, high = float(volume.array.min()), float(volume.array.max())
    if low < -FRACTION or high > 1 + FRACTION:
        load_labels(path)  # says what else it looks like
        raise DataError(
            f"{path.name} is not a map of probabilities, as other files of its folder are",
            received=f"values {low:g} to {high:g}",
            todo="Save every file as a map of 0 to 1, or every file as a mask",
        )
    probabilities = np.clip(volume.array.astype(np.float32, copy=False), 0, 1)
    return Mask(np.asarray(probabilities > 0.5), volume.affine), probabilities


def _values(path: Path) -> frozenset[int]:
    try:
        stat = path.stat()
        return _read_values(path, stat.st_size, stat.st_mtime_ns)
    except (DataError, OSError):
        return _UNREAD  # said of its case


@lru_cache(maxsize=4096)
def _read_values(path: Path, _size: int, _changed_ns: int) -> frozenset[int]:
    try:
        array = load_labels(path).array
    except DataError:
        load_volume(path)
        return _MAP
    box = bounding_box(array != 0)
    return _UNREAD if box is None else frozenset(np.flatnonzero(np.bincount(array[box].ravel())).tolist())
