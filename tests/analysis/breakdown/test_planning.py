"""The plan of a next study: a row for everything and each bin, and what it says."""

import numpy as np
import pytest
from made_units import PAIR, breakdown, make_units

from afl_core.analysis.breakdown.planning import needed_text, plan_table, planning_sentence
from afl_core.analysis.breakdown.records import compute_breakdown, patient_means
from afl_core.analysis.statistics.power import plan_study


def test_each_row_is_the_plan_of_its_patients():
    found = breakdown()
    table = plan_table(found, PAIR)
    assert table[["axis", "bin"]].to_numpy().tolist() == found.pair(*PAIR)[["axis", "bin"]].to_numpy().tolist()
    assert table["n"].tolist() == found.pair(*PAIR)["n"].tolist()
    units, binning = found.units, found.binnings[0]
    small = binning.assign(units.table["size"]) == 0
    means = patient_means(units, small)
    wanted = plan_study((means[PAIR[1]] - means[PAIR[0]]).to_numpy())
    row = table[(table["axis"] == "size") & (table["bin"] == binning.names[0])].iloc[0]
    assert row["difference"] == pytest.approx(wanted.difference)
    assert row["power"] == wanted.power


def test_an_assumed_difference_is_that_of_every_row():
    table = plan_table(breakdown(), PAIR, 0.1)
    known = table[table["power"].notna()]
    assert known["difference"].to_numpy() == pytest.approx(np.full(len(known), 0.1))
    assert known["patients"].between(6, 500).all()


def test_the_sentence_says_what_it_is():
    table = plan_table(breakdown(), PAIR, 0.1)
    said = planning_sentence(table, assumed=True)
    assert said.startswith(
        "Planning, not evidence: a new study of these same sources, none trained again, would need about "
        f"{needed_text(table.iloc[0])} such patients to show that difference"
    )
    few = plan_table(compute_breakdown(make_units(5), ()), PAIR)
    assert planning_sentence(few, assumed=False) == "Nothing can be planned from 5 patients: it takes 6."
