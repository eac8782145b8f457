"""Changing results as a whole: predictions that are there are found, sources are ordered and removed, folders end."""

import shutil
import time
from pathlib import Path

import pytest

from afl_core.base import paths, processes
from afl_core.data.layouts import load_cohort, references_cohort
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.changes import (
    add_predictions,
    change_sources,
    delete_results,
    find_candidates,
    held_sources,
    rename_results,
    rename_source,
    told_before,
)
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.job import EVERY, job_status
from afl_core.evaluation.replaced import replaced_sentence
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import MaskSource
from afl_core.evaluation.store import find_results


@pytest.fixture
def stored(cohort, masks, tmp_path, monkeypatch):
    """Results of two sources, A and B, under the folder of results."""
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    sources = (MaskSource("A", masks), MaskSource("B", masks))
    results = Results(tmp_path / "results" / "two")
    opened = load_cohort(cohort)
    results.describe_cohort(opened, sources)
    evaluate_into(results, opened.cases, sources)
    return results


def test_predictions_below_and_beside_are_found_and_references_are_not(cohort, masks):
    found = find_candidates(load_cohort(cohort))
    assert [(c.path, c.cases) for c in found] == [(masks, 4)]


@pytest.mark.parametrize(
    ("folder", "lacking", "likely"),
    [
        ("pred_focal", 0, True),
        ("pred_focal", 1, True),  # 3 of 4 cases
        ("pred_focal", 2, False),  # half of them is not most
        ("labelsTs", 0, False),
        ("gt_segmentations", 1, False),
        ("other/labelsTr", 0, False),
        ("pred_labels", 1, True),
        ("output/masks", 0, True),
    ],
)
def test_most_cases_of_a_folder_that_is_not_called_references_are_likely_predictions(
    cohort, masks, tmp_path, folder, lacking, likely
):
    (root := tmp_path / "study").mkdir()
    shutil.copytree(cohort, root / "cohort")
    shutil.copytree(masks, root / folder)
    for path in sorted((root / folder).iterdir())[:lacking]:
        path.unlink()
    (found,) = find_candidates(load_cohort(root / "cohort"))
    assert (found.path, found.cases, found.likely) == (root / folder, 4 - lacking, likely)


def test_a_case_folder_is_no_prediction(tmp_path):
    """BraTS keeps the reference in the folder of its case, named as a prediction could be."""
    import made_trees

    made_trees.brats2021(tmp_path / "data")
    assert find_candidates(load_cohort(tmp_path / "data")) == ()


