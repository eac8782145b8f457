"""Zip and tar archives, whose files are read one by one where they are."""

import stat
import tarfile
from typing import IO, Any
from zipfile import ZipFile

from afl_core.errors import DataError

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


def is_archive(name: str) -> bool:
    """Whether a name is that of an archive that is read."""
    return name.lower().endswith(ARCHIVES)


class Archive:
    """An archive that stays open, and its files by their names.

    A zip of Windows may have backslashes between folders, which count as slashes.

    Raises:
        DataError: If it holds a link or a device, or two files of one name.
    """

    def __init__(self, url: str, file: IO[bytes]) -> None:
        self.file = file
        self.archive: Any = ZipFile(file) if url.lower().endswith(".zip") else tarfile.open(fileobj=file)  # noqa: SIM115
        found: list[tuple[str, Any]]
        if isinstance(self.archive, ZipFile):
            found = [(member.filename.replace("\\", "/"), member) for member in self.archive.infolist()]
            found = [(name, member) for name, member in found if not name.endswith("/")]
            others = [name for name, member in found if stat.S_ISLNK(member.external_attr >> 16)]
        else:
            found = [(member.name.removeprefix("./"), member) for member in self.archive if not member.isdir()]
            others = [name for name, member in found if not member.isreg()]
        self.members: dict[str, Any] = {}
        for name, member in found:
            first = self.members.setdefault(name, member)
            if first is not member and getattr(first, "CRC", 0) != getattr(member, "CRC", 1):
                todo = "Pack it again, with each file once"
                raise DataError("The archive holds two files of one name", received=name, todo=todo)
        if others:
            todo = "Pack the files themselves, as tar does with -h"
            raise DataError("The archive holds a link or a device", received=others[0], todo=todo)

    def open(self, name: str) -> IO[bytes]:
        """The content of a file."""
        of = self.archive
        found: IO[bytes] = (of.open if isinstance(of, ZipFile) else of.extractfile)(self.members[name])
        return found

    def close(self) -> None:
        """Close it."""
        self.archive.close()
        self.file.close()

    def facts(self, name: str, version: object) -> dict[str, Any]:
        """What it says of a file: its declared size, and the version of the whole, by the names of fsspec."""
        member = self.members[name]
        size = member.file_size if isinstance(self.archive, ZipFile) else member.size
        return {"name": name, "size": size, "archive": version}
