"""Training page: the curves of a run."""

from collections.abc import Mapping

import plotly.graph_objects as go
import streamlit as st

from afl_core.figures.training import Rows, plot_factor, plot_loss, plot_validation
from afl_core.ui.breakdown import chart_config


def show_curves(name: str, rows: Rows, validation: Mapping[str, Rows]) -> None:
    """Loss, validation DSC with that of its partners, and the factors of A-FL; nothing before the first report."""
    if not rows:
        return
    columns = st.columns(2, gap="large")
    with columns[0]:
        _draw(plot_loss(rows), f"{name} loss")
    with columns[1]:
        if any(row["validation_dsc"] is not None for own in validation.values() for row in own):
            _draw(plot_validation(validation), f"{name} validation")
        else:
            st.caption("The first validation is still to come.")
    if any(row["factors"] for row in rows):
        for column, factor in zip(st.columns(2, gap="large"), ("gamma", "alpha"), strict=True):
            with column:
                _draw(plot_factor(rows, factor), f"{name} {factor}")
        st.caption(
            "gamma and alpha of A-FL over the patches since the last validation: mean, and from the lowest to the "
            "highest. A wide band is a loss that treats patches very differently; one that runs to the edge of its "
            "range is worth a look in the settings."
        )


def _draw(figure: go.Figure, name: str) -> None:
    st.plotly_chart(figure, key=name, config=chart_config(name))
