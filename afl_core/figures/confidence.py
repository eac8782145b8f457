"""The reliability chart: how often voxels of a probability are tumour, above how many of them there are."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from afl_core.analysis.confidence import Confidence
from afl_core.figures.chart_style import GREY, chart_layout, source_dash
from afl_core.figures.palette import rgb, source_style
from afl_core.metrics.reliability import BINS

CENTRES = (np.arange(BINS) + 0.5) / BINS


def plot_reliability(found: Mapping[str, Confidence], names: tuple[str, ...], part: str) -> go.Figure:
    """Share of the reference among the voxels of each bin of the probability, a line a source with its 95 % band.

    A calibrated source lies on the dotted line. Below, the number of voxels in each bin, on a logarithmic axis.

    Args:
        found: Source to its counts.
        names: Every source of the results, by whose place a source has its colour.
        part: Key of `PARTS`.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.74, 0.26], vertical_spacing=0.05)
    line = {"width": 1, "color": GREY, "dash": "dot"}
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=line, hoverinfo="skip", showlegend=False, row=1, col=1)
    for name, of in found.items():
        _add_source(figure, name, of, names.index(name), part)
    figure.update_xaxes(range=[0, 1], zeroline=False)
    figure.update_xaxes(title="Probability of the tumour", row=2, col=1)
    figure.update_yaxes(title="Share in the reference", tickformat=".0%", range=[0, 1.02], zeroline=False, row=1, col=1)
    most = max(of.curve(part).voxels.max() for of in found.values())
    ends = [0, np.log10(max(most, 1)) + 0.2]
    figure.update_yaxes(title="Voxels", type="log", range=ends, exponentformat="power", dtick=2, row=2, col=1)
    return figure.update_layout(chart_layout(520), barmode="group", bargap=0.1)


def _add_source(figure: go.Figure, name: str, of: Confidence, index: int, part: str) -> None:
    """The curve of a source, its band, and its counts below."""
    (colour, symbol), curve = source_style(index), of.curve(part)
    low, high = of.curve_interval(part)
    some = curve.voxels > 0
    x, y = curve.probability[some], curve.frequency[some]
    figure.add_scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([high[some], low[some][::-1]]),
        fill="toself",
        fillcolor=f"rgba({','.join(map(str, rgb(colour)))},0.15)",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        row=1,
        col=1,
    )
    figure.add_scatter(
        x=x,
        y=y,
        customdata=curve.voxels[some],
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": source_dash(index)},
        marker={"color": colour, "symbol": symbol, "size": 8},
        name=name,
        hovertemplate=f"<b>{name}</b><br>mean probability %{{x:.3f}}<br>%{{y:.1%}} in the reference"
        "<br>%{customdata:,.0f} voxels<extra></extra>",
        row=1,
        col=1,
    )
    figure.add_bar(
        x=CENTRES,
        y=curve.voxels,
        marker={"color": colour},
        showlegend=False,
        hovertemplate=f"<b>{name}</b><br>%{{y:,.0f}} voxels<extra></extra>",
        row=2,
        col=1,
    )
