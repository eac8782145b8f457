"""Charts over bins hold the numbers of their records, and every unit once a bin."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from made_units import PAIR, ROUGH, SIZE, breakdown, make_units

from afl_core.analysis.breakdown import records as analysis
from afl_core.analysis.breakdown.bins import Binning, by_values, tertiles
from afl_core.analysis.breakdown.covariates import with_covariates
from afl_core.analysis.breakdown.records import compute_breakdown, compute_grid
from afl_core.analysis.statistics.bootstrap import mean_intervals
from afl_core.figures import bin_parts, slopes
from afl_core.figures.bins import plot_differences, plot_grid, plot_means, plot_sweep
from afl_core.figures.chart_style import swarm
from afl_core.figures.palette import BETTER_COLOUR, SOURCE_COLOURS, WORSE_COLOUR, WORSE_TO_BETTER, source_style
from afl_core.figures.slopes import plot_slopes

SWEEP = ["bin", "edge", "quantile", "n", "mean_difference", "ci_low", "ci_high"]


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    """The charts draw whatever interval they are given."""
    monkeypatch.setattr(analysis, "mean_intervals", partial(mean_intervals, resamples=99))


def dots(figure):
    """Traces of units: those that carry cases."""
    return [trace for trace in figure.data if trace.customdata is not None]


def means_of(figure):
    """Source to its trace of means."""
    return {t.name: t for t in figure.data if t.error_y.array is not None}


def ids(trace):
    return [(row[0], int(row[1])) for row in trace.customdata]


@pytest.mark.parametrize("axis", ["size", "roughness"])
def test_means_and_intervals_are_those_of_the_records(axis):
    found = breakdown()
    traces = means_of(plot_means(found, axis))
    assert set(traces) == set(PAIR)
    for source, trace in traces.items():
        r = found.records
        own = r[(r["source"] == source) & r["axis"].isin(["all", axis])]
        np.testing.assert_allclose(trace.y, own["mean"])
        np.testing.assert_allclose(trace.y + trace.error_y.array, own["mean_high"])
        np.testing.assert_allclose(trace.y - trace.error_y.arrayminus, own["mean_low"])
        assert np.array_equal(np.round(trace.x), range(len(own)))


def test_every_figure_over_bins_marks_a_covariate_and_no_other_axis():
    """A row, a panel and an axis of a covariate say that it is exploratory, those of size do not."""
    units = with_covariates(
        make_units(), {"site": {f"c{k}": "NS"[k % 2] for k in range(30)}, "age": {f"c{k}": k + 0.5 for k in range(30)}}
    )
    age = tertiles("age", units.reference["age"], covariate=units.axis("age"))
    found = compute_breakdown(units, (SIZE, by_values(units.axis("site")), age))
    rows = plot_differences(found, PAIR).layout.yaxis.ticktext
    assert [row.partition(",")[0] for row in rows if "exploratory" in row] == [
        f"{name} (exploratory)" for name in ("Site N", "Site S", "Low age", "Medium age", "High age")
    ]
    assert len(rows) == 1 + 3 + 2 + 3
    for axis, marked in (("size", False), ("site", True), ("age", True)):
        assert ("(exploratory)" in plot_means(found, axis).layout.xaxis.title.text) is marked
        panels = [note.text for note in plot_slopes(found, axis, PAIR).layout.annotations]
        assert ["(exploratory)" in text for text in panels] == [marked] * len(panels)
    swept = plot_sweep(pd.DataFrame(columns=SWEEP), age, units, PAIR)
    assert all("(exploratory)" in axis.title.text for axis in swept.select_xaxes())


def test_labels_of_bins_say_their_range_and_n():
    axis = plot_means(breakdown(), "size").layout.xaxis
    assert list(axis.ticktext) == [
        "all<br>cases<br>n = 30",
        "small<br>up to 2 ml<br>n = 12",
        "medium<br>2 to 8 ml<br>n = 12",
        "large<br>above 8 ml<br>n = 6",
    ]
    assert axis.title.text == "Tumour volume (ml), own edges"
    assert plot_means(breakdown(), "roughness").layout.xaxis.ticktext[-1] == "no<br>roughness<br>n = 7"


def test_labels_count_patients_and_units_where_they_differ():
    axis = plot_means(breakdown(make_units(level="lesion", per_patient=2)), "size").layout.xaxis
    assert axis.ticktext[0] == "all<br>lesions<br>n = 15<br>30 lesions"
    assert axis.title.text == "Lesion volume (ml), own edges (n: patients)"


@pytest.mark.parametrize("axis", ["size", "roughness"])
def test_every_unit_is_a_dot_once_over_all_and_once_in_its_bin(axis):
    units = make_units(level="lesion", per_patient=2)
    for trace in dots(plot_means(breakdown(units), axis)):
        places = np.round(np.asarray(trace.x)).astype(int)
        every = set(zip(units.table["case_id"], units.table["lesion_id"], strict=True))
        assert sorted(i for i, p in zip(ids(trace), places, strict=True) if p == 0) == sorted(every)
        assert sorted(i for i, p in zip(ids(trace), places, strict=True) if p > 0) == sorted(every)
        at = {key: k for k, key in enumerate(zip(units.table["case_id"], units.table["lesion_id"], strict=True))}
        rows = [at[i] for i in ids(trace)]
        np.testing.assert_array_equal(trace.y, units.values[trace.name].to_numpy()[rows])
        bins = (SIZE if axis == "size" else ROUGH).assign(units.table[axis])
        assert all(p in {0, bins[row] + 1} for p, row in zip(places, rows, strict=True))
        np.testing.assert_allclose(
            [float(row[2]) for row in trace.customdata], units.table["size"].to_numpy()[rows], rtol=1e-3
        )


def test_dots_stay_in_the_lane_of_their_source():
    figure = plot_means(breakdown(make_units(sources=[f"s{k}" for k in range(8)])), "size")
    lane = 0.84 / 8
    for k, trace in enumerate(dots(figure)):
        offset = np.asarray(trace.x) - np.round(np.asarray(trace.x))
        assert np.all(np.abs(offset - (k - 3.5) * lane) < lane / 2)


def test_sources_differ_by_colour_and_by_symbol():
    traces = means_of(plot_means(breakdown(make_units(sources=[f"s{k}" for k in range(8)])), "size"))
    assert len({t.marker.color for t in traces.values()}) == len({t.marker.symbol for t in traces.values()}) == 8
    assert [t.marker.color for t in traces.values()][:3] == list(SOURCE_COLOURS)


def test_eleven_sources_are_told_apart_and_leave_the_plot_its_room():
    few, many = (plot_means(breakdown(make_units(sources=[f"s{k}" for k in range(n)])), "size") for n in (2, 11))
    traces = means_of(many).values()
    assert len({(trace.marker.color, trace.marker.symbol) for trace in traces}) == 11
    assert many.layout.height - few.layout.height == 4 * 29  # six rows of the legend in place of two


def test_an_empty_bin_keeps_its_place_with_n_0():
    units = make_units()
    found = compute_breakdown(units, (Binning("size", (100.0, 200.0), "own edges"),))
    figure = plot_means(found, "size")
    assert list(figure.layout.xaxis.ticktext)[2:] == [
        "medium<br>100 to<br>200 ml<br>n = 0",
        "large<br>above<br>200 ml<br>n = 0",
    ]
    assert len(means_of(figure)["FL"].y) == 2
    assert len(plot_slopes(found, "size", PAIR).layout.annotations) == 3


def test_three_units_have_means_but_no_interval():
    figure = plot_means(breakdown(make_units(3)), "size")
    for trace in means_of(figure).values():
        assert np.isfinite(trace.y).all()
        assert np.isnan(trace.error_y.array).all()
    assert "no interval, n = 3" in means_of(figure)["FL"].hovertext[0]
    titles = [a.text for a in plot_slopes(breakdown(make_units(3)), "size", PAIR).layout.annotations]
    assert titles[0].endswith("(too few)")


def test_one_source_is_a_chart_too():
    figure = plot_means(breakdown(make_units(sources=["FL"])), "size")
    assert list(means_of(figure)) == ["FL"]
    assert "FL %{y:.3f}" in dots(figure)[0].hovertemplate


def test_a_dot_of_two_sources_shows_both_and_their_difference():
    units = make_units()
    trace = dots(plot_means(breakdown(units), "size"))[1]
    row = trace.customdata[0]
    first, second = (units.values.loc[units.table["case_id"] == row[0], name].item() for name in PAIR)
    assert list(row[3:]) == [f"{first:.3f}", f"{second:.3f}", f"{second - first:+.3f}"]
    for word in ("%{customdata[0]}", "%{customdata[2]} ml", "A-FL %{customdata[4]}", "difference %{customdata[5]}"):
        assert word in trace.hovertemplate


def test_a_seed_is_a_hollow_diamond_at_the_mean_of_its_patients():
    units = make_units(level="lesion", per_patient=4)
    rng = np.random.default_rng(1)
    seeds = pd.DataFrame({f"FL seed{k}": rng.uniform(0, 1, 30) for k in (1, 2)})
    units = replace(units, values=units.values.assign(FL=seeds.mean(axis=1)), seeds={"FL": seeds})
    figure = plot_means(breakdown(units), "size")
    hollow = [t for t in figure.data if t.marker.symbol == "diamond-open"]
    assert [t.name for t in hollow] == ["FL", "mean of one seed"]
    expected = seeds.groupby(units.table["patient"]).mean().mean()
    assert list(hollow[0].y[:2]) == pytest.approx(expected.tolist())
    small = units.table["size"] <= 2
    expected = seeds[small].groupby(units.table["patient"][small]).mean().mean()
    assert list(hollow[0].y[2:4]) == pytest.approx(expected.tolist())
    assert "FL seed2" in hollow[0].hovertext[1]


def test_no_chart_over_bins_needs_webgl_as_its_dots_are_limited():
    figure = plot_means(breakdown(make_units(1100)), "size")
    assert {trace.type for trace in figure.data} == {"scatter"}
    assert 1990 <= sum(len(trace.x) for trace in dots(figure)) <= bin_parts.MAX_DOTS + 6  # rounded up in each bin


def test_where_dots_are_many_each_is_drawn_in_its_bin_alone_and_for_the_pair():
    units = make_units(600)
    for trace in dots(plot_means(breakdown(units), "size")):
        assert len(trace.x) == 600
        assert np.asarray(trace.x).min() > 0.5
    units = replace(units, sources=("FL", "A-FL", "third"), values=units.values.assign(third=units.values["FL"]))
    figure = plot_means(breakdown(units), "size", ("FL", "third"))
    assert [trace.name for trace in dots(figure)] == ["FL", "third"]


def test_of_very_many_dots_some_are_drawn_evenly_in_each_bin_and_the_axis_says_so(monkeypatch):
    units = make_units(600)
    assert "drawn" not in plot_means(breakdown(units), "size").layout.xaxis.title.text
    monkeypatch.setattr(bin_parts, "MAX_DOTS", 300)
    figure = plot_means(breakdown(units), "size")
    first, second = dots(figure)
    assert ids(first) == ids(second)
    assert f"{len(first.x)} of 600 cases drawn" in figure.layout.xaxis.title.text
    assert 150 <= len(first.x) <= 153
    middle = units.values[list(PAIR)].mean(axis=1)
    numbers, places = SIZE.assign(units.table["size"]), np.round(np.asarray(first.x)).astype(int) - 1
    for k in range(3):
        own, drawn = (
            middle[numbers == k],
            [case for (case, _), place in zip(ids(first), places, strict=True) if place == k],
        )
        assert len(drawn) == np.ceil(len(own) / 4)
        values = middle[units.table["case_id"].isin(drawn)]
        assert (values.min(), values.max()) == (own.min(), own.max())
        assert abs(values.median() - own.median()) < 0.02


def test_slopes_join_the_two_values_of_every_unit_once():
    units = make_units()
    figure = plot_slopes(breakdown(units), "roughness", PAIR)
    lines = dots(figure)
    found = {}
    for trace in lines:
        points = list(zip(trace.x, trace.y, trace.customdata, strict=True))
        for left, right, gap in zip(points[::3], points[1::3], points[2::3], strict=True):
            assert (left[0], right[0]) == (0, 1)
            assert np.isnan(gap[1])
            assert left[2][0] not in found
            found[left[2][0]] = (left[1], right[1])
            better = right[1] > left[1]
            assert trace.name == ("A-FL better" if better else "FL better")
            assert trace.line.color == (BETTER_COLOUR if better else WORSE_COLOUR)
    assert found == {
        case: (a, b) for case, a, b in zip(units.table["case_id"], *(units.values[s] for s in PAIR), strict=True)
    }
    assert {t.xaxis for t in lines} == {"x", "x2", "x3", "x4"}


def test_lower_is_better_turns_the_colours_of_slopes_and_cells_round():
    units = make_units(metric="hd95_mm")
    for trace in dots(plot_slopes(breakdown(units), "size", PAIR)):
        assert (trace.y[1] < trace.y[0]) == (trace.name == "A-FL better")
    grid = plot_grid(compute_grid(units, SIZE, ROUGH, PAIR), SIZE, ROUGH, units, PAIR)
    assert grid.data[0].colorscale[0][1] == WORSE_TO_BETTER[-1]


def test_equal_values_are_grey():
    units = make_units()
    units = replace(units, values=units.values.assign(**{"A-FL": units.values["FL"]}))
    assert {t.name for t in dots(plot_slopes(breakdown(units), "size", PAIR))} == {"equal"}


def test_titles_and_mean_lines_of_slopes_are_the_records():
    found = breakdown()
    figure = plot_slopes(found, "size", PAIR)
    pair = found.pair(*PAIR)
    pair = pair[pair["axis"] == "size"]
    for title, record in zip(figure.layout.annotations, pair.to_dict("records"), strict=True):
        assert f"{record['mean_difference']:+.3f} ({record['ci_low']:+.3f} to {record['ci_high']:+.3f})" in title.text
        assert f"n = {record['n']}" in title.text
    bold = [t for t in figure.data if t.name == "mean"]
    assert [t.y[1] for t in bold] == pytest.approx(pair["mean"].tolist())
    assert [t.y[1] - t.y[0] for t in bold] == pytest.approx(pair["mean_difference"].tolist())
    assert list(bold[0].marker.color) == [source_style(0)[0], source_style(1)[0]]


def test_of_many_lines_300_are_drawn_evenly_by_difference(monkeypatch):
    monkeypatch.setattr(slopes, "MAX_LINES", 5)
    units = make_units()
    figure = plot_slopes(breakdown(units), "size", PAIR)
    assert "5 of 12 drawn" in figure.layout.annotations[0].text
    drawn = {row[0] for t in dots(figure) if t.xaxis == "x" for row in t.customdata}
    difference = (units.values["A-FL"] - units.values["FL"])[units.table["size"] <= 2].sort_values()
    ranked = units.table["case_id"][difference.index].tolist()
    assert drawn == {ranked[k] for k in (0, 3, 6, 8, 11)}


def grid_of(units, **options):
    table = compute_grid(units, SIZE, ROUGH, PAIR)
    return table.set_index(["row", "column"]), plot_grid(table, SIZE, ROUGH, units, PAIR, **options)


def test_cells_hold_difference_interval_and_n():
    table, figure = grid_of(make_units(120))
    z = figure.data[0].z
    assert z.shape == (3, 4)
    text = {(int(a.y), int(a.x)): a.text for a in figure.layout.annotations}
    for i, row in enumerate(SIZE.names[:3]):
        for j, column in enumerate(ROUGH.names):
            cell = table.loc[(row, column)]
            assert z[i, j] == pytest.approx(cell["mean_difference"])
            for part in (f"{cell['mean_difference']:+.3f}", f"{cell['ci_low']:+.3f} to", f"n = {int(cell['n'])}"):
                assert part in text[i, j]
    assert figure.data[0].zmin == -figure.data[0].zmax == -np.abs(z).max()
    assert figure.layout.yaxis.autorange == "reversed"
    assert list(figure.layout.yaxis.ticktext) == ["small<br>up to 2 ml", "medium<br>2 to 8 ml", "large<br>above 8 ml"]


def test_cells_of_few_patients_are_grey_and_say_so():
    table, figure = grid_of(make_units(30))
    assert (table["n"] < 6).all()
    assert np.isnan(figure.data[0].z).all()
    assert (figure.data[1].z == 0).all()
    assert {a.text for a in figure.layout.annotations} == {f"n = {n}" for n in set(table["n"]) if n}
    assert np.isfinite(grid_of(make_units(30), least=1)[1].data[0].z).all()


@pytest.mark.parametrize(("metric", "better"), [("dsc", 1), ("hd95_mm", -1)])
def test_cells_of_few_patients_show_each_difference_as_a_dot_in_its_cell(metric, better):
    units = make_units(30, metric=metric)
    _, figure = grid_of(units)
    (trace,) = dots(figure)
    difference = (units.values["A-FL"] - units.values["FL"]).to_dict()
    at = dict(zip(units.table["case_id"], range(30), strict=True))
    rows = [at[case] for case, _ in ids(trace)]
    assert sorted(rows) == list(range(30))
    row, column = SIZE.assign(units.table["size"])[rows], ROUGH.assign(units.table["roughness"])[rows]
    largest = max(map(abs, difference.values()))
    np.testing.assert_allclose(row - np.asarray(trace.y), [0.3 * difference[r] / largest for r in rows])
    assert (np.abs(np.asarray(trace.x) - column) <= 0.3).all()
    expected = [BETTER_COLOUR if difference[r] * better > 0 else WORSE_COLOUR for r in rows]
    assert list(trace.marker.color) == expected


def test_cells_with_an_interval_have_no_dots():
    table, figure = grid_of(make_units(120))
    assert set(table["n"].where(table["n"] < 6).dropna()) == {0}
    assert all(len(trace.customdata) == 0 for trace in figure.data if trace.customdata is not None)


def test_panels_side_by_side_share_their_axis_and_the_height_of_their_labels():
    found = breakdown(make_units(sources=("FL", "A-FL", "third")))
    size, rough = (plot_means(found, axis).layout for axis in ("size", "roughness"))
    assert size.yaxis.range == rough.yaxis.range
    low, high = size.yaxis.range
    values = found.units.values.to_numpy()
    assert low < min(values.min(), found.records["mean_low"].min())
    assert high > max(values.max(), found.records["mean_high"].max())
    assert size.height == rough.height
    lines = [max(label.count("<br>") for label in panel.xaxis.ticktext) for panel in (size, rough)]
    assert lines[0] == lines[1]


def test_empty_cells_stay_bare_and_a_rest_that_nobody_is_in_is_left_out():
    units = make_units(8)
    units = replace(units, table=units.table.assign(roughness=0.05))
    _, figure = grid_of(units)
    assert figure.data[0].z.shape == (3, 3)
    bare = [a for a in figure.layout.annotations if a.text == "n = 0"]
    assert len(bare) == np.isnan(figure.data[1].z).sum() == 6


def test_text_contrasts_with_its_cell():
    units = make_units(240)
    better = np.where(ROUGH.assign(units.table["roughness"]) == 0, 0.3, 0.0)
    _, figure = grid_of(replace(units, values=pd.DataFrame({"FL": 0.5, "A-FL": 0.5 + better})))
    inks = {int(a.x): a.font.color for a in figure.layout.annotations}
    assert inks == {0: "#FFFFFF", 1: "#1F1F1F", 2: "#1F1F1F", 3: "#1F1F1F"}


def sweep():
    rows = [
        (name, edge, 0.2 + edge / 10, 20, edge / 10, low, edge / 10 + 0.2)
        for name in SIZE.names[:3]
        for edge, low in ((3.0, 0.1), (1.0, -0.1), (2.0, np.nan))
    ]
    return pd.DataFrame(rows, columns=SWEEP)


def test_a_sweep_draws_difference_and_band_against_the_edge():
    figure = plot_sweep(sweep(), SIZE, make_units(), PAIR)
    lines = [t for t in figure.data if t.hovertext is not None]
    assert [t.xaxis for t in lines] == ["x", "x2", "x3"]
    assert list(lines[0].x) == [1, 2, 3]
    assert list(lines[0].y) == pytest.approx([0.1, 0.2, 0.3])
    assert lines[0].marker.symbol == ("circle-open", "circle-open", "circle")
    assert lines[0].marker.color[2] == BETTER_COLOUR
    low, high = [t for t in figure.data if t.xaxis == "x" and t.hovertext is None]
    assert (list(low.y), list(high.y)) == (pytest.approx([-0.1, 0.1]), pytest.approx([0.3, 0.5]))
    assert "edge 1 (quantile 0.30), n = 20" in lines[0].hovertext[0]
    assert [s.x0 for s in figure.layout.shapes if s.x0 == s.x1] == [2, 8, 8]
    assert figure.layout.height == 220
    worse = plot_sweep(sweep(), SIZE, make_units(metric="hd95_mm"), PAIR)
    assert next(t for t in worse.data if t.hovertext is not None).marker.color[2] == WORSE_COLOUR


def test_swarm_places_are_within_bounds_fixed_and_wide_where_dense():
    values = np.concatenate([np.full(50, 0.5), [0.0, 1.0]])
    places = swarm(values)
    assert np.abs(places).max() <= 0.5
    assert np.ptp(places[:50]) > 0.6
    assert np.abs(places[50:]).max() < 0.2
    assert np.array_equal(places, swarm(values))
    assert swarm([]).size == 0


@pytest.mark.parametrize("sources", [["a"], [f"s{k}" for k in range(8)]])
def test_figures_without_backgrounds_serialise(sources):
    for n in (0, 3, 30):
        units = make_units(n, sources)
        found = breakdown(units)
        figures = [plot_means(found, axis) for axis in ("size", "roughness")]
        if units.pairs:
            pair = units.pairs[-1]
            grid = compute_grid(units, SIZE, ROUGH, pair)
            figures += [
                plot_slopes(found, "size", pair),
                plot_grid(grid, SIZE, ROUGH, units, pair),
                plot_sweep(sweep().iloc[:0], SIZE, units, pair),
            ]
        for figure in figures:
            assert isinstance(figure, go.Figure)
            assert json.loads(figure.to_json())["layout"]["plot_bgcolor"] == "rgba(0,0,0,0)"


@pytest.mark.parametrize("metric", ["dsc", "hd95_mm"])
def test_the_difference_of_every_bin_is_a_row_of_the_records(metric):
    found = compute_breakdown(make_units(metric=metric), (SIZE, Binning("roughness", (0.1, 0.2), "tertiles")))
    figure = plot_differences(found, PAIR)
    pair = found.pair(*PAIR)
    assert list(figure.layout.yaxis.ticktext) == [
        "All cases, n = 30",
        "Small, up to 2 ml, own edges, n = 12",
        "Medium size, 2 to 8 ml, own edges, n = 12",
        "Large, above 8 ml, own edges, n = 6",
        "Smooth, up to 0.1, n = 8",
        "Medium smoothness, 0.1 to 0.2, n = 8",
        "Rough, above 0.2, n = 7",
        "No roughness, n = 7",
    ]
    trace = next(t for t in figure.data if t.error_x.array is not None)
    np.testing.assert_allclose(trace.x, pair["mean_difference"])
    np.testing.assert_allclose(trace.x + trace.error_x.array, pair["ci_high"])
    np.testing.assert_allclose(trace.x - trace.error_x.arrayminus, pair["ci_low"])
    assert figure.layout.height == plot_means(found, "size").layout.height
    assert plot_means(found, "size").layout.xaxis.title.text == "Tumour volume (ml), own edges"


def test_where_patients_have_several_units_the_rows_and_cells_say_patients():
    """Two cases a patient: of 30 cases 15 patients, where n alone would read as cases."""
    found = breakdown(make_units(per_patient=2))
    assert plot_differences(found, PAIR).layout.yaxis.ticktext[0] == "All cases, 15 patients"
    grid = compute_grid(found.units, SIZE, ROUGH, PAIR)
    texts = [a.text for a in plot_grid(grid, SIZE, ROUGH, found.units, PAIR).layout.annotations]
    assert any(text.endswith("patients") for text in texts)
    assert not any("n = " in text for text in texts)
