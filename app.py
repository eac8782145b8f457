"""Entry point of the workbench: page setup, navigation and the sidebar that every page shares."""

import streamlit as st

from afl_core.ui.workspace import select_workspace

st.set_page_config(page_title="A-FL workbench", page_icon="🎯", layout="wide")
page = st.navigation(
    [
        st.Page("pages/overview.py", title="Overview", default=True),
        st.Page("pages/compare.py", title="Compare"),
    ],
    position="top",
)
st.session_state["workspace"] = select_workspace()
page.run()
