"""Training page: how long a step takes, measured while the reader may press Stop."""

import streamlit as st

from afl_core.training.launcher import Proposal, propose_runs
from afl_core.training.request import TrainingRequest

TIMED, _PROPOSED = "timed training", "training proposal"


def proposed(key: str) -> Proposal:
    """The proposal of a request, measured once a session; while it is, every write lets a press of Stop end it."""
    kept: tuple[str, Proposal] | None = st.session_state.get(_PROPOSED)
    if kept and kept[0] == key:
        return kept[1]
    place = st.empty()
    with place.container(horizontal=True, vertical_alignment="center"):
        progress = st.empty()
        if st.button("Stop", key="stop timing"):
            del st.session_state[TIMED]
            st.rerun()

    def tell(spent: float) -> None:
        progress.caption(f"Checking the settings and timing two steps, {spent:.0f} s; usually a quarter of a minute.")

    proposal = propose_runs(TrainingRequest.model_validate_json(key), waiting=tell)
    place.empty()
    st.session_state[_PROPOSED] = (key, proposal)
    return proposal