def test_added_predictions_are_measured(cohort, masks, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    name = add_predictions(load_cohort(cohort), {"other tool": masks})
    results = Results(tmp_path / "results" / name)
    deadline = time.monotonic() + 60
    while (status := job_status(results, EVERY)).state == "running" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert status.state == "finished", status
    assert results.cases().set_index("case_id")["dsc"]["Case_A"] == pytest.approx(0.75)
    assert open_comparison(results.folder).sources == ("other tool",)


def test_a_second_folder_joins_the_results_of_the_data_set(stored, cohort, masks, monkeypatch):
    started = []
    monkeypatch.setattr("afl_core.evaluation.changes.start_job", lambda *_, **job: started.append(job["sources"]))
    assert add_predictions(load_cohort(cohort), {"C": masks}) == "two"
    assert list(stored.manifest().sources) == ["A", "B", "C"]
    assert [[source.name for source in sources] for sources in started] == [["C"]]


def test_a_source_that_gives_way_is_said_before_and_the_same_folder_is_none(stored, cohort, masks, tmp_path):
    name, held = held_sources(load_cohort(cohort))
    assert (name, list(held)) == ("two", ["A", "B"])
    other = Path(shutil.copytree(masks, tmp_path / "other"))
    assert told_before(held, {"A": masks, "C": other}) == ""
    said = told_before(held, {"A": other, "C": other})
    assert said == (
        f"The results have a source A already, from {masks}: its rows are replaced by those of {other}. "
        "To keep both, choose another name."
    )
    assert "read in another way" in replaced_sentence(held, [MaskSource("A", masks, "resample")])
    assert set(stored.cases()["source"]) == {"A", "B"}


def test_a_name_in_other_capitals_changes_nothing(stored, cohort, masks, tmp_path):
    """The folders of masks of both are one on disks that do not tell capitals apart."""
    other = Path(shutil.copytree(masks, tmp_path / "other"))
    for say in (
        lambda: told_before(held_sources(load_cohort(cohort))[1], {"a": other}),
        lambda: add_predictions(load_cohort(cohort), {"a": other}),
    ):
        with pytest.raises(UsageError, match=r"other capitals.*received: a.*Write it as A"):
            say()
    assert list(stored.manifest().sources) == ["A", "B"]
    assert set(stored.cases()["source"]) == {"A", "B"}


def test_sources_are_ordered_and_removed(stored):
    change_sources(stored, ["B", "A"])
    assert open_comparison(stored.folder).sources == ("B", "A")
    change_sources(stored, ["B"])
    assert open_comparison(stored.folder).sources == ("B",)
    assert set(stored.cases()["source"]) == {"B"}
    assert set(stored.lesions()["source"]) == {"B"}
    assert [path.name for path in (stored.folder / "masks").iterdir()] == ["B"]
    with pytest.raises(UsageError, match="not the sources"):
        change_sources(stored, ["A"])


def test_a_source_is_renamed_in_manifest_tables_and_masks_and_keeps_its_place(stored):
    before = stored.cases().query("source == 'A'").set_index("case_id")["dsc"].to_dict()
    manifest = stored.manifest()
    told = {
        "problems": {"Case_A": {"A": "a word", "": "of the case"}},
        "missing": {"A": ("Case_B",), "B": ("Case_C",)},
        "empty_masks": {"A": {"both": 1}},
    }
    stored._write_manifest(manifest, **told)
    rename_source(stored, "A", "Z tool")
    manifest = stored.manifest()
    assert list(manifest.sources) == ["Z tool", "B"]
    assert manifest.problems == {"Case_A": {"Z tool": "a word", "": "of the case"}}
    assert manifest.missing == {"Z tool": ("Case_B",), "B": ("Case_C",)}
    assert manifest.empty_masks == {"Z tool": {"both": 1}}
    cases = stored.cases()
    assert set(cases["source"]) == set(stored.lesions()["source"]) == {"B", "Z tool"}
    assert cases.query("source == 'Z tool'").set_index("case_id")["dsc"].to_dict() == before
    assert sorted(path.name for path in (stored.folder / "masks").iterdir()) == ["B", "Z tool"]
    assert open_comparison(stored.folder).sources == ("Z tool", "B")


@pytest.mark.parametrize(
    ("name", "to", "said"),
    [
        ("A", "b", "Another source"),
        ("A", "../x", "cannot have"),
        ("A", "", "cannot have"),
        ("X", "Y", "no such source"),
    ],
)
def test_a_source_is_not_renamed_where_the_name_clashes_or_cannot_be(stored, name, to, said):
    with pytest.raises(UsageError, match=said):
        rename_source(stored, name, to)
    assert list(stored.manifest().sources) == ["A", "B"]
    assert set(stored.cases()["source"]) == {"A", "B"}


@pytest.mark.parametrize("name", ["cases.parquet", "lesions.parquet", "settled/0.parquet", "parts.json"])
def test_damaged_results_stay_as_they_are(stored, name):
    """Where a file cannot be read, a source is not half renamed, nor half removed."""
    path = stored.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(path.read_bytes()[:3000] if path.is_file() else b"damaged")
    before = {file: file.read_bytes() for file in stored.folder.rglob("*") if file.is_file()}
    changes = [lambda: rename_source(stored, "A", "AA"), lambda: stored.keep_sources(["B"])]
    for change in changes[: 1 if "settled" in name else 2]:  # to remove a source, what is settled is not read
        with pytest.raises(DataError, match=r"is damaged.*Delete the folder and evaluate again|parts\.json"):
            change()
        assert {file: file.read_bytes() for file in stored.folder.rglob("*") if file.is_file()} == before


def test_results_are_renamed(stored):
    rename_results("two", "other.name")
    assert open_comparison(paths.RESULTS / "other.name").sources == ("A", "B")
    assert not stored.folder.exists()


@pytest.mark.parametrize("to", ["", "../two", "a/b", ".hidden", "two", "x" * 81])
def test_a_name_that_cannot_be_changes_nothing(stored, to):
    with pytest.raises(UsageError):
        rename_results("two", to)
    assert stored.cases().shape[0] == 8


def test_results_are_deleted_and_nothing_else(stored, cohort, masks):
    for name in ("../cohort", "none", ".."):
        with pytest.raises(UsageError, match="no such results"):
            delete_results(name)
    delete_results("two")
    assert not stored.folder.exists()
    assert len(load_cohort(cohort).cases) == 4
    assert len(list(masks.iterdir())) == 4


def test_results_that_are_being_measured_stay_as_they_are(stored):
    job = stored.folder / "jobs" / EVERY
    job.mkdir(parents=True)
    with processes.hold(job):
        for change in (
            lambda: rename_results("two", "three"),
            lambda: delete_results("two"),
            lambda: change_sources(stored, ["A"]),
        ):
            with pytest.raises(UsageError, match=r"two is being measured \(received: every case\)"):
                change()
    delete_results("two")


def test_masks_alone_get_results_too(masks, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr("afl_core.evaluation.changes.start_job", lambda *_, **__: None)
    references = references_cohort(masks)
    name = add_predictions(references, {"A": masks})
    assert open_comparison(tmp_path / "results" / name).cohort.cases == references.cases


@pytest.mark.parametrize(("region", "measured"), [("whole", ("whole", "tc", "et")), ("et", ("et",))])
def test_predictions_are_measured_in_every_region_unless_one_was_chosen(
    cohort, masks, tmp_path, monkeypatch, region, measured
):
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr("afl_core.evaluation.changes.start_job", lambda *_, **__: None)
    opened = load_cohort(cohort, region=region)
    name = add_predictions(opened, {"A": masks})
    results = Results(tmp_path / "results" / name)
    assert results.settings().regions == measured
    assert find_results(opened) == name
    assert add_predictions(opened, {"B": masks}) == name
    assert list(results.manifest().sources) == ["A", "B"]
