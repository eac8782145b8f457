"""Compare page, of imported tables: the values of the cases, and what is missing to see them."""

import shlex

import streamlit as st

from afl_core.analysis.breakdown.measures import measures_of
from afl_core.evaluation.comparison import Comparison
from afl_core.ui.shared.errors import plain


def show_imported(workspace: Comparison) -> None:
    """What is missing, the command that gets it, and the values of each case."""
    st.info(plain(f"{workspace.problem} There are the values of the cases alone; Overview and Breakdown compare them."))
    references = workspace.manifest.data.references or "REFERENCES"
    words = ["afl", "evaluate", "--references", references]
    words += [word for name in workspace.sources for word in ("--source", f"{name}=MASKS")]
    st.code(shlex.join([*words, "--out", f"data/results/{workspace.name}_masks"]), language="sh", wrap_lines=True)
    measures = measures_of(workspace.manifest, "case")
    keys = [key for key in measures if key in workspace.rows]
    facts = [key for key in ("reference_volume_ml", "roughness") if workspace.rows[key].notna().any()]
    table = workspace.rows[["case_id", "source", *facts, *keys]].rename(columns={k: measures[k].title for k in keys})
    st.dataframe(table.rename(columns={"reference_volume_ml": "volume (ml)"}), hide_index=True)
