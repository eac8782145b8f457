"""The pool of processes: it stops cleanly on Ctrl-C, ends with its parent, and leaves no half-written file."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from afl_core.errors import UsageError
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import worker_pool

ROOT = Path(__file__).parents[2]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, *, seconds=90):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


SLOW = """
import sys, time
from pathlib import Path
from afl_core.evaluation.run import worker_pool
from afl_core.base.storage import replacing

def work(folder):
    import os
    with replacing(Path(folder) / f"{os.getpid()}.bin") as temporary:
        temporary.write_bytes(b"half")
        (Path(folder) / f"{os.getpid()}.pid").touch()
        time.sleep(600)

if __name__ == "__main__":
    with worker_pool(tasks=9, workers=2) as pool:
        futures = [pool.submit(work, sys.argv[1]) for _ in range(9)]
        futures[0].result()
"""


COMMAND = """
import sys, time
from afl_core.cli.main import main
from afl_core.evaluation import pipeline

evaluate_case = pipeline.evaluate_case

def slow(case, *arguments, **options):
    time.sleep(600 * (case.case_id == "Case_D"))
    return evaluate_case(case, *arguments, **options)

pipeline.evaluate_case = slow
if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("how", ["Ctrl-C", "killed"])
def test_busy_workers_end_at_once_with_their_parent(tmp_path, how):
    """Ctrl-C goes to the whole group, as a terminal sends it; half-written files are gone."""
    (tmp_path / "slow.py").write_text(SLOW)
    folder = tmp_path / "out"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "slow.py"), str(folder)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    pids = wait_until(lambda: len(found := [int(p.stem) for p in folder.glob("*.pid")]) == 2 and found)
    if how == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert said.count("Traceback") == 1, said  # the parent's own
        assert [path.name for path in folder.iterdir() if path.suffix != ".pid"] == []
    else:
        process.kill()
        process.communicate(timeout=30)
    wait_until(lambda: not any(map(alive, pids)), seconds=15)


def test_ctrl_c_on_the_command_line_keeps_what_is_finished_and_says_so(cohort, masks, tmp_path):
    """The same command again goes on where it stopped."""
    (tmp_path / "command.py").write_text(COMMAND)
    command = [sys.executable, str(tmp_path / "command.py"), "evaluate", "--data", str(cohort)]
    command += ["--source", f"A={masks}", "--out", str(tmp_path / "out"), "--workers", "2"]
    process = subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until((tmp_path / "out" / "masks" / "A" / "Case_C.nii.gz").is_file)
    time.sleep(0.5)  # its row is on the way to the parent
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "They are kept: give the command again to go on" in " ".join(said.split())
    assert set(Results(tmp_path / "out").cases()["case_id"]) >= {"Case_C"}
    assert [p.name for p in (tmp_path / "out").rglob(".*.nii.gz")] == []


def test_the_number_of_workers_is_bounded_by_tasks_cores_and_choice(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    for tasks, workers, expected in ((9, None, 3), (2, None, 2), (9, 2, 2), (9, 5, 5), (1, None, None), (9, 1, None)):
        with worker_pool(tasks=tasks, workers=workers) as pool:
            assert (pool._max_workers if isinstance(pool, ProcessPoolExecutor) else None) == expected


@pytest.mark.parametrize("how", ["no thread is left", "a worker dies"])
def test_who_waits_for_a_pool_that_cannot_go_on_is_told(monkeypatch, how):
    """Python's own pool does not notice that the thread in it that hands out the tasks has died."""

    def refuse(_):
        raise RuntimeError("can't start new thread")

    if how == "no thread is left":
        monkeypatch.setattr(multiprocessing.queues.Queue, "_start_thread", refuse)
        monkeypatch.setattr(threading, "excepthook", lambda _: None)
    before = set(multiprocessing.active_children())
    with pytest.raises(UsageError, match="perhaps for want of memory"), worker_pool(tasks=2, workers=2) as pool:
        pool.submit(os._exit, 9).result(timeout=60)
    wait_until(lambda: set(multiprocessing.active_children()) <= before)
