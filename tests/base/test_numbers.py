"""Numbers as text: the digits of each metric, what is not there, p-values, ticks."""

import math

import pytest

from afl_core.analysis.breakdown.measures import MEASURES
from afl_core.base.numbers import NOTHING, interval, log_ticks, number, p_number, p_text, volume
from afl_core.metrics import METRICS


def test_decimals_follow_what_is_measured():
    digits = {key: metric.digits for key, metric in METRICS.items()}
    assert {digits[key] for key in ("dsc", "iou", "nsd", "lesion_f1", "relative_volume_error")} == {3}
    assert {digits[key] for key in ("hd_mm", "hd95_mm", "assd_mm")} == {1}
    assert digits["volume_error_ml"] == 2
    assert {digits[key] for key in ("lesion_tp", "lesion_fp", "lesion_fn")} == {2}
    assert {key: MEASURES["case"][key].digits for key in METRICS} == digits
    assert {key: m.digits for key, m in MEASURES["lesion"].items()} == {
        **{"dsc": 3, "dsc_in_region": 3, "hd95_mm": 1, "assd_mm": 1, "detected": 3}
    }


@pytest.mark.parametrize(
    ("p", "text", "alone"),
    [
        (0.0, "p < 0.001", "< 0.001"),
        (0.00099, "p < 0.001", "< 0.001"),
        (0.001, "p = 0.001", "0.001"),
        (0.03125, "p = 0.031", "0.031"),
        (1, "p = 1.000", "1.000"),
    ],
)
def test_p(p, text, alone):
    assert (p_text(p), p_number(p)) == (text, alone)


def test_what_is_not_there_is_a_dash_and_nothing_is_minus_zero():
    assert {number(math.nan), number(math.inf), interval(math.nan, 1), volume(math.nan), p_number(math.nan)} == {
        NOTHING
    }
    assert number(-0.0004, sign=True) == "0.000"
    assert interval(-0.04, 1234.56, 1, sign=True) == "-0.04 to +1,234.6"


def test_ticks_of_a_logarithmic_axis_can_be_read():
    assert log_ticks(0.34, 60) == [0.5, 1, 2, 5, 10, 20, 50]
    assert log_ticks(0.2, 0.2) == [0.2]
    assert log_ticks(0.002, 300) == [0.01, 0.1, 1, 10, 100]
    assert log_ticks(0, 5) == log_ticks(math.nan, 5) == log_ticks(3, math.inf) == []
