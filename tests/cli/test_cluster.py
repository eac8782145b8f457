"""Commands on a cluster of Dask, with a real scheduler and worker processes: also killed ones."""

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import made_cluster
import numpy as np
import pytest
import waiting

from afl_core.base import cluster as clusters
from afl_core.base import cluster_worker
from afl_core.base.cluster import Cluster, parse_cluster
from afl_core.base.local_cluster import LOCAL
from afl_core.base.workers import finished, worker_pool
from afl_core.cli import data
from afl_core.errors import DataError, UsageError
from afl_core.evaluation import pipeline
from afl_core.evaluation.results import Results

ROOT = Path(__file__).parents[2]

if not os.environ.get("CI"):  # there it must be installed
    pytest.importorskip("distributed", reason="the extra cluster is not installed")
import dask  # noqa: E402
import distributed  # noqa: E402

wait_until = partial(waiting.wait_until, seconds=180)


@pytest.fixture(scope="module")
def own():
    """A scheduler with four worker processes, as an administrator may have started it."""
    with (
        dask.config.set(LOCAL),
        distributed.LocalCluster(
            n_workers=4,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            memory_limit=None,
            silence_logs=50,
        ) as cluster,
    ):
        yield cluster


def scheduler(*, workers):
    """A scheduler in this process, with workers that are threads of it."""
    return distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=False,
        protocol="tcp",
        dashboard_address=None,
        scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        silence_logs=50,
    )


@pytest.fixture
def four(own):
    """The same once all its workers are there: those that were killed start again."""
    wait_until(lambda: len(own.scheduler.workers) == 4)
    return Cluster(address=own.scheduler_address)


@pytest.fixture(scope="module")
def pairs(write_nifti, tmp_path_factory):
    """References of 24 cases, and masks that lie a voxel beside them."""
    root = tmp_path_factory.mktemp("pairs")
    for k in range(24):
        mask = np.zeros((16, 14, 12), np.uint8)
        mask[2 : 5 + k % 7, 3:9, 2 : 4 + k % 5] = 1
        write_nifti(root / "references" / f"case_{k:02}.nii.gz", mask)
        write_nifti(root / "masks" / f"case_{k:02}.nii.gz", np.roll(mask, 1, axis=k % 3))
    return root


@pytest.fixture
def evaluate(call, pairs):
    """`evaluate(out, *options)` is `afl evaluate` on the pairs."""
    return partial(command, call, pairs)


def command(call, pairs, out, *options):
    status, _, said = call(*arguments(pairs, out), *options)
    assert status == 0, said
    return said


def arguments(pairs, out):
    return ["evaluate", "--references", pairs / "references", "--source", f"A={pairs / 'masks'}", "--out", out]


def content(folder: Path) -> dict[str, bytes]:
    """The rows, sorted and without the time that they took, and every mask, as bytes."""
    results, files = Results(folder), sorted(folder.rglob("*.nii.gz"))
    of: dict[str, bytes] = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    for name, table in (("cases", results.cases().drop(columns="seconds")), ("lesions", results.lesions())):
        ordered = table.sort_values([key for key in ("case_id", "source", "region", "lesion", "kind") if key in table])
        of[name] = ordered.to_csv(index=False).encode()
    return of


@pytest.fixture(scope="module")
def by_processes(pairs, tmp_path_factory):
    """The same by a pool of processes."""
    from afl_core.cli.evaluate_cases import evaluate_cases
    from afl_core.data.layouts import references_cohort
    from afl_core.evaluation.sources import parse_sources

    folder, cohort = tmp_path_factory.mktemp("pool") / "out", references_cohort(pairs / "references")
    sources = parse_sources([f"A={pairs / 'masks'}"])
    assert evaluate_cases(cohort, cohort.cases, sources, Results(folder), workers=2) == {}
    return content(folder)


def kill_two_on_the_way(own, out):
    """A thread that kills two of the four workers once the first masks are there."""
    pids = [worker.pid for worker in own.workers.values()][:2]

    def kill():
        wait_until(lambda: len(list(out.rglob("case_*.nii.gz"))) >= 3)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_with_two_of_four_workers_killed_the_results_are_those_of_processes_to_the_byte(
    own, four, evaluate, by_processes, tmp_path, monkeypatch
):
    monkeypatch.setattr(pipeline, "_evaluate", made_cluster.slowly)
    thread = kill_two_on_the_way(own, tmp_path / "out")
    evaluate(tmp_path / "out", "--cluster", four.address)
    thread.join()
    assert own.scheduler.task_prefixes["run_packed"].suspicious >= 1, "none of them was at work"
    assert content(tmp_path / "out") == by_processes
    assert not list((tmp_path / "out").glob(".shared.*"))


