"""From a folder to cases: which layouts of image data sets are known, and one scanner for all of them."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from afl_core.catalogue import pick
from afl_core.data.files import SUFFIXES, load_mask, load_volume, strip_suffix
from afl_core.data.scan import Found, scan_folder
from afl_core.errors import DataError
from afl_core.volume import Case, Mask, Volume, check_same_grid

_SUFFIX = r"(?i:\.nii|\.nii\.gz|\.mha|\.mhd)"


@dataclass(frozen=True)
class Layout:
    """How a data set names its files.

    Both patterns are matched against the whole path below the root, with `/` between folders.

    Attributes:
        name: Key in `LAYOUTS`.
        label: For people.
        image: Pattern with the groups `case`, `sequence` and perhaps `group`.
        reference: Pattern with the group `case` and perhaps `group`.
        required: Sequences without which a case is a problem; empty where the layout prescribes none.
        aliases: Sequence as spelt in file names, in lower case, to the name used here.
        example: What a path looks like, for messages.
    """

    name: str
    label: str
    image: str
    reference: str
    required: tuple[str, ...]
    aliases: Mapping[str, str]
    example: str


_BRATS_CASE = r"(?:(?P<group>[HL]GG)/)?(?P<case>[^/]+)/(?P=case)_"

LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "brats2018": Layout(
            name="brats2018",
            label="BraTS 2018",
            image=rf"{_BRATS_CASE}(?P<sequence>(?i:t1|t1ce|t2|flair)){_SUFFIX}",
            reference=rf"{_BRATS_CASE}(?i:seg){_SUFFIX}",
            required=("t1", "t1ce", "t2", "flair"),
            aliases=MappingProxyType({}),
            example="HGG/CASE/CASE_{t1,t1ce,t2,flair,seg}.nii.gz (HGG/ or LGG/ may be left out)",
        ),
        "plain": Layout(
            name="plain",
            label="Plain images and references",
            image=rf"images/(?P<case>[^/]+)_(?P<sequence>[^/_]+?){_SUFFIX}",
            reference=rf"references/(?P<case>[^/]+?){_SUFFIX}",
            required=(),
            aliases=MappingProxyType({"t1c": "t1ce", "t1gd": "t1ce"}),
            example="images/CASE_SEQUENCE.nii.gz with references/CASE.nii.gz",
        ),
        "deepmedic": Layout(
            name="deepmedic",
            label="deepmedic's example (z-scored BraTS 2013)",
            image=rf"(?P<case>[^/]+)/(?P<sequence>[^/]+_subtrMeanDivStd){_SUFFIX}",
            reference=rf"(?P<case>[^/]+)/OTMultiClass{_SUFFIX}",
            required=("flair", "t1ce"),
            aliases=MappingProxyType({"flair_subtrmeandivstd": "flair", "t1c_subtrmeandivstd": "t1ce"}),
            example="CASE/{Flair,T1c}_subtrMeanDivStd.nii.gz with CASE/OTMultiClass.nii.gz",
        ),
    }
)

MASKS_ALONE = Layout(
    name="masks",
    label="Masks alone",
    image=r"(?!)(?P<case>)(?P<sequence>)",
    reference=rf"(?P<case>[^/]+?){_SUFFIX}",
    required=(),
    aliases=MappingProxyType({}),
    example="CASE.nii.gz",
)
"""A folder of reference masks without images; never detected, only asked for."""


@dataclass(frozen=True)
class Cohort:
    """The cases of a folder.

    Attributes:
        root: The folder.
        layout: How its files are named.
        cases: Complete cases, by case id.
        problems: (case id, message) of what was left out; the case id is a path where no case could be told.
    """

    root: Path
    layout: Layout
    cases: tuple[Case, ...]
    problems: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class LoadedCase:
    """A case read into memory; all arrays lie on one grid.

    Attributes:
        case: Where it came from.
        images: Sequence to image, in the order asked for.
        reference: Every label above 0, or None without a reference.
    """

    case: Case
    images: Mapping[str, Volume]
    reference: Mask | None


def detect_layout(root: Path) -> Layout:
    """The one layout that a folder follows.

    Raises:
        DataError: If the root is missing or a file, or its files match no layout, or more than one.
    """
    return _detect(root, scan_folder(root), tuple(LAYOUTS.values()))


def load_cohort(root: Path, *, layout: str | None = None) -> Cohort:
    """Find the cases of a folder; no image is read.

    Args:
        root: Folder of the data set.
        layout: Name in `LAYOUTS`; detected if None.

    Returns:
        The complete cases; cases with a missing or ambiguous file are listed as problems.

    Raises:
        DataError: If the root is missing or a file, the layout cannot be told, or the folder does not follow the one
            named.
        UsageError: If there is no layout of that name.
    """
    found = scan_folder(root)
    accepted = (pick(LAYOUTS, layout, kind="layout"),) if layout else tuple(LAYOUTS.values())
    return _build_cohort(root, _detect(root, found, accepted), found)


def references_cohort(folder: Path) -> Cohort:
    """The masks of a folder as cases without images; problems and errors as `load_references`."""
    cases = tuple(Case(case_id, {}, path) for case_id, path in load_references(folder).items())
    return Cohort(folder, MASKS_ALONE, cases)


def load_references(folder: Path) -> dict[str, Path]:
    """Masks of a folder by case id, the file name without its suffix; sub-folders are not searched.

    Raises:
        DataError: If the folder is missing, a file or without masks, if two files have one case id, or if one is a link
            out of the folder.
    """
    found = scan_folder(folder, depth=0)
    if found.refused:
        raise DataError("A mask is a link that leaves its folder", received=found.refused[0], todo="Copy the file")
    if not found.files:
        raise DataError("There are no masks in the folder", received=folder, todo=f"Accepted: {', '.join(SUFFIXES)}")
    masks: dict[str, Path] = {}
    for relative in found.files:
        case_id = strip_suffix(relative)
        if case_id in masks:
            raise DataError(
                f"Two masks have the case id {case_id}",
                received=f"{masks[case_id].name} and {relative} in {folder}",
                todo="Keep one of them",
            )
        masks[case_id] = folder / relative
    return masks


def load_case(case: Case, *, sequences: Sequence[str] | None = None) -> LoadedCase:
    """Read sequences and reference of a case and check that they lie on one grid.

    Args:
        case: What to read.
        sequences: Which of them; all if None, none if empty.

    Raises:
        DataError: If a sequence is missing, or a file cannot be read.
        GeometryError: If an image or the reference lies on another grid.
    """
    wanted = tuple(case.sequences) if sequences is None else tuple(sequences)
    missing = [name for name in wanted if name not in case.sequences]
    if missing:
        raise DataError(
            f"{case.case_id} has no {' and no '.join(missing)} image",
            received=f"only {', '.join(sorted(case.sequences)) or 'no images'}",
            todo="Add the file, or choose a checkpoint that needs fewer sequences",
        )
    images = {name: load_volume(case.sequences[name]) for name in wanted}
    reference = load_mask(case.reference) if case.reference else None
    grids: list[tuple[str, Volume]] = [(f"The {name} image of {case.case_id}", image) for name, image in images.items()]
    if reference is not None:
        grids.append((f"The reference of {case.case_id}", reference))
    for title, volume in grids[1:]:
        check_same_grid(grids[0][1], volume, names=(grids[0][0], title))
    return LoadedCase(case, MappingProxyType(images), reference)


def _detect(root: Path, found: Found, accepted: Sequence[Layout]) -> Layout:
    """The only accepted layout whose image pattern fits a file, or a `DataError`."""
    names = (*found.files, *found.refused)
    counts = [(sum(bool(re.fullmatch(layout.image, name)) for name in names), layout) for layout in accepted]
    fitting = [(count, layout) for count, layout in counts if count]
    if len(fitting) == 1:
        return fitting[0][1]
    if fitting:
        raise DataError(
            f"The folder {root} follows more than one layout",
            received=", ".join(f"{layout.name} ({count} images)" for count, layout in fitting),
            todo="Name the layout, or keep the data sets in folders of their own",
        )
    seen = f"no {', '.join(SUFFIXES)} file"
    if names:
        links = f"only links that leave the folder, such as {names[0]}"
        seen = f"{len(found.files)} image files such as {names[0]}" if found.files else links
    known = "; ".join(f"{layout.label}: {layout.example}" for layout in accepted)
    raise DataError(f"No cases were found in {root}", received=seen, todo=f"Accepted are {known}")


@dataclass(frozen=True)
class _Part:
    """One file of a case: its role is a sequence, or "reference"."""

    case_id: str
    role: str
    group: str
    relative: str
    refused: bool


def _build_cohort(root: Path, layout: Layout, found: Found) -> Cohort:
    parts: dict[str, list[_Part]] = defaultdict(list)
    problems = [(path, str(_left(path))) for path in found.refused if not path.lower().endswith(SUFFIXES)]
    for relative in (*found.files, *found.refused):
        part = _match(layout, relative, refused=relative in found.refused)
        if part is not None:
            parts[part.case_id].append(part)
    cases = list[Case]()
    for case_id in sorted(parts):
        try:
            cases.append(_build_case(root, layout, case_id, parts[case_id]))
        except DataError as error:
            problems.append((case_id, str(error)))
    return Cohort(root, layout, tuple(cases), tuple(problems))


def _left(path: str) -> DataError:
    return DataError("Left out: a link that leaves the folder", received=path, todo="Copy what it points to")


def _match(layout: Layout, relative: str, *, refused: bool) -> _Part | None:
    image = re.fullmatch(layout.image, relative)
    match = image or re.fullmatch(layout.reference, relative)
    if match is None:
        return None
    groups = match.groupdict()
    role = "reference"
    if image:
        spelt = image["sequence"].lower()
        role = layout.aliases.get(spelt, spelt)
    return _Part(groups["case"], role, groups.get("group") or "", relative, refused)


def _build_case(root: Path, layout: Layout, case_id: str, parts: Sequence[_Part]) -> Case:
    """One case of its files; raises `DataError` where something is missing, doubled or out of the tree."""
    files: dict[str, _Part] = {}
    for part in parts:
        if part.refused:
            raise _left(part.relative)
        if part.role in files:
            raise DataError(
                f"{case_id} is left out: two files for {part.role}",
                received=f"{files[part.role].relative} and {part.relative}",
                todo="Keep one of them",
            )
        files[part.role] = part
    images = {role: root / part.relative for role, part in files.items() if role != "reference"}
    missing = [name for name in layout.required if name not in images]
    if missing or not images:
        raise DataError(
            f"{case_id} is left out: no {' and no '.join(missing) or 'image'}",
            received=f"only {', '.join(sorted(files))}",
            todo=f"Expected {layout.example}",
        )
    reference = files.get("reference")
    return Case(case_id, images, root / reference.relative if reference else None, parts[0].group)
