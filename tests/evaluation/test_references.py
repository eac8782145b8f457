"""References of the training split: hand-computed sizes, kept rows that follow the files, and what is said of none."""

import math
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from afl_core.analysis.breakdown.units import FACTS
from afl_core.data.layouts import load_cohort, references_cohort
from afl_core.data.splits import SPLITS_FILE, save_splits
from afl_core.errors import DataError
from afl_core.evaluation import references
from afl_core.evaluation.references import COLUMNS, describe_references, training_references
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import MaskSource

VOXEL_ML = 0.008
TRAIN = ["Case_A", "Case_B"]


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results")


@pytest.fixture
def described(monkeypatch):
    """Case ids in the order in which their references are described."""
    seen = []
    describe = references._rows
    monkeypatch.setattr(references, "_rows", lambda case: (seen.append(case.case_id), describe(case))[1])
    return seen


def test_columns_are_those_that_the_analysis_takes():
    assert COLUMNS == FACTS


def test_cases_and_lesions_have_the_hand_computed_sizes(cohort):
    cases, lesions, problems = describe_references(load_cohort(cohort).cases)
    assert list(cases.columns) == list(lesions.columns) == list(FACTS)
    assert not problems
    assert cases["case_id"].tolist() == cases["patient"].tolist() == ["Case_A", "Case_B", "Case_C", "Case_D"]
    assert cases["size"].tolist() == pytest.approx([n * VOXEL_ML for n in (512, 280, 125, 8 * 10 * 14)])
    assert cases["lesion_id"].tolist() == [0] * 4
    assert lesions[["case_id", "lesion_id"]].to_numpy().tolist() == [
        ["Case_A", 1],
        ["Case_B", 1],
        ["Case_B", 2],
        ["Case_C", 1],
        ["Case_D", 1],
    ]
    assert lesions["size"].tolist() == pytest.approx([n * VOXEL_ML for n in (512, 216, 64, 125, 1120)])
    assert lesions["released_smoothness"].isna().all()
    assert math.isnan(lesions["roughness"][2])  # 64 voxels are too small for one


def test_rows_are_those_of_an_evaluation(cohort, masks, results):
    evaluate_into(results, load_cohort(cohort).cases, (MaskSource("A", masks),))
    cases, lesions, _ = describe_references(load_cohort(cohort).cases)
    rows = results.cases().rename(columns={"reference_volume_ml": "size"}).assign(lesion_id=0)
    numbers = ["size", "roughness", "released_smoothness"]
    assert cases[numbers].to_numpy() == pytest.approx(rows[numbers].to_numpy(), nan_ok=True)
    found = results.lesions().query("kind == 'reference'").rename(columns={"volume_ml": "size"})
    assert lesions[["case_id", "lesion_id"]].to_numpy().tolist() == found[["case_id", "lesion_id"]].to_numpy().tolist()
    assert lesions[numbers[:2]].to_numpy() == pytest.approx(found[numbers[:2]].to_numpy(dtype=float), nan_ok=True)


def test_two_cases_of_a_patient_have_his_name(tmp_path, write_nifti):
    for case_id in ("10005_1000005", "10005_1000006"):
        write_nifti(tmp_path / f"{case_id}.nii.gz", np.ones((4, 4, 4), np.uint8))
    cases, _, _ = describe_references(references_cohort(tmp_path).cases)
    assert cases["patient"].tolist() == ["10005", "10005"]


def test_an_empty_reference_is_a_case_without_lesions(tmp_path, write_nifti):
    write_nifti(tmp_path / "a.nii.gz", np.zeros((4, 4, 4), np.uint8))
    cases, lesions, problems = describe_references(references_cohort(tmp_path).cases)
    assert cases["size"].tolist() == cases["released_smoothness"].tolist() == [0]
    assert cases["roughness"].isna().all()
    assert lesions.empty
    assert list(lesions.columns) == list(FACTS)
    assert not problems


def test_one_bad_case_stops_no_other_with_and_without_an_executor(cohort):
    (cohort / "HGG" / "Case_B" / "Case_B_seg.nii.gz").write_bytes(b"no image")
    (cohort / "HGG" / "Case_C" / "Case_C_seg.nii.gz").unlink()
    cases = load_cohort(cohort).cases
    said = {}
    here = describe_references(cases, report=said.__setitem__)
    with ThreadPoolExecutor(2) as executor:
        there = describe_references(cases, executor=executor)
    for mine, other in zip(here[:2], there[:2], strict=True):
        pd.testing.assert_frame_equal(mine, other)
    assert here[2] == there[2]
    assert here[0]["case_id"].tolist() == ["Case_A", "Case_D"]
    assert set(here[2]) == {"Case_B", "Case_C"}
    assert "Case_C has no reference segmentation" in here[2]["Case_C"]
    assert said == {"Case_A": "", "Case_D": "", **here[2]}


def test_rows_keep_the_order_of_the_cases_whichever_is_finished_first(cohort, monkeypatch):
    in_order = references.finished
    monkeypatch.setattr(references, "finished", lambda *tasks, **how: reversed(list(in_order(*tasks, **how))))
    cases, _, _ = describe_references(load_cohort(cohort).cases)
    assert cases["case_id"].tolist() == ["Case_A", "Case_B", "Case_C", "Case_D"]


