"""Records of bins: hand-computed, complete, and silent where there are too few patients."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_units import make_units

from afl_core.analysis.breakdown import records as module
from afl_core.analysis.breakdown.bins import Binning, tertiles
from afl_core.analysis.breakdown.records import (
    ALL,
    COLUMNS,
    bin_records,
    compute_breakdown,
    compute_grid,
    join_records,
    patient_means,
)
from afl_core.analysis.breakdown.sentences import pair_sentence, verdict
from afl_core.analysis.breakdown.units import select_units
from afl_core.analysis.statistics.bootstrap import mean_intervals
from afl_core.analysis.statistics.ranks import holm, signed_ranks

NAN = math.nan
NUMBERS = ("mean", "mean_low", "mean_high", "mean_difference", "ci_low", "ci_high", "p", "p_holm", "effect")
SIZE = Binning("size", (1.0, 5.0), "own edges")
ROUGHNESS = Binning("roughness", (0.1, 0.2), "own edges")


def units_of(values, *, size=None, roughness=None, ids=None, metric="dsc"):
    """Units of source to values; a case a value, all of 1 ml and roughness 0.1 unless said otherwise."""
    rows = []
    for source, scores in values.items():
        for k, value in enumerate(scores):
            facts = {
                "case_id": ids[k] if ids else f"case {k:03}",
                "reference_volume_ml": 1.0 if size is None else size[k],
                "roughness": 0.1 if roughness is None else roughness[k],
                "released_smoothness": NAN,
            }
            rows.append({"source": source, metric: value} | facts)
    return select_units(pd.DataFrame(rows), pd.DataFrame(), metric=metric, sources=list(values))


def random_units(n=60, *, seed=0, gain=0.05, sources=("FL", "A-FL")):
    """Two studies of some patients; a tenth without a tumour, some too small for a roughness."""
    rng = np.random.default_rng(seed)
    size = np.where(rng.random(n) < 0.1, 0, rng.lognormal(0, 1.5, n))
    quality = rng.beta(4, 2, n)
    values = {s: np.clip(quality + k * gain + rng.normal(0, 0.05, n), 0, 1) for k, s in enumerate(sources)}
    ids = [f"{10000 + min(k, 50):05}_{1000000 + k}" for k in range(n)]
    return units_of(values, size=size, roughness=np.where(size < 0.5, NAN, rng.random(n) / 2), ids=ids)


def tertile_bins(units):
    return [tertiles(axis, units.reference[axis]) for axis in ("size", "roughness")]


def test_records_by_hand():
    """Seven small tumours and two large ones.

    Differences of the small ones in 1/8: 1, 2, 3, 4, -1, 2 and 0, a sum of 11. Ranks of 1, 1, 2, 2, 3, 4: 1.5, 1.5,
    3.5, 3.5, 5, 6; 1.5 of 21 is below 0, so the effect is 18 / 21, and 3 of 64 sign patterns lie as low or lower (none
    below 0, and either of the two 1.5), twice. The large ones gain 1/2 and 1.
    """
    first = [0.5] * 7 + [0.25, 0.0]
    second = [0.5 + eighths / 8 for eighths in (1, 2, 3, 4, -1, 2, 0)] + [0.75, 1.0]
    units = units_of({"FL": first, "A-FL": second}, size=[0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 0.1, 9.0, 10.0])
    records = compute_breakdown(units, [SIZE]).records
    assert list(records.columns) == list(COLUMNS)
    assert records[["axis", "bin", "source", "minus"]].to_numpy().tolist() == [
        ["all", "all", "FL", ""],
        ["all", "all", "A-FL", "FL"],
        ["size", "small", "FL", ""],
        ["size", "small", "A-FL", "FL"],
        ["size", "large", "FL", ""],
        ["size", "large", "A-FL", "FL"],
    ]
    overall, small, large = (records.iloc[k] for k in (1, 3, 5))
    assert (small["low"], small["high"], small["n"], small["units"]) == (0, 1, 7, 7)
    assert records.loc[2, "mean"] == 0.5
    assert small["mean"] == pytest.approx(0.5 + 11 / 56)
    assert small["mean_difference"] == pytest.approx(11 / 56)
    assert (small["n_higher"], small["n_lower"], small["n_equal"]) == (5, 1, 1)
    assert small["effect"] == pytest.approx(18 / 21)
    assert small["p"] == pytest.approx(2 * 3 / 64)
    assert small["p_method"] == "exact"
    assert small["ci_level"] == 0.95  # the only bin with an interval
    difference = np.array(second) - np.array(first)
    ends = mean_intervals(difference[:7, None])[0]
    assert (small["ci_low"], small["ci_high"]) == pytest.approx(tuple(ends))
    assert (small["mean_low"], small["mean_high"]) == pytest.approx(tuple(mean_intervals(np.c_[second[:7]])[0]))
    assert (large["low"], large["high"], large["n"], large["mean_difference"]) == (5, math.inf, 2, 0.75)
    assert large[["ci_low", "ci_high", "mean_low", "mean_high", "p", "p_holm", "effect", "n_higher"]].isna().all()
    assert (large["p_method"], large["mean"]) == ("", 0.875)
    assert overall["mean_difference"] == pytest.approx((11 / 8 + 1.5) / 9)
    assert overall["p"] == signed_ranks(difference).p
    assert overall[["low", "high"]].isna().all()
    assert small["p_holm"] == pytest.approx(max(2 * min(small["p"], overall["p"]), small["p"]))


def test_columns_have_one_kind_each_also_where_nothing_is_tested():
    for units in (random_units(), units_of({"FL": [NAN], "A-FL": [0.5]}), units_of({"FL": [0.5]})):
        records = compute_breakdown(units, [SIZE, ROUGHNESS]).records
        assert list(records.columns) == list(COLUMNS)
        for name, kind in records.dtypes.items():
            texts = name in {"axis", "bin", "source", "minus", "p_method"}
            assert kind == ("object" if texts else "int64" if name in {"n", "units", "penalised"} else "float64"), name
            if texts:
                assert all(isinstance(value, str) for value in records[name])


@pytest.mark.parametrize("seed", range(3))
def test_every_unit_is_in_one_bin_of_each_axis(seed):
    units = random_units(seed=seed)
    breakdown = compute_breakdown(units, tertile_bins(units))
    pairs = breakdown.pair("FL", "A-FL")
    for axis in ("size", "roughness"):
        of_axis = pairs[pairs["axis"] == axis]
        assert of_axis["units"].sum() == len(units.table) == 60
        assert not of_axis["bin"].duplicated().any()
        assert set(of_axis["bin"]) == set(tertiles(axis, units.reference[axis]).names)
        weighted = (of_axis["mean_difference"] * of_axis["units"]).sum() / 60
        if (of_axis["n"] == of_axis["units"]).all():
            assert weighted == pytest.approx((units.values["A-FL"] - units.values["FL"]).mean())


def test_bins_of_an_axis_share_their_error_and_a_mean_does_not():
    units = random_units(90)
    records = compute_breakdown(units, [SIZE]).records.set_index(["bin", "source"])
    table, numbers = units.table, SIZE.assign(units.table["size"])
    enough = [k for k in range(4) if table.loc[numbers == k, "patient"].nunique() >= 6]
    assert len(enough) == 4
    for k in enough:
        record = records.loc[(SIZE.names[k], "A-FL")]
        means = patient_means(units, numbers == k)
        assert record["ci_level"] == pytest.approx(1 - 0.05 / 4)
        ends = mean_intervals((means[["A-FL"]].to_numpy() - means[["FL"]].to_numpy()), level=1 - 0.05 / 4)[0]
        assert (record["ci_low"], record["ci_high"]) == pytest.approx(tuple(ends))
        assert (record["mean_low"], record["mean_high"]) == pytest.approx(tuple(mean_intervals(means[["A-FL"]])[0]))
    assert records.loc[(ALL, "A-FL"), "ci_level"] == 0.95


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_below_six_patients_there_is_a_mean_and_nothing_else(n):
    units = units_of({"FL": [0.25] * n, "A-FL": [0.5 + k / 64 for k in range(n)]})
    record = compute_breakdown(units, []).pair("FL", "A-FL").iloc[0]
    assert record["mean_difference"] == pytest.approx(0.25 + (n - 1) / 128)
    assert record["n"] == n
    tested = record[["mean_low", "mean_high", "ci_low", "ci_high", "p", "p_holm", "effect"]]
    assert tested.notna().all() if n == 6 else tested.isna().all()
    assert (verdict(record) == "few") == (n < 6)


def test_six_cases_of_five_patients_are_five():
    ids = ["10000_1000000", "10000_1000001", "10001_1000002", "10002_1000003", "10003_1000004", "10004_1000005"]
    units = units_of({"FL": [0.0] * 6, "A-FL": [0.5, 0.25, 0.5, 0.5, 0.5, 0.5]}, ids=ids)
    record = compute_breakdown(units, []).pair("FL", "A-FL").iloc[0]
    assert (record["n"], record["units"]) == (5, 6)
    assert record["mean_difference"] == pytest.approx((0.375 + 4 * 0.5) / 5)  # the patient's two are averaged first
    assert math.isnan(record["p"])


def test_intervals_and_test_of_two_time_points_a_patient_are_those_of_the_patient_means():
    """Twelve patients, each at two time points: all is as of twelve differences that are averaged by hand."""
    rng = np.random.default_rng(4)
    first, second = rng.normal(0.05, 0.1, 12), rng.normal(0.05, 0.1, 12)
    ids = [f"Patient-{k:03d}-week-{week:03d}" for k in range(12) for week in (0, 9)]
    gain = np.column_stack([first, second]).ravel()
    units = units_of({"FL": [0.5] * 24, "A-FL": (0.5 + gain).tolist()}, ids=ids, size=[0.5, 9.0] * 12)
    pairs = compute_breakdown(units, [SIZE]).pair("FL", "A-FL").set_index("bin")
    by_hand = {"all": ((first + second) / 2, 0.95), "small": (first, 1 - 0.05 / 2), "large": (second, 1 - 0.05 / 2)}
    for name, (differences, level) in by_hand.items():
        record, ranks = pairs.loc[name], signed_ranks(differences)
        assert (record["n"], record["units"]) == (12, 24 if name == "all" else 12)
        assert record["mean_difference"] == pytest.approx(differences.mean())
        ends = mean_intervals(differences[:, None], level=level)[0]
        assert (record["ci_low"], record["ci_high"]) == pytest.approx(tuple(ends))
        assert (record["p"], record["effect"]) == pytest.approx((ranks.p, ranks.effect))
    of_cases = mean_intervals(gain[:, None], level=0.95)[0]
    assert pairs.loc["all", "ci_low"] != pytest.approx(of_cases[0], abs=1e-3)  # cases one by one say something else


def test_a_patient_counts_once_in_each_bin_where_it_has_a_case():
    ids = ["10000_1000000", "10000_1000001", "10000_1000002"]
    units = units_of({"FL": [0.0] * 3, "A-FL": [0.25, 0.75, 1.0]}, ids=ids, size=[0.5, 0.6, 9])
    pairs = compute_breakdown(units, [SIZE]).pair("FL", "A-FL")
    assert pairs[["bin", "n", "units"]].to_numpy().tolist() == [["all", 1, 3], ["small", 1, 2], ["large", 1, 1]]
    assert pairs["mean_difference"].tolist() == pytest.approx([2 / 3, 0.5, 1.0])


def test_three_sources_give_every_pair():
    breakdown = compute_breakdown(random_units(sources=("a", "b", "c")), [SIZE])
    overall = breakdown.records[breakdown.records["axis"] == ALL]
    assert overall[["source", "minus"]].to_numpy().tolist() == [["a", ""], ["b", "a"], ["c", "a"], ["c", "b"]]
    ab, ac, bc = (breakdown.pair(*pair)["mean_difference"] for pair in (("a", "b"), ("a", "c"), ("b", "c")))
    assert ac.tolist() == pytest.approx((ab + bc).tolist())
    assert breakdown.n_tests == 3 * 5
    assert breakdown.pair("b", "a")["mean_difference"].tolist() == (-ab).tolist()


def test_one_source_has_means_and_no_difference():
    breakdown = compute_breakdown(random_units(sources=("FL",)), [SIZE, ROUGHNESS])
    assert set(breakdown.records["source"]) == {"FL"}
    assert (breakdown.records["minus"] == "").all()
    assert breakdown.records[["mean_difference", "ci_low", "p", "p_holm"]].isna().all(axis=None)
    assert (
        breakdown.records.loc[0, "mean_low"] < breakdown.records.loc[0, "mean"] < breakdown.records.loc[0, "mean_high"]
    )
    assert breakdown.n_tests == 0


def test_holm_counts_every_test_of_every_axis():
    units = random_units(sources=("a", "b", "c"))
    breakdown = compute_breakdown(units, tertile_bins(units))
    p = breakdown.records["p"].to_numpy()
    np.testing.assert_array_equal(breakdown.records["p_holm"], holm(p))
    assert breakdown.n_tests == np.isfinite(p).sum() == 3 * (1 + 4 + 4)
    least = np.nanargmin(p)
    assert breakdown.records.loc[least, "p_holm"] == pytest.approx(min(1, 27 * p[least]))


def test_parts_give_what_the_whole_gives():
    units = random_units()
    binnings = tertile_bins(units)
    joined = join_records(units, binnings, [bin_records(units, b) for b in (None, *binnings)])
    pd.testing.assert_frame_equal(joined.records, compute_breakdown(units, binnings).records)
    assert joined.binnings == tuple(binnings)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000))
def test_swapped_sources_flip_signs_and_keep_p(seed):
    units = random_units(30, seed=seed)
    flipped = select_units(*_rows(units), metric="dsc", sources=("A-FL", "FL"))
    there = compute_breakdown(units, [SIZE]).pair("FL", "A-FL")
    back = compute_breakdown(flipped, [SIZE]).pair("A-FL", "FL")
    for name in ("mean_difference", "effect"):
        np.testing.assert_allclose(back[name], -there[name], atol=1e-12)
    for name, other in (("p", "p"), ("p_holm", "p_holm"), ("n_higher", "n_lower"), ("n_equal", "n_equal")):
        np.testing.assert_allclose(back[name], there[other], rtol=1e-9)
    np.testing.assert_allclose(back["ci_low"], -there["ci_high"], atol=1e-9)
    np.testing.assert_allclose(back["ci_high"], -there["ci_low"], atol=1e-9)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_rows_moves_nothing_but_the_last_digits_of_an_interval(seed):
    units = random_units(40, seed=seed)
    cases, _ = _rows(units)
    shuffled = select_units(
        cases.sample(frac=1, random_state=seed), pd.DataFrame(), metric="dsc", sources=units.sources
    )
    there, other = (compute_breakdown(u, [SIZE]).records for u in (units, shuffled))
    exact = [name for name in COLUMNS if name not in {"mean_low", "mean_high", "ci_low", "ci_high"}]
    pd.testing.assert_frame_equal(other[exact], there[exact], rtol=1e-9)
    for low, high in (("mean_low", "mean_high"), ("ci_low", "ci_high")):
        width = (there[high] - there[low]).to_numpy()
        known = np.isfinite(width)
        for end in (low, high):
            assert (np.abs(other[end] - there[end])[known] <= 0.25 * width[known]).all()


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([-0.5, 0.25, 8.0]))
def test_a_constant_added_to_a_source_shifts_its_means(seed, constant):
    units = random_units(30, seed=seed)
    cases, lesions = _rows(units)
    moved = cases.assign(dsc=cases["dsc"] + constant * (cases["source"] == "A-FL"))
    there = compute_breakdown(units, [SIZE]).pair("FL", "A-FL")
    other = compute_breakdown(select_units(moved, lesions, metric="dsc", sources=units.sources), [SIZE])
    for name in ("mean", "mean_low", "mean_high", "mean_difference", "ci_low", "ci_high"):
        np.testing.assert_allclose(other.pair("FL", "A-FL")[name], there[name] + constant, atol=1e-9)


def _rows(units):
    """The case rows behind units."""
    facts = units.table.rename(columns={"size": "reference_volume_ml"}).drop(columns=["patient", "lesion_id"])
    tables = [facts.assign(source=name, dsc=units.values[name].to_numpy()) for name in units.sources]
    return pd.concat(tables, ignore_index=True), pd.DataFrame()


def test_equal_sources_show_no_difference():
    scores = list(np.linspace(0, 1, 20))
    breakdown = compute_breakdown(units_of({"FL": scores, "A-FL": scores}), [SIZE])
    record = breakdown.pair("FL", "A-FL").iloc[0]
    assert record[["mean_difference", "ci_low", "ci_high", "effect"]].tolist() == [0, 0, 0, 0]
    assert record[["p", "p_holm", "n_higher", "n_lower", "n_equal"]].tolist() == [1, 1, 0, 0, 20]
    assert verdict(record) == "none"


def test_sources_that_differ_by_rounding_show_no_difference():
    first = [0.1 * k for k in range(1, 11)]
    units = units_of({"FL": first, "A-FL": [np.nextafter(value, 2) for value in first]})
    assert (units.values["A-FL"] > units.values["FL"]).all()
    record = compute_breakdown(units, []).pair("FL", "A-FL").iloc[0]
    assert record[["mean_difference", "ci_low", "ci_high"]].tolist() == [0, 0, 0]
    assert verdict(record) == "none"
    grid = compute_grid(units, SIZE, ROUGHNESS, ("FL", "A-FL"))
    assert grid.dropna()[["mean_difference", "ci_low", "ci_high"]].to_numpy().tolist() == [[0, 0, 0]]


def test_a_metric_that_is_defined_nowhere_has_an_empty_record():
    breakdown = compute_breakdown(units_of({"FL": [NAN] * 9, "A-FL": [0.5] * 9}), [SIZE, ROUGHNESS])
    assert breakdown.records[["axis", "n", "units"]].to_numpy().tolist() == [[ALL, 0, 0]] * 2
    assert breakdown.records[list(NUMBERS)].isna().all(axis=None)
    record = breakdown.pair("FL", "A-FL").iloc[0]
    assert "nan" not in pair_sentence(record, breakdown.units)
    assert compute_grid(breakdown.units, SIZE, ROUGHNESS, ("FL", "A-FL"))["n"].tolist() == [0] * 16


def test_one_case():
    breakdown = compute_breakdown(units_of({"FL": [0.5], "A-FL": [0.75]}), [SIZE])
    assert breakdown.pair("FL", "A-FL")["mean_difference"].tolist() == [0.25, 0.25]
    assert breakdown.n_tests == 0


@pytest.mark.parametrize("size", [1e-6, 1e3, 1e9, 1e100])
def test_values_of_any_size(size):
    rng = np.random.default_rng(0)
    scores = rng.random((2, 20))
    units = units_of({"FL": scores[0] * size, "A-FL": (scores[1] + 1) * size}, metric="hd95_mm")
    record = compute_breakdown(units, []).pair("FL", "A-FL").iloc[0]
    assert np.isfinite(record[["ci_low", "ci_high", "p", "effect", "mean_low"]].astype(float)).all()
    assert 0 < record["ci_low"] < record["mean_difference"] < record["ci_high"]
    assert verdict(record) == "higher"


def test_references_without_a_tumour_are_a_bin_and_have_no_tertiles():
    units = units_of({"FL": [1.0] * 6, "A-FL": [1.0, 0.0] * 3}, size=[0.0] * 6, roughness=[NAN] * 6)
    pairs = compute_breakdown(units, [SIZE, ROUGHNESS]).pair("FL", "A-FL")
    assert pairs["bin"].tolist() == ["all", "no tumour", "no roughness"]
    assert pairs["units"].tolist() == [6, 6, 6]
    assert pairs["mean_difference"].tolist() == [-0.5] * 3


def test_grid_by_hand():
    """Cells of small and smooth (7), large and rough (1), and no tumour (2)."""
    n = 10
    size, roughness = [0.5] * 7 + [9.0] + [0.0] * 2, [0.05] * 7 + [0.5] + [NAN] * 2
    second = [0.5 + k / 16 for k in range(7)] + [0.25, 1.0, 0.5]
    units = units_of({"FL": [0.5] * n, "A-FL": second}, size=size, roughness=roughness)
    grid = compute_grid(units, SIZE, ROUGHNESS, ("FL", "A-FL"))
    assert list(grid.columns) == ["row", "column", "n", "mean_difference", "ci_low", "ci_high"]
    assert grid["row"].tolist() == [name for name in SIZE.names for _ in range(4)]
    assert grid["column"].tolist() == list(ROUGHNESS.names) * 4
    cells = grid.set_index(["row", "column"])
    assert cells["n"].sum() == n
    ends = mean_intervals(np.arange(7)[:, None] / 16)[0]
    assert cells.loc[("small", "smooth")].tolist() == pytest.approx([7, 3 / 16, *ends])
    assert cells.loc[("large", "rough"), ["n", "mean_difference"]].tolist() == [1, -0.25]
    assert cells.loc[("no tumour", "no roughness"), ["n", "mean_difference"]].tolist() == [2, 0.25]
    assert cells["mean_difference"].isna().sum() == 13
    assert cells["ci_low"].notna().sum() == 1


def test_cells_with_an_interval_share_their_error():
    size, roughness = [0.5] * 12 + [9.0] * 3, [0.05] * 6 + [0.5] * 6 + [0.5] * 3
    second = list(np.random.default_rng(1).random(15))
    units = units_of({"FL": [0.5] * 15, "A-FL": second}, size=size, roughness=roughness)
    cells = compute_grid(units, SIZE, ROUGHNESS, ("FL", "A-FL")).set_index(["row", "column"])
    for column, part in (("smooth", slice(0, 6)), ("rough", slice(6, 12))):
        ends = mean_intervals(np.array(second)[part, None] - 0.5, level=0.975)[0]
        assert cells.loc[("small", column), ["ci_low", "ci_high"]].tolist() == pytest.approx(list(ends))
    assert cells.loc[("large", "rough"), "n"] == 3
    assert math.isnan(cells.loc[("large", "rough"), "ci_low"])
    swapped = compute_grid(units, SIZE, ROUGHNESS, ("A-FL", "FL")).set_index(["row", "column"])
    np.testing.assert_allclose(swapped["mean_difference"], -cells["mean_difference"])


def test_a_moved_edge_resamples_only_the_bins_that_it_changes(monkeypatch):
    units = random_units(seed=11)
    sizes = []
    monkeypatch.setattr(module, "mean_intervals", lambda v, **how: sizes.append(len(v)) or mean_intervals(v, **how))
    before, moved = Binning("size", (0.4, 2.0), "own edges"), Binning("size", (0.6, 2.0), "own edges")
    first, second = bin_records(units, before), bin_records(units, moved)
    n = [table.groupby("bin", sort=False)["n"].first() for table in (first, second)]
    assert n[0]["large"] == n[1]["large"]
    assert sorted(sizes) == sorted([*n[0], n[1]["small"], n[1]["medium"]])
    pd.testing.assert_frame_equal(first.query("bin == 'large'"), second.query("bin == 'large'"))


def test_a_pair_that_is_swapped_has_the_other_sign():
    units = make_units(30, ("FL", "A-FL", "DiceCE"))
    found = compute_breakdown(units, (SIZE,))
    turned, there = found.pair("DiceCE", "FL"), found.pair("FL", "DiceCE")
    wanted = compute_breakdown(replace(units, sources=units.sources[::-1]), (SIZE,)).pair("DiceCE", "FL")
    pd.testing.assert_frame_equal(turned, wanted, rtol=1e-9)
    assert turned["mean_difference"].tolist() == (-there["mean_difference"]).tolist()
    assert turned["ci_low"].tolist() == (-there["ci_high"]).tolist()
    assert turned["n_higher"].tolist() == there["n_lower"].tolist()
    assert turned["p_holm"].tolist() == there["p_holm"].tolist()
    assert found.pair("FL", "FL").empty
