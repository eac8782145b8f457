"""What the workers of the tests' cluster do; they import this module by its name."""

import os
import time
from pathlib import Path


def work(task):
    """The text of a path; `dies` ends its process."""
    if task == "dies":
        os._exit(9)
    if task == "unforeseen":
        raise ValueError("first line\nsecond line")
    return task.read_text() if isinstance(task, Path) else task


def slowly(task, **options):
    """Evaluate a case so that workers can be ended on the way; the last one is still there when others are stored."""
    from afl_core.evaluation.pipeline import _evaluate

    time.sleep(1.5 if task[0].case_id == "case_23" else 0.1)
    return _evaluate(task, **options)
