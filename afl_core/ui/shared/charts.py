"""Settings that every chart shares."""

import re
from typing import Any

import streamlit as st

PICTURES, PICTURES_KEY = ("PNG", "SVG"), "picture format"


def chart_config(name: str) -> dict[str, Any]:
    """Plotly's settings of a chart whose camera button saves a picture of that name, drawn by the browser."""
    kind = st.session_state.get(PICTURES_KEY, PICTURES[0]).lower()
    picture = {"format": kind, "filename": re.sub(r"[^A-Za-z0-9_-]+", "_", name), "scale": 3 if kind == "png" else 1}
    return {"displaylogo": False, "toImageButtonOptions": picture}
