"""The chart of any two columns holds the units at their values, in the colours of a third."""

from dataclasses import replace

import numpy as np
import pytest
from made_units import PAIR, make_units

from afl_core.analysis.breakdown.covariates import with_covariates
from afl_core.analysis.breakdown.explore import columns
from afl_core.figures.explore import plot_explored
from afl_core.figures.spread import plot_trend


def made(n=30):
    units = make_units(n)
    cases = units.table["case_id"]
    ages = {case: 40.0 + k for k, case in enumerate(cases) if k}
    units = with_covariates(units, {"site": {case: "NSW"[k % 3] for k, case in enumerate(cases) if k}, "age": ages})
    return units, columns(units, PAIR)


def dots(figure):
    return [trace for trace in figure.data if trace.customdata is not None]


def points(figure):
    return {row[0]: (x, y) for t in dots(figure) for x, y, row in zip(t.x, t.y, t.customdata, strict=True)}


def test_a_dot_lies_at_both_values_and_leads_to_its_case():
    units, found = made()
    figure = plot_explored(units, PAIR, found["roughness"], found["of FL"], found["age"])
    at = points(figure)
    keep = units.table["roughness"].notna()
    assert set(at) == set(units.table["case_id"][keep])
    for case, x, y in zip(units.table["case_id"], units.table["roughness"], units.values["FL"], strict=True):
        if case in at:
            assert at[case] == pytest.approx((x, y))
    filled, hollow = dots(figure)
    assert list(filled.marker.color) == [40 + k for k in range(1, 30) if k % 4 != 3]
    assert (filled.marker.colorbar.title.text, hollow.marker.symbol) == ("Age", "circle-open")
    assert [row[0] for row in hollow.customdata] == ["c0"]


def test_values_of_text_have_a_colour_and_a_symbol_each():
    units, found = made()
    *named, hollow = dots(plot_explored(units, PAIR, found["size"], found["of FL"], found["site"]))
    assert [t.name for t in named] == ["N", "S", "W"]
    assert len({t.marker.color for t in named}) == len({t.marker.symbol for t in named}) == 3
    assert [len(t.x) for t in (*named, hollow)] == [9, 10, 10, 1]
    assert [t.name for t in dots(plot_trend(units, PAIR, None, colour_by="site"))][:3] == ["N", "S", "W"]


def test_text_on_an_axis_is_a_band_around_its_tick():
    units, found = made()
    figure = plot_explored(units, PAIR, found["site"], found["of FL"], None)
    assert figure.layout.xaxis.ticktext == ("N", "S", "W")
    (only,) = dots(figure)
    assert np.rint(only.x).tolist() == [k % 3 for k in range(1, 30)]


def test_one_column_is_its_distribution_with_its_median():
    units, found = made()
    figure = plot_explored(units, PAIR, found["size"], None, None)
    assert sorted(x for x, _ in points(figure).values()) == pytest.approx(sorted(units.table["size"]))
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.shapes[0].x0 == pytest.approx(units.table["size"].median())
    assert not figure.layout.yaxis.visible


def test_size_colours_by_its_logarithm():
    units, found = made()
    units = replace(units, table=units.table.assign(size=[0.0, *units.table["size"][1:]]))
    found = columns(units, PAIR)
    filled, hollow = dots(plot_explored(units, PAIR, found["of A-FL"], found["of FL"], found["size"]))
    assert list(filled.marker.color) == pytest.approx(np.log10(units.table["size"][1:]).tolist())
    assert 0 in filled.marker.colorbar.tickvals
    assert "1" in filled.marker.colorbar.ticktext
    assert len(hollow.x) == 1