CLIENT = """
import made_cluster
from afl_core.cli.main import main
from afl_core.evaluation import pipeline, run

run.STORE_SECONDS, pipeline._evaluate = 0.2, made_cluster.slowly
if __name__ == "__main__":
    main()
"""


def test_after_the_client_was_killed_the_same_command_goes_on_to_the_same_bytes(
    four, pairs, evaluate, by_processes, tmp_path
):
    (tmp_path / "client.py").write_text(CLIENT)
    out = tmp_path / "out"
    given = [*arguments(pairs, out), "--cluster", four.address]
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "client.py"), *map(str, given)], env=os.environ | {"PYTHONPATH": paths()}
    )
    wait_until((out / "cases.parquet").is_file)
    process.kill()
    process.wait(timeout=30)
    before = Results(out).cases()
    assert 0 < len(before) < 24
    evaluate(out, "--cluster", four.address)
    after = Results(out).cases().merge(before, on="case_id", suffixes=("", "_before"))
    assert list(after["seconds"]) == list(after["seconds_before"]), "what was stored is measured once"
    assert content(out) == by_processes


def paths():
    return os.pathsep.join([str(ROOT), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])])


def outcomes(pool, tasks, folder, **options):
    return dict(finished(made_cluster.work, tasks, of=str, executor=pool, folder=folder, **options))


def test_a_task_that_ends_three_workers_is_a_problem_and_the_others_go_on(four, tmp_path):
    with worker_pool(tasks=9, workers=four) as pool:
        found = outcomes(pool, ["a", "dies", "b", "unforeseen", *"cdefgh"], tmp_path)
    dies, unforeseen = found.pop("dies"), found.pop("unforeseen")
    assert found == {name: name for name in "abcdefgh"}
    assert type(dies) is DataError
    assert str(dies).startswith("3 workers ended amid this work, one after the other, perhaps for want of memory.")
    assert "ValueError: first line" in str(unforeseen)


def test_a_scheduler_never_holds_more_tasks_than_it_may(own, four, tmp_path, monkeypatch):
    monkeypatch.setattr(clusters, "LEAST_AT_ONCE", 10)
    monkeypatch.setattr(clusters, "MOST_AT_ONCE", 12)
    monkeypatch.setattr(clusters, "A_WORKER_AT_ONCE", 9)

    def waiting():
        return sum(task.state in ("processing", "queued", "no-worker") for task in own.scheduler.tasks.values())

    with worker_pool(tasks=99, workers=four) as pool:
        assert pool.at_once == 12
        running = finished(made_cluster.work, range(60), of=str, executor=pool, folder=tmp_path)
        held = [waiting() for _ in running]
    assert len(held) == 60
    assert max(held) <= 12


def test_files_are_found_from_another_folder_and_one_that_differs_is_named_with_its_worker(four, tmp_path, monkeypatch):
    (tmp_path / "there").write_text("text")
    (tmp_path / "differs").write_text("text")
    look = cluster_worker.look
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        cluster_worker, "look", lambda path: look(path)._replace(**{"size": 5} if path.endswith("differs") else {})
    )
    with worker_pool(tasks=2, workers=four) as pool:
        found = outcomes(pool, [Path("there"), Path("differs")], tmp_path)
    assert found[Path("there")] == "text"
    said = str(found[Path("differs")])
    assert "sees another file than this machine at" in said
    assert str(tmp_path / "differs") in said
    assert "tcp://127.0.0.1:" in said


def test_workers_of_other_versions_are_refused_before_any_work(four, tmp_path, monkeypatch):
    monkeypatch.setattr(clusters, "own_versions", lambda: (("numpy", "0.1"), ("only here", "1")))
    with pytest.raises(UsageError) as told, worker_pool(tasks=2, workers=four):
        pytest.fail("work began")
    assert "The worker" in str(told.value)
    assert f"numpy {np.__version__} there, 0.1 here; only here missing there, 1 here" in str(told.value)
    assert "distributed" in str(told.value)


