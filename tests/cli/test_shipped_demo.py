"""The archive of the demo: what is packed comes out again, in another home too."""

import json
import os
import shutil
from zipfile import ZipFile

import pandas as pd
import pytest

from afl_core.base import paths
from afl_core.cli import shipped_demo
from afl_core.cli.shipped_demo import (
    REGIONS,
    RESULTS_OF,
    pack_demo,
    region_predictions,
    unpack_at_first_start,
    unpack_demo,
)
from afl_core.data.demo.design import DemoSpec
from afl_core.data.demo_cohort import write_demo
from afl_core.data.layouts import load_cohort
from afl_core.data.layouts.labelling import with_regions
from afl_core.data.loading import is_undrawn
from afl_core.data.splits import load_splits
from afl_core.errors import DataError
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import begin, evaluate_into
from afl_core.evaluation.sources import MaskSource
from afl_core.figures.kept_thumbnails import kept_thumbnail

SPEC = DemoSpec(n_train=0, n_validation=1, n_test=1, spacing_mm=2.0)


def at(monkeypatch, home):
    monkeypatch.setattr(paths, "DEMO", home / "data" / "demo")
    monkeypatch.setattr(paths, "RESULTS", home / "data" / "results")
    monkeypatch.setattr(shipped_demo, "DemoSpec", lambda: SPEC)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home with the demo drawn and measured, and its archive; the masks of the source are the references."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as monkeypatch:
        at(monkeypatch, home)
        write_demo(paths.DEMO, SPEC, splits=("validation", "test"))
        cohort = load_cohort(paths.DEMO)
        masks = region_predictions() / "FL"
        masks.mkdir(parents=True)
        for case in cohort.cases:
            shutil.copy(case.reference, masks / f"{case.case_id}.nii.gz")
        for name, split in RESULTS_OF.items():
            results, of = Results(paths.RESULTS / name), with_regions(cohort, ()) if name == REGIONS else cohort
            cases, sources = begin(results, of, of.cases, [MaskSource("FL", masks)], split=SPEC.case_ids(split))
            evaluate_into(results, cases, sources)
        pack_demo(home / "demo.zip")
        pack_demo(home / "again.zip")
    return home


@pytest.fixture
def unpacked(made, tmp_path, monkeypatch):
    at(monkeypatch, tmp_path)
    assert unpack_demo(made / "demo.zip") == []
    return tmp_path


def test_the_same_files_give_the_same_archive(made):
    assert (made / "demo.zip").read_bytes() == (made / "again.zip").read_bytes()


def test_the_archive_names_no_folder_of_the_machine_and_holds_no_image(made):
    with ZipFile(made / "demo.zip") as packed:
        assert all(
            str(made / "data").encode() not in packed.read(name) for name in packed.namelist() if "manifest" in name
        )
        assert not [name for name in packed.namelist() if name.endswith(("t1.nii.gz", "flair.nii.gz"))]


@pytest.mark.parametrize("name", RESULTS_OF)
def test_the_demo_that_ships_names_no_folder_of_the_machine_that_made_it(name):
    with ZipFile(shipped_demo.ARCHIVE) as packed:
        told = json.loads(packed.read(f"results/{name}/manifest.json"))
    named = [told["data"]["path"], *(source["path"] for source in told["sources"].values())]
    assert all(path.startswith(("{demo}", "{models}")) for path in named)


def test_results_that_name_another_folder_are_not_packed(made, tmp_path, monkeypatch):
    at(monkeypatch, tmp_path)
    shutil.copytree(made / "data", tmp_path / "data")
    manifest = paths.RESULTS / "demo" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(str(made), "/another/checkout"))
    with pytest.raises(DataError, match="they name a folder of this machine"):
        pack_demo(tmp_path / "demo.zip")


def test_rows_and_masks_of_another_home_open_on_its_cohort(made, unpacked):
    for name in RESULTS_OF:
        opened = open_comparison(paths.RESULTS / name)
        assert opened.problem == ""
        before = Results(made / "data" / "results" / name)
        pd.testing.assert_frame_equal(opened.results.cases(), before.cases(), check_like=True)
        assert opened.cohort.root == paths.DEMO
        for case in opened.cohort.cases:
            assert opened.mask(case.case_id, "FL").is_file()
    assert set(load_splits(paths.DEMO / "splits.json")) == set(RESULTS_OF.values())


