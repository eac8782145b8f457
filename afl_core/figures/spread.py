"""Charts without bins in between: difference against volume, whole distributions, and recall of lesions."""

import math
from typing import Protocol

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from afl_core.analysis.breakdown.bins import REST, Binning
from afl_core.analysis.breakdown.explore import axis_column
from afl_core.analysis.breakdown.measures import Measure
from afl_core.analysis.breakdown.units import Units
from afl_core.base.numbers import interval, number, with_unit
from afl_core.base.words import number_of
from afl_core.figures.chart_style import (
    GREY,
    Facts,
    Pair,
    add_dots,
    case_facts,
    chart_layout,
    difference_title,
    log_axis,
    marks_with_intervals,
    source_dash,
    source_marker,
    swarm,
)
from afl_core.figures.explore import add_coloured
from afl_core.figures.palette import source_style

Z95 = 1.959963984540054
DARK = "#6A6A6A"
"""Colour of a line with a white rim, which stands out from dots on light pages and on dark ones."""

MOST_STEPS = 5000
"""Steps of a line: more would stand closer than the pixels of a screen. Those drawn are where they are of all."""

RUG = 0.15
"""Height of the strips of found and of missed lesions, in units of recall."""


class Line(Protocol):
    """The line `difference = intercept + slope * log2(size in ml)`; low and high are the interval of the slope."""

    @property
    def slope(self) -> float: ...  # noqa: D102
    @property
    def intercept(self) -> float: ...  # noqa: D102
    @property
    def low(self) -> float: ...  # noqa: D102
    @property
    def high(self) -> float: ...  # noqa: D102


def plot_trend(units: Units, pair: Pair, trend: Line | None, *, colour_by: str = "roughness") -> go.Figure:
    """Difference of two sources against tumour volume, one dot a unit.

    Args:
        units: The paired table; units without a tumour are left out (a logarithm has no 0).
        pair: First and second source; the difference is second minus first.
        trend: Line to draw, with a band between the lines of its lowest and highest slope through its point at the
            median volume.
        colour_by: Key of the axis that colours the dots, a covariate too; those without a value are hollow.
    """
    size = axis_column(units, "size").values
    placed = np.flatnonzero(np.isfinite(size))
    figure = go.Figure()
    figure.add_hline(y=0, line={"width": 1, "color": GREY})
    difference = (units.values[pair[1]] - units.values[pair[0]]).to_numpy(dtype=float)
    add_coloured(figure, size, difference, axis_column(units, colour_by), case_facts(units, pair))
    if trend is not None and placed.size:
        _add_trend(figure, size[placed], trend, units.measure)
    title = f"{units.axis('size').label} (ml, logarithmic), {number_of(len(placed), units.noun[:-1])}"
    figure.update_xaxes(title=title, **log_axis(size[placed]))
    figure.update_yaxes(title=difference_title(units, pair), zeroline=False)
    return figure.update_layout(chart_layout(420))


def plot_cumulative(units: Units) -> go.Figure:
    """Share of the units that score up to a value, a step line a source.

    Returns:
        A figure whose steps carry case id, lesion id and volume as customdata.
    """
    facts, hover = case_facts(units)
    n = len(units.table)
    figure = go.Figure()
    for k, source in enumerate(units.sources):
        y = units.values[source].to_numpy(dtype=float)
        steps = np.unique(np.linspace(0, n - 1, min(n, MOST_STEPS)).round().astype(int))
        order = np.argsort(y, kind="stable")[steps]
        text = f"<br>{source} %{{x:.{units.measure.digits}f}}<br>%{{y:.1%}} of the {units.noun} up to here<extra>"
        figure.add_scatter(
            x=np.concatenate([y[order[:1]], y[order]]),
            y=np.concatenate([[0], (steps + 1) / n]) if n else [],
            mode="lines",
            line={"shape": "hv", "width": 2, "color": source_style(k)[0], "dash": source_dash(k)},
            customdata=facts[np.concatenate([order[:1], order])],
            hovertemplate=hover.replace("<extra>", text),
            name=source,
        )
    figure.update_xaxes(title=f"{units.measure.title}, {units.measure.better} is better", zeroline=False)
    share = f"Share of {number_of(n, units.noun[:-1])} up to a value"
    share += f"<br>{MOST_STEPS:,} steps drawn" if n > MOST_STEPS else ""
    figure.update_yaxes(title=share, tickformat=".0%", range=[0, 1.02], zeroline=False)
    return figure.update_layout(chart_layout(400))


