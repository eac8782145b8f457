"""What the workers of the tests' cluster do; they import this module by its name."""

import os
import time
from pathlib import Path

from afl_core.evaluation import pipeline

SECONDS = 0.1
"""Time that a case takes longer on the cluster: long enough to end workers on the way."""

evaluate_case = pipeline.evaluate_case


def work(task):
    """The text of a path; `dies` ends its process, and `slow` takes a while."""
    if task == "dies":
        os._exit(9)
    if task == "slow":
        time.sleep(1)
    if task == "unforeseen":
        raise ValueError("first line\nsecond line")
    return task.read_text() if isinstance(task, Path) else task


def slowly(case, *arguments, **options):
    time.sleep(1.5 if case.case_id == "case_23" else SECONDS)  # the last one is on the way when others are stored
    return evaluate_case(case, *arguments, **options)


def dask_setup(worker):
    """Have a worker evaluate slowly; Dask calls it as the worker starts."""
    pipeline.evaluate_case = slowly
