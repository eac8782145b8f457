"""Training in processes that are cheap to start: they are forked from one that has imported torch and MONAI."""

import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest.mock import patch

from afl_core.training.runs import LAST, RunFolder

STUCK = "stuck"
"""File that a step which never ends leaves in its run's folder."""


def train_folder(folder: Path, trouble: dict[str, Any]) -> None:
    """What the process of a run does, for a run that is so short that it would never save.

    Args:
        folder: The run's.
        trouble: `die_in_save` kills amid that save, `stuck_at` never ends that step, `largest_file` is in bytes.
    """
    from afl_core.training import keeper, process
    from afl_core.training.state import RunState

    keeper.SAVE_SECONDS, keeper.SAVE_SHARE = 0, 1e9
    keeper.GIVE_UP_SECONDS = 1
    write, advance, saves = keeper.write_atomically, RunState.advance, []

    def dying(path: Path, data: bytes) -> None:
        saves.extend([path] if path.name == LAST else [])
        if len(saves) == trouble["die_in_save"]:
            path.with_name(f".{LAST}.cut").write_bytes(data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        write(path, data)

    def stuck(state: RunState, *batch: Any) -> None:
        if state.step == trouble["stuck_at"]:
            (folder / STUCK).touch()
            time.sleep(60)  # the test ends it
        advance(state, *batch)

    if "die_in_save" in trouble:
        keeper.write_atomically = dying
    if "stuck_at" in trouble:
        RunState.advance = stuck  # type: ignore[method-assign]
    if "largest_file" in trouble:
        resource.setrlimit(resource.RLIMIT_FSIZE, (trouble["largest_file"], resource.RLIM_INFINITY))
    sys.argv = ["process", str(folder)]
    with RunFolder(folder).lock():
        process.main()


def start_forked(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """A process that calls the function; the server that it is forked from has one thread, which the tests' has not."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["made_warm"])
    with patch.dict(os.environ, PYTHONPATH=os.pathsep.join([str(Path(__file__).parent), *sys.path])):
        forkserver.ensure_running()  # a server that cannot import it starts all the same, and every fork imports anew
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def start(run: RunFolder, **trouble: Any) -> BaseProcess:
    """A process that trains a run."""
    return start_forked(train_folder, run.path, trouble)
