"""One case that a person hands over for a session: what each file is, and a folder that does not outlive it."""

import atexit
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType

from filelock import FileLock, Timeout

from afl_core.base import processes
from afl_core.base.storage import read_json
from afl_core.data.formats.files import NIFTI_SUFFIXES, NRRD_SUFFIXES, read_header
from afl_core.data.labels import SCHEMES, Scheme
from afl_core.data.layouts import LAYOUT_FILE
from afl_core.data.loading import file_title, load_case, ras_grid
from afl_core.errors import AflError, DataError
from afl_core.volume import Case, is_same_grid

CASE_ID, REFERENCE = "upload", "reference"
ACCEPTED = (*NIFTI_SUFFIXES, ".mha", *NRRD_SUFFIXES)
"""Formats that are one file each: an `.mhd` needs a second one."""

_PREFIX = "afl-upload-"
_LOCK = ".lock"
_STOP_SECONDS = 5

_locked_folders: list[tuple[Path, FileLock]] = []
"""Folder of this process, and the lock that shows that the process runs."""

_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "flair": ("flair", "t2f", "tirm"),
        "t1": ("t1", "t1n", "t1w"),
        "t1ce": ("t1ce", "t1c", "t1gd", "t1post", "t1contrast"),
        "t2": ("t2", "t2w"),
        "t2w": ("t2w", "t2"),
        "adc": ("adc",),
        "hbv": ("hbv", "dwi", "highb"),
        REFERENCE: ("seg", "segmentation", "mask", "label", "labels", "reference", "gt", "otmulticlass"),
    }
)
"""Words of a file name, in lower case, that tell what it holds."""


def guess_role(name: str, sequences: Sequence[str]) -> str:
    """The sequence that a file name tells, or `REFERENCE`; "" where it tells none or more than one.

    >>> guess_role("BraTS-GLI-00001-000-t1c.nii.gz", ["flair", "t1", "t1ce"]), guess_role("case_0001.nii", ["t1"])
    ('t1ce', '')
    """
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    told = [role for role in (*sequences, REFERENCE) if words & set(_WORDS.get(role, (role,)))]
    return told[0] if len(told) == 1 else ""


def write_upload(
    folder: Path, files: Iterable[tuple[str, str, bytes]], *, grid: str = "", scheme: Scheme = SCHEMES["any"]
) -> Path:
    """Write the files of one case as a data set that describes itself, under names of our own, in place of those there.

    Args:
        folder: Folder of the session.
        files: Name as given, role (a sequence or `REFERENCE`) and content of each.
        grid: Sequence onto whose grid the others are brought; "" where all must lie on one.
        scheme: Scheme of the reference's labels.

    Returns:
        The data set's folder.

    Raises:
        DataError: If a file is of no kind that is accepted, cannot be read, or has the role of another, or if there is
            no image; names the file as it was given.
    """
    root = folder / "data"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(mode=0o700, parents=True)
    given = dict[str, str]()
    for name, role, content in files:
        suffix = next((end for end in sorted(ACCEPTED, key=len, reverse=True) if name.lower().endswith(end)), None)
        if suffix is None:
            raise DataError("This is no image file", received=name, todo=f"Accepted: {', '.join(ACCEPTED)}")
        if role in given:
            raise DataError(f"Two files are the {role}", received=f"{given[role]} and {name}", todo="Choose one")
        given[role] = name
        inside = f"references/{CASE_ID}" if role == REFERENCE else f"images/{CASE_ID}_{role}"
        path = root / f"{inside}{suffix}"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(content)
        try:
            read_header(path)
        except DataError as error:
            raise _as_given(error, {path.name: name}) from error
    images = [role for role in given if role != REFERENCE]
    if not images:
        raise DataError("There is no image among the files", received=", ".join(given.values()) or "no file")
    lines = [f"grid = {json.dumps(grid)}", 'reference = "references/{case}"', "[images]"]
    lines += [f"{json.dumps(role)} = {json.dumps(f'images/{{case}}_{role}')}" for role in images]
    lines += _described(scheme) if scheme.values else []
    (root / LAYOUT_FILE).write_text("\n".join(lines), encoding="utf-8")
    return root


