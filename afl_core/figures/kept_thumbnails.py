"""The thumbnails of a results folder: made once, kept in its `thumbnails/`, and made anew when a file changes."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from afl_core.analysis.case_tables import drawn_sources
from afl_core.base.storage import read_bounded, write_atomically
from afl_core.data.formats.files import load_mask
from afl_core.data.layouts import load_background, load_reference, load_sequence
from afl_core.data.loading import is_undrawn
from afl_core.errors import AflError, DataError
from afl_core.evaluation.comparison import Comparison
from afl_core.figures.palette import SOURCE_COLOURS
from afl_core.volume import Case, Mask, Volume

FOLDER = "thumbnails"
VERSION = 4
"""Raise it when thumbnails are drawn otherwise."""

UNDRAWN = "undrawn.png"
"""Name of the thumbnail that came with a case of the demo; it serves until the images of the case are drawn."""

MAX_BYTES = 2**17


def thumbnail_key(opened: Comparison, case: Case) -> str:
    """What a thumbnail depends on, as 16 digits: the files that it is made from, by path, size and time of change."""
    files = [*list(case.sequences.values())[:1], *([case.reference] if case.reference else [])]
    files += [opened.mask_file(case.case_id, source) for source in outlined_sources(opened)]
    facts = [
        VERSION,
        case.region.key,
        case.trust_voxel_order,
        case.grid,
        outlined_sources(opened),
        [_stamped(p) for p in files],
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def kept_thumbnail(opened: Comparison, case_id: str) -> bytes:
    """The thumbnail of a case as PNG, from its folder or made now.

    Raises:
        AflError: If there is no such case, or it cannot be drawn.
        OSError: If a file of it cannot be read.
    """
    case = next((case for case in opened.cohort.cases if case.case_id == case_id), None) if opened.cohort else None
    if case is None:
        raise DataError("There is no such case", received=case_id)
    path = thumbnail_path(opened, case)
    undrawn = any(is_undrawn(image) for image in case.sequences.values())
    for kept in (path, path.with_name(UNDRAWN)) if undrawn else (path,):
        with suppress(OSError, ValueError):
            return read_bounded(kept, MAX_BYTES)
    from afl_core.figures.thumbnails import thumbnail  # noqa: PLC0415 - Matplotlib takes a second to import

    made = thumbnail(*_parts(opened, case))
    try:
        path = thumbnail_path(opened, case)  # the images of a case of the demo may be drawn only now
        write_atomically(path, made)
        for old in path.parent.glob("*.png"):
            if old != path:
                old.unlink(missing_ok=True)
    except OSError:  # a folder that cannot be written to still has pictures
        pass
    return made


def thumbnail_path(opened: Comparison, case: Case) -> Path:
    """Where the thumbnail of a case is kept, as its files are now."""
    mask = opened.mask_file(case.case_id, "any")
    inside = mask.relative_to(opened.results.folder / "masks" / "any")
    folder = opened.results.folder / FOLDER / str(inside).removesuffix(".nii.gz")
    return folder / f"{thumbnail_key(opened, case)}.png"


def outlined_sources(opened: Comparison) -> tuple[str, ...]:
    """The sources whose masks a thumbnail outlines, in the order of `SOURCE_COLOURS`."""
    return tuple(drawn_sources(opened)[: len(SOURCE_COLOURS)])


def _stamped(path: Path) -> tuple[str, int, int]:
    try:
        stat = path.stat()
    except OSError:  # it is missing from the picture as well
        return str(path), 0, 0
    return str(path), stat.st_size, stat.st_mtime_ns


def _parts(opened: Comparison, case: Case) -> tuple[Volume | None, Mask | None, dict[str, Mask | None]]:
    """Image, reference and masks; what cannot be read is left out, and the page says why where it shows the case."""
    reference = load_reference(case) if case.reference else None
    predictions: dict[str, Mask | None] = {}
    for source in outlined_sources(opened):
        try:
            predictions[source] = load_mask(opened.mask(case.case_id, source))
        except AflError:
            predictions[source] = None
    sequence = next(iter(case.sequences), "")
    grid = reference or next(filter(None, predictions.values()), None)
    if not sequence:
        return None, reference, predictions
    image = load_sequence(case, sequence) if grid is None else load_background(case, sequence, grid)[0]
    return image, reference, predictions
