"""A task on its way to a worker of a cluster, and what the worker does: compare versions, look for files, then work.

Functions go by name, never as code, so both sides must have the same installation; files go by their absolute path with
what tells them from others, so both must see the same file system.
"""

import io
import os
import pickle
import signal
import socket
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from afl_core.base.storage import drop_half_written
from afl_core.base.versions import versions
from afl_core.errors import DataError, UsageError

PACKAGES = ("numpy", "scipy", "pandas", "nibabel", "connected-components-3d", "torch", "monai", "distributed")
"""Packages whose versions must agree, for numbers that do not depend on the machine."""


class Seen(NamedTuple):
    """What the sender sees at a path.

    Attributes:
        path: The absolute path.
        size: Bytes of a file; -1 of a folder.
        changed: Whole second in which it was changed: some file systems keep no more.
        inode: Its number in the file system.
    """

    path: str
    size: int
    changed: int
    inode: int

    def same(self, other: "Seen") -> bool:
        """Whether both are one file, or one folder: its number or its time tells, as others write into it meanwhile."""
        if self.size < 0:
            return other.size < 0 and (self.inode == other.inode or self.changed == other.changed)
        return self.size == other.size and self.changed == other.changed


@dataclass(frozen=True)
class Terms:
    """What a worker must fulfil before its first task.

    Attributes:
        versions: Name and version of what must be installed.
        token: A file that the sender made in the folder to which results go; "" where none go to a folder.
    """

    versions: tuple[tuple[str, str], ...]
    token: str = ""


def own_versions() -> tuple[tuple[str, str], ...]:
    """The versions here; the kind of a wheel, such as `+cpu`, is left out."""
    return tuple((name, version.partition("+")[0]) for name, version in versions(PACKAGES).items())


def pack(work: object, options: object, terms: Terms) -> bytes:
    """A task as bytes; the files that `work` names are looked for by who unpacks it, those of `options` are not."""
    told, seen = _dump(work)
    return pickle.dumps((terms, tuple(seen), told, _dump(options)[0]), protocol=5)


def run_packed(packed: bytes) -> Any:
    """What the function that was packed gives, or the error that says which file this worker does not see.

    Raises:
        UsageError: If this worker does not fulfil the terms: it can do no task at all.
    """
    terms, seen, work, options = pickle.loads(packed)
    meet(terms)
    if unseen := next((one for one in seen if not one.same(look(one.path))), None):
        return not_seen(unseen.path)
    function, arguments = pickle.loads(work)
    return function(*arguments, **pickle.loads(options))


@cache
def meet(terms: Terms) -> None:
    """Compare versions, and look whether the folder of the results is shared; once a process.

    Raises:
        UsageError: If one is not as it must be.
    """
    here, wanted = dict(own_versions()), dict(terms.versions)
    if names := [name for name in wanted | here if wanted.get(name) != here.get(name)]:
        pairs = [f"{name} {here.get(name, 'missing')} there, {wanted.get(name, 'missing')} here" for name in names]
        what = f"The worker {worker_name()} has other versions than this machine"
        raise UsageError(what, received="; ".join(pairs), todo="Install the same on both")
    if terms.token and not Path(terms.token).is_file():
        what = f"The worker {worker_name()} does not see the folder of the results"
        todo = "Choose a folder of a file system that all workers share"
        raise UsageError(what, received=Path(terms.token).parent, todo=todo)


def not_seen(path: str) -> DataError:
    """The error of a file that is another one, or none, on this worker."""
    what = "sees another file than this machine at" if os.path.exists(path) else "does not see"  # noqa: PTH110 - it is text
    return DataError(
        f"The worker {worker_name()} {what} {path}", todo="Keep the data on a file system that all workers share"
    )


def worker_name() -> str:
    """The machine of this worker, and its address where it has one."""
    from distributed import get_worker  # noqa: PLC0415 - an extra

    try:
        return f"{socket.gethostname()} ({get_worker().address})"
    except ValueError:
        return f"{socket.gethostname()} (process {os.getpid()})"


def look(path: str) -> Seen:
    """What is at a path; all 0 where there is nothing."""
    try:
        found = os.stat(path)  # noqa: PTH116 - it is text
    except OSError:
        return Seen(path, 0, 0, 0)
    return Seen(path, -1 if stat.S_ISDIR(found.st_mode) else found.st_size, int(found.st_mtime), found.st_ino)


def dask_setup(worker: object) -> None:
    """Prepare a worker of our own, as Dask calls it: Ctrl-C is the client's to answer; told to end, it ends at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: _leave())
    threadpool_limits(1)  # there is a worker a core


def _leave() -> None:
    drop_half_written()
    os._exit(1)


class _Packer(pickle.Pickler):
    """A pickler that makes paths absolute, since a worker stands in another folder, and keeps what is there."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=5)
        self.seen: dict[str, Seen] = {}

    def reducer_override(self, value: object) -> Any:
        """How a path is pickled; anything else as always."""
        if not isinstance(value, Path):
            return NotImplemented
        path = os.path.abspath(value)  # noqa: PTH100 - resolves no links
        if path not in self.seen and (found := look(path)).inode:
            self.seen[path] = found
        return Path, (path,)


def _dump(value: object) -> tuple[bytes, Iterable[Seen]]:
    packer = _Packer(file := io.BytesIO())
    packer.dump(value)
    return file.getvalue(), packer.seen.values()