def plot_recall(units: Units, binning: Binning) -> go.Figure:
    """Recall of each source in each bin at the bin's median volume, and every lesion as a tick above or below.

    Lesions are pooled over patients: a patient with many counts with each of them, and the interval, which takes
    lesions as independent, is then too short.

    Args:
        units: Lesions with the measure `detected`.
        binning: The bins by tumour size.

    Returns:
        A figure whose ticks carry case id, lesion id and volume as customdata.
    """
    size = units.table["size"].to_numpy(dtype=float)
    numbers = binning.assign(size)
    bins = [np.flatnonzero(numbers == k) for k in range(REST)]
    figure = go.Figure()
    for edge in binning.edges:
        figure.add_vline(x=edge, line={"width": 1, "color": GREY, "dash": "dot"})
    span = np.log10(size) if len(size) else np.zeros(1)
    ends = (float(span.min()) - 0.08, float(span.max()) + 0.08)
    centres = np.log10([np.median(size[inside]) for inside in bins if inside.size])
    step = min(0.02 * (ends[1] - ends[0]), *(0.8 * np.diff(centres) / len(units.sources)), 1.0)
    facts = case_facts(units)
    for k in range(len(units.sources)):
        _add_lesions(figure, units, k, facts)
        _add_recall(figure, units, k, bins, step)
    _add_bin_labels(figure, size, binning, bins, ends)
    title = f"{units.axis('size').label} (ml, logarithmic), {number_of(len(size), 'lesion')}"
    figure.update_xaxes(title=title, range=ends, **log_axis(size))
    figure.update_yaxes(
        title="Lesion recall, higher is better",
        range=[-RUG - 0.02, 1 + RUG + 0.02],
        tickvals=[-RUG / 2, 0, 0.25, 0.5, 0.75, 1, 1 + RUG / 2],
        ticktext=["missed", "0 %", "25 %", "50 %", "75 %", "100 %", "found"],
        zeroline=False,
    )
    layout = chart_layout(440) | {"margin": {"l": 10, "r": 10, "t": 70, "b": 10}}
    layout["legend"] |= {"y": -0.2, "yanchor": "top"}
    return figure.update_layout(layout)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of n; a share may be a mean over seeds.

    Source: Wilson, JASA 22 (1927) 209.

    >>> [round(end, 3) for end in wilson(0.5, 10)]
    [0.237, 0.763]
    """
    centre = share + Z95**2 / (2 * n)
    half = Z95 * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    below = 1 + Z95**2 / n
    return max((centre - half) / below, 0.0), min((centre + half) / below, 1.0)


def _add_trend(figure: go.Figure, sizes: NDArray[np.float64], trend: Line, measure: Measure) -> None:
    x = np.log2([sizes.min(), float(np.median(sizes)), sizes.max()])
    y = trend.intercept + trend.slope * x
    steep, flat = (y[1] + slope * (x - x[1]) for slope in (trend.low, trend.high))
    shown = {"mode": "lines", "hoverinfo": "skip", "legendgroup": "trend"}
    upper, lower = np.maximum(steep, flat), np.minimum(steep, flat)
    edge = {"line": {"width": 0, "color": GREY}, "showlegend": False}
    figure.add_scatter(x=2**x, y=lower, **edge, **shown)
    figure.add_scatter(x=2**x, y=upper, fill="tonexty", fillcolor="rgba(140,140,140,0.25)", **edge, **shown)
    slope = with_unit(number(trend.slope, measure.digits, sign=True), measure.unit)
    per = f"{slope} per doubling ({interval(trend.low, trend.high, measure.digits, sign=True)})"
    figure.add_scatter(x=2**x, y=y, line={"width": 7, "color": "white"}, showlegend=False, **shown)
    figure.add_scatter(x=2**x, y=y, line={"width": 3, "color": DARK}, name=f"trend: {per}", **shown)


def _add_lesions(figure: go.Figure, units: Units, index: int, facts: Facts) -> None:
    """A dot a lesion in the source's own lane of a strip: above 1 if found, below 0 if missed."""
    source, (colour, symbol) = units.sources[index], source_style(index)
    size, recall = (column.to_numpy(dtype=float) for column in (units.table["size"], units.values[source]))
    lane = RUG / len(units.sources)
    off = 0.01 + lane * (index + 0.5 + 0.7 * swarm(np.log(size)))
    y = recall + np.where(recall == 1, off, np.where(recall == 0, -off, 0))
    dots = len(size) * len(units.sources)
    add_dots(
        figure,
        dots,
        x=size,
        y=y.astype(np.float32),
        marker={"size": 3 if dots > 600 else 5, "opacity": 0.5, "color": colour, "symbol": symbol},
        customdata=np.column_stack([facts[0], [f"{value:.3g}" for value in recall]]),
        hovertemplate=facts[1].replace("<extra>", f"<br>{source}: %{{customdata[3]}} (1 found, 0 missed)<extra>"),
        name=source,
        legendgroup=source,
        showlegend=False,
    )


