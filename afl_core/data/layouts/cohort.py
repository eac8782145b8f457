"""The cases of a folder: its files sorted to cases by its layout, its labels resolved to a region."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from afl_core.base.remote import as_folder, only_folder
from afl_core.data.formats.files import SUFFIXES
from afl_core.data.labels import SCHEMES, WHOLE, Scheme
from afl_core.data.layouts.assembly import Part, build_case, match_part, place_of
from afl_core.data.layouts.decathlon import reference_scheme
from afl_core.data.layouts.detect import choose_layout
from afl_core.data.layouts.folders import MASKS_ALONE
from afl_core.data.layouts.labelling import with_region
from afl_core.data.layouts.layout import ASIDE, REFERENCE, Layout
from afl_core.data.layouts.masks import find_references, unprintable
from afl_core.data.patients import Patients, decide_patients
from afl_core.data.scan import FolderScan, not_followed, scan_folder, special_file
from afl_core.data.splits import SPLITS_FILE, pick_split
from afl_core.errors import DataError, UsageError
from afl_core.volume import Case, Region

Messages = tuple[tuple[str, str], ...]
"""(case id, message) pairs; the case id is a path where no case could be told."""


@dataclass(frozen=True)
class DataOptions:
    """How a folder is read as a data set: the arguments of `load_cohort`, for who reads it later."""

    layout: str | None = None
    labels: str | None = None
    region: str = WHOLE
    trust_voxel_order: bool = False
    patients: str | None = None

    def arguments(self) -> list[str]:
        """The options as the command line takes them; defaults are left out.

        >>> DataOptions(region="tc").arguments()
        ['--region', 'tc']
        """
        given = {k: v for k, v in asdict(self).items() if v != getattr(AS_RECOGNISED, k)}
        words = ((f"--{k.replace('_', '-')}", *([] if v is True else [v])) for k, v in given.items())
        return [word for pair in words for word in pair]

    def load(self, root: Path) -> "Cohort":
        """The cohort of a folder; errors as `load_cohort`."""
        return load_cohort(root, **asdict(self) | {"patients": self._table})

    def references(self, folder: Path) -> "Cohort":
        """The masks of a folder; errors as `references_cohort`, and `UsageError` where a layout of images is named."""
        if self.layout not in (None, MASKS_ALONE.name):
            what = "A folder of references alone is matched by the names of its files, by no layout"
            todo = "Leave the layout out, or give the folder of the data set with its images"
            raise UsageError(what, received=self.layout, todo=todo)
        options = asdict(self) | {"patients": self._table}
        del options["layout"]
        return references_cohort(folder, **options)

    @property
    def _table(self) -> Path | None:
        return Path(self.patients) if self.patients else None


AS_RECOGNISED = DataOptions()
"""Layout and labels are told from the folder itself, and the region is the whole tumour."""


@dataclass(frozen=True)
class Cohort:
    """The cases of a folder.

    Attributes:
        root: Path of the folder.
        layout: Layout by which its files are named.
        cases: Its cases, by case id.
        problems: Cases and files that were left out, each with the reason.
        incomplete: Cases that lack a sequence which the layout has; they are kept, for who needs fewer.
        strays: Image files that belong to no case, below the root.
        aside: Image files that the layout knows and does not use, below the root.
        scheme: Scheme that gives the labels their meaning.
        region: Labels that are the tumour.
        more_regions: Regions that are measured besides it.
        trust_voxel_order: `Case.trust_voxel_order` of all its cases.
        patients: Patient of every case; its cases hold the same.
    """

    root: Path
    layout: Layout
    cases: tuple[Case, ...]
    problems: Messages = ()
    incomplete: Messages = ()
    strays: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    scheme: Scheme = field(default_factory=lambda: SCHEMES["any"])
    region: Region = field(default_factory=Region)
    trust_voxel_order: bool = False
    patients: Patients = field(default_factory=Patients)
    more_regions: tuple[Region, ...] = ()

    @property
    def regions(self) -> tuple[Region, ...]:
        """Every region that is measured."""
        return self.region, *self.more_regions

    @property
    def labels(self) -> str:
        """Name of the scheme, if it is not the layout's own but was chosen; else ""."""
        return "" if self.scheme == self.layout.scheme else self.scheme.name

    @property
    def options(self) -> DataOptions:
        """Options that read the folder in the same way again."""
        table = self.patients.table or None
        return DataOptions(self.layout.name, self.labels or None, self.region.name, self.trust_voxel_order, table)

    def of_patients(self, patients: Patients) -> "Cohort":
        """The same cases, of these patients."""
        cases = tuple(replace(case, patient=patients[case.case_id]) for case in self.cases)
        return replace(self, cases=cases, patients=patients)

    @property
    def sequences(self) -> tuple[str, ...]:
        """Sequences that every complete case has, in the layout's order; of all cases if none is complete."""
        lacking = {case_id for case_id, _ in self.incomplete}
        cases = [case for case in self.cases if case.case_id not in lacking] or self.cases
        common = set.intersection(*(set(case.sequences) for case in cases)) if cases else set()
        return tuple(sorted(common, key=lambda name: (place_of(self.layout.sequences, name), name)))

    def part(self, name: str) -> tuple[str, ...]:
        """The cases of one part of its split file; errors as `pick_split`."""
        return pick_split(self.root / SPLITS_FILE, name, known=self.known)

    @property
    def known(self) -> tuple[str, ...]:
        """Ids of the cases, and of those with a problem."""
        return *(case.case_id for case in self.cases), *(case_id for case_id, _ in self.problems)

    def only(self, case_ids: Iterable[str]) -> "Cohort":
        """The cohort of these cases alone, such as a test split, with their problems."""
        wanted = set(case_ids)
        return replace(
            self,
            cases=tuple(case for case in self.cases if case.case_id in wanted),
            problems=tuple(problem for problem in self.problems if problem[0] in wanted),
            incomplete=tuple(lack for lack in self.incomplete if lack[0] in wanted),
        )