def test_no_case_gives_empty_tables():
    cases, lesions, problems = describe_references(())
    assert list(cases.columns) == list(lesions.columns) == list(FACTS)
    assert cases.empty
    assert problems == {}


def test_training_cases_are_those_of_the_split(cohort, results):
    cases = training_references(results, load_cohort(cohort))
    assert list(cases.columns) == list(FACTS)
    assert cases["case_id"].tolist() == TRAIN
    assert cases["size"].tolist() == pytest.approx([512 * VOXEL_ML, 280 * VOXEL_ML])
    lesions = training_references(results, load_cohort(cohort), level="lesion")
    assert lesions["size"].tolist() == pytest.approx([512 * VOXEL_ML, 216 * VOXEL_ML, 64 * VOXEL_ML])


def test_what_is_kept_is_not_described_again(cohort, results, described):
    first = training_references(results, load_cohort(cohort))
    assert described == TRAIN
    reported = []
    again = training_references(results, load_cohort(cohort), report=lambda *said: reported.append(said))
    training_references(results, load_cohort(cohort), level="lesion")
    assert described == TRAIN
    assert reported == []
    pd.testing.assert_frame_equal(first, again)
    assert [path.name for path in results.folder.iterdir()] == ["training.parquet"]


def test_a_changed_reference_is_described_again(cohort, results, described, write_nifti):
    training_references(results, load_cohort(cohort))
    path = cohort / "HGG" / "Case_A" / "Case_A_seg.nii.gz"
    reference = np.zeros((32, 36, 34), np.uint8)
    reference[8:12, 8:12, 8:12] = 1
    write_nifti(path, reference)
    cases = training_references(results, load_cohort(cohort))
    assert described == [*TRAIN, "Case_A"]
    assert cases["size"].tolist() == pytest.approx([64 * VOXEL_ML, 280 * VOXEL_ML])
    os.utime(path, ns=(1, 1))  # of the same size, but from another time
    training_references(results, load_cohort(cohort))
    assert described == [*TRAIN, "Case_A", "Case_A"]


def test_a_changed_split_or_meaning_of_rows_counts(cohort, results, described, monkeypatch):
    training_references(results, load_cohort(cohort))
    save_splits(cohort / SPLITS_FILE, {"train": ["Case_B", "Case_C", "Case_not_on_disk"]})
    assert training_references(results, load_cohort(cohort))["case_id"].tolist() == ["Case_B", "Case_C"]
    assert described == [*TRAIN, "Case_C"]
    monkeypatch.setattr(references, "VERSION", -1)
    training_references(results, load_cohort(cohort))
    assert described == [*TRAIN, "Case_C", "Case_B", "Case_C"]


@pytest.mark.parametrize("damage", [b"", b"no table", None])
def test_a_damaged_file_is_made_again(cohort, results, damage):
    first = training_references(results, load_cohort(cohort))
    path = results.folder / "training.parquet"
    if damage is None:
        pd.DataFrame({"case_id": ["Case_A"]}).to_parquet(path)
    else:
        path.write_bytes(damage)
    pd.testing.assert_frame_equal(training_references(results, load_cohort(cohort)), first)
    assert len(pd.read_parquet(path)) == 5


def test_an_interruption_keeps_what_is_finished(cohort, results, described):
    def interrupt(case_id, problem):
        if case_id == "Case_B":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training_references(results, load_cohort(cohort), report=interrupt)
    training_references(results, load_cohort(cohort))
    assert described == [*TRAIN, "Case_B"]


def test_a_case_that_cannot_be_read_is_left_out_and_tried_again(cohort, results, described):
    (cohort / "HGG" / "Case_A" / "Case_A_seg.nii.gz").write_bytes(b"no image")
    said = {}
    cases = training_references(results, load_cohort(cohort), report=said.__setitem__)
    assert cases["case_id"].tolist() == ["Case_B"]
    assert said["Case_A"]
    assert said["Case_B"] == ""
    training_references(results, load_cohort(cohort))
    assert described == [*TRAIN, "Case_A"]


def test_no_readable_case_is_an_error_that_names_them(cohort, results):
    for case_id in TRAIN:
        (cohort / "HGG" / case_id / f"{case_id}_seg.nii.gz").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"No reference of the training split can be read .*Case_A: .*Case_B: "):
        training_references(results, load_cohort(cohort))
    assert not results.folder.exists()


def test_no_split_is_an_error(cohort, results):
    (cohort / SPLITS_FILE).unlink()
    with pytest.raises(DataError, match=r"names no training split .*splits.json.*or choose other bins"):
        training_references(results, load_cohort(cohort))


@pytest.mark.parametrize("splits", [{"test": ["Case_A"]}, {"train": [], "test": ["Case_A"]}])
def test_a_split_without_training_cases_is_an_error(cohort, results, splits):
    save_splits(cohort / SPLITS_FILE, splits)
    with pytest.raises(DataError, match=r"splits.json names no training case"):
        training_references(results, load_cohort(cohort))


def test_no_training_case_on_disk_is_an_error(cohort, results):
    save_splits(cohort / SPLITS_FILE, {"train": ["Case_X", "Case_Y"], "test": TRAIN})
    with pytest.raises(DataError, match=r"No case of the training split is on disk .*2 ids such as Case_X"):
        training_references(results, load_cohort(cohort))
