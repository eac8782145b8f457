"""What follows from a run as it was just read."""

from dataclasses import replace

import pytest

from afl_core.training.progress import seconds_left
from afl_core.training.run_records import RunStatus

ROWS = [{"step": step, "seconds": seconds} for step, seconds in ((10, 30.0), (20, 40.0), (30, 50.0))]


def test_the_time_left_counts_validations_and_no_reading():
    status = RunStatus("running", "", step=30, steps=60, seconds=50.0)
    assert seconds_left(status, ROWS) == pytest.approx(30 * (50 - 30) / (30 - 10))
    assert seconds_left(status, ROWS[-1:]) == pytest.approx(30 * 50 / 30)  # one report: all that it took so far
    assert seconds_left(status, []) is None
    assert seconds_left(replace(status, step=60), ROWS) is None  # it reads and scores the test cases
    assert seconds_left(RunStatus("stopped", "", 30, 60, 50.0), ROWS) is None
