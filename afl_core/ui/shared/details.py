"""What numbers or figures rest on, behind a click."""

from collections.abc import Iterable

import streamlit as st

from afl_core.ui.shared.errors import plain


def show_details(title: str, lines: Iterable[str]) -> None:
    """A list of the lines that are not empty, folded away under a title."""
    with st.expander(title):
        st.markdown("\n".join(f"- {plain(line)}" for line in lines if line))
