"""Case x source to rows. One task a case: the reference is read and described once for all sources."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from afl_core.base.isolation import attempt, explained
from afl_core.base.storage import hash_files
from afl_core.base.workers import finished
from afl_core.data.formats.files import read_header, save_mask
from afl_core.data.layouts import Cohort, load_case
from afl_core.data.voxel_order import placed_by
from afl_core.errors import AflError, DataError
from afl_core.evaluation.case_reader import CaseReader, UnusableReferenceError
from afl_core.evaluation.prediction_files import MissingPredictionError
from afl_core.evaluation.sources import Source
from afl_core.metrics import LesionMetrics, evaluate_masks
from afl_core.shape import Shape
from afl_core.volume import Case, Mask, Prediction

VERSION = 3
"""Raised when the meaning of a row changes, so that results made before are computed again."""


@dataclass(frozen=True)
class Settings:
    """What a row depends on besides its case and source; one choice for a whole results folder.

    Attributes:
        nsd_tolerance_mm: Distance up to which a surface counts as right in NSD.
        matcher: Name in `MATCHERS`: when a predicted component finds a lesion.
        region: Which part of the tumour is measured.
        labels: Label scheme that was chosen; "" where it is the data set's own.
        trust_voxel_order: As `Case`.
    """

    nsd_tolerance_mm: float = 1.0
    matcher: str = "overlap"
    region: str = "whole"
    labels: str = ""
    trust_voxel_order: bool = False


SETTINGS = Settings()


def settings_for(cohort: Cohort, settings: Settings = SETTINGS) -> Settings:
    """The settings with what a cohort says: region, labels, and whether the order of voxels is trusted."""
    trust = cohort.trust_voxel_order
    return replace(settings, region=cohort.region.name, labels=cohort.labels, trust_voxel_order=trust)


@dataclass(frozen=True)
class CaseResult:
    """What one task gives back.

    Attributes:
        case_id: The case.
        rows: One mapping a source, the columns of `cases.parquet`.
        lesions: One mapping a lesion and source, the columns of `lesions.parquet`.
        problems: Source name, or "" for the case as a whole, to what went wrong.
        missing: Those of the problems that are sources without a prediction of the case.
        unchanged: Sources whose stored rows are still valid.
    """

    case_id: str
    rows: tuple[dict[str, Any], ...] = ()
    lesions: tuple[dict[str, Any], ...] = ()
    problems: Mapping[str, str] | None = None
    missing: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()


def evaluate_cases(
    cases: Sequence[Case],
    sources: Sequence[Source],
    out: Path,
    *,
    known: frozenset[str] = frozenset(),
    settings: Settings = SETTINGS,
    executor: Executor | None = None,
) -> Iterator[CaseResult]:
    """Evaluate every source on every case; results come as they are finished.

    Args:
        cases: With references.
        sources: What predicted the masks.
        out: Results folder; predicted masks go to `masks/SOURCE/CASE.nii.gz` there.
        known: Keys of rows that are already stored.
        settings: How to measure.
        executor: Runs the tasks; without one they run here, one after the other.
    """
    evaluate = partial(evaluate_case, sources=sources, out=out, known=known, settings=settings)
    tasks = finished(evaluate, cases, of=lambda case: f"evaluating {case.case_id}", folder=out, executor=executor)
    for case, result in tasks:
        yield CaseResult(case.case_id, problems={"": str(result)}) if isinstance(result, AflError) else result


def evaluate_case(
    case: Case,
    sources: Sequence[Source],
    out: Path,
    *,
    known: frozenset[str] = frozenset(),
    settings: Settings = SETTINGS,
    on_source: Callable[[str], None] = lambda name: None,
) -> CaseResult:
    """Evaluate one case; a source that fails becomes a problem, the others go on. Arguments as `evaluate_cases`.

    A reference that cannot be measured on is one problem of the case, whatever the sources.
    """
    if case.reference is None:
        return CaseResult(case.case_id, problems={"": f"{case.case_id} has no reference segmentation"})
    rows: list[dict[str, Any]] = []
    lesions: list[dict[str, Any]] = []
    problems: dict[str, str] = {}
    missing: list[str] = []
    unchanged: list[str] = []
    reading = f"reading {case.reference.name} of {case.case_id}"
    state = attempt(partial(_state, case.reference), of=reading, folder=out)
    if isinstance(state, AflError):
        return CaseResult(case.case_id, problems={"": str(state)})
    reader, seen = CaseReader(case), {case.reference: state}
    for source in sources:
        on_source(source.name)
        try:
            start = time.perf_counter()
            for path in source.files(case):
                seen.setdefault(path, _state(path))
            key = row_key(case, source, settings)
            if key in known:
                unchanged.append(source.name)
                continue
            reference, shape = reader.reference
            images = reader.images(source)
            prediction = source.predict(case, images, reference)
            row, own_lesions = _rows((case, source.name), prediction, reference, shape, settings=settings)
            changed = [path for path, state in seen.items() if _state(path) != state]
            if changed or row_key(case, source, settings) != key:
                what = "A file changed while it was read"
                raise DataError(what, received=changed[0] if changed else None, todo="Evaluate again")
            target = mask_path(out, source.name, case.case_id)
            written = save_mask(target, prediction.mask, like=placed_by(case, case.reference))
            rows.append({**row, "seconds": time.perf_counter() - start, "key": key, "mask_sha256": written})
            lesions.extend(own_lesions)
        except UnusableReferenceError as error:
            problems[""] = str(explained(error.cause, of=reading, folder=out))
            break
        except Exception as error:  # noqa: BLE001 - whatever one source does, the others and the rows so far are kept
            of = f"measuring {source.name} on {case.case_id} (reference {case.reference.name})"
            problems[source.name] = str(explained(error, of=of, folder=out))
            missing += [source.name] if isinstance(error, MissingPredictionError) else []
    return CaseResult(case.case_id, tuple(rows), tuple(lesions), problems, tuple(missing), tuple(unchanged))


FileState = tuple[int, int, int, int]


def _state(path: Path) -> FileState:
    """What differs once a file was written to."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def predict_case(
    case: Case, sources: Sequence[Source], out: Path, *, on_source: Callable[[str], None] = lambda name: None
) -> CaseResult:
    """Write the masks of a case without measuring them, where `evaluate_case` would."""
    problems: dict[str, str] = {}
    for source in sources:
        on_source(source.name)
        work = partial(_predict_into, case, source, out)
        failed = attempt(work, of=f"predicting {case.case_id} by {source.name}", folder=out)
        if failed is not None:
            problems[source.name] = str(failed)
    return CaseResult(case.case_id, problems=problems)


