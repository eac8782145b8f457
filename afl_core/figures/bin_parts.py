"""Parts of the charts over bins: the bins themselves, and in each the dots, means and seeds of a source."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from afl_core.analysis.breakdown.bins import OWN_EDGES, Binning
from afl_core.analysis.breakdown.records import ALL, Breakdown
from afl_core.analysis.breakdown.units import Units
from afl_core.base.numbers import NOTHING, interval, number
from afl_core.base.words import number_of
from afl_core.figures.chart_style import Facts, marks_with_intervals, source_marker, swarm
from afl_core.figures.palette import source_style

LABEL_WIDTH = 10
"""Characters in a line of a bin's label."""

MAX_LINES = 80
"""Lines in one panel; of more, none can be followed."""

MAX_DOTS = 2000
"""Dots in one chart, all in SVG: a moved edge draws it anew, which takes WebGL longer where there is no GPU."""

LANES = 0.84
"""Width of the lanes of all sources, where the next bin begins at 1."""


@dataclass(frozen=True, eq=False)
class Bin:
    """A bin of a chart: lines of its label, the places of its units, and the record of each source."""

    label: tuple[str, ...]
    inside: NDArray[np.int64]
    records: Mapping[str, Mapping[Any, Any]]


def shown_bins(breakdown: Breakdown, axis: str) -> list[Bin]:
    """Everything, the bins, and the rest if it holds a unit."""
    units, records = breakdown.units, breakdown.records
    binning = next(b for b in breakdown.binnings if b.axis == axis)
    numbers = binning.assign(units.table[axis])
    parts = [(ALL, ALL, units.noun, np.arange(len(numbers)))]
    parts += [(axis, name, binning.ends_text(k), np.flatnonzero(numbers == k)) for k, name in enumerate(binning.names)]
    bins = []
    for of_axis, name, range_, inside in parts if (numbers == binning.rest).any() else parts[:-1]:
        rows = records[(records["axis"] == of_axis) & (records["bin"] == name)].drop_duplicates("source")
        n = int(rows["n"].iloc[0]) if len(rows) else 0
        counts = (f"n = {n:,}",) if n == len(inside) else (f"n = {n:,}", number_of(len(inside), units.noun[:-1]))
        bins.append(Bin((name, range_, *counts), inside, {r["source"]: r for r in rows.to_dict("records")}))
    return bins


def n_text(n: int, units: Units) -> str:
    """How many patients a mark is over: n where each has one unit, in words where the units are more."""
    return f"n = {n:,}" if units.table["patient"].is_unique else number_of(n, "patient")


def n_note(units: Units) -> str:
    """What stands behind a title where n counts patients, and the units are more; else ""."""
    return "" if units.table["patient"].is_unique else " (n: patients)"


def short_lines(label: Sequence[str]) -> str:
    """The label of a bin in lines so short that five fit side by side in half a narrow page; a number keeps its unit.

    >>> short_lines(["medium", "100 to 200 ml"])
    'medium<br>100 to<br>200 ml'
    """
    lines = [line for part in label for line in textwrap.wrap(part.replace(" ml", "\xa0ml"), LABEL_WIDTH)]
    return "<br>".join(lines).replace("\xa0", " ")


def axis_title(units: Units, binning: Binning) -> str:
    """Title of the axis of bins, which says where a reader moved their edges, and that a covariate is exploratory."""
    own = f", {OWN_EDGES}" if binning.how == OWN_EDGES else ""
    axis = units.axis(binning.axis)
    return axis.title + own + axis.mark


def drawn_units(units: Units, sources: Sequence[str], bins: Sequence[Bin]) -> list[Bin]:
    """The bins with no more units than can be drawn for so many sources, the same ones for each."""
    dots = len(sources) * sum(len(b.inside) for b in bins)
    middle = units.values[list(sources)].mean(axis=1).to_numpy(dtype=float)
    most = [math.ceil(len(b.inside) * min(MAX_DOTS / max(dots, 1), 1)) for b in bins]
    return [replace(b, inside=evenly(b.inside, middle, m)) for b, m in zip(bins, most, strict=True)]


