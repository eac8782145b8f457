"""Charts of the loss X-ray: gammas of a cohort, the losses' curves, and where their gradients go."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from afl_core.analysis.xray.focusing import P_RANGE, focal_loss, focal_slope, kept_at
from afl_core.analysis.xray.gradients import PLACES, Shares
from afl_core.figures.chart_style import GREY, LOG_AXIS, chart_layout
from afl_core.figures.charts import ROUGHNESS_SCALE
from afl_core.figures.palette import REFERENCE_COLOUR, SOURCE_COLOURS, ink, source_style

Floats = NDArray[np.float64]

FLOOR = 1e-5
"""Gammas below, 0 among them, are drawn here: a logarithm has no 0."""

BY_CLASS = "CE by class"
ORDER = ("FL", "A-FL released", BY_CLASS, "A-FL paper", "A-FL scale-free", "yours")
"""Names in the order of their colours; FL and A-FL have those that they have on every page."""

DASHES: Mapping[str, str] = {
    "A-FL released": "dash",
    "A-FL paper": "dashdot",
    "A-FL scale-free": "dot",
    "yours": "solid",
}

CHANNEL_COLOURS = (GREY, SOURCE_COLOURS[2])
PLACE_COLOURS = ("#0B5D44", "#009E73", "#F0E442", "#C9B08A", GREY)
"""Colours from the tumour outwards: greens, yellow, tan, grey; their lightness differs too."""


def colour_of(name: str) -> str:
    """Colour of a loss; cross-entropy, to which the others are compared, is grey."""
    return GREY if name == BY_CLASS else source_style(ORDER.index(name))[0]


def plot_gammas(table: pd.DataFrame, gamma: Floats, *, title: str, chosen: str, roughest: float) -> go.Figure:
    """Gamma of every case against its tumour's volume, both logarithmic, with FL's 2 as a line.

    Args:
        table: Cases with a tumour, columns as `xray_table`.
        gamma: One value for each case.
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
    shade = {"color": rough[measured], "colorscale": ROUGHNESS_SCALE, "cmin": 0, "cmax": roughest, "colorbar": bar}
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
    figure.update_xaxes(title=f"Tumour volume (ml, logarithmic), n = {len(table):,}", **LOG_AXIS)
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
        values: Name to a value a case; first at the top. Zeros are drawn at FLOOR.
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


def plot_curves(gammas: Mapping[str, float], weights: Mapping[str, float]) -> go.Figure:
    """Loss and size of its gradient against p_t, side by side, a line a loss.

    Args:
        gammas: Name of the loss to its exponent on the case.
        weights: Name of the loss to its weight.
    """
    p = np.linspace(*P_RANGE, 99)
    logit = np.log(p) - np.log1p(-p)
    traces = []
    for name, gamma in gammas.items():
        look = {
            "line": {
                "color": colour_of(name),
                "width": 6 if name == BY_CLASS else 3,
                "dash": DASHES.get(name, "solid"),
            },
            "opacity": 0.6 if name == BY_CLASS else 1,
            "name": f"{name}, gamma {gamma:.3g}",
            "legendgroup": name,
            "hovertemplate": f"{name}<br>p_t %{{x:.2f}}: %{{y:.4f}}<extra></extra>",
        }
        for axis, y in (("", focal_loss(p, gamma)), ("2", focal_slope(logit, gamma))):
            place = {"xaxis": f"x{axis}", "yaxis": f"y{axis}", "showlegend": not axis}
            traces.append({"type": "scatter", "mode": "lines", "x": p, "y": weights[name] * y} | look | place)
    layout = chart_layout(400) | _side_by_side(("Loss of a voxel", "Its gradient"), 0.46, 0.54)
    for axis in ("xaxis", "xaxis2"):
        layout[axis] |= {"title": {"text": "p_t"}, "range": [0, 1]}
    for axis in ("yaxis", "yaxis2"):
        layout[axis] |= {"rangemode": "tozero"}
    layout["legend"] |= {"y": -0.26, "yanchor": "top"}
    return go.Figure(traces, layout)


