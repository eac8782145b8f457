"""Which label was taken for which, on the case that is open."""

import pandas as pd
import streamlit as st

from afl_core.analysis.case_tables import compared_sources
from afl_core.analysis.label_errors import NO_TUMOUR, label_errors, matrix
from afl_core.base.numbers import NOTHING, volume
from afl_core.errors import AflError
from afl_core.evaluation.comparison import Comparison
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.workspace import open_results


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
        st.dataframe(_shown(table), height="content")
    st.caption(
        "Rows: the label in the reference. Columns: the label in the prediction, as a share of the row and a volume."
    )


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Shares and volumes in words; of what is no tumour in the reference the volumes alone."""
    shares, ml = matrix(table), matrix(table, shares=False)
    cells = {
        predicted: [
            _cell(name, shares.loc[name, predicted], ml.loc[name, predicted])
            if ml.loc[name, predicted] > 0
            else NOTHING
            for name in ml.index
        ]
        for predicted in ml.columns
    }
    return pd.DataFrame(cells, index=pd.Index(ml.index, name="reference"))


def _cell(name: str, share: float, ml: float) -> str:
    return volume(ml) if name == NO_TUMOUR else f"{100 * share:.0f} % ({volume(ml)})"


@st.cache_data(max_entries=32, show_spinner="Counting the labels")
def _errors(state: str, case_id: str, source: str, _workspace: Comparison) -> pd.DataFrame:
    folder = _workspace.results.folder
    return label_errors({region: open_results(folder, region) for region in _workspace.regions}, case_id, source)
