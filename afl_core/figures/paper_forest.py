"""The forest plot of paired differences for a paper: the numbers of `forest`, on white, in the width of a journal."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from afl_core.base.catalogue import pick
from afl_core.errors import DataError
from afl_core.figures.chart_style import Pair
from afl_core.figures.forest import SYMBOLS, Panel, half_width, place_of, sides, tick_places, tick_texts
from afl_core.figures.palette import BETTER_COLOUR, EQUAL_COLOUR, OUTCOME_COLOURS
from afl_core.figures.paper import MARKERS, STYLE, WIDTHS_MM

ROW_INCHES, AXIS_INCHES, TOP_INCHES = 0.19, 0.42, 0.4

TITLE_CHARACTERS = {"double": 90, "single": 38}
"""Characters in a line of an axis title, by width."""


def plot_paper_forest(panels: Sequence[Panel], pair: Pair, *, width: str = "double") -> Figure:
    """Draw the paired differences in rows, a panel a unit, the better side shaded and at the right.

    Args:
        panels: One a unit and direction; one without marks is left out.
        pair: First and second source; a difference is second minus first.
        width: Key of WIDTHS_MM.

    Raises:
        DataError: If there is nothing to draw.
    """
    mm, shown = pick(WIDTHS_MM, width, kind="width"), [panel for panel in panels if panel.marks]
    if not shown:
        raise DataError("This figure needs a difference, and there is none", todo="Evaluate more cases")
    groups = tuple(dict.fromkeys(mark.group for panel in shown for mark in panel.marks))
    rows = [len(panel.rows) for panel in shown]
    height = ROW_INCHES * sum(rows) + AXIS_INCHES * len(shown) + TOP_INCHES
    with rc_context(dict(STYLE)):
        figure = Figure(figsize=(mm / 25.4, height), layout="constrained")
        axes = figure.subplots(len(shown), 1, squeeze=False, height_ratios=rows)[:, 0]
        for panel, of_panel in zip(shown, axes, strict=True):
            _draw_panel(of_panel, panel, groups)
            of_panel.set_xlabel(textwrap.fill(panel.title, TITLE_CHARACTERS[width]))
        left, right = sides(pair)
        axes[0].set_title(left, loc="left", fontsize=7)
        axes[0].set_title(right, loc="right", fontsize=7, weight="bold")
        if len(groups) > 1:
            for group, symbol in zip(groups, SYMBOLS, strict=False):
                axes[0].plot([], [], MARKERS[symbol], color=EQUAL_COLOUR, markersize=4.5, label=group)
            figure.legend(loc="outside upper center", ncols=len(groups), frameon=False)
    return figure


def _draw_panel(axes: Axes, panel: Panel, groups: Sequence[str]) -> None:
    limit = half_width(panel)
    end = limit if panel.better == "higher" else -limit
    axes.axvspan(0, end, color=BETTER_COLOUR, alpha=0.14, linewidth=0)
    axes.axvline(0, color="black", linewidth=0.6)
    for mark in panel.marks:
        shows = mark.outcome(panel.better)
        colour = OUTCOME_COLOURS[shows]
        axes.errorbar(
            mark.estimate,
            place_of(mark, panel, groups),
            xerr=np.array([[mark.estimate - mark.low], [mark.high - mark.estimate]]),
            fmt=MARKERS[SYMBOLS[groups.index(mark.group) % len(SYMBOLS)]],
            color=colour,
            markerfacecolor=colour if shows else "white",
            markersize=4.5,
            elinewidth=1,
            ecolor=EQUAL_COLOUR,
            capsize=2,
        )
    places = tick_places(limit)
    axes.set_xticks(places, tick_texts(places))
    axes.set_xlim(-end, end)
    axes.set_yticks(range(len(panel.rows)), panel.rows)
    axes.set_ylim(len(panel.rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
