"""Training page: its heading, and where the form stands."""

import streamlit as st

from afl_core.evaluation.comparison import Comparison
from afl_core.training.runs import list_runs
from afl_core.ui.shared.kept import kept
from afl_core.ui.shared.train_on import BROUGHT
from afl_core.ui.training.form import STARTED, show_form
from afl_core.ui.training.losses import LOSS_KEY, SETTINGS_KEY


def show_title() -> None:
    """What the page does, and what its runs cannot tell."""
    st.markdown(
        "Train losses on the same data, from the same weights, on the same batches, and open the results in Compare. "
        "**Short runs on few cases with one seed do not decide between losses**: another seed can turn the difference "
        "around. Take several seeds, the full length and a test split of size before you believe one."
    )


def show_new(workspace: Comparison | None) -> None:
    """The form for new runs; open where there are none yet or the address brings a loss, closed after a start."""
    linked = st.query_params.get(SETTINGS_KEY, st.query_params.get(LOSS_KEY, ""))
    started = st.session_state.get(STARTED, 0)
    brought = st.session_state.get(BROUGHT, "")  # a data set from the Data page
    key = f"new training {started} {linked} {brought}"
    if brought and not started:
        st.session_state.setdefault(key, True)
    kept(key, bool(linked or not list_runs()), name="form")
    with st.expander("New training", key=key, on_change="rerun"):
        show_form(workspace)
