"""The Medical Segmentation Decathlon's tasks and nnU-Net's raw data sets, with their dataset.json."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

from afl_core.base.storage import read_json
from afl_core.data.label_codes import CORES, is_cavity
from afl_core.data.labels import CORE, DECLARED, ENHANCING, SCHEMES, SYNONYMS, WHOLE, Scheme
from afl_core.data.layouts.layout import BY_NAME, REFERENCE, SUFFIX, Layout
from afl_core.errors import DataError

VOLUMES = ("flair", "t1", "t1ce", "t2")
"""Sequences in a 4-D image of Task01_BrainTumour, in order. Source: its dataset.json (FLAIR, T1w, t1gd, T2w)."""

DECLARATION, MAX_BYTES = "dataset.json", 2**24
"""Name and largest size of the file in which a data set declares its channels and labels."""

_REFERENCES = re.compile(r"labelsT[rs]|gt_segmentations")
"""Names of the folders of references of a raw and of a preprocessed data set of nnU-Net."""

REGIONS = "afl_regions"
"""Key of dataset.json under which an exported data set says its regions, whatever the labels are called."""

_KINDS = (
    (re.compile(r"(?i)\bnon.?enhanc|necro|\bncr\b|\bnetc?\b"), CORE),
    (re.compile(r"(?i)enhanc|\bet\b|\bat\b"), ENHANCING),
    (re.compile(r"(?i)o?edema|\bed\b|snfh"), "edema"),
)
"""Meaning of a declared name; the first match counts."""

_REGIONS = (
    (re.compile(r"(?:whole)?(?:wt)?"), WHOLE),
    (re.compile(r"(?:core)?(?:tc)?"), CORE),
    (re.compile(r"(?:(?:contrast|gd)?enhanc(?:ing|ed|ement))?(?:et|at)?"), ENHANCING),
)
"""Region that a declared name says, if all of it fits, without signs and the word tumour: `Whole tumour (WT)`."""


def declare(root: Path, layout: Layout) -> Layout:
    """The layout with channels and labels as the data set's dataset.json declares them.

    Raises:
        DataError: If there is none though the layout needs one, or several, or it declares nothing usable.
    """
    places = (root / DECLARATION, *sorted(root.glob(f"*/{DECLARATION}")))
    real = {path.resolve(): path for path in reversed(places) if path.is_file()}  # a link to the root is no other set
    paths = [path for target, path in real.items() if target.is_relative_to(root.resolve())]
    if len(paths) > 1:
        several = ", ".join(path.parent.name for path in paths)
        raise DataError("The folder holds several data sets", received=several, todo="Give the folder of one of them")
    if not paths:
        if layout.volumes:  # the Decathlon's order and labels are known
            return layout
        todo = f"Add {DECLARATION}: it names the channels and the labels"
        raise DataError(f"The data set has no {DECLARATION}", received=root, todo=todo)
    declaration = _read(paths[0])
    channels = declaration.get("channel_names", declaration.get("modality"))
    names = _sequences(_strings(channels, paths[0])) if channels else layout.volumes
    scheme = declared_scheme(declaration, paths[0]) if declaration.get("labels") else layout.scheme
    if layout.volumes:
        return replace(layout, volumes=names, sequences=names, scheme=scheme)
    aliases = MappingProxyType({f"{number:04d}": name for number, name in enumerate(names)})
    return replace(layout, aliases=aliases, sequences=names, scheme=scheme)


def declare_task(root: Path, layout: Layout) -> Layout:
    """The layout of a Decathlon task whose dataset.json says its modalities: one a file, or several in 4-D images.

    Raises:
        DataError: As `declare`.
    """
    declared = declare(root, layout)
    if len(declared.sequences) > 1:
        return replace(declared, volumes=declared.sequences)
    (_, images), references = layout.files
    return replace(declared, files=((declared.sequences[0], images), references))


def reference_scheme(folder: Path) -> Scheme | None:
    """The labels of a folder of references by the dataset.json in it, or beside labelsTr; None where there is none.

    Raises:
        DataError: If the file cannot be used.
    """
    folder = folder.resolve()
    places = [folder, folder.parent] if _REFERENCES.fullmatch(folder.name) else [folder]
    path = next((place / DECLARATION for place in places if (place / DECLARATION).is_file()), None)
    if path is None:
        return None
    declaration = _read(path)
    return declared_scheme(declaration, path) if declaration.get("labels") else None


def declared_scheme(declaration: Mapping[str, Any], path: Path) -> Scheme:
    """Labels as dataset.json declares them: value to name, name to value, or name to the values of a region.

    The regions are those under `REGIONS`, if it is there. Else TC and ET are there where the names tell edema, core and
    enhancing tumour apart, and any other declared name is a region of its own; but one label of several that is called
    TC or WT makes none, since it may be a shell of it. A label called `ignore` is known and no tumour, and so is a
    cavity, which is a region of its own.

    Raises:
        DataError: If it declares something else.
    """
    labels = declaration.get("labels")
    if not isinstance(labels, dict) or not labels:
        raise _wrong(path, "labels", labels)
    named = {name: values for name, values in _named(labels, path).items() if values != (0,)}
    known = sorted({value for values in named.values() for value in values})
    if 0 in known:  # the background is a label by itself
        raise _wrong(path, "labels", labels)
    meanings = {value: " / ".join(name for name, values in named.items() if value in values) for value in known}
    tumour = {name: values for name, values in named.items() if name.lower() != "ignore"}
    parts = {name: values for name, values in tumour.items() if not is_cavity(name)} or tumour
    everything = tuple(sorted({value for values in parts.values() for value in values}))
    regions, unclear = {WHOLE: everything}, frozenset[str]()
    if REGIONS in declaration:
        regions |= _said_regions(declaration[REGIONS], meanings, path)
    elif any(isinstance(value, list) and len(value) > 1 for value in labels.values()):
        regions |= _apart(((_claimed(name, tumour), values) for name, values in tumour.items()), path)
    elif told := _told_apart(parts):
        regions |= told | {name.lower(): values for name, values in tumour.items() if name not in parts}
    elif len(tumour) > 1:
        own = _apart(tumour.items(), path)
        shells = [name for name in own if _region(name) in (WHOLE, CORE) and name not in CORES]
        unclear = frozenset(shells if len(parts) > 1 else ())
        regions |= {name: values for name, values in own.items() if name not in unclear}
    title = f"{DECLARATION} ({', '.join(f'{value} {name}' for value, name in meanings.items())})"
    return Scheme(DECLARED, title, MappingProxyType(meanings), MappingProxyType(regions), unclear=unclear)


def _told_apart(parts: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """TC and ET of labels of the core, enhancing tumour and edema; {} where their names do not say so.

    The core without enhancement may be several labels, such as necrosis and non-enhancing tumour; the others are one.
    """
    kinds = {name: next((kind for pattern, kind in _KINDS if pattern.search(name)), "") for name in parts}
    told = [kind for kind in kinds.values() if kind != CORE]
    if not all(told) or len(told) != len(set(told)) or len(set(kinds.values())) < 2:
        return {}
    core, enhancing = (
        tuple(value for name, of in kinds.items() if of == kind for value in parts[name]) for kind in (CORE, ENHANCING)
    )
    regions = {CORE: tuple(sorted(core + enhancing)), ENHANCING: enhancing}
    return {name: labels for name, labels in regions.items() if labels}  # without labels it would be every label


def _said_regions(regions: object, known: Collection[int], path: Path) -> dict[str, tuple[int, ...]]:
    """The regions that dataset.json names itself, each of labels that it has."""
    if not isinstance(regions, dict):
        raise _wrong(path, REGIONS, regions)
    said = _apart(((name, _values(values, path)) for name, values in regions.items()), path)
    if not all(set(values) <= set(known) for values in said.values()):
        raise _wrong(path, REGIONS, regions)
    return said


def _named(labels: Mapping[str, Any], path: Path) -> dict[str, tuple[int, ...]]:
    """Name to its labels, whichever way round they were declared; several numbers of one name are all of it."""
    if not all(re.fullmatch("[0-9]{1,5}", key) for key in labels):
        return {name: _values(value, path) for name, value in labels.items()}
    named: dict[str, tuple[int, ...]] = {}
    for number, name in sorted(labels.items(), key=lambda item: int(item[0])):
        named[str(name)] = (*named.get(str(name), ()), *_values(int(number), path))
    return named


def _region(name: str) -> str:
    """The region that a name says and nothing besides, else the name itself."""
    said, key = re.sub(r"tumou?r|[\W_]+", "", name.lower()), name.lower()
    return next((region for pattern, region in _REGIONS if said and pattern.fullmatch(said)), SYNONYMS.get(key, key))


def _claimed(name: str, names: Iterable[str]) -> str:
    """The region that a name says; where several names say one, only the region's own name has it."""
    alone = sum(_region(other) == _region(name) for other in names) == 1
    return _region(name) if alone else SYNONYMS.get(name.lower(), name.lower())


