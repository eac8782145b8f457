"""From a run's folder to a checkpoint: what its card says, what it depends on, and how each failure is told."""

import errno
import hashlib
import importlib.metadata
import json
import shlex
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import nibabel as nib
import numpy as np
import pytest
import torch
from made_runs import ADAPTIVE, FOCAL, make_run

from afl_core.base import paths, storage
from afl_core.data.layouts import DataOptions, load_cohort
from afl_core.data.patients import Patients
from afl_core.data.splits import load_splits, save_splits
from afl_core.errors import AflError, DataError, UsageError
from afl_core.model.checkpoints import WEIGHTS, load_card, load_network
from afl_core.training import run as run_module
from afl_core.training.cases import training_case
from afl_core.training.keeper import FolderKeeper
from afl_core.training.launcher import stop_runs
from afl_core.training.run import _splits, run_training
from afl_core.training.runs import CHECKPOINT, LAST, SPEC, RunFolder

LONG = FOCAL.model_copy(update={"steps": 200, "validate_every": 5})


@pytest.fixture
def make(tmp_path, cohort):
    def made(config=FOCAL, *, data=cohort, **spec):
        return make_run(tmp_path / "runs", data, config, **spec)

    return made


def fail(run, kind, said):
    with pytest.raises(kind) as caught:
        run_training(run)
    status = run.status()
    assert status.state == "failed"
    assert status.message == str(caught.value)
    assert said in status.message
    assert "\n" not in status.message
    return status


def test_a_checkpoint_says_how_it_was_made_and_loads(make, tmp_path):
    heard = []
    run = make(ADAPTIVE, out=tmp_path / "net")
    card = run_training(run, report=heard.append)
    network, stored = load_network(run.path / CHECKPOINT)
    assert stored == card
    assert load_card(tmp_path / "net") == card
    assert (card.name, card.label, card.loss, card.decision_rule) == ("net", "A-FL", "adaptive_focal", "argmax")
    assert (card.command, card.sequences, card.patch_size) == ("afl train x", ("flair", "t1ce"), (16, 16, 16))
    assert card.weights_sha256 == hashlib.sha256((tmp_path / "net" / WEIGHTS).read_bytes()).hexdigest()
    assert {key: card.training[key] for key in ("steps", "seed", "best_step", "threads", "device")} == {
        "steps": 2,
        "seed": 0,
        "best_step": 2,
        "threads": 1,
        "device": "cpu",
    }
    assert card.training["parameters"] == sum(p.numel() for p in network.parameters())
    assert len(card.training["initial_weights_sha256"]) == 64
    assert card.data["cases"] == {"train": 2, "validation": 1, "test": 1}
    assert set(card.scores["test_mean_dsc_by_decision_rule"]) == {"tumour_channel", "background_complement", "argmax"}
    assert card.versions["torch"] == importlib.metadata.version("torch")
    assert card.versions["machine"].endswith(torch.backends.cpu.get_cpu_capability())
    assert card.licence == "Apache-2.0"

    assert run.status().state == "finished"
    (row,) = run.metrics()
    assert row["step"] == heard[0].step == 2
    assert set(row["factors"]) == {"alpha", "gamma"}
    assert set(row["factors"]["gamma"]) == {"mean", "low", "middle", "high"}
    assert json.loads((run.path / "environment.json").read_text())["machine"] == card.versions["machine"]


