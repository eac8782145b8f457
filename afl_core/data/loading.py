"""The voxels of a case: its sequences, all on one grid, and the mask of its region."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from nibabel.orientations import aff2axcodes, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from afl_core.base.paths import DEMO_CASE
from afl_core.data.background import check_reference
from afl_core.data.boxed_labels import load_boxed_labels
from afl_core.data.formats.files import load_labels, load_volume, read_header
from afl_core.data.resample import APART, covered, resample_onto
from afl_core.data.voxel_order import as_placed, placed_by
from afl_core.errors import AflError, DataError, GeometryError
from afl_core.volume import Case, Mask, Volume, check_right_angles, check_same_grid, is_same_grid

REFERENCE = "reference"
"""Name of the reference among the files of a case."""


@dataclass(frozen=True, eq=False)
class LoadedCase:
    """A case read into memory; all arrays lie on one grid.

    Attributes:
        case: Case that was read.
        images: Sequence to image, in the order asked for.
        reference: The region's mask, or None without a reference.
    """

    case: Case
    images: Mapping[str, Volume]
    reference: Mask | None


def load_case(case: Case, *, sequences: Sequence[str] | None = None, reference: Mask | None = None) -> LoadedCase:
    """Read sequences and reference of a case and check that they lie on one grid.

    Args:
        case: Case to read.
        sequences: Names of the sequences to read; all if None, none if empty.
        reference: The reference, where it was read before.

    Raises:
        DataError: If a sequence is missing, a file cannot be read, or the reference holds a label that is not known.
        GeometryError: If an image or the reference lies on another grid and is not to be resampled.
    """
    wanted = tuple(case.sequences) if sequences is None else tuple(sequences)
    missing = [name for name in wanted if name not in case.sequences]
    if missing:
        raise DataError(
            f"{case.case_id} has no {' and no '.join(missing)} image",
            received=f"only {', '.join(sorted(case.sequences)) or 'no images'}",
            todo="Add the file, or choose a checkpoint that needs fewer sequences",
        )
    images = {name: load_sequence(case, name) for name in wanted}
    if reference is None and case.reference is not None:
        reference = load_reference(case)
    grids: list[tuple[str, Volume]] = [(file_title(case, name), image) for name, image in images.items()]
    if reference is not None:
        check_right_angles(reference, name=file_title(case, REFERENCE))
        grids = grids or _image_grid(case)
        grids.append((file_title(case, REFERENCE), reference))
    for title, volume in grids[1:]:
        check_same_grid(grids[0][1], volume, names=(grids[0][0], title))
    return LoadedCase(case, MappingProxyType(images), reference)


def file_title(case: Case, name: str) -> str:
    """Title of a file of a case in messages; the name is of a sequence, or `REFERENCE`."""
    return f"The {name} of {case.case_id}" if name == REFERENCE else f"The {name} image of {case.case_id}"


def _image_grid(case: Case) -> list[tuple[str, Volume]]:
    """The grid of the case's image, by its header alone; none where it has no image, or that cannot be read."""
    name = case.grid if case.grid in case.sequences else next(iter(case.sequences), "")
    if not name or is_undrawn(case.sequences[name]):
        return []
    try:
        return [(file_title(case, name), ras_grid(case.sequences[name], any_axes=True))]
    except DataError:
        return []  # reported where the image is needed


def is_undrawn(path: Path) -> bool:
    """Whether a file is an image of the demo that was not drawn yet."""
    return path.name.startswith(DEMO_CASE) and path.is_file() and not path.stat().st_size


def draw_if_undrawn(case: Case) -> None:
    """Draw the images of a case of the demo that are not drawn yet: until a case is opened, their files are empty.

    Raises:
        DataError: If they cannot be drawn.
    """
    for path in case.sequences.values():
        if is_undrawn(path):
            from afl_core.data.demo.on_demand import draw_images  # noqa: PLC0415 - imports the phantom

            draw_images(path.parent)


