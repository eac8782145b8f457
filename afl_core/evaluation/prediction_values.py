"""What the values of predicted files mean: a mask, labels of the data set, or probabilities.

A file alone may not tell: one that holds the label 1 is a mask of the enhancing tumour, or the necrosis of a file of
labels. So the meaning is decided once for a folder, from its files, and goes with everything that is measured.
"""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from afl_core.base.words import number_of
from afl_core.data.background import check_predicted
from afl_core.data.boxed_labels import BoxedLabels, load_boxed_labels
from afl_core.data.formats.files import load_volume, read_header
from afl_core.data.formats.values import FRACTION, MAX_LABELS
from afl_core.errors import DataError
from afl_core.volume import Region

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "mask": "masks of the region: every value above 0 is in it",
        "labels": "files of labels, of which the region is taken",
        "probabilities": "maps of probabilities, cut at 0.5",
        "channels": "4-D files of three regions, in the order TC, WT, ET, of which the region is taken",
    }
)
"""What the files of a folder may be."""

MIXED: Mapping[str, str] = MappingProxyType(
    {
        "labels-beside-maps": "files of labels, of which the region is taken; files of 0 and 1 alone are refused",
        "maps-beside-labels": "maps of probabilities, cut at 0.5; files of 0 and 1 alone are refused",
    }
)
"""Meanings of a folder with maps and labels, in which a file of 0 and 1 alone may be either."""

BYTE_MAPS = "byte-probabilities"
"""Meaning of a folder in which every map is one of whole numbers, and some lie above 100."""

DECLARED = "declared"
"""Meaning of a folder with the dataset.json of the model that made it."""

DECIDED: Mapping[str, str] = MappingProxyType(
    {
        **MEANINGS,
        **MIXED,
        BYTE_MAPS: "maps of 0 to 255, which is a probability of 1, cut at 0.5",
        DECLARED: "files of labels, of which the region is taken as the model's dataset.json declares it",
    }
)
"""Meanings that may be decided for a folder; a user can also name the first of them, `MEANINGS`."""

FEW = 3
"""Whole numbers that may leave gaps and be labels of a file nevertheless: {1, 4} is necrosis and enhancing tumour."""

BYTE, SURE_BYTE = 255, 100
"""A map whose largest value lies above `SURE_BYTE`, up to `BYTE`, is of 0 to 255; one below may be of per cent."""

_TITLES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "maps": ("map of probabilities", "maps of probabilities"),
        "labels": ("file of labels", "files of labels"),
        "channels": ("4-D file", "4-D files"),
        "ones": ("file of 0 and 1 alone, which may be either", "files of 0 and 1 alone, which may be either"),
        "other": ("other file that does not tell what it is", "other files that do not tell what they are"),
    }
)
"""What files of a kind are called in a sentence, one of them and several."""

_MAP, _CHANNELS, _BYTE_MAP, _SURE_MAP = (frozenset({-n}) for n in range(1, 5))
_UNREAD = frozenset[int]()
"""Marks in place of values: a map up to 1; a 4-D file; one that may be a map of 0 to 255, and one that surely is; and a
file that is refused whatever its folder holds, or holds 0 alone, and tells nothing."""


@dataclass(frozen=True)
class FileKinds:
    """The files of a folder by what their values can be.

    Attributes:
        of: Kind to paths: `maps`, `labels`, `channels`, `ones` (0 and 1 alone), and `other`, which tell nothing more.
        has_byte_maps: Whether a map is surely of 0 to 255.
        is_of_bytes: Whether one is, and all others may be.
    """

    of: Mapping[str, Sequence[Path]]
    has_byte_maps: bool
    is_of_bytes: bool


def decide_meaning(files: FileKinds, region: Region) -> str:
    """The meaning of the files of a folder, by the values of them all.

    They are labels if any file holds one above 1, or several values, else masks of the region. They are probabilities
    where more files hold maps than labels, and channels where more files are 4-D than not. A file that is of another
    kind than its folder is then refused where it is measured. So is one of 0 and 1 alone where that would be another
    mask by the other kind: beside maps and labels if a part of the labels is taken, and beside maps of 0 to 255, in
    which 1 is next to nothing.

    Args:
        files: The files; one that cannot be read tells nothing.
        region: Region that is taken of labels; for the whole, masks and labels give the same.

    Returns:
        A name in `DECIDED`.
    """
    n = {kind: len(paths) for kind, paths in files.of.items()}
    if 2 * n["channels"] > sum(n.values()):
        return "channels"
    is_map = n["maps"] > n["labels"]
    if n["ones"] and ((n["maps"] and n["labels"] and region.key) or files.has_byte_maps):
        return "maps-beside-labels" if is_map else "labels-beside-maps"
    if is_map and files.is_of_bytes:
        return BYTE_MAPS
    return "probabilities" if is_map else "labels" if n["labels"] else "mask"


