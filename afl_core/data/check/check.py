"""Check a data set: what is there, what is wrong with it, and what can be done about that."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from afl_core.base.remote import address
from afl_core.data.check.anatomy import doubt_labels
from afl_core.data.check.doubts import doubt_organs
from afl_core.data.check.facts import Facts, Finding, counted
from afl_core.data.check.findings import find_all, unusable_cases
from afl_core.data.check.index import FileFacts, Index, Progress, read_files, unfetched
from afl_core.data.check.references import ReferenceFacts, read_references
from afl_core.data.layouts import Cohort
from afl_core.data.loading import is_undrawn
from afl_core.data.splits import SPLITS_FILE, load_splits, random_splits
from afl_core.errors import AflError
from afl_core.volume import Case, Spacing

_LEVELS = ("error", "question", "warning", "note")


@dataclass(frozen=True)
class CaseRow:
    """One case of the report.

    Attributes:
        case_id: Id of the case.
        patient: Patient whose case it is, as the cohort decided.
        group: Sub-folder or grade of the case.
        sequences: Names of the sequences that it has.
        shape: Voxels along right, anterior, superior, of the grid that is measured on; () where it cannot be read.
        spacing_mm: Voxel edges of that grid in mm.
        stored: Letters of the stored axes of that grid.
        reference: Whether the case has a reference.
        labels: Label to voxels, where the reference was read.
        volume_ml: Volume of the region in ml; NaN where it was not read.
        lesions: Number of connected components of the region.
        roughness: Roughness of the region; NaN where its lesions are too small or too thin for one.
    """

    case_id: str
    patient: str
    group: str
    sequences: tuple[str, ...]
    shape: tuple[int, ...]
    spacing_mm: Spacing
    stored: str
    reference: bool
    labels: Mapping[int, int]
    volume_ml: float
    lesions: int
    roughness: float


@dataclass(frozen=True)
class GridRow:
    """How many cases have a file of that kind on such a grid, stored in such an order."""

    what: str
    shape: tuple[int, ...]
    spacing_mm: Spacing
    stored: str
    cases: int


@dataclass(frozen=True)
class LabelRow:
    """A label of the references: its meaning ("" where the labels are not known), and how many cases have it."""

    value: int
    meaning: str
    cases: int


@dataclass(frozen=True)
class Report:
    """Everything that is known of a data set.

    Attributes:
        root: Folder of the data set.
        layout: Name and title of the layout.
        labels: Name and title of the label scheme.
        region: Title of the region, with its labels.
        cases: Rows of the report, one a case.
        findings: Findings, the worst first.
        grids: Shapes, spacings and orientations, the most frequent first.
        values: Labels of the references; () where they were not read.
        splits: Split to number of its cases that are there, of the data set's split file.
        references_read: Whether the references were read too.
        unusable: Cases that no split should have (`unusable_cases`), as far as files were read.
        patients: How many patients the cases are of, and who says so.
    """

    root: Path
    layout: tuple[str, str]
    labels: tuple[str, str]
    region: str
    cases: tuple[CaseRow, ...]
    findings: tuple[Finding, ...]
    grids: tuple[GridRow, ...]
    values: tuple[LabelRow, ...]
    splits: Mapping[str, int]
    references_read: bool
    unusable: tuple[str, ...] = ()
    patients: str = ""

    @property
    def patient_of(self) -> dict[str, str]:
        """Case id to patient."""
        return {row.case_id: row.patient for row in self.cases}

    @property
    def worst(self) -> str:
        """Level of the worst finding; "" where there is none."""
        return self.findings[0].level if self.findings else ""

    @property
    def empty(self) -> tuple[str, ...]:
        """Cases whose region is empty."""
        return tuple(row.case_id for row in self.cases if row.volume_ml == 0)

    @property
    def sound(self) -> tuple[str, ...]:
        """Cases that a split may have: with a reference, and not unusable."""
        return tuple(row.case_id for row in self.cases if row.reference and row.case_id not in self.unusable)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON holds it: NaN is null."""
        record: dict[str, Any] = _plain(asdict(self) | {"root": str(self.root)})
        return record


