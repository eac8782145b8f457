"""A data set at an address, or in an archive, as a folder of this machine whose files come when they are read.

The folder lies under `paths.REMOTE` by its address. A file that was not read yet is a stand-in: of the file's size,
with a time of change that stands for its version, without its content, and readable by nobody. `bring` puts the file
in its place, and the oldest ones make room for it. Whoever looks at names, sizes and times sees no difference.
"""

import fcntl
import hashlib
import os
import re
import secrets
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote

from filelock import FileLock

from afl_core.base import paths
from afl_core.base.archives import is_archive
from afl_core.base.remote_files import PROTOCOLS, State, copy_file, list_files
from afl_core.errors import DataError, UsageError

CACHE_GB = 20.0
"""Files that are kept, in GB; the environment variable `AFL_CACHE_GB` says otherwise."""

LISTED_SECONDS = 600
"""Seconds for which the names and sizes of a data set are believed."""

HELD = 16
"""Files that a process read last, which no other process takes away: more than two cases have."""

_DAY = 86_400
_ADDRESS = re.compile(r"([a-z][a-z0-9+]+):/+(.*)", re.DOTALL)
"""An address, also one that a `Path` made one slash of two in."""

_LISTED, _HERE, _LOCKS = ".listed", ".here", ".locks"
"""In the folder of a data set, when it was listed; in `paths.REMOTE`, links to the files that are here, and locks."""

_held: "OrderedDict[Path, int]" = OrderedDict()
"""The files that this process holds, with their open descriptors."""
_guard = threading.Lock()


def as_folder(root: Path) -> Path:
    """The folder that stands for an address or an archive, listed if that is due; any other path as it is.

    Raises:
        UsageError: If the address holds a password or a token, is of no kind that is read, or lacks its module.
        DataError: If it cannot be listed, or its names cannot be files here.
    """
    if (folder := stand_in(root)) is None:
        return root
    with _lock(folder):
        marker = folder / _LISTED
        if not marker.is_file() or not 0 <= time.time() - marker.stat().st_mtime < LISTED_SECONDS:
            listed = list_files(_url(folder))
            try:
                folder.mkdir(parents=True, exist_ok=True)
                _lay_out(folder, listed)
            except OSError as error:
                todo = f"Delete {folder} and open the data set again"
                raise DataError("Its names cannot be files here", received=error, todo=todo) from error
            marker.touch()
    return folder


def stand_in(root: Path) -> Path | None:
    """The folder that stands for an address, an archive or a folder in one, listed or not; None for any other path."""
    if is_elsewhere(root):
        return root
    found = _ADDRESS.fullmatch(str(root))
    if found is None or found[1] == "file":
        real = root.resolve() if any(map(is_archive, root.parts)) else root
        inside = any(is_archive(path.name) and path.is_file() for path in (real, *real.parents))
        return paths.REMOTE / "file" / str(real)[1:] if inside else None
    protocol, rest = found.groups()
    if protocol not in PROTOCOLS:
        known = ", ".join(f"{name}://" for name in PROTOCOLS if name != "memory")
        raise UsageError("Addresses of this kind are not read", received=f"{protocol}://", todo=f"Known are {known}")
    if "@" in rest or "?" in rest or "#" in rest:  # what was received may be the secret: it is not told
        todo = "Give the address alone, and sign in as docs/remote.md says"
        what = "An address must hold no user, password or token"
        raise UsageError(what, received=f"{protocol}://...", todo=todo)
    parts = [part for part in (unquote(rest) if protocol.startswith("http") else rest).split("/") if part]
    if not parts or {".", ".."} & set(parts):
        raise UsageError("This is no address of a folder or archive", received=root, todo="Check the address")
    return paths.REMOTE.joinpath(protocol, *parts)


def only_folder(root: Path) -> Path | None:
    """The folder in which all of an archive lies, or of a folder in one; None where there is none such."""
    within = root.iterdir() if is_elsewhere(root) and any(map(is_archive, root.parts)) else ()
    shown = [path for path in within if not path.name.startswith(".")]
    return shown[0] if len(shown) == 1 and shown[0].is_dir() else None


def address(path: Path | str) -> str:
    """The address, or the path of the archive, that a folder or file stands for; any other path as it is."""
    return _url(Path(path)).removeprefix("file://") if is_elsewhere(Path(path)) else str(path)


def _url(path: Path) -> str:
    protocol, *parts = path.relative_to(paths.REMOTE).parts
    rest = "/".join(parts)
    if protocol == "file":
        return f"file:///{rest}"
    return f"{protocol}://{quote(rest, safe='/:') if protocol.startswith('http') else rest}"


def is_elsewhere(path: Path) -> bool:
    """Whether a path stands for one at an address or in an archive."""
    return str(path).startswith(f"{paths.REMOTE}{os.sep}")


