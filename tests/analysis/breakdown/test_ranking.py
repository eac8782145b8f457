"""The ranking of a breakdown: patients, bins, direction of the metric, and what the sentence claims."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_results import make_manifest, make_tables
from made_units import breakdown, make_units

from afl_core.analysis.breakdown.options import Options
from afl_core.analysis.breakdown.ranking import (
    about_ranking,
    bins_to_rank,
    metric_agreement,
    rank_bin,
    ranking_sentence,
)
from afl_core.analysis.breakdown.records import compute_breakdown
from afl_core.analysis.statistics.ranking import METHODS, rank_sources

THREE = ("FL", "A-FL", "DiceCE")


def made(values, *, metric="dsc", sources=THREE):
    """Everything, ranked by the mean; a row of values a case, each a patient of its own."""
    units = make_units(len(values), sources, metric=metric)
    found = compute_breakdown(replace(units, values=pd.DataFrame(values, columns=list(sources))), ())
    return found, found.records.iloc[0].to_dict()


def steady(*levels, n=12):
    """Each source at its level on every patient, all patients different."""
    return np.linspace(0.3, 0.4, n)[:, None] + np.array(levels)


def test_a_bin_is_ranked_by_the_patients_in_it():
    whole = breakdown(make_units(30, THREE))
    bins = bins_to_rank(whole)
    assert next(iter(bins)) == "All cases"
    found = rank_bin(whole, bins["Small tumours"])
    small = whole.units.values[whole.units.table["size"] <= 2]
    assert found.table["n"].tolist() == [len(small)] * 3
    by_source = found.table.set_index("source")
    assert by_source.loc["A-FL", "mean"] == pytest.approx(small["A-FL"].mean())
    for method in METHODS:
        ranks = by_source.loc[list(THREE), f"rank_{method}"].tolist()
        assert ranks == rank_sources(small.to_numpy(), method).tolist()


def test_lesions_of_a_patient_are_averaged_first():
    units = make_units(20, THREE, level="lesion", per_patient=2)
    whole = compute_breakdown(units, ())
    found = rank_bin(whole, next(iter(bins_to_rank(whole).values())))
    means = units.values.groupby(units.table["patient"], sort=False).mean()
    assert found.table["n"].iloc[0] == 10
    assert found.table.set_index("source").loc["FL", "median"] == pytest.approx(means["FL"].median())


def test_a_metric_that_is_better_low_is_turned():
    values = steady(0.0, 0.1, 0.2)
    assert rank_bin(*made(values)).table["source"].tolist() == ["DiceCE", "A-FL", "FL"]
    assert rank_bin(*made(values, metric="hd95_mm")).table["source"].tolist() == ["FL", "A-FL", "DiceCE"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            steady(0.0, 0.1, 0.2),
            "DiceCE ranks first by mean Dice, in 100 of 100 resamples of the patients. "
            "It is shown better than FL, A-FL.",
        ),
        (steady(0.1, 0.1, 0.1), "all 3 sources share the first rank by mean Dice."),
        (steady(0.1, 0.1, 0.0), "FL and A-FL share the first rank by mean Dice."),
        (
            steady(0.0, 0.1, 0.2, n=5),
            "DiceCE ranks first by mean Dice; 5 patients, too few for resamples or a test.",
        ),
    ],
)
def test_the_sentence_says_what_was_found(values, sentence):
    assert ranking_sentence(rank_bin(*made(values))) == f"All cases: {sentence}"


def test_the_sentence_names_whom_it_is_not_better_than():
    values = steady(0.0, 0.1, 0.1)
    values[:, 2] += np.tile([0.01, -0.009], 6)
    said = ranking_sentence(rank_bin(*made(values)))
    assert said.endswith("It is shown better than FL; not than A-FL.")


def test_a_mean_that_one_patient_carries_is_said_beside_the_ranks():
    values = steady(0.0, 0.1, 0.1, n=20)
    values[0, 2], values[1:, 2] = values[0, 1] + 0.4, values[1:, 1] - 0.01
    said = ranking_sentence(rank_bin(*made(values)))
    assert said.startswith("All cases: DiceCE ranks first by mean Dice, in ")
    assert said.endswith("By the ranks of the differences, A-FL is shown better than it.")


def test_a_source_that_is_first_more_often_is_named():
    found = rank_bin(*made(steady(0.0, 0.1, 0.2)))
    shares = np.array([[0.3, 0.0, 0.7], [0.39, 0.61, 0.0], [0.31, 0.39, 0.3]])
    seldom = replace(found, ranking=replace(found.ranking, frequencies=shares))
    assert "DiceCE ranks first by mean Dice, in 31 of 100 resamples of the patients (A-FL in 39 of 100)." in (
        ranking_sentence(seldom)
    )


def test_tests_that_show_nothing_rank_nobody():
    found = rank_bin(*made(np.random.default_rng(0).random((12, 3))), "test")
    said = ranking_sentence(found)
    assert said == "All cases: no test shows one source better than another in Dice, so all share the first rank."
    few = rank_bin(*made(steady(0.0, 0.1, 0.2, n=4)), "test")
    assert ranking_sentence(few) == "All cases: 4 patients, too few to rank by tests on Dice: it takes 6."


def test_it_says_where_no_test_could_show_anything():
    assert "with 6 patients none could be below 0.05" in about_ranking(rank_bin(*made(steady(0.0, 0.1, 0.2, n=6))))
    assert "none could" not in about_ranking(rank_bin(*made(steady(0.0, 0.1, 0.2, n=12))))
    assert "Below 6 patients there is neither" in about_ranking(rank_bin(*made(steady(0.0, 0.1, 0.2, n=5))))


def test_metrics_that_rank_alike_have_tau_1(tmp_path):
    sources = {"FL": 0.0, "A-FL": 0.05, "DiceCE": -0.3}
    cases, lesions = make_tables(sources=sources)
    cases["iou"] = -cases["dsc"]  # the reverse order
    table = metric_agreement((cases, lesions), make_manifest(tmp_path, sources), Options())
    tau = table.set_index("metric")["tau"]
    assert (tau["Dice"], tau["HD95 (mm)"]) == (1, 1), "HD95 is made as 20 (1 - Dice)"
    assert tau["IoU"] == -1
    order = table.set_index("metric")["order"]
    assert order["Dice"].split(" > ")[::-1] == order["IoU"].split(" > ")
