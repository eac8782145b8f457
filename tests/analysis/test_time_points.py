"""Time points in the order of their names, and the days that these say, counted by hand."""

import math
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afl_core.analysis.time_points import in_order, labels, visits


@pytest.mark.parametrize(
    ("patient", "cases", "days"),
    [
        ("sub-01", ["sub-01_ses-2", "sub-01_ses-10"], None),
        ("sub-02", ["sub-02", "sub-02_ses-2"], None),
        ("P5", ["P5", "P5_followup1"], None),
        ("UCSF-PDGM-0138", ["UCSF-PDGM-0138", "UCSF-PDGM-0138_FU003d", "UCSF-PDGM-0138_FU015d"], [0, 3, 15]),
        ("Patient-002", ["Patient-002-week-003", "Patient-002-week-021", "Patient-002-week-100"], [0, 126, 679]),
        ("P2", ["Patient-002-week-000-1", "Patient-002-week-000-2", "Patient-002-week-003"], [0, 0, 21]),
        ("BraTS-GLI-00002", ["BraTS-GLI-00002-000", "BraTS-GLI-00002-001"], None),
        ("A1", ["A1_preop", "A1_post"], None),
        ("A1", ["A1_20191231", "A1_2020-01-01"], [0, 1]),
        ("A1", ["A1_31-12-2019", "A1_01-02-2020", "A1_03.02.2020"], [0, 32, 34]),
        ("A1", ["A1_jan2019", "A1_3-Feb-2019", "A1_mar2019"], [0, 33, 59]),
        ("of a table", ["scan9", "scan10"], None),
        ("P14", ["P14_day-3", "P14_day0", "P14_day10"], [0, 3, 13]),
        ("P14", ["P14_day_-3", "P14_day_10"], [0, 13]),
        ("P14", ["P14-day-3", "P14-day-10"], [0, 7]),
        ("P7", ["P7_week_2", "P7_month_3", "P7_month_12", "P7_2years"], [0, 77, 351, 716]),  # 14, 91, 365, 730
        ("P7", ["P7_baseline", "P7_week_6", "P7_week_12"], [0, 42, 84]),
        ("P7", ["P7_bl", "P7_m06", "P7_m12"], [0, 183, 365]),
        ("P8", ["P8_preop", "P8_postop", "P8_fu1"], None),
        ("P8", ["P8_preop", "P8_postop", "P8_week_6"], None),
        ("P8", ["P8_screening", "P8_baseline", "P8_visit2"], None),
        ("P12", ["P12_ses-pre", "P12_ses-mid", "P12_ses-post"], None),
        ("P13", ["P13_visit1a", "P13_visit1b", "P13_visit-2"], None),
        ("P18", ["P18_tp1", "P18_tp1.5", "P18_tp2"], None),
    ],
)
def test_names_give_order_and_days(patient, cases, days):
    for listed in list(permutations(cases))[:6]:
        points = in_order(listed, patient)
        assert list(points.case_ids) == cases
        assert points.plain
        assert list(points.days) == days if days else all(map(math.isnan, points.days))


@pytest.mark.parametrize(
    "names",
    [
        ("week_2", "visit3"),
        ("baseline", "relapse", "final"),
        ("", "baseline"),
        ("preop", "baseline"),
        ("baseline", "week_0", "week_3"),
        ("baseline", "day-3", "day0"),
        ("day-3", "day10"),  # a minus sign or a hyphen
        ("2019-02-30", "2019-01-01"),
        ("week_2", "2019-01-01"),
        ("1", "01"),
    ],
)
def test_an_order_that_names_do_not_say_is_no_sure_one(names):
    points = in_order([f"P7_{name}".rstrip("_") for name in names], "P7")
    assert not points.plain
    assert all(map(math.isnan, points.days))


@given(
    st.lists(st.integers(0, 5000), min_size=2, max_size=6, unique=True), st.sampled_from(["day_", "FU", "week-", "d"])
)
def test_days_are_the_numbers_of_the_names(numbers, unit):
    points = in_order([f"sub-7_{unit}{number:03d}{'d' if unit == 'FU' else ''}" for number in numbers], "sub-7")
    times = [(7 if unit == "week-" else 1) * number for number in sorted(numbers)]
    assert list(points.days) == [time - times[0] for time in times]


def test_a_visit_is_what_follows_the_patient():
    assert visits(["Patient-002-week-003"], "Patient-002") == {"Patient-002-week-003": "week-003"}
    assert visits(["P10_x", "P1_y"], "P1") == {"P10_x": "P10_x", "P1_y": "P1_y"}  # P1 is no beginning of P10
    assert visits(["A-t1", "A-t10"], "of a table") == {"A-t1": "t1", "A-t10": "t10"}


def test_labels_differ():
    assert list(labels(["P_1", "P-1"], "P").values()) == ["P_1", "P-1"]
    assert list(labels(["P5", "P5_fu1"], "P5").values()) == ["P5", "fu1"]