def check_upload(case: Case, given: Mapping[str, str]) -> None:
    """Read a case as a run reads it, while the files can still be changed.

    Args:
        case: The case of `write_upload`.
        given: Role of each file to its name as it was given.

    Raises:
        DataError: Where `load_case` raises an error, in the names that were given.
    """
    try:
        load_case(case)
    except AflError as error:
        paths = {**case.sequences, **({REFERENCE: case.reference} if case.reference else {})}
        texts = {text: given[role] for role, path in paths.items() for text in (str(path), path.name)}
        texts |= {file_title(case, role): given[role] for role in paths}
        raise _as_given(error, texts) from error


def _as_given(error: AflError, names: Mapping[str, str]) -> DataError:
    """The same error with names in place of others."""

    def renamed(text: str) -> str:
        for name, other in names.items():
            text = text.replace(name, other)
        return text

    received = None if error.received is None else renamed(str(error.received))
    return DataError(renamed(error.what), received=received, todo=renamed(error.todo))


def _described(scheme: Scheme) -> list[str]:
    """The lines of a layout file that declare labels and regions."""
    values = {str(label): meaning for label, meaning in scheme.values.items()}
    regions = {name: list(labels) for name, labels in scheme.regions.items()}
    tables: dict[str, Mapping[str, object]] = {"labels": values, "regions": regions}
    return [
        line
        for title, table in tables.items()
        for line in (f"[{title}]", *(f"{_quoted(key)} = {_quoted(value)}" for key, value in table.items()))
    ]


def _quoted(value: object) -> str:
    """A text or a list of numbers in TOML."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def sequences_elsewhere(case: Case) -> list[str]:
    """Sequences of a case that lie on another grid than the case has, and so are resampled when they are read."""
    if not case.grid:
        return []
    grid = ras_grid(case.sequences[case.grid])
    return [name for name, path in case.sequences.items() if not is_same_grid(grid, ras_grid(path))]


def new_session_folder() -> Path:
    """An empty folder that only this user can read; it goes with this process, if it is not removed before."""
    return Path(tempfile.mkdtemp(dir=_process_folder(), prefix="session-"))


@cache
def _process_folder() -> Path:
    atexit.register(remove_process_folder)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = FileLock(folder / _LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue  # a process that starts has just taken it for a leftover
        if (folder / _LOCK).exists():
            _locked_folders.append((folder, lock))
            return folder


def _remove(folder: Path, lock: FileLock) -> None:
    with suppress(AflError):
        _end_jobs(folder)
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()


def remove_process_folder() -> None:
    """Remove the folder of this process, as at its end; a server that is ended by a signal does not come that far."""
    for folder, lock in _locked_folders:
        _remove(folder, lock)
    _locked_folders.clear()
    _process_folder.cache_clear()


def _end_jobs(folder: Path) -> None:
    for job in folder.glob("*/results/jobs/*"):
        processes.stop(job, partial(_pid, job), seconds=_STOP_SECONDS)


def remove_leftovers() -> tuple[str, ...]:
    """Remove the folders of processes that were killed before they could, and end their jobs; names what was removed.

    A job that does not end keeps its folder until the next start.
    """
    removed = list[str]()
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError, AflError, Timeout):  # it is gone, somebody else's, or its process still runs
            if folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid != os.getuid():
                continue
            with FileLock(folder / _LOCK, timeout=0):
                _end_jobs(folder)
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder.name)
    return tuple(removed)


def _pid(job: Path) -> int:
    """The number that a job gives itself; 0 where it gives none."""
    status = read_json(job / "status.json")
    pid = status.get("pid") if isinstance(status, dict) else 0
    return pid if isinstance(pid, int) else 0