def is_here(path: Path) -> bool:
    """Whether a file has its content: it stands for none elsewhere, or was fetched."""
    return not is_elsewhere(path) or _has_content(path.stat())


def bring(path: Path) -> None:
    """Have the content of a file here, if it stands for one elsewhere, and keep it here while it is in use.

    Raises:
        UsageError: If the module for its address is not installed.
        DataError: If it cannot be fetched, has changed since it was listed, or is larger than the room there is.
    """
    while is_elsewhere(path) and path.is_file():
        with _guard:
            held = _held.get(path)
        if held and path.stat().st_ino == os.fstat(held).st_ino:
            return
        if not _has_content(path.stat()):
            _fetch(path)
        elif _hold(path):
            return


def _has_content(of: os.stat_result) -> bool:
    return bool(of.st_mode & stat.S_IRUSR)


def _hold(path: Path) -> bool:
    """Keep others from taking a file away; False where one just did. What was read longest ago is let go."""
    with suppress(OSError):
        held = os.open(path, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_SH)
        if not _has_content(os.fstat(held)) or os.fstat(held).st_ino != path.stat().st_ino:
            os.close(held)
            return False
        with _guard:
            let_go = [_held.pop(path)] if path in _held else []
            _held[path] = held
            let_go += [_held.popitem(last=False)[1]] if len(_held) > HELD else []
        for descriptor in let_go:
            os.close(descriptor)
        return True
    return False


def _fetch(path: Path) -> None:
    """Fetch a file into its place; one process does, the others wait for it."""
    with _lock(path):
        found = path.stat()
        if _has_content(found):
            return
        _make_room(found.st_size, address(path))
        new = path.with_name(f".{secrets.token_hex(8)}")
        try:
            with new.open("xb") as file:
                copy_file(_url(path), (found.st_size, int(found.st_mtime)), file)
            os.utime(new, (time.time(), int(found.st_mtime)))
            new.chmod(0o400)
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            _forget_listing(path)
            raise
        with suppress(FileExistsError):
            _link_of(path).symlink_to(path)


def _forget_listing(path: Path) -> None:
    """Have the data set of a file listed anew when it is opened again."""
    for folder in filter(is_elsewhere, path.parents):
        (folder / _LISTED).unlink(missing_ok=True)


def _make_room(size: int, name: str) -> None:
    """Take the oldest files away until one of this size finds room; those in use stay."""
    limit = float(os.environ.get("AFL_CACHE_GB") or CACHE_GB) * 1e9
    if size > limit:
        todo = f"Set AFL_CACHE_GB to {size / 1e9:.3g} or more"
        raise DataError(f"{name} is larger than the room for fetched files", received=f"{size / 1e9:.3g} GB", todo=todo)
    here = list[tuple[float, int, Path]]()
    for link in (paths.REMOTE / _HERE).iterdir():
        with suppress(OSError):
            found = link.stat()
            if _has_content(found):
                here.append((found.st_atime, found.st_size, link))
    total = size + sum(bytes_ for _, bytes_, _ in here)
    for _, bytes_, link in sorted(here):
        if total <= limit:
            return
        with suppress(OSError):
            total -= bytes_ if _take_away(link) else 0


def _take_away(link: Path) -> bool:
    """Put a stand-in in the place of a file again, unless it is in use."""
    path = link.readlink()
    taken = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(taken, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(taken)
        _put_stand_in(path, (found.st_size, int(found.st_mtime)))
        link.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(taken)
    return True


def _lay_out(folder: Path, listed: Mapping[str, State]) -> None:
    """Have a stand-in for each file that was listed and is not here, and no other file."""
    wanted = {folder / name: state for name, state in listed.items()}
    for old in folder.rglob("*"):
        if old not in wanted and not old.is_dir() and (old.name[0] != "." or old.stat().st_mtime < time.time() - _DAY):
            old.unlink(missing_ok=True)  # a hidden one may be on its way
    for path, state in wanted.items():
        try:
            found = path.stat()
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
        else:
            if (found.st_size, int(found.st_mtime)) == state:
                continue
        _put_stand_in(path, state)


def _put_stand_in(path: Path, state: State) -> None:
    new = path.with_name(f".{secrets.token_hex(8)}")
    try:
        with new.open("xb") as file:
            file.truncate(state[0])
        os.utime(new, (0, state[1]))
        new.chmod(0)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _link_of(path: Path) -> Path:
    return paths.REMOTE / _HERE / hashlib.sha256(str(path).encode()).hexdigest()[:32]


def _lock(path: Path) -> FileLock:
    """The lock of a folder or file; a few hundred stand for all."""
    for name in (_HERE, _LOCKS):
        (paths.REMOTE / name).mkdir(parents=True, exist_ok=True)
    return FileLock(paths.REMOTE / _LOCKS / hashlib.sha256(str(path).encode()).hexdigest()[:2])
