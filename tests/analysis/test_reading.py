"""What a blinded reading found, by hand."""

import pandas as pd
import pytest
from scipy.stats import binomtest

from afl_core.analysis.reading import cases_to_read, choices_table, preference_sentence, preferences
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.reading import begin_reading, choose
from tests.made_results import write_results

PAIR = ("FL", "A-FL")


def table(*rows):
    """Rows of patient, volume in ml and preferred source."""
    return pd.DataFrame(rows, columns=["patient", "volume_ml", "preferred"])


def test_a_patient_prefers_what_most_of_the_cases_do():
    read = table(
        ("p", 1, "A-FL"),
        ("p", 2, "A-FL"),
        ("p", 3, "FL"),
        ("q", 4, "FL"),
        ("q", 5, "A-FL"),
        ("r", 6, ""),
        ("s", 7, "A-FL"),
        ("t", 8, "FL"),
    )
    over = preferences(read, PAIR).iloc[0]
    assert over[["first", "second", "none"]].tolist() == [1, 2, 2]
    assert over["share"] == pytest.approx(2 / 3)
    interval = binomtest(2, 3).proportion_ci(method="wilson")
    assert over[["low", "high"]].tolist() == pytest.approx([interval.low, interval.high])
    said = preference_sentence(read, PAIR)
    assert said.startswith("A-FL was preferred in 2 of 3 patients with a preference: 67 %")
    assert said.endswith("of 5 patients read. The interval holds 50 %: no preference is shown.")


def test_thirds_by_volume_and_no_preference_at_all():
    read = table(*((f"p{k}", k + 1, "A-FL" if k < 3 else "FL") for k in range(9)))
    found = preferences(read, PAIR).set_index("bin")
    assert found["share"].to_dict() == {"all": pytest.approx(1 / 3), "small": 1.0, "medium": 0.0, "large": 0.0}
    few = table(("p", 1, ""), ("q", 2, ""))
    assert preferences(few, PAIR)["bin"].tolist() == ["all"]
    assert preference_sentence(few, PAIR) == "No preference in 2 patients."


def test_cases_that_differ_most_come_first_and_the_table_names_the_sides(tmp_path):
    opened = open_comparison(write_results(tmp_path / "made"))
    dice = opened.rows.pivot_table(index="case_id", columns="source", values="dsc")
    apart = (dice["A-FL"] - dice["FL"]).abs()
    cases = cases_to_read(opened, PAIR)
    assert apart.loc[cases].is_monotonic_decreasing
    assert set(cases) == set(apart.dropna().index)
    reading = begin_reading(tmp_path, "Ada", PAIR, "whole", with_reference=True)
    for case_id, choice in zip(cases, "AB=", strict=False):
        reading = choose(tmp_path, reading, case_id, choice)
    rows = choices_table(opened, reading)
    assert rows["case_id"].tolist() == cases[:3]
    assert rows["preferred"].tolist() == [reading.sides(cases[0])[0], reading.sides(cases[1])[1], ""]
    assert all({a, b} == set(PAIR) for a, b in zip(rows["A"], rows["B"], strict=True))
