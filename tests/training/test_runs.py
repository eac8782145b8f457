"""A run's folder belongs to one run, tells how far it is, and is never read half-written or removed while in use."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from made_runs import FOCAL, make_run

from afl_core.base import storage
from afl_core.base.processes import LOCK
from afl_core.errors import DataError, UsageError
from afl_core.model.checkpoints import CARD, WEIGHTS, load_card
from afl_core.training.run_records import STARTING, RunStatus
from afl_core.training.runs import (
    CHECKPOINT,
    LOG,
    METRICS,
    SPEC,
    STATUS,
    RunFolder,
    create_run,
    delete_run,
    find_run,
    list_runs,
    publish_run,
)


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "runs", tmp_path, FOCAL)


def test_a_run_is_kept_as_it_was_asked_for(run, tmp_path):
    spec = RunFolder(run.path).spec()
    assert (spec.config, spec.data, spec.command) == (FOCAL, tmp_path, "afl train x")
    assert run.name == "run"
    assert (run.metrics(), run.log_tail(), run.checkpoint) == ([], "", None)
    assert run.status().state == "interrupted"
    assert run.status().message == "It has not begun"


def test_two_runs_never_share_a_folder(run, tmp_path):
    """Also when many are made at once."""
    spec = run.spec()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: create_run("run", spec, root=run.path.parent).name, range(24)))
    assert len({*made, "run"}) == 25
    assert set(made) == {f"run-{k}" for k in range(2, 26)}


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "-x", ".hidden", "a b", "x" * 61, "é", "a\n"])
def test_a_name_that_could_lead_elsewhere_is_refused(run, name):
    with pytest.raises(UsageError, match="plain name"):
        create_run(name, run.spec(), root=run.path.parent)
    assert [path.name for path in run.path.parent.iterdir()] == ["run"]


def test_a_disk_without_room_for_a_run_leaves_nothing(run, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        create_run("other", run.spec(), root=run.path.parent)
    assert [path.name for path in run.path.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"config": {}}', b"\xff"])
def test_a_damaged_run_is_named_and_not_listed(run, content):
    (run.path / SPEC).write_bytes(content)
    with pytest.raises(DataError, match=r"run/run\.json cannot be read as a training run") as caught:
        run.spec()
    assert "\n" not in str(caught.value)
    assert list_runs(run.path.parent) == []


def test_runs_are_listed_the_newest_first(tmp_path):
    for name, created in (("b", 2), ("a", 3), ("c", 1)):
        make_run(tmp_path, tmp_path, name=name, created=created)
    (tmp_path / "no_run").mkdir()
    assert [run.name for run in list_runs(tmp_path)] == ["a", "b", "c"]
    assert list_runs(tmp_path / "nowhere") == []


def test_a_run_is_found_by_name_or_path(run, tmp_path):
    assert find_run("run", run.path.parent) == run
    assert find_run(str(run.path), tmp_path / "elsewhere") == run
    with pytest.raises(UsageError, match=r"no such training run \(received: rnu\)\. There are: run"):
        find_run("rnu", run.path.parent)
    with pytest.raises(UsageError, match="There are: none yet"):
        find_run("run", tmp_path / "elsewhere")


RUNNING = RunStatus("running", "Training", 7, 20, 3.5, pid=1)


@pytest.mark.parametrize("state", ["running", "waiting"])
@pytest.mark.parametrize("age", [-7200, 0, 60])
def test_a_run_whose_process_is_gone_is_interrupted_whoever_has_its_number_now(run, state, age):
    """Process 1 is always alive: neither the number nor the clock says anything, the lock does."""
    run.write_status(replace(RUNNING, state=state))
    stored = json.loads((run.path / STATUS).read_text())
    (run.path / STATUS).write_text(json.dumps(stored | {"updated": time.time() - age}))
    found = run.status()
    assert (found.state, found.step, found.steps, found.seconds, found.pid) == ("interrupted", 7, 20, 3.5, 0)
    assert found.message == f"Its process ended at step 7 without a word; its log is {run.path.absolute() / LOG}"


def test_a_run_whose_lock_is_held_is_under_way(run):
    run.write_status(RUNNING)
    with run.lock():
        assert run.alive()
        assert run.status().state == "running"
    assert not run.alive()
    assert run.status().state == "interrupted"


def test_a_process_that_has_not_said_anything_yet_is_starting_as_long_as_it_lives(run):
    run.write_status(RunStatus("waiting", STARTING, pid=1))
    with run.lock():
        assert (run.status().state, run.status().message) == ("waiting", "Starting")
    assert run.status().state == "interrupted"
    assert run.status().message == f"Its process ended before it said anything; its log is {run.path.absolute() / LOG}"


@pytest.mark.parametrize("state", ["stopped", "failed", "finished"])
def test_what_a_run_said_at_its_end_stays(run, state):
    run.write_status(replace(RUNNING, state=state, message="Said"))
    assert (run.status().state, run.status().message) == (state, "Said")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"3",
        b"[" * 100_000,
        b'{"step": 1}',
        b'{"state": "running", "message": "", "x": 1}',
        b'{"state": "running", "message": "x", "updated": "a"}',
        b'{"state": "?", "message": "x"}',
        b'{"state": "running", "message": "x", "step": -5}',
        b'{"state": "running", "message": "x", "seconds": Infinity}',
        b'{"state": "waiting", "message": "x", "pid": -1}',
    ],
)
def test_a_damaged_status_is_one_message(run, content):
    (run.path / STATUS).write_bytes(content)
    assert run.status().state == "interrupted"
    assert run.status().message.startswith("status.json cannot be read (received: ")
    assert "\n" not in run.status().message


def test_pipes_in_place_of_a_runs_files_are_not_waited_for(run):
    for name in (STATUS, METRICS, LOG, LOCK):
        os.mkfifo(run.path / name)
    assert "no regular file" in run.status().message
    assert (run.metrics(), run.log_tail(), run.alive()) == ([], "", False)
    (run.path / SPEC).unlink()
    os.mkfifo(run.path / SPEC)
    with pytest.raises(DataError, match="no regular file"):
        run.spec()
    assert list_runs(run.path.parent) == []


def row(step, **changed):
    return {"step": step, "loss": 0.5, "validation_dsc": None, "learning_rate": 0.1, "seconds": 1.0} | changed


def test_a_last_line_that_was_cut_off_is_not_read(run):
    spread = {"mean": 2.0, "low": 1.0, "middle": 2.0, "high": 3.0}
    rows = [row(10, factors={}), row(20, validation_dsc=0.5, factors={"gamma": spread})]
    whole = "".join(json.dumps(line) + "\n" for line in rows)
    for cut in range(len(whole)):
        (run.path / METRICS).write_text(whole[:cut])
        found = run.metrics()
        assert found == rows[: len(found)]
    (run.path / METRICS).write_text(whole)
    assert run.metrics() == rows


@pytest.mark.parametrize(
    "line",
    [
        "123",
        "null",
        "{}",
        "[" * 100_000,
        json.dumps(row("x")),
        json.dumps(row(1, loss=None)),
        json.dumps(row(1, loss=float("nan"))),
        json.dumps(row(1, factors=None)),
        json.dumps(row(1, factors={"gamma": {"mean": 1}})),
        "\xff",
    ],
)
def test_reports_are_read_up_to_a_damaged_one(run, line):
    good = json.dumps(row(10))
    (run.path / METRICS).write_text(f"{good}\n{line}\n{good}\n", encoding="latin-1")
    assert [found["step"] for found in run.metrics()] == [10]


def test_the_tail_of_the_log(run):
    (run.path / LOG).write_bytes(b"\n".join(b"line %d" % k for k in range(5000)) + b"\n\xff end")
    assert run.log_tail(2) == "line 4999\n\ufffd end"
    assert len(run.log_tail().splitlines()) == 20


def test_a_run_that_is_under_way_is_not_deleted(run):
    with run.lock(), pytest.raises(UsageError, match=r"The run is under way \(received: run\)\. Stop it first"):
        delete_run(run)
    assert run.spec()
    delete_run(run)
    assert list(run.path.parent.iterdir()) == []


def test_a_deleted_run_stays_deleted_when_it_is_asked_how_it_is(run):
    delete_run(run)
    assert not run.alive()
    assert run.status().state == "interrupted"
    assert not run.path.exists()


def test_a_new_run_has_no_lock_until_somebody_takes_it(run):
    assert not run.alive()
    assert not (run.path / LOCK).exists()


def test_a_finished_run_is_published_once(run, tmp_path, make_checkpoint):
    models = tmp_path / "models"
    with pytest.raises(UsageError, match=r"no checkpoint yet \(received: run\)"):
        publish_run(run, "best", models=models)
    make_checkpoint(run.path / CHECKPOINT)
    assert run.checkpoint == run.path / CHECKPOINT
    target = publish_run(run, "best", models=models)
    assert target == models / "best"
    assert load_card(target) == load_card(run.checkpoint).model_copy(update={"name": "best"})
    assert (target / WEIGHTS).read_bytes() == (run.checkpoint / WEIGHTS).read_bytes()
    assert publish_run(run, "best", models=models) == target  # again is no mistake

    other = make_run(run.path.parent, tmp_path, name="other")
    make_checkpoint(other.path / CHECKPOINT, seed=1)
    before = (target / CARD).read_bytes()
    with pytest.raises(UsageError, match=r"another checkpoint of that name \(received: best\)"):
        publish_run(other, "best", models=models)
    assert (target / CARD).read_bytes() == before


@pytest.mark.parametrize("name", ["runs", "../best", "a/b", "", ".x"])
def test_a_checkpoint_is_published_under_a_plain_name_only(run, tmp_path, make_checkpoint, name):
    make_checkpoint(run.path / CHECKPOINT)
    with pytest.raises(UsageError, match="plain name"):
        publish_run(run, name, models=tmp_path / "models")
    assert not (tmp_path / "models").exists()