def test_a_results_folder_that_a_worker_does_not_see_is_refused_before_any_work(four, tmp_path, monkeypatch):
    touch = Path.touch
    monkeypatch.setattr(Path, "touch", lambda path, **_: None if path.name.startswith(".shared.") else touch(path))
    refused = pytest.raises(UsageError, match="does not see the folder of the results")
    with refused, worker_pool(tasks=2, workers=four, shared=tmp_path):
        pytest.fail("work began")


def test_a_scheduler_that_is_gone_is_one_sentence(tmp_path):
    """Its workers too; what is done is kept."""

    def end_midway():
        with worker_pool(tasks=2, workers=Cluster(address=other.scheduler_address)) as executor:
            running = finished(time.sleep, [0, 600], of=str, executor=executor, folder=tmp_path)
            next(running)
            other.close()
            next(running)

    soon = dask.config.set({"distributed.comm.timeouts.connect": "2s"})
    with soon, scheduler(workers=1) as other, pytest.raises(UsageError, match="The scheduler is gone"):
        end_midway()


def test_no_scheduler_and_a_scheduler_without_workers_are_one_sentence_each(monkeypatch):
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 0.5)
    with scheduler(workers=0) as empty:
        for address, said in (
            ("tcp://127.0.0.1:9", "There is no scheduler of Dask (received: tcp://127.0.0.1:9)"),
            (empty.scheduler_address, f"The scheduler has no worker (received: {empty.scheduler_address})"),
        ):
            refused = pytest.raises(UsageError, match=re.escape(said))
            with refused, worker_pool(tasks=2, workers=parse_cluster(address)):
                pytest.fail("work began")


STUCK = """
import sys, time
from functools import wraps
from afl_core.cli.main import main
from afl_core.evaluation import pipeline

evaluate_case = pipeline.evaluate_case

@wraps(evaluate_case)
def stuck(case, *arguments, **options):
    time.sleep(600 * (case.case_id == "case_03"))
    return evaluate_case(case, *arguments, **options)

pipeline.evaluate_case = stuck  # in the workers too, which import this file
if __name__ == "__main__":
    main()
"""


def encrypted(address):
    try:
        return bool(ssl.get_server_certificate(address, timeout=2))
    except OSError:
        return False


def test_a_local_cluster_is_reached_from_this_machine_alone_and_ctrl_c_ends_it_at_once(pairs, tmp_path):
    """What is finished is kept."""
    import psutil

    (tmp_path / "client.py").write_text(STUCK)
    out = tmp_path / "out"
    given = map(str, [*arguments(pairs, out), "--cluster", "local:2"])
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "client.py"), *given],
        env=os.environ | {"PYTHONPATH": paths()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until(lambda: len(list(out.rglob("case_*.nii.gz"))) == 23)
        time.sleep(0.5)  # their rows are on the way
        workers = psutil.Process(process.pid).children(recursive=True)
        everyone = [psutil.Process(process.pid), *workers]
        listening = [tuple(at.laddr) for one in everyone for at in one.net_connections() if at.status == "LISTEN"]
        assert {ip for ip, _ in listening} == {"127.0.0.1"}
        assert sum(map(encrypted, listening)) >= 3, "scheduler and workers"
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()  # nothing where it has ended
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "Stopped after 23 of 24 cases. What is done is kept" in " ".join(said.split())
    assert len(Results(out).cases()) == 23
    assert not [path.name for path in out.rglob(".*") if path.name != ".lock"]
    assert not psutil.wait_procs(workers, timeout=5)[1]


@pytest.mark.parametrize("verb", ["xray", "data check"])
def test_other_commands_say_the_same_on_a_cluster(four, call, pairs, tmp_path, monkeypatch, verb):
    given = {
        "xray": ["xray", "--references", pairs / "references", "--json"],
        "data check": ["data", "check", pairs / "references", "--masks", "--json"],
    }[verb]
    said = {}
    for where, more in {"here": (), "there": ("--cluster", four.address)}.items():
        monkeypatch.setattr(data, "INDEX", tmp_path / where)
        status, out, _ = call(*given, *more)
        said[where] = status, {key: value for key, value in json.loads(out).items() if key != "command"}
    assert said["there"] == said["here"]
