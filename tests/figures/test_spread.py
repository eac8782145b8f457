"""Trend, distribution and recall charts hold the numbers of their units."""

import json
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from afl_core.analysis.breakdown.bins import Binning
from afl_core.analysis.breakdown.measures import build_measure
from afl_core.analysis.breakdown.units import Units
from afl_core.figures.spread import plot_cumulative, plot_recall, plot_trend, wilson

PAIR = ("FL", "A-FL")
SIZE = Binning("size", (2.0, 8.0), "own edges")


@dataclass(frozen=True)
class Line:
    slope: float = 0.02
    intercept: float = -0.05
    low: float = 0.01
    high: float = 0.04


def make_units(n=12, sources=PAIR, *, level="case", metric="dsc"):
    """Sizes from 0.5 to 16 ml; every third has no roughness."""
    rng = np.random.default_rng(3)
    table = pd.DataFrame(
        {
            "case_id": [f"c{k}" for k in range(n)],
            "patient": [f"c{k}" for k in range(n)],
            "lesion_id": [k % 3 + 1 if level == "lesion" else 0 for k in range(n)],
            "size": np.geomspace(0.5, 16, n),
            "roughness": [np.nan if k % 3 == 0 else 0.1 for k in range(n)],
            "released_smoothness": np.linspace(0.1, 0.3, n),
        }
    )
    draw = (lambda: rng.integers(0, 2, n).astype(float)) if metric == "detected" else (lambda: rng.uniform(0.3, 0.9, n))
    values = pd.DataFrame({name: draw() for name in sources})
    return Units(level, build_measure(level, metric), tuple(sources), table, table, values, {})


def lesions(n=60, sources=PAIR):
    return make_units(n, sources, level="lesion", metric="detected")


def dots(figure):
    return [trace for trace in figure.data if trace.customdata is not None]


def test_a_dot_is_the_difference_at_the_volume_of_its_case():
    units = make_units()
    found = {
        row[0]: (x, y, float(row[3]), float(row[4]))
        for trace in dots(plot_trend(units, PAIR, None))
        for x, y, row in zip(trace.x, trace.y, trace.customdata, strict=True)
    }
    assert len(found) == sum(len(t.x) for t in dots(plot_trend(units, PAIR, None))) == 12
    for k, case in enumerate(units.table["case_id"]):
        first, second = units.values.iloc[k]
        assert found[case] == pytest.approx((units.table["size"][k], second - first, first, second), abs=5e-4)


def test_dots_without_roughness_are_hollow_also_where_none_has_one():
    filled, hollow = dots(plot_trend(make_units(), PAIR, None))
    assert filled.marker.symbol is None
    assert list(filled.marker.color) == [0.1] * 8
    assert "<br>roughness %{marker.color:.3~g}<extra>" in filled.hovertemplate
    assert hollow.marker.symbol == "circle-open"
    assert [row[0] for row in hollow.customdata] == ["c0", "c3", "c6", "c9"]
    units = make_units()
    (only,) = dots(plot_trend(replace(units, table=units.table.assign(roughness=np.nan)), PAIR, None))
    assert only.marker.symbol == "circle-open"
    (by_released,) = dots(plot_trend(units, PAIR, None, colour_by="released_smoothness"))
    assert by_released.marker.color[0] == pytest.approx(0.1)
    assert by_released.marker.colorbar.title.text == "Released smoothness"


def test_a_unit_without_a_tumour_has_no_dot():
    units = make_units()
    units.table.loc[0, "size"] = 0.0
    figure = plot_trend(units, PAIR, Line())
    assert "c0" not in {row[0] for t in dots(figure) for row in t.customdata}
    assert "11 cases" in figure.layout.xaxis.title.text


def test_the_trend_is_its_line_and_the_band_its_slopes_through_the_median():
    units = make_units()
    *_, lower, upper, rim, line = plot_trend(units, PAIR, Line()).data
    x = np.log2([0.5, np.median(units.table["size"]), 16])
    np.testing.assert_allclose(np.log2(np.asarray(line.x)), x)
    np.testing.assert_allclose(line.y, -0.05 + 0.02 * x)
    np.testing.assert_allclose(rim.y, line.y)
    aside = x - x[1]
    np.testing.assert_allclose(upper.y, line.y[1] + aside * [0.01, 0, 0.04])
    np.testing.assert_allclose(lower.y, line.y[1] + aside * [0.04, 0, 0.01])
    assert line.name == "trend: +0.020 per doubling (+0.010 to +0.040)"
    assert len(plot_trend(units, PAIR, None).data) == len(plot_trend(units, PAIR, Line()).data) - 4


