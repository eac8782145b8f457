"""The forest plot for papers: the marks of the panels, the widths of a journal, the better side at the right."""

import math

import numpy as np
import pytest
from matplotlib.colors import to_hex

from afl_core.errors import DataError
from afl_core.figures.files import figure_bytes
from afl_core.figures.forest import Mark, Panel
from afl_core.figures.palette import BETTER_COLOUR, EQUAL_COLOUR, WORSE_COLOUR
from afl_core.figures.paper_forest import plot_paper_forest

SCORES = Panel(
    "Difference of scores",
    "higher",
    (
        Mark("Dice", -0.01, -0.03, 0.012, "40 patients", "Cases"),
        Mark("Dice", -0.05, -0.08, -0.02, "38 patients", "Lesions"),
        Mark("Lesion recall", 0.02, math.nan, math.nan, "4 patients", "Lesions"),
    ),
)
DISTANCES = Panel("Difference (mm)", "lower", (Mark("HD95", -3.2, -5.0, -1.1, "40 patients", "Cases"),), "mm", 1)


def test_marks_are_the_numbers_with_their_intervals_and_colours():
    scores, distances = plot_paper_forest([SCORES, DISTANCES, Panel("none", "higher", ())], ("FL", "A-FL")).axes
    found = []
    for panel, axes in ((SCORES, scores), (DISTANCES, distances)):
        for mark, container in zip(panel.marks, axes.containers, strict=True):
            line, _, (bar,) = container.lines
            assert list(line.get_xdata()) == [mark.estimate]
            if math.isfinite(mark.low):
                np.testing.assert_allclose(bar.get_segments()[0][:, 0], [mark.low, mark.high])
            found.append((line.get_color().upper(), to_hex(line.get_markerfacecolor()).upper()))
    hollow = (EQUAL_COLOUR, "#FFFFFF")
    assert found == [hollow, (WORSE_COLOUR,) * 2, hollow, (BETTER_COLOUR,) * 2]
    assert [label.get_text() for label in scores.get_yticklabels()] == ["Dice", "Lesion recall"]
    first, second, alone = (container.lines[0].get_ydata()[0] for container in scores.containers)
    assert first < 0 < second
    assert alone == 1


def test_better_is_at_the_right_also_where_less_is_better():
    scores, distances = plot_paper_forest([SCORES, DISTANCES], ("FL", "A-FL")).axes
    assert scores.get_xlim()[1] == -scores.get_xlim()[0] > 0.08
    assert distances.get_xlim()[1] == -distances.get_xlim()[0] < -5
    assert (scores.get_title(loc="left"), scores.get_title(loc="right")) == ("← FL better", "A-FL better →")


@pytest.mark.parametrize(("width", "mm"), [("double", 170), ("single", 85)])
def test_it_has_the_width_of_a_journal_on_white(width, mm):
    figure = plot_paper_forest([SCORES, DISTANCES], ("FL", "A-FL"), width=width)
    assert figure.get_figwidth() * 25.4 == pytest.approx(mm)
    assert figure.get_facecolor() == (1, 1, 1, 1)
    assert "<text" not in figure_bytes(figure, "svg").decode()


def test_nothing_to_draw_is_an_error_that_says_what_to_do():
    with pytest.raises(DataError, match=r"needs a difference.*Evaluate more cases"):
        plot_paper_forest([Panel("none", "higher", ())], ("FL", "A-FL"))