def _add_recall(figure: go.Figure, units: Units, index: int, bins: list[NDArray[np.int64]], step: float) -> None:
    """Recall in each bin that holds a lesion, the sources side by side in steps of log10 of the volume."""
    source, count = units.sources[index], len(units.sources)
    held = [
        (inside, wilson(float(units.values[source].iloc[inside].mean()), len(inside))) for inside in bins if inside.size
    ]
    recall = np.array([units.values[source].iloc[inside].mean() for inside, _ in held])
    low, high = np.array([ends for _, ends in held]).reshape(-1, 2).T
    aside = 10 ** (step * (index - (count - 1) / 2))
    figure.add_scatter(
        x=[float(units.table["size"].iloc[inside].median()) * aside for inside, _ in held],
        **marks_with_intervals(recall, low, high, source_marker(index, count)),
        hovertext=[
            f"<b>{source}</b>: recall {number(share)}<br>95 % interval {interval(*ends)}, n = {len(inside):,}"
            for share, (inside, ends) in zip(recall, held, strict=True)
        ],
        hoverinfo="text",
        name=source,
        legendgroup=source,
    )


def _add_bin_labels(
    figure: go.Figure,
    size: NDArray[np.float64],
    binning: Binning,
    bins: list[NDArray[np.int64]],
    ends: tuple[float, float],
) -> None:
    """Name, range and n above the median of each bin; stepped where they would touch."""
    at = [(math.log10(float(np.median(size[b]))) - ends[0]) / (ends[1] - ends[0]) if b.size else math.nan for b in bins]
    held = [x for x in at if not math.isnan(x)]
    close = bool(np.any(np.diff(held) < 0.27))
    for k, (x, inside) in enumerate(zip(at, bins, strict=True)):
        if math.isnan(x):
            continue
        range_ = binning.ends_text(k)
        text = f"<b>{binning.names[k]}</b>, {range_}, n = {len(inside):,}"
        if not close:
            text = text.replace(", ", "<br>", 1)
        side = "left" if x < 0.14 else "right" if x > 0.86 else "center"
        where = {"x": {"left": 0, "right": 1}.get(side, x), "xanchor": side, "yanchor": "bottom", "showarrow": False}
        lift = 1.01 + (0.055 * (2 - k) if close else 0)
        figure.add_annotation(text=text, xref="paper", yref="paper", y=lift, font={"size": 12}, **where)
