"""Work that takes turns: how much at once, who is next, and that no place is lost."""

import threading
import time

import pytest

from afl_core.ui.shared.turns import Turns

WAIT_S = 20


def waiting(turns: Turns, count: int) -> None:
    """Wait until so many stand before the gate."""
    deadline = time.monotonic() + WAIT_S
    while turns.waiting != count:
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Work:
    """Work that writes down its begin, and ends when it may."""

    def __init__(self, places):
        self.turns, self.began, self.threads = Turns(places), [], []
        self.may_end: dict[str, threading.Event] = {}
        self.noted = threading.Condition()

    def start(self, name, rank):
        self.may_end[name] = threading.Event()

        @self.turns(rank)
        def work():
            with self.noted:
                self.began.append(name)
                self.noted.notify_all()
            assert self.may_end[name].wait(WAIT_S)

        self.threads.append(threading.Thread(target=work))
        self.threads[-1].start()

    def wait_for_begun(self, count):
        with self.noted:
            assert self.noted.wait_for(lambda: len(self.began) >= count, WAIT_S)

    def end(self, name):
        self.may_end[name].set()

    def end_all(self):
        for event in self.may_end.values():
            event.set()
        for thread in self.threads:
            thread.join(WAIT_S)


def test_slices_go_before_surfaces_and_each_in_the_order_they_came():
    work = Work(places=1)
    work.start("first", "surfaces")
    work.wait_for_begun(1)
    for count, (name, rank) in enumerate((("b", "surfaces"), ("c", "slices"), ("d", "surfaces"), ("e", "slices")), 1):
        work.start(name, rank)
        waiting(work.turns, count)
    for count, name in enumerate(("first", "c", "e", "b"), 2):
        work.end(name)
        work.wait_for_begun(count)
    work.end_all()
    assert work.began == ["first", "c", "e", "b", "d"]


def test_as_many_at_once_as_there_are_places():
    work = Work(places=2)
    for name in ("a", "b"):
        work.start(name, "slices")
    work.wait_for_begun(2)
    work.start("c", "slices")
    waiting(work.turns, 1)
    assert sorted(work.began) == ["a", "b"]
    work.end("a")
    work.wait_for_begun(3)
    work.end_all()
    assert work.began[2] == "c"


def test_an_error_leaves_its_place_to_the_next_and_values_pass():
    in_turn = Turns(1)

    @in_turn("slices")
    def divide(a, *, by):
        return a / by

    with pytest.raises(ZeroDivisionError):
        divide(1, by=0)
    assert divide(6, by=3) == 2
    assert divide.__name__ == "divide"
