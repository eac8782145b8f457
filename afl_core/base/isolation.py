"""One bad case never ends the others: any exception becomes an error for people, with its details in a log."""

import os
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from afl_core.base.extras import missing
from afl_core.base.paths import LOGS
from afl_core.errors import AflError, DataError

ERRORS = "errors.log"
"""Name of the log, in a results folder or in `LOGS`."""

T = TypeVar("T")


def attempt(work: Callable[[], T], *, of: str, folder: Path = LOGS) -> T | AflError:
    """The result of some work, or what `explained` makes of its exception: whatever it meets, the others go on."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - the one place where a bad case or file is kept from the others
        return explained(error, of=of, folder=folder)


def explained(error: Exception, *, of: str, folder: Path = LOGS) -> AflError:
    """An exception as an error for people; one that nobody foresaw also goes to a log, with its traceback.

    Args:
        error: The exception that was raised.
        of: The work and its files, for a message of our own: "measuring FL on case_1 (a.nii.gz)".
        folder: Folder of the log; a results folder, if the work belongs to one.

    Returns:
        The error itself if it is one of ours.
    """
    if isinstance(error, AflError):
        return error
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return DataError("A file is where a folder should be", received=error, todo="Give a folder, such as a new one")
    if isinstance(error, OSError):
        return DataError(
            "A file could not be read or written", received=error, todo="Check the path and the free space"
        )
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("afl_core"):
        return missing(error.name, of=of[:1].upper() + of[1:])
    if isinstance(error, MemoryError):
        return DataError(
            f"There is not enough memory for {of}", received=str(error) or None, todo="Take fewer --workers"
        )
    log = _write_log(error, of=of, folder=folder)
    kept = f"; the details are in {log}" if log else ""
    return AflError(
        f"An unexpected error while {of}",
        received=f"{type(error).__name__}: {_first_line(error)}",
        todo=f"Nothing else is touched by it{kept}. If the files are sound, please report it",
    )


def _write_log(error: Exception, *, of: str, folder: Path) -> Path | None:
    """Append the traceback in one write, so that processes do not mix their lines; None where that cannot be done."""
    when = datetime.now(UTC).isoformat(timespec="seconds")
    text = f"{when} {of}\n{''.join(traceback.format_exception(error))}\n"
    path = (folder / ERRORS).absolute()  # who reads it may stand elsewhere
    try:
        folder.mkdir(parents=True, exist_ok=True)
        log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o600)
        try:
            os.write(log, text.encode(errors="backslashreplace"))
        finally:
            os.close(log)
    except OSError:
        return None
    return path


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0][:200]
