"""Sentences: every verdict, and never more than the record says."""

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afl_core.analysis.breakdown import sentences
from afl_core.analysis.breakdown.measures import MEASURES, build_measure
from afl_core.analysis.breakdown.records import ALL
from afl_core.analysis.breakdown.sentences import (
    count,
    edges_text,
    grid_sentence,
    in_sentence,
    levels_sentence,
    mean_sentence,
    p_text,
    pair_sentence,
    place,
    verdict,
)
from afl_core.analysis.breakdown.units import Units

NAN = math.nan
CLAIMS = ("higher", "lower", "better", "worse")
NUMBER = st.floats(-1, 1)


def units(metric="dsc", level="case"):
    empty = pd.DataFrame()
    return Units(level, build_measure(level, metric), ("FL", "A-FL"), empty, empty, empty, {})


def record(*, low=0.01, high=0.07, p=0.004, mean=0.04, **changed):
    """Over 24 cases of as many patients A-FL is 0.04 higher, unless changed."""
    over = {"axis": ALL, "bin": ALL, "low": NAN, "high": NAN, "n": 24, "units": 24}
    pair = {"source": "A-FL", "minus": "FL", "mean_difference": mean, "ci_level": 0.95}
    return over | pair | {"ci_low": low, "ci_high": high, "p_holm": p} | changed


SMALL = {"axis": "size", "bin": "small", "low": 0.0, "high": 0.95, "ci_level": 1 - 0.05 / 3}


@pytest.mark.parametrize(
    ("low", "high", "p", "expected"),
    [
        (0.01, 0.07, 0.049, "higher"),
        (-0.07, -0.01, 0.049, "lower"),
        (0.01, 0.07, 0.05, "mean only"),
        (-0.07, -0.01, 0.05, "mean only"),
        (-0.01, 0.07, 0.05, "none"),
        (-0.01, 0.07, 0.049, "ranks only"),
        (0.0, 0.07, 0.5, "none"),
        (-0.07, 0.0, 0.5, "none"),
        (0.0, 0.0, 1.0, "none"),
        (NAN, NAN, NAN, "few"),
    ],
)
def test_verdicts(low, high, p, expected):
    assert verdict(record(low=low, high=high, p=p)) == expected


def test_a_difference():
    assert pair_sentence(record(), units(), tests=1) == (
        "A-FL's mean Dice is higher (so better) than FL's over all cases "
        "(24 cases: +0.040, 95 % interval +0.010 to +0.070; p = 0.004)."
    )


def test_a_difference_in_a_bin_after_correction():
    said = pair_sentence(record(low=-0.07, high=-0.01, mean=-0.04, p=0.0002) | SMALL, units(), tests=7)
    assert said == (
        "A-FL's mean Dice is lower (so worse) than FL's in small tumours (up to 0.95 ml) "
        "(24 cases: -0.040, 98.3 % interval -0.070 to -0.010; p < 0.001 after Holm's correction for 7 tests)."
    )


@pytest.mark.parametrize(
    ("metric", "mean", "direction"),
    [
        ("dsc", 0.5, "Dice is higher (so better)"),
        ("dsc", -0.5, "Dice is lower (so worse)"),
        ("hd95_mm", 0.5, "HD95 is higher (so worse)"),
        ("hd95_mm", -0.5, "HD95 is lower (so better)"),
        ("volume_error_ml", -0.5, "volume error, absolute is lower (so better)"),
        ("lesion_fp", 0.5, "false lesions is higher (so worse)"),
        ("iou", 0.5, "IoU is higher (so better)"),
    ],
)
def test_what_is_better_depends_on_the_metric(metric, mean, direction):
    said = pair_sentence(record(mean=mean, low=mean - 0.1, high=mean + 0.1), units(metric), tests=1)
    assert said.startswith(f"A-FL's mean {direction} than FL's over all cases")


def test_no_difference():
    assert pair_sentence(record(low=-0.01, p=0.21), units(), tests=4) == (
        "No difference in mean Dice shown between A-FL and FL over all cases "
        "(24 cases: +0.040, 95 % interval -0.010 to +0.070; p = 0.210 after Holm's correction for 4 tests)."
    )


