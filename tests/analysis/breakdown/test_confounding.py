"""Size against smoothness: SciPy's rank correlations, partial ones by regression, and bins whose edges move."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from afl_core.analysis.breakdown.bins import Binning, tertiles
from afl_core.analysis.breakdown.confounding import (
    Correlation,
    confounding,
    confounding_sentence,
    size_answers_sentence,
    size_correlation,
    sweep_edges,
    sweep_sentence,
)
from afl_core.analysis.breakdown.interaction import Interaction, Trend, robust_trend, size_interaction
from afl_core.analysis.breakdown.measures import MEASURES
from afl_core.analysis.breakdown.records import bin_records
from afl_core.analysis.breakdown.units import Units
from afl_core.errors import UsageError

PAIR = ("FL", "A-FL")
NAN = math.nan


def units(difference, *, size=None, roughness=None, released=None, patients=None):
    n = len(difference)
    names = [f"p{k:04d}" for k in (range(n) if patients is None else patients)]
    facts = {"size": size, "roughness": roughness, "released_smoothness": released}
    facts = {name: np.full(n, 1.0) if given is None else np.asarray(given, float) for name, given in facts.items()}
    table = pd.DataFrame({"case_id": names, "patient": names, "lesion_id": 0, **facts})
    values = pd.DataFrame({"FL": np.full(n, 0.5), "A-FL": 0.5 + np.asarray(difference, dtype=float)})
    return Units("case", MEASURES["case"]["dsc"], PAIR, table, table, values, {})


def cohort(n=40, seed=2):
    """Size, roughness that goes with it, and a difference that goes with both; some values tie."""
    rng = np.random.default_rng(seed)
    size = np.round(2 ** rng.normal(1, 2, n), 1) + 0.1
    roughness = np.round(0.1 + 0.05 * np.log2(size) + rng.normal(0, 0.1, n), 2).clip(0)
    return units(
        0.02 * np.log2(size) - roughness + rng.normal(0, 0.1, n),
        size=size,
        roughness=roughness,
        released=size / 1000 * np.exp(rng.normal(0, 0.05, n)),
    )


def values(table, name):
    return table.table[name].to_numpy(), (table.values["A-FL"] - table.values["FL"]).to_numpy().round(12)


def test_rank_correlations_are_scipys():
    table = cohort()
    size, difference = values(table, "size")
    roughness, _ = values(table, "roughness")
    found = confounding(table, PAIR, "roughness")
    expected = [stats.spearmanr(*pair).statistic for pair in ((size, roughness), (size, difference))]
    expected.append(stats.spearmanr(roughness, difference).statistic)
    assert [one.rho for one in found[:3]] == pytest.approx(expected)
    assert [one.what for one in found] == [
        "volume with roughness",
        "difference with volume",
        "difference with roughness",
        "difference with volume, roughness held fixed",
        "difference with roughness, volume held fixed",
    ]
    assert {one.n for one in found} == {40}


def test_partial_correlations_are_of_what_a_fit_on_the_third_rank_leaves():
    table = cohort()
    size, difference = (stats.rankdata(v) for v in values(table, "size"))
    roughness = stats.rankdata(values(table, "roughness")[0])

    def left(rank, fixed):
        return rank - np.polyval(np.polyfit(fixed, rank, 1), fixed)

    *_, by_size, by_roughness = confounding(table, PAIR, "roughness")
    given_roughness = stats.pearsonr(left(difference, roughness), left(size, roughness)).statistic
    given_size = stats.pearsonr(left(difference, size), left(roughness, size)).statistic
    assert (by_size.rho, by_roughness.rho) == pytest.approx((given_roughness, given_size))
    assert abs(by_size.rho - stats.spearmanr(size, difference).statistic) > 0.05


def test_intervals_are_fishers_with_the_variance_of_bonett_and_wright():
    """Ranks 1 ... 10 against the same with four neighbours swapped: rho = 1 - 6 * 8 / 990; z and its error by hand."""
    table = units([2, 1, 4, 3, 6, 5, 8, 7, 9, 10], size=range(1, 11), roughness=[3, 1, 4, 1, 5, 9, 2, 6, 5, 3])
    found = confounding(table, PAIR, "roughness")[1]
    assert found.rho == pytest.approx(1 - 48 / 990)
    z, error = 0.5 * math.log((1 + found.rho) / (1 - found.rho)), math.sqrt((1 + found.rho**2 / 2) / 7)
    ends = [math.tanh(z - 1.959964 * error), math.tanh(z + 1.959964 * error)]
    assert [found.low, found.high] == pytest.approx(ends)
    partial = confounding(table, PAIR, "roughness")[3]
    error = math.sqrt((1 + partial.rho**2 / 2) / 6)
    assert math.atanh(partial.high) - math.atanh(partial.rho) == pytest.approx(1.959964 * error)


def test_intervals_cover():
    """Normal pairs of correlation 0.7 have Spearman's rho 0.683: 150 cohorts of 25."""
    rng, truth, held = np.random.default_rng(5), 6 / math.pi * math.asin(0.35), 0
    for _ in range(150):
        a, b = rng.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 25).T
        found = confounding(units(b, size=np.exp(a), roughness=rng.random(25)), PAIR, "roughness")[1]
        held += found.low <= truth <= found.high
    assert 135 <= held <= 149