def check_cohort(
    cohort: Cohort,
    *,
    index: Path,
    read: bool = True,
    progress: Progress = lambda done, total, note: None,
    executor: Executor | None = None,
) -> Report:
    """Check every file's header and, if wanted, read every reference.

    Args:
        cohort: The data set.
        index: Folder in which what was read is kept.
        read: Whether to read the references; without, labels, volumes and roughness are not known, and of data that are
            elsewhere nothing is fetched.
        progress: Called while files are read, first for headers, then for references.
        executor: Reads the references; without one they are read here.
    """
    sequences = {case.case_id: tuple(case.sequences) for case in cohort.cases}
    cohort, undrawn = _without_undrawn(cohort)
    kept = Index(cohort.root, index)
    away = () if read else unfetched(kept, cohort.cases)
    files = read_files(kept, cohort.cases, progress=progress, passed_over=frozenset(away))
    usable = [case for case in cohort.cases if case.reference and not files[case.reference].problem]
    references = read_references(kept, usable, progress=progress, executor=executor) if read else {}
    splits, problem = _splits(cohort)
    facts = Facts(cohort, files, references, splits, problem)
    doubts = (doubt_organs(cohort), doubt_labels(usable, cohort.scheme) if read else "")
    findings = [*find_all(facts), *(Finding("warning", doubt, ()) for doubt in doubts if doubt)]
    if undrawn:
        todo = "`afl demo --images` draws them; opening a case draws its own"
        findings.append(
            Finding("note", f"{counted(undrawn, 'case')} of the demo whose images are not drawn yet", undrawn, todo)
        )
    if away:
        what = f"{counted(away, 'file')} not fetched, and so not checked"
        findings.append(Finding("note", what, tuple(map(address, away)), "Read the references too"))
    findings.sort(key=lambda finding: _LEVELS.index(finding.level))
    return Report(
        root=cohort.root,
        layout=(cohort.layout.name, cohort.layout.label),
        labels=(cohort.scheme.name, cohort.scheme.title),
        region=cohort.scheme.title_of(cohort.region.name),
        cases=tuple(
            replace(_row(case, files, references.get(case.case_id)), sequences=sequences[case.case_id])
            for case in cohort.cases
        ),
        findings=tuple(findings),
        grids=_grids(cohort.cases, files),
        values=_values(cohort, references),
        splits={name: len(sequences.keys() & set(ids)) for name, ids in splits.items()},
        references_read=read,
        unusable=tuple(sorted(unusable_cases(facts))),
        patients=cohort.patients.sentence(),
    )


def _without_undrawn(cohort: Cohort) -> tuple[Cohort, tuple[str, ...]]:
    """The cohort without the images of the demo that are drawn when a case is opened, and the cases that have such."""
    undrawn = tuple(case.case_id for case in cohort.cases if any(is_undrawn(path) for path in case.sequences.values()))
    if not undrawn:
        return cohort, ()
    cases = tuple(replace(case, sequences={}) if case.case_id in undrawn else case for case in cohort.cases)
    return replace(cohort, cases=cases), undrawn


def sound_splits(
    cohort: Cohort, *, index: Path, seed: int = 0, progress: Progress = lambda done, total, note: None
) -> dict[str, tuple[str, ...]]:
    """A random split by patient of the cases that the check finds nothing against; arguments as `check_cohort`."""
    report = check_cohort(cohort, index=index, progress=progress)
    return random_splits(report.sound, patients=report.patient_of, seed=seed)


def _splits(cohort: Cohort) -> tuple[dict[str, tuple[str, ...]], str]:
    """The data set's split file, and what is wrong with it."""
    path = cohort.root / SPLITS_FILE
    if not path.is_file():
        return {}, ""
    try:
        return load_splits(path), ""
    except AflError as error:
        return {}, str(error)


def _row(case: Case, files: Mapping[Path, FileFacts], reference: ReferenceFacts | None) -> CaseRow:
    known = reference or ReferenceFacts()
    first = case.sequences.get(case.grid) or next(iter(case.sequences.values()), case.reference)
    facts = files[first] if first else FileFacts(0)
    grid = facts.grid if facts.shape else None
    return CaseRow(
        case_id=case.case_id,
        patient=case.patient,
        group=case.group,
        sequences=tuple(case.sequences),
        shape=grid.array.shape if grid else (),
        spacing_mm=grid.spacing_mm if grid else (math.nan,) * 3,
        stored=facts.stored if grid else "",
        reference=case.reference is not None,
        labels=known.labels,
        volume_ml=known.volume_ml,
        lesions=len(known.lesion_ml),
        roughness=known.roughness,
    )


def _grids(cases: Sequence[Case], files: Mapping[Path, FileFacts]) -> tuple[GridRow, ...]:
    """One row for all kinds of files that lie on the same grids, in the same numbers."""
    counts: dict[str, Counter[tuple[Any, ...]]] = {}
    for case in cases:
        for what, path in _kinds(case):
            facts = files[path]
            if facts.shape:
                spacing = tuple(round(s, 2) for s in facts.grid.spacing_mm)
                key = (facts.grid.array.shape, spacing, facts.stored)
                counts.setdefault(what, Counter())[key] += 1
    together: dict[frozenset[tuple[Any, int]], list[str]] = {}
    for what, grids in counts.items():
        together.setdefault(frozenset(grids.items()), []).append(what)
    rows = [
        GridRow(", ".join(kinds), key[0], key[1], key[2], n)
        for grids, kinds in together.items()
        for key, n in sorted(grids, key=lambda item: -item[1])
    ]
    return tuple(rows)


def _kinds(case: Case) -> list[tuple[str, Path]]:
    """Kind and path of every file, for the table of grids; a 4-D file once."""
    images = {"4-D image": next(iter(case.sequences.values()))} if case.channels else dict(case.sequences)
    return [*images.items(), *([("reference", case.reference)] if case.reference else [])]


def _values(cohort: Cohort, references: Mapping[str, ReferenceFacts]) -> tuple[LabelRow, ...]:
    counts = Counter(value for facts in references.values() for value in facts.labels)
    wanted = sorted({*counts, *cohort.scheme.values})
    known = cohort.scheme.values
    unknown = "unknown: in no scheme of this data set" if known else ""
    return tuple(LabelRow(value, known.get(value, unknown), counts[value]) for value in wanted) if references else ()


def _plain(value: Any) -> Any:
    """JSON's types."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
