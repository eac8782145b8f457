"""Probabilities from a process of its own are those of the network, however the case's files are laid out."""

import signal
import subprocess

import nibabel as nib
import numpy as np
import pytest

from afl_core.data.layouts import load_case, load_cohort
from afl_core.errors import CheckpointError
from afl_core.evaluation.network_sources import CheckpointSource
from afl_core.evaluation.probabilities import case_probabilities
from afl_core.volume import Case


def check_same(case: Case, source: CheckpointSource) -> None:
    found = case_probabilities(source, case)
    images = load_case(case, sequences=source.sequences()).images
    expected = source.predict(case, images, None).probabilities
    assert found.shape == (2, *images[source.sequences()[0]].array.shape)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_they_are_those_of_the_network(cohort, make_checkpoint, tmp_path):
    check_same(load_cohort(cohort).cases[2], CheckpointSource("net", make_checkpoint(tmp_path / "net")))


def test_sequences_in_one_4d_file(make_checkpoint, tmp_path):
    """As the Decathlon's: which volume is which sequence goes with the case."""
    stack = np.random.default_rng(0).normal(100, 20, (34, 32, 33, 2)).astype(np.float32)
    nib.save(nib.Nifti1Image(stack, np.diag([2, 2, 2, 1])), tmp_path / "case.nii.gz")
    files = dict.fromkeys(("t1ce", "flair"), tmp_path / "case.nii.gz")
    case = Case("case", files, channels={"flair": 1, "t1ce": 0})
    check_same(case, CheckpointSource("net", make_checkpoint(tmp_path / "net")))


def test_sequences_on_grids_of_their_own(make_checkpoint, tmp_path):
    """As PI-CAI's: they are brought onto the grid of one of them."""
    rng = np.random.default_rng(0)
    for name, shape, spacing in (("flair", (40, 40, 33), 2.0), ("t1ce", (20, 20, 33), 4.0)):
        image = nib.Nifti1Image(rng.normal(100, 20, shape).astype(np.float32), np.diag([spacing, spacing, 2, 1]))
        nib.save(image, tmp_path / f"{name}.nii.gz")
    files = {name: tmp_path / f"{name}.nii.gz" for name in ("flair", "t1ce")}
    check_same(Case("case", files, grid="flair"), CheckpointSource("net", make_checkpoint(tmp_path / "net")))


def test_whoever_waits_can_end_it(cohort, make_checkpoint, tmp_path, monkeypatch):
    class PressedError(Exception):
        """Somebody pressed Stop."""

    def stop(spent):
        raise PressedError

    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    source = CheckpointSource("net", make_checkpoint(tmp_path / "net"))
    with pytest.raises(PressedError):
        case_probabilities(source, load_cohort(cohort).cases[2], waiting=stop)
    assert started[0].returncode == -signal.SIGKILL


def test_what_cannot_be_predicted_says_why(cohort, make_checkpoint, tmp_path):
    source = CheckpointSource("net", make_checkpoint(tmp_path / "net"))
    case = load_cohort(cohort).cases[0]
    with pytest.raises(CheckpointError, match=r"t1ce"):
        case_probabilities(source, Case(case.case_id, {"flair": case.sequences["flair"]}))