def test_only_patients_with_both_values_count_and_once_each():
    table = units(
        [0.1, 0.3, 0.4, 0.1, 0.5, 0.2, 0.7, 9, 9],
        size=[1, 3, 4, 5, 6, 8, 7, 0, 9],
        roughness=[0.1, 0.3, 0.0, 0.5, 0.3, 0.7, 0.1, 0.5, NAN],
        patients=[0, 0, 1, 2, 3, 4, 5, 6, 7],
    )
    once = units([0.2, 0.4, 0.1, 0.5, 0.2, 0.7], size=[2, 4, 5, 6, 8, 7], roughness=[0.2, 0.0, 0.5, 0.3, 0.7, 0.1])
    found, expected = confounding(table, PAIR, "roughness"), confounding(once, PAIR, "roughness")
    assert [one.n for one in found] == [6, 7, 6, 6, 6]  # what needs no smoothness counts all with a tumour
    for k in (0, 2, 3, 4):
        assert (found[k].rho, found[k].low) == pytest.approx((expected[k].rho, expected[k].low))
    ranks = pd.DataFrame({"size": [2, 4, 5, 6, 8, 7, 9], "gain": [0.2, 0.4, 0.1, 0.5, 0.2, 0.7, 9]})
    assert found[1].rho == pytest.approx(ranks.corr("spearman").iloc[0, 1])


def test_what_does_not_vary_has_no_correlation():
    table = units([0.1] * 8, size=range(1, 9), roughness=[3, 1, 4, 1, 5, 9, 2, 6])
    alike, *rest = confounding(table, PAIR, "roughness")
    assert math.isfinite(alike.low)
    assert np.isnan([(one.rho, one.low, one.high) for one in rest]).all()
    assert "cannot be said" in confounding_sentence((alike, *rest), "roughness", table)


def test_the_same_ranking_leaves_nothing_to_hold_fixed():
    table = units([3, 1, 4, 1, 5, 9, 2], size=range(1, 8), released=np.arange(1, 8) ** 2)
    alike, by_size, _, *partial = confounding(table, PAIR, "released_smoothness")
    assert (alike.rho, alike.low, alike.high) == pytest.approx((1, 1, 1))
    assert by_size.low < by_size.rho < by_size.high
    assert np.isnan([one.rho for one in partial]).all()


@pytest.mark.parametrize(("n", "known"), [(0, False), (2, False), (5, True)])
def test_few_patients_have_no_interval(n, known):
    table = units(np.arange(n) % 3, size=range(1, n + 1), roughness=np.arange(n) % 2)
    found = confounding(table, PAIR, "roughness")
    assert [one.n for one in found] == [n] * 5
    assert np.isfinite([one.rho for one in found]).all() == known
    assert np.isnan([(one.low, one.high) for one in found]).all()
    assert confounding_sentence(found, "roughness", table).startswith(
        "Whether volume and roughness rank the tumours alike can"
    )


