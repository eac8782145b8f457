"""Jobs of Slurm whose processes are workers of a cluster: a small YAML file, and dask-jobqueue's cluster from it."""

import shutil
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from afl_core.base.paths import HOME
from afl_core.base.storage import read_bounded
from afl_core.errors import DataError, UsageError

LARGEST = 2**16
"""Bytes that the file may have."""

TODO = "docs/scale.md shows one"

CERTIFICATES = HOME / "data" / "cluster"
"""Folder of the certificates by which the jobs know the scheduler, while it runs; the jobs must see it."""


class Jobs(BaseModel):
    """What is asked of Slurm; the names are those of dask-jobqueue's `SLURMCluster`.

    Attributes:
        jobs: Number of jobs, each on one machine; one that ends early is asked for anew.
        cores: Cores of a job: a worker each.
        memory: Memory of a job, such as `32GB`, which its workers share.
        walltime: Time after which Slurm ends a job, such as `08:00:00`.
        queue: Partition.
        account: Account that pays.
        interface: Network interface between the machines, such as `ib0`.
        job_extra_directives: Further options of `sbatch`, such as `--gres=gpu:1`.
        job_script_prologue: Lines of shell before a job's workers start, such as `module load cuda`.
        log_directory: Folder of the jobs' logs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    jobs: int = Field(ge=1)
    cores: int = Field(ge=1)
    memory: str = Field(pattern=r"^[0-9.]+ *[KMGT]i?B$")
    walltime: str = Field(pattern=r"^[0-9:-]+$")
    queue: str | None = None
    account: str | None = None
    interface: str | None = None
    job_extra_directives: tuple[str, ...] = ()
    job_script_prologue: tuple[str, ...] = ()
    log_directory: str | None = None


def load_jobs(path: Path) -> Jobs:
    """The jobs that a file describes.

    Raises:
        DataError: If it cannot be read so.
    """
    import yaml  # noqa: PLC0415 - an extra

    try:
        return Jobs.model_validate(yaml.safe_load(read_bounded(path, LARGEST)))
    except ValidationError as error:
        first = error.errors()[0]
        received = f"{'.'.join(str(part) for part in first['loc']) or 'the file'}: {first['msg']}"
        raise DataError(f"{path.name} does not describe jobs of Slurm", received=received, todo=TODO) from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path.name} cannot be read", received=" ".join(str(error).split()), todo=TODO) from error


def slurm_cluster(jobs: Jobs) -> Any:
    """A scheduler in this process, encrypted, and jobs that bring it workers.

    Raises:
        UsageError: If Slurm is not on this machine.
    """
    from dask_jobqueue import SLURMCluster  # noqa: PLC0415 - an extra
    from distributed.security import Security  # noqa: PLC0415

    if shutil.which("sbatch") is None:
        raise UsageError("There is no Slurm on this machine", received="no sbatch", todo="Work on a login node")
    CERTIFICATES.mkdir(parents=True, exist_ok=True)
    settings = jobs.model_dump(exclude={"jobs"}, exclude_none=True)
    prologue = [*settings.pop("job_script_prologue"), "export DASK_DISTRIBUTED__WORKER__HTTP__ROUTES='[]'"]
    of = SLURMCluster(
        **settings | {"job_extra_directives": list(jobs.job_extra_directives)},
        processes=jobs.cores,
        job_script_prologue=prologue,
        worker_extra_args=["--no-dashboard", "--preload", "afl_core.base.cluster_worker"],
        scheduler_options={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        security=Security.temporary(),
        shared_temp_directory=str(CERTIFICATES),
    )
    of.adapt(minimum_jobs=jobs.jobs, maximum_jobs=jobs.jobs)
    return of
