"""The test cases of a batch are measured when its last run has ended; what fails there leaves the checkpoints alone."""

import io
import sys
import time

import pytest
from made_runs import ADAPTIVE, FOCAL, make_run

from afl_core.base import paths, processes
from afl_core.data.splits import SPLITS_FILE
from afl_core.errors import DataError
from afl_core.evaluation import from_runs, training_process
from afl_core.evaluation.from_runs import ended_batch, measuring_job, open_runs
from afl_core.evaluation.job import EVERY
from afl_core.evaluation.results import Results
from afl_core.training import process
from afl_core.training.run_records import RunStatus
from afl_core.training.runs import RunFolder, runs_folder


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(paths, "MODELS", tmp_path / "models")


@pytest.fixture
def pair(cohort):
    """Two runs of a batch, of milliseconds each."""
    return [
        make_run(runs_folder(), cohort, config, name=name, pair="p", created=created)
        for name, config, created in (("fl", FOCAL, 1.0), ("afl", ADAPTIVE, 2.0))
    ]


@pytest.fixture
def train(monkeypatch):
    """What the process of a run does, here."""

    def main(run: RunFolder) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        monkeypatch.setattr(sys, "argv", ["process", str(run.path)])
        with run.lock():
            process.main(training_process.measure)

    return main


def test_the_last_run_of_a_batch_has_its_test_cases_measured_by_every_checkpoint(pair, train, monkeypatch):
    first, last = pair
    last.write_status(RunStatus("stopped", "Stopped"))
    with last.lock():
        last.write_status(RunStatus("waiting", "Waiting for fl"))
        train(first)
    assert first.status().state == "finished"
    assert measuring_job([first]) is None  # the other one is still to come
    train(last)
    while (job := measuring_job(pair)).state == "running":
        time.sleep(0.1)
    assert (job.state, job.done, job.total) == ("finished", 1, 1)
    (folder,) = paths.RESULTS.iterdir()
    rows = Results(folder).cases()
    assert sorted(zip(rows["case_id"], rows["source"], strict=True)) == [("Case_D", "A-FL"), ("Case_D", "FL")]
    assert [run.status().message for run in pair] == ["Finished", "Finished"]
    monkeypatch.setattr(from_runs, "start_job", lambda *args, **job: pytest.fail("It is measured already"))
    assert open_runs(pair) == folder.name


@pytest.fixture
def started(monkeypatch):
    """Names of the results into which every test case was to be measured."""
    names = []

    def start(results, **job):
        assert job["case_id"] == EVERY
        names.append((results.folder.name, [source.name for source in job["sources"]]))

    monkeypatch.setattr(from_runs, "start_job", start)
    return names


def test_a_failed_run_does_not_keep_the_others_from_being_measured(pair, train, started):
    first, last = pair
    train(first)
    started.clear()
    (last.path / SPLITS_FILE).write_text("broken")
    with pytest.raises(SystemExit):
        train(last)
    assert last.status().state == "failed"
    assert [sources for _, sources in started] == [["FL"]]


def test_a_stopped_run_starts_no_measurement(pair, train, started, monkeypatch):
    monkeypatch.setattr(process, "wait_for_turn", lambda run: False)
    train(pair[0])
    assert not started


def test_what_goes_wrong_with_the_measurement_is_said_with_the_run_whose_checkpoint_stays(pair, train, monkeypatch):
    def full(*args, **kwargs):
        raise DataError("The disk is full")

    monkeypatch.setattr(from_runs, "start_job", full)
    train(pair[1])
    status = pair[1].status()
    assert (status.state, status.message) == (
        "finished",
        "Finished. Its test cases are not measured: The disk is full.",
    )
    assert pair[1].checkpoint
    assert not processes.alive(pair[1].path)


def test_runs_of_another_batch_are_not_waited_for(pair, cohort):
    pair[1].write_status(RunStatus("running", "Training"))
    alone = make_run(runs_folder(), cohort, name="alone")
    with pair[1].lock():
        assert ended_batch(pair[0]) == []
        assert ended_batch(alone) == []  # it is not finished, and has no others to wait for
