"""Why a folder holds no cases: the layout that it is nearest to and what it lacks, or what its files are instead."""

import os
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from pydantic import BaseModel

from afl_core.base.remote import address
from afl_core.base.storage import read_as
from afl_core.base.words import named, number_of
from afl_core.data.formats.files import SUFFIXES, strip_suffix
from afl_core.data.layouts.layout import ASIDE, REFERENCE, Layout
from afl_core.data.layouts.mask_folders import find_mask_folders
from afl_core.data.layouts.nnunet_results import find_models, is_model
from afl_core.data.scan import MAX_DEPTH, FolderScan, not_followed
from afl_core.errors import DataError

LOOKED_AT = 20_000
"""Files by which a folder without images is told: one of a large archive holds no more kinds than that shows."""

MASKS = "give --references FOLDER, or afl data check --masks"
IF_MASKS = f"If they are masks alone, {MASKS}"
"""How masks without images are opened."""

_MANIFEST = "manifest.json"
"""In a results folder, what was measured; `afl_core/evaluation/manifest.py` writes it."""

_TAKEN = f"Taken are {', '.join(SUFFIXES)}"
_KINDS = (
    (("DICOM",), "Of DICOM, only segmentations (SEG) are read: convert images to NIfTI, for example with dcm2niix"),
    ((".nhdr",), "Save each image as one .nrrd file, header and voxels together"),
    ((".zip", ".tar", ".tgz", ".gz", ".7z", ".rar", ".xz", ".bz2"), "Unpack them first"),
    ((".npz", ".npy", ".h5", ".hdf5", ".pt", ".pkl"), f"Save the volumes as NIfTI, with their affine. {_TAKEN}"),
    (
        (".mgz", ".mgh", ".img", ".hdr", ".mnc", ".png", ".jpg", ".tif", ".tiff"),
        "Convert them to NIfTI",
    ),
)
"""Endings of files that hold images or volumes in another form, and what to do."""

_SEQUENCE_TAIL = re.compile(r"(?i).*[-_.](?:flair|t1|t1ce|t1c|t1n|t1gd|t2|t2w|t2f|adc|hbv|dwi|\d{4})")


def nearest(root: Path, scan: FolderScan, accepted: Sequence[Layout]) -> tuple[str, str]:
    """What a folder without cases is, and what to do, in a sentence each; arguments as `choose_layout`."""
    if hint := results_hint(root):
        return hint
    if not scan.files:
        return _without_images(root, scan.refused)
    what = f"{number_of(len(scan.files), 'image file')} such as {scan.files[0]}"
    for explain in (_results, _elsewhere, _spelt, _half, _masks):
        if hint := explain(root, scan.files, accepted):
            return f"{what}: {hint[0]}", hint[1]
    if all("/" not in name for name in scan.files):
        if sum(bool(_SEQUENCE_TAIL.fullmatch(strip_suffix(name))) for name in scan.files) * 2 > len(scan.files):
            return f"{what}, side by side", "Put the images of all cases into images/, their masks into references/"
        return f"{what}, side by side", IF_MASKS
    due = accepted[0].example if len(accepted) == 1 else "a known layout has it"
    return what, f"Name them as {due}, or describe them in afl-layout.toml (docs/data.md)"


def _fitting(names: Sequence[str], accepted: Sequence[Layout], *, flags: int = 0) -> tuple[str, Layout] | None:
    """A name and the layout of whose images it is; None where none fits."""
    for layout in accepted:
        if not layout.is_whole(names):
            continue
        patterns = [re.compile(p, flags) for role, p in layout.files if role not in (ASIDE, REFERENCE)]
        for name in names:
            if any(pattern.fullmatch(name) for pattern in patterns):
                return name, layout
    return None


Hint = tuple[str, str] | None


class _MadeOn(BaseModel):
    path: str


class _Results(BaseModel):
    """What tells the manifest of results from a file of the same name of another program."""

    data: _MadeOn
    sources: dict[str, object]


def results_hint(root: Path) -> Hint:
    """What a results folder of the workbench is, whose masks are of models, and what to do; None for any other."""
    if not (path := root / _MANIFEST).is_file():
        return None
    try:
        made_on = read_as(_Results, path).data.path
    except DataError:
        return None
    if Path(made_on) == root.resolve():
        return None
    others = f", or give the data set that it was made on: {made_on}" if made_on else ""
    todo = f"Open it in the selector of results, or by afl report {shlex.quote(str(root))}{others}"
    return "a results folder of the workbench", todo


def _results(root: Path, _files: Sequence[str], _accepted: Sequence[Layout]) -> Hint:
    """Models of nnU-Net, with the masks of their validation."""
    if not (models := (root,) if is_model(root) else find_models(root)):
        return None
    todo = f"Open the data set, and measure them with --source {shlex.quote(str(root))}"
    return f"{number_of(len(models), 'model')} of nnU-Net, {named([path.name for path in models])}", todo


