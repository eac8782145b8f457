"""A case evaluated in a process of its own: it can be watched, it can be stopped, and what fails is said."""

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from afl_core.base import processes
from afl_core.base.storage import write_atomically
from afl_core.errors import DataError
from afl_core.evaluation import job
from afl_core.evaluation.job import EVERY, job_status, run_job, start_job, stop_job
from afl_core.evaluation.results import Results
from afl_core.evaluation.sources import MaskSource, parse_sources


def wait_for_end(results: Results, case_id: str) -> job.JobStatus:
    deadline = time.monotonic() + 60
    while (status := job_status(results, case_id)).state == "running":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return status


def write_spec(results: Results, data: Path, case_id: str, *sources: str) -> Path:
    """What `start_job` writes, for a job that runs in this process."""
    folder = results.folder / "jobs" / case_id
    spec = {"data": str(data), "case_id": case_id, "sources": list(sources)}
    write_atomically(folder / "spec.json", json.dumps(spec).encode())
    return folder


def test_a_job_stores_rows_and_ends(cohort, masks, tmp_path):
    results = Results(tmp_path / "results")
    assert job_status(results, "Case_A") is None
    start_job(results, data=cohort, case_id="Case_A", sources=(MaskSource("A", masks),))
    assert job_status(results, "Case_A").state == "running"
    status = wait_for_end(results, "Case_A")
    assert (status.state, status.done, status.total) == ("finished", 1, 1)
    assert results.cases()["dsc"].tolist() == [0.75]
    stop_job(results, "Case_A")  # too late: nothing happens
    assert job_status(results, "Case_A").state == "finished"


def test_a_job_stopped_at_once_leaves_nothing_running(cohort, masks, tmp_path):
    """Also before the process has finished its imports and taken its lock."""
    results = Results(tmp_path / "results")
    start_job(results, data=cohort, case_id="Case_A", sources=(MaskSource("A", masks),))
    pid = job_status(results, "Case_A").pid
    stop_job(results, "Case_A")
    assert job_status(results, "Case_A").state == "stopped"
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}/stat").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < deadline, "the process goes on"
        time.sleep(0.1)
    assert job_status(results, "Case_A").state == "stopped"
    assert results.cases().empty


def test_what_goes_wrong_is_the_message_of_the_job(cohort, masks, tmp_path):
    results = Results(tmp_path / "results")
    (masks / "Case_A.nii.gz").write_bytes(b"")
    run_job(write_spec(results, cohort, "Case_A", f"A={masks}"))
    status = job_status(results, "Case_A")
    assert status.state == "failed"
    assert "Case_A.nii.gz cannot be read as an image" in status.message
    run_job(write_spec(results, cohort, "Case_Z", f"A={masks}"))
    assert "The case is no longer there (received: Case_Z)" in job_status(results, "Case_Z").message
    run_job(write_spec(results, cohort, "Case_B", "A=/nowhere"))
    assert "The source A does not exist" in job_status(results, "Case_B").message


def test_progress_counts_the_sources(cohort, masks, tmp_path, monkeypatch):
    results = Results(tmp_path / "results")
    said = []
    monkeypatch.setattr(job, "_write", lambda folder, status: said.append((status.state, status.done, status.total)))
    run_job(write_spec(results, cohort, "Case_C", f"A={masks}", f"B={masks}"))
    assert said == [("running", 0, 2), ("running", 1, 2), ("finished", 2, 2)]
    assert results.cases()["source"].tolist() == ["A", "B"]


