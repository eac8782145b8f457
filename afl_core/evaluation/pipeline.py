"""Case x source to rows. One task a case: the reference is read and described once for all sources."""

import hashlib
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from afl_core.base.isolation import attempt, explained
from afl_core.base.storage import FileIdentity, file_identity, write_atomically
from afl_core.base.workers import finished
from afl_core.data.formats.files import save_mask
from afl_core.data.voxel_order import placed_by
from afl_core.errors import AflError, DataError
from afl_core.evaluation.case_reader import CaseReader, UnusableReferenceError
from afl_core.evaluation.confidence_rows import measure_confidence
from afl_core.evaluation.prediction_files import MissingPredictionError
from afl_core.evaluation.prediction_stream import predict_mask
from afl_core.evaluation.rows import SETTINGS, Known, Settings, measure_curve, measure_rows, row_key
from afl_core.evaluation.sources import Source
from afl_core.volume import Case

NOTHING: Mapping[str, AbstractSet[Known]] = MappingProxyType({})
"""What is known of cases where none has a row."""

MANY_CASES = 2000
"""Cases from which on masks lie in several folders."""

SHARDED = ".sharded"
"""File in `masks/` that says that they do."""


@dataclass(frozen=True)
class CaseResult:
    """What one task gives back.

    Attributes:
        case_id: Id of the case.
        rows: One mapping a source, the columns of `cases.parquet`.
        lesions: One mapping a lesion and source, the columns of `lesions.parquet`.
        curves: One mapping a source with probabilities, the columns of `curves.parquet`.
        confidence: Likewise, the columns of `confidence.parquet`.
        problems: Source name, or "" for the case as a whole, to what went wrong.
        region_problems: Region to the same, for a region that could not be measured where the first one could.
        missing: Sources among the problems that have no prediction of the case.
        unchanged: Sources whose stored rows are still valid.
    """

    case_id: str
    rows: tuple[dict[str, Any], ...] = ()
    lesions: tuple[dict[str, Any], ...] = ()
    problems: Mapping[str, str] | None = None
    missing: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    region_problems: Mapping[str, Mapping[str, str]] | None = None
    curves: tuple[dict[str, Any], ...] = ()
    confidence: tuple[dict[str, Any], ...] = ()


def evaluate_cases(
    cases: Sequence[Case],
    sources: Sequence[Source],
    out: Path,
    *,
    known: Mapping[str, AbstractSet[Known]] = NOTHING,
    settings: Settings = SETTINGS,
    executor: Executor | None = None,
) -> Iterator[CaseResult]:
    """Evaluate every source on every case; results come as they are finished.

    Args:
        cases: Cases with references.
        sources: Sources of the predicted masks.
        out: Results folder; predicted masks go where `mask_path` says.
        known: Case id to source, region and key of its rows that are already stored.
        settings: Settings of the measurement.
        executor: Executor of the tasks; without one they run here, one after the other.
    """
    evaluate = partial(_evaluate, sources=sources, out=out, settings=settings)
    due = ((case, known.get(case.case_id, frozenset())) for case in cases)  # a task goes with what is known of its case
    tasks = finished(evaluate, due, of=lambda task: f"evaluating {task[0].case_id}", folder=out, executor=executor)
    for (case, _), result in tasks:
        yield CaseResult(case.case_id, problems={"": str(result)}) if isinstance(result, AflError) else result


def _evaluate(
    task: tuple[Case, AbstractSet[Known]], sources: Sequence[Source], out: Path, settings: Settings
) -> CaseResult:
    case, known = task
    return evaluate_case(case, sources, out, known=known, settings=settings)


def evaluate_case(
    case: Case,
    sources: Sequence[Source],
    out: Path,
    *,
    known: AbstractSet[Known] = frozenset(),
    settings: Settings = SETTINGS,
    on_source: Callable[[str], None] = lambda name: None,
) -> CaseResult:
    """Evaluate one case; a source that fails becomes a problem, the others go on. Arguments as `evaluate_cases`.

    Of `known` it takes what is of the case. A reference that cannot be measured on is one problem of the case, whatever
    the sources.
    """
    if case.reference is None:
        return CaseResult(case.case_id, problems={"": f"{case.case_id} has no reference segmentation"})
    reading = f"reading {case.reference.name} of {case.case_id}"
    state = attempt(partial(file_identity, case.reference), of=reading, folder=out)
    if isinstance(state, AflError):
        return CaseResult(case.case_id, problems={"": str(state)})
    task = _Task(case, out, known, settings, seen={case.reference: state})
    for source in sources:
        on_source(source.name)
        try:
            task.measure(source)
        except UnusableReferenceError as error:
            task.problems[""] = str(explained(error.cause, of=reading, folder=out))
            break
    return task.result()


