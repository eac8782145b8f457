"""Plotly charts: tables in, figures out."""

import plotly.graph_objects as go

from afl_core.analysis.breakdown.units import Units
from afl_core.figures.chart_style import add_dots, better_title, case_facts, chart_layout, log_axis
from afl_core.figures.palette import source_style


def plot_against_volume(units: Units) -> go.Figure:
    """The metric of one source against tumour volume, one dot a case.

    Args:
        units: The cases, of one source.

    Returns:
        A figure whose dots carry case id, lesion id, volume and value as customdata. Cases without a tumour are left
        out: a logarithm has no 0.
    """
    (source,) = units.sources
    facts, hover = case_facts(units)
    there = (units.table["size"] > 0).to_numpy()
    colour, symbol = source_style(0)
    figure = go.Figure()
    add_dots(
        figure,
        int(there.sum()),
        x=units.table["size"][there],
        y=units.values[source][there],
        marker={"color": colour, "symbol": symbol, "size": 9, "line": {"width": 1, "color": "gray"}},
        customdata=facts[there],
        hovertemplate=hover.replace("<extra>", f"<br>{units.measure.label} %{{y:.{units.measure.digits}f}}<extra>"),
        showlegend=False,
    )
    size = units.table["size"][there]
    figure.update_xaxes(title=f"{units.axis('size').label} (ml, logarithmic), n = {int(there.sum())}", **log_axis(size))
    figure.update_yaxes(title=better_title(units), zeroline=False)
    return figure.update_layout(chart_layout(400))
