"""Charts of a data set before anything is compared: how large and how rough its tumours are."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from afl_core.base.numbers import significant, told_apart
from afl_core.figures.chart_style import GREY, chart_layout, count_axis, log_axis
from afl_core.figures.palette import REFERENCE_COLOUR

BINS = 24


def plot_volumes(volumes_ml: Sequence[float]) -> go.Figure:
    """Histogram of the tumour volumes of cases, with their median and tertiles.

    Args:
        volumes_ml: Volumes in ml, one a case; cases without a tumour (0) or that were not read (NaN) are left out.
    """
    values = np.array([v for v in volumes_ml if v > 0])
    if not values.size:
        return _nothing("No tumour")
    # Not by logspace: its ends are rounded, and the least or largest case may lie outside.
    edges = np.geomspace(values.min(), max(values.max(), values.min() * 10**0.1), BINS + 1)
    figure = _bars(values, edges, unit=" ml")
    figure.update_xaxes(title=f"Tumour volume of a case (ml, logarithmic), n = {len(values)}", **log_axis(values))
    return figure


def plot_roughness(roughness: Sequence[float]) -> go.Figure:
    """Histogram of the roughness of cases, with its median and tertiles; NaN is left out."""
    values = np.array([r for r in roughness if np.isfinite(r)])
    if not values.size:
        return _nothing("No tumour is large enough to carry roughness")
    edges = np.linspace(values.min(), max(values.max(), values.min() + 1e-3), BINS + 1)
    figure = _bars(values, edges, unit="")
    figure.update_xaxes(title=f"Roughness of a case, n = {len(values)}", zeroline=False)
    return figure


def _bars(values: NDArray[np.float64], edges: NDArray[np.float64], *, unit: str) -> go.Figure:
    counts, _ = np.histogram(values, bins=edges)
    texts = [f"{' to '.join(told_apart(a, b))}{unit}: {n}" for a, b, n in zip(edges, edges[1:], counts, strict=False)]
    figure = go.Figure()
    # Drawn as one outline of steps: bars of equal width do not exist on a logarithmic axis.
    figure.add_scatter(
        x=np.repeat(edges, 2),
        y=np.concatenate([[0], np.repeat(counts, 2), [0]]),
        fill="tozeroy",
        mode="lines",
        line={"color": REFERENCE_COLOUR, "width": 1.5},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=np.sqrt(edges[1:] * edges[:-1]) if unit else (edges[1:] + edges[:-1]) / 2,
        y=counts,
        mode="markers",
        marker={"opacity": 0, "size": 14},
        text=texts,
        hovertemplate="%{text}<extra></extra>",
    )
    for share, name in ((1 / 3, "tertile"), (1 / 2, "median"), (2 / 3, "tertile")):
        at = float(np.quantile(values, share))
        dash, label = ("solid", f"median {significant(at)}") if name == "median" else ("dot", significant(at))
        figure.add_vline(x=at, line={"color": GREY, "width": 1.2, "dash": dash})
        if name == "median":
            place = {"yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False}
            figure.add_annotation(x=np.log10(at) if unit else at, text=f"{label}{unit}", **place)
    figure.update_yaxes(title="cases", **count_axis(int(counts.max())))
    return figure.update_layout(**chart_layout(280), showlegend=False)


def _nothing(message: str) -> go.Figure:
    figure = go.Figure().add_annotation(text=message, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper")
    hidden = {"visible": False}
    return figure.update_layout(**chart_layout(280), xaxis=hidden, yaxis=hidden)