def describe_mixture(files: FileKinds) -> str:
    """The kinds of files in a folder, with numbers and names, in a sentence; "" where they are of one kind."""
    telling = [kind for kind in ("maps", "labels", "channels") if files.of[kind]]
    if len(telling) < 2 and not (files.has_byte_maps and files.of["ones"]):
        return ""
    return "; ".join(
        f"{number_of(len(paths), *_TITLES[kind])} "
        f"({', '.join(path.name for path in paths[:2])}{' ...' if len(paths) > 2 else ''})"
        for kind, paths in files.of.items()
        if paths
    )


def sort_by_kind(paths: Sequence[Path]) -> FileKinds:
    """The kinds of the files of a folder; each file is read once."""
    with ThreadPoolExecutor(4) as pool:
        by_path = dict(zip(paths, pool.map(values_of, paths), strict=True))
    has_bytes = _SURE_MAP in by_path.values()
    kinds: dict[str, list[Path]] = {kind: [] for kind in _TITLES}
    for path, values in by_path.items():
        kinds[_kind(values, has_bytes=has_bytes)].append(path)
    maps = {by_path[path] for path in kinds["maps"]}
    return FileKinds(kinds, has_bytes, is_of_bytes=maps <= {_BYTE_MAP, _SURE_MAP} and _SURE_MAP in maps)


def _kind(values: frozenset[int], *, has_bytes: bool) -> str:
    if values in (_MAP, _SURE_MAP):
        return "maps"
    if values == _BYTE_MAP:
        return "maps" if has_bytes else "other"
    if values == _CHANNELS:
        return "channels"
    above = values - {0}
    if above == {1}:
        return "ones"
    if has_bytes and above and SURE_BYTE < max(above) <= BYTE:
        return "maps" if len(above) > 1 else "other"
    return "labels" if len(above) > 1 or any(value <= MAX_LABELS for value in above) else "other"


def check_plausible(labels: BoxedLabels, known: Collection[int], *, file: str) -> None:
    """Raise if whole numbers are more likely a nearly empty map of probabilities than labels.

    Where every value above 0 is tumour, no scheme says which values there may be, and a map of 0 to 255 that holds a
    few voxels above 0 has no more values than labels have. Read as labels, each of these voxels would be tumour at a
    probability of 1 %. These are labels: one value, whatever it is (1, 255, 65535); the labels of the data set; small
    numbers that leave few gaps ({1, 2, 4}, lesions from 1 on); and any others, such as the codes of an atlas, if most
    voxels that touch hold the same value, as in labels and not in a map.

    Args:
        labels: Whole numbers; 0 is background.
        known: The labels of the data set; empty if it does not say.
        file: Name of the file for the message.

    Raises:
        DataError: Says the values, and how to say that they are labels.
    """
    values = labels.present
    small = not values or (values[-1] <= MAX_LABELS and (len(values) <= FEW or 2 * len(values) >= values[-1]))
    if len(values) == 1 or set(values) <= set(known) or small or _is_solid(labels.inside):
        return
    raise DataError(
        f"{file} is hardly a mask or labels: its values look like those of a nearly empty map of probabilities",
        received=f"values {', '.join(map(str, values[:8]))}{' ...' if len(values) > 8 else ''}",
        todo="Save probabilities from 0 to 1, or a mask as 0 and 1. If every value above 0 is tumour, give "
        "--prediction-labels mask",
    )


def _is_solid(labels: NDArray[np.generic]) -> bool:
    """Whether most pairs of voxels above 0 that share a face hold the same value."""
    pairs = same = 0
    for axis in range(3):
        along = np.swapaxes(labels, 0, axis)
        below, above = along[:-1], along[1:]
        both = (below != 0) & (above != 0)
        pairs += int(np.count_nonzero(both))
        same += int(np.count_nonzero(both & (below == above)))
    return 2 * same > pairs


def values_of(path: Path) -> frozenset[int]:
    """The whole numbers in a file, or a mark in their place."""
    try:
        stat = path.stat()
        return _read_values(path, stat.st_size, stat.st_mtime_ns)
    except (DataError, OSError):
        return _UNREAD  # its case reports it


@lru_cache(maxsize=4096)
def _read_values(path: Path, _size: int, _changed_ns: int) -> frozenset[int]:
    if len(read_header(path, any_axes=True).shape) == 4:
        return _CHANNELS
    try:
        labels = load_boxed_labels(path)
    except DataError:
        array = load_volume(path).array
        return _map_of(float(array.min()), float(array.max()))
    if (whole := labels.whole_grid()) is not None:
        check_predicted(whole, file=path.name)
    return frozenset(labels.present) or _UNREAD


def _map_of(low: float, high: float) -> frozenset[int]:
    """The mark of a map with these values."""
    if low >= -FRACTION and high <= 1 + FRACTION:
        return _MAP
    if low < 0 or high > BYTE:
        return _UNREAD
    return _SURE_MAP if high > SURE_BYTE else _BYTE_MAP
