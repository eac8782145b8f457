"""Several processes train what one would have trained; one that dies ends the run, which others can take up."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from made_kills import start_forked
from made_ranks import start_ranks, train_together, wrap_alone
from made_runs import ADAPTIVE, make_run
from safetensors.torch import load_file

from afl_core.errors import UsageError
from afl_core.model.checkpoints import CARD, WEIGHTS
from afl_core.training.ranks import Ranks
from afl_core.training.run import run_training
from afl_core.training.runs import CHECKPOINT

CONFIG = ADAPTIVE.model_copy(update={"steps": 6, "validate_every": 3, "batch_size": 4})
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(_written):
    return _written / "cohort"


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    """The run of one process."""
    run = make_run(tmp_path_factory.mktemp("alone"), data, CONFIG)
    run_training(run)
    return run


@pytest.fixture(scope="module")
def together(data, tmp_path_factory):
    """The run of two processes."""
    run = make_run(tmp_path_factory.mktemp("together"), data, CONFIG)
    assert train_together(run) == [0, 0]
    return run


def weights(run):
    return load_file(run.path / CHECKPOINT / WEIGHTS)


def assert_close(run, other):
    for name, tensor in weights(run).items():
        torch.testing.assert_close(tensor, weights(other)[name], rtol=0, atol=1e-5)
    for row, expected in zip(run.metrics(), other.metrics(), strict=True):
        assert row.pop("factors") == expected.pop("factors")
        del row["seconds"], expected["seconds"]
        assert row == pytest.approx(expected, abs=1e-3)  # a voxel may change sides in the validation


def test_two_processes_reach_the_weights_of_one_with_the_same_batches(alone, together):
    assert_close(together, alone)
    card = json.loads((together.path / CHECKPOINT / CARD).read_text())
    assert (card["training"]["processes"], card["training"]["batch_size"]) == (2, 4)
    assert any(not torch.equal(tensor, weights(alone)[name]) for name, tensor in weights(together).items())


def test_two_processes_give_the_same_bits_again(data, together, tmp_path):
    run = make_run(tmp_path, data, CONFIG)
    assert train_together(run) == [0, 0]
    assert (run.path / CHECKPOINT / WEIGHTS).read_bytes() == (together.path / CHECKPOINT / WEIGHTS).read_bytes()


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_dies_ends_the_run_and_one_alone_takes_it_up(data, alone, tmp_path, rank):
    run = make_run(tmp_path, data, CONFIG)
    ended = train_together(run, die_at=(rank, 4))
    assert ended[rank] == 9
    assert ended[1 - rank] not in (0, None)
    if rank == 1:
        status = run.status()
        assert status.state == "failed"
        assert "Another process of the training has ended" in status.message
    assert not (run.path / CHECKPOINT).exists()
    run_training(run)
    assert run.status().state == "finished"
    assert_close(run, alone)


def test_a_process_that_waits_to_make_its_network_hears_that_another_has_ended():
    assert start_ranks(lambda environment: start_forked(wrap_alone, environment)) == [0, 1]


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(UsageError, match=r"4 patches for 3 processes.*batch_size=6"):
        Ranks(0, 3).check_batch(4)
    Ranks(0, 2).check_batch(4)


def test_torchrun_trains_and_one_process_speaks(cohort, tmp_path, monkeypatch):
    monkeypatch.setenv("AFL_HOME", str(tmp_path))
    splits = json.loads((cohort / "splits.json").read_text()) | {"test": []}  # which is measured in further processes
    (cohort / "splits.json").write_text(json.dumps(splits))
    settings = ["patch_size=[16,16,16]", "steps=2", "validate_every=2", "batch_size=2"]
    words = ["--loss", "focal", "--data", cohort, "--name", "two", *(f"--set={text}" for text in settings)]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    ran = subprocess.run(
        [*launch, "-m", "afl_core", "train", *words], cwd=ROOT, check=False, capture_output=True, text=True, timeout=240
    )
    assert ran.returncode == 0, ran.stderr
    assert (ran.stdout + ran.stderr).count("Checkpoint written to") == 1
    card = json.loads((tmp_path / "models" / "runs" / "two" / CHECKPOINT / CARD).read_text())
    assert card["training"]["processes"] == 2
