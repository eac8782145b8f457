"""A cluster of Dask whose workers are processes of this machine, and the settings of schedulers of our own."""

import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any

CONFIG = MappingProxyType(
    {
        "distributed.scheduler.allowed-failures": 2,  # a third worker that ends amid a task is the task's problem
        "distributed.scheduler.worker-saturation": 1.0,  # a task that waits is not blamed for the one that runs
        "distributed.scheduler.http.routes": [],  # no pages
        "distributed.worker.http.routes": [],
    }
)
"""Settings of a scheduler of our own."""

LOCAL = MappingProxyType(
    {
        **CONFIG,
        "distributed.deploy.lost-worker-timeout": "1 day",  # one that ends is started anew, however often
        "distributed.scheduler.no-workers-timeout": "60 s",  # where none can be started, nobody waits for ever
    }
)
"""The same for one whose workers are processes of this machine."""


def local_cluster(workers: int, folder: str) -> Any:
    """A cluster of processes of this machine, encrypted, and reached from this machine alone."""
    from distributed import LocalCluster  # noqa: PLC0415 - an extra

    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        security=True,
        dashboard_address=None,
        scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        memory_limit=None,  # as with processes
        local_directory=folder,
        preload=["afl_core.base.cluster_worker"],
        silence_logs=logging.CRITICAL,
    )


def end_workers(of: Any) -> None:
    """End the processes of a local cluster at once; Dask would wait for what they run."""
    for worker in tuple(of.workers.values()):
        if pid := getattr(worker, "pid", None):
            with suppress(ProcessLookupError):
                worker.auto_restart = False
                os.kill(pid, signal.SIGTERM)


@contextmanager
def quiet() -> Iterator[None]:
    """Dask's own log is for who runs a scheduler; what matters of it comes as an error."""
    levels: Mapping[str, int] = {name: logging.getLogger(name).level for name in ("distributed", "distributed.client")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
