"""One data set at every kind of address: a folder in memory, a web server on this machine, a zip and two tars."""

import re
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KINDS = ("memory", "http", "zip", "tar", "tar.gz")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing of a request."""

    def do_GET(self) -> None:
        """Answer as the standard library does, and a part of a file where one is asked for."""
        path = Path(self.translate_path(self.path))
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not part or not path.is_file():
            super().do_GET()
            return
        first, last = map(int, part.groups())
        content = path.read_bytes()
        self.send_response(206)
        self.send_header("Content-Length", str(len(content[first : last + 1])))
        self.send_header("Content-Range", f"bytes {first}-{min(last, len(content) - 1)}/{len(content)}")
        self.end_headers()
        self.wfile.write(content[first : last + 1])


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a web server on this machine that lists a folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def in_memory(folder: Path) -> str:
    """The address of a copy of a folder in fsspec's file system in memory."""
    import fsspec

    memory = fsspec.filesystem("memory")
    for path in folder.rglob("*"):
        if path.is_file():
            memory.pipe_file(f"/{folder.name}/{path.relative_to(folder)}", path.read_bytes())
    return f"memory://{folder.name}"


def packed(folder: Path, kind: str) -> Path:
    """An archive of a folder, beside it."""
    kinds = {"zip": "zip", "tar": "tar", "tar.gz": "gztar"}
    return Path(shutil.make_archive(str(folder), kinds[kind], folder))


@contextmanager
def at(kind: str, folder: Path) -> Iterator[str]:
    """The address of a data set, of one of `KINDS`."""
    if kind == "http":
        with served(folder.parent) as host:
            yield f"{host}/{folder.name}"
    else:
        yield in_memory(folder) if kind == "memory" else str(packed(folder, kind))


def zip_of(path: Path, **members: bytes) -> Path:
    """A zip with members of these names, in which two underscores stand for a slash, and one dot pair for itself."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tar_of(path: Path, *members: tarfile.TarInfo) -> Path:
    """A tar with these members, of no content."""
    with tarfile.open(path, "w") as archive:
        for member in members:
            archive.addfile(member)
    return path