def load_sequence(case: Case, name: str) -> Volume:
    """One sequence of a case, resampled onto the grid of the case where that has one of its own.

    Raises:
        DataError: If a file cannot be read.
        GeometryError: If it is to be resampled and does not lie where the case does.
    """
    path = case.sequences[name]
    draw_if_undrawn(case)
    image = load_volume(path, channel=case.channels.get(name))
    if (by := placed_by(case, path)) != path:
        return as_placed(image, by)
    base = case.sequences.get(case.grid, case.reference) if case.grid else None
    if base is None or name == case.grid:
        return image
    grid = ras_grid(base)
    if (share := covered(image, grid)) < APART:
        raise GeometryError(
            f"The {name} image of {case.case_id} does not lie where its {case.grid} image does",
            received=f"it covers {100 * share:.0f} % of it",
            todo="Check that both are of one patient, and their affines",
        )
    return Volume(image.array, grid.affine) if is_same_grid(grid, image) else resample_onto(image, grid)


def load_background(case: Case, name: str, grid: Volume) -> tuple[Volume | None, str]:
    """The image behind masks on a grid; None, and why in a sentence, where it cannot be shown: the masks still can."""
    try:
        image = load_sequence(case, name)
        check_same_grid(grid, image, names=("the masks", file_title(case, name)))
    except AflError as error:
        return None, f"Shown without its image. {error}"
    except OSError as error:
        return None, f"Shown without its image. {DataError('The file could not be read', received=error)}"
    return image, ""


def behind(case: Case, sequence: str, masks: Iterable[Mask]) -> tuple[Volume, str]:
    """What the masks of a case are shown on: its image, or empty space on their grid and why.

    Raises:
        AflError: If there is no mask, and no image that can be read.
    """
    first = next(iter(masks), None)
    if first is None:
        if not sequence:
            raise DataError("This case has neither an image nor a mask")
        return load_sequence(case, sequence), ""
    image, note = load_background(case, sequence, first) if sequence else (None, "")
    return image or Volume(np.zeros(first.array.shape, dtype=np.float32), first.affine), note


def load_reference(case: Case) -> Mask:
    """The mask of the case's region.

    Raises:
        DataError: If there is no reference, it holds a label that is not known, or `check_reference` raises it; names
            file and label.
    """
    if case.reference is None:
        raise DataError(f"{case.case_id} has no reference segmentation")
    by = placed_by(case, case.reference)
    labels, told = load_boxed_labels(case.reference), _told(case.reference, case)
    if (whole := labels.whole_grid()) is not None:
        check_reference(whole, case.region, file=told)
    mask = labels.mask(case.region, file=told)
    return mask if by == case.reference else as_placed(mask, by)


def _told(reference: Path, case: Case) -> str:
    """The name of a reference with the case that it is of."""
    return reference.name if case.case_id in reference.name else f"{reference.name} of {case.case_id}"


def load_reference_labels(case: Case) -> Volume:
    """The labels of the case's reference, where the case says that they lie; errors as `load_reference`."""
    if case.reference is None:
        raise DataError(f"{case.case_id} has no reference segmentation")
    labels = load_placed_labels(case, case.reference)
    check_reference(labels.array, case.region, file=_told(case.reference, case))
    return labels


def load_placed_labels(case: Case, path: Path) -> Volume:
    """The labels of a file of a case, where the case says that they lie; errors as `load_labels`."""
    labels, by = load_labels(path), placed_by(case, path)
    return labels if by == path else as_placed(labels, by)


def ras_grid(path: Path, *, any_axes: bool = False) -> Volume:
    """Shape and affine of an image in RAS+ order, as a volume of zeros that takes no memory; as `read_header`."""
    header = read_header(path, any_axes=any_axes)
    return ras_grid_of(header.shape[:3], header.affine)


def ras_grid_of(shape: tuple[int, ...], affine: NDArray[np.float64]) -> Volume:
    """The same of a stored shape and affine."""
    turn = io_orientation(affine)
    zeros = np.broadcast_to(np.float32(0), tuple(shape[axis] for axis in np.argsort(turn[:, 0])))
    return Volume(zeros, affine @ inv_ornt_aff(turn, shape), "".join(aff2axcodes(affine)))
