"""The tab Operating point: counts at every threshold, and matched thresholds with results of other patients."""

import json
import shutil

import pytest
from made_maps import measure_maps

from afl_core.evaluation.manifest import MANIFEST


def text(at) -> str:
    return "\n".join(str(element.value) for kind in (at.markdown, at.info) for element in kind).replace("\\", "")


@pytest.fixture
def parts(tmp_path):
    """Results of maps on test and on validation cases, of which the second source is shifted."""
    measure_maps(tmp_path, tmp_path / "results")


def test_thresholds_are_chosen_on_other_patients(app, parts):
    alone = app("breakdown", results="test", view="Operating point")
    assert not alone.exception
    assert "choose these results above" in text(alone)
    assert [box.options for box in alone.selectbox if box.label == "Validation results"] == [["none", "validation"]]
    matched = app("breakdown", results="test", view="Operating point", validation="validation")
    said = text(matched)
    assert "At thresholds chosen on 7 validation cases for the best mean Dice" in said
    assert "and at these thresholds no difference is shown." in said


def test_cases_of_one_size_have_curves_of_their_own(app, parts):
    counted = []
    for size in ("all", "small", "medium", "large"):
        shown = app("breakdown", results="test", view="Operating point", curves_of=size)
        assert not shown.exception
        assert [of.value for of in shown.segmented_control if of.label == "Cases by tumour volume"] == [size]
        counted += [int(of.value.split()[0]) for of in shown.caption if "best threshold of these cases" in of.value]
    assert counted[0] == 7 == sum(counted[1:])
    assert min(counted[1:]) > 0


def test_validation_results_that_will_not_do_are_said_and_hide_no_chart(app, parts, tmp_path):
    """The test cases themselves, under another name of the results."""
    shutil.copytree(tmp_path / "results" / "test", tmp_path / "results" / "again")
    shown = app("breakdown", results="test", view="Operating point", validation="again")
    assert any("Patients of the validation cases are among" in error.value for error in shown.error)
    assert "Dice against the threshold" in text(shown)


def test_the_one_folder_of_other_cases_and_the_same_sources_is_chosen_at_first(app, parts, tmp_path):
    """As where a data set is measured on its test and on its validation cases; of two that fit the reader chooses."""
    for part in ("test", "validation"):
        path = tmp_path / "results" / part / MANIFEST
        manifest = json.loads(path.read_text())
        manifest["data"] |= {"path": "/gone", "cases": [f"{part}{k}" for k in range(7)]}
        for name, source in manifest["sources"].items():
            source["fingerprint"] = name
        path.write_text(json.dumps(manifest))
    for view in ("Confidence", "Operating point"):
        shown = app("breakdown", results="test", view=view)
        assert [box.value for box in shown.selectbox if box.label == "Validation results"] == ["validation"]
    assert "At thresholds chosen on 7 validation cases for the best mean Dice" in text(shown)
    shutil.copytree(tmp_path / "results" / "validation", tmp_path / "results" / "again")
    shown = app("breakdown", results="test", view="Operating point")
    assert [box.value for box in shown.selectbox if box.label == "Validation results"] == ["none"]
