"""The labels of a file, read once for all the regions that are taken of it."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from afl_core.base.storage import FileIdentity, file_identity
from afl_core.data.formats.files import load_labels
from afl_core.data.labels import check_labels
from afl_core.regions import bounding_box
from afl_core.volume import Box, Mask, Region, Volume


@dataclass(frozen=True, eq=False)
class BoxedLabels:
    """Labels that are kept where they are above 0: a tumour is a small part of its grid.

    Attributes:
        shape: Voxels of the grid along X, Y, Z.
        order: Memory order of the masks that are made, that of the file: they are written and passed over along it.
        steps: Backwards where the file stores an axis the other way round.
        affine: As `Volume.affine`.
        stored: As `Volume.stored`.
        box: Where the labels above 0 are; None where there are none.
        inside: The labels in the box.
        present: The labels above 0 that occur.
    """

    shape: tuple[int, ...]
    order: Literal["C", "F"]
    steps: tuple[slice, ...]
    affine: NDArray[np.float64]
    stored: str
    box: Box | None
    inside: NDArray[np.generic]
    present: tuple[int, ...]

    def mask(self, region: Region, *, file: str) -> Mask:
        """The mask of a region; `file` is for the message where `check_labels` raises, as a label is not known."""
        check_labels(self.present, region, file=file)
        array = np.zeros(self.shape, dtype=np.bool_, order=self.order)[self.steps]
        if self.box is not None:
            array[self.box] = self._inside(region)
        return Mask(array, self.affine, self.stored, self.box)

    def whole_grid(self) -> NDArray[np.generic] | None:
        """The labels of the whole grid where they reach all its ends; None where a part of it is background."""
        return self.inside if self.inside.shape == self.shape else None

    def _inside(self, region: Region) -> NDArray[np.bool_]:
        """Where in the box the labels of a region are; a comparison a label is several times as fast as `np.isin`."""
        if not region.inside or set(self.present) <= set(region.inside):
            return np.asarray(self.inside != 0)
        inside = np.zeros_like(self.inside, dtype=np.bool_)
        for label in set(self.present) & set(region.inside):
            inside |= self.inside == label
        return inside


def box_labels(labels: Volume) -> BoxedLabels:
    """The box around the labels above 0 of a volume of labels."""
    array = labels.array
    box = bounding_box(array != 0)
    inside = np.zeros((0, 0, 0), array.dtype) if box is None else array[box].copy(order="K")
    present = tuple(label for label in np.flatnonzero(np.bincount(inside.ravel())).tolist() if label)
    order: Literal["C", "F"] = "F" if abs(array.strides[0]) < abs(array.strides[2]) else "C"
    steps = tuple(slice(None, None, -1 if stride < 0 else None) for stride in array.strides)
    return BoxedLabels(array.shape, order, steps, labels.affine, labels.stored, box, inside, present)


def load_boxed_labels(path: Path) -> BoxedLabels:
    """The labels of a file, errors as `load_labels`; of the last two files (reference and prediction) they are kept."""
    try:
        identity = file_identity(path)
    except OSError:
        return box_labels(load_labels(path))  # says what is wrong with it
    return _load(path, identity)


@lru_cache(maxsize=2)
def _load(path: Path, _identity: FileIdentity) -> BoxedLabels:
    return box_labels(load_labels(path))