def test_a_distribution_steps_up_by_one_unit_at_every_value():
    units = make_units(sources=[f"s{k}" for k in range(8)])
    figure = plot_cumulative(units)
    for trace in figure.data:
        values = np.sort(units.values[trace.name])
        np.testing.assert_array_equal(trace.x, [values[0], *values])
        np.testing.assert_allclose(trace.y, np.arange(13) / 12)
        assert trace.line.shape == "hv"
        case = trace.customdata[5][0]
        assert units.values[trace.name][units.table["case_id"].tolist().index(case)] == trace.x[5]
    assert len({t.line.dash for t in figure.data}) == len({t.line.color for t in figure.data}) == 8


@pytest.mark.parametrize(("found", "n"), [(0, 4), (4, 4), (3, 10), (150, 400)])
def test_wilson_is_scipys(found, n):
    expected = binomtest(found, n).proportion_ci(method="wilson")
    assert wilson(found / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_recall_is_the_share_found_of_the_lesions_of_a_bin():
    units = lesions()
    figure = plot_recall(units, SIZE)
    means = {t.name: t for t in figure.data if t.error_y.array is not None}
    numbers = SIZE.assign(units.table["size"])
    for source, trace in means.items():
        for k in range(3):
            inside = units.values[source][numbers == k]
            expected = binomtest(int(inside.sum()), len(inside)).proportion_ci(method="wilson")
            assert trace.y[k] == pytest.approx(inside.mean())
            assert trace.y[k] + trace.error_y.array[k] == pytest.approx(expected.high)
            assert trace.y[k] - trace.error_y.arrayminus[k] == pytest.approx(expected.low)
            assert f"n = {len(inside)}" in trace.hovertext[k]
    medians = units.table["size"].groupby(numbers).median()
    np.testing.assert_allclose(np.sqrt(np.asarray(means["FL"].x) * means["A-FL"].x), medians)
    texts = [a.text for a in figure.layout.annotations]
    assert texts == [
        f"<b>{name}</b><br>{range_}, n = {(numbers == k).sum()}"
        for k, (name, range_) in enumerate([("small", "up to 2 ml"), ("medium", "2 to 8 ml"), ("large", "above 8 ml")])
    ]
    assert sorted(s.x0 for s in figure.layout.shapes) == [2, 8]


def test_every_lesion_is_a_dot_above_if_found_and_below_if_missed():
    units = lesions(sources=[f"s{k}" for k in range(8)])
    lanes = []
    for trace in dots(plot_recall(units, SIZE)):
        assert [(row[0], int(row[1])) for row in trace.customdata] == list(
            zip(units.table["case_id"], units.table["lesion_id"], strict=True)
        )
        found = units.values[trace.name].to_numpy()
        y = np.asarray(trace.y)
        assert np.array_equal(y > 1, found == 1)
        assert np.array_equal(y < 0, found == 0)
        lanes.append((y[found == 1].min(), y[found == 1].max()))
        assert y[found == 1].max() < 1.17
    assert all(below[1] < above[0] for below, above in pairwise(lanes))


def test_a_lesion_that_some_seeds_find_lies_between():
    units = lesions()
    units.values.loc[0, "FL"] = 0.5
    assert dots(plot_recall(units, SIZE))[0].y[0] == 0.5


def test_labels_of_close_bins_are_stepped_and_an_empty_bin_has_neither_point_nor_label():
    units = lesions()
    close = [a.y for a in plot_recall(units, Binning("size", (2.0, 2.5), "fixed")).layout.annotations]
    assert len(set(close)) == 3
    figure = plot_recall(units, Binning("size", (2.0, 2.0), "fixed"))
    assert len(figure.layout.annotations) == 2
    assert {len(t.y) for t in figure.data if t.error_y.array is not None} == {2}


def test_points_of_eight_sources_keep_clear_of_the_next_bin():
    figure = plot_recall(lesions(sources=[f"s{k}" for k in range(8)]), Binning("size", (0.6, 0.7), "fixed"))
    x = np.array([t.x for t in figure.data if t.error_y.array is not None])
    assert (x[-1][:-1] < x[0][1:]).all()


@pytest.mark.parametrize("sources", [["a", "b"], [f"s{k}" for k in range(8)]])
@pytest.mark.parametrize("n", [0, 1, 3, 700])
def test_figures_without_backgrounds_serialise(n, sources):
    units, small = make_units(n, sources), lesions(n, sources)
    pair = units.pairs[-1]
    for figure in (plot_trend(units, pair, Line()), plot_cumulative(units), plot_recall(small, SIZE)):
        assert json.loads(figure.to_json())["layout"]["plot_bgcolor"] == "rgba(0,0,0,0)"
    shown = dots(plot_recall(small, SIZE))
    assert {t.type for t in shown} == {"scatter"}, "the pages' policy lets Plotly draw nothing in WebGL"
    assert sum(len(t.x) for t in shown) == min(n * len(sources), 2000)


def test_one_source_has_a_distribution_and_recall():
    assert [t.name for t in plot_cumulative(make_units(sources=["a"])).data] == ["a"]
    assert {t.name for t in plot_recall(lesions(sources=["a"]), SIZE).data} == {"a"}
