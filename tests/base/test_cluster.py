"""What `--cluster` accepts, what it asks of Slurm, and what a worker refuses. Commands at work: tests/cli."""

import os
import pickle
import signal
import sys
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path

import made_cluster
import pytest

from afl_core.base import cluster as clusters
from afl_core.base import extras
from afl_core.base.cluster import Cluster, parse_cluster
from afl_core.base.cluster_worker import Terms, meet, own_versions, pack, run_packed
from afl_core.base.workers import finished, worker_pool
from afl_core.cli.options import choose_cluster
from afl_core.errors import DataError, UsageError

if not os.environ.get("CI"):  # there it must be installed
    pytest.importorskip("distributed", reason="the extra cluster is not installed")

JOBS = """
jobs: 2
cores: 1
memory: 4GB
walltime: "08:00:00"
queue: normal
account: lab
interface: lo
job_extra_directives: ["--gres=gpu:1"]
job_script_prologue: ["echo begins"]
"""


@pytest.fixture
def written(tmp_path):
    """`written(text)` is the path of a file with it."""

    def write(text):
        path = tmp_path / "slurm.yaml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("text", "cluster"),
    [
        ("local:8", Cluster(workers=8)),
        ("tcp://host:8786", Cluster(address="tcp://host:8786")),
        ("tls://10.0.0.1:8786", Cluster(address="tls://10.0.0.1:8786")),
    ],
)
def test_what_an_option_names(text, cluster):
    assert choose_cluster(text) == cluster


@pytest.mark.parametrize("text", ["", "8", "local", "local:0", "local:-1", "host:8786", "http://host:1", "tcp://host"])
def test_what_is_no_cluster_is_one_sentence(text):
    with pytest.raises(
        UsageError, match=r"This is no cluster .*Give local:8, tcp://host:8786, or a file such as slurm"
    ):
        choose_cluster(text)


def test_a_cluster_goes_without_a_number_of_processes():
    assert choose_cluster(None, 4) is None
    with pytest.raises(UsageError, match="Give either --workers or --cluster"):
        choose_cluster("local:8", 4)


def test_the_extra_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "distributed" else find_spec(name))
    with pytest.raises(UsageError, match=r"--cluster needs distributed.* pip install 'afl-workbench\[cluster\]'"):
        choose_cluster("local:8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (JOBS.replace("cores: 1\n", ""), "cores: Field required"),
        (JOBS.replace("queue", "que"), "que: Extra inputs are not permitted"),
        (JOBS.replace("jobs: 2", "jobs: 0"), "jobs: Input should be greater than or equal to 1"),
        (JOBS.replace("4GB", "4"), "memory: "),
        ("- a list", "the file: Input should be a valid dictionary"),
        ("jobs: [", "cannot be read"),
        ("jobs: \x00", "cannot be read"),
    ],
)
def test_a_file_that_describes_no_jobs_is_one_sentence(written, text, said):
    with pytest.raises(DataError) as told:
        parse_cluster(str(written(text)))
    assert said in str(told.value)
    assert "\n" not in str(told.value)
    assert "docs/scale.md shows one" in str(told.value)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(DataError, match=r"none\.yaml cannot be read"):
        parse_cluster("none.yaml")


SBATCH = """#!/bin/sh
if [ "$1" = --test-only ]; then cat > {folder}/asked; exit {status}; fi
cp "$1" {folder}/job
sh {folder}/job > {folder}/log 2>&1 &
echo "Submitted batch job $!"
"""


@pytest.fixture
def slurm_here(tmp_path, monkeypatch):
    """`slurm_here(status)` puts programs on the path that do what Slurm's do: a job is a process of this machine."""

    def make(status=0):
        folder = tmp_path / "bin"
        folder.mkdir()
        for name, text in {
            "sbatch": SBATCH.format(folder=tmp_path, status=status),
            "scancel": f'#!/bin/sh\necho "$1" >> {tmp_path}/cancelled\nkill "$1"\n',
        }.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*made_paths(), os.environ.get("PYTHONPATH", "")]))
        monkeypatch.setattr(clusters, "CERTIFICATES", tmp_path / "certificates")

    return make


def made_paths():
    return str(Path(made_cluster.__file__).parent), str(Path(extras.__file__).parents[2])


def test_jobs_of_slurm_are_asked_for_work_and_are_cancelled(slurm_here, written, tmp_path):
    """No Slurm is here: its programs are scripts, and the job is one that it would run."""
    slurm_here()
    jobs = parse_cluster(str(written(JOBS.replace("jobs: 2", "jobs: 1"))))
    with worker_pool(tasks=2, workers=jobs, shared=tmp_path) as pool:
        found = dict(finished(made_cluster.work, ["a", "b"], of=str, executor=pool, folder=tmp_path))
    assert found == {"a": "a", "b": "b"}
    script = (tmp_path / "job").read_text()
    assert script.splitlines()[2:12] == [
        "#SBATCH -J dask-worker",
        "#SBATCH -p normal",
        "#SBATCH -A lab",
        "#SBATCH -n 1",
        "#SBATCH --cpus-per-task=1",
        "#SBATCH --mem=4G",
        "#SBATCH -t 08:00:00",
        "#SBATCH --gres=gpu:1",
        "echo begins",
        "export DASK_DISTRIBUTED__WORKER__HTTP__ROUTES='[]'",
    ]
    for part in (
        "--nthreads 1",
        "--nanny",
        "--no-dashboard",
        "--interface lo",
        "--protocol tls://",
        "tls://127.0.0.1:",
    ):
        assert part in script
    assert "--preload afl_core.base.cluster_worker" in script
    assert (tmp_path / "cancelled").read_text().strip().isdigit()
    assert list((tmp_path / "certificates").iterdir()) == []


