"""Plotly charts: tables in, figures out."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from afl_core.analysis.statistics.paired import wide
from afl_core.figures.chart_style import log_axis
from afl_core.metrics import METRICS

ROUGHNESS_SCALE = "Cividis"
"""Colours that are readable with any colour vision, and in grey."""


def plot_differences(rows: pd.DataFrame, metric: str, sources: tuple[str, str]) -> go.Figure:
    """Paired difference of two sources against tumour volume, one dot a case.

    Args:
        rows: Case rows, one per (case, source).
        metric: Key of the metric in METRICS.
        sources: First and second source; the difference is second minus first.

    Returns:
        A figure whose points carry the case id as customdata. Colour is the roughness; cases too small to carry one are
        drawn hollow, and cases without a tumour are left out (a logarithm has no 0).
    """
    first, second = sources
    values = wide(rows, metric, sources)
    cases = rows.drop_duplicates("case_id").set_index("case_id")[["reference_volume_ml", "roughness"]]
    table = cases.join(values).assign(difference=values[second] - values[first])
    table = table[(table["reference_volume_ml"] > 0) & table["difference"].notna()]
    better = {"higher": f"above 0: {second} better", "lower": f"below 0: {second} better", "zero": "nearer 0 is better"}
    figure = go.Figure()
    measured = table["roughness"].notna()
    _dots(figure, table[measured], sources, metric)
    _dots(figure, table[~measured], sources, metric, hollow=True)
    figure.add_hline(y=0, line_width=1, line_color="gray")
    title = f"{METRICS[metric].title}, {second} minus {first}"
    figure.update_xaxes(
        title=f"Tumour volume of the case (ml, logarithmic), n = {len(table)}", **log_axis(table["reference_volume_ml"])
    )
    figure.update_yaxes(title=title)
    return figure.update_layout(
        height=380,
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        title={"text": better[METRICS[metric].better], "font": {"size": 13}},
        legend={"orientation": "h", "y": 1.1, "x": 1, "xanchor": "right"},
        hoverlabel={"align": "left"},
    )


def _dots(
    figure: go.Figure, table: pd.DataFrame, sources: tuple[str, str], metric: str, *, hollow: bool = False
) -> None:
    if table.empty:
        return
    first, second = sources
    colour = {
        "color": table["roughness"],
        "colorscale": ROUGHNESS_SCALE,
        "cmin": 0,
        "colorbar": {"title": {"text": "roughness"}, "thickness": 12, "len": 0.8},
    }
    marker = {"symbol": "circle-open", "color": "gray"} if hollow else colour
    figure.add_scatter(
        x=table["reference_volume_ml"],
        y=table["difference"],
        mode="markers",
        name="too small to carry roughness" if hollow else "roughness measured",
        showlegend=hollow,
        marker={"size": 10, "line": {"width": 1, "color": "gray"}} | marker,
        customdata=np.stack([table.index, table[first].round(3), table[second].round(3)], axis=1),
        hovertemplate="<b>%{customdata[0]}</b><br>%{x:.2f} ml<br>"
        f"{first} %{{customdata[1]}}<br>{second} %{{customdata[2]}}<br>difference %{{y:+.3f}}<extra></extra>",
    )
