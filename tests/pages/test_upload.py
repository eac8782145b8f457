"""A case of the reader's own, through AppTest and a real process that runs the checkpoints."""

import json
import shutil
import time

import nibabel as nib
import numpy as np
import pytest

from afl_core.data.formats.files import load_mask
from afl_core.data.layouts import load_cohort
from afl_core.evaluation.job import job_status
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import parse_sources
from afl_core.ui.compare import upload


@pytest.fixture
def opened(app, cohort, tmp_path, make_checkpoint):
    """`opened(region)`: Compare with results of a region and one checkpoint, on the reader's own case."""

    def run(region="whole", **options):
        sources = parse_sources([f"FL={make_checkpoint(tmp_path / 'net')}"])
        opened = options.get("opened") or load_cohort(cohort, region=region, **options)
        Results(tmp_path / "results" / "nets").describe_cohort(opened, sources)
        at = app("compare")
        at.button_group[0].set_value("Your own case").run()
        return at

    return run


@pytest.fixture
def own(opened):
    return opened()


def text(at):
    kinds = (at.markdown, at.info, at.warning, at.error, at.caption)
    return "\n".join(str(element.value) for kind in kinds for element in kind).replace("\\", "")


def give(at, cohort, names):
    folder = cohort / "HGG" / "Case_A"
    at.file_uploader[0].set_value(
        [(shown, (folder / f"Case_A_{kind}.nii.gz").read_bytes(), "") for shown, kind in names.items()]
    )
    return at.run()


def press(at, label):
    next(b for b in at.button if b.label.replace("\\", "") == label).click()
    return at.run()


def wait(at, folder):
    deadline = time.monotonic() + 90
    while (status := job_status(Results(folder / "results"), "upload")) and status.state == "running":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return status, at.run()


@pytest.fixture
def folders(monkeypatch):
    """The session folders that are made."""
    made, original = [], upload.new_session_folder
    monkeypatch.setattr(upload, "new_session_folder", lambda: made.append(original()) or made[-1])
    return made


def test_a_case_is_predicted_measured_and_removed(own, cohort, folders):
    at = give(own, cohort, {"a_flair.nii.gz": "flair", "<b>a</b>_x.nii.gz": "t1ce", "a_seg.nii.gz": "seg"})
    assert "Say above what <b>a</b>_x.nii.gz is" in text(at)
    assert next(b for b in at.button if b.label.startswith("Run")).disabled
    roles = [box for box in at.selectbox if "_" in box.label]
    assert [box.value for box in roles] == ["flair", None, "reference"]
    roles[1].set_value("t1ce").run()
    at = at.switch_page("pages/overview.py").run().switch_page("pages/compare.py").run()  # what was given stays
    assert [box.value for box in at.selectbox if "_" in box.label] == ["flair", "t1ce", "reference"]
    assert "temporary folder of this session" in text(at)
    press(at, "Run FL")
    (folder,) = folders
    status, at = wait(at, folder)
    assert status.state == "finished", status
    assert not at.exception
    again = at.switch_page("pages/overview.py").run().switch_page("pages/compare.py").run()  # and it is still there
    assert not again.exception
    assert any(part.proto.component_name.endswith("afl_surfaces") for part in again.get("bidi_component"))
    (frame,) = [frame.value for frame in at.dataframe if "metric" in frame.value]
    row = Results(folder / "results").cases().iloc[0]
    assert frame.set_index("metric").loc["Dice ↑", "FL"] == f"{row['dsc']:.3f}"
    press(at, "Remove")
    assert not folder.exists()
    assert at.file_uploader[0].value == []


def test_a_sequence_on_another_grid_is_brought_onto_the_first_and_said(own, cohort, folders, write_nifti):
    write_nifti(cohort / "HGG" / "Case_A" / "Case_A_t1ce.nii.gz", np.ones((16, 18, 17), np.int16), spacing_mm=4.0)
    at = give(own, cohort, {"a_flair.nii.gz": "flair", "a_t1ce.nii.gz": "t1ce", "a_seg.nii.gz": "seg"})
    press(at, "Run FL")
    status, at = wait(at, folders[0])
    assert status.state == "finished", status
    assert not at.exception
    assert "t1ce came on other grids: brought onto that of flair" in text(at)


def test_a_bad_reference_is_said_before_the_run_and_the_files_stay(own, cohort, folders, write_nifti):
    write_nifti(cohort / "HGG" / "Case_A" / "Case_A_seg.nii.gz", np.zeros((16, 18, 17), np.uint8))
    given = {"a_flair.nii.gz": "flair", "a_t1ce.nii.gz": "t1ce", "my_seg.nii.gz": "seg"}
    at = press(give(own, cohort, given), "Run FL")
    assert not at.exception
    assert "my_seg.nii.gz lies on another grid than a_flair.nii.gz" in text(at)
    assert [box.value for box in at.selectbox if "_" in box.label] == ["flair", "t1ce", "reference"]
    assert job_status(Results(folders[0] / "results"), "upload") is None


