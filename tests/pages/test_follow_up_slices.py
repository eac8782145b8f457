"""Two time points side by side on the Follow-up page: which files, which grid, and what is said where they differ."""

import json

import numpy as np
import pytest

from afl_core import evaluate
from afl_core.data.formats.files import save_volume
from afl_core.evaluation.comparison import open_comparison
from afl_core.ui.follow_up import slices

AFFINES = {"P_week_0": np.eye(4), "P_week_1": np.eye(4), "P_week_9": np.diag([1.0, 1.0, 2.0, 1.0])}
"""The last one lies on another grid."""


def cube(length: int) -> np.ndarray:
    array = np.zeros((20, 20, 20), np.uint8)
    array[4 : 4 + length, 4:8, 4:8] = 1
    return array


@pytest.fixture
def patient(tmp_path):
    """Three visits of one patient: 4, 6 and 8 voxels long, in the source one more."""
    for k, (case_id, affine) in enumerate(AFFINES.items()):
        save_volume(tmp_path / "references" / f"{case_id}.nii.gz", cube(4 + 2 * k), affine)
        for name in ("FL", "A-FL"):
            save_volume(tmp_path / name / f"{case_id}.nii.gz", cube(5 + 2 * k), affine)
    evaluate(
        {name: tmp_path / name for name in ("FL", "A-FL")},
        tmp_path / "results" / "visits",
        references=tmp_path / "references",
    )
    return tmp_path / "results" / "visits"


@pytest.fixture
def shown(monkeypatch):
    """The headers and options that the viewers were given."""
    calls = []
    monkeypatch.setattr(
        slices, "show_viewer", lambda payload, *, key, page: calls.append((key, json.loads(payload.header), page))
    )
    return calls


def text(at):
    return "\n".join(str(of.value) for kind in (at.caption, at.warning, at.info) for of in kind).replace("\\", "")


def test_slices_come_when_they_are_asked_for_the_first_and_the_last_time_point(app, patient, shown):
    assert not app("follow_up", results="visits").exception
    assert not shown
    at = app("follow_up", results="visits", slices="on")
    assert not at.exception
    (_, first, left), (_, _, right) = shown
    assert (left.outlines, right.outlines) == (
        "week_0 · Reference 0.06 ml · FL 0.08 ml",
        "week_9 · Reference 0.26 ml · FL 0.29 ml",  # 8 x 4 x 4 voxels of 2 mm3, and 9 x 4 x 4
    )
    assert [mask["name"] for mask in first["masks"]] == ["Reference", "FL"]
    assert (left.second, right.second, left.group, right.group) == (False, True, "", "")
    assert "Each time point has a crosshair of its own" in text(at)
    assert "voxels of" in text(at)


def test_time_points_of_one_grid_share_crosshair_start_and_scale(app, patient, shown):
    at = app("follow_up", results="visits", slices="on", right="week_1", drawn="A-FL")
    assert slices.SHARED in text(at)
    (_, first, left), (_, second, right) = shown
    assert left.group == right.group != ""
    assert [mask["name"] for mask in second["masks"]] == ["Reference", "A-FL"]
    for key in ("start", "near", "box"):
        assert first[key] == second[key]
    assert first["case"] == second["case"] == "P"


def test_the_same_time_point_twice_is_refused(app, patient, shown):
    at = app("follow_up", results="visits", slices="on", right="week_0")
    assert "Choose two time points that differ" in text(at)
    assert not shown


def test_a_mask_that_is_gone_is_said_and_the_reference_stays(patient):
    opened = open_comparison(patient)
    opened.mask("P_week_0", "FL").unlink()
    cases = {case.case_id: case for case in opened.cohort.cases}
    pair = slices.read_pair(opened, (cases["P_week_0"], cases["P_week_1"]), "", "FL")
    assert "is gone" in pair.notes[0]
    assert [mask["name"] for mask in json.loads(pair.payloads[0].header)["masks"]] == ["Reference"]
