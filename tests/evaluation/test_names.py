"""File names as people have them: accents in two spellings, bytes that are no text, names that end like another."""

import json
import os
import unicodedata

import numpy as np
import pytest

from afl_core.data.layouts import references_cohort
from afl_core.data.splits import load_splits
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.prediction_files import find_prediction, list_predictions
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import MaskSource


@pytest.fixture
def write(tmp_path, write_nifti):
    """Write a small mask under a folder and a name."""
    mask = np.zeros((12, 12, 12), np.uint8)
    mask[4:8, 4:8, 4:8] = 1
    return lambda folder, name: write_nifti(tmp_path / folder / f"{name}.nii.gz", mask)


def evaluated(tmp_path) -> Results:
    cohort, sources = references_cohort(tmp_path / "references"), (MaskSource("A", tmp_path / "masks"),)
    results = Results(tmp_path / "results")
    results.describe_cohort(cohort, sources)
    evaluate_into(results, cohort.cases, sources)
    return results


@pytest.mark.parametrize(("reference", "prediction"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_both_spellings_of_an_accent_are_one_name(tmp_path, write, reference, prediction):
    write("references", unicodedata.normalize(reference, "Müller_é"))
    write("masks", unicodedata.normalize(prediction, "Müller_é") + "_pred")
    results = evaluated(tmp_path)
    assert results.cases()["case_id"].tolist() == [unicodedata.normalize("NFC", "Müller_é")]
    assert results.cases()["dsc"].tolist() == [1.0]


def test_a_split_file_may_spell_it_either_way(tmp_path):
    name = unicodedata.normalize("NFD", "é")
    (tmp_path / "splits.json").write_text(json.dumps({"test": [name]}))
    assert load_splits(tmp_path / "splits.json") == {"test": (unicodedata.normalize("NFC", "é"),)}


@pytest.mark.parametrize(("name", "shown"), [(b"caf\xe9", r"caf\xe9.nii.gz"), (b"a\nb", r"a\x0ab.nii.gz")])
def test_a_name_that_no_table_takes_is_a_problem_of_that_file_alone(tmp_path, write, name, shown):
    for folder in ("references", "masks"):
        write(folder, "good")
        odd = write(folder, "odd")
        os.rename(odd, os.path.join(os.fsencode(odd.parent), name + b".nii.gz"))  # noqa: PTH104, PTH118
    cohort = references_cohort(tmp_path / "references")
    assert [case.case_id for case in cohort.cases] == ["good"]
    ((path, said),) = cohort.problems
    assert path == shown
    assert "no UTF-8 text" in said
    results = evaluated(tmp_path)
    assert results.cases()["case_id"].tolist() == ["good"]
    assert list(open_comparison(results.folder).manifest.data.skipped) == [shown]


def test_a_case_beside_one_whose_name_goes_on_is_no_double(tmp_path, write):
    for name in ("p1", "p1_seg", "p2_mask"):
        write("masks", name)
    assert find_prediction(tmp_path / "masks", "p1").name == "p1.nii.gz"
    assert find_prediction(tmp_path / "masks", "p1_seg").name == "p1_seg.nii.gz"
    assert find_prediction(tmp_path / "masks", "p2").name == "p2_mask.nii.gz"


def test_a_file_that_calls_itself_a_prediction_goes_first(tmp_path, write):
    for name in ("p1", "p1_pred"):
        write("masks", name)
    assert find_prediction(tmp_path / "masks", "p1").name == "p1_pred.nii.gz"


def test_a_source_says_how_many_files_it_has_not_how_many_names_they_go_by(tmp_path, write):
    for k in range(3):
        write("masks", f"case_{k}_pred")
    assert len(list_predictions(tmp_path / "masks")) == 6
    assert MaskSource("A", tmp_path / "masks").describe()["files"] == 3