@dataclass
class _Task:
    """One case under way: what it depends on, and what was found so far; attributes as `CaseResult`."""

    case: Case
    out: Path
    known: AbstractSet[Known]
    settings: Settings
    seen: dict[Path, FileIdentity]
    rows: list[dict[str, Any]] = field(default_factory=list)
    lesions: list[dict[str, Any]] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)
    confidence: list[dict[str, Any]] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    region_problems: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    missing: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Have a reader for each region."""
        self.readers = {region: CaseReader(replace(self.case, region=region)) for region in self.case.regions}

    def measure(self, source: Source) -> None:
        """Measure a source in each region that it predicts; what fails in the first one fails in all."""
        due, regions = 0, source.regions(self.case)
        for region in regions:
            try:
                due += self._measure_region(source, self.readers[region])
            except UnusableReferenceError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever one source does, the others and the rows so far are kept
                due += 1
                problems = self.problems if region == self.case.region else self.region_problems[region.name]
                of = f"measuring {source.name} on {self.case.case_id} (reference {self.readers[region].file.name})"
                problems[source.name] = str(explained(error, of=of, folder=self.out))
                if region == regions[0]:
                    self.missing += [source.name] if isinstance(error, MissingPredictionError) else []
                    break
        if not due:
            self.unchanged.append(source.name)

    def _measure_region(self, source: Source, reader: CaseReader) -> bool:
        """Whether there was a row to measure: the one that is known is not valid any more."""
        start, case = time.perf_counter(), reader.case
        for path in source.files(case):
            self.seen.setdefault(path, file_identity(path))
        key = row_key(case, source, self.settings)
        if (source.name, case.region.name, key) in self.known:
            return False
        reference, shape = reader.reference
        prediction = source.predict(case, reader.images(source), reference)
        of = case, source.name
        row, lesions = measure_rows(of, prediction, reference, shape, settings=self.settings)
        curve = measure_curve(of, prediction, reference, settings=self.settings)
        confidence = measure_confidence(of, prediction, reference, reader)
        changed = [path for path, state in self.seen.items() if file_identity(path) != state]
        if changed or row_key(case, source, self.settings) != key:
            what = "A file changed while it was read"
            raise DataError(what, received=changed[0] if changed else None, todo="Evaluate again")
        named = "" if case.region == self.case.region else case.region.name
        target = mask_path(self.out, source.name, case.case_id, named, anew=True)
        written = save_mask(target, prediction.mask, like=placed_by(case, reader.file))
        self.rows.append({**row, "seconds": time.perf_counter() - start, "key": key, "mask_sha256": written})
        self.lesions += lesions
        self.curves += [{**curve, "key": key}] if curve else []
        self.confidence += [{**confidence, "key": key}] if confidence else []
        return True

    def result(self) -> CaseResult:
        """What was found."""
        return CaseResult(
            self.case.case_id,
            tuple(self.rows),
            tuple(self.lesions),
            self.problems,
            tuple(self.missing),
            tuple(self.unchanged),
            dict(self.region_problems),
            tuple(self.curves),
            tuple(self.confidence),
        )


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


def shard_masks(out: Path, cases: int) -> None:
    """Have the masks of a results folder of `MANY_CASES` lie in folders by `mask_path`; those that are there stay."""
    if cases >= MANY_CASES and not (marker := out / "masks" / SHARDED).exists():
        write_atomically(marker, b"")


def mask_path(out: Path, source: str, case_id: str, region: str = "", *, anew: bool = False) -> Path:
    """Path of the predicted mask of a case in a results folder.

    It is `masks/SOURCE/CASE.nii.gz`, where people look for it. Where `shard_masks` has found many cases, masks that are
    not there yet lie in one of 256 folders, `masks/SOURCE/cases.3f/CASE.nii.gz`: to list a folder of 100,000 files
    takes long, above all on a network. No region's folder has a dot in its name; it is the region's own name where that
    is of plain letters, digits, _ and - alone, else it ends in a hash of it, so that no two regions share one.

    Args:
        out: The results folder.
        source: Name of the source.
        case_id: Id of the case.
        region: Name of the region; "" for the one that the results open first.
        anew: Whether it is to be written; else a mask of earlier results, whose folder had no hash, is found too.

    Raises:
        DataError: If the source's name or the case id is a path: the file would lie elsewhere.
    """
    for name in (source, case_id):
        if name in ("", ".", "..") or any(c in name for c in "/\\\0"):
            raise DataError("A case id or a source's name cannot be a path", received=name, todo="Rename the file")
    masks, plain = out / "masks", re.sub(r"[^A-Za-z0-9_-]+", "_", region)
    sharded, own = (masks / SHARDED).exists(), plain
    if plain != region:
        own = f"{plain[:60]}~{hashlib.sha256(region.encode()).hexdigest()[:16]}"
    path = _in_folder(masks / source / own, case_id, sharded=sharded)
    if anew or own == plain or path.exists():
        return path
    earlier = _in_folder(masks / source / plain, case_id, sharded=sharded)
    return earlier if earlier.exists() else path


def _in_folder(folder: Path, case_id: str, *, sharded: bool) -> Path:
    path = folder / f"{case_id}.nii.gz"
    if not sharded or path.exists():
        return path
    return folder / f"cases.{hashlib.sha256(case_id.encode()).hexdigest()[:2]}" / path.name
