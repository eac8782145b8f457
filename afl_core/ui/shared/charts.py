"""Every chart of a page: its settings, and its look when it is saved for a paper."""

import re
from typing import Any

import plotly.graph_objects as go
import streamlit as st

PICTURES, PICTURES_KEY, WHITE_KEY = ("PNG", "SVG"), "picture format", "white pictures"


def show_chart(figure: go.Figure, name: str, **options: Any) -> Any:
    """Draw a chart whose camera button saves it under that name; what was clicked, where `on_select` is given.

    The browser saves what it shows. A dark page's letters are nearly white, so a reader can have the charts of the page
    drawn on white.
    """
    if white := st.session_state.get(WHITE_KEY, False):
        figure = go.Figure(figure).update_layout(template="plotly_white", paper_bgcolor="white", plot_bgcolor="white")
    theme: Any = None if white else "streamlit"
    return st.plotly_chart(figure, theme=theme, config=_config(name), **options)


def _config(name: str) -> dict[str, Any]:
    """Plotly's settings of a chart whose camera button saves a picture of that name, drawn by the browser."""
    kind = st.session_state.get(PICTURES_KEY, PICTURES[0]).lower()
    picture = {"format": kind, "filename": re.sub(r"[^A-Za-z0-9_-]+", "_", name), "scale": 3 if kind == "png" else 1}
    return {"displaylogo": False, "toImageButtonOptions": picture}
