"""The Data page on results: predictions are offered and taken, sources ordered and removed, results end."""

from pathlib import Path

import pytest

from afl_core.evaluation import changes


def button(at, label: str):
    (one,) = [b for b in at.button if b.label.replace("\\", "") == label]
    return one


@pytest.fixture
def page(app, results):
    return lambda: app("data")


def test_a_folder_beside_the_data_set_is_offered_and_measured(page, results, cohort_folder, tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr(changes, "start_job", lambda *_, **job: taken.append([s.name for s in job["sources"]]))
    (tmp_path / "FL").rename(tmp_path / "moved")  # what no source of the results is read from
    at = page()
    labels = [box.label.replace("\\", "") for box in at.checkbox]
    (offered,) = [label for label in labels if label.startswith("moved: ")]
    assert offered.endswith(f"in {tmp_path / 'moved'}")
    if not next(box for box in at.checkbox if box.label.replace("\\", "") == offered).value:
        next(box for box in at.checkbox if box.label.replace("\\", "") == offered).check().run()
    button(at, "Measure and compare").click().run()
    assert not at.exception
    assert taken == [["moved"]]
    assert list(results.manifest().sources) == ["FL", "A-FL", "moved"]


def test_a_folder_that_is_not_there_is_said(page):
    at = page()
    (box,) = [b for b in at.text_input if b.label == "Another folder of predictions"]
    box.set_value("/nowhere/at/all").run()
    assert any("no such folder" in e.value for e in at.error)
    assert not at.exception


def test_sources_are_moved_and_removed(page, results):
    at = page()
    next(b for b in at.button if b.key == "earlier A-FL").click().run()
    assert list(results.manifest().sources) == ["A-FL", "FL"]
    next(b for b in at.button if b.key == "remove FL").click().run()
    assert list(results.manifest().sources) == ["A-FL"]
    assert not at.exception


def test_a_source_is_renamed_and_a_clash_is_said(page, results):
    at = page()
    rename = [box for box in at.text_input if box.label == "New name of the source"]
    rename[0].set_value("a-fl")
    next(b for b in at.button if b.label == "Rename FL").click().run()
    assert any("Another source has that name" in e.value for e in at.error)
    next(b for b in at.text_input if b.label == "New name of the source").set_value("focal")
    next(b for b in at.button if b.label == "Rename FL").click().run()
    assert not at.exception
    assert list(results.manifest().sources) == ["focal", "A-FL"]
    assert set(results.cases()["source"]) == {"focal", "A-FL"}


def test_results_are_renamed(page, results):
    at = page()
    (name,) = [b for b in at.text_input if b.label == "New name"]
    name.set_value("renamed")
    next(b for b in at.button if b.label == "Rename" and b.proto.is_form_submitter).click().run()
    assert not at.exception
    assert not results.folder.exists()
    assert (results.folder.parent / "renamed").is_dir()


def test_a_name_that_cannot_be_is_said(page, results):
    at = page()
    (name,) = [b for b in at.text_input if b.label == "New name"]
    name.set_value("../away")
    next(b for b in at.button if b.label == "Rename" and b.proto.is_form_submitter).click().run()
    assert any("cannot have that name" in e.value for e in at.error)
    assert results.folder.is_dir()


def test_results_are_deleted(page, results, cohort_folder):
    at = page()
    button(at, "Delete small for good").click().run()
    assert not at.exception
    assert not results.folder.exists()
    assert list(Path(cohort_folder).iterdir())
