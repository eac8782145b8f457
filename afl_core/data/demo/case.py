"""One case of the demo: drawn, written in the BraTS 2018 layout, and read back."""

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afl_core.base.storage import read_json
from afl_core.data.demo.design import ROUGHNESS_LEVELS, DemoSpec, Plan, check_split, generator, plan_case
from afl_core.data.demo.lesion_shapes import Placed, draw_blob, keep_apart, place_blob
from afl_core.data.demo.phantom import SEQUENCES, Anatomy, draw_anatomy, grid, render
from afl_core.data.formats.files import save_volume
from afl_core.errors import DataError

GENERATOR_VERSION = 1
"""Raised whenever the same seed would give other files."""

GROUP = "HGG"
"""Folder of the layout that holds all cases."""

MAX_ATTEMPTS = 20
"""Times that the lesions of a case are drawn before the case is given up."""

_SIDECAR = "lesions.json"


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
    centre_mm: tuple[float, float, float]


def write_demo_case(root: Path, spec: DemoSpec, split: str, index: int) -> tuple[LesionRow, ...]:
    """Write one case of the demo, or keep it if it is there and complete.

    Args:
        root: Folder of the cohort.
        spec: Seed and spacing.
        split: train, validation or test.
        index: Number of the case in its split, from 0; may exceed the counts of `spec`.

    Returns:
        One row a lesion, largest first.

    Raises:
        DataError: If the case is there with another seed or spacing, or the template is missing.
    """
    check_split(split)
    case_id = f"Brats18_SYN_{split}_{index:03d}"
    target = root / GROUP / case_id
    kept = load_case_rows(target, spec)
    if kept is not None:
        return kept
    rows, labels, images = compute_demo_case(spec, split, index)
    affine = grid(spec.spacing_mm)[1]
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=root, prefix=f".{case_id}-"))
    try:
        for name, array in {**images, "seg": labels}.items():
            save_volume(scratch / f"{case_id}_{name}.nii.gz", array, affine)
        (scratch / _SIDECAR).write_text(json.dumps({**_settings(spec), "lesions": [asdict(r) for r in rows]}, indent=1))
        scratch.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        scratch.replace(target)
    except OSError:
        if load_case_rows(target, spec) != rows:  # else another process was faster: the same files
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return rows


def compute_demo_case(
    spec: DemoSpec, split: str, index: int
) -> tuple[tuple[LesionRow, ...], NDArray[np.int16], dict[str, NDArray[np.int16]]]:
    """Draw one case: its rows, its label image and its four sequences, arrays of shape (X, Y, Z)."""
    plan, rng = plan_case(spec, split, index), generator(spec, split, 4, index)
    anatomy = draw_anatomy(rng, spacing_mm=spec.spacing_mm)
    placed = _place_lesions(rng, anatomy, plan)
    labels = np.zeros(anatomy.brain.shape, dtype=np.int16)
    rows = []
    affine = grid(spec.spacing_mm)[1]
    for number, (lesion, drawn_ml) in enumerate(zip(placed, plan.volumes_ml, strict=True), start=1):
        labels = np.where(lesion.mask, lesion.labels, labels)
        x, y, z = (float(v) for v in affine[:3, :3] @ lesion.centre + affine[:3, 3])
        rows.append(
            LesionRow(
                case_id=f"Brats18_SYN_{split}_{index:03d}",
                split=split,
                lesion=number,
                drawn_ml=round(drawn_ml, 4),
                realised_ml=round(int(lesion.mask.sum()) * spec.spacing_mm**3 / 1000, 4),
                roughness=plan.roughness,
                amplitude=ROUGHNESS_LEVELS[plan.roughness],
                contrast=round(plan.look.contrast, 4),
                enhancement=round(plan.look.enhancement, 4),
                noise=round(plan.look.noise, 4),
                centre_mm=(x, y, z),
            )
        )
    return tuple(rows), labels, render(rng, anatomy, labels, look=plan.look)


def _place_lesions(rng: np.random.Generator, anatomy: Anatomy, plan: Plan) -> list[Placed]:
    """Place the lesions, largest first; all are drawn again should one find no room."""
    likelihood = anatomy.brain * (anatomy.white + 0.35 * anatomy.grey + 0.02)
    for _ in range(MAX_ATTEMPTS):
        free, placed = anatomy.brain.copy(), list[Placed]()
        for volume_ml in plan.volumes_ml:
            blob = draw_blob(rng, volume_ml=volume_ml, amplitude=ROUGHNESS_LEVELS[plan.roughness])
            lesion = place_blob(rng, blob, free=free, likelihood=likelihood, spacing_mm=anatomy.spacing_mm)
            if lesion is None:
                break
            free &= ~keep_apart(lesion.mask)
            placed.append(lesion)
        if len(placed) == len(plan.volumes_ml):
            return placed
    raise DataError("The lesions of a demo case found no room", received=plan, todo="Choose another seed")


def _settings(spec: DemoSpec) -> dict[str, object]:
    return {"version": GENERATOR_VERSION, "seed": spec.seed, "spacing_mm": spec.spacing_mm}


def load_case_rows(folder: Path, spec: DemoSpec) -> tuple[LesionRow, ...] | None:
    """Rows of a complete case, None if it must be written (missing, damaged, or of an older generator)."""
    try:
        stored = read_json(folder / _SIDECAR)
        if not isinstance(stored, dict):
            return None
        rows = tuple(LesionRow(**{**row, "centre_mm": tuple(row["centre_mm"])}) for row in stored.pop("lesions"))
    except (DataError, KeyError, TypeError):
        return None
    files = [folder / f"{folder.name}_{name}.nii.gz" for name in (*SEQUENCES, "seg")]
    if stored.get("version") != GENERATOR_VERSION or not all(f.is_file() and f.stat().st_size for f in files):
        return None
    if stored != _settings(spec):
        raise DataError(
            f"{folder.name} was made with other settings",
            received=f"{stored}, now {_settings(spec)}",
            todo="Choose another folder, or delete this one to make the demo again",
        )
    return rows
