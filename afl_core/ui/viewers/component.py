"""A viewer as a Streamlit component: the files of `static/` that draw it, and the bytes that it is given."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer


@cache
def component(name: str, styles: str, *scripts: str) -> ComponentRenderer:
    """The component of that name; each file is one of `static/`, and scripts run in the order given."""
    static = files(__package__) / "static"
    html, theme, css, *js = (
        (static / file).read_text(encoding="utf-8")
        for file in (f"{styles}.html", "theme.css", f"{styles}.css", *scripts)
    )
    return st.components.v2.component(name, html=html, css=theme + css, js="\n".join(js))


def framed(content: Mapping[str, Any]) -> bytes:
    """JSON behind its own length, four bytes with the lowest first, so that raw bytes may follow it."""
    text = json.dumps(content, separators=(",", ":")).encode()
    return len(text).to_bytes(4, "little") + text


def ignore() -> None:
    """A callback that does nothing: Streamlit returns a state only where a callback names it."""