def test_interval_and_test_that_disagree_are_said_to_before_any_number():
    assert pair_sentence(record(low=-0.01, p=0.01), units(), tests=1) == (
        "Whether A-FL's mean Dice differs from FL's over all cases is unclear: the interval holds 0, but the test of "
        "the ranks shows a difference (24 cases: +0.040, 95 % interval -0.010 to +0.070; p = 0.010)."
    )
    assert pair_sentence(record(p=0.08), units(), tests=4) == (
        "Whether A-FL's mean Dice differs from FL's over all cases is unclear: the interval leaves out 0, but the test "
        "of the ranks shows no difference (24 cases: +0.040, 95 % interval +0.010 to +0.070; p = 0.080 after Holm's "
        "correction for 4 tests)."
    )


def test_levels_are_those_of_the_records():
    of_axes = [("size", 1 - 0.05 / 3), ("roughness", 0.975)]
    bins = [record(axis=axis, ci_level=level) for axis, level in of_axes for _ in range(3)]
    few = record(axis="roughness", ci_level=0.5, low=NAN, high=NAN) | {"ci_low": NAN}
    assert levels_sentence(pd.DataFrame([record(), few, *bins]), units()) == (
        "Intervals of the difference: 95 % over all, 98.3 % in each bin by tumour volume, 97.5 % in each bin by "
        "roughness, so that those of the bins of an axis hold together at 95 %."
    )
    same = pd.DataFrame([record(), *(record(axis=axis, ci_level=0.975) for axis, _ in of_axes)])
    assert "97.5 % in each bin by tumour volume and in each bin by roughness, so" in levels_sentence(same, units())
    assert levels_sentence(pd.DataFrame([record()]), units()) == "Intervals of the difference: 95 % over all."
    assert levels_sentence(pd.DataFrame([few]), units()) == ""


def test_a_grid_without_a_cell_of_enough_patients_is_said_to_be_one():
    said = grid_sentence(pd.DataFrame({"n": [5, 0, 3]}))
    assert said.startswith("Every cell has fewer than 6 patients, so none shows a difference. Move the edges")
    assert grid_sentence(pd.DataFrame({"n": [5, 6, 0]})) == ""


def test_the_mean_of_one_source():
    mean = record(n=20) | {"source": "FL", "mean": 0.788, "mean_low": 0.634, "mean_high": 0.847}
    said = "FL's mean Dice is 0.788 over all cases (24 cases of 20 patients; 95 % interval 0.634 to 0.847)."
    assert mean_sentence(mean, units()) == said
    few = mean | {"mean_low": NAN, "n": 3, "units": 3}
    assert mean_sentence(few, units()) == "FL's mean Dice is 0.788 over all cases (3 cases)."


@pytest.mark.parametrize(
    ("n", "of", "level", "who"),
    [
        (1, 1, "case", "1 case is"),
        (5, 5, "case", "5 cases are"),
        (1, 3, "lesion", "3 lesions of 1 patient are"),
        (2, 3, "lesion", "3 lesions of 2 patients are"),
    ],
)
def test_too_few_patients(n, of, level, who):
    few = record(low=NAN, high=NAN, p=NAN, mean=0.25, n=n, units=of)
    label = "lesion Dice" if level == "lesion" else "Dice"
    assert pair_sentence(few, units(level=level), tests=3) == (
        f"A-FL's mean {label} minus FL's is +0.250 over all {level}s; {who} too "
        "few for an interval or a test (6 are needed: below that no p-value can fall under 0.05)."
    )


def test_nothing_to_compare():
    none = record(low=NAN, high=NAN, p=NAN, mean=NAN, n=0, units=0)
    assert pair_sentence(none, units(), tests=0) == (
        "There is nothing to compare over all cases: none has a Dice of every source."
    )