def test_a_smoothness_is_asked_for():
    with pytest.raises(UsageError, match="There are: size, roughness"):
        confounding(cohort(), PAIR, "smoothness")
    with pytest.raises(UsageError, match="compared with a smoothness"):
        confounding(cohort(), PAIR, "size")


def said(rho, low, high, n=24):
    rest = Correlation("", 0.1, -0.2, 0.4, n)
    partial = Correlation("", 0.31, 0.02, 0.56, n), Correlation("", -0.1, -0.4, 0.2, n)
    return confounding_sentence(
        (Correlation("", rho, low, high, n), rest, rest, *partial), "released_smoothness", units([0.1])
    )


def test_sentence_says_how_far_both_are_the_same_ranking():
    assert said(0.97, 0.96, 0.98, n=220) == (
        "Volume and released smoothness are nearly the same ranking of the tumours (rho = 0.97, 95 % interval 0.96 to "
        "0.98, 220 patients), so bins by released smoothness are nearly bins by volume. The difference correlates with "
        "volume by rho = 0.31, 95 % interval 0.02 to 0.56 where released smoothness is held fixed, and with released "
        "smoothness by rho = -0.10, 95 % interval -0.40 to 0.20 where volume is."
    )
    assert said(-0.95, -0.99, -0.9).startswith("Volume and released smoothness are nearly the reverse ranking of")
    assert said(0.5, 0.2, 0.7).startswith("Volume and released smoothness are positively correlated in rank (rho = 0.5")
    assert said(-0.5, -0.7, -0.2).startswith("Volume and released smoothness are negatively correlated in rank")
    assert said(0.1, -0.2, 0.4).startswith("No rank correlation of volume with released smoothness is shown (rho = 0.1")


def test_each_edge_moves_over_its_quantiles():
    table = cohort(200)
    binning = tertiles("size", table.table["size"])
    sweep = sweep_edges(table, binning, PAIR, steps=5)
    assert sweep["bin"].tolist() == [name for name in ("small", "medium", "large") for _ in range(5)]
    small, medium, large = (sweep[sweep["bin"] == name] for name in ("small", "medium", "large"))
    size, difference = values(table, "size")
    assert small["quantile"].tolist() == pytest.approx([0.15, 0.25, 0.35, 0.45, 0.55])
    assert large["quantile"].tolist() == pytest.approx([0.45, 0.55, 0.65, 0.75, 0.85])
    assert medium["quantile"].tolist() == pytest.approx([0.6, 0.65, 0.7, 0.75, 0.8])
    assert small["edge"].tolist() == small["high"].tolist() == np.quantile(size, small["quantile"]).tolist()
    assert large["edge"].tolist() == large["low"].tolist() == np.quantile(size, large["quantile"]).tolist()
    assert medium["edge"].tolist() == medium["high"].tolist()
    assert medium["low"].tolist() == pytest.approx(np.quantile(size, [0.4, 0.35, 0.3, 0.25, 0.2]))
    for step in sweep.itertuples():
        inside = difference[(size > step.low) & (size <= step.high)]
        assert step.n == len(inside)
        assert step.mean_difference == pytest.approx(inside.mean())


def test_a_step_on_the_edges_of_a_breakdown_says_what_it_says():
    """Its interval has the breakdown's level (98.3 % for three bins) and nearly its ends, from fewer resamples."""
    table = cohort(120)
    sweep = sweep_edges(table, tertiles("size", table.table["size"]), PAIR, steps=3)
    for row in sweep.itertuples():
        edges = {"small": (row.high, row.high), "medium": (row.low, row.high), "large": (row.low, row.low)}[row.bin]
        names, records = Binning("size", edges, "here"), bin_records(table, tertiles("size", table.table["size"]))
        assert set(records["ci_level"].dropna().round(4)) == {0.9833}
        own = bin_records(table, names)
        (record,) = own[(own["bin"] == row.bin) & (own["minus"] == "FL")].to_dict("records")
        assert (row.n, row.mean_difference) == (record["n"], pytest.approx(record["mean_difference"]))
        if record["ci_level"] == pytest.approx(1 - 0.05 / 3):
            width = record["ci_high"] - record["ci_low"]
            assert (row.ci_low, row.ci_high) == pytest.approx((record["ci_low"], record["ci_high"]), abs=0.08 * width)
    assert (sweep["ci_low"] < sweep["mean_difference"]).all()


