"""Which label was taken for which over all cases, on the Overview; a click opens the worst case."""

import os
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import streamlit as st

from afl_core.analysis.case_tables import compared_sources
from afl_core.analysis.label_error_counts import (
    Pair,
    count_label_errors,
    kept_counts,
    labelled_sources,
    on_shared_cases,
    wanted_pairs,
)
from afl_core.analysis.label_errors import worst_case
from afl_core.base.words import number_of
from afl_core.evaluation.comparison import Comparison
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.label_matrix import shown_matrix
from afl_core.ui.shared.workspace import open_case, open_results

TITLE = "Which label was taken for which"


def show_label_errors(workspace: Comparison) -> None:
    """A matrix a source behind an expander, when the labels are counted; nothing where no source tells labels apart."""
    if len(workspace.regions) < 2:
        return
    opened = {region: open_results(workspace.results.folder, region) for region in workspace.regions}
    if not labelled_sources(opened):
        return
    panel = st.expander(TITLE, key=f"label errors of {workspace.name}", on_change="rerun")
    if not panel.open:  # whether the counts still hold is asked of every file
        return
    with panel:
        wanted = wanted_pairs(opened)
        table, held = kept_counts(workspace.results.folder, wanted)
        _offer_count(workspace, opened, wanted, held)
        if table.empty:
            return
        table, left_out = on_shared_cases(table, held)
        if left_out:
            st.info(plain(left_out))
        for name, seeds in compared_sources(workspace).items():
            _show_source(workspace, name, table[table["source"].isin(seeds)])
        st.caption(
            "Rows: the label in the reference. Columns: the label in the prediction, over all cases, as a share of the "
            "row and a volume; of several seeds, the mean. Click a cell to open the case with most of it in Compare."
        )


def _offer_count(
    workspace: Comparison, opened: dict[str, Comparison], wanted: dict[Pair, str], held: dict[Pair, str]
) -> None:
    """A button that counts what is missing, and what could not be read the last time."""
    key, missing = f"label error problems {workspace.name}", len(wanted) - len(held)
    if not missing:
        st.session_state.pop(key, None)
        return
    for sentence in st.session_state.get(key, ()):
        st.warning(plain(sentence))
    st.caption(f"{number_of(missing, 'prediction')} of {len(wanted)} not counted yet: every file has to be read.")
    if st.button("Count the labels of all cases", key=f"count labels {workspace.name}"):
        bar = st.progress(0.0, text="Counting the labels")
        with ThreadPoolExecutor(os.cpu_count() or 1) as executor:
            *_, problems = count_label_errors(
                opened,
                executor=executor,
                report=lambda done, total, _: bar.progress(
                    done / total, text=f"Counting the labels: {done} of {total}"
                ),
            )
        st.session_state[key] = [f"{source} on {case_id}: {error}" for (case_id, source), error in problems.items()]
        st.rerun()


def _show_source(workspace: Comparison, name: str, table: pd.DataFrame) -> None:
    if table.empty:
        return
    st.markdown(f"**{plain(name)}** · {number_of(table['case_id'].nunique(), 'case')}")
    shown = shown_matrix(table.assign(ml=table["ml"] / table["source"].nunique()))
    event = st.dataframe(
        shown,
        height="content",
        on_select="rerun",
        selection_mode="single-cell",
        key=f"label errors {workspace.name} {name}",
    )
    if event.selection.cells:
        row, column = event.selection.cells[0]
        if case_id := worst_case(table, str(shown.index[row]), column):
            open_case(workspace, case_id, mode="labels")
