"""The Data page on results: predictions are offered and taken, sources ordered and removed, results end."""

import shutil
from pathlib import Path

import pytest
import streamlit as st

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


def test_what_a_case_without_a_file_means_is_said_where_one_is_offered(page, tmp_path):
    """All four cases of a folder say nothing of it; of three the fourth is missing."""
    (tmp_path / "FL").rename(tmp_path / "moved")
    said = "A case without a file counts in no mean of that source"
    assert not [caption for caption in page().caption if said in caption.value]
    (tmp_path / "moved" / "lost.nii.gz").unlink()
    st.cache_data.clear()  # which keeps for a minute what was found
    assert [caption for caption in page().caption if said in caption.value]


def test_predictions_of_most_cases_are_ticked_and_references_never(page, tmp_path):
    (tmp_path / "FL").rename(tmp_path / "pred_focal")
    (tmp_path / "pred_focal" / "lost.nii.gz").unlink()
    shutil.copytree(tmp_path / "cohort" / "references", tmp_path / "labelsTs")
    ticked = {box.label.replace("\\", "").partition(":")[0]: box.value for box in page().checkbox}
    assert (ticked["pred_focal"], ticked["labelsTs"]) == (True, False)


def test_sources_that_the_results_hold_already_are_said_in_place_of_a_box(page, results):
    at = page()
    assert not [box for box in at.checkbox if box.label.startswith(("FL", "A-FL"))]
    assert "In the results small already: FL, A-FL." in [caption.value.replace("\\", "") for caption in at.caption]


def test_two_models_of_nnunet_open_as_a_comparison_in_one_step(page, results, tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr(changes, "start_job", lambda *_, **job: taken.append([s.name for s in job["sources"]]))
    for trainer in ("nnUNetTrainerFL", "nnUNetTrainerAFL"):  # of two folds, and a third that is missing
        model = tmp_path / "nnUNet_results" / "Dataset501_Made" / f"{trainer}__nnUNetPlans__3d_fullres"
        for number, path in enumerate(sorted((tmp_path / "FL").glob("*.nii.gz"))[:2]):
            (fold := model / f"fold_{2 * number}" / "validation").mkdir(parents=True)
            shutil.copy(path, fold)
    at = page()
    offered = {box.label.replace("\\", "").partition(":")[0]: box.value for box in at.checkbox}
    assert offered["AFL 3d_fullres"] is offered["FL 3d_fullres"] is True
    button(at, "Measure and compare").click().run()
    assert not at.exception
    assert sorted(taken[0]) == ["AFL 3d_fullres", "FL 3d_fullres"]
    assert "(fold_1)" in results.manifest().sources["FL 3d_fullres"].doubt


def test_a_folder_of_results_of_nnunet_that_is_typed_is_all_its_models(page, tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr(changes, "start_job", lambda *_, **job: taken.append([s.name for s in job["sources"]]))
    for trainer in ("nnUNetTrainerFL", "nnUNetTrainerAFL"):
        model = tmp_path / "elsewhere" / "results" / "Dataset501_Made" / f"{trainer}__nnUNetPlans__2d"
        shutil.copytree(tmp_path / "FL", model / "fold_0" / "validation")
    at = page()
    (box,) = [b for b in at.text_input if b.label == "Another folder of predictions"]
    box.set_value(str(tmp_path / "elsewhere" / "results" / "Dataset501_Made")).run()
    assert any("2 models of nnU-Net" in caption.value for caption in at.caption)
    button(at, "Measure and compare").click().run()
    assert not at.exception
    assert set(taken[0]) == {"AFL 2d", "FL 2d"}


def test_a_typed_folder_gets_a_free_name_and_a_taken_one_is_said_before(page, results, tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr(changes, "start_job", lambda *_, **job: taken.append([s.name for s in job["sources"]]))
    shutil.copytree(tmp_path / "A-FL", tmp_path / "elsewhere" / "of" / "FL")
    at = page()
    (box,) = [b for b in at.text_input if b.label == "Another folder of predictions"]
    box.set_value(str(tmp_path / "elsewhere" / "of" / "FL")).run()
    (name,) = [b for b in at.text_input if b.label == "Its name"]
    assert name.value == "FL 2"
    name.set_value("FL").run()
    (said,) = [w.value for w in at.warning if "already" in w.value]
    assert "its rows are replaced" in said
    next(b for b in at.text_input if b.label == "Its name").set_value("FL 2").run()
    assert not [w for w in at.warning if "already" in w.value]
    button(at, "Measure and compare").click().run()
    assert not at.exception
    assert taken == [["FL 2"]]
    assert list(results.manifest().sources) == ["FL", "A-FL", "FL 2"]


def test_covariates_are_kept_with_what_is_measured_from_the_page(page, results, tmp_path, monkeypatch):
    monkeypatch.setattr(changes, "start_job", lambda *_, **job: None)
    (tmp_path / "FL").rename(tmp_path / "moved")
    (table := tmp_path / "sites.csv").write_text("case_id,site,scan,patient\ngained,N,1,P\nlost,S,1,P\n")
    at = page()
    (box,) = [b for b in at.text_input if b.label == "Table of covariates" and b.key]
    box.set_value(str(tmp_path / "none.csv")).run()
    assert any("no such table" in e.value for e in at.error)
    (box,) = [b for b in at.text_input if b.label == "Table of covariates" and b.key]
    box.set_value(str(table)).run()
    said = " ".join(caption.value for caption in at.caption)
    assert "2 cases are not in sites.csv" in said.replace("\\", "")
    assert 'and is not used: if it is right, fill in "Table of patients"' in said.replace("\\", "")
    assert "its only value is 1" in said
    if not (box := next(b for b in at.checkbox if b.label.startswith("moved"))).value:
        box.check().run()
    button(at, "Measure and compare").click().run()
    assert not at.exception
    assert results.manifest().covariates.columns == {"site": {"gained": "N", "lost": "S"}}


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