def test_level_counts_the_bins_that_have_an_interval():
    """Of 14 cases 6 are small and 8 large, none between: two intervals, at 97.5 % each, and not at 98.3 %."""
    size = np.repeat([1.0, 8.0], [6, 8])
    difference = np.random.default_rng(1).normal(0, 0.1, 14)
    binning = Binning("size", (2, 4), "here")
    table = units(difference, size=size)
    (record,) = bin_records(table, binning).query("bin == 'large' and minus == 'FL'").to_dict("records")
    assert record["ci_level"] == pytest.approx(0.975)
    row = sweep_edges(table, binning, PAIR).query("bin == 'large' and n == 8").iloc[0]
    width = record["ci_high"] - record["ci_low"]
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((record["ci_low"], record["ci_high"]), abs=0.05 * width)


def test_verdicts_follow_the_interval():
    """Differences fall from +0.2 in the smallest to -0.2 in the largest, and rest on 5 patients in the smallest bin."""
    n = 30
    table = units(np.linspace(0.2, -0.2, n) + 0.02 * np.cos(np.arange(n)), size=np.arange(1, n + 1))
    sweep = sweep_edges(table, tertiles("size", table.table["size"]), PAIR)
    assert sweep.iloc[0][["n", "verdict"]].tolist() == [5, "few"]
    assert np.isnan(sweep.iloc[0]["ci_low"])
    assert set(sweep["verdict"]) == {"few", "higher", "none", "lower"}
    for row in sweep[sweep["n"] >= 6].itertuples():
        expected = "higher" if row.ci_low > 0 else "lower" if row.ci_high < 0 else "none"
        assert row.verdict == expected
    assert set(sweep[sweep["bin"] == "large"]["verdict"]) == {"lower", "few"}
    assert set(sweep[sweep["bin"] == "medium"]["verdict"]) == {"none"}


def test_values_without_a_place_on_the_axis_are_in_no_bin():
    table = cohort(60)
    table.table.loc[:9, "roughness"] = NAN
    table.table.loc[10:14, "roughness"] = 0  # a sphere is in the first bin
    sweep = sweep_edges(table, tertiles("roughness", table.table["roughness"]), PAIR, steps=2)
    assert sweep["n"].max() < 50
    assert sweep.iloc[0]["n"] == (table.table["roughness"] <= sweep.iloc[0]["edge"]).sum() >= 5


def test_a_patient_counts_once_in_a_bin():
    table = cohort(60)
    table.table["patient"] = [f"p{k // 2}" for k in range(60)]
    sweep = sweep_edges(table, Binning("size", (1, 4), "here"), PAIR, steps=2)
    row = sweep.iloc[-1]
    assert row["n"] == table.table[table.table["size"] > row["low"]]["patient"].nunique()


def test_no_values_have_no_sweep():
    table = units([0.1] * 8, roughness=[NAN] * 8)
    sweep = sweep_edges(table, Binning("roughness", (0.1, 0.2), "here"), PAIR)
    assert sweep.empty
    assert list(sweep.columns)[:3] == ["bin", "edge", "quantile"]
    sentence = sweep_sentence(sweep, Binning("roughness", (0.1, 0.2), "here"), table, PAIR)
    assert sentence == "Roughness has no values, so its edges cannot move."


