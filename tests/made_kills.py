"""Training in processes that are cheap to start: they are forked from one that has imported torch and MONAI."""

import multiprocessing
import os
import resource
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path


def forkserver() -> ForkServerContext:
    """Forks from a process with one thread, not from the tests' own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["made_kills", "afl_core.training.run", "torch._dynamo"])
    return context


def train_folder(folder: Path, *, save_always: bool = True, give_up: float = 4, largest_file: int | None = None) -> None:
    """What `python -m afl_core.training.run FOLDER` does, for a run that is so short that it would never save."""
    from afl_core.training import keeper
    from afl_core.training.run import run_training
    from afl_core.training.runs import RunFolder

    os.setpgid(0, 0)
    if save_always:
        keeper.SAVE_SECONDS, keeper.SAVE_SHARE = 0, 1e9
    keeper.GIVE_UP_SECONDS = give_up
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    run_training(RunFolder(folder))


def started(folder: Path, **how: object) -> BaseProcess:
    """A process that trains a run."""
    process = forkserver().Process(target=train_folder, args=(folder,), kwargs=how)
    process.start()
    return process
