"""References of the training split: hand-computed sizes, kept facts that follow the files, and what is said of none."""

import math
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from afl_core.analysis.breakdown.units import FACTS
from afl_core.data.check import references as described_by
from afl_core.data.check.check import check_cohort
from afl_core.data.layouts import load_cohort, references_cohort
from afl_core.data.splits import SPLITS_FILE, save_splits
from afl_core.errors import DataError
from afl_core.evaluation.references import COLUMNS, left_out_sentence, training_references
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import MaskSource

VOXEL_ML = 0.008
TRAIN = ["Case_A", "Case_B"]
EVERY = ["Case_A", "Case_B", "Case_C", "Case_D"]


@pytest.fixture
def read(tmp_path):
    """Describe the training cases of a folder: `read(folder, train=[...], level="lesion")`."""

    def describe(folder, *, train=(), **how):
        if train:
            save_splits(folder / SPLITS_FILE, {"train": list(train)})
        opened = how.pop("open", load_cohort)(folder)
        return training_references(opened, index=tmp_path / "index", **how)

    return describe


@pytest.fixture
def described(monkeypatch):
    """Case ids in the order in which their references are described."""
    seen = []
    describe = described_by.describe_reference
    monkeypatch.setattr(described_by, "describe_reference", lambda case: (seen.append(case.case_id), describe(case))[1])
    return seen


def test_columns_are_those_that_the_analysis_takes():
    assert COLUMNS == FACTS


def test_cases_and_lesions_have_the_hand_computed_sizes(cohort, read):
    cases, problems = read(cohort, train=EVERY)
    lesions, _ = read(cohort, level="lesion")
    assert list(cases.columns) == list(lesions.columns) == list(FACTS)
    assert not problems
    assert cases["case_id"].tolist() == cases["patient"].tolist() == EVERY
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


def test_rows_are_those_of_an_evaluation(cohort, masks, read, tmp_path):
    results = Results(tmp_path / "results")
    evaluate_into(results, load_cohort(cohort).cases, (MaskSource("A", masks),))
    cases, _ = read(cohort, train=EVERY)
    lesions, _ = read(cohort, level="lesion")
    rows = results.cases().rename(columns={"reference_volume_ml": "size"}).assign(lesion_id=0)
    numbers = ["size", "roughness", "released_smoothness"]
    assert cases[numbers].to_numpy() == pytest.approx(rows[numbers].to_numpy(), nan_ok=True)
    found = results.lesions().query("kind == 'reference'").rename(columns={"volume_ml": "size"})
    assert lesions[["case_id", "lesion_id"]].to_numpy().tolist() == found[["case_id", "lesion_id"]].to_numpy().tolist()
    assert lesions[numbers[:2]].to_numpy() == pytest.approx(found[numbers[:2]].to_numpy(dtype=float), nan_ok=True)


def test_two_cases_of_a_patient_have_his_name(tmp_path, write_nifti, read):
    ids = ["10005_1000005", "10005_1000006"]
    for case_id in ids:
        write_nifti(tmp_path / "masks" / f"{case_id}.nii.gz", np.eye(4, dtype=np.uint8)[..., None])
    cases, _ = read(tmp_path / "masks", train=ids, open=references_cohort)
    assert cases["patient"].tolist() == ["10005", "10005"]


def test_an_empty_reference_is_a_case_without_lesions(tmp_path, write_nifti, read):
    write_nifti(tmp_path / "masks" / "a.nii.gz", np.zeros((4, 4, 4), np.uint8))
    cases, problems = read(tmp_path / "masks", train=["a"], open=references_cohort)
    lesions, _ = read(tmp_path / "masks", open=references_cohort, level="lesion")
    assert cases["size"].tolist() == cases["released_smoothness"].tolist() == [0]
    assert cases["roughness"].isna().all()
    assert lesions.empty
    assert list(lesions.columns) == list(FACTS)
    assert not problems


def test_one_bad_case_stops_no_other_with_and_without_an_executor(cohort, read, tmp_path):
    (cohort / "HGG" / "Case_B" / "Case_B_seg.nii.gz").write_bytes(b"no image")
    (cohort / "HGG" / "Case_C" / "Case_C_seg.nii.gz").unlink()
    here = read(cohort, train=EVERY)
    with ThreadPoolExecutor(2) as executor:
        there = training_references(load_cohort(cohort), index=tmp_path / "another", executor=executor)
    pd.testing.assert_frame_equal(here[0], there[0])
    assert here[1] == there[1]
    assert here[0]["case_id"].tolist() == ["Case_A", "Case_D"]
    assert list(here[1]) == ["Case_B"], "a case without a reference is not among those described"
    sentence = left_out_sentence(here[1])
    assert sentence.startswith("Training cases that cannot be read are not in the bins: 1, such as Case_B: ")
    assert left_out_sentence({}) == ""


def test_rows_keep_the_order_of_the_cases_whichever_is_finished_first(cohort, read, monkeypatch):
    in_order = described_by.finished
    monkeypatch.setattr(described_by, "finished", lambda *tasks, **how: reversed(list(in_order(*tasks, **how))))
    cases, _ = read(cohort, train=EVERY)
    assert cases["case_id"].tolist() == EVERY


