"""Reading predicted files by what the values of their folder mean: as masks, labels, probabilities or channels."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from afl_core.data.background import check_predicted
from afl_core.data.boxed_labels import load_boxed_labels
from afl_core.data.formats.files import load_channels, load_labels, load_volume, read_header
from afl_core.data.formats.values import FRACTION, MAX_LABELS
from afl_core.data.layouts.nnunet_results import Declaration
from afl_core.errors import DataError
from afl_core.evaluation.nnunet_probabilities import POSTPROCESSED, UNREAD, archive_of, load_probabilities
from afl_core.evaluation.prediction_values import (
    BYTE,
    BYTE_MAPS,
    MIXED,
    SURE_BYTE,
    check_plausible,
    decide_meaning,
    sort_by_kind,
    values_of,
)
from afl_core.volume import WHOLE, Mask, Region, Volume

BYTES = "0 to 255, divided by 255"
"""Name of such a map in notes."""

CHANNELS: Mapping[str, int] = MappingProxyType({"tc": 0, "whole": 1, "et": 2})
"""Region to channel, as MONAI's ConvertToMultiChannelBasedOnBratsClasses orders them."""

OUTSIDE = 0.1
"""Share of a channel that may lie outside the one around it: networks predict them apart."""

SATURATED = "a map of 0 and 1 alone, as other files of its folder are maps"
"""Name in notes of a file that by itself could be a mask."""

FOREIGN = "holds labels that the data set does not have, which count as tumour"
"""In notes of a file of which every label above 0 is taken; which labels, follows behind a colon."""

ALONE = "holds the label 1 alone, as a mask of the whole would"
"""In notes of a file that is read as labels."""

INVERTED = "fills all eight corners of the grid, as an inverted mask does"
"""In notes of a prediction that is hardly of a tumour."""

_SELECTION = re.compile(
    r"a file of labels, of which .* was taken|channel \d of 3 \([A-Z, ]+\)|"
    rf"{UNREAD}.*|{FOREIGN}.*|{ALONE}|{INVERTED}|{re.escape(POSTPROCESSED)}"
)


def changes(note: str) -> str:
    """Changes of a prediction by the note of its row: without what was read of it, which changes nothing.

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
        DataError: If the file is not what `meaning` says, holds a label that the data set lacks, several labels and no
            background, or values that are hardly labels; or 0 and 1 alone in a folder where that may be either kind.
    """
    meaning = meaning or decide_meaning(sort_by_kind([path]), region)
    if meaning == "channels":
        return _of_channels(path, region)
    if meaning in MIXED and values_of(path) - {0} == {1}:
        raise DataError(
            f"{path.name} holds 0 and 1 alone, which may be a label or a map, and its folder has files of both kinds",
            received=path.parent,
            todo="Put each kind into a folder of its own, or say what all files are: --prediction-labels mask, labels "
            "or probabilities",
        )
    if meaning == BYTE_MAPS and 1 <= max(values_of(path), default=0) <= MAX_LABELS:
        raise _no_map(path, f"whole numbers up to {max(values_of(path))}, as labels have")
    if meaning in ("probabilities", "maps-beside-labels", BYTE_MAPS):
        return _cut(path, load_volume(path), all_bytes=meaning == BYTE_MAPS)
    labels = load_boxed_labels(path)
    if (whole := labels.whole_grid()) is not None:
        check_predicted(whole, file=path.name)
    if meaning == "mask":
        return labels.mask(WHOLE, file=path.name), None, ""
    alone = [ALONE] if labels.present == (1,) and len(region.known) > 1 else []
    if region.key:
        note = f"a file of labels, of which {region.key} was taken"
        return labels.mask(region, file=path.name), None, "; ".join([note, *alone])
    check_plausible(labels, region.known, file=path.name)
    foreign = [label for label in labels.present if region.known and label not in region.known]
    notes = [f"{FOREIGN}: {', '.join(map(str, foreign))}"] if foreign else alone
    return labels.mask(WHOLE, file=path.name), None, "; ".join(notes)


def declared_region(declaration: Declaration, region: Region) -> Region:
    """A region of the data set as labels of a model, which may have other numbers for them.

    Raises:
        DataError: If the model declares no region of that name; names those that it does.
    """
    scheme = declaration.scheme
    if region.name not in scheme.regions:
        raise DataError(
            f"The {declaration.path.name} of {declaration.path.parent.name} declares no region {region.name}",
            received=f"{', '.join(scheme.regions)}; {scheme.title}",
            todo="Take one of these regions, or give --prediction-labels labels if its labels are those of the data "
            "set, or mask if its masks are of this region",
        )
    return Region(region.name, scheme.regions[region.name], tuple(scheme.values))


def load_declared(path: Path, declaration: Declaration, region: Region) -> tuple[Mask, NDArray[np.float32] | None, str]:
    """A mask of nnU-Net's and its probabilities, if an archive lies beside it; the rest as `load_prediction`."""
    taken = declared_region(declaration, region)
    mask, _, note = load_prediction(path, taken, "labels")
    archive = archive_of(path)
    tumour, said = load_probabilities(archive, path, declaration, taken) if archive else (None, "")
    return mask, tumour, "; ".join(filter(None, (note, said)))


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


def _cut(path: Path, volume: Volume, *, all_bytes: bool = False) -> tuple[Mask, NDArray[np.float32], str]:
    """The mask of a map of probabilities; the map, rounding beyond 0 and 1 cut off; and how it was read.

    `all_bytes`: its folder holds maps of 0 to 255, of which this one may be nearly empty.
    """
    low, high = float(volume.array.min()), float(volume.array.max())
    is_byte = low >= 0 and (0 if all_bytes else SURE_BYTE) < high <= BYTE
    if not is_byte and (low < -FRACTION or high > 1 + FRACTION):
        load_labels(path)  # says what else it looks like
        raise _no_map(path, f"values {low:g} to {high:g}")
    array = volume.array.astype(np.float32, copy=False)
    probabilities = np.clip(array / np.float32(BYTE) if is_byte else array, 0, 1)
    note = f"a map of {BYTES if is_byte else 'probabilities'}, cut at 0.5"
    if not is_byte and high == 1 and np.isin(array, (0, 1)).all():
        note = SATURATED
    return Mask(np.asarray(probabilities > 0.5), volume.affine, volume.stored), probabilities, note


def _no_map(path: Path, received: str) -> DataError:
    return DataError(
        f"{path.name} is not a map of probabilities, as other files of its folder are",
        received=received,
        todo="Save every file as a map of 0 to 1, or every file as a mask",
    )