def _apart(named: Iterable[tuple[str, tuple[int, ...]]], path: Path) -> dict[str, tuple[int, ...]]:
    """Labels by their name in lower case; raises `DataError` where one name has several."""
    found: dict[str, tuple[int, ...]] = {}
    for name, values in named:
        if set(found.setdefault(name.lower(), values)) != set(values):
            both = f"{name.lower()}: {list(found[name.lower()])} and {list(values)}"
            raise DataError(f"{path} gives one name to different labels", received=both, todo="Name them apart")
    return found


def _values(value: object, path: Path) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(v, int) and 0 <= v < 2**15 for v in values):
        raise _wrong(path, "labels", value)
    return tuple(values)


def _sequences(names: Sequence[str]) -> tuple[str, ...]:
    """Declared channel names in the names of this project; T2W is T2 only beside the other sequences of a brain.

    Channels of nnU-Net may share a name, since it says how they are normalised: the second is `ct_2`.
    """
    low = [name.strip().lower() for name in names]
    brain = bool({"flair", "t1", "t1w", "t1gd", "t1ce", "t1c"} & set(low))
    called = {"t1w": "t1", "t1gd": "t1ce", "t1c": "t1ce", "t2f": "flair", "t1n": "t1"} | (
        {"t2w": "t2"} if brain else {}
    )
    known = [called.get(name, name) for name in low]
    numbered: list[str] = []
    for name in known:
        further = (f"{name}_{number}" for number in count(2))
        free = (other for other in further if other not in known and other not in numbered)
        numbered.append(next(free) if name in numbered else name)
    return tuple(numbered)


