"""Curves of a training run hold the numbers of its reports."""

import numpy as np
import pytest

from afl_core.figures.palette import source_style
from afl_core.figures.training import best_row, plot_factor, plot_loss, plot_validation


def report(step, loss, dsc=None, **factors):
    spreads = {
        name: {"low": low, "middle": middle, "mean": mean, "high": high}
        for name, (low, middle, mean, high) in factors.items()
    }
    return {"step": step, "loss": loss, "validation_dsc": dsc, "learning_rate": 0.1, "factors": spreads}


ROWS = [
    report(10, 0.5),
    report(15, 0.2, 0.31, gamma=(0.0, 0.01, 0.02, 0.09), alpha=(0.9, 0.97, 0.96, 1.0)),
    report(20, 0.1),
    report(30, 0.05, 0.62, gamma=(0.001, 0.02, 0.03, 0.08), alpha=(0.91, 0.98, 0.97, 0.99)),
    report(45, 0.04, 0.62, gamma=(0.002, 0.01, 0.015, 0.07), alpha=(0.92, 0.96, 0.95, 0.98)),
]


def test_the_loss_curve_is_the_reports_in_the_colour_of_the_run():
    (trace,) = plot_loss({"FL": [], "A-FL": ROWS}, steps=60).data
    assert list(trace.x) == [10, 15, 20, 30, 45]
    assert list(trace.y) == [0.5, 0.2, 0.1, 0.05, 0.04]
    assert trace.line.color == source_style(1)[0]


@pytest.mark.parametrize(("losses", "kind"), [((0.5, 0.1), "log"), ((0.5, -0.1), None), ((0.5, 0.0), None)])
def test_the_loss_axis_is_logarithmic_as_long_as_every_loss_is_above_0(losses, kind):
    figure = plot_loss({"FL": [report(10 * k, loss) for k, loss in enumerate(losses)]}, steps=60)
    assert figure.layout.yaxis.type == kind


def test_the_first_report_alone_can_be_seen():
    (trace,) = plot_loss({"FL": ROWS[:1]}, steps=60).data
    assert trace.mode == "markers"


@pytest.mark.parametrize(("steps", "end"), [(60, 60), (0, None)])
def test_the_axis_ends_at_the_last_step_that_is_due(steps, end):
    figures = [
        plot_loss({"FL": ROWS}, steps=steps),
        plot_validation({"FL": ROWS}, steps=steps),
        plot_factor(ROWS, "gamma", steps=steps),
    ]
    for figure in figures:
        shown = figure.layout.xaxis.range
        assert (shown is None) if end is None else shown[0] == 0 and end <= shown[1] < 1.1 * end


def test_validation_curves_leave_out_reports_without_one_and_ring_the_first_best_step():
    other = [report(15, 0.3, 0.2), report(30, 0.2, 0.1), report(40, 0.1)]
    fl, fl_ring, afl, afl_ring = plot_validation({"FL": ROWS, "A-FL": other}, steps=60).data
    assert (fl.name, list(fl.x), list(fl.y)) == ("FL", [15, 30, 45], [0.31, 0.62, 0.62])
    assert (afl.name, list(afl.x), list(afl.y)) == ("A-FL", [15, 30], [0.2, 0.1])
    assert (list(fl_ring.x), list(fl_ring.y)) == ([30], [0.62])
    assert (list(afl_ring.x), list(afl_ring.y)) == ([15], [0.2])
    assert [fl.line.color, afl.line.color] == [source_style(0)[0], source_style(1)[0]]
    assert fl_ring.marker.color == fl.line.color


def test_a_run_that_was_not_validated_yet_has_no_curve_and_takes_no_other_colour():
    *_, ring = figure = plot_validation({"FL": ROWS[:1], "A-FL": ROWS}, steps=60).data
    assert [trace.name for trace in figure] == ["A-FL", None]
    assert ring.marker.color == source_style(1)[0]


def test_the_legend_is_there_for_several_runs_alone():
    assert not any(trace.showlegend for trace in plot_validation({"FL": ROWS}, steps=60).data)
    assert sum(trace.showlegend for trace in plot_validation({"FL": ROWS, "A-FL": ROWS}, steps=60).data) == 2


@pytest.mark.parametrize("name", ["gamma", "alpha"])
def test_a_factor_is_its_mean_and_median_in_a_band_of_its_extremes(name):
    traces = {trace.name: trace for trace in plot_factor(ROWS, name, steps=60).data}
    noted = [row["factors"][name] for row in ROWS if row["factors"]]
    for value in ("low", "middle", "mean", "high"):
        assert list(traces[value].x) == [15, 30, 45]
        np.testing.assert_array_equal(traces[value].y, [spread[value] for spread in noted])
    assert traces["high"].fill == "tonexty"
    assert [trace.name for trace in plot_factor(ROWS, name, steps=60).data][:2] == [
        "low",
        "high",
    ]  # it fills to the one before
    assert list(traces["mean"].customdata[1]) == [noted[1]["low"], noted[1]["middle"], noted[1]["high"]]


def test_the_best_row_is_the_first_of_equals():
    assert best_row([row for row in ROWS if row["validation_dsc"]])["step"] == 30
