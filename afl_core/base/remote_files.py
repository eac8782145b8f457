"""The files of a folder or an archive at an address: their names and sizes, and the content of one, through fsspec."""

import errno
import hashlib
import html
import re
import tarfile
import threading
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any
from urllib.parse import unquote
from zipfile import BadZipFile

from afl_core.base.archives import Archive, is_archive
from afl_core.base.extras import missing
from afl_core.errors import AflError, DataError

PROTOCOLS: Mapping[str, str] = MappingProxyType(
    {"s3": "s3fs", "gs": "gcsfs", "https": "aiohttp", "http": "aiohttp", "memory": "fsspec"}
)
"""Protocol of an address to the module that fsspec needs for it."""

MAX_FILES, MAX_DEPTH = 200_000, 8
"""Files of one data set, and folders in one another, that are listed."""

AT_ONCE = 16
"""Requests to a web server at a time: it is asked for the size of every file."""

STALLED_SECONDS = 60
"""Seconds without a byte after which a web server counts as gone."""

State = tuple[int, int]
"""Size of a file, and a number below 2^31 that is another one once the file has changed: a time for its stand-in."""

AGAIN = "Open the data set again"

_VERSIONS = ("ETag", "etag", "Last-Modified", "LastModified", "mtime", "created", "archive")
"""What file systems say of a file that changes with it; the first that there is counts."""

_LOCAL = "file://"
"""How the address of an archive of this machine begins."""

_archive_turn = threading.Lock()
_opened: "dict[tuple[str, State], Archive]" = {}
"""The archive that was read last, by its address and state."""
_CHUNK = 2**20


def list_files(url: str) -> dict[str, State]:
    """Path below an address, with `/` between folders, to the state of each file; hidden ones are left out.

    Raises:
        UsageError: If the module for the address is not installed.
        DataError: If there is no such folder or archive, its server cannot be reached or lists nothing, or a name
            leads out of it.
    """
    with _told(url):
        found = dict(_listed(url))
    if not found:
        todo = "Check the address. A web server must list its folders; if it does not, give a .zip or .tar"
        raise DataError("No files are listed at this address", received=url.removeprefix(_LOCAL), todo=todo)
    if len(found) > MAX_FILES:
        todo = "Give the folder of one data set"
        raise DataError("There are too many files at this address", received=f"over {MAX_FILES:,}", todo=todo)
    return found


def copy_file(url: str, state: State, out: IO[bytes]) -> None:
    """Write the content of a file at an address, of the state in which it was listed.

    Raises:
        UsageError: As `list_files`.
        DataError: If it cannot be read, has changed, or has not as many bytes as it declares: no more are read.
    """
    with _told(url):
        base, inside = _split(url)
        if inside is None:
            system, path = _system(url)
            with system.open(path, "rb", **({"block_size": 0} if _is_web(url) else {})) as file:
                size = _copy(file, out, state[0])
            now = _state(system.info(path))
        else:
            with _archive_turn:
                archive = _archive(base, _version(base))
                with archive.open(inside) as file:
                    size = _copy(file, out, state[0])
                now = _state(archive.facts(inside, _version(base)))
        if size != state[0] or now != state:
            what, path = "A file changed since its data set was listed", url.removeprefix(_LOCAL)
            raise DataError(what, received=f"{path}, {size:,} bytes, {state[0]:,} listed", todo=AGAIN)


def _copy(file: IO[bytes], out: IO[bytes], size: int) -> int:
    """Bytes that were written: the file's, or at most one chunk more than it declares."""
    n = 0
    while n <= size and (part := file.read(_CHUNK)):
        n += out.write(part)
    return n


def _split(url: str) -> tuple[str, str | None]:
    """Address of the archive that an address leads into, and the path in it; else the address, and None."""
    parts = url.split("/")
    for n in range(3, len(parts)):  # a host may be called .zip too
        if is_archive(parts[n]):
            inside = "/".join(parts[n + 1 :])
            return "/".join(parts[: n + 1]), unquote(inside) if _is_web(url) else inside
    return url, None


def _is_web(url: str) -> bool:
    return url.startswith(("http:", "https:"))


def _system(url: str) -> tuple[Any, str]:
    """The file system of an address, and the path as it takes it."""
    protocol = url.partition(":")[0]
    for module in ("fsspec", PROTOCOLS[protocol]):
        if find_spec(module) is None:
            raise missing(module, of=f"Data at {protocol}://")
    import fsspec  # noqa: PLC0415 - an extra

    options: dict[str, Any] = {"use_listings_cache": False}  # else a file that changed would look as when it was listed
    if _is_web(url):
        from aiohttp import ClientTimeout  # noqa: PLC0415 - an extra

        client = dict(fsspec.config.conf.get(protocol, {}).get("client_kwargs", {}))
        client |= {"timeout": ClientTimeout(total=None, sock_connect=20, sock_read=STALLED_SECONDS)}
        client |= {"auto_decompress": False}  # a .nii.gz is to come as it is stored
        options |= {"client_kwargs": client, "simple_links": False, "headers": {"Accept-Encoding": "identity"}}
    system = fsspec.filesystem(protocol, **options)
    return system, str(system._strip_protocol(url)).rstrip("/")


