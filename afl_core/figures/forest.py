"""Forest plot: paired differences with their intervals, a row each, the better side always at the right."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from afl_core.analysis.statistics.bootstrap import side_of_zero
from afl_core.base.numbers import NOTHING, RATIO, interval, log_ticks, number, with_unit
from afl_core.figures.chart_style import GREY, Pair, chart_layout
from afl_core.figures.palette import BETTER_COLOUR, OUTCOME_COLOURS

SYMBOLS = ("circle", "square", "diamond")
"""Symbol of each group of marks: filled where a difference is shown (`Mark.outcome`), hollow where it is not."""

FILLED = "Filled where the interval leaves out 0 and the signed-rank test agrees"
"""What the marks say, for captions."""

MOST_TEXTS = 7
"""Places of an axis that have their text; of more, every other one has."""

ROW_PX, AXIS_PX, TOP_PX, BOTTOM_PX, LINE_PX = 30, 62, 56, 46, 18

BESIDE_CHARACTERS = 12
"""Characters of two names that fit beside each other on a narrow panel."""


@dataclass(frozen=True)
class Mark:
    """A paired difference.

    Attributes:
        label: Label of the row in which it stands; several marks can share one, each of another group.
        estimate: The mean difference; NaN where there is none.
        low: Lower end of its interval; NaN where there is none.
        high: Upper end of the same interval.
        n: Patients on whom it rests, in words for a hover text.
        group: What it is a difference of, such as "Cases", for the legend; "" where there is one kind.
        tested: Whether its test, corrected as it is shown, agrees that there is a difference.
    """

    label: str
    estimate: float
    low: float
    high: float
    n: str
    group: str = ""
    tested: bool = True

    def outcome(self, better: str) -> int:
        """What interval and test show together: 1 that the second source is better, -1 that it is worse, 0 neither."""
        return outcome(self.low, self.high, better) * self.tested


@dataclass(frozen=True)
class Panel:
    """Rows that share an axis: their values have one unit, and one direction is better.

    Attributes:
        title: Title of the axis.
        better: The direction of a difference by which the second source is better.
        marks: The marks, those of one row anywhere; rows stand in the order in which they come first.
        unit: Unit of the values; "" where they have none.
        digits: Decimals with which values are shown.
    """

    title: str
    better: Literal["higher", "lower"]
    marks: tuple[Mark, ...]
    unit: str = ""
    digits: int = RATIO

    @property
    def rows(self) -> tuple[str, ...]:
        """Labels of the rows, from the top down."""
        return tuple(dict.fromkeys(mark.label for mark in self.marks))


def plot_forest(panels: Sequence[Panel], pair: Pair) -> go.Figure:
    """Paired differences in rows, under one another, with the line of no difference.

    Quantities of different units have no common scale, and one made up for them would be no result. So each unit has a
    panel with an axis of its own. An axis on which less is better runs to the left: what is at the right of 0 is
    better in every panel, and the shaded side says so.

    Args:
        panels: One a unit and direction; one without marks is left out.
        pair: First and second source; a difference is second minus first.

    Returns:
        A figure with one trace a group and panel. A mark is teal (better) or brown (worse) and filled where its
        interval leaves out 0 and its test agrees, else grey and hollow.
    """
    shown = [panel for panel in panels if panel.marks]
    groups = tuple(dict.fromkeys(mark.group for panel in shown for mark in panel.marks))
    counts = [len(panel.rows) for panel in shown]
    inner = ROW_PX * sum(counts) + AXIS_PX * (len(shown) - 1)
    gap = AXIS_PX / inner if len(shown) > 1 else 0
    figure = make_subplots(max(len(shown), 1), 1, row_heights=counts or None, vertical_spacing=gap)
    for at, panel in enumerate(shown, 1):
        add_panel(figure, panel, groups, place=(at, 1))
    for group, symbol in zip(groups, SYMBOLS, strict=False):
        if len(groups) > 1:
            marker = _marker(symbol, 1) | {"color": GREY}
            figure.add_scatter(x=[None], y=[None], mode="markers", name=group, marker=marker)
    add_sides(figure, pair)
    more = LINE_PX * sides(pair)[0].count("\n")
    layout = chart_layout(inner + TOP_PX + BOTTOM_PX + more)
    layout["margin"] |= {"t": TOP_PX + more, "b": BOTTOM_PX}
    layout["legend"] |= {"y": 1 + (24 + more) / inner if inner else 1, "x": 0.5, "xanchor": "center"}
    return figure.update_layout(layout)


def sides(pair: Pair) -> tuple[str, str]:
    r"""What is said of the left side and of the right one; of long names the left one stands a line higher.

    >>> sides(("FL", "A-FL")), sides(("Dice and cross-entropy", "A-FL"))[0]
    (('← FL better', 'A-FL better →'), '← Dice and cross-entropy better\n')
    """
    lift = "" if len(pair[0]) + len(pair[1]) <= BESIDE_CHARACTERS else "\n"
    return f"← {pair[0]} better{lift}", f"{pair[1]} better →"


def add_sides(figure: go.Figure, pair: Pair, *, above: int = 0) -> None:
    """Say above the panels which side is better for whom, so many px above them."""
    left, right = sides(pair)
    for x, anchor, text in ((1, "right", f"<b>{right}</b>"), (0, "left", left.replace("\n", "<br>\N{NO-BREAK SPACE}"))):
        place = {"xref": "paper", "yref": "paper", "x": x, "y": 1, "xanchor": anchor, "yanchor": "bottom"}
        figure.add_annotation(text=text, showarrow=False, yshift=above, **place)


def add_panel(
    figure: go.Figure, panel: Panel, groups: Sequence[str], *, place: tuple[int, int], limit: float | None = None
) -> None:
    """Axis, shade and marks of a panel; rows stand at whole numbers, the marks of a row beside one another.

    Args:
        figure: A figure of subplots.
        panel: What is drawn.
        groups: The groups of its marks, in the order of their symbols.
        place: Row and column of the subplot, from 1 on.
        limit: Half the width of the axis; that of the panel's own values where it is not given.
    """
    rows, where = panel.rows, {"row": place[0], "col": place[1]}
    limit = half_width(panel) if limit is None else limit
    end = limit if panel.better == "higher" else -limit
    edges = {"y0": -0.5, "y1": len(rows) - 0.5, "line_width": 0, "layer": "below"}
    figure.add_shape(type="rect", x0=0, x1=end, fillcolor=BETTER_COLOUR, opacity=0.14, **edges, **where)
    figure.add_vline(x=0, line={"width": 1.5, "color": GREY}, **where)
    for k, group in enumerate(groups):
        marks = [mark for mark in panel.marks if mark.group == group and math.isfinite(mark.estimate)]
        if marks:
            places = [place_of(mark, panel, groups) for mark in marks]
            figure.add_trace(_trace(marks, panel, SYMBOLS[k % len(SYMBOLS)], places), **where)
    figure.update_xaxes(
        title={"text": panel.title, "standoff": 4},
        range=[-end, end],
        tickvals=(places := tick_places(limit)),
        ticktext=tick_texts(places),
        tickangle=0,
        zeroline=False,
        gridcolor="rgba(140,140,140,0.25)",
        **where,
    )
    ticks = {"tickvals": [*range(len(rows))], "ticktext": list(rows), "showgrid": False, "zeroline": False}
    figure.update_yaxes(range=[len(rows) - 0.5, -0.5], **ticks, **where)


def _trace(marks: Sequence[Mark], panel: Panel, symbol: str, places: Sequence[float]) -> go.Scatter:
    x, low, high = (np.array([getattr(mark, key) for mark in marks]) for key in ("estimate", "low", "high"))
    looks = [_marker(symbol, mark.outcome(panel.better)) for mark in marks]
    return go.Scatter(
        x=x,
        y=places,
        error_x={"array": high - x, "arrayminus": x - low, "thickness": 2, "width": 4, "color": GREY},
        mode="markers",
        marker={
            "size": 10,
            "color": (colours := [look["color"] for look in looks]),
            "symbol": [look["symbol"] for look in looks],
            "line": {"width": 2, "color": colours},
        },
        hovertext=[_hover(mark, panel) for mark in marks],
        hoverinfo="text",
        showlegend=False,
    )


def outcome(low: float, high: float, better: str) -> int:
    """What the interval of a difference shows: 1 that the second source is better, -1 that it is worse, 0 neither."""
    return side_of_zero(low, high) * (1 if better == "higher" else -1)


def place_of(mark: Mark, panel: Panel, groups: Sequence[str]) -> float:
    """Place of a mark across the rows: a whole number, and a little off it where another mark shares the row."""
    shared = sum(other.label == mark.label for other in panel.marks) > 1
    return panel.rows.index(mark.label) + shared * (groups.index(mark.group) - (len(groups) - 1) / 2) * 0.36


def _marker(symbol: str, shows: int) -> dict[str, Any]:
    """Marker of a mark, by its `outcome`."""
    return {"color": OUTCOME_COLOURS[shows], "symbol": symbol if shows else f"{symbol}-open", "size": 10}


def _hover(mark: Mark, panel: Panel) -> str:
    ends = interval(mark.low, mark.high, panel.digits, sign=True)
    difference = with_unit(number(mark.estimate, panel.digits, sign=True), panel.unit)
    group = f", {mark.group.lower()}" if mark.group else ""
    within = "no interval" if ends == NOTHING else f"interval {ends}"
    return f"<b>{mark.label}{group}</b><br>{difference}, {within}<br>{mark.n}"


def half_width(panel: Panel) -> float:
    """Half the width of the axis: to the outermost end of an interval, with some room."""
    ends = np.array([[mark.estimate, mark.low, mark.high] for mark in panel.marks])
    return (float(np.nanmax(np.abs(ends), initial=0)) or 1.0) * 1.12


def tick_texts(places: Sequence[float]) -> list[str]:
    """What stands at the places of `tick_places`: at every other one where they are many, for room."""
    texts = [f"{place:+g}" if place else "0" for place in places]
    every = 1 if len(places) <= MOST_TEXTS else 2
    return ["" if (k - len(places) // 2) % every else text for k, text in enumerate(texts)]


def tick_places(limit: float) -> list[float]:
    """Two to five places on either side of 0, a step of 1, 2 or 5 times a power of ten apart."""
    step = min(log_ticks(limit / 5.1, limit / 2))
    many = int(limit / step)
    return [float(f"{k * step:.10g}") for k in range(-many, many + 1)]
