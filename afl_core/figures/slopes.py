"""Every unit from the first source's value to the second's, bin by bin: the slopes of Breakdown."""

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from afl_core.analysis.breakdown.records import Breakdown
from afl_core.analysis.breakdown.sentences import bin_words, capital
from afl_core.analysis.breakdown.units import Units
from afl_core.analysis.statistics.ranks import DECIMALS
from afl_core.base.numbers import number
from afl_core.figures.bin_parts import (
    MAX_LINES,
    Bin,
    evenly,
    shown_bins,
)
from afl_core.figures.chart_style import (
    GREY,
    Facts,
    Pair,
    better_title,
    case_facts,
    chart_layout,
    signed_interval,
    source_marker,
)
from afl_core.figures.palette import BETTER_COLOUR, EQUAL_COLOUR, WORSE_COLOUR


def plot_slopes(breakdown: Breakdown, axis: str, pair: Pair) -> go.Figure:
    """Every unit from the first source's value to the second's, one panel a bin.

    Args:
        breakdown: The breakdown, whose records give the means, their difference and its interval.
        axis: Key of one of its binnings.
        pair: First and second source, one of `breakdown.units.pairs`.

    Returns:
        A figure whose lines carry case id, lesion id, volume and both values as customdata. Of more than 80 units in
        a bin 80 are drawn, evenly by the rank of their difference, and the title of the panel says so.
    """
    units, bins = breakdown.units, shown_bins(breakdown, axis)[1:]
    records = breakdown.pair(*pair)
    of_pair = {record["bin"]: record for record in records[records["axis"] == axis].to_dict("records")}
    gain = (units.values[pair[1]] - units.values[pair[0]]).round(DECIMALS).to_numpy(dtype=float)
    gain = gain if units.measure.better == "higher" else -gain
    drawn = [evenly(b.inside, gain, MAX_LINES) for b in bins]
    titles = [_slope_title(b, of_pair.get(b.label[0]), len(d), units) for b, d in zip(bins, drawn, strict=True)]
    facts = case_facts(units, pair)
    figure = make_subplots(1, len(bins), shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.03)
    for column, (b, chosen) in enumerate(zip(bins, drawn, strict=True), 1):
        _add_lines(figure, column, (units.values, facts), pair, (chosen, gain[chosen]))
        _add_mean_line(figure, column, units, pair, b)
    for name, colour in _kinds(pair).values():
        if name in {trace.name for trace in figure.data}:
            figure.add_scatter(x=[None], y=[None], mode="lines", line_color=colour, name=name, legendgroup=name)
    names = ["<br>".join(textwrap.wrap(name, 14)) for name in pair]
    figure.update_xaxes(tickvals=[0, 1], ticktext=names, tickangle=0, range=[-0.3, 1.3], showgrid=False, zeroline=False)
    figure.update_yaxes(zeroline=False).update_yaxes(title=better_title(units), col=1)
    figure.update_annotations(font_size=12)
    legend = {"orientation": "h", "y": -0.16, "yanchor": "top", "x": 0, "traceorder": "normal"}
    return figure.update_layout(chart_layout(460) | {"legend": legend, "margin": {"l": 10, "r": 10, "t": 85, "b": 10}})


def _kinds(pair: Pair) -> dict[int, tuple[str, str]]:
    """Sign of a gain to its meaning in words and its colour."""
    return {
        -1: (f"{pair[0]} better", WORSE_COLOUR),
        0: ("equal", EQUAL_COLOUR),
        1: (f"{pair[1]} better", BETTER_COLOUR),
    }


def _slope_title(b: Bin, record: Mapping[Any, Any] | None, drawn: int, units: Units) -> str:
    name, *rest = b.label
    if record is not None and record["axis"] in units.covariates:
        name = "<br>".join(textwrap.wrap(capital(bin_words(record, units)), 30))
    lines = [f"<b>{name}</b>", ", ".join(text for text in rest if text)]
    if record is not None:
        mean, interval = signed_interval(record, units.measure.digits)
        lines.append(f"{mean} ({interval or 'too few'})")
    return "<br>".join(lines + ([f"{drawn} of {len(b.inside):,} drawn"] if drawn < len(b.inside) else []))


def _add_lines(
    figure: go.Figure,
    column: int,
    drawn: tuple[pd.DataFrame, Facts],
    pair: Pair,
    chosen: tuple[NDArray[np.int64], NDArray[np.float64]],
) -> None:
    """A line a unit with gaps between, by who is better; `chosen` are units and their gains."""
    facts, hover = drawn[1]
    values = drawn[0][list(pair)].to_numpy(dtype=float)
    for sign, (name, colour) in _kinds(pair).items():
        of = chosen[0][np.sign(chosen[1]) == sign]
        if of.size:
            figure.add_scatter(
                x=np.tile([0, 1, np.nan], len(of)),
                y=np.column_stack([values[of], np.full(len(of), np.nan)]).ravel(),
                mode="lines+markers",
                line={"width": 1, "color": colour},
                marker={"size": 4, "color": colour},
                opacity=0.55 if len(chosen[0]) < MAX_LINES else 0.25,
                customdata=np.repeat(facts[of], 3, axis=0),
                hovertemplate=hover,
                name=name,
                legendgroup=name,
                showlegend=False,
                row=1,
                col=column,
            )


def _add_mean_line(figure: go.Figure, column: int, units: Units, pair: Pair, b: Bin) -> None:
    if not b.records:
        return
    means = [b.records[name]["mean"] for name in pair]
    ends = [source_marker(units.sources.index(name), 2) for name in pair]
    marker = {key: [end[key] for end in ends] for key in ("color", "symbol")} | {"size": 13, "line": ends[0]["line"]}
    figure.add_scatter(
        x=[0, 1],
        y=means,
        mode="lines+markers",
        line={"width": 5, "color": GREY},
        marker=marker,
        hovertext=[
            f"<b>{name}</b>: mean {number(mean, units.measure.digits)}" for name, mean in zip(pair, means, strict=True)
        ],
        hoverinfo="text",
        name="mean",
        showlegend=False,
        row=1,
        col=column,
    )
