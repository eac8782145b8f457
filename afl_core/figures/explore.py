"""Dots that are coloured by a column of their units, and any two columns of the units against each other."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from afl_core.analysis.breakdown.explore import Column
from afl_core.analysis.breakdown.units import Units
from afl_core.base.numbers import log_ticks
from afl_core.figures.chart_style import GREY, Facts, Floats, Pair, add_dots, case_facts, chart_layout, log_axis, swarm
from afl_core.figures.palette import FURTHER_COLOURS, ROUGHNESS_SCALE, SOURCE_SYMBOLS

FEW = 300
"""Units up to which their dots are large."""

APART = 0.5
"""Width of the band in which dots of one value of text lie, where 1 is the way to the next value."""


def plot_explored(units: Units, pair: Pair | None, x: Column, y: Column | None, colour: Column | None) -> go.Figure:
    """One column against another, a dot a unit; of one column alone its distribution.

    Args:
        units: The paired table.
        pair: The two sources whose values the hover text gives.
        x: The column from left to right; units without a value have no dot.
        y: The column from bottom to top; None spreads the dots by how dense they lie.
        colour: The column that colours the dots; None gives all the same colour.
    """
    figure = go.Figure()
    shown = np.isfinite(x.values) & (np.isfinite(y.values) if y else True)
    add_coloured(figure, _places(x, y or x, shown), _places(y, x, shown), colour, case_facts(units, pair))
    figure.update_xaxes(**_axis(x))
    figure.update_yaxes(**(_axis(y) if y else {"visible": False, "range": [-1, 1]}))
    if y is None and not x.names and shown.any():
        figure.add_vline(x=float(np.median(x.values[shown])), line={"width": 2, "color": GREY, "dash": "dash"})
    return figure.update_layout(chart_layout(460 if y else 320))


def add_coloured(figure: go.Figure, x: Floats, y: Floats, colour: Column | None, facts: Facts) -> None:
    """Add dots that a column colours: numbers by a scale, values of text each by a colour and symbol of its own.

    Args:
        figure: The chart.
        x: Place of each unit, shape (n,), NaN where it has no dot.
        y: The same from bottom to top.
        colour: The column; units without a value of it are hollow. None gives all the same colour.
        facts: `case_facts` of the units.
    """
    placed = np.isfinite(x) & np.isfinite(y)
    shade = colour.values if colour else np.zeros(len(x))
    known = np.isfinite(shade)

    def add(chosen: NDArray[np.bool_], marker: dict[str, Any], **trace: Any) -> None:
        rows = np.flatnonzero(placed & chosen)
        if not rows.size:
            return
        few = len(x) < FEW
        own = {"size": 9 if few else 6, "opacity": 0.9 if few else 0.7, "line": {"width": 1, "color": GREY}} | marker
        if "showscale" in own:
            own["color"] = own["color"][rows]
        dots = {"x": x[rows], "y": y[rows], "marker": own, "customdata": facts[0][rows], "hovertemplate": facts[1]}
        add_dots(figure, len(x), **{**dots, "showlegend": True, **trace})

    if colour is None:
        add(known, {"color": FURTHER_COLOURS[1]}, showlegend=False)
    elif colour.names:
        for k, name in enumerate(colour.names):
            own = {
                "color": FURTHER_COLOURS[k % len(FURTHER_COLOURS)],
                "symbol": SOURCE_SYMBOLS[k % len(SOURCE_SYMBOLS)],
            }
            text = f"<br>{colour.label.lower()} {name}<extra>"
            add(shade == k, own, name=name, hovertemplate=facts[1].replace("<extra>", text))
    else:
        text = "<extra>" if colour.is_log else f"<br>{colour.label.lower()} %{{marker.color:.3~g}}<extra>"
        add(known, _scale(colour), showlegend=False, hovertemplate=facts[1].replace("<extra>", text))
    add(~known, {"symbol": "circle-open", "color": GREY}, name="without a value for the colour")


def _scale(colour: Column) -> dict[str, Any]:
    """Marker of dots by a scale from the lowest value to the highest, logarithmic as the column's axis is."""
    bar: dict[str, Any] = {"title": {"text": colour.title, "side": "right"}, "thickness": 12, "outlinewidth": 0}
    values = colour.values
    if colour.is_log:
        ticks = log_ticks(float(np.nanmin(values)), float(np.nanmax(values)))
        bar |= {"tickvals": np.log10(ticks).tolist(), "ticktext": [f"{tick:,g}" for tick in ticks]}
        values = np.log10(values)
    return {"color": values, "colorscale": list(ROUGHNESS_SCALE), "colorbar": bar, "showscale": True}


def _places(column: Column | None, other: Column, shown: NDArray[np.bool_]) -> Floats:
    """Where the dots of a column lie; without one, or around a value of text, they spread by how dense the others lie.

    Args:
        column: The column of this direction, None where there is none.
        other: That of the other direction.
        shown: Whether each unit has a dot; the others get NaN.
    """
    places = np.full(len(shown), np.nan)
    if column and not column.names:
        places[shown] = column.values[shown]
        return places
    across = np.log(other.values[shown]) if other.is_log else other.values[shown]
    places[shown] = column.values[shown] + APART * swarm(across) if column else swarm(across)
    return places


def _axis(column: Column) -> dict[str, Any]:
    """The axis of a column."""
    if column.names:
        ends = [-0.5, len(column.names) - 0.5]
        ticks = {"tickvals": list(range(len(column.names))), "ticktext": list(column.names), "range": ends}
        return {"title": column.title, "zeroline": False, **ticks}
    if column.is_log:
        return {"title": f"{column.title}, logarithmic", **log_axis(column.values)}
    return {"title": column.title, "zeroline": False}
