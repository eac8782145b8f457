"""A run that is killed, stopped or out of disk at any moment goes on to the bytes that it would have had.

Four kills at random moments; AFL_KILLS=20 makes it twenty, each of a run of its own.
"""

import os
import signal
import time

import numpy as np
import pytest
import torch
from made_kills import STUCK, start
from made_runs import ADAPTIVE, make_run

from afl_core.base.processes import LOCK
from afl_core.model.checkpoints import WEIGHTS
from afl_core.training.runs import CHECKPOINT, LAST, METRICS, RunFolder

KILLS = int(os.environ.get("AFL_KILLS", "4"))
CONFIG = ADAPTIVE.model_copy(update={"steps": 12, "validate_every": 5, "batch_size": 1})


@pytest.fixture(scope="module")
def data(_written):
    return _written / "cohort"


def finish(run: RunFolder, **trouble):
    process = start(run, **trouble)
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def outcome(run: RunFolder):
    """What may not depend on what happened to the run: weights, best step, and every report but its time."""
    weights = (run.path / CHECKPOINT / WEIGHTS).read_bytes()
    return weights, [{key: value for key, value in row.items() if key != "seconds"} for row in run.metrics()]


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run that nothing happened to, and how long it took from the lock to the end."""
    run = make_run(tmp_path_factory.mktemp("whole"), data, CONFIG)
    process = start(run)
    begin = when_locked(run, process)
    process.join()
    assert run.status().state == "finished"
    assert [row["step"] for row in run.metrics()] == [5, 10, 12]
    return outcome(run), time.monotonic() - begin


def when_locked(run, process):
    while not run.alive() and process.exitcode is None:
        process.join(0.005)
    return time.monotonic()


def test_a_run_that_is_killed_at_a_random_moment_and_resumed_is_the_same_to_the_byte(
    whole, data, tmp_path, record_property
):
    expected, seconds = whole
    random, steps = np.random.default_rng(), []
    while len(steps) < KILLS:
        run = make_run(tmp_path, data, CONFIG)
        process = start(run)
        begin = when_locked(run, process)
        process.join(random.uniform(0, seconds))
        if process.exitcode is not None:
            seconds = min(seconds, time.monotonic() - begin)  # it was over before: the first run may have been slow
            continue
        process.kill()
        process.join()
        status = run.status()
        assert (status.state, run.checkpoint) == ("interrupted", None) or run.checkpoint is not None
        steps.append(status.step)
        assert finish(run) == 0
        assert run.status().state == "finished"
        assert outcome(run) == expected
        assert list(run.path.glob(".*")) == []
    record_property("killed_at_steps", steps)


@pytest.mark.parametrize("save", [1, 2, 9])
def test_a_kill_amid_a_save_leaves_the_one_before(whole, data, tmp_path, save):
    run = make_run(tmp_path, data, CONFIG)
    assert finish(run, die_in_save=save) == -signal.SIGKILL
    assert run.status().state == "interrupted"
    assert (run.path / f".{LAST}.cut").is_file()
    if save > 1:
        assert torch.load(run.path / LAST, weights_only=True)["step"] == save - 2
    assert finish(run) == 0
    assert outcome(run) == whole[0]
    assert list(run.path.glob(".*")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_saves_and_ends_within_5_seconds(whole, data, tmp_path, number):
    run = make_run(tmp_path, data, CONFIG)
    process = start(run)
    while not run.metrics() and process.exitcode is None:
        process.join(0.005)
    os.kill(process.pid, number)
    process.join(5)
    assert process.exitcode == 0
    status = run.status()
    assert (status.state, status.pid) == ("stopped", 0)
    assert torch.load(run.path / LAST, weights_only=True)["step"] >= status.step > 0
    assert finish(run) == 0
    assert outcome(run) == whole[0]


def test_a_stop_amid_a_step_that_does_not_end_gives_the_step_up(whole, data, tmp_path):
    run = make_run(tmp_path, data, CONFIG)
    process = start(run, stuck_at=11)
    while not (run.path / STUCK).exists() and process.exitcode is None:
        process.join(0.005)
    os.kill(process.pid, signal.SIGTERM)
    process.join(5)
    assert process.exitcode == 1
    assert "Stopped amid a long step" in run.status().message
    assert run.status().state == "stopped"
    assert finish(run) == 0
    assert outcome(run) == whole[0]


def test_a_disk_that_takes_no_more_is_one_message_and_the_last_state_is_kept(whole, data, tmp_path):
    """The system itself refuses, after a part was written."""
    run = make_run(tmp_path, data, CONFIG)
    assert finish(run, die_in_save=9) == -signal.SIGKILL
    kept = (run.path / LAST).read_bytes()
    assert finish(run, largest_file=len(kept) // 2) == 1
    status = run.status()
    assert status.state == "failed"
    assert status.message.startswith("A file could not be read or written (received: [Errno 27] File too large)")
    assert "then resume: the last state that was saved is kept" in status.message
    assert "\n" not in status.message
    assert (run.path / LAST).read_bytes() == kept
    assert [path.name for path in run.path.glob(".*")] == []
    assert finish(run) == 0
    assert outcome(run) == whole[0]


def test_runs_train_one_at_a_time_in_the_order_in_which_they_were_made(data, tmp_path):
    """Three are started at once, the youngest first; each tells for whom it waits, and none overlaps another."""
    config = CONFIG.model_copy(update={"steps": 8, "validate_every": 8})
    long = config.model_copy(update={"steps": 100_000, "validate_every": 100_000})
    wanted = {"a": long, "b": config, "c": config}
    runs = [make_run(tmp_path, data, wanted[name], name=name, created=k) for k, name in enumerate(wanted)]
    first = start(runs[0])
    while not runs[0].metrics() and first.exitcode is None:
        first.join(0.01)
    others = [start(run) for run in runs[:0:-1]]
    while {run.status().message for run in runs[1:]} != {"Waiting for a"}:
        assert all(process.exitcode is None for process in others)
        first.join(0.05)
    assert [run.status().state for run in runs] == ["running", "waiting", "waiting"]
    first.terminate()
    for process in (first, *others):
        process.join()
    assert [run.status().state for run in runs] == ["stopped", "finished", "finished"]
    last_of_a, last_of_b = (run.status().updated for run in runs[:2])
    written = [(run.path / METRICS).stat().st_mtime for run in runs]
    assert last_of_a <= written[1]
    assert last_of_b <= written[2]
    assert (runs[2].path / LOCK).is_file()
