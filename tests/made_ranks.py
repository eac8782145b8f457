"""Training in two processes that `torchrun` would start, forked from one that has imported torch and MONAI."""

import os
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from made_kills import start_forked
from torch.distributed import TCPStore

from afl_core.training.runs import RunFolder


def train_rank(folder: Path, environment: dict[str, str], die_at: tuple[int, int]) -> None:
    """What each process of a run does; process `die_at[0]` is gone at step `die_at[1]`."""
    from afl_core.training import keeper
    from afl_core.training.ranks import LostRankError, joined
    from afl_core.training.run import follow_training, run_training
    from afl_core.training.state import RunState

    keeper.SAVE_SECONDS, keeper.SAVE_SHARE = 0, 1e9
    os.environ.update(environment)
    advance = RunState.advance

    def dying(state: RunState, *batch: Any) -> None:
        if (state.ranks.rank, state.step) == die_at:
            os._exit(9)
        advance(state, *batch)

    RunState.advance = dying  # type: ignore[method-assign]
    with joined() as ranks:
        if not ranks.first:
            try:
                follow_training(ranks)
            except LostRankError:
                os._exit(1)
            return
        run_training(RunFolder(folder), ranks=ranks)
        ranks.broadcast()


def wrap_alone(environment: dict[str, str]) -> None:
    """The first process ends, as where it is stopped while it reads the cases; the others make their network."""
    from torch import nn

    from afl_core.training.ranks import LostRankError, joined

    os.environ.update(environment)
    with joined() as ranks:
        ranks.broadcast()
        try:
            if not ranks.first:
                ranks.wrap(nn.Linear(1, 1))
        except LostRankError:
            os._exit(1)


def train_together(run: RunFolder, *, size: int = 2, die_at: tuple[int, int] = (0, -1)) -> list[int | None]:
    """Train a run with so many processes; how each of them ended."""
    return start_ranks(lambda shared: start_forked(train_rank, run.path, shared, die_at), size=size)


def start_ranks(start: Callable[[dict[str, str]], BaseProcess], *, size: int = 2) -> list[int | None]:
    """Start processes with the environment that `torchrun` gives each; how each of them ended."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # in no process of the run, as torchrun's
    shared = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)}
    shared |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0"}
    processes = [start(shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(size)]
    deadline = time.monotonic() + 60
    for process in processes:
        process.join(max(1.0, deadline - time.monotonic()))
        if process.exitcode is None:
            process.kill()
    return [process.exitcode for process in processes]