def _predict_into(case: Case, source: Source, out: Path) -> None:
    predict_mask(case, source, mask_path(out, source.name, case.case_id))


def predict_mask(case: Case, source: Source, path: Path) -> None:
    """Predict a case, whose reference is not looked at, and write the mask on the grid of the images.

    Raises:
        AflError: If an image is missing or cannot be read, or if the source cannot predict it.
    """
    needed = source.sequences()
    present = [name for name in needed if name in case.sequences]
    images = load_case(replace(case, reference=None), sequences=present).images
    mask = source.predict(case, images, None).mask
    like = case.sequences.get(case.grid, case.sequences[needed[0]])
    save_mask(path, mask, like=placed_by(case, like))


def row_key(case: Case, source: Source, settings: Settings) -> str:
    """Content address of a row: version, settings, the reference's bytes and everything the prediction depends on."""
    reference = hash_files([case.reference] if case.reference else [])
    measured = {"nsd_tolerance_mm": settings.nsd_tolerance_mm, "matcher": settings.matcher}
    region = [case.region.key] if case.region.key else []  # the labels that it really takes, by whatever name
    trusted = case.reference if case.trust_voxel_order else None
    placed = ["trusted", read_header(placed_by(case, trusted), any_axes=True).affine.tolist()] if trusted else []
    parts = [VERSION, measured, case.case_id, source.name, reference, source.key(case), *region, *placed]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def mask_path(out: Path, source: str, case_id: str) -> Path:
    """Where the predicted mask of a case is kept in a results folder.

    Raises:
        DataError: If the source's name or the case id is a path: the file would lie elsewhere.
    """
    for name in (source, case_id):
        if name in ("", ".", "..") or any(c in name for c in "/\\\0"):
            raise DataError("A case id or a source's name cannot be a path", received=name, todo="Rename the file")
    return out / "masks" / source / f"{case_id}.nii.gz"


def _rows(
    of: tuple[Case, str], prediction: Prediction, reference: Mask, shape: Shape, *, settings: Settings
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    case, source = of
    metrics = evaluate_masks(
        prediction.mask.array,
        reference.array,
        spacing_mm=reference.spacing_mm,
        nsd_tolerance_mm=settings.nsd_tolerance_mm,
        matcher=settings.matcher,
        probabilities=prediction.probabilities,
    )
    row = {
        "case_id": case.case_id,
        "group": case.group,
        "source": source,
        "reference_volume_ml": shape.volume_ml,
        "predicted_volume_ml": prediction.mask.volume_ml,
        "reference_lesions": shape.n_components,
        "ignored_lesions": sum(lesion.kind == "ignored" for lesion in metrics.lesions),
        "roughness": shape.roughness,
        "sphericity": shape.sphericity,
        "compactness": shape.compactness,
        "elongation": shape.elongation,
        "released_smoothness": shape.released_smoothness,
        "empty": metrics.empty,
        "note": prediction.note,
        **metrics.as_dict(),
    }
    return row, [_lesion_row(case, source, lesion, shape) for lesion in metrics.lesions]


def _lesion_row(case: Case, source: str, lesion: LesionMetrics, shape: Shape) -> dict[str, Any]:
    x, y, z = lesion.centroid_voxel
    parts = lesion.reference_components  # more than one where the matcher merges lesions: then no roughness of its own
    return {
        "case_id": case.case_id,
        "source": source,
        "lesion_id": lesion.lesion_id,
        "kind": lesion.kind,
        "volume_ml": lesion.volume_ml,
        "roughness": shape.lesion_roughness[parts[0] - 1] if len(parts) == 1 else math.nan,
        "dsc": lesion.dsc,
        "dsc_in_region": lesion.dsc_in_region,
        "hd95_mm": lesion.hd95_mm,
        "assd_mm": lesion.assd_mm,
        "nearest_mm": lesion.nearest_mm,
        "detected": lesion.detected,
        "overlap_ml": lesion.overlap_ml,
        "predicted_ml": lesion.predicted_ml,
        "predicted_components": list(lesion.predicted_components),
        "x": x,
        "y": y,
        "z": z,
    }
