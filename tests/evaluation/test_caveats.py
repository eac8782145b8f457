"""What is said of results, wherever they are shown."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from afl_core.analysis.breakdown.options import Options, choose_units
from afl_core.data.layouts import DataOptions, references_cohort
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.caveats import notes, unmeasured, warnings
from afl_core.evaluation.manifest import Manifest
from afl_core.evaluation.manifest_sections import SettingsSection
from afl_core.evaluation.results import Results
from afl_core.evaluation.rows import SETTINGS, Settings, choose_settings, settings_for
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.source_doubts import equal_sources, silent_sources
from afl_core.evaluation.sources import decide_meanings, parse_sources
from afl_core.evaluation.study_runs import study_warning

ONE_VOXEL = SettingsSection(least_lesion_voxels=1)


def evaluated(tmp_path, matcher, *case_ids):
    """Each case: one lesion of 8 voxels, found whole by a copy of the reference, and one of 64."""
    folder = tmp_path / "references"
    folder.mkdir()
    mask = np.zeros((30, 12, 12), np.uint8)
    mask[2:4, 2:4, 2:4] = mask[20:24, 2:6, 2:6] = 1
    for case_id in case_ids:
        nib.save(nib.Nifti1Image(mask, np.eye(4)), folder / f"{case_id}.nii.gz")
    results, cohort, sources = Results(tmp_path / "out"), references_cohort(folder), parse_sources([f"A={folder}"])
    results.describe_cohort(cohort, sources, settings=Settings(matcher=matcher))
    evaluate_into(results, cohort.cases, sources)
    return results, cohort, sources


def test_ignored_lesions_are_counted_and_another_task_is_named(tmp_path):
    results, *_ = evaluated(tmp_path, "brats2023_gli", "BraTS-MET-00001-000", "BraTS-MET-00001-001")
    rows = results.cases()
    assert rows["ignored_lesions"].tolist() == [1, 1]
    assert notes(results.manifest(), rows) == (
        "2 cases of 1 patient, by their names (BraTS 2023 and later).",
        "Region: every label above 0.",
        "The matcher brats2023_gli ignores 2 lesions of 2 cases, those up to 50 voxels: they enter no lesion score.",
    )
    assert "2 of MET (brats2023_met)" in warnings(results.manifest(), rows)[0]


def test_nothing_is_ignored_without_such_a_rule(tmp_path):
    results, *_ = evaluated(tmp_path, "overlap", "a", "b")
    assert results.cases()["ignored_lesions"].tolist() == [0, 0]
    assert notes(results.manifest(), results.cases()) == (
        "2 cases, each a patient of its own.",
        "Region: every label above 0.",
    )
    assert warnings(results.manifest(), results.cases().assign(dsc=0.9)) == ()


def test_a_source_that_predicts_nothing_in_many_cases_is_named():
    rows = pd.DataFrame(
        {
            "source": ["A"] * 5 + ["B"] * 5,
            "reference_volume_ml": [1.0, 1.0, 1.0, 1.0, 0.0] * 2,
            "empty": ["prediction", "", "", "", "both", "", "", "", "", "both"],
        }
    )
    assert silent_sources(rows) == ["A predicts nothing in 1 of 4 cases with a tumour."]
    assert silent_sources(rows.assign(empty="both")) == []


def test_references_given_as_a_source_are_noticed(tmp_path):
    results, *_ = evaluated(tmp_path, "overlap", "a", "b")
    said = "The masks of A equal the reference in every case: are the references given as a source?"
    assert warnings(results.manifest(), results.cases()) == (said,)


def test_one_folder_given_as_two_sources_is_noticed(tmp_path):
    """Between two names of one source no difference can be shown, which is no result; "D" is of one case less."""
    results, *_ = evaluated(tmp_path, "overlap", "a", "b")
    rows = results.cases().assign(dsc=[0.9, 0.8])
    other = rows.assign(source="C", dsc=[0.9, 0.7])
    told = pd.concat([rows, rows[::-1].assign(source="B"), other, rows[:1].assign(source="D")], ignore_index=True)
    said = "A, B have the same volume and the same Dice in every case: is one source given under two names?"
    assert warnings(results.manifest(), told) == (said,)
    assert warnings(results.manifest(), told[told["source"] != "B"]) == ()
    assert equal_sources(told.assign(predicted_volume_ml=0.0)) == []  # who predict nothing are named otherwise


def test_a_split_that_divides_a_patient_is_noticed_where_its_test_part_alone_is_measured(tmp_path):
    results, *_ = evaluated(tmp_path, "overlap", "BraTS-GLI-00000-001", "BraTS-GLI-00001-000")
    rows = results.cases().assign(dsc=0.9)
    splits = {"train": ["BraTS-GLI-00000-000", "BraTS-GLI-00002-000"], "test": rows["case_id"].tolist()}
    (tmp_path / "references" / "splits.json").write_text(json.dumps(splits))
    (said,) = warnings(results.manifest(), rows)
    assert said.startswith("The data set's splits.json has 1 of these patients in more than one part (BraTS-GLI-00000)")
    assert "afl data split" in said
    assert warnings(results.manifest(), rows[rows["case_id"] == "BraTS-GLI-00001-000"]) == ()


def test_results_of_the_matcher_that_named_no_task(tmp_path):
    results, cohort, sources = evaluated(tmp_path, "overlap", "a")
    path = results.folder / "manifest.json"
    path.write_text(path.read_text().replace('"matcher": "overlap"', '"matcher": "brats2023"'))
    assert "brats2023, which is no matcher any more" in warnings(results.manifest(), results.cases())[0]
    with pytest.raises(UsageError, match="evaluate again with another --out"):
        results.describe_cohort(cohort, sources, settings=Settings(matcher="brats2023_gli"))


def test_a_least_size_of_a_lesion_is_said_with_the_number_that_it_leaves_out(tmp_path):
    mask = np.zeros((12, 12, 12), np.uint8)
    mask[2:6, 2:6, 2:6], mask[9:11, 9:11, 9] = 1, 1
    (tmp_path / "masks").mkdir()
    nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / "masks" / "a.nii.gz")
    cohort, sources = references_cohort(tmp_path / "masks"), parse_sources([f"A={tmp_path / 'masks'}"])
    results, settings = Results(tmp_path / "out"), Settings(least_lesion_voxels=5)
    results.describe_cohort(cohort, sources, settings=settings)
    evaluate_into(results, cohort.cases, sources)
    said = " ".join(notes(results.manifest(), results.cases()))
    assert "false positives of fewer than 5 voxels enter no lesion score: 1 of 2 lesions, in 1 case." in said
    assert "every lesion" not in said
    assert results.cases()["lesion_tp"].tolist() == [1]
    with pytest.raises(DataError, match="least_lesion_voxels 0 where it holds 5"):
        results.describe_cohort(cohort, sources, settings=Settings())


def test_false_positives_too_small_to_count_are_told_by_source(tmp_path):
    reference = np.zeros((12, 12, 12), np.uint8)
    reference[2:6, 2:6, 2:6] = 1
    specks = reference.copy()
    specks[8, 8, 8] = specks[10, 10, 10] = specks[1, 1, 1] = 1  # two alone, one on the tumour
    specks[8:11, 2:6, 2:6] = 1  # a false positive
    for name, array in (("masks", reference), ("specks", specks)):
        (tmp_path / name).mkdir()
        nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / name / "a.nii.gz")
    cohort = references_cohort(tmp_path / "masks")
    sources = parse_sources([f"A={tmp_path / 'masks'}", f"B={tmp_path / 'specks'}"])
    results = Results(tmp_path / "out")
    results.describe_cohort(cohort, sources)
    evaluate_into(results, cohort.cases, sources)
    rows = results.cases().set_index("source")
    assert rows.loc["B", ["lesion_fp", "ignored_false_lesions"]].tolist() == [1, 2]
    said = " ".join(notes(results.manifest(), results.cases()))
    assert (
        "enter no lesion score: 0 of 1 lesion; and beside the false positives that count, 0 smaller of A, 2 "
        "smaller of B." in said
    )
    older = results.cases().drop(columns="ignored_false_lesions")
    assert "enter no lesion score: 0 of 1 lesion." in " ".join(notes(results.manifest(), older))
    every = " ".join(notes(results.manifest().model_copy(update={"settings": ONE_VOXEL}), results.cases()))
    assert "enter no lesion score" not in every, "a least size of one voxel leaves out nothing"


def test_a_least_size_that_leaves_nothing_of_a_case_is_said(tmp_path):
    mask = np.zeros((12, 12, 12), np.uint8)
    mask[9:11, 9:11, 9] = 1  # 4 voxels
    (tmp_path / "masks").mkdir()
    nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / "masks" / "a.nii.gz")
    cohort, sources = references_cohort(tmp_path / "masks"), parse_sources([f"A={tmp_path / 'masks'}"])
    results = Results(tmp_path / "out")
    results.describe_cohort(cohort, sources)
    evaluate_into(results, cohort.cases, sources)
    said = " ".join(notes(results.manifest(), results.cases()))
    assert "of fewer than 10 voxels enter no lesion score: 1 of 1 lesion, in 1 case. In 1 case that is every" in said
    assert results.cases()["lesion_f1"].isna().tolist() == [True]


def test_the_default_least_size_belongs_to_the_matcher_and_results_keep_theirs():
    everything, default = Settings(), Settings(least_lesion_voxels=10)
    assert choose_settings(1.0, "overlap", None, held=SETTINGS) == default
    assert choose_settings(1.0, "overlap", None, held=everything) == everything, "measured before there was a default"
    assert choose_settings(1.0, "overlap", 3, held=everything).least_lesion_voxels == 3
    assert choose_settings(1.0, "brats2023_met", None, held=SETTINGS).least_lesion_voxels == 0, "its own is 2"


def test_results_without_a_record_of_the_least_size_had_none(tmp_path):
    results, cohort, sources = evaluated(tmp_path, "overlap", "a")
    path = results.folder / "manifest.json"
    path.write_text(path.read_text().replace('"least_lesion_voxels": 0,', ""))
    assert results.settings().least_lesion_voxels == 0
    results.describe_cohort(cohort, sources)  # no refusal: what was not chosen is as it was


def test_no_rows_say_nothing(tmp_path):
    results = Results(tmp_path)
    assert notes({}, results.cases()) == warnings({}, results.cases()) == ()


def test_labels_that_contradict_anatomy_are_recorded_and_said_without_reading_a_reference_again(tmp_path):
    folder = tmp_path / "references"
    folder.mkdir()
    labels = np.full((12, 12, 12), 0, np.uint8)
    labels[2:-2, 2:-2, 2:-2], labels[4:-4, 4:-4, 4:-4], labels[5:-5, 5:-5, 5:-5] = 3, 1, 2  # 3 is the edema
    nib.save(nib.Nifti1Image(labels, np.eye(4)), folder / "a.nii.gz")
    for codes, doubted in (("brats2023", True), ("et=1,ncr=2,ed=3", False)):
        results = Results(tmp_path / codes)
        cohort, sources = references_cohort(folder, labels=codes), parse_sources([f"A={folder}"])
        results.describe_cohort(cohort, sources)
        evaluate_into(results, cohort.cases, sources)
        said = [text for text in warnings(results.manifest(), results.cases()) if "edema" in text]
        assert [f"The label 2 is edema by the labels {codes}" in text for text in said] == [True] * doubted


def measured(tmp_path, references, predictions, **options):
    """Results of masks; `references` and `predictions` are case id to the label of a box, or to the bytes of a file."""
    for folder, masks in {"references": references, **predictions}.items():
        for case_id, label in masks.items():
            path = tmp_path / folder / f"{case_id}.nii"
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(label, bytes):
                path.write_bytes(label)
                continue
            mask = np.zeros((12, 12, 12), np.uint8)
            mask[2:8, 2:8, 2:8] = label
            nib.save(nib.Nifti1Image(mask, np.eye(4)), path)
    results = Results(tmp_path / "out")
    cohort = DataOptions(**options).references(tmp_path / "references")
    sources = parse_sources([f"{name}={tmp_path / name}" for name in predictions])
    sources = decide_meanings(sources, cohort)
    results.describe_cohort(cohort, sources, settings=settings_for(cohort))
    evaluate_into(results, cohort.cases, sources)
    return results


def test_a_region_that_no_reference_holds_is_said(tmp_path):
    """ET is 4 by that scheme; in these files it is 1, so every reference and every prediction of it is empty."""
    masks = {"a": 1, "b": 2}
    results = measured(tmp_path, masks, {"A": masks}, labels="brats", region="et")
    assert results.cases()["dsc"].tolist() == [1, 1]
    (said,) = [said for said in warnings(results.manifest(), results.cases()) if "No reference holds" in said]
    assert "enhancing tumour (ET)" in said
    assert "an empty mask scores 1, and every other 0" in said
    assert "et=1,ncr=2,ed=3" in said
    full = measured(tmp_path / "full", {"a": 4, "b": 1}, {"A": masks}, labels="brats", region="et")
    assert not any("No reference" in said for said in warnings(full.manifest(), full.cases()))


def test_cases_in_no_mean_are_said_for_one_source_too(tmp_path):
    references = dict.fromkeys("abcdef", 1) | {"f": b"no image"}
    results = measured(tmp_path, references, {"A": dict.fromkeys("abcf", 1) | {"d": b"no image"}})
    assert unmeasured(results.manifest()) == (
        "A has no prediction of 1 case: it is in none of its means.",
        "A failed on 1 case: none of its means has it.",
        "1 case could not be measured with any source: no mean has it.",
    )


def test_a_source_without_a_result_is_left_out_unless_it_is_named(tmp_path):
    masks = dict.fromkeys("abc", 1)
    results = measured(tmp_path, masks, {"A": masks, "B": dict.fromkeys("abc", b"no image")})
    tables = results.cases(), results.lesions()
    assert choose_units(*tables, results.manifest(), Options()).sources == ("A",)
    with pytest.raises(UsageError, match="no such source"):
        choose_units(*tables, results.manifest(), Options(sources=("A", "B")))


def test_single_runs_out_of_a_study_are_no_results_of_it(make_card):
    def record(seed, command="afl study --preset demo"):
        return {
            "kind": "checkpoint",
            "path": "p",
            "fingerprint": "f",
            "card": make_card(training={"seed": seed}, command=command).model_dump(mode="json"),
        }

    def said(**sources):
        return study_warning(Manifest.model_validate({"sources": sources}))

    (sentence,) = said(FL=record(0), IV=record(0))
    assert sentence.startswith("Each source is one run of a loss out of a study")
    assert said(FL=record(0), again=record(1)) == said(FL=record(0)) == []
    assert said(FL=record(0, "afl train"), IV=record(0, "afl train")) == []
