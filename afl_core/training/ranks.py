"""The processes that train one run together, each on its share of every batch, as `torchrun` starts them."""

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed, nn

from afl_core.errors import DataError, UsageError

PATIENCE = timedelta(hours=2)
"""How long a process waits for the others: the first one may draw a cohort or check a data set meanwhile."""


class LostRankError(DataError):
    """Another process of the training has ended."""


@dataclass(frozen=True)
class Ranks:
    """The place of this process among those that train together; by default it is alone.

    Attributes:
        rank: Number of this process, from 0; the first one alone writes.
        size: Number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    @property
    def share(self) -> slice:
        """The samples of a batch, or the cases of a list, that this process takes."""
        return slice(self.rank, None, self.size)

    def check_batch(self, patches: int) -> None:
        """Raise unless a batch of so many patches can be shared evenly.

        Raises:
            UsageError: If it cannot; says which could.
        """
        if patches % self.size:
            todo = f"Give --set batch_size={-(-patches // self.size) * self.size}, or other processes"
            received = f"{patches} patches for {self.size} processes"
            raise UsageError("Every process needs as many patches of a batch", received=received, todo=todo)

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes in their order; all of them call this at the same point.

        Raises:
            LostRankError: If another process has ended.
        """
        values = [value] * self.size
        if self.size > 1:
            with self.together():
                distributed.all_gather_object(values, value)
        return values

    def broadcast(self, value: Any = None) -> Any:
        """The value of the first process; all of them call this at the same point.

        Raises:
            LostRankError: If another process has ended.
        """
        values = [value]
        if self.size > 1:
            with self.together():
                distributed.broadcast_object_list(values, src=0)
        return values[0]

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network as it is called for a step: its gradient is the mean over all processes."""
        if self.size == 1:
            return network
        on_gpu = next(network.parameters()).is_cuda
        if on_gpu:  # each GPU normalises over the whole batch, as one would
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        self.broadcast()  # a new group waits without hearing of a process that has ended meanwhile
        group = distributed.new_group(backend="nccl" if on_gpu else "gloo", timeout=PATIENCE)
        return nn.parallel.DistributedDataParallel(network, process_group=group)

    @contextmanager
    def together(self) -> Generator[None]:
        """What the processes do together; one that has ended ends the others here."""
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            if self.size == 1:
                raise
            todo = "See what it said, then go on from the last state with --resume"
            received = str(error).splitlines()[0][:200]
            raise LostRankError("Another process of the training has ended", received=received, todo=todo) from error


ALONE = Ranks()


def interleave(parts: Sequence[Sequence[Any]]) -> list[Any]:
    """The values of all processes in the order of the list of which each took its share.

    >>> interleave([[0, 2, 4], [1, 3]])
    [0, 1, 2, 3, 4]
    """
    return [parts[k % len(parts)][k // len(parts)] for k in range(sum(map(len, parts)))]


@contextmanager
def joined() -> Generator[Ranks]:
    """The processes that `torchrun` started, connected; a process that it did not start is alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("gloo", timeout=PATIENCE)  # messages; tensors of GPUs have a group of their own
    try:
        yield Ranks(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()
