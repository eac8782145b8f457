"""A cohort whose lesions have the shapes of reference masks, in the demo's anatomy and images.

Size and roughness of real lesions go with each other as they happen to. Everything else is drawn as in the demo: the
head, where the lesions lie in it, their parts, contrast, noise and scanner.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from afl_core.base.paths import DEMO_CASE
from afl_core.base.storage import read_json, write_atomically
from afl_core.base.workers import finished
from afl_core.data.demo.case import GENERATOR_VERSION, GROUP, RECORD, write_files
from afl_core.data.demo.design import CONTRAST_RANGE, NOISE
from afl_core.data.demo.lesion_shapes import CORE_RADIUS, EDEMA, ENHANCING, NECROSIS, RIM_RADIUS, keep_apart
from afl_core.data.demo.phantom import Anatomy, Look, brain_of, draw_anatomy, render
from afl_core.data.loading import load_reference
from afl_core.errors import AflError, DataError
from afl_core.regions import bounding_box, label_lesions
from afl_core.shape import describe
from afl_core.volume import Case, Mask

SPACING_MM = 1.0
LEAST_VOXELS = 5
"""Voxels of 1 mm of the smallest lesion that is drawn; what is smaller is a speck."""

VOLUME_ERROR = 0.03
"""Share of its volume by which a lesion may be off on the grid for the sake of its symmetry."""

HEADS, CANDIDATES = 10, 10_000
"""Heads that are tried until all lesions of a case have room, and places that are tried for each lesion."""

TABLE = "shapes.csv"

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class ShapeRow:
    """One case: its original and what was drawn; a row of `shapes.csv`.

    Attributes:
        case_id: Id of the drawn case.
        original: Id of the case whose reference it has.
        original_ml: Volume of that reference in ml.
        drawn_ml: Volume of the drawn lesions in ml.
        original_roughness: Roughness of the reference on its own grid; NaN where no lesion can carry one.
        grid_roughness: Roughness of the reference on the grid of 1 mm.
        drawn_roughness: Roughness of the drawn lesions.
        lesions: Number of the drawn lesions.
        specks: Number of lesions of the reference that were left out, of fewer than `LEAST_VOXELS` voxels of 1 mm.
        scanner: Scanner of the case.
        contrast: Contrast of the case, 0 to 1.
    """

    case_id: str
    original: str
    original_ml: float
    drawn_ml: float
    original_roughness: float
    grid_roughness: float
    drawn_roughness: float
    lesions: int
    specks: int
    scanner: str
    contrast: float


class Drawing(NamedTuple):
    """A case to draw: its new id, its number, and the case whose reference it has."""

    case_id: str
    number: int
    original: Case


def write_shapes(
    root: Path,
    cases: Sequence[Case],
    *,
    seed: int = 0,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[ShapeRow], dict[str, str]]:
    """Write a cohort in the BraTS 2018 layout whose lesions have the shapes of the references of these cases.

    Cases that are there and complete are kept.

    Args:
        root: Folder of the cohort; made if missing.
        cases: Cases with a reference.
        seed: Seed of everything that is drawn.
        executor: Executor that draws the cases; this process does if None.
        progress: Called with the cases done and the cases due.

    Returns:
        The row of each case that was drawn, and by the original's id why another was not.
    """
    root.mkdir(parents=True, exist_ok=True)
    due = name_drawings(cases)
    rows, problems = [], {}
    tasks = finished(
        partial(_write_drawing, root, seed), due, of=lambda task: f"drawing {task.original.case_id}", executor=executor
    )
    for done, (drawing, outcome) in enumerate(tasks, start=1):
        if isinstance(outcome, AflError):
            problems[drawing.original.case_id] = str(outcome)
        else:
            rows.append(outcome)
        progress(done, len(due))
    rows.sort(key=lambda row: row.case_id)
    if rows:
        table = pd.DataFrame([asdict(row) for row in rows])
        write_atomically(root / TABLE, table.round(4).to_csv(index=False).encode())
    return rows, problems


def name_drawings(cases: Sequence[Case]) -> list[Drawing]:
    """The cases to draw, by number of the patient, and of the visit where a patient has several cases."""
    numbers, visits, drawings = dict[str, int](), dict[str, int](), []
    for number, case in enumerate(cases):
        patient = numbers.setdefault(case.patient, len(numbers))
        visits[case.patient] = visits.get(case.patient, 0) + 1
        visit = "" if visits[case.patient] == 1 else f"_visit{visits[case.patient]}"
        drawings.append(Drawing(f"{DEMO_CASE}shape_{patient:03d}{visit}", number, case))
    return drawings


def _write_drawing(root: Path, seed: int, drawing: Drawing) -> ShapeRow:
    """Draw and write one case, or keep it if it is there and complete."""
    settings = {"version": GENERATOR_VERSION, "seed": seed, "original": drawing.original.case_id}
    try:
        stored = read_json(root / GROUP / drawing.case_id / RECORD)
        if isinstance(stored, dict) and settings.items() <= stored.items():
            return ShapeRow(**stored["row"])
    except (DataError, KeyError, TypeError):
        pass
    row, labels, images = _draw(seed, drawing)
    write_files(
        root, drawing.case_id, {**images, "seg": labels}, {**settings, "row": asdict(row)}, spacing_mm=SPACING_MM
    )
    return row


def _draw(seed: int, drawing: Drawing) -> tuple[ShapeRow, NDArray[np.uint8], dict[str, NDArray[np.int16]]]:
    reference = load_reference(drawing.original)
    own = describe(reference.array, spacing_mm=reference.spacing_mm)
    if own.n_components == 0:
        raise DataError("The reference is empty", received=drawing.original.case_id)
    mask = on_grid(reference)
    on_mm = describe(mask, spacing_mm=(SPACING_MM,) * 3)
    components, sizes = label_lesions(mask)
    kept = [number for number in np.argsort(-sizes, kind="stable") + 1 if sizes[number - 1] >= LEAST_VOXELS]
    if not kept:
        raise DataError("No lesion of the reference is large enough to be drawn", received=f"{own.volume_ml:.3g} ml")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(drawing.number,)))
    anatomy, labels = _set_in(rng, [_cut(components == number) for number in kept])
    scanner = tuple(NOISE)[drawing.number % len(NOISE)]
    look = Look(
        contrast=float(rng.uniform(*CONTRAST_RANGE)),
        enhancement=float(rng.uniform(0.15, 1.0)),
        noise=float(rng.uniform(*NOISE[scanner])),
        scanner=scanner,
    )
    drawn = describe(labels > 0, spacing_mm=(SPACING_MM,) * 3)
    row = ShapeRow(
        case_id=drawing.case_id,
        original=drawing.original.case_id,
        original_ml=own.volume_ml,
        drawn_ml=drawn.volume_ml,
        original_roughness=own.roughness,
        grid_roughness=on_mm.roughness,
        drawn_roughness=drawn.roughness,
        lesions=len(kept),
        specks=len(sizes) - len(kept),
        scanner=scanner,
        contrast=look.contrast,
    )
    return row, labels, render(rng, anatomy, labels, look=look, spacing_mm=SPACING_MM)


def on_grid(reference: Mask) -> Bools:
    """The box of a mask on voxels of 1 mm: those deepest inside its interpolated boundary, as many as its volume needs.

    What is interpolated is the distance to the boundary (shape-based interpolation, Raya and Udupa 1990). Voxels of
    equal depth at the limit are all in or all out, whatever is nearer to the volume; where both are further from it
    than `VOLUME_ERROR`, as with few voxels, those nearest to the middle are in.
    """
    box = bounding_box(reference.array)
    if box is None:
        raise DataError("The reference is empty")
    inside = np.pad(reference.array[box], 1)
    spacing = np.array(reference.spacing_mm)
    depth = ndimage.distance_transform_edt(inside, sampling=spacing)
    depth -= ndimage.distance_transform_edt(~inside, sampling=spacing)
    shape = np.ceil(np.array(inside.shape) * spacing / SPACING_MM).astype(int)
    places = [
        (np.arange(n) - (n - 1) / 2) * SPACING_MM / step + (m - 1) / 2
        for n, m, step in zip(shape, inside.shape, spacing, strict=True)
    ]
    where = np.stack(np.meshgrid(*places, indexing="ij"))
    value = np.round(ndimage.map_coordinates(depth, where, order=1, mode="nearest"), 4)
    wanted = np.count_nonzero(inside) * float(np.prod(spacing)) / SPACING_MM**3
    levels, counts = np.unique(value, return_counts=True)
    above = counts[::-1].cumsum()[::-1]  # voxels of at least each level
    nearest = np.argmin(np.abs(above - wanted))
    if abs(above[nearest] - wanted) <= VOLUME_ERROR * wanted:
        return np.asarray(value >= levels[nearest])
    middle = (np.array(value.shape) - 1) / 2
    away = sum((place - at) ** 2 for place, at in zip(np.indices(value.shape), middle, strict=True))
    inside = np.zeros(value.size, dtype=bool)
    inside[np.lexsort((away.ravel(), -value.ravel()))[: round(wanted)]] = True
    return inside.reshape(value.shape)


def _cut(lesion: Bools) -> Bools:
    box = bounding_box(lesion)
    return lesion if box is None else lesion[box]


def _set_in(rng: np.random.Generator, lesions: Sequence[Bools]) -> tuple[Anatomy, NDArray[np.uint8]]:
    """A head with all lesions in its brain, largest first and apart; labels of shape (X, Y, Z)."""
    for _ in range(HEADS):
        anatomy = draw_anatomy(rng, spacing_mm=SPACING_MM)
        free = brain_of(anatomy, SPACING_MM)
        labels = np.zeros(free.shape, dtype=np.uint8)
        for lesion in lesions:
            box = _room_for(rng, free, lesion)
            if box is None:
                break
            labels[box] = np.where(lesion, _parts(lesion), labels[box])
            grown = tuple(slice(max(0, part.start - 8), part.stop + 8) for part in box)
            free[grown] &= ~keep_apart(labels[grown] > 0, spacing_mm=2 * SPACING_MM)
        else:
            return anatomy, labels
    volume = max(np.count_nonzero(lesion) for lesion in lesions) / 1000
    raise DataError("The lesions found no room in the brain", received=f"{len(lesions)}, the largest {volume:.0f} ml")


def _room_for(rng: np.random.Generator, free: Bools, lesion: Bools) -> tuple[slice, slice, slice] | None:
    """A box in which all of a lesion is free, of places by chance; None if none was found."""
    most = np.array(free.shape) - lesion.shape
    if (most < 0).any():
        return None
    points = np.argwhere(lesion)
    few = points[:: max(1, len(points) // 200)]  # most places are ruled out by a few voxels
    for corner in rng.integers(0, most + 1, size=(CANDIDATES, 3)):
        if free[tuple((few + corner).T)].all():
            x, y, z = (slice(int(c), int(c) + n) for c, n in zip(corner, lesion.shape, strict=True))
            if free[x, y, z][lesion].all():
                return x, y, z
    return None


def _parts(lesion: Bools) -> NDArray[np.uint8]:
    """Nested BraTS 2018 labels by the depth of each voxel, as in the demo's blobs; the shape of the lesion."""
    depth = ndimage.distance_transform_edt(np.pad(lesion, 1))[1:-1, 1:-1, 1:-1]
    radius = 1 - depth / depth.max()
    return np.select((radius < CORE_RADIUS, radius < RIM_RADIUS), (NECROSIS, ENHANCING), default=EDEMA).astype(np.uint8)
