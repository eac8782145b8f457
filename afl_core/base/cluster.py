"""A cluster of Dask in place of a pool of processes: workers of this machine, of a scheduler, or of Slurm's jobs."""

import re
import secrets
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afl_core.base.cluster_worker import Terms, meet, own_versions, pack, run_packed
from afl_core.base.extras import need
from afl_core.base.local_cluster import CONFIG, LOCAL, end_workers, local_cluster, quiet
from afl_core.base.slurm import CERTIFICATES, Jobs, load_jobs, slurm_cluster
from afl_core.errors import AflError, DataError, UsageError

MOST_AT_ONCE = 10_000
"""Tasks that a scheduler holds at a time; Dask's own advice for one process."""

LEAST_AT_ONCE, A_WORKER_AT_ONCE = 256, 4
"""Tasks at a time whatever the number of workers, and for each of many workers: none waits for its next task."""

CONNECT_SECONDS = 15
"""Seconds in which a scheduler must answer, and have a worker."""

TRIES = 3
"""Times that a task is handed to Dask where Dask itself fails."""

COUNT_SECONDS = 10.0
"""Seconds between two looks how many workers there are."""

_held: "dict[Cluster, Any]" = {}
"""The clusters that are up, and their clients."""

FORMS = "local:8, tcp://host:8786, or a file such as slurm.yaml"


@dataclass(frozen=True)
class Cluster:
    """What `--cluster` names: one of the three.

    Attributes:
        workers: Number of processes on this machine.
        address: Address of a scheduler that is there.
        jobs: Jobs of Slurm.
    """

    workers: int = 0
    address: str = ""
    jobs: Jobs | None = None


def parse_cluster(text: str) -> Cluster:
    """The cluster that an option names.

    >>> parse_cluster("local:8").workers, parse_cluster("tcp://host:8786").address
    (8, 'tcp://host:8786')

    Raises:
        UsageError: If it is of none of the three forms.
        DataError: If the file cannot be read.
    """
    if found := re.fullmatch(r"local:([1-9]\d{0,3})", text):
        return Cluster(workers=int(found[1]))
    if re.fullmatch(r"(tcp|tls)://\S+:\d+", text):
        return Cluster(address=text)
    if text.endswith((".yaml", ".yml")):
        return Cluster(jobs=load_jobs(Path(text).expanduser()))
    raise UsageError("This is no cluster", received=text, todo=f"Give {FORMS}")


@contextmanager
def cluster_pool(cluster: Cluster, *, shared: Path | None = None) -> Iterator[Executor]:
    """An executor whose tasks run on a cluster, whose workers were compared with this machine before.

    A task runs again where its worker is lost, and one that ends three gives a `DataError` in place of a result.
    Leaving the context drops what is queued; workers of our own end, and those of others finish what they run.

    Args:
        cluster: The cluster.
        shared: Folder to which the tasks write; a worker that does not see it stops everything.

    Raises:
        UsageError: If there is no such cluster, or a worker has other versions or does not see the folder.
    """
    with hold_cluster(cluster) as client, _token(shared) as token:
        terms = Terms(own_versions(), token)
        _compare(client, terms)
        yield ClusterExecutor(client, terms)


@contextmanager
def hold_cluster(cluster: Cluster) -> Iterator[Any]:
    """Dask's client of a cluster that is up as long as the context lasts; pools within it all use that one.

    Raises:
        UsageError: If there is no such cluster.
    """
    if cluster in _held:
        yield _held[cluster]
        return
    need("cluster", of="--cluster")
    import dask  # noqa: PLC0415 - an extra
    import distributed  # noqa: F401, PLC0415 - has its settings read first: else they would end with ours

    with ExitStack() as stack:
        stack.enter_context(quiet())
        stack.enter_context(dask.config.set(LOCAL if cluster.workers else CONFIG))
        of = stack.enter_context(_started(cluster))
        _held[cluster] = stack.enter_context(_connected(cluster, of))
        stack.callback(_held.pop, cluster)
        yield _held[cluster]


