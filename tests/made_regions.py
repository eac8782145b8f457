"""Two cases with three labels, predicted as labels and as masks, whose overlaps are counted in slabs of 16 voxels."""

from pathlib import Path

import numpy as np

from afl_core.data.formats.files import save_volume

CODES = "et=1,ncr=2,ed=3"
SHAPE = (12, 10, 8)


def labelled(*layers: tuple[int, slice]) -> np.ndarray:
    """Slabs of labels across a bar of 4 x 4 voxels."""
    array = np.zeros(SHAPE, dtype=np.uint8)
    for label, along in layers:
        array[along, 3:7, 2:6] = label
    return array


REFERENCE = labelled((3, slice(1, 4)), (2, slice(4, 6)), (1, slice(6, 9)))
"""Slabs of 3 edema, 2 necrosis and 3 enhancing tumour: whole 8, core 5."""

PREDICTED = labelled((3, slice(1, 3)), (2, slice(3, 7)), (1, slice(7, 10)))
"""The whole is one slab longer; of the core, 3 to 9 where it is 4 to 8; of the enhancing tumour, 7 to 9 for 6 to 8."""


def write_cases(folder: Path) -> Path:
    """References, predictions as labels, and as masks of the whole, of two cases."""
    for case_id in ("a", "b"):
        save_volume(folder / "references" / f"{case_id}.nii.gz", REFERENCE, np.eye(4))
        save_volume(folder / "labels" / f"{case_id}.nii.gz", PREDICTED, np.eye(4))
        save_volume(folder / "masks" / f"{case_id}.nii.gz", (PREDICTED > 0).astype(np.uint8), np.eye(4))
    return folder
