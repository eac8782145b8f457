"""Which label was taken for which, on the case that is open."""

import pandas as pd
import streamlit as st

from afl_core.analysis.case_tables import compared_sources
from afl_core.analysis.label_errors import label_errors
from afl_core.errors import AflError
from afl_core.evaluation.comparison import Comparison
from afl_core.ui.compare.labels import regions_of
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.label_matrix import shown_matrix


def show_label_errors(workspace: Comparison, case_id: str) -> None:
    """A matrix for each source, when it is asked for; nothing where one region was measured."""
    if len(workspace.regions) < 2 or not st.toggle("Which label was taken for which", key="label errors"):
        return
    sources = [name for members in compared_sources(workspace).values() for name in members[:1]]
    for source in sources:
        st.markdown(f"#### {plain(source)}")
        try:
            table = _errors(workspace.state, case_id, source, workspace)
        except AflError as error:
            st.info(plain(str(error)))
            continue
        st.dataframe(shown_matrix(table), height="content")
    st.caption(
        "Rows: the label in the reference. Columns: the label in the prediction, as a share of the row and a volume."
    )


@st.cache_data(max_entries=32, show_spinner="Counting the labels")
def _errors(state: str, case_id: str, source: str, _workspace: Comparison) -> pd.DataFrame:
    return label_errors(regions_of(_workspace), case_id, source)