def test_the_region_of_the_open_data_set_counts_for_the_reference_too(opened, cohort, folders):
    at = give(opened("et"), cohort, {"a_flair.nii.gz": "flair", "a_t1ce.nii.gz": "t1ce", "a_seg.nii.gz": "seg"})
    assert "enhancing tumour (ET): 4 counts as tumour" in text(at)
    press(at, "Run FL")
    status, at = wait(at, folders[0])
    assert status.state == "finished", status
    labels = nib.load(cohort / "HGG" / "Case_A" / "Case_A_seg.nii.gz")
    enhancing_ml = np.count_nonzero(np.asarray(labels.dataobj) == 4) * 8 / 1000
    assert Results(folders[0] / "results").cases().iloc[0]["reference_volume_ml"] == pytest.approx(enhancing_ml)
    assert "It was trained on the whole tumour (WT), and is measured on the enhancing tumour (ET)" in text(at)


def test_the_labels_that_a_data_set_declares_count_as_for_afl_evaluate(opened, cohort, tmp_path, folders):
    """A set whose dataset.json makes a region of 1 and 2, and ignores 4, run from the page and by evaluation."""
    case = cohort / "HGG" / "Case_A"
    for number, kind in enumerate(("flair", "t1ce")):
        target = tmp_path / "declared" / "imagesTr" / f"a_{number:04}.nii.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(case / f"Case_A_{kind}.nii.gz", target)
    (tmp_path / "declared" / "labelsTr").mkdir()
    shutil.copy(case / "Case_A_seg.nii.gz", tmp_path / "declared" / "labelsTr" / "a.nii.gz")
    labels = {"background": 0, "all \x7f é": [1, 2], "inner": [1], "ignore": 4}
    said = {"channel_names": {"0": "flair", "1": "t1ce"}, "labels": labels, "file_ending": ".nii.gz"}
    (tmp_path / "declared" / "dataset.json").write_text(json.dumps(said))
    declared = load_cohort(tmp_path / "declared", region="inner")
    at = give(
        opened(opened=declared), cohort, {"a_flair.nii.gz": "flair", "a_t1ce.nii.gz": "t1ce", "seg.nii.gz": "seg"}
    )
    assert "inner: 1 counts as tumour" in text(at)
    press(at, "Run FL")
    status, at = wait(at, folders[0])
    assert status.state == "finished", status
    results, sources = Results(tmp_path / "evaluated"), parse_sources([f"FL={tmp_path / 'net'}"])
    results.describe_cohort(declared, sources)
    evaluate_into(results, declared.cases, sources)
    (own,), (evaluated,) = (r.cases().to_dict("records") for r in (Results(folders[0] / "results"), results))
    stored = np.asarray(nib.load(case / "Case_A_seg.nii.gz").dataobj)
    assert own["reference_volume_ml"] == pytest.approx(np.count_nonzero(stored == 1) * 8 / 1000)
    assert [own[key] for key in ("dsc", "hd95_mm", "reference_volume_ml")] == pytest.approx(
        [evaluated[key] for key in ("dsc", "hd95_mm", "reference_volume_ml")], nan_ok=True
    )


def test_without_a_reference_there_are_masks_and_volumes(own, cohort, folders):
    at = give(own, cohort, {"a_flair.nii.gz": "flair", "a_t1ce.nii.gz": "t1ce"})
    press(at, "Run FL")
    status, at = wait(at, folders[0])
    assert status.state == "finished", status
    mask = load_mask(folders[0] / "results" / "masks" / "FL" / "upload.nii.gz")
    (frame,) = [frame.value for frame in at.dataframe]
    assert frame["tumour volume (ml)"].tolist() == [round(mask.volume_ml, 2)]
    assert "Without a reference" in text(at)


def test_a_wrong_file_is_one_sentence_and_the_buttons_stay(own, cohort, folders):
    at = give(own, cohort, {"a_flair.nii.gz": "flair", "a_t1ce.nii": "t1ce"})  # zipped, but not named so
    press(at, "Run FL")
    assert "a_t1ce.nii cannot be read as an image" in text(at)
    assert [b.label for b in at.button if b.label == "Remove"]
    assert "There is no t1ce" in text(give(at, cohort, {"a_flair.nii.gz": "flair"}))


def test_results_without_a_checkpoint_say_so(app, results):
    at = app("compare")
    at.button_group[0].set_value("Your own case").run()
    assert "there is nothing to run" in text(at)
    assert not at.file_uploader


def test_the_end_of_a_session_removes_its_folder(own, cohort, folders):
    """As the server does it when the browser goes."""
    from streamlit.runtime.caching import cache_resource_api

    at = give(own, cohort, {"a_flair.nii.gz": "flair", "a_t1ce.nii.gz": "t1ce"})
    press(at, "Run FL")
    (folder,) = folders
    assert folder.exists()
    for session in list(cache_resource_api._resource_caches._function_caches):
        if session is not None:
            cache_resource_api._resource_caches.clear_session(session)
    assert not folder.exists()