def _side_by_side(titles: tuple[str, str], left: float, right: float) -> dict[str, Any]:
    """Layout of two charts, up to `left` and from `right` on; `make_subplots` takes a tenth of a second for it."""
    domains = ([0, left], [right, 1])
    look = {"xref": "paper", "yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False, "font": {"size": 15}}
    look |= {"xanchor": "left"}
    named = [{"text": text, "x": ends[0]} | look for text, ends in zip(titles, domains, strict=True)]
    return {
        "xaxis": {"domain": domains[0], "anchor": "y", "zeroline": False},
        "xaxis2": {"domain": domains[1], "anchor": "y2", "zeroline": False},
        "yaxis": {"anchor": "x", "zeroline": False},
        "yaxis2": {"anchor": "x2", "zeroline": False},
        "annotations": named,
    }


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


def plot_shares(shares_by_loss: Mapping[str, Shares]) -> go.Figure:
    """Stacked bars a loss: which channel gets the gradient, and which place of the volume.

    Args:
        shares_by_loss: Name of the loss to its shares; first at the top.
    """
    by_channel = [
        (f"{name} channel", CHANNEL_COLOURS[c], [float(s.parts[c].sum()) for s in shares_by_loss.values()], "")
        for c, name in ((1, "tumour"), (0, "background"))
    ]
    by_place = [
        (place, PLACE_COLOURS[k], [float(s.parts[:, k].sum()) for s in shares_by_loss.values()], "2")
        for k, place in enumerate(PLACES)
    ]
    traces = [_bars(list(shares_by_loss), *bar) for bar in by_channel + by_place]
    layout = chart_layout(150 + 40 * len(shares_by_loss)) | _side_by_side(
        ("Which channel learns", "Where in the volume"), 0.4, 0.46
    )
    layout["annotations"] += _left_out(shares_by_loss)
    for axis in ("xaxis", "xaxis2"):
        layout[axis] |= {"tickformat": ".0%", "range": [0, 1], "dtick": 0.5}
    layout["yaxis"] |= {"autorange": "reversed", "automargin": True}
    layout["yaxis2"] |= {"matches": "y", "showticklabels": False}
    flat = {"orientation": "h", "x": 0, "yanchor": "top", "traceorder": "normal"}
    layout |= {"barmode": "stack", "legend": flat | {"y": -0.1}, "legend2": flat | {"y": -0.2}}
    return go.Figure(traces, layout)


def _bars(names: list[str], what: str, colour: str, share: list[float], axis: str) -> dict[str, Any]:
    """One part of every bar of a panel, with its share in it where there is room; `_left_out` says the least ones."""
    top = 1.01 if axis else 0.94
    return {
        "type": "bar",
        "y": names,
        "x": share,
        "orientation": "h",
        "marker": {"color": colour, "line": {"width": 1, "color": "white"}},
        "text": [f"{100 * s:.0f} %" if 0.06 <= s < top else "" for s in share],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "textfont": {"color": ink(colour)},
        "name": what,
        "legend": f"legend{axis}",
        "xaxis": f"x{axis}",
        "yaxis": f"y{axis}",
        "hovertemplate": f"%{{y}}<br>{what}: %{{x:.2%}}<extra></extra>",
    }


def _left_out(shares_by_loss: Mapping[str, Shares]) -> list[dict[str, Any]]:
    """The share of the tumour channel in words, where its bar is too short to see."""
    look = {"x": 0.02, "xref": "x", "yref": "y", "xanchor": "left", "showarrow": False, "font": {"color": ink(GREY)}}
    return [
        look | {"y": name, "text": f"<b>tumour channel: {100 * shares.tumour_channel:.2g} %</b>"}
        for name, shares in shares_by_loss.items()
        if shares.tumour_channel < 0.06
    ]
