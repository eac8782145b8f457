"""A forest plot holds the numbers that it was given, and its right side is the better one."""

import math

import pytest

from afl_core.figures.forest import Mark, Panel, plot_forest
from afl_core.figures.palette import BETTER_COLOUR, WORSE_COLOUR

SCORES = Panel(
    "Difference of scores",
    "higher",
    (
        Mark("Dice", -0.01, -0.03, 0.012, "40 patients", "Cases"),
        Mark("Dice", -0.05, -0.08, -0.02, "38 patients", "Lesions"),
        Mark("IoU", 0.02, 0.01, 0.03, "40 patients", "Cases"),
        Mark("Lesion recall", 0.02, math.nan, math.nan, "4 patients", "Lesions"),
    ),
)
DISTANCES = Panel("Difference (mm)", "lower", (Mark("HD95", -3.2, -5.0, -1.1, "40 patients", "Cases"),), "mm", 1)


def test_a_mark_stands_in_its_row_with_its_interval():
    cases, lesions, distances = plot_forest([SCORES, DISTANCES], ("FL", "A-FL")).data[:3]
    assert list(cases.x) == [-0.01, 0.02]
    assert list(lesions.x) == [-0.05, 0.02]
    assert list(distances.x) == [-3.2]
    assert [round(y) for y in cases.y] == [0, 1]
    assert [round(y) for y in lesions.y] == [0, 2]
    assert cases.y[0] < 0 < lesions.y[0]  # marks of one row stand beside one another
    assert (cases.y[1], lesions.y[1]) == (1, 2)  # a lone one in the middle
    assert list(cases.error_x.array) == pytest.approx([0.022, 0.01])
    assert list(cases.error_x.arrayminus) == pytest.approx([0.02, 0.01])
    assert "-0.050, interval -0.080 to -0.020" in lesions.hovertext[0]
    assert "no interval" in lesions.hovertext[1]
    assert "-3.2 mm, interval -5.0 to -1.1" in distances.hovertext[0]


def test_what_leaves_out_0_is_filled_and_says_which_side_by_colour():
    cases, lesions, distances = plot_forest([SCORES, DISTANCES], ("FL", "A-FL")).data[:3]
    assert list(cases.marker.symbol) == ["circle-open", "circle"]
    assert list(lesions.marker.symbol) == ["square", "square-open"]  # the second has no interval
    assert (cases.marker.color[1], lesions.marker.color[0]) == (BETTER_COLOUR, WORSE_COLOUR)
    assert distances.marker.color[0] == BETTER_COLOUR  # less distance is better


def test_the_right_side_is_shaded_and_better_also_where_less_is_better():
    figure = plot_forest([SCORES, DISTANCES], ("FL", "A-FL"))
    scores, distances = figure.layout.xaxis, figure.layout.xaxis2
    assert scores.range[1] == -scores.range[0] > 0.08
    assert distances.range[1] == -distances.range[0] < -5
    shades = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert [shade.x1 for shade in shades] == [scores.range[1], distances.range[1]]
    assert {note.text for note in figure.layout.annotations} == {"<b>A-FL better →</b>", "← FL better"}
    assert [trace.name for trace in figure.data if trace.showlegend is not False] == ["Cases", "Lesions"]
    assert list(scores.ticktext) == ["-0.08", "", "-0.04", "", "0", "", "+0.04", "", "+0.08"]
    assert scores.tickangle == 0


def test_long_names_stand_on_two_lines_above_the_panels():
    short, long = (
        plot_forest([SCORES], pair).layout for pair in (("FL", "A-FL"), ("Focal 3d_fullres", "nnUNet 3d_fullres"))
    )
    assert {note.text for note in long.annotations} == {
        "<b>nnUNet 3d_fullres better →</b>",
        "← Focal 3d_fullres better<br>\N{NO-BREAK SPACE}",
    }
    assert long.margin.t - short.margin.t == long.height - short.height > 0


def test_one_kind_of_marks_has_no_legend_and_nothing_to_draw_is_no_error():
    figure = plot_forest([DISTANCES], ("FL", "A-FL"))
    assert [trace.showlegend for trace in figure.data] == [False]
    assert list(figure.data[0].y) == [0]
    assert not plot_forest([], ("FL", "A-FL")).data
    equal = Panel("Difference", "higher", (Mark("Dice", 0, 0, 0, "9 patients"),))
    assert plot_forest([equal], ("FL", "A-FL")).data[0].marker.symbol[0] == "circle-open"
