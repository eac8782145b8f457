"""What is worth knowing of a data set, finding by finding, each with what to do."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from afl_core.base.words import number_of
from afl_core.data.check.facts import Facts, Finding, by_cause, counted
from afl_core.data.check.index import FileFacts
from afl_core.data.check.unused import unused_files
from afl_core.data.labels import WHOLE, fitting_schemes
from afl_core.data.loading import REFERENCE, file_title
from afl_core.data.patients import ADVICE, NEAR_ADVICE, TWICE_ADVICE, parted_patients
from afl_core.data.resample import APART, covered
from afl_core.data.splits import SPLITS_FILE
from afl_core.errors import GeometryError
from afl_core.volume import SKEW, Case, check_same_grid

PLAUSIBLE_MM = (0.01, 100.0)
"""Edges of voxels, from micro-MRI to the gap between scout slices; others are most often a wrong unit."""


def unusable_cases(facts: Facts) -> frozenset[str]:
    """Cases that cannot be trained on or measured as they are.

    A file of theirs is broken or on another grid, their reference cannot be used, or their images are copies of those
    of a case before.
    """
    unusable = {case_id for case_id, reference in facts.references.items() if reference.problem}
    for case in facts.cohort.cases:
        files = _files(facts, case)
        known = {name: file for name, file in files.items() if file.shape}
        off = any(not usable for _, usable in _off_grid(case, known))
        off = off or (REFERENCE in known and known[REFERENCE].grid.skew > SKEW)
        if off or any(file.problem for file in files.values()):
            unusable.add(case.case_id)
    alone = all(not case.sequences for case in facts.cohort.cases)
    for group in facts.same:
        owners = list(dict.fromkeys(case_id for case_id, name in group if alone or name != "reference"))
        unusable.update(owners[1:])
    return frozenset(unusable)


def find_all(facts: Facts) -> Iterator[Finding]:
    """Every finding there is."""
    yield from _left_out(facts)
    yield from _unreadable(facts)
    yield from _geometry(facts)
    yield from _headers(facts)
    yield from _labels(facts)
    yield from _references(facts)
    yield from _duplicates(facts)
    yield from _patients(facts)
    yield from _splits(facts)


def _left_out(facts: Facts) -> Iterator[Finding]:
    cohort = facts.cohort
    if cohort.problems:
        yield from by_cause("case left out", "cases left out", cohort.problems, "Mend or remove the files named")
    by_lack: dict[str, list[str]] = defaultdict(list)
    for case_id, lack in cohort.incomplete:
        by_lack[lack].append(case_id)
    for lack, ids in by_lack.items():
        todo = "They serve checkpoints that do not need it; add the file to use them with others"
        yield Finding("warning", f"{counted(ids, 'case')} with {lack}", tuple(ids), todo)
    yield from unused_files(facts)


def _unreadable(facts: Facts) -> Iterator[Finding]:
    files = [(path.name, file.problem) for path, file in facts.files.items() if file.problem]
    yield from by_cause("file that cannot be read", "files that cannot be read", files, "Copy or download them again")


def _geometry(facts: Facts) -> Iterator[Finding]:
    wrong, resampled, mixed = list[str](), list[str](), list[str]()
    stored = Counter[str]()
    for case in facts.cohort.cases:
        files = _files(facts, case)
        known = {name: file for name, file in files.items() if file.shape}
        codes = {file.stored for file in known.values()}
        stored.update(codes)
        mixed += [case.case_id] if len(codes) > 1 else []
        for message, usable in _off_grid(case, known):
            (resampled if usable else wrong).append(message)
    if wrong:
        todo = "Where voxel belongs to voxel as stored and a header is wrong, give --trust-voxel-order; else resample "
        todo += "them onto one grid, a mask with nearest-neighbour interpolation"
        yield Finding("error", f"{counted(wrong, 'file')} on another grid than the case", tuple(wrong), todo)
    if resampled:
        what = (
            f"{counted(resampled, 'image')} on another grid than {facts.cohort.layout.grid}, brought onto it when read"
        )
        yield Finding("note", what, tuple(resampled))
    if len(stored) > 1:
        orders = ", ".join(f"{code} in {counted(range(n), 'case')}" for code, n in stored.most_common())
        what = f"Axes are stored in {len(stored)} orders ({orders}); all are turned to RAS+ when read"
        yield Finding("note", what, tuple(mixed), "The cases listed mix orders within themselves" if mixed else "")


def _headers(facts: Facts) -> Iterator[Finding]:
    """Findings on single headers, whatever the other files of the case."""
    remarks = [(f"{path.name}: {remark}", remark) for path, file in facts.files.items() for remark in file.remarks]
    doubtful = tuple(item for item, remark in remarks if "converted" not in remark)
    if doubtful:
        todo = "See that voxel sizes and place are right, and write the files again with one transform that is"
        yield Finding(
            "warning", f"{counted(doubtful, 'header')} that contradict themselves or do not say all", doubtful, todo
        )
    converted = tuple(item for item, remark in remarks if "converted" in remark)
    if converted:
        yield Finding("note", f"{counted(converted, 'file')} with lengths in another unit than mm", converted)
    grids = {path: file.grid for path, file in facts.files.items() if file.shape}
    odd = tuple(
        f"{path.name}: voxels of {'x'.join(f'{s:.3g}' for s in grid.spacing_mm)} mm"
        for path, grid in grids.items()
        if not PLAUSIBLE_MM[0] <= min(grid.spacing_mm) <= max(grid.spacing_mm) <= PLAUSIBLE_MM[1]
    )
    if odd:
        todo = "Check the unit and the voxel sizes: lengths and volumes are measured by them as they stand"
        yield Finding("warning", f"{counted(odd, 'file')} with voxels of a size that no scanner gives", odd, todo)
    references = {case.reference for case in facts.cohort.cases}
    skewed = tuple(p.name for p, grid in grids.items() if p in references and grid.skew > SKEW)
    if skewed:
        todo = "Resample image and masks to a grid with right angles, the masks with nearest-neighbour interpolation"
        yield Finding("error", f"{counted(skewed, 'reference')} with axes that are not at right angles", skewed, todo)


def _files(facts: Facts, case: Case) -> dict[str, FileFacts]:
    """Facts of every file of a case by sequence, and of its reference."""
    paths = {**case.sequences, **({REFERENCE: case.reference} if case.reference else {})}
    return {name: facts.files[path] for name, path in paths.items()}


def _off_grid(case: Case, known: Mapping[str, FileFacts]) -> Iterator[tuple[str, bool]]:
    """A message on every file off the grid of its case, and whether it can be brought onto it."""
    first = case.grid if case.grid in known else next(iter(known), "")
    for name, file in known.items():
        base = known[first]
        same = file.shape == base.shape
        if same and (case.trust_voxel_order or (file.affine == base.affine).all()):
            continue
        names = (file_title(case, first), file_title(case, name))
        try:
            check_same_grid(base.grid, file.grid, names=names)
        except GeometryError as error:
            apart = covered(file.grid, base.grid) < APART
            message = f"{error.what}: {'it lies elsewhere; ' if apart else ''}{error.received}"
            yield message, bool(case.grid) and name != "reference" and not apart


def _labels(facts: Facts) -> Iterator[Finding]:
    problems = [(case_id, reference.problem) for case_id, reference in facts.references.items() if reference.problem]
    todo = "Mend the files, or name the labels that they follow (--labels)"
    yield from by_cause("reference that cannot be used", "references that cannot be used", problems, todo)
    sound = (reference for reference in facts.references.values() if not reference.problem)
    values = {value for reference in sound for value in reference.labels}
    if facts.cohort.scheme.values or not values - {1}:
        return
    fitting = fitting_schemes(values)
    items = tuple(
        f"{scheme.name}: {scheme.title}: " + "; ".join(scheme.title_of(region) for region in scheme.regions)
        for scheme in fitting
    )
    what = f"The labels {', '.join(map(str, sorted(values)))} could be of {len(fitting)} known schemes"
    todo = "Every label above 0 counts as tumour until one is named: --labels with --region"
    if any(set(scheme.regions) - {WHOLE} for scheme in fitting):
        yield Finding("question", what, items, todo)


def _references(facts: Facts) -> Iterator[Finding]:
    without = tuple(case.case_id for case in facts.cohort.cases if case.reference is None)
    if without:
        todo = "They can be segmented, not measured or trained on"
        yield Finding("note", f"{counted(without, 'case')} without a reference", without, todo)
    empty = tuple(sorted(case_id for case_id, reference in facts.references.items() if reference.volume_ml == 0))
    if empty:
        todo = "Scores of these cases follow the empty-mask rules; means over them say little of tumours"
        yield Finding("note", f"{counted(empty, 'empty reference')}, of {len(facts.references)}", empty, todo)


def _duplicates(facts: Facts) -> Iterator[Finding]:
    items = tuple(" = ".join(f"{case_id} {name}" for case_id, name in group) for group in facts.same)
    if items:
        todo = "Keep one of each: a case in two splits would be tested on what it was trained on"
        yield Finding(
            "error", f"{counted(items, 'group')} of files with the same bytes under several names", items, todo
        )


def _patients(facts: Facts) -> Iterator[Finding]:
    patients = facts.cohort.patients
    several = {patient: n for patient, n in Counter(case.patient for case in facts.cohort.cases).items() if n > 1}
    if several:
        items = tuple(f"{patient}: {number_of(n, 'study', 'studies')}" for patient, n in sorted(several.items()))
        todo = "Splits made here keep a patient's studies together; statistics take the patient as the unit"
        yield Finding("note", f"{counted(items, 'patient')} with several studies, {patients.how}", items, todo)
    if patients.alike:
        items = tuple(", ".join(group) for group in patients.alike)
        yield Finding("warning", f"{counted(items, 'group')} of cases that look like repeated scans", items, ADVICE)
    if patients.near:
        items = tuple(" and ".join(group) for group in patients.near)
        what = f"{counted(items, 'group')} of patients that differ in zeros, letters' case or signs alone"
        yield Finding("warning", what, items, NEAR_ADVICE)
    if patients.respelt:
        items = tuple(f"{declared} for {known}" for declared, known in patients.respelt)
        yield Finding("note", f"{counted(items, 'id')} that the declaration of patients spells otherwise", items)
    if patients.twice:
        items = tuple(f"{taken} (taken) and {other}" for taken, other in patients.twice)
        what = f"{counted(items, 'id')} in two spellings in the declaration of patients"
        yield Finding("warning", what, items, TWICE_ADVICE)
    if patients.problem:
        yield Finding("warning", "A declaration of patients that is not used", (patients.problem,))
    if patients.unlisted:
        what = f"{counted(patients.unlisted, 'case')} that the declaration of patients leaves out"
        yield Finding("warning", what, patients.unlisted, "Their names decide; add them")
    if patients.unknown:
        what = f"The table of patients names {counted(patients.unknown, 'case')} not in the data set"
        yield Finding("warning", what, patients.unknown, "Check the spelling")


def _splits(facts: Facts) -> Iterator[Finding]:
    if facts.split_problem:
        yield Finding("error", f"{SPLITS_FILE} cannot be used", (facts.split_problem,), "Write it again")
    patients = {case.case_id: case.patient for case in facts.cohort.cases}
    gone = tuple(sorted({case_id for case_ids in facts.splits.values() for case_id in case_ids} - set(patients)))
    if gone:
        yield Finding("warning", f"{SPLITS_FILE} names {counted(gone, 'case')} not in the data set", gone, "Add them")
    parted = parted_patients(facts.splits, patients)
    leaks = tuple(f"{patient}: {', '.join(names)}" for patient, names in parted.items())
    if leaks:
        what = f"{SPLITS_FILE} has {counted(leaks, 'patient')} in more than one split"
        yield Finding("error", what, leaks, "Make the split again, by patient: afl data split")
