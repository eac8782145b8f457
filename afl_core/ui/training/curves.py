"""Training page: the curves of a run."""

from collections.abc import Mapping

import plotly.graph_objects as go
import streamlit as st

from afl_core.figures.training import plot_factor, plot_loss, plot_validation
from afl_core.training.progress import Rows
from afl_core.ui.shared.charts import show_chart
from afl_core.ui.shared.errors import plain


def show_curves(curves: Mapping[str, Rows], *, chosen: str, steps: int, key: str) -> None:
    """Loss and validation DSC of the runs, and the factors of A-FL of one; nothing before the first report.

    Args:
        curves: Name on screen to rows, of the runs that are drawn together, FL first.
        chosen: Name of the run whose factors are drawn.
        steps: Number of steps of the whole run.
        key: Text that tells its charts from those of other runs.
    """
    if not any(curves.values()):
        return
    columns = st.columns(2, gap="large")
    with columns[0]:
        _draw(plot_loss(curves, steps=steps), f"{key} loss")
    with columns[1]:
        if any(row["validation_dsc"] is not None for run in curves.values() for row in run):
            _draw(plot_validation(curves, steps=steps), f"{key} validation")
        else:
            st.caption("The first validation is still to come.")
    if any(row["factors"] for row in curves[chosen]):
        for column, factor in zip(st.columns(2, gap="large"), ("gamma", "alpha"), strict=True):
            with column:
                _draw(plot_factor(curves[chosen], factor, steps=steps), f"{key} {factor}")
        st.caption(
            f"gamma and alpha of {plain(chosen)} over the patches since the last validation. Line: mean; dotted: "
            "median; band: from the lowest to the highest. A wide band is a loss that treats patches very differently."
        )


def _draw(figure: go.Figure, name: str) -> None:
    show_chart(figure, name, key=name)
