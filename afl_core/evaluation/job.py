"""Evaluate a case, or all, in a process of its own: a page can start, watch and stop it, and stays usable meanwhile.

`python -m afl_core.evaluation.job RESULTS/jobs/CASE` runs what `spec.json` there says and keeps `status.json` current.
"""

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass

from afl_core.base import processes
from afl_core.base.isolation import explained
from afl_core.base.storage import drop_half_written, read_as, write_atomically
from afl_core.base.words import number_of
from afl_core.base.workers import worker_pool
from afl_core.data.layouts import load_cohort
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.manifest import counted, whole_cohort
from afl_core.evaluation.pipeline import CaseResult, evaluate_case, predict_case
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import Source, decide_meanings, parse_sources, source_text
from afl_core.volume import Case

EVERY = ".every"
"""Stands in place of a case id for all cases of the data set."""

SPEC, STATUS = "spec.json", "status.json"

STOP_SECONDS = 2
"""A job that is asked to stop ends within this time; every write is atomic, so nothing is left half-written."""

Count = Annotated[int, Field(ge=0, lt=2**53)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class JobStatus:
    """State of a job: `done` of `total` sources (of EVERY: cases); `message` says what it does or what went wrong.

    Nothing depends on `updated`, in seconds since 1970: a clock may be wrong.
    """

    state: Literal["running", "finished", "failed", "stopped"]
    message: str
    done: Count = 0
    total: Count = 1
    pid: Count = 0
    updated: Annotated[float, Field(allow_inf_nan=False)] = 0.0


class JobSpec(BaseModel):
    """The request of a job; sources as the command line takes them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path
    case_id: str
    sources: tuple[str, ...]
    measured: bool = True


def start_job(
    results: Results,
    *,
    data: Path,
    case_id: str,
    sources: Sequence[Source],
    measured: bool = True,
    private: bool = False,
) -> None:
    """Start evaluating a case, or predicting it alone; does nothing if it is under way already.

    Args:
        results: Results folder, which takes rows, masks and the state of the job.
        data: Folder of the data set.
        case_id: The case, or EVERY.
        sources: Sources that predict.
        measured: Whether masks are measured against the reference, which there must be then.
        private: Whether nobody else may read what it writes.
    """
    folder = _folder(results, case_id).resolve()
    if processes.alive(folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    texts = tuple(source_text(s.name, s.path.resolve(), s.option, s.meaning) for s in sources)
    spec = JobSpec(data=data.resolve(), case_id=case_id, sources=texts, measured=measured)
    starting = JobStatus("running", "Starting", total=len(sources))
    with suppress(UsageError), processes.hold(folder) as lock:  # another tab was faster
        write_atomically(folder / SPEC, spec.model_dump_json().encode())
        processes.start(
            "afl_core.evaluation.job",
            folder,
            lock,
            told=lambda pid: _write(folder, replace(starting, pid=pid)),
            umask=0o077 if private else -1,
        )


def job_status(results: Results, case_id: str) -> JobStatus | None:
    """State of a case's last job, or None if there never was one."""
    try:
        folder = _folder(results, case_id)
    except DataError:
        return None
    alive = processes.alive(folder)  # before the file is read: a job that ends in between has then said so
    path = folder / STATUS
    if not os.path.lexists(path):
        return None
    try:
        status = read_as(JobStatus, path, largest=2**16)
    except DataError as error:
        return JobStatus("running" if alive else "failed", str(error))
    if status.state == "running" and not (alive or processes.alive(folder)):
        if (folder / processes.STOP).exists():
            return JobStatus("stopped", "Stopped")
        log = (folder / processes.LOG).absolute()
        return JobStatus("failed", f"The process ended without a result; its log is {log}")
    return replace(status, done=min(status.done, status.total))


def stop_job(results: Results, case_id: str) -> None:
    """End a running job; what was stored before stays.

    Raises:
        UsageError: If its process goes on nevertheless.
    """
    folder = _folder(results, case_id)

    def pid() -> int:
        status = job_status(results, case_id)
        return status.pid if status else 0

    processes.stop(folder, pid, seconds=STOP_SECONDS)


def _run_here() -> None:
    """The process's own work, from within the results: paths below them end with them, and never come back."""
    folder = processes.begin()
    os.chdir(folder.parents[1])
    folder = folder.relative_to(folder.parents[1])
    processes.on_stop_request(folder, _leave)
    run_job(folder)


def _leave() -> None:
    drop_half_written()
    os._exit(1)  # its workers end with it


def run_job(folder: Path) -> None:
    """Do what a job's folder asks for, and store it."""
    done = 0

    def on_source(name: str) -> None:
        nonlocal done
        _write(folder, JobStatus("running", f"{name}: predicting and measuring", done, total, os.getpid()))
        done += 1

    try:
        spec = read_as(JobSpec, folder / SPEC)
        total = len(spec.sources)
        sources = parse_sources(spec.sources)
        results = Results(folder.parent.parent)
        manifest = results.manifest()
        whole = whole_cohort(manifest) if manifest.described else load_cohort(spec.data)
        sources, cohort = decide_meanings(sources, whole), counted(whole, manifest)
        cases = {case.case_id: case for case in cohort.cases}
        if spec.case_id == EVERY:
            lost = _run_every(folder, results, list(cases.values()), sources)
            message = f"{lost} of {number_of(len(cases), 'case')} could not be measured" if lost else "Finished"
            _write(folder, JobStatus("failed" if lost else "finished", message, len(cases), len(cases)))
            return
        if spec.case_id not in cases:
            raise DataError("The case is no longer there", received=spec.case_id)
        case = cases[spec.case_id]
        if spec.measured:
            known, settings = results.known_keys([spec.case_id]), results.settings()
            result = evaluate_case(case, sources, results.folder, known=known, settings=settings, on_source=on_source)
        else:
            result = predict_case(case, sources, results.folder, on_source=on_source)
        results.add([result])
    except Exception as error:  # noqa: BLE001 - the page shows why, and the log the rest
        _write(folder, JobStatus("failed", str(explained(error, of="evaluating", folder=folder))))
        return
    problems = " ".join(dict.fromkeys((result.problems or {}).values()))
    _write(folder, JobStatus("failed" if problems else "finished", problems or "Finished", total, total))


def _run_every(folder: Path, results: Results, cases: Sequence[Case], sources: Sequence[Source]) -> int:
    """Evaluate all cases on every core; gives the number of those of which something failed."""
    done, lost = 0, 0

    def report(result: CaseResult) -> None:
        nonlocal done, lost
        done, lost = done + 1, lost + bool(result.problems)
        message = f"{done} of {number_of(len(cases), 'case')} measured"
        _write(folder, JobStatus("running", message, done, len(cases), os.getpid()))

    with worker_pool(tasks=len(cases) // 4) as executor:  # a few are measured sooner than workers start
        _write(folder, JobStatus("running", "Measuring every case", 0, len(cases), os.getpid()))
        evaluate_into(results, cases, sources, executor=executor, report=report)
    return lost


def _folder(results: Results, case_id: str) -> Path:
    if Path(case_id).name != case_id or case_id in ("", ".."):
        raise DataError("A case id cannot be a path", received=case_id)
    return results.folder / "jobs" / case_id


def _write(folder: Path, status: JobStatus) -> None:
    write_atomically(folder / STATUS, json.dumps(asdict(status) | {"updated": time.time()}).encode())


if __name__ == "__main__":
    _run_here()