def test_the_command_of_a_card_gives_the_same_weights_again(cohort, tmp_path, monkeypatch):
    """As written, in a clean place."""
    from afl_core.base import paths
    from afl_core.cli import main

    monkeypatch.setenv("COLUMNS", "300")
    settings = [f"--set={text}" for text in ("steps=2", "batch_size=1", "patch_size=[16,16,16]", "seed=3")]
    loss = ["--loss", "adaptive_focal:paper_equation", "--loss", "focal"]
    command = shlex.join(["afl", "train", *loss, "--data", str(cohort), "--sequences", "t2,flair", *settings])
    cards = []
    for home in ("first", "second"):
        monkeypatch.setattr(paths, "MODELS", tmp_path / home)
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit) as left:
            main.main()
        assert not left.value.code
        found = sorted((tmp_path / home / "runs").glob(f"*/{CHECKPOINT}"))
        cards.append([load_card(folder) for folder in found])
        command = cards[0][0].command
    assert [card.loss for card in cards[0]] == ["adaptive_focal", "focal"]
    assert cards[0] == cards[1]
    assert len({card.weights_sha256 for card in cards[0]}) == 2
    assert len({card.training["initial_weights_sha256"] for card in cards[0]}) == 1


@pytest.mark.parametrize(("of", "said"), [("patch", False), ("case", True)])
def test_a_card_says_where_the_factors_came_from(make, of, said):
    card = run_training(make(ADAPTIVE.model_copy(update={"factors_from": of})))
    assert card.training["factors_from"] == of
    assert ("alpha and gamma of the whole case" in card.summary) == said


def test_a_run_depends_on_the_training_cases_not_on_the_test_cases(make, cohort):
    def card():
        return run_training(make())

    first = card()
    test = cohort / "HGG" / "Case_D"
    for sequence in ("flair", "t1ce"):
        (test / f"Case_D_{sequence}.nii.gz").write_bytes((test / "Case_D_t2.nii.gz").read_bytes())
    second = card()
    assert second.weights_sha256 == first.weights_sha256
    assert second.data == first.data
    training = cohort / "HGG" / "Case_A"
    (training / "Case_A_flair.nii.gz").write_bytes((training / "Case_A_t2.nii.gz").read_bytes())
    third = card()
    assert third.weights_sha256 != first.weights_sha256
    assert third.data["training_files_sha256"] != first.data["training_files_sha256"]


def test_a_run_on_a_region_learns_it_alone_and_its_card_says_so(make, cohort, monkeypatch):
    learned = {}

    def spy(case_id, images, reference, config):
        learned[case_id] = int(reference.array.sum())
        return training_case(case_id, images, reference, config)

    monkeypatch.setattr(run_module, "training_case", spy)
    card = run_training(make(data_options=DataOptions(region="et")))
    labels = {path.name.removesuffix("_seg.nii.gz"): nib.load(path).get_fdata() for path in cohort.rglob("*_seg*")}
    assert learned == {case_id: np.count_nonzero(array == 4) for case_id, array in labels.items()}
    assert (card.data["labels"], card.data["region"]) == ("brats", "et")
    assert card.summary.endswith("decided by argmax, trained on enhancing tumour (ET): 4")


def test_a_run_written_before_there_were_regions_is_of_the_whole_tumour(make):
    run = make()
    said = json.loads((run.path / SPEC).read_text())
    del said["data_options"]
    (run.path / SPEC).write_text(json.dumps(said))
    card = run_training(run)
    assert card.data["region"] == "whole"
    assert "trained on" not in card.summary


def test_the_card_counts_the_cases_that_were_used(make, cohort):
    """One that lacks a sequence of the network is not claimed."""
    (cohort / "HGG" / "Case_B" / "Case_B_t1ce.nii.gz").unlink()
    assert run_training(make()).data["cases"] == {"train": 1, "validation": 1, "test": 1}


@pytest.mark.parametrize("missing", ["train", "validation"])
def test_a_missing_split_is_named(make, cohort, missing):
    splits = {name: ids for name, ids in load_splits(cohort / "splits.json").items() if name != missing}
    save_splits(cohort / "splits.json", splits)
    fail(make(), UsageError, f"The data set has no {missing} split")


def test_without_a_test_split_nothing_is_scored(make, cohort):
    save_splits(cohort / "splits.json", {"train": ["Case_A"], "validation": ["Case_C"]})
    card = run_training(make())
    assert (card.scores, card.data["cases"]["test"]) == ({}, 0)


