"""Widgets that keep what was entered while another page is open."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

KEPT_KEY = "kept entries"


def kept(key: str, default: Any, options: Sequence[Any] | None = None) -> str:
    """The key of a widget, whose value in this session is what was entered last, or at first the default.

    Streamlit forgets the value of a widget that a run does not draw.

    Args:
        key: Key of the widget, which must have no default of its own.
        default: First value of the widget.
        options: Values that it may have; one that is no longer among them gives way to the default.
    """
    store: dict[str, Any] = st.session_state.setdefault(KEPT_KEY, {})
    value = st.session_state.get(key, store.get(key, default))
    store[key] = st.session_state[key] = value if options is None or value in options else default
    return key
