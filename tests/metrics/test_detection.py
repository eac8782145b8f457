"""Detection by maps of confidences: against picai_eval and report_guided_annotation, and by hand.

tests/oracles/make_protocols.py made the values, and says how.
"""

import json
import math
from pathlib import Path

import made_protocols
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afl_core.errors import DataError, GeometryError
from afl_core.metrics.detection import (
    CaseDetection,
    detection_scores,
    froc,
    is_detection_map,
    map_candidates,
    match_candidates,
    probability_candidates,
    sensitivity_at,
)

ORACLE = json.loads((Path(__file__).parents[1] / "oracles" / "detection_picai.json").read_text())
COHORTS, MAPS = made_protocols.detections(), made_protocols.probabilities()

ALL_FOUND = "no lesion is missed"
"""Here picai_eval leaves the lowest confidence out of its FROC curve, as its last point stands for missed lesions."""


def measured(name):
    return [match_candidates(map_candidates(values), reference) for values, reference in COHORTS[name]]


@pytest.mark.parametrize("name", COHORTS)
def test_scores_equal_picai_eval(name):
    scores, theirs = detection_scores(measured(name)), ORACLE["cohorts"][name]
    assert scores.ap == pytest.approx(theirs["ap"], abs=1e-6)
    assert scores.auroc == pytest.approx(theirs["auroc"], abs=1e-6)
    assert scores.score == pytest.approx(theirs["score"], abs=1e-6)


@pytest.mark.parametrize("name", sorted(set(COHORTS) - {ALL_FOUND}))
def test_sensitivity_equals_picai_eval(name):
    cases = measured(name)
    for rate, theirs in ORACLE["cohorts"][name]["sensitivity"].items():
        assert sensitivity_at(cases, float(rate)) == pytest.approx(theirs, abs=1e-6), rate


@pytest.mark.parametrize("name", COHORTS)
def test_every_lesion_and_false_positive_is_picai_evals(name):
    for case, theirs in zip(measured(name), ORACLE["cohorts"][name]["cases"], strict=True):
        ours = sorted([*([1, of] for of in case.lesions), *([0, of] for of in case.false)])
        assert np.array(ours) == pytest.approx(np.array(theirs), abs=1e-6)


@pytest.mark.parametrize("name", MAPS)
def test_candidates_of_probabilities_equal_report_guided_annotation(name):
    candidates, theirs = probability_candidates(MAPS[name]), ORACLE["extracted"][name]
    assert np.count_nonzero(candidates.labels) == theirs["voxels"]
    sizes = dict.fromkeys(map(float, theirs["by_confidence"]), 0)
    for number, confidence in enumerate(candidates.confidences, start=1):
        (near,) = [of for of in sizes if of == pytest.approx(confidence, abs=1e-6)]
        sizes[near] += int((candidates.labels == number).sum())
    assert list(sizes.values()) == list(theirs["by_confidence"].values())


def test_by_hand():
    """Lesions found with 0.9 and 0.4, one missed; false positives of 0.6 and 0.4.

    Precision at 0.9 is 1, at 0.4 it is 2 of 4; each is a step of 1/3. Cases: 0.9 and 0 with a lesion, 0.6 and 0
    without: of the four pairs 0.9 is larger in two, 0 is smaller in one and equal in one.
    """
    cases = [
        CaseDetection((0.9, 0.4), (0.4,), 0.9),
        CaseDetection((0.0,), (), 0.0),
        CaseDetection((), (0.6,), 0.6),
        CaseDetection((), (), 0.0),
    ]
    scores = detection_scores(cases)
    assert scores.ap == pytest.approx((1 + 1 / 2) / 3)
    assert scores.auroc == pytest.approx((2 + 0.5) / 4)
    assert scores.score == pytest.approx((0.5 + 0.625) / 2)
    assert (scores.cases, scores.with_lesion, scores.lesions) == (4, 2, 3)
    wrong, sensitivity = froc(cases)
    assert wrong.tolist() == [0, 0.25, 0.5]
    assert sensitivity.tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3])
    assert [sensitivity_at(cases, rate) for rate in (0, 0.3, 0.5)] == pytest.approx([1 / 3, 1 / 3, 2 / 3])


def test_what_is_undefined():
    quiet, missed = CaseDetection((), (), 0.0), CaseDetection((0.0,), (), 0.0)
    assert math.isnan(detection_scores([quiet]).ap)
    assert math.isnan(detection_scores([quiet]).auroc)
    assert math.isnan(sensitivity_at([quiet], 1))
    assert detection_scores([missed]).ap == 0
    assert math.isnan(detection_scores([missed]).score)
    assert sensitivity_at([missed], 1) == 0


def test_a_tenth_of_iou_is_enough():
    """A lesion of ten voxels and a candidate of one of them; then of eleven voxels."""
    for length, found in ((10, 0.7), (11, 0.0)):
        reference, values = np.zeros((12, 3, 3), bool), np.zeros((12, 3, 3), np.float32)
        reference[:length, 1, 1], values[0, 1, 1] = True, 0.7
        case = match_candidates(map_candidates(values), reference)
        assert case.lesions == pytest.approx((found,))
        assert len(case.false) == (0 if found else 1)


def test_detection_maps_are_told_from_probabilities():
    assert all(is_detection_map(values) for cases in COHORTS.values() for values, _ in cases)
    told = {name for name, values in MAPS.items() if is_detection_map(values)}
    assert told == {"nothing", "a speck alone"}


@pytest.mark.parametrize("step", [(1, 1, 1), (-1, 1, 1), (1, 0, 0), (0, -1, 1), (0, 0, 1)])
def test_two_values_that_touch_are_of_one_component(step):
    values = np.zeros((7, 7, 7), np.float32)
    values[3, 3, 3], values[tuple(3 + d for d in step)] = 0.5, 0.6
    assert not is_detection_map(values)
    assert is_detection_map(np.where(values > 0, np.float32(0.5), 0))
    values[tuple(3 + d for d in step)] = 0
    values[tuple(3 + 2 * d for d in step)] = 0.6
    assert is_detection_map(values)


def test_wrong_maps_are_refused():
    with pytest.raises(DataError, match="values from 0 on"):
        map_candidates(np.full((3, 3, 3), -0.1, np.float32))
    with pytest.raises(DataError, match="values from 0 on"):
        probability_candidates(np.full((3, 3, 3), np.nan, np.float32))
    with pytest.raises(GeometryError, match="one shape"):
        match_candidates(map_candidates(np.zeros((3, 3, 3), np.float32)), np.zeros((3, 3, 4), bool))


confidences = st.lists(st.integers(0, 10).map(lambda n: n / 10), max_size=3).map(tuple)
cases_of = st.lists(
    st.builds(lambda hit, false: CaseDetection(hit, false, max((*hit, *false), default=0.0)), confidences, confidences),
    min_size=2,
    max_size=8,
)


@given(cases_of)
def test_a_map_that_is_surer_throughout_has_the_same_scores(cases):
    """AP, AUROC and sensitivity go by the order of the confidences alone; 0 stays 0."""
    surer = [
        CaseDetection(tuple(of**0.5 for of in c.lesions), tuple(of**0.5 for of in c.false), c.confidence**0.5)
        for c in cases
    ]
    first, second = detection_scores(cases), detection_scores(surer)
    assert (first.ap, first.auroc) == pytest.approx((second.ap, second.auroc), nan_ok=True)
    assert sensitivity_at(cases, 1) == pytest.approx(sensitivity_at(surer, 1), nan_ok=True)