def add_units(
    figure: go.Figure, units: Units, index: int, bins: Sequence[Bin], places: NDArray[np.float64], facts: Facts
) -> None:
    """The units of a source as dots, in each bin that holds them."""
    source, (colour, symbol) = units.sources[index], source_style(index)
    carried, hover = facts
    y = units.values[source].to_numpy(dtype=float)
    order = np.concatenate([b.inside for b in bins])
    x = [place + 0.75 * LANES / len(units.sources) * swarm(y[b.inside]) for place, b in zip(places, bins, strict=True)]
    size, opacity = (5, 0.5) if len(order) <= 300 else (4, 0.3) if len(order) <= 1200 else (3, 0.22)
    figure.add_scatter(
        mode="markers",
        x=np.concatenate(x).astype(np.float32),
        y=y[order],
        marker={"color": colour, "symbol": symbol, "size": size, "opacity": opacity},
        customdata=carried[order],
        hovertemplate=hover
        if len(units.pairs) == 1
        else hover.replace("<extra>", f"<br>{source} %{{y:.{units.measure.digits}f}}<extra>"),
        name=source,
        legendgroup=source,
        showlegend=False,
    )


def add_means(figure: go.Figure, units: Units, index: int, bins: Sequence[Bin], places: NDArray[np.float64]) -> None:
    """The mean of a source in each bin with its interval, and no interval where the records have none."""
    source, digits = units.sources[index], units.measure.digits
    shown = [(x, b, b.records[source]) for x, b in zip(places, bins, strict=True) if source in b.records]
    mean, low, high = (np.array([r[key] for *_, r in shown]) for key in ("mean", "mean_low", "mean_high"))
    figure.add_scatter(
        x=[x for x, *_ in shown],
        **marks_with_intervals(mean, low, high, source_marker(index, len(units.sources))),
        hovertext=[
            f"<b>{source}</b>, {b.label[0]}: mean {number(r['mean'], digits)}<br>{_interval(r, units)}"
            for _, b, r in shown
        ],
        hoverinfo="text",
        name=source,
        legendgroup=source,
    )


def _interval(record: Mapping[Any, Any], units: Units) -> str:
    ends = interval(record["mean_low"], record["mean_high"], units.measure.digits)
    return f"{'no interval' if ends == NOTHING else f'95 % interval {ends}'}, {n_text(record['n'], units)}"


def add_seeds(figure: go.Figure, units: Units, index: int, bins: Sequence[Bin], places: NDArray[np.float64]) -> None:
    """The mean of each seed: a patient counts once, as in the mean of the source."""
    source, patients = units.sources[index], units.table["patient"].to_numpy()
    x, y, text = [], [], []
    for place, b in zip(places, bins, strict=True):
        means = units.seeds[source].iloc[b.inside].groupby(patients[b.inside]).mean().mean()
        for seed, mean in means.dropna().items():
            x.append(place)
            y.append(mean)
            text.append(f"<b>{seed}</b>, {b.label[0]}: mean {number(mean, units.measure.digits)}")
    marker = {"symbol": "diamond-open", "color": source_style(index)[0], "size": 8, "line": {"width": 1.5}}
    named = {"name": source, "legendgroup": source, "showlegend": False}
    figure.add_scatter(x=x, y=y, mode="markers", marker=marker, hovertext=text, hoverinfo="text", **named)


def evenly(inside: NDArray[np.int64], values: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Choose at most `most` of the units, spread evenly by the rank of their values."""
    ranked = inside[np.argsort(values[inside], kind="stable")]
    if len(ranked) <= most:
        return ranked
    spaced: NDArray[np.int64] = ranked[np.linspace(0, len(ranked) - 1, most).round().astype(int)]
    return spaced
