"""Runs are planned before anything is read, and their processes are started, stopped and never mistaken for others."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from made_runs import FOCAL, TINY, make_run

from afl_core.base import processes
from afl_core.errors import UsageError
from afl_core.model.checkpoints import load_card
from afl_core.training import estimate, launcher, proposal
from afl_core.training.launcher import propose_runs, start_run, stop_run
from afl_core.training.plan import plan_runs
from afl_core.training.proposal import propose
from afl_core.training.request import TrainingRequest
from afl_core.training.run_records import RunStatus
from afl_core.training.runs import CHECKPOINT, LOG

SETTINGS = {key: value for key, value in TINY.items() if key != "validate_every"}


def plan(*losses, seeds=(), preset="demo", data="/data", **settings):
    fields = {"preset": preset, "losses": losses, "seeds": seeds, "settings": SETTINGS | settings, "data": data}
    return plan_runs(TrainingRequest(**fields, command="afl train x"))


@pytest.fixture
def data(tmp_path):
    return tmp_path


def test_every_loss_with_every_seed_is_a_run_and_pairs_differ_in_the_loss_alone(data):
    runs = plan("focal", "adaptive_focal:paper_equation", seeds=(0, 3), data=data)
    assert list(runs) == [
        "demo-focal-seed0",
        "demo-adaptive_focal-paper_equation-seed0",
        "demo-focal-seed3",
        "demo-adaptive_focal-paper_equation-seed3",
    ]
    created = [spec.created for spec in runs.values()]
    assert created == sorted(set(created))
    assert len({spec.pair for spec in runs.values()}) == 1
    assert next(iter(runs.values())).pair
    alike = {"loss": "", "loss_settings": {}}
    for seed in (0, 3):
        own = [spec.config for spec in runs.values() if spec.config.seed == seed]
        assert own[0] != own[1]
        assert own[0].model_copy(update=alike) == own[1].model_copy(update=alike)
    assert runs["demo-focal-seed3"].config.loss_settings == {"gamma": 2.0}
    assert runs["demo-adaptive_focal-paper_equation-seed0"].config.loss_settings["preset"] == "paper_equation"


def test_a_run_alone_is_no_pair_and_has_the_seed_of_the_preset(data):
    (spec,) = plan("focal", data=data, loss_settings={"gamma": 1}).values()
    assert (spec.pair, spec.config.seed, spec.config.loss_settings) == ("", 0, {"gamma": 1})
    assert spec.data.is_absolute()


def test_a_seed_can_also_be_given_as_a_setting(data):
    assert list(plan("focal", data=data, seed=5)) == ["demo-focal-seed5"]
    assert list(plan("focal", data=data, seed=5, seeds=(1, 2))) == ["demo-focal-seed1", "demo-focal-seed2"]


@pytest.mark.parametrize(
    ("losses", "settings", "said"),
    [
        ((), {}, "Training needs a loss. Give --loss"),
        (("focla",), {}, "Did you mean focal?"),
        (("focal", "focal"), {}, "Give each loss and each seed once (received: focal, seed 0)"),
        (("focal:wild",), {}, "no setting of focal of that name (received: preset)"),
        (("adaptive_focal:wild",), {}, "wild"),
        (("focal",), {"loss_settings": 3}, "loss_settings must be JSON (received: 3)"),
        (("focal",), {"loss_settings": {"gama": 1}}, "Did you mean gamma?"),
        (("focal",), {"patch_size": (16, 16, 20)}, "cannot take a patch of that size"),
        (("focal",), {"steps": 0}, "The training setting steps is wrong"),
        (("focal",), {"network": "unest"}, "no network of that name"),
    ],
)
def test_what_is_not_possible_is_named_before_anything_is_read(data, losses, settings, said):
    with pytest.raises(UsageError) as caught:
        plan(*losses, data=data, **settings)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_time_of_a_step_is_that_of_the_second(monkeypatch):
    ticks = iter([10.0, 19.0, 20.0, 20.25])
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: next(ticks))
    assert estimate.step_seconds(FOCAL) == 0.25
    assert list(ticks) == []


def request(data, **changed):
    fields = {"preset": "demo", "losses": ("focal", "dice"), "seeds": (0, 1), "settings": SETTINGS, "data": data}
    return TrainingRequest(**(fields | {"command": "afl train x"} | changed))


def test_a_proposal_measures_each_loss_once(data, monkeypatch):
    measured = []
    monkeypatch.setattr(proposal, "step_seconds", lambda config: measured.append(config.loss) or len(measured))
    found = propose(request(data))
    assert measured == ["focal", "dice"]
    assert list(found.step_seconds.values()) == [1, 2, 1, 2]
    assert list(found.runs) == list(found.step_seconds)


def test_a_proposal_by_its_own_process(data):
    """The request's JSON goes there, and what it is refused for comes back."""
    with pytest.raises(UsageError, match=r"There is no loss of that name \(received: focla\)\. Did you mean focal\?"):
        propose_runs(request(data, losses=("focla",)))