def test_a_job_that_slurm_refuses_is_one_sentence(slurm_here, written):
    slurm_here(status=1)
    refused = pytest.raises(UsageError, match=r"Slurm does not take the job \(received: exit status 1\)")
    with refused, worker_pool(tasks=2, workers=parse_cluster(str(written(JOBS)))):
        pytest.fail("work began")


def test_no_slurm_is_one_sentence(written, monkeypatch):
    monkeypatch.setenv("PATH", "")
    refused = pytest.raises(UsageError, match="There is no Slurm on this machine")
    with refused, worker_pool(tasks=2, workers=parse_cluster(str(written(JOBS)))):
        pytest.fail("work began")


def test_ctrl_c_stays_ours(written, monkeypatch):
    """The package of Slurm's jobs makes Ctrl-C an exit when it is imported, and what is finished would not be kept."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "dask_jobqueue"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("PATH", "")
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(UsageError), worker_pool(tasks=2, workers=parse_cluster(str(written(JOBS)))):
        pytest.fail("work began")
    assert "dask_jobqueue.runner" in sys.modules
    assert signal.getsignal(signal.SIGINT) is before


HERE = Terms(own_versions())


def test_a_task_finds_its_files_from_any_folder(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("text")
    monkeypatch.chdir(tmp_path)
    packed = pack((made_cluster.work, (Path("a.txt"),)), {}, HERE)
    monkeypatch.chdir("/")
    assert run_packed(packed) == "text"


@pytest.mark.parametrize("what", ["gone", "longer", "another folder"])
def test_a_file_that_is_not_the_one_of_the_sender_is_named_with_the_worker(tmp_path, what):
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_text("text") if what != "another folder" else path.mkdir()
    packed = pack((made_cluster.work, (path,)), {}, HERE)
    path.rename(other)
    if what == "longer":
        path.write_text("text2")
    if what == "another folder":
        path.mkdir()
        os.utime(path, (1, 1))
    found = run_packed(packed)
    assert type(found) is DataError
    seen = "does not see" if what == "gone" else "sees another file than this machine at"
    assert f"{seen} {path}" in str(found)
    assert str(found).startswith(f"The worker {os.uname().nodename} (process {os.getpid()})")


def test_what_is_written_to_a_folder_meanwhile_and_files_of_options_are_no_matter(tmp_path):
    log = tmp_path / "log"
    log.mkdir()
    packed = pack((len, ([tmp_path, tmp_path / "made later"],)), {}, HERE)
    (tmp_path / "made later").touch()
    os.utime(tmp_path, (1, 1))
    assert run_packed(packed) == 2
    packed = pack((dict, ()), {"folder": log}, HERE)
    log.rmdir()
    assert run_packed(packed) == {"folder": log}


def test_a_function_goes_by_its_name_alone():
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pack((lambda: 1, ()), {}, HERE)


def test_a_worker_that_comes_late_meets_the_terms_too(tmp_path):
    packed = pack((made_cluster.work, ("a",)), {}, Terms((("python", "2.7"),)))
    with pytest.raises(UsageError, match=r"has other versions than this machine .*python 3\.\d+\.\d+ there, 2\.7 here"):
        run_packed(packed)
    with pytest.raises(UsageError, match="does not see the folder of the results"):
        meet(Terms(own_versions(), str(tmp_path / "token")))


class Failing:
    """A client of Dask that itself fails at the first tasks that it is handed."""

    def __init__(self, failures):
        self.failures = failures

    def get_executor(self, *, pure):
        assert not pure
        return self

    def submit(self, work, packed):
        future = Future()
        self.failures -= 1
        if self.failures >= 0:  # what its executor says where a worker ended while its result was fetched
            future.set_exception(ValueError("not enough values to unpack (expected 3, got 1)"))
        else:
            future.set_result(work(packed))
        return future


def test_a_task_at_which_dask_itself_fails_is_handed_on_again():
    executor = clusters.ClusterExecutor(Failing(clusters.TRIES - 1), HERE)
    assert executor.submit(sum, [1, 2]).result(1) == 3


def test_a_task_at_which_dask_fails_every_time_is_an_error_in_the_end():
    executor = clusters.ClusterExecutor(Failing(clusters.TRIES), HERE)
    with pytest.raises(UsageError, match="not enough values to unpack"):
        executor.submit(sum, [1, 2]).result(1)