def test_without_splits_cases_are_split_at_random_and_the_run_keeps_its_choice(make, cohort):
    """Also if the data set gets other splits in between."""
    (cohort / "splits.json").unlink()
    run = make()
    run_training(run)
    splits = load_splits(run.path / "splits.json")
    assert {name: len(ids) for name, ids in splits.items()} == {"train": 2, "validation": 1, "test": 1}
    save_splits(cohort / "splits.json", {"train": ["Case_A"], "validation": ["Case_B"]})
    card = run_training(run)
    assert card.data["cases"] == {"train": 2, "validation": 1, "test": 1}


def test_a_data_folder_that_is_gone_is_one_message(make, tmp_path):
    fail(make(data=tmp_path / "gone"), AflError, "gone")


def test_a_case_that_cannot_be_read_is_one_message(make, cohort):
    (cohort / "HGG" / "Case_B" / "Case_B_flair.nii.gz").write_bytes(b"\x1f\x8bcut")
    fail(make(), DataError, "Case_B_flair.nii.gz cannot be read as an image")


def refusing(monkeypatch, number, *, after):
    """The system takes so many files and no more."""
    files, real = [], storage.os.fsync

    def fsync(handle):
        files.append(handle)
        if len(files) > after:
            raise OSError(number, "refused")
        real(handle)

    monkeypatch.setattr(storage.os, "fsync", fsync)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize("after", [1, 5, 9])
def test_a_folder_that_takes_no_more_files_is_one_message_and_the_last_state_is_kept(make, monkeypatch, number, after):
    expected = run_training(make(name="whole")).weights_sha256
    run = make()
    with monkeypatch.context() as patch:
        refusing(patch, number, after=after)
        with pytest.raises(DataError, match=r"A file could not be read or written .*refused.*Check the free space"):
            run_training(run)
    assert [path.name for path in run.path.glob(".*")] == []
    assert run.status().state in ("interrupted", "stopped")  # its last word was refused as well
    if (run.path / LAST).is_file():
        torch.load(run.path / LAST, weights_only=True)
    assert run_training(run).weights_sha256 == expected


def test_a_folder_that_takes_one_file_less_has_the_reason_in_its_status(make, monkeypatch):
    real = storage.Path.replace

    def refuse(path, target):
        if target.name == LAST:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, target)

    run = make()
    monkeypatch.setattr(storage.Path, "replace", refuse)
    fail(run, DataError, "No space left on device")


def test_a_loss_that_is_lost_is_told_in_the_status(make):
    config = FOCAL.model_copy(update={"learning_rate": 1e38, "steps": 6, "validate_every": 6})
    status = fail(make(config), DataError, "received: Case_")
    assert status.steps == 6


def test_too_little_memory_is_one_message(make, monkeypatch):
    def small(*_):
        raise MemoryError("Unable to allocate 9 TiB\nfor an array")

    monkeypatch.setattr(run_module, "train", small)
    fail(make(), DataError, "The memory does not suffice (received: Unable to allocate 9 TiB). Take a smaller patch")


