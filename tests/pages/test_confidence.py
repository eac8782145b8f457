"""The tab Confidence: reliability, errors of calibration, and temperatures with results of other patients."""

import pytest
from made_maps import measure_maps


def text(at) -> str:
    kinds = (at.markdown, at.info, at.caption, at.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind).replace("\\", "")


@pytest.fixture
def parts(tmp_path):
    """Results of noisy maps on test and on validation cases, of which the second source is shifted."""
    measure_maps(tmp_path, tmp_path / "results", noise=1)


def errors_of(at):
    return next(frame.value for frame in at.dataframe if "error" in frame.value and "over" in frame.value)


def test_both_parts_are_shown_and_named(app, parts):
    at = app("breakdown", results="test", view="Confidence")
    assert not at.exception
    said = text(at)
    assert "ECE within 10 mm of the reference, all cases: " in said
    assert "ECE over the whole grid, all cases: " in said
    assert "### Reliability within 10 mm of the reference" in said
    table = errors_of(at)
    assert table["error"].tolist() == ["ECE", "ACE", "MCE", "Brier score"] * 2
    assert set(table["over"]) == {"near the tumour", "whole grid"}
    assert (table["difference"] - (table["A-FL"] - table["FL"])).abs().max() < 1e-4
    assert (table["n"] == 7).all()
    by_size = next(frame.value for frame in at.dataframe if "error" in frame.value and "bin" in frame.value)
    assert set(by_size["bin"]) == {"small", "medium", "large"}


def test_temperatures_are_fitted_on_other_patients(app, parts):
    at = app("breakdown", results="test", view="Confidence", confidence_of="Whole grid", validation="validation")
    said = text(at)
    assert "At temperatures fitted on 7 validation cases, over the whole grid (FL " in said
    assert "### Reliability over the whole grid" in said
    scaled = next(frame.value for frame in at.dataframe if "map" in frame.value)
    assert scaled["map"].tolist() == ["as it is", "scaled"] * 5


def test_masks_have_no_confidence_and_it_is_said(app, results):
    at = app("breakdown", view="Confidence")
    assert not at.exception
    assert "There are no voxels counted by their probability" in text(at)
