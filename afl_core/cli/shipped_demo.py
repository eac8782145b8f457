"""The demo as it ships: its references, and the rows, masks and thumbnails of its results, in one archive.

`afl demo` unpacks it, so that results are there at once. The images are drawn when a case is opened.
"""

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from afl_core.base import paths
from afl_core.base.storage import replacing
from afl_core.data.demo.case import GROUP, RECORD, load_case_rows
from afl_core.data.demo.design import SPLITS, DemoSpec, Scan
from afl_core.data.demo.on_demand import leave_undrawn
from afl_core.data.demo_cohort import describe_demo
from afl_core.data.splits import SPLITS_FILE
from afl_core.errors import AflError, DataError
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.manifest import MANIFEST
from afl_core.figures.kept_thumbnails import FOLDER as THUMBNAILS
from afl_core.figures.kept_thumbnails import UNDRAWN, kept_thumbnail
from afl_core.training.runs import runs_folder

ARCHIVE = paths.SHIPPED_MODELS / "demo.zip"

REGIONS = "demo-regions"
"""Results folder whose sources are predictions of three regions."""

RESULTS_OF = {"demo": "test", "demo-validation": "validation", REGIONS: "test"}
"""Results folder to the split whose cases it is of."""

_COMPLETE = ".complete"
"""Empty file in `demo`, written when all is in place; its time tells whether the archive is newer."""


def region_predictions() -> Path:
    """Folder of the predictions of three regions, a folder a source, as label images of BraTS 2018."""
    return paths.DEMO.parent / "demo-predictions"


def pack_demo(archive: Path = ARCHIVE) -> None:
    """Write the archive from the demo's cohort and results as they are now; the same files give the same bytes."""
    with ZipFile(archive, "w") as packed:
        for name, content in sorted(_members()):
            # Masks shrink to a fifth once more: a plain area gives gzip the same bytes over and over.
            packed.writestr(ZipInfo(name), content, ZIP_DEFLATED, compresslevel=9)


def _members() -> Iterator[tuple[str, bytes]]:
    for split in set(RESULTS_OF.values()):
        for case_id in DemoSpec().case_ids(split):
            folder = paths.DEMO / GROUP / case_id
            for file in (folder / f"{case_id}_seg.nii.gz", folder / RECORD):
                yield f"cases/{case_id}/{file.name}", file.read_bytes()
    for file in region_predictions().glob("*/*.nii.gz"):
        yield f"predictions/{file.parent.name}/{file.name}", file.read_bytes()
    for name, split in RESULTS_OF.items():
        results = paths.RESULTS / name
        for file in (path for path in results.rglob("*") if path.is_file() and path.name[0] != "."):
            relative = file.relative_to(results)
            content = file.read_bytes()
            if str(relative) == MANIFEST:
                content = portable(content)
            if relative.parts[0] != THUMBNAILS:  # their names are of this machine
                yield f"results/{name}/{relative.as_posix()}", content
        if name != REGIONS:  # whose whole tumours are the same masks
            opened = open_comparison(results)
            for case_id in DemoSpec().case_ids(split):
                yield f"{THUMBNAILS}/{case_id}.png", kept_thumbnail(opened, case_id)


def unpack_demo(archive: Path = ARCHIVE, *, regions: bool = True) -> list[str]:
    """Put what is missing of the demo where it belongs; gives what was done, a sentence each.

    A results folder of other cases, such as those of an older edition, is moved aside.

    Args:
        archive: The archive.
        regions: Whether the results of three regions come too, more than half of the files.

    Raises:
        DataError: If the archive is missing or damaged.
    """
    told = []
    try:
        with ZipFile(archive) as packed:
            for name in RESULTS_OF:
                told += move_aside(packed, name, f"results/{name}/{MANIFEST}")
            _clear_older_cases()
            members = sorted(packed.namelist(), key=lambda name: name.endswith(MANIFEST))  # it makes a folder results
            for member in members:
                if regions or not member.startswith((f"results/{REGIONS}/", "predictions/")):
                    _put(member, packed.read(member))
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise DataError(
            "The demo's archive cannot be unpacked", received=error, todo="Install the workbench anew"
        ) from error
    for case_id in {member.split("/")[1] for member in members if member.startswith("cases/")}:
        leave_undrawn(paths.DEMO / GROUP / case_id)
    describe_demo(paths.DEMO, DemoSpec())
    (paths.RESULTS / "demo" / _COMPLETE).touch()
    return told


