"""What the charts of a comparison share: layout, axis titles, labels of bins, and what a dot knows of its case."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from afl_core.analysis.breakdown.units import Units
from afl_core.base.numbers import NOTHING, interval, log_ticks, number
from afl_core.figures.palette import source_style

Pair = tuple[str, str]
Floats = NDArray[np.float64]
Facts = tuple[NDArray[np.str_], str]
"""Facts of the case of each dot, as text, and the hover text that reads them."""

MOST_DOTS = 2_000
"""Dots of a figure that are drawn at most: an SVG of more is slow to move, and they would cover one another.

Plotly's WebGL compiles code from text, which the pages' policy forbids, so it would draw nothing at all.
"""

GREY = "#8C8C8C"
"""Colour of lines and notes that can be read on light pages and on dark ones."""

FAINT = "rgba(140,140,140,0.6)"
"""The same for what is not chosen."""


GOLDEN = 0.6180339887498949


def chart_layout(height: int) -> dict[str, Any]:
    """Layout of a chart: no background and no colour of text, so that it takes those of its page."""
    return {
        "height": height,
        "margin": {"l": 10, "r": 10, "t": 30, "b": 10},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "itemsizing": "constant"},
        "hovermode": "closest",
        "hoverlabel": {"align": "left"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        # Plotly makes these of the background's colour, and of one without any a black box.
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": FAINT, "activecolor": GREY},
    }


def log_axis(values: ArrayLike) -> dict[str, Any]:
    """Logarithmic axis over these values, those above 0: ticks at 1, 2 and 5 times a power of ten, as plain numbers."""
    v = np.asarray(values, dtype=np.float64)
    v = v[np.isfinite(v) & (v > 0)]
    ticks = log_ticks(float(v.min()) / 1.5, float(v.max()) * 1.5) if v.size else []
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:,g}" for tick in ticks], "zeroline": False}


def count_axis(largest: int) -> dict[str, Any]:
    """Axis of counts up to the largest: from 0, with up to five ticks at whole numbers.

    >>> count_axis(3)["dtick"], count_axis(48)["dtick"]
    (1.0, 10.0)
    """
    step = min(log_ticks(max(largest / 5, 1), max(largest, 10)))
    return {"rangemode": "tozero", "tick0": 0, "dtick": step, "tickformat": ",d"}


def better_title(units: Units) -> str:
    """Title of an axis of the measure."""
    return f"{units.measure.title}, {units.measure.better} is better"


def difference_title(units: Units, pair: Pair) -> str:
    """Title of an axis of second minus first."""
    return f"{units.measure.title}, {pair[1]} minus {pair[0]}"


def signed_interval(record: Mapping[Any, Any], digits: int) -> tuple[str, str]:
    """Mean difference of a record, and its interval; "" where it has none."""
    ends = interval(record["ci_low"], record["ci_high"], digits, sign=True)
    return number(record["mean_difference"], digits, sign=True), "" if ends == NOTHING else ends


DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "8px,2px,2px,2px,2px,2px", "2px,6px")
"""Line styles of sources, so that colour is never alone."""


def source_dash(index: int) -> str:
    """Line style of a source by its place; after the eighth, where the colours start again, each has another.

    >>> source_dash(0), source_dash(8)
    ('solid', 'dash')
    """
    return DASHES[(index + index // len(DASHES)) % len(DASHES)]


def source_marker(index: int, count: int) -> dict[str, Any]:
    """Marker of the mean of a source, smaller where there are many; the white rim lifts it off the dots behind it."""
    colour, symbol = source_style(index)
    return {"color": colour, "symbol": symbol, "size": max(15 - count, 11), "line": {"width": 1.5, "color": "white"}}


def marks_with_intervals(values: Floats, low: Floats, high: Floats, marker: Mapping[str, Any]) -> dict[str, Any]:
    """What draws values as marks with their intervals, for `add_scatter`.

    Args:
        values: Values of the marks, shape (n,).
        low: Lower ends, shape (n,); NaN where there is no interval.
        high: Upper ends of the same intervals.
        marker: The marker of `source_marker`.
    """
    ends = {"array": high - values, "arrayminus": values - low}
    error = {**ends, "thickness": 2.5, "width": 5, "color": marker["color"]}
    return {"y": values, "error_y": error, "mode": "markers", "marker": marker}


def case_facts(units: Units, pair: Pair | None = None) -> Facts:
    """What a dot carries, a row a unit, and the hover text that reads it.

    Args:
        units: The paired table.
        pair: The two sources whose values are added.

    Returns:
        Columns case_id, lesion_id, volume in ml and, of a pair, both values and their difference; all as text, which
        is what a browser gets anyway: a chart copies an array of Python objects one by one.
    """
    table = units.table
    columns = [table["case_id"], table["lesion_id"], table["size"].map("{:.4g}".format)]
    text = "<b>%{customdata[0]}</b>" + (", lesion %{customdata[1]}" if units.level == "lesion" else "")
    text += "<br>%{customdata[2]} ml"
    if pair:
        first, second = (units.values[name] for name in pair)
        digits = units.measure.digits
        columns += [values.map(lambda value: number(value, digits)) for values in (first, second)]
        columns += [(second - first).map(lambda value: number(value, digits, sign=True))]
        text += f"<br>{pair[0]} %{{customdata[3]}}<br>{pair[1]} %{{customdata[4]}}<br>difference %{{customdata[5]}}"
    return np.column_stack([column.to_numpy(dtype=str) for column in columns]), f"{text}<extra></extra>"


def add_dots(figure: go.Figure, count: int, **trace: Any) -> None:
    """Add markers; of more than `MOST_DOTS` in the whole figure some, which it says.

    Args:
        figure: The chart.
        count: Number of the dots of all its traces.
        trace: The trace; what has a value a dot are arrays, or columns.
    """
    if count > MOST_DOTS:
        trace = _thinned(trace, MOST_DOTS / count)
        said = f"{MOST_DOTS:,} of {count:,} dots drawn"
        if all(note.text != said for note in figure.layout.annotations):
            where = {"xref": "paper", "yref": "paper", "x": 1, "y": 0, "xanchor": "right", "yanchor": "bottom"}
            figure.add_annotation(text=said, showarrow=False, font={"size": 12}, **where)
    figure.add_scatter(mode="markers", **trace)


def _thinned(trace: Mapping[str, Any], share: float) -> dict[str, Any]:
    """A share of the dots of a trace, evenly by their order from left to right."""
    order = np.argsort(np.asarray(trace["x"]), kind="stable")
    n = len(order)
    kept = order[np.linspace(0, n - 1, math.ceil(share * n)).round().astype(int)] if n else order

    def some(value: Any) -> Any:
        return np.asarray(value)[kept] if getattr(value, "shape", ())[:1] == (n,) else value

    marker = {name: some(value) for name, value in trace.get("marker", {}).items()}
    return {name: some(value) for name, value in trace.items()} | {"marker": marker}


def swarm(values: ArrayLike) -> NDArray[np.float64]:
    """Sideways places of dots, from -0.5 to 0.5: the denser their values, the wider; the same values, the same places.

    The golden ratio takes neighbours far apart without chance, as in the R package ggbeeswarm's quasirandom.
    """
    v = np.asarray(values, dtype=np.float64)
    if not v.size:
        return np.zeros(0)
    places = np.empty(len(v))
    places[np.argsort(v, kind="stable")] = (np.arange(1, len(v) + 1) * GOLDEN) % 1 - 0.5
    counts, edges = np.histogram(v, bins=24)
    density = np.interp(v, (edges[1:] + edges[:-1]) / 2, counts / counts.max())
    spread: NDArray[np.float64] = places * np.sqrt(density)
    return spread
