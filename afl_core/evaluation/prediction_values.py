"""What the values of predicted files mean: a mask, labels of the data set, or probabilities.

A file alone may not tell: one that holds the label 1 is a mask of the enhancing tumour, or the necrosis of a file of
labels. So the meaning is decided once for a folder, from its files, and goes with everything that is measured.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from afl_core.data.formats.files import load_channels, load_labels, load_mask, load_volume, read_header
from afl_core.data.formats.values import FRACTION, MAX_LABELS
from afl_core.data.loading import region_mask
from afl_core.errors import DataError
from afl_core.regions import bounding_box
from afl_core.volume import WHOLE, Mask, Region, Volume

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

DECIDED: Mapping[str, str] = MappingProxyType({**MEANINGS, **MIXED})
"""Meanings that may be decided for a folder; a user can also name the first of them, `MEANINGS`."""

FEW = 3
"""Whole numbers that may leave gaps and be labels of a file nevertheless: {1, 4} is necrosis and enhancing tumour."""

BYTE, SURE_BYTE = 255, 100
"""A map whose largest value lies above `SURE_BYTE`, up to `BYTE`, is of 0 to 255; one below may be of per cent."""

BYTES = "0 to 255, divided by 255"
"""Name of such a map in notes."""

CHANNELS: Mapping[str, int] = MappingProxyType({"tc": 0, "whole": 1, "et": 2})
"""Region to channel, as MONAI's ConvertToMultiChannelBasedOnBratsClasses orders them."""

OUTSIDE = 0.1
"""Share of a channel that may lie outside the one around it: networks predict them apart."""

SATURATED = "a map of 0 and 1 alone, as other files of its folder are maps"
"""Name in notes of a file that by itself could be a mask."""

_SELECTION = re.compile(r"a file of labels, of which .* was taken|channel \d of 3 \([A-Z, ]+\)")

_MAP, _BYTE_MAP, _CHANNELS, _UNREAD = frozenset({-1}), frozenset({-3}), frozenset({-2}), frozenset[int]()
"""Marks in place of values: a map up to 1, and one above; a 4-D file; a file that cannot be read, or holds 0 alone,
and tells nothing."""


def decide_meaning(paths: Sequence[Path], region: Region) -> str:
    """The meaning of the files of a folder, by the values of them all.

    They are labels if any file holds one above 1, or several values, else masks of the region. They are probabilities
    where more files hold maps than labels, and channels where more files are 4-D than not. A file that is of another
    kind than its folder is then refused where it is measured. So is one of 0 and 1 alone where that would be another
    mask by the other kind: beside maps and labels if a part of the labels is taken, and beside maps of 0 to 255, in
    which 1 is next to nothing.

    Args:
        paths: The files; one that cannot be read tells nothing.
        region: Region that is taken of labels; for the whole, masks and labels give the same.

    Returns:
        A name in `DECIDED`.
    """
    kinds = _kinds(paths)
    n = {kind: len(files) for kind, files in kinds.items()}
    if 2 * n["channels"] > len(paths):
        return "channels"
    is_map = n["maps"] > n["labels"]
    if kinds["ones"] and ((n["maps"] and n["labels"] and region.key) or any(map(_is_byte_map, kinds["maps"]))):
        return "maps-beside-labels" if is_map else "labels-beside-maps"
    return "probabilities" if is_map else "labels" if n["labels"] else "mask"


def describe_mixture(paths: Sequence[Path]) -> str:
    """The kinds of files in a folder, with numbers and names, in a sentence; "" where they are of one kind."""
    kinds = _kinds(paths)
    titles = {"maps": "maps of probabilities", "labels": "files of labels", "channels": "4-D files"}
    by_title = {title: kinds[kind] for kind, title in titles.items() if kinds[kind]}
    bytes_ = [path for path in kinds["maps"] if _is_byte_map(path)]
    if len(by_title) < 2 and not (bytes_ and kinds["ones"]):
        return ""
    by_title |= {"files of 0 and 1 alone, which may be either": kinds["ones"]} if kinds["ones"] else {}
    return "; ".join(
        f"{len(files)} {title} ({', '.join(path.name for path in files[:2])}{' ...' if len(files) > 2 else ''})"
        for title, files in by_title.items()
    )