def test_a_process_that_died_is_not_called_running_however_late_it_is(cohort, tmp_path, monkeypatch):
    """Also where the clock was set back since, and where another process has its number."""
    results = Results(tmp_path / "results")
    folder = write_spec(results, cohort, "Case_A", "A=x")
    job._write(folder, job.JobStatus("running", "Starting", pid=os.getppid()))
    said = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps(said | {"updated": time.time() + 7200}))
    status = job_status(results, "Case_A")
    assert status.state == "failed"
    assert status.message.endswith(f"its log is {folder / 'log.txt'}")
    monkeypatch.chdir(tmp_path)  # the results may have been named from here
    assert job_status(Results(Path("results")), "Case_A").message == status.message
    stop_job(results, "Case_A")  # nobody is ended
    os.kill(os.getppid(), 0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        b"[" * 100_000,
        b'{"state": "running", "message": "x", "colour": 1}',
        b'{"state": "running", "message": "x", "pid": -1}',
        b'{"state": "running", "message": "x", "pid": "7"}',
        b'{"state": "running", "message": "x", "pid": true}',
        b'{"state": "running", "message": "x", "updated": "soon"}',
        b'{"state": "running", "message": "x", "updated": NaN}',
        b'{"state": "running", "message": "x", "done": 1e999}',
        b'{"state": "?", "message": null}',
    ],
)
def test_a_damaged_status_is_one_message(tmp_path, data):
    results = Results(tmp_path)
    write_atomically(tmp_path / "jobs" / "a" / "status.json", data)
    status = job_status(results, "a")
    assert status.state == "failed"
    assert status.message.startswith("status.json cannot be read (received: ")
    assert "\n" not in status.message
    stop_job(results, "a")


def test_a_status_that_is_a_pipe_is_one_message(tmp_path):
    (tmp_path / "jobs" / "a").mkdir(parents=True)
    os.mkfifo(tmp_path / "jobs" / "a" / "status.json")
    assert "no regular file" in job_status(Results(tmp_path), "a").message


def test_more_done_than_there_is_counts_as_all(tmp_path):
    write_atomically(
        tmp_path / "jobs/a/status.json", b'{"state": "failed", "message": "x", "done": 5, "total": 1, "pid": 0}'
    )
    assert job_status(Results(tmp_path), "a").done == 1


def test_a_job_that_many_start_at_once_is_started_once(cohort, masks, tmp_path):
    results = Results(tmp_path / "results")
    before = len(processes._children)
    with ThreadPoolExecutor(8) as pool:
        options = {"data": cohort, "case_id": "Case_A", "sources": (MaskSource("A", masks),)}
        list(pool.map(lambda _: start_job(results, **options), range(8)))
    started = [child for child in processes._children[-8:] if child.poll() is None]
    assert len(started) == 1
    assert len(processes._children) <= before + 1
    assert wait_for_end(results, "Case_A").state == "finished"


def test_a_job_whose_results_are_removed_ends_and_brings_nothing_back(cohort, masks, tmp_path):
    """As those of an upload, when its page is closed or its server was killed."""
    results = Results(tmp_path / "results")
    start_job(results, data=cohort, case_id=EVERY, sources=(MaskSource("A", masks),), private=True)
    folder = results.folder / "jobs" / EVERY
    while job_status(results, EVERY).message == "Starting":
        time.sleep(0.01)
    assert (folder / "status.json").stat().st_mode & 0o077 == 0
    pid = job_status(results, EVERY).pid
    results.folder.rename(tmp_path / "aside")
    shutil.rmtree(tmp_path / "aside", ignore_errors=True)
    ended = next(child for child in processes._children if child.pid == pid)
    ended.wait(20)
    assert not results.folder.exists()


def test_a_case_id_that_is_a_path_is_refused(tmp_path, masks):
    for case_id in ("../../etc", "a/b", "..", ""):
        with pytest.raises(DataError, match="A case id cannot be a path"):
            start_job(Results(tmp_path), data=tmp_path, case_id=case_id, sources=parse_sources([f"A={masks}"]))


def test_a_job_for_every_case_measures_all_and_counts_those_that_fail(cohort, masks, tmp_path):
    (masks / "Case_B.nii.gz").write_bytes(b"no image")
    results = Results(tmp_path / "results")
    run_job(write_spec(results, cohort, EVERY, f"A={masks}"))
    status = job_status(results, EVERY)
    assert (status.state, status.message, status.done) == ("failed", "1 of 4 cases could not be measured", 4)
    assert sorted(results.cases()["case_id"]) == ["Case_A", "Case_C", "Case_D"]
    assert "Case_B" in results.manifest().problems
