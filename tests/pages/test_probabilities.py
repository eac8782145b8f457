"""Probabilities on Compare: which maps are sent, and where there is no switch."""

import numpy as np
import pytest
from made_maps import GRID, measure_maps

from afl_core.ui.compare import case_views


@pytest.fixture
def sent(monkeypatch, tmp_path):
    """What the slices were given, of results of two sources of maps."""
    measure_maps(tmp_path, tmp_path / "results")
    given, real = [], case_views.viewer_payload
    monkeypatch.setattr(case_views, "viewer_payload", lambda case: given.append(case) or real(case))
    return given


def test_maps_stand_in_place_of_the_masks(app, sent):
    at = app("compare", results="test", case="test0", probability="true")
    assert not at.exception
    (case,) = sent
    assert not case.predictions
    assert list(case.maps) == ["FL probability", "A-FL probability", "A-FL minus FL"]
    assert [(of.cut, of.centred, of.limits) for of in case.maps.values()] == [
        (True, False, (0, 1)),
        (True, False, (0, 1)),
        (False, True, (-1, 1)),
    ]
    one, other, difference = (of.values for of in case.maps.values())
    np.testing.assert_allclose(np.log(1 / one - 1) - np.log(1 / other - 1), -1, atol=2e-3)
    np.testing.assert_array_equal(difference, other - one)
    assert one.shape == GRID.shape


def test_without_the_switch_the_masks_are_shown(app, sent):
    at = app("compare", results="test", case="test0")
    assert not at.exception
    assert [of.value for of in at.toggle if of.label == "Probabilities"] == [False]
    assert list(sent[0].predictions) == ["FL", "A-FL"]
    assert not sent[0].maps


def test_masks_have_no_probabilities_and_no_switch(app, results):
    at = app("compare", results="small", probability="true")
    assert not at.exception
    assert not [of for of in at.toggle if of.label == "Probabilities"]


def test_a_source_that_is_gone_is_told_and_the_page_goes_on(app, sent, tmp_path):
    (tmp_path / "test" / "FL").rename(tmp_path / "gone")
    at = app("compare", results="test", case="test0", probability="true")
    assert not at.exception
    assert any("FL" in of.value for of in at.error)
    assert [of.label for of in at.toggle if of.label == "Probabilities"]