@pytest.mark.parametrize(("code", "said"), [(1, "Boom"), (-9, "ended by signal 9")])
def test_a_proposal_that_breaks_off_is_one_message(data, monkeypatch, code, said):
    done = subprocess.CompletedProcess([], code, "", "Traceback\nBoom" if code > 0 else "")
    monkeypatch.setattr(launcher.processes, "ask", lambda *_, **__: done)
    with pytest.raises(UsageError, match=rf"could not be measured \(received: {said}\)\. Try a smaller patch"):
        propose_runs(request(data))


def test_a_run_by_its_own_process(cohort, tmp_path):
    """As the page starts it: it outlives who started it, finishes, and leaves its words in the log."""
    run = make_run(tmp_path / "runs", cohort, FOCAL)
    gone = make_run(tmp_path / "runs", tmp_path / "gone", FOCAL, name="gone")
    for one in (run, gone):
        start_run(one)
        assert one.status().state == "waiting"
        assert one.status().pid
    with pytest.raises(UsageError, match=r"under way already \(received: run\)"):
        start_run(run)
    for process in processes._children:
        assert os.getsid(process.pid) == process.pid  # a session of its own: no Ctrl-C of ours reaches it
    for process in processes._children:
        process.wait()
    assert run.status().state == "finished", run.log_tail()
    assert load_card(run.path / CHECKPOINT).command == "afl train x"
    with pytest.raises(UsageError, match=r"The run is finished \(received: run\)"):
        start_run(run)
    assert gone.status().state == "failed"
    assert gone.log_tail(1) == f"Error: {gone.status().message}"
    assert "Traceback" not in (gone.path / LOG).read_text()


HOLDER = """
import os, sys, time
from pathlib import Path
from afl_core.base import processes
from afl_core.training.runs import RunFolder, RunStatus
run = RunFolder(Path(sys.argv[1]))
with run.lock():
    if sys.argv[2] != "deaf":
        processes.on_stop_request(run.path, lambda: os._exit(1))
    run.write_status(RunStatus("running", "Training", 5, 9, 2.0, pid=int(sys.argv[3]) or os.getpid()))
    time.sleep(100)
"""
"""Holds a run as a training does, and needs no torch."""


@pytest.fixture
def hold():
    processes = []

    def held(run, kind="quick", pid=0):
        processes.append(subprocess.Popen([sys.executable, "-c", HOLDER, str(run.path), kind, str(pid)]))
        while run.status().state != "running":
            assert processes[-1].poll() is None
            time.sleep(0.01)
        return processes[-1]

    yield held
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize("kind", ["quick", "deaf"])
def test_a_run_that_does_not_end_by_itself_is_ended(tmp_path, hold, monkeypatch, kind):
    monkeypatch.setattr(launcher, "STOP_SECONDS", 1)
    run = make_run(tmp_path, tmp_path)
    process = hold(run, kind)
    stop_run(run)
    assert process.wait(5) == (-signal.SIGKILL if kind == "deaf" else 1)
    status = run.status()
    assert (status.state, status.message, status.step, status.pid) == ("stopped", "Stopped at step 5", 5, 0)


def test_another_process_that_has_the_number_of_a_dead_run_is_left_alone(tmp_path, hold):
    run, other = (make_run(tmp_path, tmp_path, name=name) for name in ("run", "other"))
    bystander = hold(other)
    run.write_status(RunStatus("running", "Training", 7, 9, 2.0, pid=bystander.pid))
    assert run.status().state == "interrupted"
    stop_run(run)
    assert bystander.poll() is None
    assert other.status().state == "running"
    assert (run.status().state, run.status().step) == ("interrupted", 7)


