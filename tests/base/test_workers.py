"""The pool ends cleanly, leaves no half-written file, and one bad task of many never ends the others."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from waiting import wait_until

from afl_core.base.isolation import ERRORS
from afl_core.base.workers import finished, worker_pool
from afl_core.errors import AflError, DataError, UsageError

ROOT = Path(__file__).parents[2]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


SLOW = """
import sys, time
from pathlib import Path
from afl_core.base.workers import worker_pool
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


class UnlikeText:
    """What cannot be sent to another process."""

    def __str__(self):
        return "the value"

    def __reduce__(self):
        raise TypeError("not to be sent")


def work(task):
    if task == "ours":
        raise DataError("It is damaged", received=UnlikeText(), todo="Repair it")
    if task == "unforeseen":
        raise ValueError("first line\nsecond line")
    if task == "dies":
        os._exit(9)
    return task, os.getpid()


def naming(task):
    return f"working on {task}"


@pytest.mark.parametrize("where", ["here", "threads", "processes"])
def test_a_bad_task_becomes_a_problem_and_the_others_go_on(tmp_path, where):
    tasks = ["a", "ours", "b", "unforeseen", "c"]
    pools = {"threads": lambda: ThreadPoolExecutor(2), "processes": lambda: worker_pool(tasks=5, workers=2)}
    if where == "here":
        outcomes = dict(finished(work, tasks, of=naming, folder=tmp_path))
    else:
        with pools[where]() as pool:
            outcomes = dict(finished(work, tasks, of=naming, folder=tmp_path, executor=pool))
    assert set(outcomes) == set(tasks)
    assert [outcomes[task][0] for task in "abc"] == ["a", "b", "c"]
    assert all((outcomes[task][1] == os.getpid()) == (where != "processes") for task in "abc")
    assert type(outcomes["ours"]) is DataError
    assert str(outcomes["ours"]) == "It is damaged (received: the value). Repair it."
    assert type(outcomes["unforeseen"]) is AflError
    said = "An unexpected error while working on unforeseen (received: ValueError: first line)"
    assert str(outcomes["unforeseen"]).startswith(said)
    assert "second line" in (tmp_path / ERRORS).read_text()


def nap(seconds):
    time.sleep(seconds)


def stop_after_three():
    with worker_pool(tasks=40, workers=2) as pool:
        for number, _ in enumerate(finished(nap, [0.01] * 3 + [60] * 37, of=naming, executor=pool)):
            if number == 2:
                raise KeyboardInterrupt


@pytest.mark.parametrize("attempt", range(3))
def test_ctrl_c_amid_many_tasks_is_the_only_error(monkeypatch, attempt):
    """Those that have not begun are dropped; the pool's own thread does not stumble over them."""
    raised = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    before = set(threading.enumerate()), set(multiprocessing.active_children())
    with pytest.raises(KeyboardInterrupt):
        stop_after_three()
    wait_until(lambda: set(threading.enumerate()) <= before[0] and set(multiprocessing.active_children()) <= before[1])
    assert raised == []


def test_no_more_tasks_are_handed_on_than_asked_and_none_begins_after_the_end():
    """What is done is told while the rest is under way; who stops listening stops the work."""
    taken, began, held = [], [], threading.Event()

    def tasks():
        for k in range(100):
            taken.append(k)
            yield k

    def wait_after_two(k):
        began.append(k)
        if k >= 2:
            held.wait(60)
        return k

    with ThreadPoolExecutor(1) as pool:
        running = finished(wait_after_two, tasks(), of=str, executor=pool, at_once=3)
        assert [next(running) for _ in range(2)] == [(0, 0), (1, 1)]
        assert len(taken) <= 5
        running.close()
        held.set()
    assert set(began) <= {0, 1, 2}


def test_without_an_executor_each_task_is_begun_when_the_one_before_was_told():
    began = []
    running = finished(began.append, range(9), of=str)
    next(running)
    next(running)
    assert began == [0, 1]


def test_ctrl_c_within_a_task_is_no_problem_of_the_task():
    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(finished(interrupted, [1], of=str))


def test_the_end_of_a_worker_is_no_problem_of_its_task():
    """The pool can do none of the others."""
    wanting = pytest.raises(UsageError, match="perhaps for want of memory")
    with wanting as told, worker_pool(tasks=2, workers=2) as pool:
        list(finished(work, ["a", "dies", "b"], of=naming, executor=pool))
    assert isinstance(told.value.__cause__, BrokenExecutor)
