"""Overview: what is loaded, and the headline comparison."""

import streamlit as st

from afl_core.ui import overview

workspace = st.session_state["workspace"]

if workspace is not None:
    overview.show_title(workspace)
    overview.show_headline(workspace)
    overview.show_differences(workspace)
    overview.show_contents(workspace)