def _strings(channels: object, path: Path) -> tuple[str, ...]:
    """Names of the channels in the order of their numbers."""
    if not isinstance(channels, dict) or sorted(channels, key=str) != sorted(map(str, range(len(channels)))):
        raise _wrong(path, "channel_names", channels)
    return tuple(str(channels[str(number)]) for number in range(len(channels)))


def _read(path: Path) -> dict[str, Any]:
    declaration = read_json(path, largest=MAX_BYTES, todo="Write it as JSON")
    if not isinstance(declaration, dict):
        raise _wrong(path, "the file", type(declaration).__name__)
    return declaration


def _wrong(path: Path, what: str, received: object) -> DataError:
    example = '"channel_names": {"0": "T2W"}, "labels": {"background": 0, "lesion": 1}'
    return DataError(f"{path} declares {what} in no known way", received=received, todo=f"Write for example {example}")


MSD = Layout(
    name="msd",
    label="Medical Segmentation Decathlon, Task01 BrainTumour",
    example="imagesTr/BRATS_001.nii.gz (4-D) with labelsTr/BRATS_001.nii.gz",
    files=(
        (BY_NAME, rf"(?:Task01_[^/]+/)?images(?P<group>T[rs])/(?P<case>BRATS_\d{{3}}){SUFFIX}"),
        (REFERENCE, rf"(?:Task01_[^/]+/)?labels(?P<group>T[rs])/(?P<case>BRATS_\d{{3}}){SUFFIX}"),
    ),
    scheme=SCHEMES["msd"],
    sequences=VOLUMES,
    volumes=VOLUMES,
    declare=declare,
)

NNUNET = Layout(
    name="nnunet",
    label="nnU-Net raw",
    example="imagesTr/CASE_0000.nii.gz with labelsTr/CASE.nii.gz and dataset.json",
    files=(
        (BY_NAME, rf"(?:Dataset\d+_[^/]+/)?images(?P<group>T[rs])/(?P<case>[^/]+)_(?P<sequence>\d{{4}}){SUFFIX}"),
        (REFERENCE, rf"(?:Dataset\d+_[^/]+/)?labels(?P<group>T[rs])/(?P<case>[^/]+?){SUFFIX}"),
    ),
    declare=declare,
)

_TASK = r"(?:Task\d\d_[^/]+/)?"
_TASK_CASE = (
    r"(?P<group>T[rs])/(?P<case>(?:la|liver|hippocampus|prostate|lung|pancreas|hepaticvessel|spleen|colon)_\d{1,3})"
)

MSD_TASKS = Layout(
    name="msd_task",
    label="Medical Segmentation Decathlon, Task02 to Task10",
    example="imagesTr/lung_001.nii.gz with labelsTr/lung_001.nii.gz and dataset.json",
    files=(
        (BY_NAME, rf"{_TASK}images{_TASK_CASE}{SUFFIX}"),
        (REFERENCE, rf"{_TASK}labels{_TASK_CASE}{SUFFIX}"),
    ),
    names_tumour=True,  # liver, pancreas and hepaticvessel have one label of tumours each
    declare=declare_task,
)