def _version(url: str) -> State:
    """The state of an archive."""
    if url.startswith(_LOCAL):
        found = Path(url.removeprefix(_LOCAL)).stat()
        return _state({"size": found.st_size, "mtime": found.st_mtime_ns})
    system, path = _system(url)
    return _state(system.info(path))


def _archive(url: str, version: State) -> Archive:
    """An archive of a state; the last one stays open."""
    if (url, version) not in _opened:
        close_archive()
        if url.lower().endswith((".tar.gz", ".tgz")) and not url.startswith(_LOCAL):
            todo = "Download it and give the file, or pack a .zip"
            raise DataError("A compressed tar is read from its beginning for each file", received=url, todo=todo)
        system, path = (None, url.removeprefix(_LOCAL)) if url.startswith(_LOCAL) else _system(url)
        file = Path(path).open("rb") if system is None else system.open(path, "rb")  # noqa: SIM115
        try:
            _opened[url, version] = Archive(url, file)
        except BaseException:
            file.close()
            raise
    return _opened[url, version]


def close_archive() -> None:
    """Close the archive that was read last."""
    while _opened:
        _opened.popitem()[1].close()


def _listed(url: str) -> Iterator[tuple[str, State]]:
    """What `list_files` gives."""
    base, inside = _split(url)
    if inside is not None:
        with _archive_turn:
            version = _version(base)
            archive = _archive(base, version)
        root, states = inside, {name: _state(archive.facts(name, version)) for name in archive.members}
        states = {name: state for name, state in states.items() if name.startswith(f"{root}/") or not root}
    else:
        system, root = _system(url)
        found = _walk_pages(system, root) if _is_web(url) else system.find(root, detail=True)
        states = {name: _state(info) for name, info in found.items() if name != root and not name.endswith("/")}
    for name, state in states.items():
        relative = name.removeprefix(f"{root}/" if root else "")
        relative = unquote(relative) if inside is None and _is_web(url) else relative
        parts = relative.split("/")
        if {"..", ".", ""} & set(parts) or "\0" in relative:
            todo = "Pack the archive again, or rename the file"
            raise DataError("The name of a file leads out of the data set", received=name, todo=todo)
        if not any(part.startswith(".") for part in parts):
            yield relative, state


def _walk_pages(system: Any, root: str) -> dict[str, Any]:
    """The files that the pages of a web server list below an address; no other folder's, and no page with a query."""
    files, folders, seen = list[str](), [f"{root}/"], {f"{root}/"}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in range(MAX_DEPTH):
            names = {html.unescape(entry["name"]) for page in pool.map(system.ls, folders) for entry in page} - seen
            names = {name for name in names if name.startswith(f"{root}/") and not {"?", "#"} & set(name)}
            seen |= names
            folders = sorted(name for name in names if name.endswith("/"))
            files += sorted(name for name in names if not name.endswith("/"))
            if not folders or len(files) > MAX_FILES:
                break
        wanted = files[: MAX_FILES + 1]
        return dict(zip(wanted, pool.map(system.info, wanted), strict=True))


def _state(info: Mapping[str, Any]) -> State:
    """The state of a file by what its file system says of it."""
    if info.get("size") is None:
        what = "The server does not say how large a file is"
        raise DataError(what, received=info.get("name"), todo="Give the data set as a .zip")
    told = next((info[name] for name in _VERSIONS if info.get(name)), "")
    told = told.timestamp() if isinstance(told, datetime) else told  # a list of files and a single one spell it apart
    digest = hashlib.sha256(repr((info["size"], str(told))).encode()).digest()
    return int(info["size"]), int.from_bytes(digest[:4]) >> 1


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Whatever a file system raises as one sentence."""
    try:
        yield
    except AflError:
        raise
    except Exception as error:  # each file system has errors of its own
        raise _explained(url, error) from error


def _explained(url: str, error: Exception) -> DataError:
    """An error of a file system for people."""
    url = url.removeprefix(_LOCAL)
    if isinstance(error, FileNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # what fsspec makes of any error of a web server
    status = getattr(error, "status", None)
    text = re.sub(r"\?\S+", "?...", f"{type(error).__name__} {error}".splitlines()[0])[:200]
    if isinstance(error, FileNotFoundError) or status == 404 or "NoSuchBucket" in text:
        todo = "Check the address: the bucket or host, and the folder"
        return DataError("There is no such folder, file or bucket", received=url, todo=todo)
    if isinstance(error, PermissionError) or status in (401, 403) or "credential" in text.lower():
        todo = "Sign in as fsspec's file system for it is signed in (docs/remote.md); no password goes into the address"
        return DataError(f"Access to {url} was refused", received=text, todo=todo)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError("There is no room for the file", received=text, todo="Free some, or set a lower AFL_CACHE_GB")
    if isinstance(error, (BadZipFile, tarfile.TarError, zlib.error, EOFError)):
        return DataError("The archive cannot be read", received=f"{url}: {text}", todo="Fetch or pack it again")
    if isinstance(error, OSError) or "connect" in text.lower():
        todo = "Check the address and the network, and try again"
        return DataError(f"{url} cannot be reached", received=text, todo=todo)
    return DataError(f"{url} cannot be read", received=text, todo="Check the address, or fetch the files yourself")
