"""Processes that outlive who started them: started once, known to be alive by a lock, ended only when proven.

Such a process has a folder, and holds `FOLDER/lock` from before it exists to its end: who starts it takes the lock and
hands it over. So two can never start it at once, one that has not reported yet is alive as long as it lives, and
no clock counts. To end it, `FOLDER/stop` is written, which it looks for. A signal goes to a process only if it has that
very lock open; a number in a file proves nothing. Without /proc (macOS) the file alone asks.
"""

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from afl_core.errors import AflError, UsageError

LOCK, STOP, LOG = "lock", "stop", "log.txt"
"""Files in the folder of a process."""

POLL_SECONDS = 0.2
"""Seconds between two looks of a process whether it is to stop."""

_ASKING_SECONDS = 1.0
"""Seconds for which a mere test of a lock may hold it; a lock that is held longer is held by a process."""

_KILLED_SECONDS = 5.0
"""Seconds that the system may take to remove a process that was killed."""

_OPEN = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
"""A pipe or link in place of a file is not waited for and not followed."""

_children: list[subprocess.Popen[bytes]] = []  # kept so that ended ones can be reaped


def alive(folder: Path) -> bool:
    """Whether a process holds the folder: the system frees the lock of one that ends, however it ends."""
    try:
        lock = os.open(folder / LOCK, os.O_RDONLY | _OPEN)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(lock)
    return False


@contextmanager
def hold(folder: Path) -> Iterator[int]:
    """The folder's lock, as its descriptor; a stop that was requested of an earlier process is forgotten.

    Raises:
        UsageError: If another process has it.
        OSError: If the folder takes no lock.
    """
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | _OPEN, 0o666)
    try:
        until = time.monotonic() + _ASKING_SECONDS
        while not _locked(lock):
            if time.monotonic() > until:
                raise UsageError("It is under way already", received=folder.name)
            time.sleep(0.01)
        (folder / STOP).unlink(missing_ok=True)
        yield lock
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def start(module: str, folder: Path, lock: int, *, told: Callable[[int], None], umask: int = -1) -> None:
    """Start `python -m MODULE FOLDER`, which has the lock from its first moment; call it under `hold`.

    Args:
        module: Name of the module, whose main part begins with `begin`.
        folder: Folder of the process, an absolute path.
        lock: Descriptor of the lock, as `hold` gives it.
        told: Function that is called with the number of the process, which does nothing before that.
        umask: Permissions that the files of the process lack; -1 is as here.
    """
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _OPEN, 0o666)
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", module, str(folder)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(lock,),
            umask=umask,
        )
    finally:
        os.close(log)
    _children[:] = [other for other in _children if other.poll() is None] + [child]
    assert child.stdin is not None
    try:
        told(child.pid)
    except BaseException:
        child.kill()
        raise
    finally:
        child.stdin.close()


def begin() -> Path:
    """Wait, first of all in a started process, until its number is written down; returns its folder."""
    sys.stdin.read()
    return Path(sys.argv[1])


def stop_requested(folder: Path) -> bool:
    """Whether the process of a folder is to end: a stop was requested, or the folder is gone and must not come back."""
    return os.path.lexists(folder / STOP) or not (folder / LOCK).exists()


def on_stop_request(folder: Path, do: Callable[[], None]) -> None:
    """Look for a stop request in a thread, also while the process is busy, and then call `do`."""

    def look() -> None:
        while not stop_requested(folder):
            time.sleep(POLL_SECONDS)
        do()

    threading.Thread(target=look, daemon=True).start()


def stop(folder: Path, pid: Callable[[], int], *, seconds: float) -> None:
    """Ask the process of a folder to end, and wait until it has; one that does not is killed, if it is proven to be it.

    Args:
        folder: Folder of the process.
        pid: Function that returns the number of the process, as its folder gives it; called when it is needed.
        seconds: Time in which the process may end by itself.

    Raises:
        UsageError: If it goes on nevertheless.
    """
    if not request_stop(folder):
        return
    if _ends(folder, seconds):
        return
    _kill(pid(), folder / LOCK)
    if not _ends(folder, _KILLED_SECONDS):
        raise UsageError("The process does not end", received=folder.name, todo=f"End process {pid()} by hand")


def request_stop(folder: Path) -> bool:
    """Ask the process of a folder to end, without waiting for it; whether there is one."""
    if there := alive(folder):
        with suppress(FileExistsError):
            os.close(os.open(folder / STOP, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    return there


def _ends(folder: Path, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while alive(folder):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _kill(pid: int, lock: Path) -> None:
    """Kill the process of that number if it is another one that has the lock open; its number cannot change hands."""
    if pid <= 1 or pid == os.getpid() or not hasattr(os, "pidfd_open"):
        return
    with suppress(OSError):  # it is gone, or somebody else's
        handle = os.pidfd_open(pid)
        try:
            if _has_open(pid, lock):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def _has_open(pid: int, path: Path) -> bool:
    inode = path.stat()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            if os.path.samestat(link.stat(), inode):
                return True
    return False


def ask(
    module: str, text: str, *, seconds: float, waiting: Callable[[float], None] = lambda spent: None
) -> subprocess.CompletedProcess[str]:
    """The reply of `python -m MODULE` to a text; the process ends with this call, whatever ends that.

    Args:
        module: Name of the module that is run.
        text: Input of the process.
        seconds: Time that the process may take.
        waiting: Function that is called again and again with the seconds so far; an exception in it ends the wait.

    Raises:
        TimeoutError: If it takes longer.
    """
    with (
        tempfile.TemporaryFile("w+") as given,
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
    ):
        given.write(text)
        given.seek(0)
        begin = time.monotonic()
        process = subprocess.Popen([sys.executable, "-m", module], stdin=given, stdout=out, stderr=err)
        try:
            while process.poll() is None:
                if (spent := time.monotonic() - begin) > seconds:
                    raise TimeoutError(f"over {seconds:g} s")
                waiting(spent)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_SECONDS)
        finally:
            process.kill()  # nothing where it has ended
            process.wait()
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(process.args, process.returncode, out.read(), err.read())


def answer(reply: Callable[[str], str]) -> None:
    """Reply to the input of this process, which `ask` started, or print what is wrong and end with `os.EX_USAGE`."""
    try:
        sys.stdout.write(reply(sys.stdin.read()))
    except AflError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(os.EX_USAGE)


def last_words(ended: subprocess.CompletedProcess[str]) -> str:
    """The last line that a process told of an error, or how it ended."""
    status = ended.returncode
    end = f"ended by signal {-status}" if status < 0 else f"exit status {status}"
    return (ended.stderr.strip().splitlines() or [end])[-1]