def test_a_state_that_is_damaged_is_named_and_can_be_left_behind(make):
    run = make()
    expected = run_training(run).weights_sha256
    state = (run.path / LAST).read_bytes()
    for damaged in (b"", b"hello", b"PK\x03\x04", state[: len(state) // 2]):
        (run.path / LAST).write_bytes(damaged)
        fail(run, DataError, "run/last.pt is damaged")
    (run.path / LAST).unlink()
    assert run_training(run).weights_sha256 == expected


def test_a_run_is_trained_by_one_process_at_a_time(make):
    run = make()
    with run.lock(), pytest.raises(UsageError, match=r"The run is under way already \(received: run\)"):
        run_training(RunFolder(run.path))
    assert run.checkpoint is None


def test_a_run_in_a_thread_as_on_a_cluster_hears_the_request_to_stop_and_goes_on(make):
    run, expected = make(LONG), make(LONG)
    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(run_training, run)
        while not run.metrics() and not training.done():
            time.sleep(0.01)
        stop_runs([run, expected])
        assert training.result() is None
    assert run.status().state == "stopped"
    assert 0 < run.status().step < LONG.steps
    assert run_training(run).weights_sha256 == run_training(expected).weights_sha256


def test_a_finished_run_stays_as_it_is_when_it_is_resumed(make):
    run = make()
    first, rows = run_training(run), run.metrics()
    assert run_training(run) == first
    assert run.metrics() == rows


def test_the_demo_cohort_is_drawn_if_it_has_no_training_cases(make, cohort, tmp_path, monkeypatch):
    drawn = []

    def draw(root, *, splits, progress):
        drawn.append(set(splits))
        progress(3, 9)
        cohort.rename(root)

    monkeypatch.setattr(paths, "DEMO", tmp_path / "demo")
    monkeypatch.setattr(run_module, "write_demo", draw)
    for _ in range(2):
        assert run_training(make(data=tmp_path / "demo")).data["name"] == "synthetic demo cohort"
    assert drawn == [{"train", "validation", "test"}]


def test_a_random_split_has_no_case_that_the_check_finds_something_against(make, cohort, monkeypatch, tmp_path):
    """A byte copy of a case would stand on both sides; a broken one would end the run."""
    monkeypatch.setattr(paths, "INDEX", tmp_path / "index")
    for case_id in ("Case_E", "Case_F", "Case_G"):
        original = "Case_A" if case_id == "Case_E" else "Case_B"
        for path in (cohort / "HGG" / original).iterdir():
            copy = cohort / "HGG" / case_id / path.name.replace(original, case_id)
            copy.parent.mkdir(exist_ok=True)
            data = bytearray(path.read_bytes())
            data[4] ^= 1 + ord(case_id[-1])  # of the gzip header: other bytes, but for the copy
            copy.write_bytes(path.read_bytes() if case_id == "Case_E" else bytes(data))
    broken = cohort / "HGG" / "Case_G" / "Case_G_seg.nii.gz"
    broken.write_bytes(broken.read_bytes()[:60])
    run = make(data=cohort)
    write_spec(run, random_split=True)
    drawn = _splits(run, load_cohort(cohort), FolderKeeper(run))
    assert sorted(case_id for ids in drawn.values() for case_id in ids) == [
        "Case_A",
        "Case_B",
        "Case_C",
        "Case_D",
        "Case_F",
    ]
    own = make(data=cohort)
    assert _splits(own, load_cohort(cohort), FolderKeeper(own)) == load_splits(cohort / "splits.json")


def write_spec(run: RunFolder, **changed: object) -> None:
    spec = run.spec().model_copy(update=changed)
    (run.path / SPEC).write_text(spec.model_dump_json())


def test_a_split_that_parts_a_patient_is_warned_of(make, cohort, caplog):
    save_splits(cohort / "splits.json", {"train": ["Case_A"], "validation": ["Case_C"], "test": ["Case_D"]})
    of = {"Case_A": "P", "Case_C": "P", "Case_D": "Q"}
    found = load_cohort(cohort).of_patients(Patients(of, "by a table"))
    run = make(data=cohort)
    _splits(run, found, FolderKeeper(run))
    assert "1 patient in more than one part (P in train and validation)" in caplog.text


def test_a_split_that_names_a_case_which_is_not_there_is_warned_of(make, cohort, caplog):
    save_splits(cohort / "splits.json", {"train": ["Case_A", "Case_E"], "validation": ["Case_C"]})
    run = make(data=cohort)
    _splits(run, load_cohort(cohort), FolderKeeper(run))
    assert "splits.json names 1 case that is not in the data set: Case_E" in caplog.text
