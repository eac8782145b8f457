"""The Follow-up page through AppTest: what it says is what was measured on the visits."""

import pandas as pd
import pytest

from afl_core.analysis.follow_up import COMPLETE, NEEDED, PARTIAL, follow_up_table
from afl_core.ui.follow_up import panels

VISITS = {"gained": "sub-1_ses-1", "missed": "sub-1_ses-2", "healthy": "sub-2_ses-1", "lost": "sub-2_ses-2"}


def text(at):
    kinds = (at.markdown, at.info, at.warning, at.error, at.caption)
    return "\n".join(str(element.value) for kind in kinds for element in kind).replace("\\", "")


@pytest.fixture
def visits(results, cohort_folder):
    """The cohort as visits: sub-1 shrinks from 10 x 10 x 8 to 4 x 4 x 8 voxels of 2 mm3; FL misses the second."""
    for name in ("cases.parquet", "lesions.parquet"):
        table = pd.read_parquet(results.folder / name)
        table["case_id"] = table["case_id"].map(VISITS)
        table.to_parquet(results.folder / name)
    for path in list(cohort_folder.rglob("*.nii.gz")):
        old = path.name.removesuffix(".nii.gz").split("_")[0]
        path.rename(path.with_name(path.name.replace(old, VISITS[old])))
    return results


def test_it_shows_the_volumes_and_where_responses_differ(app, visits):
    at = app("follow_up")
    said = text(at)
    assert "3 cases of 2 patients" in said
    assert "1 patient has two time points or more" in said
    assert "not a clinical assessment" in said
    assert "FL gives another response by volume than the reference at 1 of 1 time points after baseline" in said
    assert "A-FL gives another response by volume than the reference at 0 of 1 time points after baseline" in said
    table = next(frame.value for frame in at.dataframe if "Response by volume" in frame.value)
    reference = table[table["By"] == "Reference"]
    assert reference["Volume (ml)"].tolist() == ["1.60", "0.26"]
    assert reference["From baseline (%)"].tolist() == ["–", "-84"]
    assert reference["Response by volume"].tolist() == ["–", PARTIAL]
    assert table[table["By"] == "FL"]["Response by volume"].tolist() == ["–", f"{COMPLETE} (differs)"]
    matrix = next(frame.value for frame in at.dataframe if PARTIAL in frame.value).set_index("Reference")
    assert matrix.loc[PARTIAL, COMPLETE] == 1


def test_a_visit_that_was_not_measured_is_named(app, visits):
    assert "1 time point of these patients is not measured" in text(app("follow_up"))
    assert "sub-2_ses-2" in text(app("follow_up"))


def test_the_patient_is_in_the_address(app, visits):
    assert "sub-9 in the address does not fit here" in text(app("follow_up", patient="sub-9"))
    assert "Tumour volume of sub-1" in text(app("follow_up", patient="sub-1"))


def test_a_case_opens_in_compare(visits, monkeypatch):
    table = follow_up_table(visits.cases())
    assert panels.worst_case(table, "FL", PARTIAL, COMPLETE) == "sub-1_ses-2"
    assert panels.worst_case(table, "FL", COMPLETE, PARTIAL) == ""
    assert panels.worst_case(table, "FL", PARTIAL, "Reference") == ""


def test_one_time_point_a_patient_is_one_plain_sentence(app, results):
    at = app("follow_up")
    assert NEEDED in text(at)
    assert not at.dataframe


def test_without_results_it_says_what_to_do(app):
    assert "afl demo" in text(app("follow_up"))


def test_it_says_of_patients_and_lesions_only_what_it_uses(app, visits):
    """One visit after baseline: no word of several, nor of lesions, which no volume here depends on."""
    said = text(app("follow_up"))
    assert "Number of time points after baseline, one a patient." in said
    assert "several" not in said
    assert "enter no lesion score" not in said
    assert "enter no lesion score" in text(app("breakdown"))