def test_training_cases_are_those_of_the_split(cohort, read):
    cases, _ = read(cohort)
    assert list(cases.columns) == list(FACTS)
    assert cases["case_id"].tolist() == TRAIN
    assert cases["size"].tolist() == pytest.approx([512 * VOXEL_ML, 280 * VOXEL_ML])
    lesions, _ = read(cohort, level="lesion")
    assert lesions["size"].tolist() == pytest.approx([512 * VOXEL_ML, 216 * VOXEL_ML, 64 * VOXEL_ML])


def test_what_is_kept_is_not_described_again(cohort, read, described):
    first, _ = read(cohort)
    assert described == TRAIN
    done = []
    again, _ = read(cohort, progress=lambda *said: done.append(said))
    read(cohort, level="lesion")
    assert described == TRAIN
    assert done == [(2, 2, "")]
    pd.testing.assert_frame_equal(first, again)


def test_the_check_of_the_data_set_has_described_them_already(cohort, read, described, tmp_path):
    check_cohort(load_cohort(cohort), index=tmp_path / "index")
    assert sorted(described) == EVERY
    read(cohort)
    assert sorted(described) == EVERY


def test_a_changed_reference_is_described_again(cohort, read, described, write_nifti):
    read(cohort)
    path = cohort / "HGG" / "Case_A" / "Case_A_seg.nii.gz"
    reference = np.zeros((32, 36, 34), np.uint8)
    reference[8:12, 8:12, 8:12] = 1
    write_nifti(path, reference)
    cases, _ = read(cohort)
    assert described == [*TRAIN, "Case_A"]
    assert cases["size"].tolist() == pytest.approx([64 * VOXEL_ML, 280 * VOXEL_ML])
    os.utime(path, ns=(1, 1))  # of the same size, but from another time
    read(cohort)
    assert described == [*TRAIN, "Case_A", "Case_A"]


def test_a_changed_split_counts(cohort, read, described):
    read(cohort)
    cases, _ = read(cohort, train=["Case_B", "Case_C", "Case_not_on_disk"])
    assert cases["case_id"].tolist() == ["Case_B", "Case_C"]
    assert described == [*TRAIN, "Case_C"]


def test_what_was_kept_with_another_meaning_is_described_again(cohort, read, described, tmp_path):
    read(cohort)
    (kept,) = (tmp_path / "index").iterdir()
    kept.write_text(kept.read_text().replace('"version": 5', '"version": 4'))
    read(cohort)
    assert described == [*TRAIN, *TRAIN]


@pytest.mark.parametrize("damage", [b"", b"no table", b'{"version": 5, "root": "", "files": {}}'])
def test_a_damaged_file_is_made_again(cohort, read, tmp_path, damage):
    first, _ = read(cohort)
    (kept,) = (tmp_path / "index").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damage)
    pd.testing.assert_frame_equal(read(cohort)[0], first)
    assert kept.read_bytes() == whole


def test_an_interruption_keeps_what_is_finished(cohort, read, described):
    def interrupt(done, total, note):
        if note == "Case_B":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read(cohort, progress=interrupt)
    read(cohort)
    assert described == TRAIN


def test_a_case_that_cannot_be_read_is_left_out_until_it_is_repaired(cohort, read, described):
    path = cohort / "HGG" / "Case_A" / "Case_A_seg.nii.gz"
    whole = path.read_bytes()
    path.write_bytes(b"no image")
    cases, problems = read(cohort)
    assert cases["case_id"].tolist() == ["Case_B"]
    assert list(problems) == ["Case_A"]
    path.write_bytes(whole)
    assert read(cohort)[0]["case_id"].tolist() == TRAIN
    assert described == [*TRAIN, "Case_A"]


def test_no_readable_case_is_an_error_that_names_them(cohort, read):
    for case_id in TRAIN:
        (cohort / "HGG" / case_id / f"{case_id}_seg.nii.gz").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"No reference of the training split can be read .*Case_A: .*Case_B: "):
        read(cohort)


def test_no_split_is_an_error(cohort, read):
    (cohort / SPLITS_FILE).unlink()
    with pytest.raises(DataError, match=r"names no training split .*splits.json.*or choose other bins"):
        read(cohort)


@pytest.mark.parametrize("splits", [{"test": ["Case_A"]}, {"train": [], "test": ["Case_A"]}])
def test_a_split_without_training_cases_is_an_error(cohort, read, splits):
    save_splits(cohort / SPLITS_FILE, splits)
    with pytest.raises(DataError, match=r"splits.json names no training case"):
        read(cohort)


def test_no_training_case_on_disk_is_an_error(cohort, read):
    save_splits(cohort / SPLITS_FILE, {"train": ["Case_X", "Case_Y"], "test": TRAIN})
    with pytest.raises(
        DataError, match=r"No case of the training split is on disk with a reference .*2 ids such as Case_X"
    ):
        read(cohort)
