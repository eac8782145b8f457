"""The image files below a folder, without leaving it."""

import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from afl_core.base.remote import is_here, stand_in
from afl_core.data.formats.dicom_seg import DICOM_SUFFIXES, is_segmentation
from afl_core.data.formats.files import SUFFIXES
from afl_core.errors import DataError

Kind = Literal["files", "refused", "special", "unprintable"]

PERMISSION = "Ask its owner for the permission to read it"

MAX_DEPTH = 6
"""Folders below the root in which images are still looked for."""


@dataclass(frozen=True)
class FolderScan:
    """The image files below a root: paths relative to it, with `/` between folders, sorted.

    Attributes:
        files: Image files.
        refused: What is not followed: image files and folders that are links out of the root, folders that may not be
            read, and links into such.
        special: Names of image files that are none: pipes, devices and sockets, which are never opened, and links to
            nothing.
        unprintable: Image files and folders whose names are no UTF-8 or hold control characters, as they can be shown:
            no table, file or terminal takes them as they are.
    """

    files: tuple[str, ...]
    refused: tuple[str, ...]
    special: tuple[str, ...] = ()
    unprintable: tuple[str, ...] = ()


def not_followed(root: Path, path: str) -> DataError:
    """Why a path that `FolderScan` has as refused is left out."""
    try:
        if stat.S_ISDIR(os.stat(root / path).st_mode):  # noqa: PTH116 - a Path's own raises where the name is too long
            os.scandir(root / path).close()
    except FileNotFoundError:
        what, todo = "a link to nothing", "Put the file itself there, or remove the link"
    except OSError as error:
        link = os.path.islink(root / path)  # noqa: PTH114 - a Path's own raises in a folder that may not be searched
        what = f"a {'link that cannot be followed' if link else 'file or folder that cannot be read'}: {error.strerror}"
        todo = f"{PERMISSION}, or remove it"
    else:
        what, todo = "a link that leaves the folder", "Copy what it points to"
    return DataError(f"Left out: {what}", received=path, todo=todo)


def special_file(path: str) -> DataError:
    """The problem of a name of an image at which there is no file; `path` likewise."""
    what = "Left out: a pipe, device, socket or broken link in place of a file"
    return DataError(what, received=path, todo="Put the file itself there")


def typed_folder(text: str) -> Path:
    """The folder, or the address or archive in place of one, that a person typed; `~` is their home.

    Raises:
        DataError: If it begins with the home of somebody who is not known here.
        UsageError: If it is an address that holds a password, or of a kind that is not read.
    """
    try:
        folder = Path(text.strip()).expanduser()
        stand_in(folder)
        return folder
    except RuntimeError as error:
        raise DataError("There is no such folder", received=text, todo="Check the path") from error


def scan_folder(root: Path, *, depth: int = MAX_DEPTH) -> FolderScan:
    """List the image files below a root, by suffix; hidden files and folders are passed over.

    Of DICOM files those that are segmentations are listed, and no slices of images; where the data are elsewhere all,
    since none is fetched for it.

    Args:
        root: Folder; may itself be a link.
        depth: Number of folder levels below the root that are searched.

    Raises:
        DataError: If the root is missing, a file or a folder that cannot be read.
    """
    try:
        mode = os.stat(root).st_mode  # noqa: PTH116 - a Path's own raises where the name is too long
    except PermissionError as error:
        raise _closed(root, error) from error
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise DataError("There is no such folder", received=root, todo=_other_path(str(root))) from error
    if not stat.S_ISDIR(mode):
        todo = f"Give the folder that holds the data set, such as {root.parent}"
        raise DataError("A folder is due, not a file", received=root, todo=todo)
    by_kind: dict[Kind, list[str]] = {"files": [], "refused": [], "special": [], "unprintable": []}
    for relative, kind in _walk(root, "", depth, (root.resolve(),)):
        by_kind[kind].append(relative)
    return FolderScan(**{kind: tuple(sorted(paths)) for kind, paths in by_kind.items()})


def printable(name: str) -> str:
    r"""A file name as it can be shown: bytes that are no UTF-8, and control characters, as their codes.

    >>> printable("café.nii"), printable("caf\udce9.nii"), printable("a\nb.nii")
    ('café.nii', 'caf\\xe9.nii', 'a\\x0ab.nii')
    """
    return "".join(
        f"\\x{ord(c) & 0xFF:02x}" if "\ud800" <= c <= "\udfff" or unicodedata.category(c) == "Cc" else c for c in name
    )


def _other_path(text: str) -> str:
    """What to do about a path that is not there."""
    if os.sep == "/" and re.match(r"[A-Za-z]:[\\/]|\\\\", text):
        return "This is a path of Windows; give it as this machine has it, such as /mnt/c/data under WSL"
    if text[:1] in "'\"" or text.startswith("file:"):
        return "Give the path alone, without quotes and without file:"
    return "Check the path"


def _closed(root: Path, error: OSError) -> DataError:
    return DataError(f"The folder cannot be read: {error.strerror}", received=root, todo=PERMISSION)


def _walk(root: Path, below: str, depth: int, parents: tuple[Path, ...]) -> Iterator[tuple[str, Kind]]:
    """Relative path of every image file, and which list of `FolderScan` it is in.

    `parents` are the real folders from the root down to this one: a link back to one of them would never end.
    """
    try:
        entries = sorted(os.scandir(root / below), key=lambda entry: entry.name)
    except OSError as error:
        if not below:
            raise _closed(root, error) from error
        yield below.rstrip("/"), "refused"
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        relative = f"{below}{entry.name}"
        if (shown := printable(entry.name)) != entry.name:
            if entry.name.lower().endswith(SUFFIXES) or os.path.isdir(entry.path):  # noqa: PTH112 - a Path's own raises where it may not look
                yield f"{below}{shown}", "unprintable"
            continue
        path = Path(entry.path)
        real, mode = _target(path, parents[-1])
        inside = real.is_relative_to(parents[0])
        if mode is None or (stat.S_ISDIR(mode) and not inside):
            yield relative, "refused"
        elif stat.S_ISDIR(mode):
            if depth > 0 and real not in parents:
                yield from _walk(root, f"{relative}/", depth - 1, (*parents, real))
        elif entry.name.lower().endswith(SUFFIXES):
            kind: Kind = "refused" if not inside else "files" if stat.S_ISREG(mode) else "special"
            if (
                kind != "files"
                or not entry.name.lower().endswith(DICOM_SUFFIXES)
                or not is_here(path)
                or is_segmentation(path)
            ):
                yield relative, kind


def _target(path: Path, parent: Path) -> tuple[Path, int | None]:
    """The real path of an entry of a real folder, and its mode.

    That is None if it leads to where one may not look, and 0 if to nothing, or to itself.
    """
    real = parent / path.name
    try:
        if os.path.islink(path):  # noqa: PTH114 - a Path's own raises where it may not look
            real = Path(os.path.realpath(path))
        return real, path.stat().st_mode
    except PermissionError:
        return real, None
    except OSError:
        return real, 0