def _elsewhere(root: Path, files: Sequence[str], accepted: Sequence[Layout]) -> Hint:
    """Data sets in folders below, or one of which this folder is a part."""
    below = Counter(parent.as_posix() for name in files for parent in islice(PurePosixPath(name).parents, MAX_DEPTH))
    fitting: list[tuple[str, Layout]] = []
    for folder in sorted((name for name in below if name != "."), key=lambda name: (name.count("/"), name)):
        if fitting and folder.count("/") > fitting[0][0].count("/"):
            break  # what lies below one that was found
        relative = [name[len(folder) + 1 :] for name in files if name.startswith(f"{folder}/")]
        if fits := _fitting(relative, accepted):
            fitting.append((folder, fits[1]))
    if fitting:
        levels = fitting[0][0].count("/") + 1
        down = "one level down" if levels == 1 else f"{levels} levels down"
        which = f"{'one of ' if len(fitting) > 1 else ''}{named([folder for folder, _ in fitting])}"
        return f"this looks like {fitting[0][1].label} {down}", f"Open {which} in it"
    real = root.resolve()
    for up in (real.parent, real.parent.parent):
        inside = real.relative_to(up).as_posix()
        if fits := _fitting([f"{inside}/{name}" for name in files], accepted):
            return f"this looks like a part of {fits[1].label}", f"Open the folder above: {up.name or up}"
    return None


def _spelt(root: Path, files: Sequence[str], accepted: Sequence[Layout]) -> Hint:
    """A data set whose names differ from a layout in the ending, the letters' case or the separators."""
    ways: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("the ending stands twice", _once),
        ("upper and lower case differ", _as_it_is),
        ("- stands where _ is due", lambda name: _separated(name, "_")),
        ("_ stands where - is due", lambda name: _separated(name, "-")),
    )
    for why, spell in ways:
        names = [spelt for name in files if (spelt := spell(name)) != name or spell is _as_it_is]
        if fits := _fitting(names, accepted, flags=re.IGNORECASE):
            return f"this looks like {fits[1].label}, but {why}", f"Rename them as {fits[0]}, or describe the folder"
    return None


def _half(root: Path, files: Sequence[str], accepted: Sequence[Layout]) -> Hint:
    """References of a layout without its images."""
    for layout in accepted:
        patterns = [re.compile(pattern) for role, pattern in layout.files if role == REFERENCE]
        if layout.is_whole(files) and any(pattern.fullmatch(name) for name in files for pattern in patterns):
            todo = f"Add the images, or to take the references alone, {MASKS}"
            return f"references of {layout.label} without images", todo
    return None


def _masks(root: Path, files: Sequence[str], _accepted: Sequence[Layout]) -> Hint:
    """Folders of masks below, which can be opened one by one, and those of models, which can be measured."""
    folders = [folder for folder in find_mask_folders(files) if folder.path != "."]
    sets = [folder.path for folder in folders if not folder.predicted]
    models = [folder.path for folder in folders if folder.predicted]
    contents, todo = list[str](), list[str]()
    if sets:
        contents.append(f"{'' if models else 'perhaps '}masks alone, in {named(sets)}")
        opened = f"afl data check --masks {_typed(root, sets[0])}"
        todo.append(opened if models else f"If they are masks: {opened}; else describe them in afl-layout.toml")
    if models:
        contents.append(f"{'predictions' if sets else 'masks of the same cases, as models make,'} in {named(models)}")
        first = PurePosixPath(models[0]).name.replace(" ", "_")
        todo.append(f"Measure a model's: --source {first}={_typed(root, models[0])}")
    return ("; ".join(contents), ". ".join(todo)) if contents else None


def _typed(root: Path, folder: str) -> str:
    """A folder as a command takes it."""
    return shlex.quote(address(root / folder))


def _as_it_is(name: str) -> str:
    return name


def _once(name: str) -> str:
    stem, last = strip_suffix(name), name[len(strip_suffix(name)) :]
    while strip_suffix(stem) != stem:
        stem = strip_suffix(stem)
    return stem + last


def _separated(name: str, mark: str) -> str:
    stem = strip_suffix(name)
    return re.sub(r"[-_ .]", mark, stem) + name[len(stem) :]


def _without_images(root: Path, refused: Sequence[str]) -> tuple[str, str]:
    """What lies in a folder that has no image of a kind that is read, which may be what is not followed."""
    if refused:
        error = not_followed(root, refused[0])
        why = error.what.removeprefix("Left out: ")
        return f"only entries that are not followed, such as {refused[0]}, {why}", error.todo
    kinds = Counter[str]()
    for path in islice(_files(root), LOOKED_AT):
        kinds[_kind(path)] += 1
    if not kinds:
        return "an empty folder", f"{_TAKEN}, in a known layout (docs/data.md)"
    if n := kinds["broken link"]:
        return f"{number_of(n, 'link')} to files that are not there", "Fetch the files, for example with datalad get"
    for endings, todo in _KINDS:
        if n := sum(kinds[ending] for ending in endings):
            name = next(ending for ending in endings if kinds[ending])
            return f"{number_of(n, f'{name} file is', f'{name} files are')} not read", todo
    (name, n), *_ = kinds.most_common(1)
    return f"no {', '.join(SUFFIXES)} file, but {n} {name or 'without ending'}", f"{_TAKEN}, in a known layout"


def _files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        yield from (Path(folder) / name for name in sorted(names) if not name.startswith("."))


def _kind(path: Path) -> str:
    """Ending of a file, or what else tells it."""
    if os.path.islink(path) and not os.path.exists(path):  # noqa: PTH110, PTH114 - a Path's own raises where it may not look
        return "broken link"
    ending = path.suffix.lower()
    if ending in (".dcm", ".ima"):
        return "DICOM"
    if ending == "" or ending[1:].isdecimal():  # many DICOM files have no ending, or a number
        try:
            with path.open("rb") as file:
                head = file.read(132) if path.is_file() else b""
        except OSError:
            return ending
        return "DICOM" if head[128:] == b"DICM" else ending
    return ending
