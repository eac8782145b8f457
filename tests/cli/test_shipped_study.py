"""The study's results beside the demo: one run of each loss, packed, and put in place in another home."""

import json
import os
import shutil
from zipfile import ZipFile

import pandas as pd
import pytest

from afl_core.base import paths
from afl_core.cli import shipped_study
from afl_core.cli.shipped_study import NAME, pack_study, take_study, unpack_beside_demo, unpack_study
from afl_core.data.demo.design import DemoSpec
from afl_core.data.demo_cohort import write_demo
from afl_core.data.layouts import load_cohort
from afl_core.errors import DataError
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import begin, evaluate_into
from afl_core.evaluation.sources import MaskSource
from afl_core.figures.kept_thumbnails import FOLDER, UNDRAWN
from afl_core.study.arms import ARMS

TWO = {name: ARMS[name] for name in ("FL", "Blob")}
STUDY = ("FL seed0", "FL seed1", "FL own rate seed0", "Blob seed0", "Blob seed1")


def at(monkeypatch, home):
    monkeypatch.setattr(paths, "DEMO", home / "data" / "demo")
    monkeypatch.setattr(paths, "RESULTS", home / "data" / "results")
    monkeypatch.setattr(paths, "MODELS", home / "models")
    monkeypatch.setattr(shipped_study, "ARMS", TWO)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home with two test cases and the results of a study, whose runs found the references; and the archive."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as monkeypatch:
        at(monkeypatch, home)
        write_demo(paths.DEMO, DemoSpec(n_train=0, n_validation=0, n_test=2, spacing_mm=2.0), splits=("test",))
        cohort = load_cohort(paths.DEMO)
        masks = paths.MODELS / "runs" / "masks"
        masks.mkdir(parents=True)
        for case in cohort.cases:
            shutil.copy(case.reference, masks / f"{case.case_id}.nii.gz")
        results = Results(paths.RESULTS / "study")
        split, runs = [case.case_id for case in cohort.cases], [MaskSource(name, masks) for name in STUDY]
        cases, sources = begin(results, cohort, cohort.cases, runs, split=split)
        evaluate_into(results, cases, sources)
        take_study(results.folder)
        for archive in ("study.zip", "again.zip"):
            pack_study(home / archive)
    return home


@pytest.fixture
def other_home(made, tmp_path, monkeypatch):
    """Another home, with the demo's cohort and a picture that ships with it."""
    at(monkeypatch, tmp_path)
    monkeypatch.setattr(shipped_study, "ARCHIVE", made / "study.zip")
    monkeypatch.setattr(shipped_study, "unpack_demo", (tmp_path / "regions").touch)
    shutil.copytree(made / "data" / "demo", paths.DEMO)
    picture = paths.RESULTS / "demo" / FOLDER / "Brats18_SYN_test_000" / UNDRAWN
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"picture")
    return tmp_path


def test_the_first_run_of_every_loss_at_the_common_rate_is_taken_under_the_losss_name(made):
    taken, study = (Results(made / "data" / "results" / name) for name in (NAME, "study"))
    assert list(taken.manifest().sources) == list(TWO)
    assert set(study.manifest().sources) == set(STUDY)
    rows = taken.cases().set_index(["source", "case_id"])["dsc"]
    assert set(rows.index.get_level_values("source")) == set(TWO)
    assert (rows == 1).all()


def test_the_same_results_give_the_same_archive_and_name_no_folder_of_the_machine(made):
    assert (made / "study.zip").read_bytes() == (made / "again.zip").read_bytes()
    with ZipFile(made / "study.zip") as packed:
        assert packed.namelist()[-1] == "manifest.json"
        assert str(made).encode() not in packed.read("manifest.json")


def test_in_another_home_the_results_open_on_its_cohort_with_the_demos_pictures(made, other_home):
    unpack_study(made / "study.zip")
    opened = open_comparison(paths.RESULTS / NAME)
    assert (opened.problem, opened.sources) == ("", tuple(TWO))
    assert opened.cohort.root == paths.DEMO
    rows, before = opened.results.cases(), Results(made / "data" / "results" / NAME).cases()
    pd.testing.assert_frame_equal(rows.drop(columns="mask_sha256"), before.drop(columns="mask_sha256"), check_like=True)
    assert all(opened.mask(case.case_id, name).is_file() for case in opened.cohort.cases for name in TWO)
    assert (opened.results.folder / FOLDER / "Brats18_SYN_test_000" / UNDRAWN).read_bytes() == b"picture"


def test_it_is_put_beside_the_demo_once_and_again_with_a_newer_archive(other_home):
    unpack_beside_demo()
    (other_home / "regions").unlink()  # the demo was asked for what is missing
    shutil.rmtree(paths.RESULTS / NAME)  # it is not wanted
    unpack_beside_demo()
    assert not (other_home / "regions").exists()
    assert not (paths.RESULTS / NAME).exists()
    os.utime(paths.RESULTS / "demo" / ".rest", (0, 0))
    unpack_beside_demo()
    assert open_comparison(paths.RESULTS / NAME).problem == ""


def test_without_the_demo_nothing_is_put_and_without_the_archive_it_is_logged(made, tmp_path, monkeypatch, caplog):
    at(monkeypatch, tmp_path)
    monkeypatch.setattr(shipped_study, "ARCHIVE", tmp_path / "none.zip")
    monkeypatch.setattr(shipped_study, "unpack_demo", lambda: [])
    unpack_beside_demo()
    assert not list(tmp_path.rglob("*"))
    (paths.RESULTS / "demo").mkdir(parents=True)
    unpack_beside_demo()
    assert "The study's results are not put in place" in caplog.text


def test_results_of_other_cases_under_the_name_are_kept_aside(made, other_home):
    folder = paths.RESULTS / NAME
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "data": {"cases": ["another"]}}))
    unpack_study(made / "study.zip")
    assert (paths.RESULTS / f"{NAME}-old1" / "manifest.json").is_file()
    assert open_comparison(folder).sources == tuple(TWO)


def test_an_archive_that_is_cut_off_is_one_sentence(made, other_home, tmp_path):
    cut = tmp_path / "bad.zip"
    cut.write_bytes((made / "study.zip").read_bytes()[:-200])
    with pytest.raises(DataError, match="archive of the study's results cannot be unpacked"):
        unpack_study(cut)
    assert not (paths.RESULTS / NAME / "manifest.json").exists()