def load_cohort(
    root: Path,
    *,
    layout: str | None = None,
    labels: str | None = None,
    region: str = WHOLE,
    trust_voxel_order: bool = False,
    patients: Path | None = None,
) -> Cohort:
    """Find the cases of a folder; no image is read, or fetched.

    Args:
        root: Folder of the data set; or its address, or an archive, which `as_folder` makes one of. An archive that
            follows no layout and holds one folder is opened there.
        layout: Name in `LAYOUTS`, or path of a file that describes one; detected if None.
        labels: Name in `SCHEMES`, or codes as `find_scheme` takes them; if None, what layout and data set say. Where
            they say nothing and a part of the tumour is asked for, the references are read, and one scheme must fit.
        region: Which labels are the tumour: `whole` (or `wt`, `cspca`), `tc`, `et`, or what the data set declares.
        trust_voxel_order: Whether files of one shape lie on one grid, whatever their headers say (`Case`).
        patients: Table that says which patient a case is of; if None, what layout, participants.tsv and names say.

    Returns:
        The cases; what was left out or lacks something is listed.

    Raises:
        DataError: If the root is missing or a file, the layout cannot be told, or the folder does not follow the one
            named; or if the table of patients cannot be used.
        UsageError: If there is no layout, scheme or region of that name, or no single scheme for the region.
    """
    root, scan, chosen = _opened(as_folder(root), layout)
    if chosen.declare is not None:
        chosen = chosen.declare(root, chosen)
    cohort = replace(_build_cohort(root, chosen, scan), trust_voxel_order=trust_voxel_order)
    return _with_patients(with_region(cohort, labels, region), patients)


def _opened(root: Path, layout: str | None) -> tuple[Path, FolderScan, Layout]:
    """The folder of the cases, its files and its layout: this one, or the one in which all of an archive lies."""
    scan = scan_folder(root)
    try:
        return root, scan, choose_layout(root, scan, layout)
    except DataError:
        if (folder := only_folder(root)) is None:
            raise
    return _opened(folder, layout)


def references_cohort(
    folder: Path,
    *,
    labels: str | None = None,
    region: str = WHOLE,
    trust_voxel_order: bool = False,
    patients: Path | None = None,
) -> Cohort:
    """The masks of a folder as cases without images; arguments as `load_cohort`, errors also as `find_references`.

    Where they are a folder of a data set with a dataset.json, such as labelsTr, that says what the labels are.
    """
    folder = as_folder(folder)
    masks, strays, problems = find_references(folder)
    cases = tuple(Case(case_id, {}, path) for case_id, path in masks.items())
    layout = replace(MASKS_ALONE, scheme=reference_scheme(folder) or MASKS_ALONE.scheme)
    cohort = Cohort(folder, layout, cases, problems, strays=strays, trust_voxel_order=trust_voxel_order)
    return _with_patients(with_region(cohort, labels, region), patients)


def _with_patients(cohort: Cohort, table: Path | None) -> Cohort:
    ids, layout = [case.case_id for case in cohort.cases], cohort.layout
    patients = decide_patients(ids, cohort.root, table=table, template=layout.patient, layout=layout.label)
    return cohort.of_patients(patients)


def _build_cohort(root: Path, layout: Layout, scan: FolderScan) -> Cohort:
    patterns = [(role, re.compile(pattern)) for role, pattern in layout.files]
    parts: dict[str, list[Part]] = defaultdict(list)
    problems = [(path, str(not_followed(root, path))) for path in scan.refused if not path.lower().endswith(SUFFIXES)]
    problems += [(path, str(special_file(path))) for path in scan.special]
    problems += [(path, str(unprintable(path))) for path in scan.unprintable]
    strays, aside = list[str](), list[str]()
    for relative in sorted((*scan.files, *scan.refused)):
        part = match_part(layout, patterns, relative, refused=relative in scan.refused)
        if part is None:
            strays.append(relative)
        elif part.role == ASIDE:
            aside.append(relative)
        else:
            parts[part.case_id].append(part)
    masks_alone = layout.masks_alone and all(p.role == REFERENCE for of_case in parts.values() for p in of_case)
    cases, incomplete = list[Case](), list[tuple[str, str]]()
    for case_id in sorted(parts):
        try:
            case = build_case(root, layout, parts[case_id], masks_alone=masks_alone)
        except DataError as error:
            problems.append((case_id, str(error)))
            continue
        cases.append(case)
        missing = [name for name in layout.sequences if name not in case.sequences]
        if missing and not masks_alone:
            incomplete.append((case_id, f"no {' and no '.join(missing)} image"))
    strays = [path for path in strays if path not in scan.refused or path.lower().endswith(SUFFIXES)]
    return Cohort(root, layout, tuple(cases), tuple(problems), tuple(incomplete), tuple(strays), tuple(aside))
