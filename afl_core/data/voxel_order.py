"""Files that lost their header: whose voxels are those of the case in order, whatever their own header says.

It is a choice of the person (`--trust-voxel-order`), never a guess: a mask that was saved with another origin or with
flipped axes cannot be told from one that lies elsewhere.
"""

from pathlib import Path
from typing import TypeVar

import nibabel as nib
import numpy as np

from afl_core.data.formats.files import read_header
from afl_core.volume import Case, Volume

Kind = TypeVar("Kind", bound=Volume)


def grid_file(case: Case) -> Path | None:
    """The file on whose grid a case lies: the image that its layout names, its first image, or its reference."""
    return case.sequences.get(case.grid) or next(iter(case.sequences.values()), case.reference)


def placed_by(case: Case, path: Path) -> Path:
    """The file whose header says where a file's voxels lie: its own, or where the voxel order is trusted, the case's.

    The case's are that of its grid, then that of its reference, if they store as many voxels along each axis.
    """
    if not case.trust_voxel_order:
        return path
    shape = read_header(path, any_axes=True).shape[:3]
    for file in (grid_file(case), case.reference):
        if file is not None and read_header(file, any_axes=True).shape[:3] == shape:
            return path if file == path else file
    return path


def as_placed(volume: Kind, by: Path) -> Kind:
    """A volume as read from its own file, with its voxels, in the order they are stored, where another header says."""
    there = nib.orientations.axcodes2ornt(tuple(volume.stored))
    back = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), there)
    stored = nib.orientations.apply_orientation(volume.array, back)
    affine = read_header(by, any_axes=True).affine
    turn = nib.orientations.io_orientation(affine)
    array = np.asarray(nib.orientations.apply_orientation(stored, turn))
    codes = "".join(nib.aff2axcodes(affine))
    return type(volume)(array, affine @ nib.orientations.inv_ornt_aff(turn, stored.shape), codes)
