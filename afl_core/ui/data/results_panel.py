"""The open results as a whole: their sources, their name, their rows as files, and their end."""

from functools import partial

import pandas as pd
import streamlit as st

from afl_core.base.words import number_of
from afl_core.evaluation.changes import change_sources, delete_results, rename_results, rename_source
from afl_core.evaluation.comparison import Comparison
from afl_core.ui.shared.errors import plain, shown_errors
from afl_core.ui.shared.workspace import OPENED_KEY

_RENAMING = "Rows and masks stay. `afl evaluate --source` that measures it again is to give the new name."


def show_results(workspace: Comparison) -> None:
    """What can be done with the results that are open."""
    st.header(f"Results: {plain(workspace.name)}")
    if workspace.manifest.sources:
        st.caption("The first two sources are compared everywhere, the second against the first.")
    order, renamed = _choose_sources(workspace)
    with st.container(horizontal=True):
        _offer_rows(workspace)
        to = _choose_name(workspace)
        gone = _choose_deletion(workspace)
    with shown_errors():  # below the line: a popover may be closed when an error comes
        if order is not None:
            change_sources(workspace.results, order)
            st.rerun()
        if renamed:
            rename_source(workspace.results, *renamed)
            st.rerun()
        if to:
            rename_results(workspace.name, to)
            _go_on(to)
        if gone:
            delete_results(workspace.name)
            _go_on(None)


def _choose_sources(workspace: Comparison) -> tuple[list[str] | None, tuple[str, str] | None]:
    """The sources, each with its files; the new order once one was moved or removed, or a name and its new one."""
    names = list(workspace.manifest.sources)
    counts = {} if workspace.rows.empty else workspace.rows["source"].value_counts().to_dict()
    order, renamed = None, None
    for place, name in enumerate(names):
        text, buttons = st.columns([5, 4], vertical_alignment="center")  # a long text wraps, not the buttons
        measured = number_of(int(counts.get(name, 0)), "case")
        text.markdown(f"**{plain(name)}** {plain(workspace.summaries[name])}, {measured} measured")
        with buttons.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
            if st.button("↑ Earlier", key=f"earlier {name}", disabled=place == 0):
                order = [*names[: place - 1], name, names[place - 1], *names[place + 1 :]]
            with st.popover("Rename", width="content", key=f"name of {name}"), st.form(f"rename {name}", border=False):
                to = st.text_input("New name of the source", name, help=_RENAMING).strip()
                if st.form_submit_button(f"Rename {plain(name)}") and to != name:
                    renamed = name, to
            with st.popover("Remove", width="content"):
                st.markdown(f"The rows and masks of {plain(name)} in these results go; its own files stay.")
                if st.button(f"Remove {plain(name)}", type="primary", key=f"remove {name}"):
                    order = [other for other in names if other != name]
    return order, renamed


def _offer_rows(workspace: Comparison) -> None:
    for title, rows in (("case", workspace.rows), ("lesion", workspace.lesions)):
        st.download_button(
            f"Rows of {title}s (CSV)",
            partial(_as_csv, rows),
            f"{workspace.name}_{title}s.csv",
            "text/csv",
            disabled=rows.empty,
            on_click="ignore",
        )


def _as_csv(rows: pd.DataFrame) -> bytes:
    return rows.to_csv(index=False).encode()


def _choose_name(workspace: Comparison) -> str:
    """A new name for the results, or ""."""
    with st.popover("Rename results", width="content"), st.form("rename results", border=False):
        to = st.text_input("New name", workspace.name).strip()
        return to if st.form_submit_button("Rename") and to != workspace.name else ""


def _choose_deletion(workspace: Comparison) -> bool:
    with st.popover("Delete results", width="content"):
        rows = number_of(len(workspace.rows), "row")
        st.markdown(f"{rows} and their masks go for good. The data set and the predictions stay where they are.")
        return st.button(f"Delete {plain(workspace.name)} for good", type="primary")


def _go_on(name: str | None) -> None:
    """Draw the page anew with these results open, or with any."""
    if name:
        st.session_state[OPENED_KEY] = name
    st.query_params.clear()
    st.rerun()
