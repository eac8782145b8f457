"""A case evaluated in a process of its own: it can be watched, it can be stopped, and what fails is said."""

import time
from pathlib import Path

import pytest

from afl_core.errors import DataError
from afl_core.evaluation import job
from afl_core.evaluation.job import EVERY, job_status, run_job, start_job, stop_job
from afl_core.evaluation.results import Results
from afl_core.evaluation.sources import MaskSource, parse_sources
from afl_core.storage import write_atomically


def wait_for_end(results: Results, case_id: str) -> job.JobStatus:
    deadline = time.monotonic() + 60
    while (status := job_status(results, case_id)).state == "running":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return status


def write_spec(results: Results, data: Path, case_id: str, *sources: str) -> Path:
    """What `start_job` writes, for a job that runs in this process."""
    import json

    folder = results.folder / "jobs" / case_id
    spec = {"results": str(results.folder), "data": str(data), "case_id": case_id, "sources": list(sources)}
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


def test_a_process_that_died_is_not_called_running_for_ever(cohort, tmp_path, monkeypatch):
    results = Results(tmp_path / "results")
    folder = write_spec(results, cohort, "Case_A", "A=x")
    job._write(folder, job.JobStatus("running", "Starting", total=1, pid=2**22 + 1))
    assert job_status(results, "Case_A").state == "running"
    monkeypatch.setattr(job, "STARTING_SECONDS", -1)
    status = job_status(results, "Case_A")
    assert status.state == "failed"
    assert "log.txt" in status.message


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"state": "running", "colour": 1}'])
def test_a_damaged_status_counts_as_none(tmp_path, data):
    results = Results(tmp_path)
    write_atomically(tmp_path / "jobs" / "a" / "status.json", data)
    assert job_status(results, "a") is None


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
    assert "Case_B" in results.manifest()["problems"]
