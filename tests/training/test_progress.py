"""What follows from a run as it was just read."""

from dataclasses import replace

import pytest
from made_runs import make_run

from afl_core.training.progress import Seen, seconds_left
from afl_core.training.run_records import RunStatus

ROWS = [{"step": step, "seconds": seconds} for step, seconds in ((10, 30.0), (20, 40.0), (30, 50.0))]


def test_the_time_left_counts_validations_and_no_reading():
    status = RunStatus("running", "", step=30, steps=60, seconds=50.0)
    assert seconds_left(status, ROWS) == pytest.approx(30 * (50 - 30) / (30 - 10))
    assert seconds_left(status, ROWS[-1:]) == pytest.approx(30 * 50 / 30)  # one report: all that it took so far
    assert seconds_left(status, []) is None
    assert seconds_left(replace(status, step=60), ROWS) is None  # it reads and scores the test cases
    assert seconds_left(RunStatus("stopped", "", 30, 60, 50.0), ROWS) is None


@pytest.mark.parametrize(
    ("state", "message", "step", "phase"),
    [
        ("waiting", "Starting", 0, "starting"),
        ("waiting", "Waiting for demo-focal-seed0", 0, "waiting"),
        ("running", "Loading PyTorch", 0, "preparing"),
        ("running", "Training", 30, "step 30 of 60"),
        ("running", "Validating", 30, "validating"),
        ("running", "Validating", 60, "validating"),
        ("running", "Reading the cases of the test split, 0 of 2", 60, "testing"),
        ("running", "Scoring the test split", 60, "testing"),
        ("stopped", "Stopped", 30, "stopped"),
        ("failed", "The loss is nan", 30, "failed"),
        ("finished", "Finished", 60, "finished"),
    ],
)
def test_the_phase_is_what_the_run_does_now(tmp_path, state, message, step, phase):
    run = make_run(tmp_path, tmp_path)
    assert Seen(run, run.spec(), RunStatus(state, message, step, 60), []).phase == phase
