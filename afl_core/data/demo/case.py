"""One case of the demo: drawn, written in the BraTS 2018 layout, and read back."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afl_core.base.storage import read_json
from afl_core.data.demo.design import ROUGHNESS_LEVELS, DemoSpec, Plan, Scan, generator, plan_patient
from afl_core.data.demo.lesion_shapes import Placed, draw_blob, find_room, keep_apart, place_blob
from afl_core.data.demo.phantom import SEQUENCES, Anatomy, brain_of, coarser, draw_anatomy, finer, grid, render
from afl_core.data.formats.files import save_volume
from afl_core.errors import DataError

GENERATOR_VERSION = 2
"""Raised whenever the same seed would give other files."""

GROUP = "HGG"
"""Folder of the layout that holds all cases."""

MAX_ATTEMPTS = 20
"""Times that the lesions of a case are drawn before the case is given up."""

RECORD = "lesions.json"
"""File of a case that says how it was made; a case without one is not complete."""


@dataclass(frozen=True)
class LesionRow:
    """One lesion as it was drawn and as it came out; a row of `lesions.csv`.

    Attributes:
        case_id: Id of the case that it lies in.
        split: train, validation or test.
        lesion: Number of the lesion, 1 for the largest of the case.
        drawn_ml: Volume by design in ml.
        realised_ml: Volume of its voxels in ml.
        roughness: Level: smooth, medium or rough.
        amplitude: Amplitude of the boundary; see `ROUGHNESS_LEVELS`.
        contrast: Contrast of the case, 0 to 1.
        enhancement: Enhancement of the case on T1ce, 0 to 1.
        noise: Standard deviation of the noise, in units of white matter on T1.
        scanner: Scanner of the case.
        centre_mm: Centre in RAS+ mm.
    """

    case_id: str
    split: str
    lesion: int
    drawn_ml: float
    realised_ml: float
    roughness: str
    amplitude: float
    contrast: float
    enhancement: float
    noise: float
    scanner: str
    centre_mm: tuple[float, float, float]


def write_demo_case(root: Path, spec: DemoSpec, scan: Scan) -> tuple[LesionRow, ...]:
    """Write one scan of the demo, or keep it if it is there and complete.

    Args:
        root: Folder of the cohort.
        spec: Seed and spacing.
        scan: The scan; its patient may exceed the counts of `spec`.

    Returns:
        One row a lesion, largest first.

    Raises:
        DataError: If the case is there with another seed or spacing, or the template is missing.
    """
    kept = load_case_rows(root / GROUP / scan.case_id, spec)
    if kept is not None and is_drawn(root / GROUP / scan.case_id, spec):
        return kept
    rows, labels, images = compute_demo_case(spec, scan)
    record = {**_settings(spec), "lesions": [asdict(row) for row in rows]}
    try:
        write_files(root, scan.case_id, {**images, "seg": labels}, record, spacing_mm=spec.spacing_mm)
    except OSError:
        if load_case_rows(root / GROUP / scan.case_id, spec) != rows:  # else another process was faster: the same files
            raise
    return rows


def write_files(
    root: Path, case_id: str, arrays: Mapping[str, NDArray[np.integer]], record: object, *, spacing_mm: float
) -> None:
    """Write the files of a case and its record, all at once.

    Args:
        root: Folder of the cohort.
        case_id: Id of the case.
        arrays: Name of a sequence, or `seg`, to an array of shape (X, Y, Z) on the demo grid.
        record: What is written as JSON to `lesions.json`.
        spacing_mm: Edge of the voxels.
    """
    target, affine = root / GROUP / case_id, grid(spacing_mm)[1]
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=root, prefix=f".{case_id}-"))
    try:
        for name, array in arrays.items():
            save_volume(scratch / f"{case_id}_{name}.nii.gz", array, affine)
        (scratch / RECORD).write_text(json.dumps(record, indent=1))
        scratch.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        scratch.replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def compute_demo_case(
    spec: DemoSpec, scan: Scan
) -> tuple[tuple[LesionRow, ...], NDArray[np.uint8], dict[str, NDArray[np.int16]]]:
    """Draw one scan: its rows, its label image and its four sequences, arrays of shape (X, Y, Z)."""
    plan = plan_patient(spec, scan.split, scan.patient)
    anatomy = draw_anatomy(generator(spec, scan.split, 5, scan.patient), spacing_mm=spec.spacing_mm)
    placed = _place_lesions(generator(spec, scan.split, 6, scan.patient), anatomy, plan, spacing_mm=spec.spacing_mm)
    shape, affine = grid(spec.spacing_mm)
    labels = np.zeros(shape, dtype=np.uint8)
    rows = []
    for number, (lesion, drawn_ml) in enumerate(zip(placed, plan.at(scan.visit), strict=True), start=1):
        own = lesion.labels(drawn_ml)
        labels[lesion.box] = np.where(own > 0, own, labels[lesion.box])
        where = np.argwhere(own > 0).mean(axis=0) + [part.start for part in lesion.box]
        rows.append(
            LesionRow(
                case_id=scan.case_id,
                split=scan.split,
                lesion=number,
                drawn_ml=round(drawn_ml, 4),
                realised_ml=round(int(np.count_nonzero(own)) * lesion.voxel_ml, 4),
                roughness=plan.roughness,
                amplitude=ROUGHNESS_LEVELS[plan.roughness],
                contrast=round(plan.look.contrast, 4),
                enhancement=round(plan.look.enhancement, 4),
                noise=round(plan.look.noise, 4),
                scanner=plan.look.scanner,
                centre_mm=tuple(np.round(affine[:3, :3] @ where + affine[:3, 3], 2).tolist()),
            )
        )
    rng = generator(spec, scan.split, 7, scan.patient, scan.visit)
    return tuple(rows), labels, render(rng, anatomy, labels, look=plan.look, spacing_mm=spec.spacing_mm)


def _place_lesions(rng: np.random.Generator, anatomy: Anatomy, plan: Plan, *, spacing_mm: float) -> list[Placed]:
    """Place the lesions at their largest, largest first; all are drawn again should one find no room."""
    largest = [max(pair) for pair in zip(plan.at(1), plan.at(2) if plan.growth else plan.at(1), strict=True)]
    likelihood = anatomy.brain * (anatomy.white + 0.35 * anatomy.grey + 0.02)
    ratio = np.array(grid(spacing_mm)[0]) / anatomy.brain.shape
    for _ in range(MAX_ATTEMPTS):
        free, placed = anatomy.brain.copy(), list[Placed]()
        for volume_ml in largest:
            blob = draw_blob(rng, volume_ml=volume_ml, amplitude=ROUGHNESS_LEVELS[plan.roughness])
            centre = find_room(rng, blob, free=free, likelihood=likelihood, spacing_mm=anatomy.spacing_mm)
            if centre is None:
                break
            x, y, z = ((np.array(centre) + 0.5) * ratio).astype(int).tolist()
            room = brain_of(anatomy, spacing_mm) & (finer(free, spacing_mm) > 0.5)
            lesion = place_blob(blob, (x, y, z), free=room, spacing_mm=spacing_mm)
            if lesion is None:
                break
            mask = np.zeros(room.shape, dtype=bool)
            mask[lesion.box] = lesion.labels(volume_ml) > 0
            free &= ~keep_apart(coarser(mask, free.shape), spacing_mm=anatomy.spacing_mm)
            placed.append(lesion)
        if len(placed) == len(largest):
            return placed
    raise DataError("The lesions of a demo case found no room", received=plan, todo="Choose another seed")


def _settings(spec: DemoSpec) -> dict[str, object]:
    return {"version": GENERATOR_VERSION, "seed": spec.seed, "spacing_mm": spec.spacing_mm}


def is_drawn(folder: Path, spec: DemoSpec) -> bool:
    """Whether a case is complete and its images are drawn."""
    images = [folder / f"{folder.name}_{name}.nii.gz" for name in SEQUENCES]
    return load_case_rows(folder, spec) is not None and all(image.stat().st_size for image in images)


def load_case_rows(folder: Path, spec: DemoSpec) -> tuple[LesionRow, ...] | None:
    """Rows of a complete case, None if it must be written (missing, damaged, or of an older generator).

    Its images may be empty: those are drawn when the case is opened.
    """
    try:
        stored = read_json(folder / RECORD)
        if not isinstance(stored, dict):
            return None
        rows = tuple(LesionRow(**{**row, "centre_mm": tuple(row["centre_mm"])}) for row in stored.pop("lesions"))
    except (DataError, KeyError, TypeError):
        return None
    images = [folder / f"{folder.name}_{name}.nii.gz" for name in SEQUENCES]
    reference = folder / f"{folder.name}_seg.nii.gz"
    there = all(image.is_file() for image in images) and reference.is_file() and reference.stat().st_size > 0
    if stored.get("version") != GENERATOR_VERSION or not there:
        return None
    if stored != _settings(spec):
        raise DataError(
            f"{folder.name} was made with other settings",
            received=f"{stored}, now {_settings(spec)}",
            todo="Choose another folder, or delete this one to make the demo again",
        )
    return rows