def _kinds(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Files by kind: `maps`, `labels`, `channels`, `ones` (0 and 1 alone), and `other`, which tell nothing more."""
    with ThreadPoolExecutor(4) as pool:
        values_of = dict(zip(paths, pool.map(_values, paths), strict=True))
    has_bytes = _BYTE_MAP in values_of.values()
    kinds: dict[str, list[Path]] = {kind: [] for kind in ("maps", "labels", "channels", "ones", "other")}
    for path, values in values_of.items():
        kinds[_kind(values, has_bytes=has_bytes)].append(path)
    return kinds


def _kind(values: frozenset[int], *, has_bytes: bool) -> str:
    if values in (_MAP, _BYTE_MAP):
        return "maps"
    if values == _CHANNELS:
        return "channels"
    above = values - {0}
    if above == {1}:
        return "ones"
    if has_bytes and above and SURE_BYTE < max(above) <= BYTE:
        return "maps" if len(above) > 1 else "other"
    return "labels" if len(above) > 1 or any(value <= MAX_LABELS for value in above) else "other"


def _is_byte_map(path: Path) -> bool:
    return _values(path) == _BYTE_MAP


def changes(note: str) -> str:
    """Changes of a prediction by the note of its row: without the selection of a region, which changes nothing.

    >>> changes("a file of labels, of which et: 3 was taken; placed by a.nii, voxel by voxel")
    'placed by a.nii, voxel by voxel'
    """
    return "; ".join(part for part in note.split("; ") if not _SELECTION.fullmatch(part))


def load_prediction(
    path: Path, region: Region = WHOLE, meaning: str = ""
) -> tuple[Mask, NDArray[np.float32] | None, str]:
    """A predicted mask of the region.

    Args:
        path: Path of the file.
        region: Region that is taken of labels.
        meaning: Name in `DECIDED`; "" decides by this file alone.

    Returns:
        The mask; the probabilities, shape (X, Y, Z), or None; and how the file was read, "" where it is a plain mask.

    Raises:
        DataError: If the file is not what `meaning` says, holds a label that the data set lacks, or values that are
            hardly labels; or 0 and 1 alone in a folder where that may be either of two kinds.
    """
    meaning = meaning or decide_meaning([path], region)
    if meaning == "channels":
        return _of_channels(path, region)
    if meaning in MIXED and _values(path) - {0} == {1}:
        raise DataError(
            f"{path.name} holds 0 and 1 alone, which may be a label or a map, and its folder has files of both kinds",
            received=path.parent,
            todo="Put each kind into a folder of its own, or say what all files are: --prediction-labels mask, labels "
            "or probabilities",
        )
    if meaning in ("probabilities", "maps-beside-labels"):
        return _cut(path, load_volume(path))
    if meaning == "mask":
        return load_mask(path), None, ""
    labels = load_labels(path)
    if region.key:
        note = f"a file of labels, of which {region.key} was taken"
        return region_mask(labels, region, file=path.name), None, note
    tumour = labels.array != 0
    if (box := bounding_box(tumour)) is not None:
        check_plausible(labels.array[box], region.known, file=path.name)
    return Mask(tumour, labels.affine, labels.stored), None, ""


def check_plausible(labels: NDArray[np.generic], known: Collection[int], *, file: str) -> None:
    """Raise if whole numbers are more likely a nearly empty map of probabilities than labels.

    Where every value above 0 is tumour, no scheme says which values there may be, and a map of 0 to 255 that holds a
    few voxels above 0 has no more values than labels have. Read as labels, each of these voxels would be tumour at a
    probability of 1 %. These are labels: one value, whatever it is (1, 255, 65535); the labels of the data set; small
    numbers that leave few gaps ({1, 2, 4}, lesions from 1 on); and any others, such as the codes of an atlas, if most
    voxels that touch hold the same value, as in labels and not in a map.

    Args:
        labels: Whole numbers, shape (X, Y, Z), not all 0, which is background.
        known: The labels of the data set; empty if it does not say.
        file: Name of the file for the message.

    Raises:
        DataError: Says the values, and how to say that they are labels.
    """
    values = [int(value) for value in np.flatnonzero(np.bincount(labels.ravel())) if value]
    small = values[-1] <= MAX_LABELS and (len(values) <= FEW or 2 * len(values) >= values[-1])
    if len(values) == 1 or set(values) <= set(known) or small or _is_solid(labels):
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


def _of_channels(path: Path, region: Region) -> tuple[Mask, NDArray[np.float32] | None, str]:
    """The region's channel, a mask or probabilities, and how it was read."""
    shape = read_header(path, any_axes=True).shape
    axes = [axis for axis in (0, 3) if len(shape) == 4 and shape[axis] == len(CHANNELS)]
    if len(axes) != 1 or region.name not in CHANNELS:
        raise DataError(
            f"{path.name} does not hold the region {region.name} in one of three channels",
            received=f"shape {shape}",
            todo="Save one 3-D mask of the region, or the channels TC, WT and ET along the first or the last axis",
        )
    volumes = load_channels(path, axis=axes[0])
    core, whole, enhancing = (np.greater(volume.array, 0.5) for volume in volumes)
    if any(
        np.count_nonzero(inner & ~outer) > OUTSIDE * inner.sum() for inner, outer in ((core, whole), (enhancing, core))
    ):
        raise DataError(
            f"The three channels of {path.name} are not TC, WT and ET in this order",
            received="the first is not inside the second, or the third not inside the first",
            todo="Save them in the order TC, WT, ET, or save one 3-D file of labels",
        )
    number = CHANNELS[region.name]
    mask, probabilities, _ = _cut(path, volumes[number])
    is_mask = np.isin(probabilities, (0, 1)).all()
    note = f"channel {number + 1} of 3 (TC, WT, ET){'' if is_mask else ', probabilities cut at 0.5'}"
    return mask, None if is_mask else probabilities, note


def _cut(path: Path, volume: Volume) -> tuple[Mask, NDArray[np.float32], str]:
    """The mask of a map of probabilities; the map, rounding beyond 0 and 1 cut off; and how it was read."""
    low, high = float(volume.array.min()), float(volume.array.max())
    is_byte = low >= 0 and SURE_BYTE < high <= BYTE
    if not is_byte and (low < -FRACTION or high > 1 + FRACTION):
        load_labels(path)  # says what else it looks like
        raise DataError(
            f"{path.name} is not a map of probabilities, as other files of its folder are",
            received=f"values {low:g} to {high:g}",
            todo="Save every file as a map of 0 to 1, or every file as a mask",
        )
    array = volume.array.astype(np.float32, copy=False)
    probabilities = np.clip(array / np.float32(BYTE) if is_byte else array, 0, 1)
    note = f"a map of {BYTES if is_byte else 'probabilities'}, cut at 0.5"
    if not is_byte and high == 1 and np.isin(array, (0, 1)).all():
        note = SATURATED
    return Mask(np.asarray(probabilities > 0.5), volume.affine), probabilities, note


def _values(path: Path) -> frozenset[int]:
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
        array = load_labels(path).array
    except DataError:
        return _BYTE_MAP if load_volume(path).array.max() > 1 + FRACTION else _MAP
    box = bounding_box(array != 0)
    return _UNREAD if box is None else frozenset(np.flatnonzero(np.bincount(array[box].ravel())).tolist())
