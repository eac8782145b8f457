"""TensorBoard and MLflow take what a run reports, and never end it. Both are installed in a folder of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_runs import ADAPTIVE, make_run

from afl_core.training.loop import Progress
from afl_core.training.trackers import EVENTS, MLFLOW_ID, tracking

TRACKERS = Path(sys.prefix) / "trackers"

READ = """
import json, os, sys
sys.path += [{trackers!r}, {tests!r}]
from pathlib import Path
from made_runs import ADAPTIVE, make_run
from afl_core.training.loop import Progress
from afl_core.training.runs import RunFolder
from afl_core.training.run_records import RunStatus
from afl_core.training.trackers import EVENTS, tracking

run = make_run(Path({root!r}), Path({root!r}), ADAPTIVE)
def report(state, *progress):
    with tracking(run) as track:
        for p in progress:
            track(p)
        run.write_status(RunStatus(state, "", 0, 0, 0.0, 0))
twice = Progress(20, 0.25, 0.75, 0.05, {{"alpha": {{"mean": 0.5}}}})
report("stopped", Progress(10, 0.5, None, 0.1), twice)
report("finished", twice, Progress(30, 0.125, None, 0.0))

from mlflow import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
client = MlflowClient()
(experiment,) = [e for e in client.search_experiments() if e.name == "afl-workbench"]
(logged,) = client.search_runs([experiment.experiment_id])
events = EventAccumulator(str(run.path / EVENTS))
events.Reload()
print(json.dumps({{
    "tensorboard": {{tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}},
    "mlflow": [[m.step, m.value] for m in client.get_metric_history(logged.info.run_id, "loss")],
    "ended": logged.info.status, "name": logged.info.run_name, "params": logged.data.params["loss"],
}}))
"""


def test_both_hold_every_report_of_a_run_that_was_stopped_and_went_on(tmp_path):
    if not TRACKERS.is_dir():
        assert not os.environ.get("CI"), "make test installs TensorBoard and MLflow"
        pytest.skip("TensorBoard and MLflow are not installed beside the environment")
    code = READ.format(trackers=str(TRACKERS), tests=str(Path(__file__).parents[1]), root=str(tmp_path))
    store = {"MLFLOW_TRACKING_URI": f"file:{tmp_path / 'store'}", "MLFLOW_ALLOW_FILE_STORE": "true"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | store, capture_output=True, text=True, check=False, timeout=240
    )
    assert ran.returncode == 0, ran.stderr
    held = json.loads(ran.stdout.splitlines()[-1])
    losses = [[10, 0.5], [20, 0.25], [30, 0.125]]
    assert held["tensorboard"] == {
        "loss": losses,
        "learning_rate": [[10, pytest.approx(0.1)], [20, pytest.approx(0.05)], [30, 0.0]],
        "validation_dsc": [[20, 0.75]],
        "alpha/mean": [[20, 0.5]],
    }
    assert sorted(map(tuple, held["mlflow"])) == [(10, 0.5), (20, 0.25), (20, 0.25), (30, 0.125)]
    assert (held["ended"], held["name"], held["params"]) == ("FINISHED", "run", "adaptive_focal")


def test_without_them_and_without_an_address_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run = make_run(tmp_path, tmp_path, ADAPTIVE)
    before = sorted(run.path.iterdir())
    with tracking(run) as track:
        track(Progress(10, 0.5, None, 0.1))
    assert sorted(run.path.iterdir()) == before
    assert not {EVENTS, MLFLOW_ID} & {path.name for path in before}


def test_a_tracker_that_fails_is_said_and_the_run_goes_on(tmp_path, monkeypatch, caplog):
    from afl_core.training import trackers

    class Full:
        def __init__(self, run):
            self.calls = 0

        def report(self, progress):
            self.calls += 1
            raise OSError("the store is full")

        def end(self):
            raise AssertionError

    monkeypatch.setattr(trackers, "TensorBoard", Full)
    monkeypatch.setattr(trackers, "find_spec", lambda name: name == "tensorboard")
    with tracking(make_run(tmp_path, tmp_path, ADAPTIVE)) as track:
        track(Progress(10, 0.5, None, 0.1))
        track(Progress(20, 0.5, None, 0.1))
    assert [record.getMessage() for record in caplog.records] == [
        "Full takes no more of this run, which goes on: the store is full"
    ]
