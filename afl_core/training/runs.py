"""The folder of a training run: what it holds, how it is made, found, published and deleted. Needs no torch.

`models/runs/NAME/` holds `run.json` (what was asked), `status.json`, `splits.json`, `metrics.jsonl` (a line a report),
`log.txt`, `last.pt` (everything that the next step depends on, and the best weights), `environment.json` and, once
finished, `checkpoint/`. Every file but the log and the metrics is replaced whole; of the metrics a last line that was
cut off is not read.
"""

import json
import os
import re
import shutil
import tempfile
import time
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from afl_core.base import paths, processes
from afl_core.base.processes import LOG
from afl_core.base.storage import MAX_TEXT, read_as, read_bounded, write_atomically
from afl_core.errors import DataError, UsageError
from afl_core.model.checkpoints import CARD, WEIGHTS, load_card
from afl_core.training.run_records import STARTING, UNDER_WAY, Report, RunSpec, RunStatus

RUNS = "runs"
"""Folder of the runs, beside the checkpoints."""

SPEC, STATUS, METRICS, LAST = "run.json", "status.json", "metrics.jsonl", "last.pt"
CHECKPOINT = "checkpoint"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


_REPORT = TypeAdapter(Report)


@dataclass(frozen=True)
class RunFolder:
    """A run on disk."""

    path: Path

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.name

    def spec(self) -> RunSpec:
        """The specification of the run.

        Raises:
            DataError: If there is no such file or it is damaged.
        """
        try:
            return read_as(RunSpec, self.path / SPEC)
        except DataError as error:
            what = f"{self.name}/{SPEC} cannot be read as a training run"
            raise DataError(what, received=error.received, todo="Put it back, or delete the folder") from error

    def status(self) -> RunStatus:
        """The status of the run; one that says it is under way and whose lock is free is interrupted."""
        alive = self.alive()  # before the file is read: a run that ends in between has then said so
        if not os.path.lexists(self.path / STATUS):
            return RunStatus("waiting", STARTING) if alive else RunStatus("interrupted", "It has not begun")
        try:
            status = read_as(RunStatus, self.path / STATUS, largest=2**16)
        except DataError as error:
            return RunStatus("running" if alive else "interrupted", str(error))
        if status.state not in UNDER_WAY or alive or self.alive():
            return status
        ended = replace(status, state="interrupted", pid=0)
        if (self.path / processes.STOP).exists():
            return replace(ended, state="stopped", message=f"Stopped at step {status.step}")
        when = "before it said anything" if status.message == STARTING else f"at step {status.step} without a word"
        return replace(ended, message=f"Its process ended {when}; its log is {(self.path / LOG).absolute()}")

    def write_status(self, status: RunStatus) -> None:
        """Replace the status; a run that was deleted stays so."""
        if self.path.is_dir():
            write_atomically(self.path / STATUS, json.dumps(asdict(status) | {"updated": time.time()}).encode())

    def alive(self) -> bool:
        """Whether a process holds the run."""
        return processes.alive(self.path)

    def lock(self) -> AbstractContextManager[int]:
        """The lock that the run's process holds as long as it lives.

        Raises:
            UsageError: If another process has it.
        """
        return processes.hold(self.path)

    def metrics(self) -> list[dict[str, Any]]:
        """The reports so far, in order, as `Report`; from a line on that is cut off or damaged they are left out."""
        rows = []
        try:
            lines = read_bounded(self.path / METRICS, MAX_TEXT).splitlines()
        except (OSError, ValueError):
            return []
        for line in lines:
            try:
                rows.append(asdict(_REPORT.validate_json(line)))
            except ValidationError:
                break
        return rows

    def log_tail(self, lines: int = 20) -> str:
        """The end of the log."""
        try:
            if not (self.path / LOG).is_file():  # a pipe would be waited for
                return ""
            with (self.path / LOG).open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 200 * lines))
                return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    @property
    def checkpoint(self) -> Path | None:
        """Folder of the finished run's checkpoint, or None."""
        folder = self.path / CHECKPOINT
        return folder if (folder / CARD).is_file() else None


def runs_folder() -> Path:
    """The folder in which the runs are kept."""
    return paths.MODELS / RUNS


def create_run(name: str, spec: RunSpec, *, root: Path | None = None) -> RunFolder:
    """Make the folder of a run; where the name is taken, a number is added to it.

    Raises:
        UsageError: If the name is not a plain file name.
    """
    if not NAME.fullmatch(name):
        todo = "Use up to 60 letters, digits, dots, dashes and underscores, and begin with a letter or digit"
        raise UsageError("A run needs a plain name", received=name, todo=todo)
    root = root or runs_folder()
    root.mkdir(parents=True, exist_ok=True)
    for number in range(1, 10_000):
        path = root / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()  # whoever makes it owns it
        except FileExistsError:
            continue
        try:
            write_atomically(path / SPEC, (spec.model_dump_json(indent=2) + "\n").encode())
        except OSError:
            shutil.rmtree(path, ignore_errors=True)  # the name stays free
            raise
        return RunFolder(path)
    raise UsageError("Too many runs of that name", received=name)


def list_runs(root: Path | None = None) -> list[RunFolder]:
    """The runs of a folder, the newest first; folders that are no run are left out."""
    root, dated = root or runs_folder(), []
    for path in root.glob(f"*/{SPEC}"):
        try:
            dated.append((RunFolder(path.parent).spec().created, path.parent.name))
        except DataError:
            continue
    return [RunFolder(root / name) for _, name in sorted(dated, reverse=True)]


def find_run(name: str, root: Path | None = None) -> RunFolder:
    """A run by its name or path.

    Raises:
        UsageError: If there is no such run; names those there are.
    """
    for path in ((root or runs_folder()) / Path(name).name, Path(name)):
        if (path / SPEC).is_file():
            return RunFolder(path)
    known = ", ".join(run.name for run in list_runs(root)[:10]) or "none yet"
    raise UsageError("There is no such training run", received=name, todo=f"There are: {known}")


def delete_run(run: RunFolder) -> None:
    """Remove a run and everything that it left.

    Raises:
        UsageError: If it is under way.
    """
    if run.alive():
        raise UsageError("The run is under way", received=run.name, todo="Stop it first")
    with run.lock():
        aside = Path(tempfile.mkdtemp(dir=run.path.parent, prefix=".deleted-"))
        run.path.replace(aside / run.name)  # at once: no half-deleted run is ever listed
    shutil.rmtree(aside, ignore_errors=True)


def publish_run(run: RunFolder, name: str, *, models: Path | None = None) -> Path:
    """Copy a finished run's checkpoint to `models/NAME`, where every page finds it.

    Raises:
        UsageError: If the run has no checkpoint, or the name is not plain or taken by another checkpoint.
    """
    source, target = run.checkpoint, (models or paths.MODELS) / name
    if source is None:
        raise UsageError("The run has no checkpoint yet", received=run.name, todo="Wait until it is finished")
    if not NAME.fullmatch(name) or name == RUNS:
        raise UsageError("A checkpoint needs a plain name", received=name)
    card = load_card(source)
    if target.exists():
        if (target / CARD).is_file() and load_card(target).weights_sha256 == card.weights_sha256:
            return target
        raise UsageError("There is another checkpoint of that name", received=name, todo="Choose another name")
    write_atomically(target / WEIGHTS, (source / WEIGHTS).read_bytes())
    renamed = card.model_copy(update={"name": name})
    write_atomically(target / CARD, (renamed.model_dump_json(indent=2) + "\n").encode())
    return target
