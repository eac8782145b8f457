"""The folder of a training run: what it is, how far it is, and what it leaves. Needs no torch.

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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from afl_core import paths
from afl_core.data.layouts import AS_RECOGNISED, DataOptions
from afl_core.errors import DataError, UsageError
from afl_core.model.checkpoints import CARD, WEIGHTS, load_card
from afl_core.storage import write_atomically
from afl_core.training.config import TrainConfig

RUNS = "runs"
"""Folder of the runs, beside the checkpoints."""

SPEC, STATUS, METRICS, LOG, LAST, LOCK = "run.json", "status.json", "metrics.jsonl", "log.txt", "last.pt", "lock"
CHECKPOINT = "checkpoint"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
STARTING_SECONDS = 30
"""How long a new process may take to lock its run before it is called dead."""

State = Literal["waiting", "running", "stopped", "failed", "finished", "interrupted"]


class RunSpec(BaseModel):
    """What a run was asked to do.

    Attributes:
        config: The training.
        data: Folder of the data set, absolute.
        data_options: How it is read: layout, labels, and which of them are the tumour.
        out: Where the checkpoint also goes; None leaves it in the run alone.
        pair: Name that the runs share which differ in the loss alone; "" where there are none.
        command: What repeats the run, for the card.
        created: Seconds since 1970; runs wait for those that were created before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: TrainConfig
    data: Path
    data_options: DataOptions = AS_RECOGNISED
    out: Path | None = None
    pair: str = ""
    command: str
    created: float


@dataclass(frozen=True)
class RunStatus:
    """How far a run is; `interrupted` is a run whose process is gone without having said why.

    Attributes:
        state: What it does.
        message: In words: what it does, or why it failed.
        step: Steps done.
        steps: Steps due; 0 where that is not known yet.
        seconds: Time spent in training, over all resumptions.
        pid: Of its process; 0 where there is none.
        updated: Seconds since 1970.
    """

    state: State
    message: str
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    pid: int = 0
    updated: float = 0.0


@dataclass(frozen=True)
class RunFolder:
    """A run on disk."""

    path: Path

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.name

    def spec(self) -> RunSpec:
        """What was asked.

        Raises:
            DataError: If there is no such file or it is damaged.
        """
        try:
            return RunSpec.model_validate_json((self.path / SPEC).read_bytes())
        except (OSError, ValidationError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{self.name}/{SPEC} cannot be read as a training run", received=reason) from error

    def status(self) -> RunStatus:
        """How far it is; a run that says it is under way and whose lock is free is interrupted."""
        alive = self.alive()  # before the file is read: a run that ends in between has then said so
        try:
            status = RunStatus(**json.loads((self.path / STATUS).read_bytes()))
        except (OSError, ValueError, TypeError):
            return RunStatus("interrupted", "It has not begun")
        young = time.time() - status.updated < STARTING_SECONDS and status.state == "waiting"
        if status.state in ("waiting", "running") and not alive and not young:
            said = f"Its process ended at step {status.step} without a word" if status.step else "It ended unexpectedly"
            return RunStatus("interrupted", said, status.step, status.steps, status.seconds)
        return status

    def write_status(self, status: RunStatus) -> None:
        """Replace the status."""
        stored = asdict(status) | {"updated": time.time()}
        write_atomically(self.path / STATUS, json.dumps(stored).encode())

    def alive(self) -> bool:
        """Whether a process holds the run: the system frees the lock of one that ends, however it ends."""
        if not (self.path / LOCK).is_file():  # locking would make it, and the folder of a run that was deleted
            return False
        try:
            with self.lock():
                return False
        except Timeout:
            return True
        except OSError:  # it cannot be opened
            return False

    def lock(self) -> FileLock:
        """The lock that the run's process holds as long as it lives."""
        return FileLock(self.path / LOCK, timeout=0)

    def metrics(self) -> list[dict[str, Any]]:
        """The reports so far, in order; keys of `Progress` and seconds. A last line that was cut off is left out."""
        rows = []
        try:
            lines = (self.path / METRICS).read_bytes().splitlines()
        except OSError:
            return []
        for line in lines:
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
        return rows

    def log_tail(self, lines: int = 20) -> str:
        """The end of the log."""
        try:
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
    """Where runs are kept."""
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
    root, found = root or runs_folder(), []
    for path in root.glob(f"*/{SPEC}"):
        try:
            found.append((RunFolder(path.parent).spec().created, path.parent.name))
        except DataError:
            continue
    return [RunFolder(root / name) for _, name in sorted(found, reverse=True)]


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
    try:
        with run.lock():
            aside = Path(tempfile.mkdtemp(dir=run.path.parent, prefix=".deleted-"))
            run.path.replace(aside / run.name)  # at once: no half-deleted run is ever listed
    except Timeout:
        raise UsageError("The run is under way", received=run.name, todo="Stop it first") from None
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
    own = card.model_copy(update={"name": name})
    write_atomically(target / CARD, (own.model_dump_json(indent=2) + "\n").encode())
    return target
