"""Training in two processes that `torchrun` would start, forked from one that has imported torch and MONAI."""

import os
import socket
import time
from pathlib import Path
from typing import Any

from made_kills import start_forked

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


def train_together(run: RunFolder, *, size: int = 2, die_at: tuple[int, int] = (0, -1)) -> list[int | None]:
    """Train a run with so many processes; how each of them ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        start_forked(train_rank, run.path, shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}, die_at)
        for rank in range(size)
    ]
    deadline = time.monotonic() + 120
    for process in processes:
        process.join(max(1.0, deadline - time.monotonic()))
        if process.exitcode is None:
            process.kill()
    return [process.exitcode for process in processes]
