"""Charts of the loss X-ray: gammas of a cohort and by size, and the colours of the losses."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from afl_core.analysis.xray.focusing import kept_at
from afl_core.figures.chart_style import GREY, chart_layout, log_axis
from afl_core.figures.palette import REFERENCE_COLOUR, ROUGHNESS_SCALE, source_style

Floats = NDArray[np.float64]

FLOOR = 1e-5
"""Gamma at which smaller ones, 0 among them, are drawn: a logarithm has no 0."""

BY_CLASS = "CE by class"
ORDER = ("FL", "A-FL released", BY_CLASS, "A-FL paper", "A-FL scale-free", "yours")
"""Names in the order of their colours; FL and A-FL have those that they have on every page."""

DASHES: Mapping[str, str] = {
    "A-FL released": "dash",
    "A-FL paper": "dashdot",
    "A-FL scale-free": "dot",
    "yours": "solid",
}


def colour_of(name: str) -> str:
    """Colour of a loss; cross-entropy, to which the others are compared, is grey."""
    return GREY if name == BY_CLASS else source_style(ORDER.index(name))[0]


def plot_gammas(table: pd.DataFrame, gamma: Floats, *, title: str, chosen: str, roughest: float) -> go.Figure:
    """Gamma of every case against its tumour's volume, both logarithmic, with FL's 2 as a line.

    Args:
        table: Cases with a tumour, columns as `xray_table`.
        gamma: Gamma of each case.
        title: Title of the vertical axis.
        chosen: Id of the case that has a ring around it.
        roughest: Upper end of the colours.

    Returns:
        A figure whose dots carry the case id as customdata.
    """
    figure = go.Figure()
    figure.add_hline(y=2, line={"width": 3, "color": colour_of("FL")})
    note = {"x": 0, "xref": "paper", "xanchor": "left", "showarrow": False, "font": {"size": 13}}
    figure.add_annotation(y=np.log10(2), text="<b>FL: gamma 2</b> on every case", yanchor="bottom", **note)
    rough = table["roughness"].to_numpy(np.float64)
    bar = {"title": {"text": "Roughness", "side": "right"}, "thickness": 12, "outlinewidth": 0}
    measured, unmeasured = np.flatnonzero(np.isfinite(rough)), np.flatnonzero(~np.isfinite(rough))
    shade = {
        "color": rough[measured],
        "colorscale": list(ROUGHNESS_SCALE),
        "cmin": 0,
        "cmax": roughest,
        "colorbar": bar,
    }
    _add_cases(figure, table.iloc[measured], gamma[measured], shade)
    _add_cases(figure, table.iloc[unmeasured], gamma[unmeasured], {"symbol": "circle-open", "color": GREY})
    ring = np.flatnonzero(table["case_id"] == chosen)
    figure.add_scatter(
        x=table["size"].iloc[ring],
        y=np.maximum(gamma[ring], FLOOR),
        mode="markers",
        marker={"size": 18, "symbol": "circle-open", "color": colour_of("A-FL released"), "line": {"width": 3}},
        hoverinfo="skip",
        showlegend=False,
    )
    figure.update_xaxes(
        title=f"Tumour volume (ml, logarithmic), n = {len(table):,}", **log_axis(table["size"].to_numpy(np.float64))
    )
    ticks = {"dtick": 1, "exponentformat": "none", "tickformat": "~r"}
    figure.update_yaxes(title=title, type="log", range=[np.log10(FLOOR), np.log10(6)], zeroline=False, **ticks)
    return figure.update_layout(chart_layout(400))


def _add_cases(figure: go.Figure, table: pd.DataFrame, gamma: Floats, marker: dict[str, Any]) -> None:
    """A dot a case; hollow ones are too small to carry a roughness."""
    volume = table["size"].map("{:.3g}".format)
    figure.add_scatter(
        x=table["size"],
        y=np.maximum(gamma, FLOOR),
        mode="markers",
        marker={"size": 8, "line": {"width": 1, "color": GREY}} | marker,
        customdata=np.column_stack([table["case_id"], volume, [f"{g:.4g}" for g in gamma]]),
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]} ml<br>gamma %{customdata[2]}<extra></extra>",
        showlegend=False,
    )


def plot_volume(share: float) -> go.Figure:
    """The whole volume as one bar, the tumour's share of it from the left."""
    figure = go.Figure()
    for name, part, colour in (("tumour", share, REFERENCE_COLOUR), ("background", 1 - share, GREY)):
        figure.add_bar(
            x=[part],
            y=[""],
            orientation="h",
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate=f"{name}: %{{x:.3%}}<extra></extra>",
            showlegend=False,
        )
    text = f"The whole volume: tumour <b>{100 * share:.2g} %</b> (left end)"
    where = {"x": 0, "xanchor": "left", "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False}
    figure.add_annotation(text=text, **where)
    figure.update_xaxes(visible=False, range=[0, 1])
    figure.update_yaxes(visible=False)
    return figure.update_layout(chart_layout(64) | {"barmode": "stack", "margin": {"l": 0, "r": 0, "t": 26, "b": 8}})


def plot_distributions(values: Mapping[str, Floats]) -> go.Figure:
    """Box of each quantity (quartiles; 5th and 95th percentile) on one logarithmic axis, with FL's gamma on it.

    Args:
        values: Name of the quantity to a value a case; first at the top. Zeros are drawn at FLOOR.
    """
    figure = go.Figure()
    figure.add_vline(x=2, line={"width": 3, "color": colour_of("FL")})
    figure.add_annotation(x=np.log10(2), y=1, yref="paper", text="<b>FL</b>", showarrow=False, yanchor="bottom")
    names = list(values)
    cuts = np.array([np.quantile(np.maximum(v, FLOOR), [0.05, 0.25, 0.5, 0.75, 0.95]) for v in values.values()]).T
    figure.add_trace(
        go.Box(
            y=names,
            orientation="h",
            **dict(zip(("lowerfence", "q1", "median", "q3", "upperfence"), cuts, strict=True)),
            marker={"color": colour_of("A-FL released")},
            line={"width": 2},
            showlegend=False,
        )
    )
    figure.update_xaxes(
        title="Value (logarithmic)",
        type="log",
        range=[np.log10(FLOOR), np.log10(4)],
        dtick=1,
        tickformat="~r",
        zeroline=False,
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    return figure.update_layout(chart_layout(60 + 48 * len(values)))


def plot_focusing(medians: pd.DataFrame, names: Sequence[str]) -> go.Figure:
    """Median gamma of each loss in each size bin, on a logarithmic axis, a line a loss.

    Args:
        medians: The medians, as `focusing_by_bin` gives them.
        names: Names of the bins by number.
    """
    traces = []
    for name in medians.columns:
        gamma = medians[name].to_numpy(np.float64)
        trace = {
            "type": "scatter",
            "x": [names[int(k)] for k in medians.index],
            "y": np.maximum(gamma, FLOOR),
            "mode": "lines+markers+text",
            "line": {"color": colour_of(name), "width": 4, "dash": DASHES.get(name, "solid")},
            "marker": {"size": 12, "color": colour_of(name)},
            "text": [f"{g:.2g}" for g in gamma],
            "textposition": "top center" if name == "FL" else "bottom center",
            "cliponaxis": False,
            "name": name,
            "customdata": 1 - kept_at(0.9, gamma),
            "hovertemplate": f"{name}: gamma %{{text}}<br>p_t 0.9 turned down by %{{customdata:.1%}}<extra></extra>",
        }
        traces.append(trace)
    axis = {"type": "log", "range": [np.log10(FLOOR) - 0.4, 1.2], "dtick": 1, "tickformat": "~r", "zeroline": False}
    layout = chart_layout(400) | {
        "xaxis": {"title": {"text": "Tumour volume"}, "range": [-0.4, len(medians) - 0.6]},
        "yaxis": axis | {"title": {"text": "Median gamma (logarithmic)"}},
    }
    return go.Figure(traces, layout)
