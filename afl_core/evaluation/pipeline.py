"""Case x source to rows. One task a case: the reference is read and described once for all sources."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from afl_core.base.isolation import attempt, explained
from afl_core.base.workers import finished
from afl_core.data.formats.files import save_mask
from afl_core.data.layouts import LoadedCase, load_case
from afl_core.data.voxel_order import placed_by
from afl_core.errors import AflError, DataError
from afl_core.evaluation.prediction_files import MissingPredictionError
from afl_core.evaluation.rows import SETTINGS, Settings, measure_rows, row_key
from afl_core.evaluation.sources import Source
from afl_core.shape import Shape, describe
from afl_core.volume import Case, Mask, Volume


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
    """Evaluate one case; a source that fails becomes a problem, the others go on. Arguments as `evaluate_cases`."""
    if case.reference is None:
        return CaseResult(case.case_id, problems={"": f"{case.case_id} has no reference segmentation"})
    rows: list[dict[str, Any]] = []
    lesions: list[dict[str, Any]] = []
    problems: dict[str, str] = {}
    missing: list[str] = []
    unchanged: list[str] = []
    reader, seen = _Reader(case), dict[Path, FileState]()
    for source in sources:
        on_source(source.name)
        try:
            start = time.perf_counter()
            for path in (case.reference, *source.files(case)):
                seen.setdefault(path, _state(path))
            key = row_key(case, source, settings)
            if key in known:
                unchanged.append(source.name)
                continue
            images, reference, shape = reader.read(source)
            prediction = source.predict(case, images, reference)
            row, own_lesions = measure_rows((case, source.name), prediction, reference, shape, settings=settings)
            changed = [path for path, state in seen.items() if _state(path) != state]
            if changed or row_key(case, source, settings) != key:
                what = "A file changed while it was read"
                raise DataError(what, received=changed[0] if changed else None, todo="Evaluate again")
            target = mask_path(out, source.name, case.case_id)
            written = save_mask(target, prediction.mask, like=placed_by(case, case.reference))
            rows.append({**row, "seconds": time.perf_counter() - start, "key": key, "mask_sha256": written})
            lesions.extend(own_lesions)
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


class _Reader:
    """Reads a case once for all sources that need the same sequences."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._loaded: dict[tuple[str, ...], LoadedCase] = {}
        self._shape: Shape | None = None

    def read(self, source: Source) -> tuple[Mapping[str, Volume], Mask, Shape]:
        """Images that the source needs and the case has, the reference, and the reference's description."""
        wanted = tuple(name for name in source.sequences() if name in self.case.sequences)
        if wanted not in self._loaded:
            self._loaded[wanted] = load_case(self.case, sequences=wanted)
        loaded = self._loaded[wanted]
        if loaded.reference is None:
            raise DataError(f"{self.case.case_id} has no reference segmentation")
        if self._shape is None:
            self._shape = describe(loaded.reference.array, spacing_mm=loaded.reference.spacing_mm)
        return loaded.images, loaded.reference, self._shape


def mask_path(out: Path, source: str, case_id: str) -> Path:
    """Where the predicted mask of a case is kept in a results folder.

    Raises:
        DataError: If the source's name or the case id is a path: the file would lie elsewhere.
    """
    for name in (source, case_id):
        if name in ("", ".", "..") or any(c in name for c in "/\\\0"):
            raise DataError("A case id or a source's name cannot be a path", received=name, todo="Rename the file")
    return out / "masks" / source / f"{case_id}.nii.gz"