def test_thumbnails_are_there_before_an_image_is_drawn_and_stay_when_the_demo_is_asked_for_again(made, unpacked):
    for _ in range(2):
        for name in RESULTS_OF:
            opened = open_comparison(paths.RESULTS / name)
            for row in opened.rows.itertuples():
                case = next(case for case in opened.cohort.cases if case.case_id == row.case_id)
                assert kept_thumbnail(opened, row.case_id).startswith(b"\x89PNG")
                assert all(is_undrawn(path) for path in case.sequences.values())
        shutil.rmtree(paths.DEMO)
        assert unpack_demo(made / "demo.zip") == []


def test_a_first_start_puts_the_demo_in_place_and_later_ones_leave_it(made, tmp_path, monkeypatch):
    at(monkeypatch, tmp_path)
    monkeypatch.setattr(shipped_demo, "ARCHIVE", made / "demo.zip")
    asked = []
    monkeypatch.setattr(shipped_demo, "unpack_demo", lambda **how: asked.append(unpack_demo(made / "demo.zip", **how)))
    for _ in range(2):
        unpack_at_first_start()
        assert open_comparison(paths.RESULTS / "demo").problem == ""
        assert not (paths.RESULTS / REGIONS / "manifest.json").exists()  # it comes later
    assert len(asked) == 1
    os.utime(paths.RESULTS / "demo" / ".complete", (0, 0))  # the archive is of a later version
    unpack_at_first_start()
    assert len(asked) == 2
    shutil.rmtree(paths.RESULTS / "demo")  # it is not wanted beside other results
    unpack_at_first_start()
    assert len(asked) == 2


def test_a_first_start_without_the_archive_goes_on_and_is_logged(tmp_path, monkeypatch, caplog):
    at(monkeypatch, tmp_path)
    monkeypatch.setattr(shipped_demo, "ARCHIVE", tmp_path / "none.zip")
    monkeypatch.setattr(shipped_demo, "unpack_demo", lambda **how: unpack_demo(tmp_path / "none.zip", **how))
    unpack_at_first_start()
    assert "The demo is not put in place" in caplog.text


def test_what_is_there_is_kept(made, unpacked):
    manifest = paths.RESULTS / "demo" / "manifest.json"
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(told | {"updated": "mine"}))
    assert unpack_demo(made / "demo.zip") == []
    assert json.loads(manifest.read_text())["updated"] == "mine"


def test_results_of_an_older_edition_are_moved_aside_and_its_cases_go(made, tmp_path, monkeypatch):
    at(monkeypatch, tmp_path)
    folder = paths.RESULTS / "demo"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "data": {"cases": ["Brats18_SYN_test_000"]}}))
    old = paths.DEMO / "HGG" / "Brats18_SYN_test_007"
    old.mkdir(parents=True)
    (old / "lesions.json").write_text('{"version": 1, "lesions": []}')
    told = unpack_demo(made / "demo.zip")
    assert told == ["The results demo were of other cases: they are kept as demo-old1"]
    assert (paths.RESULTS / "demo-old1" / "manifest.json").is_file()
    assert not old.exists()
    assert open_comparison(folder).problem == ""


@pytest.mark.parametrize("damage", ["missing", "cut", "elsewhere"])
def test_a_missing_damaged_or_foreign_archive_is_a_sentence(made, tmp_path, monkeypatch, damage):
    at(monkeypatch, tmp_path)
    archive = tmp_path / "demo.zip"
    if damage == "cut":
        archive.write_bytes((made / "demo.zip").read_bytes()[:-400])
    if damage == "elsewhere":
        with ZipFile(archive, "w") as packed:
            packed.writestr("cases/../../../stolen", b"x")
    with pytest.raises(DataError, match="archive cannot be unpacked"):
        unpack_demo(archive)
    assert not (tmp_path / "stolen").exists()
