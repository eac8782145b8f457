"""Sentences: every verdict, and never more than the record says."""

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afl_core.analysis.breakdown.measures import MEASURES, build_measure
from afl_core.analysis.breakdown.records import ALL
from afl_core.analysis.breakdown.sentences import (
    count,
    evidence_sentence,
    grid_sentence,
    in_sentence,
    levels_sentence,
    mean_sentence,
    pair_sentence,
    place,
    verdict,
)
from afl_core.analysis.breakdown.units import Units
from afl_core.base.numbers import p_text

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
    return over | pair | {"ci_low": low, "ci_high": high, "p": p, "p_holm": p} | changed


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
    assert pair_sentence(record(), units()) == "Dice, all cases: A-FL better than FL by 0.040 (0.010 to 0.070)."
    said = evidence_sentence(record(), units(), tests=1)
    assert said.startswith("24 cases. A-FL minus FL, mean over patients, with its 95 % interval.")
    assert said.endswith("test: p = 0.004.")


def test_a_difference_in_a_bin_after_correction():
    lower = record(low=-0.171, high=-0.030, mean=-0.097, p=0.0002) | SMALL
    assert pair_sentence(lower, units(level="lesion")) == "Small lesions: A-FL worse by 0.097 (0.030 to 0.171)."
    assert evidence_sentence(lower, units(), tests=7) == (
        "Tumour volume up to 0.95 ml. 24 cases. A-FL minus FL, mean over patients, with its 98.3 % interval. "
        "Wilcoxon's signed-rank test: p < 0.001 after Holm's correction for 7 tests."
    )


@pytest.mark.parametrize(
    ("metric", "mean", "said"),
    [
        ("dsc", 0.5, "better than FL by 0.500 (0.400 to 0.600)"),
        ("dsc", -0.5, "worse than FL by 0.500 (0.400 to 0.600)"),
        ("hd95_mm", 0.5, "worse than FL by 0.5 mm (0.4 to 0.6)"),
        ("hd95_mm", -0.5, "better than FL by 0.5 mm (0.4 to 0.6)"),
        ("volume_error_ml", -0.5, "better than FL by 0.50 ml (0.40 to 0.60)"),
        ("lesion_fp", 0.5, "worse than FL by 0.50 (0.40 to 0.60)"),
    ],
)
def test_what_is_better_and_how_many_digits_depend_on_the_metric(metric, mean, said):
    assert f"all cases: A-FL {said}." in pair_sentence(
        record(mean=mean, low=mean - 0.1, high=mean + 0.1), units(metric)
    )


def test_no_difference():
    assert pair_sentence(record(low=-0.01, p=0.21), units()) == (
        "Dice, all cases: no difference shown (A-FL minus FL +0.040, -0.010 to +0.070)."
    )


def test_interval_and_test_that_disagree_are_said_to():
    assert pair_sentence(record(low=-0.01, p=0.01), units()) == (
        "Dice, all cases: unclear (A-FL minus FL +0.040, -0.010 to +0.070): the interval holds 0, but the ranks show a "
        "difference."
    )
    assert pair_sentence(record(p=0.08), units()).endswith("leaves out 0, but the ranks do not show a difference.")
    assert pair_sentence(record(p=0.002, p_holm=0.0547), units()).endswith(
        "leaves out 0, but the test shows nothing for so many tests (p = 0.002 before Holm's correction, 0.055 after)."
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
    said = "FL's mean Dice, all cases: 0.788 (24 cases of 20 patients; 95 % interval 0.634 to 0.847)."
    assert mean_sentence(mean, units()) == said
    few = mean | {"mean_low": NAN, "n": 3, "units": 3}
    assert mean_sentence(few, units()) == "FL's mean Dice, all cases: 0.788 (3 cases)."


@pytest.mark.parametrize(
    ("n", "of", "level", "who"),
    [
        (1, 1, "case", "1 case"),
        (5, 5, "case", "5 cases"),
        (1, 3, "lesion", "3 lesions of 1 patient"),
        (2, 3, "lesion", "3 lesions of 2 patients"),
    ],
)
def test_too_few_patients(n, of, level, who):
    few = record(low=NAN, high=NAN, p=NAN, mean=0.25, n=n, units=of)
    label = "Lesion Dice" if level == "lesion" else "Dice"
    assert pair_sentence(few, units(level=level)) == (
        f"{label}, all {level}s: A-FL minus FL +0.250; {who}, too few for an interval or a test."
    )
    assert "no p-value could fall under 0.05" in evidence_sentence(few, units(level=level), tests=3)


def test_nothing_to_compare():
    none = record(low=NAN, high=NAN, p=NAN, mean=NAN, n=0, units=0)
    assert pair_sentence(none, units()) == "Dice, all cases: nothing to compare."


@settings(max_examples=150, deadline=None)
@given(NUMBER, NUMBER, st.floats(0, 1), NUMBER, st.sampled_from(["dsc", "hd95_mm"]))
def test_never_more_than_the_record_says(one, other, p, mean, metric):
    low, high = sorted((one, other))
    found = record(low=low, high=high, p=p, mean=mean)
    said = pair_sentence(found, units(metric))
    interval, test = not low <= 0 <= high, p < 0.05
    if interval and test:
        assert ("better" in said) == ((low > 0) == (metric == "dsc"))
        assert ("worse" in said) != ("better" in said)
    else:
        assert ("no difference shown" in said) != (": unclear (" in said)
        assert (": unclear (" in said) == (interval or test)
        assert not any(claim in said for claim in CLAIMS)
    assert p_text(p) in evidence_sentence(found, units(metric), tests=9)


REST = {"low": NAN, "high": NAN}


@pytest.mark.parametrize(
    ("of", "level", "expected"),
    [
        ({"axis": ALL, "bin": ALL}, "case", "all cases"),
        ({"axis": ALL, "bin": ALL}, "lesion", "all lesions"),
        ({"axis": "size", "bin": "small", "low": 0, "high": 0.954}, "case", "small tumours"),
        ({"axis": "size", "bin": "medium", "low": 1, "high": 5}, "lesion", "lesions of medium size"),
        ({"axis": "roughness", "bin": "medium", "low": 1, "high": 5}, "case", "tumours of medium smoothness"),
        ({"axis": "roughness", "bin": "rough", "low": 0.2, "high": math.inf}, "case", "rough tumours"),
        ({"axis": "released_smoothness", "bin": "rough", "low": 0, "high": 0.2}, "case", "rough tumours"),
        ({"axis": "size", "bin": "no tumour"} | REST, "case", "cases without a tumour"),
        (
            {"axis": "roughness", "bin": "no roughness"} | REST,
            "lesion",
            "lesions without a roughness (lesions too small for one)",
        ),
    ],
)
def test_places(of, level, expected):
    assert place(of, units(level=level)) == expected


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