@contextmanager
def _connected(cluster: Cluster, of: Any) -> Iterator[Any]:
    """Dask's client, once there is a worker; Slurm's jobs may wait for hours, and are not waited for."""
    from distributed import Client  # noqa: PLC0415 - an extra

    try:
        with warnings.catch_warnings(action="ignore"):  # of versions: they are compared afterwards
            client = Client(of, set_as_default=False, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        todo = "Start it, as docs/scale.md says"
        raise UsageError("There is no scheduler of Dask", received=cluster.address or error, todo=todo) from error
    with client:
        try:
            if not cluster.jobs:
                client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            todo = "Start some, as docs/scale.md says"
            raise UsageError("The scheduler has no worker", received=cluster.address, todo=todo) from error
        yield client


class ClusterExecutor(Executor):
    """An executor on Dask's client; an error of the cluster, rather than of a task, is a `UsageError` of the future."""

    def __init__(self, client: Any, terms: Terms) -> None:
        self._client, self._terms = client, terms
        self._dask = client.get_executor(pure=False)
        self._threads, self._counted = 0, -COUNT_SECONDS

    @property
    def at_once(self) -> int:
        """Number of tasks to hand on at a time, for as many workers as there are now."""
        if time.monotonic() - self._counted > COUNT_SECONDS:
            self._threads = self._client.scheduler_info(n_workers=0).get("total_threads", 0)
            self._counted = time.monotonic()
        return min(MOST_AT_ONCE, max(LEAST_AT_ONCE, A_WORKER_AT_ONCE * self._threads))

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a worker call a function of a module; files that the arguments name must be the same there."""
        outer = Future[Any]()
        self._start(outer, pack((fn, args), kwargs, self._terms), TRIES - 1)
        return outer

    def _start(self, outer: Future[Any], packed: bytes, tries_left: int) -> None:
        """Hand a task to Dask, again where Dask itself fails: a worker may end while its result is fetched."""

        def settle(inner: Future[Any]) -> None:
            if tries_left and _failed(inner):
                try:
                    self._start(outer, packed, tries_left - 1)
                except RuntimeError:  # nothing more is taken
                    _settle(outer, inner)
            else:
                _settle(outer, inner)

        inner = self._dask.submit(run_packed, packed)
        inner.add_done_callback(settle)
        outer.add_done_callback(lambda outer: inner.cancel() if outer.cancelled() else None)


def _failed(inner: Future[Any]) -> bool:
    """Whether an error of Dask that has no name of its own is the outcome; those of a task come as its result."""
    from distributed import KilledWorker  # noqa: PLC0415 - an extra
    from distributed.scheduler import NoWorkerError  # noqa: PLC0415

    error = None if inner.cancelled() else inner.exception()
    return error is not None and not isinstance(error, (KilledWorker, NoWorkerError, AflError))


def _settle(outer: Future[Any], inner: Future[Any]) -> None:
    """Give a future the outcome of Dask's, in our words."""
    from distributed import KilledWorker  # noqa: PLC0415 - an extra
    from distributed.scheduler import NoWorkerError  # noqa: PLC0415

    with suppress(InvalidStateError):  # it was cancelled, and this is the answer
        if inner.cancelled():
            todo = "Start it, then give the command again: what is done is kept"
            outer.set_exception(UsageError("The scheduler is gone", todo=todo))
        elif (error := inner.exception()) is None:
            outer.set_result(inner.result())
        elif isinstance(error, KilledWorker):
            outer.set_result(_ended_workers(error.allowed_failures + 1))
        elif isinstance(error, NoWorkerError):
            todo = "Free some memory, or take fewer workers; then give the command again: what is done is kept"
            outer.set_exception(UsageError("No worker is left, and none can be started", todo=todo))
        else:
            outer.set_exception(error if isinstance(error, AflError) else _unable(error))


def _ended_workers(number: int) -> DataError:
    return DataError(
        f"{number} workers ended amid this work, one after the other, perhaps for want of memory",
        todo="Give the workers more, or leave it out: nothing else is touched by it",
    )


def _unable(error: BaseException, worker: str = "A worker") -> UsageError:
    received = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    todo = "Install the same version of afl-workbench on the workers as here"
    return UsageError(f"{worker} cannot do the work", received=received, todo=todo)


def _compare(client: Any, terms: Terms) -> None:
    """Have all workers that are there meet the terms.

    Raises:
        UsageError: If one does not.
    """
    for address, answer in client.run(meet, terms, on_error="return").items():
        if isinstance(answer, BaseException):
            raise answer if isinstance(answer, AflError) else _unable(answer, f"The worker {address}")


@contextmanager
def _token(folder: Path | None) -> Iterator[str]:
    """A new file in a folder, which a worker sees if it shares the folder; "" without one."""
    if folder is None:
        yield ""
        return
    folder.mkdir(parents=True, exist_ok=True)
    token = folder.absolute() / f".shared.{secrets.token_hex(4)}"
    token.touch(exist_ok=False)
    try:
        yield str(token)
    finally:
        token.unlink(missing_ok=True)


@contextmanager
def _started(cluster: Cluster) -> Iterator[Any]:
    """The cluster as Dask's client takes it; one of our own ends with the context."""
    if cluster.address:
        yield cluster.address
        return
    with ExitStack() as stack:
        place = CERTIFICATES if cluster.jobs else None
        if place:
            place.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(prefix="afl-cluster-", dir=place, ignore_cleanup_errors=True)
        folder = stack.enter_context(temporary)
        try:
            of = slurm_cluster(cluster.jobs, folder) if cluster.jobs else local_cluster(cluster.workers, folder)
        except (OSError, RuntimeError, ValueError) as error:
            raise UsageError("The cluster cannot be started", received=error) from error
        stack.callback(of.close)
        stack.callback(end_workers, of)
        yield of