def test_a_process_that_a_held_run_names_falsely_is_left_alone(tmp_path, hold, monkeypatch):
    """The run is under way, but its status gives the number of another process: that has not the run's lock."""
    monkeypatch.setattr(launcher, "STOP_SECONDS", 0.2)
    monkeypatch.setattr(processes, "_KILLED_SECONDS", 0.2)
    run = make_run(tmp_path, tmp_path)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    try:
        hold(run, "deaf", pid=bystander.pid)
        with pytest.raises(UsageError, match=r"The process does not end \(received: run\)\. End process \d+ by hand"):
            stop_run(run)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_run_that_has_only_just_begun_is_ended_at_once(tmp_path, cohort, monkeypatch):
    monkeypatch.setattr(launcher, "STOP_SECONDS", 1000)
    run = make_run(tmp_path, cohort)
    start_run(run)
    process = processes._children[-1]
    assert run.status().message == "Starting"
    stop_run(run)
    assert process.wait(5) == -signal.SIGKILL
    assert (run.status().state, run.status().message) == ("stopped", "Stopped at step 0")


@pytest.mark.parametrize("before", [None, RunStatus("failed", "The loss is nan", 7, 10)])
def test_a_run_is_starting_before_it_has_a_process_and_as_it_was_when_it_gets_none(tmp_path, monkeypatch, before):
    run = make_run(tmp_path, tmp_path)
    if before:
        run.write_status(before)
    seen = []

    def start(*_, **__):
        seen.append(run.status())
        raise OSError("no more processes")

    monkeypatch.setattr(processes, "start", start)
    with pytest.raises(OSError, match="no more processes"):
        start_run(run)
    assert [(status.state, status.message) for status in seen] == [("waiting", "Starting")]
    after = run.status()
    assert (after.state, after.step) == (("failed", 7) if before else ("interrupted", 0))


def test_a_run_that_many_start_at_once_is_started_once(tmp_path, cohort):
    """Threads of one server, as tabs are, and processes."""
    run = make_run(tmp_path, cohort)
    code = (
        "import sys, pathlib; from afl_core.training.launcher import *; start_run(RunFolder(pathlib.Path(sys.argv[1])))"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", code, str(run.path)], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]

    def start(_):
        try:
            start_run(run)
        except UsageError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(start, range(8)))
    said += [process.communicate(timeout=60)[1] for process in others]
    try:
        assert said.count("") == 1
        assert all("under way already" in text for text in said if text)
    finally:
        stop_run(run)
    assert run.log_tail().count("begins") <= 1


def test_a_run_that_waits_holds_no_torch(tmp_path, cohort, hold):
    first = make_run(tmp_path, tmp_path, name="first", created=1)
    hold(first)
    run = make_run(tmp_path, cohort, name="second", created=2)
    start_run(run)
    while run.status().message != "Waiting for first":
        assert run.status().state == "waiting"
        time.sleep(0.05)
    maps = Path(f"/proc/{run.status().pid}/maps").read_text()
    stop_run(run)
    assert "python" in maps
    assert "libtorch" not in maps
    assert run.status().state == "stopped"


@pytest.mark.parametrize("state", ["stopped", "failed", "finished"])
def test_a_run_that_has_ended_is_not_stopped_again(tmp_path, monkeypatch, state):
    run = make_run(tmp_path, tmp_path)
    run.write_status(RunStatus(state, "Said", 3, 9, pid=os.getpid()))
    monkeypatch.setattr(processes, "_kill", lambda *_: pytest.fail("nobody is to be ended"))
    stop_run(run)
    assert run.status().message == "Said"


def test_a_measurement_ends_when_the_one_who_waits_goes(data, monkeypatch):
    """As Streamlit does it when Stop is pressed or the page is left."""
    processes_seen = []
    real = subprocess.Popen

    def spy(*arguments, **options):
        processes_seen.append(real(*arguments, **options))
        return processes_seen[-1]

    monkeypatch.setattr(processes.subprocess, "Popen", spy)

    def leave(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        propose_runs(request(data), waiting=leave)
    assert processes_seen[0].returncode == -signal.SIGKILL


def test_a_measurement_that_takes_too_long_is_one_message(data, monkeypatch):
    monkeypatch.setattr(launcher, "PROPOSAL_SECONDS", 0.05)
    with pytest.raises(UsageError, match=r"could not be measured \(received: over 0\.05 s\)\. Try a smaller patch"):
        propose_runs(request(data))
