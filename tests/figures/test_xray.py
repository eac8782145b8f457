"""Charts of the loss X-ray: every case is a dot, every share a part of a bar, and nothing is lost at 0."""

import numpy as np
import pandas as pd
import pytest

from afl_core.analysis.xray.focusing import SETTINGS, focal_loss, focal_slope
from afl_core.analysis.xray.gradients import PLACES, Shares
from afl_core.figures.gradients import plot_curves, plot_shares
from afl_core.figures.xray import FLOOR, ORDER, colour_of, plot_distributions, plot_focusing, plot_gammas, plot_volume

TABLE = pd.DataFrame({"case_id": ["a", "b", "c"], "size": [0.5, 2.0, 9.0], "roughness": [np.nan, 0.1, 0.3]})
GAMMA = np.array([0.0, 0.002, 0.01])


def test_every_case_is_a_dot_with_its_gamma_and_the_chosen_one_has_a_ring():
    figure = plot_gammas(TABLE, GAMMA, title="gamma", chosen="b", roughest=0.5)
    *dots, ring = figure.data
    carried = {row[0]: row[2] for trace in dots for row in trace.customdata}
    assert carried == {"a": "0", "b": "0.002", "c": "0.01"}
    assert min(float(y) for trace in dots for y in trace.y) == FLOOR
    assert list(ring.y) == [0.002]
    assert any(shape.y0 == 2 for shape in figure.layout.shapes)


def test_losses_have_colours_of_their_own():
    assert len({colour_of(name) for name in ORDER}) == len(ORDER)
    assert set(SETTINGS) < set(ORDER)


def test_curves_are_weighted_but_for_fl():
    figure = plot_curves({"FL": 2.0, "CE by class": 0.0}, {"FL": 1.0, "CE by class": 0.25})
    loss, slope, weighted, _ = figure.data
    p = np.asarray(loss.x)
    np.testing.assert_allclose(loss.y, focal_loss(p, 2.0))
    np.testing.assert_allclose(slope.y, focal_slope(np.log(p / (1 - p)), 2.0))
    np.testing.assert_allclose(weighted.y, 0.25 * focal_loss(p, 0.0))


def test_focus_by_size_is_a_line_a_loss():
    medians = pd.DataFrame({"FL": [2.0, 2.0], "A-FL released": [0.0, 0.01]}, index=[0, 2])
    fl, released = plot_focusing(medians, ["small", "medium", "large"]).data
    assert list(fl.x) == ["small", "large"]
    assert list(released.y) == [FLOOR, 0.01]
    assert list(released.text) == ["0", "0.01"]


def test_bars_of_both_panels_fill_up_and_a_tiny_channel_is_said():
    parts = np.zeros((2, 5))
    parts[1, 0], parts[0, 4] = 0.002, 0.998
    figure = plot_shares(
        {"A-FL released": Shares(parts, np.array([0.002])), "FL": Shares(np.full((2, 5), 0.1), np.ones(1))}
    )
    for axis, count in (("x", 2), ("x2", len(PLACES))):
        panel = [trace for trace in figure.data if trace.xaxis == axis]
        assert len(panel) == count
        np.testing.assert_allclose(np.sum([trace.x for trace in panel], axis=0), 1)
    said = [note.text for note in figure.layout.annotations if "tumour channel" in note.text]
    assert said == ["<b>tumour channel: 0.2 %</b>"]


def test_boxes_hold_the_quartiles_and_the_volume_its_share():
    values = np.arange(1, 102) / 1000
    (box,) = plot_distributions({"gamma": values}).data
    assert (box.q1[0], box.median[0], box.q3[0]) == pytest.approx((0.026, 0.051, 0.076))
    tumour, background = plot_volume(0.002).data
    assert tumour.x[0] + background.x[0] == pytest.approx(1)
