"""Jobs of Slurm whose processes are workers of a cluster: a small YAML file, and dask-jobqueue's cluster from it."""

import shutil
import signal
import subprocess
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
"""Folder of the certificates by which scheduler and jobs know one another, while they run; the jobs must see it."""


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


def slurm_cluster(jobs: Jobs, folder: str) -> Any:
    """A scheduler in this process, encrypted, and jobs that bring it workers.

    Args:
        jobs: What is asked of Slurm.
        folder: Folder for the certificates, which the jobs see as long as the cluster is up.

    Raises:
        UsageError: If Slurm is not on this machine, or would not take such a job.
    """
    of_ctrl_c = signal.getsignal(signal.SIGINT)
    from dask_jobqueue import SLURMCluster  # noqa: PLC0415 - an extra

    signal.signal(signal.SIGINT, of_ctrl_c)  # the import had put an exit in its place
    if shutil.which("sbatch") is None:
        raise UsageError("There is no Slurm on this machine", received="no sbatch", todo="Work on a login node")
    settings = jobs.model_dump(exclude={"jobs"}, exclude_none=True)
    prologue = [*settings.pop("job_script_prologue"), "export DASK_DISTRIBUTED__WORKER__HTTP__ROUTES='[]'"]
    of = SLURMCluster(
        **settings | {"job_extra_directives": list(jobs.job_extra_directives)},
        processes=jobs.cores,
        job_script_prologue=prologue,
        worker_extra_args=["--no-dashboard", "--preload", "afl_core.base.cluster_worker"],
        scheduler_options={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        security=_certified(Path(folder)),
    )
    try:
        _check_job(of.job_script())
    except BaseException:
        of.close()
        raise
    of.adapt(minimum_jobs=jobs.jobs, maximum_jobs=jobs.jobs)
    return of


def _certified(folder: Path) -> Any:
    """Certificates of this one cluster, as files that its jobs can read."""
    from distributed.security import Security  # noqa: PLC0415 - an extra

    paths = {}
    for part, text in Security.temporary().get_tls_config_for_role("worker").items():
        if part in ("ca_file", "cert", "key"):
            paths[part] = str(folder / f"{part}.pem")
            Path(paths[part]).write_text(text)
    roles = {
        f"tls_{role}_{part}": paths[part] for role in ("client", "scheduler", "worker") for part in ("cert", "key")
    }
    return Security(require_encryption=True, tls_ca_file=paths["ca_file"], **roles)


def _check_job(script: str) -> None:
    """Ask Slurm whether it would take a job; Dask would only log that it was refused, and wait for ever.

    Raises:
        UsageError: If it would not.
    """
    asked = subprocess.run(["sbatch", "--test-only"], input=script, capture_output=True, text=True, check=False)
    if asked.returncode:
        said = (asked.stderr.strip().splitlines() or [f"exit status {asked.returncode}"])[-1]
        raise UsageError("Slurm does not take the job", received=said, todo="Change the file of --cluster")
