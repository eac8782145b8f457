"""Evaluate a case, or all, in a process of its own: a page can start, watch and stop it, and stays usable meanwhile.

`python -m afl_core.evaluation.job FOLDER` runs what `FOLDER/spec.json` says and keeps `FOLDER/status.json` current. The
process holds a lock on the folder as long as it lives: that, not its number, tells whether it still runs.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from afl_core.data.layouts import load_cohort
from afl_core.errors import AflError, DataError
from afl_core.evaluation.manifest import counted, whole_cohort
from afl_core.evaluation.pipeline import CaseResult, evaluate_case, predict_case
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import evaluate_into, worker_pool
from afl_core.evaluation.sources import Source, parse_sources, source_text
from afl_core.storage import write_atomically
from afl_core.volume import Case

_children: list[subprocess.Popen[bytes]] = []  # kept so that ended ones can be reaped

EVERY = ".every"
"""In place of a case id: all cases of the data set."""

STARTING_SECONDS = 30
"""How long a new process may take to take its lock before it is called dead."""


@dataclass(frozen=True)
class JobStatus:
    """State of a job: `done` of `total` sources (of EVERY: cases); `message` says what it does or what went wrong."""

    state: Literal["running", "finished", "failed", "stopped"]
    message: str
    done: int = 0
    total: int = 1
    pid: int = 0
    updated: float = 0.0


def start_job(results: Results, *, data: Path, case_id: str, sources: Sequence[Source], measured: bool = True) -> None:
    """Start evaluating a case, or predicting it alone; does nothing if it is under way already.

    Args:
        results: Where rows and masks go, and the state of the job.
        data: Folder of the data set.
        case_id: The case, or EVERY.
        sources: What predicts.
        measured: Whether masks are measured against the reference, which there must be then.
    """
    if (status := job_status(results, case_id)) and status.state == "running":
        return
    folder = _folder(results, case_id)
    spec = {"results": str(results.folder.resolve()), "data": str(data.resolve()), "case_id": case_id}
    spec |= {"measured": measured}  # type: ignore[dict-item]
    spec |= {"sources": [source_text(s.name, s.path.resolve(), s.option) for s in sources]}  # type: ignore[dict-item]
    write_atomically(folder / "spec.json", json.dumps(spec).encode())
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "afl_core.evaluation.job", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _children[:] = [child for child in _children if child.poll() is None] + [process]
    _write(folder, JobStatus("running", "Starting", total=len(sources), pid=process.pid))


def job_status(results: Results, case_id: str) -> JobStatus | None:
    """State of a case's last job, or None if there never was one."""
    try:
        folder = _folder(results, case_id)
        status = JobStatus(**json.loads((folder / "status.json").read_bytes()))
    except (OSError, ValueError, TypeError, DataError):
        return None
    if status.state == "running" and not _alive(folder) and time.time() - status.updated > STARTING_SECONDS:
        return JobStatus("failed", f"The process ended without a result; its log is {folder / 'log.txt'}")
    return status


def stop_job(results: Results, case_id: str) -> None:
    """End a running job; what was stored before stays."""
    folder = _folder(results, case_id)
    status = job_status(results, case_id)
    if status is None or status.state != "running":
        return
    if status.pid > 0:  # also while it starts and holds no lock yet
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(status.pid, signal.SIGKILL)  # every write is atomic, so nothing is left half-written
    _write(folder, JobStatus("stopped", "Stopped"))


def run_job(folder: Path) -> None:
    """The process's own work: evaluate the case and store it."""
    with FileLock(folder / "lock"):
        spec = json.loads((folder / "spec.json").read_bytes())
        total = len(spec["sources"])
        done = 0

        def on_source(name: str) -> None:
            nonlocal done
            _write(folder, JobStatus("running", f"{name}: predicting and measuring", done, total, os.getpid()))
            done += 1

        try:
            sources = parse_sources(spec["sources"])
            results = Results(Path(spec["results"]))
            manifest = results.manifest()
            cohort = (
                counted(whole_cohort(manifest), manifest) if "data" in manifest else load_cohort(Path(spec["data"]))
            )
            cases = {case.case_id: case for case in cohort.cases}
            if spec["case_id"] == EVERY:
                lost = _run_every(folder, results, list(cases.values()), sources)
                message = f"{lost} of {len(cases)} cases could not be measured" if lost else "Finished"
                _write(folder, JobStatus("failed" if lost else "finished", message, len(cases), len(cases)))
                return
            if spec["case_id"] not in cases:
                raise DataError("The case is no longer there", received=spec["case_id"])
            case = cases[spec["case_id"]]
            if spec.get("measured", True):
                known, settings = results.known_keys(), results.settings()
                result = evaluate_case(
                    case, sources, results.folder, known=known, settings=settings, on_source=on_source
                )
            else:
                result = predict_case(case, sources, results.folder, on_source=on_source)
            results.add([result])
        except (AflError, OSError) as error:
            _write(folder, JobStatus("failed", str(error)))
            return
        problems = " ".join(dict.fromkeys((result.problems or {}).values()))
        _write(folder, JobStatus("failed" if problems else "finished", problems or "Finished", total, total))


def _run_every(folder: Path, results: Results, cases: Sequence[Case], sources: Sequence[Source]) -> int:
    """Evaluate all cases on every core; gives the number of those of which something failed."""
    done, lost = 0, 0

    def report(result: CaseResult) -> None:
        nonlocal done, lost
        done, lost = done + 1, lost + bool(result.problems)
        _write(folder, JobStatus("running", f"{done} of {len(cases)} cases measured", done, len(cases), os.getpid()))

    with worker_pool(tasks=len(cases) // 4) as executor:  # a few are measured sooner than workers start
        _write(folder, JobStatus("running", "Measuring every case", 0, len(cases), os.getpid()))
        evaluate_into(results, cases, sources, executor=executor, report=report)
    return lost


def _folder(results: Results, case_id: str) -> Path:
    if Path(case_id).name != case_id or case_id in ("", ".."):
        raise DataError("A case id cannot be a path", received=case_id)
    return results.folder / "jobs" / case_id


def _alive(folder: Path) -> bool:
    try:
        with FileLock(folder / "lock", timeout=0):
            return False
    except Timeout:
        return True


def _write(folder: Path, status: JobStatus) -> None:
    data = asdict(status) | {"updated": time.time()}
    write_atomically(folder / "status.json", json.dumps(data).encode())


if __name__ == "__main__":
    run_job(Path(sys.argv[1]))
