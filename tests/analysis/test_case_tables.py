"""The order of the cases, and which of them are shown."""

import numpy as np
import pandas as pd
import pytest
from made_results import write_results

from afl_core.analysis.case_tables import (
    compared_sources,
    drawn_sources,
    gains,
    in_order,
    metric_table,
    narrowed,
    order_by,
    shown_choices,
    size_choices,
)
from afl_core.evaluation.comparison import open_comparison
from afl_core.metrics import METRICS

SOURCES = ("FL", "A-FL")
TABLE = pd.DataFrame(
    {
        "volume (ml)": [5.0, 1.0, 3.0, 0.0, np.nan],
        "FL": [0.8, 0.5, 0.7, 1.0, np.nan],
        "A-FL": [0.7, 0.9, 0.3, 1.0, np.nan],
    },
    index=pd.Index(["a", "b", "Case_c", "d", "e"], name="case"),
)


def order(metric="dsc", sources=SOURCES, by="Worst first"):
    return list(in_order(TABLE, metric, sources, order=by).index)


def test_worst_first_is_where_the_second_source_loses_most():
    assert order() == ["Case_c", "a", "d", "b", "e"]  # -0.4, -0.1, 0, +0.4, none
    assert order(by="Best first") == ["b", "d", "a", "Case_c", "e"]


def test_a_distance_that_grows_is_worse():
    assert order("hd95_mm") == ["b", "d", "a", "Case_c", "e"]


def test_errors_of_opposite_sign_compare_by_their_distance_from_zero():
    rows = pd.DataFrame({"volume_error_ml": [-5.0, 3.0]}, index=["FL", "A-FL"])
    table = metric_table(rows, {"FL": ("FL",), "A-FL": ("A-FL",)})
    assert table.drop(columns="metric").loc[0].tolist() == ["-5.00", "3.00", "-2.00"]
    assert table["metric"][0] == f"{METRICS['volume_error_ml'].titled_direction} *"  # not -5 to 3, which is +8
    one = metric_table(rows, {"FL": ("FL",)})
    assert one["metric"][0] == METRICS["volume_error_ml"].titled_direction  # nothing is subtracted


def test_seeds_of_opposite_errors_do_not_cancel_out():
    """Errors of -4 and 4 ml are 4 ml on average, as on Breakdown; what stands beside them has no sign either."""
    rows = pd.DataFrame({"volume_error_ml": [-1.0, -4.0, 4.0]}, index=["FL", "A-FL seed0", "A-FL seed1"])
    table = metric_table(rows, {"FL": ("FL",), "A-FL": ("A-FL seed0", "A-FL seed1")})
    assert table.drop(columns="metric").loc[0].tolist() == ["1.00", "4.00", "+3.00"]
    assert table["metric"][0].endswith(", absolute")


def test_of_each_configuration_one_seed_is_drawn_so_that_places_and_colours_are_those_of_the_rail(tmp_path):
    write_results(tmp_path / "results", sources={"B": 0.0, "FL seed1": 0.1, "FL seed2": 0.2, "Dice": 0.3})
    opened = open_comparison(tmp_path / "results")
    assert list(compared_sources(opened)) == ["B", "FL", "Dice"]
    assert drawn_sources(opened) == ["B", "FL seed1", "Dice"]


def test_an_error_of_volume_is_worse_the_farther_it_lies_from_zero():
    table = pd.DataFrame({"FL": [2.0, -2.0], "A-FL": [-3.0, 1.0]}, index=["x", "y"])
    assert gains(table, "volume_error_ml", SOURCES).tolist() == [-1, 1]


def test_one_source_sorts_by_its_own_value_and_none_by_name():
    assert order(sources=("FL",)) == ["b", "Case_c", "a", "d", "e"]
    assert order(sources=()) == ["a", "b", "Case_c", "d", "e"]
    assert order(by=order_by("A-FL")) == ["Case_c", "a", "b", "d", "e"]


def test_by_size_and_by_name():
    assert order(by="Smallest first") == ["d", "b", "Case_c", "a", "e"]
    assert order(by="Largest first") == ["a", "Case_c", "b", "d", "e"]
    assert order(by="By name") == ["a", "b", "Case_c", "d", "e"]


@pytest.mark.parametrize(
    ("choice", "cases"),
    [
        ({}, ["a", "b", "Case_c", "d", "e"]),
        ({"find": " CASE "}, ["Case_c"]),
        ({"find": "."}, []),  # text, no pattern
        ({"shown": "A-FL worse"}, ["a", "Case_c"]),
        ({"shown": "A-FL better"}, ["b"]),
        ({"shown": "Not evaluated"}, ["e"]),
        ({"size": "Small"}, ["b"]),
        ({"size": "Large"}, ["a"]),
        ({"size": "No tumour"}, ["d", "e"]),
        ({"size": "Large", "shown": "A-FL better"}, []),
    ],
)
def test_what_is_shown(choice, cases):
    assert list(narrowed(TABLE, "dsc", SOURCES, **choice).index) == cases


def test_the_choices_that_there_are():
    assert shown_choices(SOURCES) == ("All cases", "A-FL worse", "A-FL better", "Not evaluated")
    assert shown_choices(("FL",)) == ("All cases", "Not evaluated")
    assert size_choices(TABLE) == ("All sizes", "Small", "Medium", "Large", "No tumour")
    assert size_choices(TABLE[:2]) == ("All sizes",)
    assert list(narrowed(TABLE, "dsc", ("FL",), shown="Not evaluated").index) == ["e"]


def test_the_metrics_of_a_case_are_of_configurations_with_the_digits_of_each_metric():
    """Two seeds found 1 and 2 lesions, 1.5 in the mean; A-FL found 2, and none has an ASSD."""
    rows = pd.DataFrame(
        {"dsc": [0.5, 0.75, 0.7], "hd95_mm": [3.0, 4.5, 2.0], "assd_mm": [np.nan] * 3, "lesion_tp": [1, 2, 2]},
        index=["FL seed1", "FL seed2", "A-FL"],
    )
    table = metric_table(rows, {"FL": ("FL seed1", "FL seed2"), "A-FL": ("A-FL",), "gone": ("x",)}).set_index("metric")
    assert list(table.columns) == ["FL", "A-FL", "difference"]
    assert table.loc["Dice ↑"].tolist() == ["0.625", "0.700", "+0.075"]
    assert table.loc["HD95 (mm) ↓"].tolist() == ["3.8", "2.0", "-1.8"]
    assert table.loc["ASSD (mm) ↓"].tolist() == ["–", "–", "–"]
    assert table.loc["Lesions found ↑"].tolist() == ["1.50", "2.00", "+0.50"]
    alone = metric_table(rows, {name: (name,) for name in rows.index}).set_index("metric")
    assert alone.loc["Lesions found ↑"].tolist() == ["1", "2", "2", "+1"]
