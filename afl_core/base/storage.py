"""Atomic writes, bounded reads, content hashes and the start of a gzip file."""

import hashlib
import json
import os
import secrets
import stat
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from afl_core.base.remote import bring
from afl_core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

GZIP = 31
"""zlib's name for a gzip stream whose checksum is verified."""

ZLIB = 15
"""zlib's name for its own stream, with a checksum too."""

MOST = 1032
"""Bytes that a byte of a deflated stream can stand for, at most."""

_CHUNK = 2**16
"""Bytes read, and unzipped at most, at a time: they stay in the processor's cache."""

MAX_TEXT, MAX_DEPTH = 2**26, 64
"""Largest text file that is parsed, in bytes, and how deep its lists and tables may lie in one another."""

T = TypeVar("T")

_being_written: set[Path] = set()
"""The temporary files of this process."""


@contextmanager
def replacing(path: Path, *, suffix: str = "", lasting: bool = True) -> Iterator[Path]:
    """A temporary file to write, which becomes `path` when the context ends and leaves no trace when it fails.

    Args:
        path: The file to write whole or not at all; its folder is made.
        suffix: Ending of the temporary name, for writers that look at it.
        lasting: Whether to wait until the disk has it; not for a thousand files that can be made again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{suffix}")
    temporary.touch(exist_ok=False)  # who may read it is as the user's umask says
    _being_written.add(temporary)
    try:
        yield temporary
        if lasting:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        _being_written.discard(temporary)


def drop_half_written() -> None:
    """Remove the temporary files of this process, which is about to end."""
    for temporary in tuple(_being_written):
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: temporary file, fsync, rename. Makes the parent folder."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def json_text(document: Mapping[str, Any]) -> str:
    """The JSON of a document; numbers in full precision."""
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def write_table(path: Path, table: "pd.DataFrame", *, apart: str = "") -> None:
    """Write a table as Parquet, without its index, so that readers never see a half-written file.

    It is written in groups of rows, of which a reader that wants some of the rows reads those that hold them.

    Args:
        path: The file.
        table: The rows.
        apart: Column that most readers want one value of: its values lie side by side, each in groups of its own.
    """
    import pyarrow as pa  # noqa: PLC0415 - most who use this module write no table
    import pyarrow.parquet as pq  # noqa: PLC0415

    groups = table.groupby(apart).indices.values() if apart else [slice(None)]
    buffer = BytesIO()
    with pq.ParquetWriter(buffer, pa.Schema.from_pandas(table, preserve_index=False)) as writer:
        for places in groups:
            rows = pa.Table.from_pandas(table.iloc[places], writer.schema, preserve_index=False)
            writer.write_table(rows, row_group_size=2**14)
    write_atomically(path, buffer.getvalue())


def read_bounded(path: Path, largest: int) -> bytes:
    """The content of a regular file; a pipe, which would never end, or a device is never waited for.

    Raises:
        OSError: If it is missing, cannot be read, or is no regular file.
        ValueError: If it has more than `largest` bytes.
    """
    bring(path)
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("it is no regular file")
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123  # it may have become a pipe
        data = file.read(largest + 1)
    if len(data) > largest:
        raise ValueError(f"over {largest:,} bytes")
    return data


def read_json(path: Path, *, largest: int = MAX_TEXT, todo: str = "") -> object:
    """What a JSON file holds: text that is UTF-8, bounded in size and depth, and never more than values.

    Args:
        path: The file.
        largest: Number of bytes that the file may have.
        todo: Advice to the reader of an error.

    Raises:
        DataError: If it cannot be read so, with its name.
    """
    return _parse(path, partial(json.loads, object_pairs_hook=_once_each), largest, todo)


def read_toml(path: Path, *, largest: int = MAX_TEXT, todo: str = "") -> object:
    """What a TOML file holds; arguments and errors as `read_json`."""
    return _parse(path, tomllib.loads, largest, todo)


def read_as(kind: type[T], path: Path, *, largest: int = MAX_TEXT, todo: str = "") -> T:
    """What a JSON file holds as a dataclass or model of pydantic, which checks every value; the rest as `read_json`."""

    def loads(text: str) -> T:
        try:
            return TypeAdapter(kind).validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise ValueError(f"{where}: {first['msg']}") from error

    return cast("T", _parse(path, loads, largest, todo))


def _parse(path: Path, loads: Callable[[str], object], largest: int, todo: str) -> object:
    try:
        text = read_bounded(path, largest).decode("utf-8-sig")
        value = loads(text)
        if not _is_shallow(value):
            raise RecursionError
        if "\\ud" in text.lower():  # half of a pair of code units is no character, and no file takes it
            json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeError as error:
        raise DataError(f"{path.name} cannot be read", received="text that is not UTF-8", todo=todo) from error
    except RecursionError as error:
        raise DataError(f"{path.name} cannot be read", received="too many levels", todo=todo) from error
    except FileNotFoundError as error:
        raise DataError(f"{path.name} cannot be read", received=f"there is no {path}", todo=todo) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} cannot be read", received=error, todo=todo) from error
    return value


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    merged = dict(pairs)
    if len(merged) < len(pairs):
        raise ValueError(f"{Counter(key for key, _ in pairs).most_common(1)[0][0]} stands twice")
    return merged


def _is_shallow(value: object) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return True
    return False


FileIdentity = tuple[int, int, int, int]
"""Size, times of change and inode of a file, which differ once it was written to."""


def file_identity(path: Path) -> FileIdentity:
    """What tells a file from the same after a change; raises `OSError` where there is none."""
    bring(path)
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def file_state(path: Path | None) -> object:
    """Path, size and time of change of a file, for the key of what was read from it; None where there is none."""
    if path is None or not path.is_file():
        return None
    return str(path), path.stat().st_size, path.stat().st_mtime_ns


def hash_files(paths: Iterable[Path]) -> str:
    """SHA-256 over the contents of files, in the order given; `OSError` for a pipe or device, which never ends."""
    digest = hashlib.sha256()
    for path in paths:
        bring(path)
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(f"{path} is no regular file")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def told_size(path: Path) -> int:
    """Unzipped bytes, modulo 2^32, of the last gzip stream in a file, as its last four bytes say."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4))
        return int.from_bytes(file.read(4), "little")


