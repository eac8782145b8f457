"""The figure for papers: the records' numbers, the widths of a journal, and files that look the same everywhere."""

import re
from dataclasses import replace

import numpy as np
import pytest
from made_units import PAIR, ROUGH, SIZE, breakdown, make_units

from afl_core.analysis.breakdown.bins import by_values
from afl_core.analysis.breakdown.covariates import with_covariates
from afl_core.analysis.breakdown.records import compute_breakdown
from afl_core.errors import DataError, UsageError
from afl_core.figures.files import figure_bytes
from afl_core.figures.palette import BETTER_COLOUR, EQUAL_COLOUR
from afl_core.figures.paper import plot_paper_figure


def bars(axes):
    """Label (or colour) of each set of marks, its values, and the ends of its intervals."""
    found = []
    for container in axes.containers:
        line, _, (segments,) = container.lines
        ends = np.array([[p[0][1], p[1][1]] for p in segments.get_segments()])
        found.append((container.get_label(), line.get_color(), line.get_ydata(), ends))
    return found


@pytest.mark.parametrize(("width", "shape", "inches"), [("double", (2, 2), 170 / 25.4), ("single", (4, 1), 85 / 25.4)])
def test_both_panels_stand_in_the_width_of_a_journal(width, shape, inches):
    figure = plot_paper_figure(breakdown(), PAIR, width=width)
    assert figure.axes[0].get_gridspec().get_geometry() == shape
    assert figure.get_figwidth() == pytest.approx(inches)
    assert figure.get_facecolor() == (1, 1, 1, 1)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [title for title in titles if title] == ["a  By tumour volume", "b  By roughness"]


def test_marks_are_the_means_and_differences_of_the_records():
    units = make_units(40)
    units = replace(units, values=units.values.assign(**{"A-FL": units.values["FL"] + 0.1}))
    found = breakdown(units)
    means, _, differences, _ = plot_paper_figure(found, PAIR).axes
    of_size = found.records[found.records["axis"].isin(["all", "size"])]
    for name, _, values, ends in bars(means):
        own = of_size[of_size["source"] == name]
        np.testing.assert_allclose(values, own["mean"])
        np.testing.assert_allclose(ends, own[["mean_low", "mean_high"]])
    pair = found.pair(*PAIR)
    pair = pair[pair["axis"].isin(["all", "size"])]
    drawn = bars(differences)
    np.testing.assert_allclose(np.concatenate([values for *_, values, _ in drawn]), pair["mean_difference"])
    assert {colour for _, colour, *_ in drawn} == {BETTER_COLOUR}
    noisy = bars(plot_paper_figure(breakdown(), PAIR).axes[2])
    held = [low <= 0 <= high for *_, ((low, high),) in noisy]
    assert [colour == EQUAL_COLOUR for _, colour, *_ in noisy] == held
    assert any(held)


def test_one_source_has_no_row_of_differences():
    figure = plot_paper_figure(breakdown(make_units(sources=["FL"])), None)
    assert figure.axes[0].get_gridspec().get_geometry() == (1, 2)


def test_no_bins_is_an_error_that_says_what_to_do():
    with pytest.raises(DataError, match=r"needs bins.*Evaluate more cases"):
        plot_paper_figure(compute_breakdown(make_units(), ()), PAIR)
    with pytest.raises(UsageError, match="width"):
        plot_paper_figure(breakdown(), PAIR, width="triple")


def test_files_hold_their_letters():
    figure = plot_paper_figure(breakdown(make_units(12)), PAIR)
    svg = figure_bytes(figure, "svg").decode()
    assert "<text" not in svg
    assert float(re.search(r'width="([\d.]+)pt"', svg)[1]) == pytest.approx(170 / 25.4 * 72, abs=0.1)
    assert svg.encode() == figure_bytes(plot_paper_figure(breakdown(make_units(12)), PAIR), "svg")
    pdf = figure_bytes(figure, "pdf")
    assert b"/TrueType" in pdf or b"/CIDFontType2" in pdf
    assert b"/Type3" not in pdf


@pytest.mark.parametrize(("width", "shape", "empty"), [("double", (4, 2), 2), ("single", (6, 1), 0)])
def test_a_third_axis_stands_below_and_leaves_its_neighbour_empty(width, shape, empty):
    units = with_covariates(make_units(), {"site": {f"c{k}": "NS"[k % 2] for k in range(30)}})
    figure = plot_paper_figure(
        compute_breakdown(units, (SIZE, ROUGH, by_values(units.axis("site")))), PAIR, width=width
    )
    assert figure.axes[0].get_gridspec().get_geometry() == shape
    assert sum(not axes.axison for axes in figure.axes) == empty
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [title for title in titles if title] == [
        "a  By tumour volume",
        "b  By roughness",
        "c  By site (exploratory)",
    ]
