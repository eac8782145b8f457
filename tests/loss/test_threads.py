"""Threads that compute beside PyTorch's operations."""

import os
import sys
import threading

import pytest
import torch

from afl_core.loss import threads
from afl_core.loss.threads import share


def by_pool(monkeypatch):
    monkeypatch.setattr(threads, "_openmp", lambda process: None)


def by_openmp(monkeypatch):
    if sys.platform != "linux":
        pytest.skip("PyTorch has another OpenMP library here")
    assert threads._openmp(os.getpid()) is not None, "PyTorch's wheel for Linux brings the library"


@pytest.mark.parametrize("way", [by_pool, by_openmp])
def test_all_threads_take_part_and_the_callers_is_one(way, monkeypatch):
    way(monkeypatch)
    meeting, seen = threading.Barrier(2, timeout=30), []

    def work():
        meeting.wait()  # each waits for the other, so both must run at once
        seen.append(threading.get_ident())

    share(work, threads=2)
    assert len(set(seen)) == 2
    assert threading.get_ident() in seen


@pytest.mark.parametrize("way", [by_pool, by_openmp])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_a_call_raises_is_raised(way, error, monkeypatch):
    way(monkeypatch)
    caller = threading.get_ident()

    def work():
        if threading.get_ident() == caller:
            raise error("stop")

    with pytest.raises(error, match="stop"):
        share(work, threads=2)
    seen = []
    share(lambda: seen.append(1), threads=2)
    assert 1 <= len(seen) <= 2, "and the next one runs"


def test_one_thread_is_the_callers():
    seen = []
    share(lambda: seen.append(threading.get_ident()), threads=1)
    assert seen == [threading.get_ident()]


def test_a_forked_process_takes_threads_of_its_own():
    """PyTorch's are not copied by a fork, and a call of them would wait for ever."""
    share(lambda: None, threads=2)
    torch.ones(2**20).sum()
    child = os.fork()
    if child == 0:
        seen = []
        share(lambda: seen.append(1), threads=2)
        os._exit(0 if threads._openmp(os.getpid()) is None and seen else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