def unzip(path: Path, size: int, *, start: int = 0, end: int | None = None, wbits: int = GZIP) -> NDArray[np.uint8]:
    """The first `size` bytes of a .gz file, fewer where it ends; never more are unzipped, whatever it holds.

    If these are all, their checksum is right. Streams that follow one another are one; what follows the last is
    ignored, as gzip does.

    Args:
        path: The file.
        size: Number of bytes that are wanted.
        start: Position in the file at which the stream begins.
        end: Position at which it must have ended; the end of the file if None.
        wbits: Kind of the stream: `GZIP`, or `ZLIB` for one stream of that kind.

    Raises:
        EOFError: If the file ends amid its stream.
    """
    size = min(size, MOST * path.stat().st_size)  # what cannot be there is not made room for
    buffer, n = np.empty(size + 1, np.uint8), 0  # one more: only who asks on past the last byte meets the checksum
    with path.open("rb") as file:
        file.seek(start)
        stop = sys.maxsize if end is None else end
        stream, data = isal_zlib.decompressobj(wbits), file.read(min(_CHUNK, max(0, stop - file.tell())))
        while n <= size:
            part = stream.decompress(data, min(_CHUNK, size + 1 - n))
            buffer[n : n + len(part)] = np.frombuffer(part, np.uint8)
            n += len(part)
            if stream.eof:
                data = stream.unused_data
                data += file.read(min(_CHUNK - len(data), max(0, stop - file.tell())))
                if wbits != GZIP or not data.startswith(b"\x1f\x8b"):
                    break
                stream = isal_zlib.decompressobj(GZIP)
            else:
                data = stream.unconsumed_tail or file.read(min(_CHUNK, max(0, stop - file.tell())))
                if not (data or part):
                    raise EOFError(f"it ends after {n} unzipped bytes, amid its gzip stream")
    return buffer[: min(n, size)]