def unpack_at_first_start() -> None:
    """Put the demo in place where there are no results at all, or where an older demo is; a failure is logged.

    The results of three regions come later, with the study's: the first page does not wait for them.
    """
    complete = paths.RESULTS / "demo" / _COMPLETE
    try:
        there = (paths.DEMO / SPLITS_FILE).is_file() and complete.is_file()
        if there and complete.stat().st_mtime >= ARCHIVE.stat().st_mtime:
            return
        if complete.parent.is_dir() or not any(paths.RESULTS.glob(f"*/{MANIFEST}")):
            unpack_demo(regions=False)
    except (AflError, OSError) as error:
        logging.getLogger("afl.demo").warning("The demo is not put in place: %s", error)


def _put(member: str, content: bytes) -> None:
    """Write a member of the archive, unless it is there."""
    kind, *parts = PurePosixPath(member).parts
    folders = {"cases": paths.DEMO / GROUP, "results": paths.RESULTS, "predictions": region_predictions()}
    if ".." in parts or kind not in {*folders, THUMBNAILS}:
        raise ValueError(member)
    if kind == THUMBNAILS:
        case_id = parts[0].removesuffix(".png")
        names = [name for name, split in RESULTS_OF.items() if split == Scan.of(case_id).split]
        targets = [paths.RESULTS / name / THUMBNAILS / case_id / UNDRAWN for name in names]
    else:
        targets = [folders[kind].joinpath(*parts)]
    for target in targets:
        if target.is_file():
            continue
        if target.name == MANIFEST:
            content = placed(content)
        with replacing(target, lasting=False) as temporary:
            temporary.write_bytes(content)


def move_aside(packed: ZipFile, name: str, manifest: str) -> list[str]:
    """Rename a results folder that is of other cases than the archive's, by the manifest of that name there."""
    folder = paths.RESULTS / name
    if not (folder / MANIFEST).is_file():
        return []
    ours, theirs = (
        set(json.loads(text)["data"]["cases"]) for text in (packed.read(manifest), (folder / MANIFEST).read_bytes())
    )
    if ours == theirs:
        return []
    number = next(n for n in range(1, 1000) if not (paths.RESULTS / f"{name}-old{n}").exists())
    folder.rename(paths.RESULTS / f"{name}-old{number}")
    return [f"The results {name} were of other cases: they are kept as {name}-old{number}"]


def _clear_older_cases() -> None:
    """Remove cases of the demo that an older version drew."""
    for split in SPLITS:
        for folder in (paths.DEMO / GROUP).glob(f"{paths.DEMO_CASE}{split}_*"):
            if load_case_rows(folder, DemoSpec()) is None:
                shutil.rmtree(folder)


def portable(manifest: bytes) -> bytes:
    """A manifest with marks in place of this machine's folders.

    Raises:
        DataError: If it names another folder of this machine.
    """
    for mark, folder in _folders().items():
        manifest = manifest.replace(_json(folder), mark.encode())
    told = json.loads(manifest)
    here = [path for path in (told["data"]["path"], *(of["path"] for of in told["sources"].values())) if path[0] != "{"]
    if here:
        raise DataError(
            "These results cannot ship: they name a folder of this machine",
            received=", ".join(here),
            todo="Measure them with the data and checkpoints of this checkout",
        )
    return manifest


def placed(manifest: bytes) -> bytes:
    """A manifest with this machine's folders in place of marks."""
    for mark, folder in _folders().items():
        manifest = manifest.replace(mark.encode(), _json(folder))
    return manifest


def _folders() -> dict[str, Path]:
    """What stands in an archive for a folder; runs first, as the checkpoints' folder may hold them."""
    return {"{runs}": runs_folder(), "{demo}": paths.DEMO, "{models}": paths.SHIPPED_MODELS}


def _json(path: Path) -> bytes:
    """A path as it stands inside a JSON string."""
    return json.dumps(str(path))[1:-1].encode()
