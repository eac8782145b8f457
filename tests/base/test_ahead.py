"""Work ahead of who needs it: in order, one ahead and no more, and nothing after it is left."""

import threading
import time

from waiting import wait_until

from afl_core.base.ahead import done_ahead


def test_one_result_is_made_while_another_is_used_and_no_more():
    made = list[int]()
    results = done_ahead(lambda n: made.append(n) or 10 * n, range(5))
    for n, due in enumerate((2, 3, 4, 5, 5)):
        assert next(results) == 10 * n
        wait_until(lambda due=due: len(made) == due, seconds=10)  # the next one is made meanwhile
        time.sleep(0.01)
        assert made == list(range(due))
    assert list(results) == []


def test_what_is_left_early_ends_its_thread():
    before = threading.active_count()
    results = done_ahead(lambda n: n, range(100))
    assert next(results) == 0
    results.close()
    wait_until(lambda: threading.active_count() == before, seconds=10)


def test_no_task_gives_nothing():
    assert list(done_ahead(lambda n: n, [])) == []