@settings(max_examples=150, deadline=None)
@given(NUMBER, NUMBER, st.floats(0, 1), NUMBER, st.sampled_from(["dsc", "hd95_mm"]))
def test_never_more_than_the_record_says(one, other, p, mean, metric):
    low, high = sorted((one, other))
    said = pair_sentence(record(low=low, high=high, p=p, mean=mean), units(metric), tests=9)
    interval, test = not low <= 0 <= high, p < 0.05
    if interval and test:
        assert said.startswith(f"A-FL's mean {units(metric).measure.label} is {'higher' if mean > 0 else 'lower'} (so ")
        assert ("better" in said) == ((mean > 0) == (metric == "dsc"))
    else:
        assert said.startswith("Whether" if interval or test else "No difference")
        assert (" is unclear: " in said) == (interval or test)
        assert not any(claim in said for claim in CLAIMS)
    assert p_text(p) in said


REST = {"low": NAN, "high": NAN}


@pytest.mark.parametrize(
    ("of", "level", "expected"),
    [
        ({"axis": ALL, "bin": ALL}, "case", "over all cases"),
        ({"axis": ALL, "bin": ALL}, "lesion", "over all lesions"),
        ({"axis": "size", "bin": "small", "low": 0, "high": 0.954}, "case", "in small tumours (up to 0.954 ml)"),
        ({"axis": "size", "bin": "medium", "low": 1, "high": 5}, "lesion", "in medium lesions (1 to 5 ml)"),
        ({"axis": "size", "bin": "large", "low": 5, "high": math.inf}, "case", "in large tumours (above 5 ml)"),
        ({"axis": "size", "bin": "no tumour"} | REST, "case", "in cases without a tumour"),
        (
            {"axis": "roughness", "bin": "poor", "low": 0.2, "high": math.inf},
            "case",
            "in tumours of poor smoothness (roughness above 0.2)",
        ),
        (
            {"axis": "released_smoothness", "bin": "poor", "low": 0, "high": 0.2},
            "case",
            "in tumours of poor smoothness (released smoothness up to 0.2)",
        ),
        (
            {"axis": "roughness", "bin": "no roughness"} | REST,
            "case",
            "in cases without a roughness (no tumour, or one too small)",
        ),
        (
            {"axis": "roughness", "bin": "no roughness"} | REST,
            "lesion",
            "in lesions without a roughness (lesions too small for one)",
        ),
        ({"axis": "released_smoothness", "bin": "no tumour"} | REST, "case", "in cases without a tumour"),
    ],
)
def test_places(of, level, expected):
    assert place(of, units(level=level)) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 0, "up to 0 ml"), (0, 2, "up to 2 ml"), (0, math.inf, "above 0 ml"), (1 / 3, 1234.5, "0.333 to 1.23e+03 ml")],
)
def test_edges(low, high, expected):
    assert edges_text(low, high, "ml") == expected


@pytest.mark.parametrize(
    ("n", "of", "level", "expected"),
    [
        (24, 24, "case", "24 cases"),
        (1, 1, "lesion", "1 lesion"),
        (1, 2, "case", "2 cases of 1 patient"),
        (7, 31, "lesion", "31 lesions of 7 patients"),
    ],
)
def test_counts(n, of, level, expected):
    assert count({"n": n, "units": of}, units(level=level)) == expected


def test_labels_within_a_sentence_keep_their_abbreviations():
    said = {m.label: in_sentence(m.label) for level in MEASURES.values() for m in level.values()}
    kept = {label for label, within in said.items() if label == within}
    assert kept == {"Dice", "IoU", "HD", "HD95", "ASSD"}
    assert said["Surface Dice"] == "surface Dice"
    assert said["Volume error, absolute"] == "volume error, absolute"


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0, "p < 0.001"), (0.00099, "p < 0.001"), (0.001, "p = 0.001"), (0.03125, "p = 0.031"), (1, "p = 1.000")],
)
def test_p(p, text):
    assert p_text(p) == text


@pytest.mark.parametrize(
    ("tests", "said"),
    [(0, "no test was made"), (1, "only one test was made"), (2, "counts all 2 tests of the breakdown")],
)
def test_what_is_corrected_is_said_for_any_number_of_tests(tests, said):
    assert said in sentences.tests_sentence(tests)