def swept(small, medium, large):
    """A sweep of three steps a bin with these verdicts."""
    columns = ["bin", "edge", "low", "high", "verdict"]
    rows = [("small", edge, 0, edge, v) for edge, v in zip((0.6, 1.2, 3.1), small, strict=True)]
    rows += [("medium", b, a, b, v) for (a, b), v in zip(((3, 4), (2, 5), (1, 6)), medium, strict=True)]
    rows += [("large", edge, edge, math.inf, v) for edge, v in zip((4, 6, 9.5), large, strict=True)]
    return sweep_sentence(pd.DataFrame(rows, columns=columns), Binning("size", (1, 5), "here"), cohort(), PAIR)


def test_sentence_says_whether_the_conclusion_depends_on_the_edge():
    start = "A-FL's mean Dice against FL's, each bin tried at 3 edges, by its interval alone: "
    assert swept(["none"] * 3, ["lower"] * 3, ["higher", "none", "higher"]) == start + (
        "small, no difference shown at every edge; medium, lower at every edge; large, higher at 2, no difference "
        "shown at 1 (the edge decides)."
    )
    assert swept(["few", "none", "none"], ["few"] * 3, ["few", "higher", "lower"]) == start + (
        "small, no difference shown at 2, too few patients at 1; medium, too few patients at every edge; large, higher "
        "at 1, lower at 1, too few patients at 1 (the edge decides)."
    )


def answers(table):
    """The sentence over the three answers that a table gives."""
    correlation = size_correlation(table, PAIR)
    return size_answers_sentence(size_interaction(table, PAIR), robust_trend(table, PAIR), correlation)


def test_the_three_answers_on_size_agree_where_the_difference_follows_it():
    size = np.geomspace(0.5, 50, 40)
    noise = np.random.default_rng(0).normal(0, 0.02, 40)
    rising = answers(units(0.05 * np.log2(size) + noise, size=size))
    assert rising.startswith(
        "Slope, median slope and rank correlation agree: the difference rises with size (rank corr"
    )
    assert "the difference falls with size" in answers(units(-0.05 * np.log2(size) + noise, size=size))
    assert "agree: no change with size is shown" in answers(units(noise, size=size))
    assert rising.endswith("40 patients).")


@pytest.mark.parametrize(
    ("slope", "median", "rho", "why"),
    [
        (1, 0, 0, "a few patients with large differences carry the slope of the mean"),
        (0, 1, 1, "many patients differ a little, and a few with large differences hide it in the mean"),
        (1, 0, 1, "the evidence lies at the limit of what these patients can show"),
    ],
)
def test_answers_on_size_that_differ_say_each_and_why(slope, median, rho, why):
    ends = {1: (0.1, 0.3), 0: (-0.1, 0.5)}
    interaction = Interaction("permutation", 0.2, *ends[slope], 0.01 if slope else 0.4, 20, 20)
    sentence = size_answers_sentence(interaction, Trend(0.2, 0.0, *ends[median]), Correlation("", 0.2, *ends[rho], 20))
    word = {1: "rises with size", 0: "shows no change with size"}
    assert f"the slope of the mean {word[slope]}, the median slope {word[median]}" in sentence
    assert f"the rank correlation {word[rho]}; rank correlation rho = 0.20" in sentence
    assert sentence.endswith(f"20 patients): {why}.")


def test_a_median_slope_of_ties_is_told_as_such():
    """Three quarters of the differences are 0, those of the small ones: so is the median slope."""
    size = np.geomspace(0.5, 50, 40)
    table = units(np.where(np.arange(40) < 30, 0.0, -0.1 * np.log2(size)), size=size)
    assert robust_trend(table, PAIR).slope == 0
    assert "many patients have the same difference, such as 0, and the median slope is then 0" in answers(table)


def test_a_slope_whose_test_shows_nothing_does_not_count_as_shown():
    interaction = Interaction("permutation", 0.2, 0.1, 0.3, 0.2, 20, 20)
    sentence = size_answers_sentence(interaction, Trend(0.2, 0.0, 0.1, 0.3), Correlation("", 0.2, 0.1, 0.3, 20))
    assert "the slope of the mean shows no change with size" in sentence


def test_too_few_patients_give_no_answer_on_size():
    assert answers(units([0.1, 0.2, 0.3], size=[1.0, 2.0, 3.0])) == ""
