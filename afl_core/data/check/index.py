"""What is known of every file of a data set, kept by its size and time of change so that it is read once."""

import hashlib
import json
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Len
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from afl_core.base.isolation import attempt
from afl_core.base.remote import is_here
from afl_core.base.storage import read_as, write_atomically
from afl_core.data.formats.files import check_length, read_header
from afl_core.data.loading import ras_grid_of
from afl_core.errors import AflError, DataError
from afl_core.volume import Case, Volume

Progress = Callable[[int, int, str], None]
"""Called with what is done, what there is to do, and a note."""

State = tuple[int, int]
"""Size and time of change of a file."""


@dataclass(frozen=True, eq=False)
class FileFacts:
    """The header of one file.

    Attributes:
        size: Size on disk in bytes.
        shape: Voxels along the stored axes; () where the header cannot be read.
        affine: Stored voxel index to RAS+ millimetres.
        problem: Why the file cannot be used, or "".
        remarks: Sentences on the geometry in its header that a person should know.
    """

    size: int
    shape: tuple[int, ...] = ()
    affine: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))
    problem: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def grid(self) -> Volume:
        """Its grid in RAS+ order, as a volume of zeros."""
        return _grid(self.shape, self.affine.tobytes())

    @property
    def stored(self) -> str:
        """Directions of its stored axes, such as LPS."""
        return self.grid.stored


@lru_cache(maxsize=1024)
def _grid(shape: tuple[int, ...], affine: bytes) -> Volume:
    """Worked out once for all files of one grid: thousands share a few."""
    return ras_grid_of(shape, np.frombuffer(affine).reshape(4, 4))


@with_config(ConfigDict(extra="forbid", allow_inf_nan=False))
class KeptFile(TypedDict, total=False):
    """What the index keeps of a file: the fields of `FileFacts`, as far as they are known."""

    shape: Annotated[list[int], Len(3, 3)]
    affine: Annotated[list[Annotated[list[float], Len(4, 4)]], Len(4, 4)]
    remarks: list[str]
    problem: str


@with_config(ConfigDict(extra="forbid", allow_inf_nan=False))
class KeptReference(TypedDict, total=False):
    """What the index keeps of a reference: the fields of `ReferenceFacts`, as far as they are known; NaN is null."""

    labels: dict[Annotated[str, Field(pattern=r"^\d{1,5}$")], int]
    volume_ml: float
    roughness: float | None
    released_smoothness: float
    lesion_ml: list[float]
    lesion_roughness: list[float | None]
    problem: str


@with_config(ConfigDict(extra="forbid"))
class _Stored(TypedDict):
    """The whole file: key to size, time and what is kept."""

    version: Literal[5]  # raised whenever what is kept changes its meaning
    root: str
    files: dict[str, tuple[int, int, KeptFile]]
    references: dict[str, tuple[int, int, KeptReference]]


class Index:
    """The facts of one data set's files and references, on disk.

    A damaged or old file is no index, and is made again.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        name = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
        self.root, self.path = root, folder / f"{name}.json"
        self._kept: dict[str, dict[str, tuple[int, int, Any]]] = {"files": {}, "references": {}}
        self._changed = False
        with suppress(DataError):
            stored = read_as(_Stored, self.path)
            self._kept = {"files": {**stored["files"]}, "references": {**stored["references"]}}

    def get(self, section: str, key: str, state: State) -> Any:
        """What is kept under a key of that state; None if it is not, or of another state."""
        entry = self._kept[section].get(key)
        return entry[2] if entry and entry[:2] == state else None

    def put(self, section: str, key: str, state: State, value: Any) -> None:
        """Keep a value until the file's state changes."""
        self._kept[section][key] = (*state, value)
        self._changed = True

    def save(self) -> None:
        """Write what was added; a folder that cannot be written to costs the next reader time, nothing else."""
        if not self._changed:
            return
        text = json.dumps({"version": 5, "root": str(self.root.resolve()), **self._kept})
        try:
            write_atomically(self.path, text.encode())
        except OSError:
            return
        self._changed = False


def file_state(path: Path) -> State:
    """Size and time of change; (-1, 0) where the file is gone."""
    try:
        stat = path.stat()
    except OSError:
        return -1, 0
    return stat.st_size, stat.st_mtime_ns


def unfetched(index: Index, cases: Iterable[Case]) -> tuple[Path, ...]:
    """Files of cases that lie elsewhere, and of which nothing is known yet but their sizes."""
    files = dict.fromkeys(path for case in cases for path in (*case.sequences.values(), case.reference) if path)
    return tuple(
        path
        for path in files
        if not is_here(path) and index.get("files", path.relative_to(index.root).as_posix(), file_state(path)) is None
    )


def read_files(
    index: Index, cases: Iterable[Case], *, progress: Progress, passed_over: Container[Path] = ()
) -> dict[Path, FileFacts]:
    """The headers of all files of cases; those that did not change are taken from the index.

    A file that cannot be read, or is shorter than its header says, has a problem; of one that is passed over the size
    alone is told.
    """
    stacked = {path: bool(case.channels) for case in cases for path in case.sequences.values()}
    stacked |= {case.reference: False for case in cases if case.reference}
    facts: dict[Path, FileFacts] = {}
    try:
        for done, (path, is_stack) in enumerate(stacked.items()):
            key, state = path.relative_to(index.root).as_posix(), file_state(path)
            if path in passed_over:
                facts[path] = FileFacts(state[0])
                continue
            kept = index.get("files", key, state)
            if kept is None:
                progress(done, len(stacked), path.name)
                kept = _read(path, stacked=is_stack)
                index.put("files", key, state, kept)
            facts[path] = _facts(state[0], kept)
    finally:
        index.save()
    progress(len(stacked), len(stacked), "")
    return facts


def _read(path: Path, *, stacked: bool) -> dict[str, Any]:
    kept = attempt(partial(_read_header, path, stacked=stacked), of=f"reading the header of {path.name}")
    return {"problem": str(kept)} if isinstance(kept, AflError) else kept


def _read_header(path: Path, *, stacked: bool) -> dict[str, Any]:
    header = read_header(path, stacked=stacked)
    kept = {"shape": list(header.shape[:3]), "affine": header.affine.tolist(), "remarks": list(header.remarks)}
    try:
        check_length(path, header)
    except AflError as error:
        return {**kept, "problem": str(error)}
    return kept


def _facts(size: int, kept: Mapping[str, Any]) -> FileFacts:
    affine = np.array(kept["affine"]) if "affine" in kept else np.eye(4)
    remarks = tuple(kept.get("remarks", ()))
    return FileFacts(size, tuple(kept.get("shape", ())), affine, kept.get("problem", ""), remarks)
