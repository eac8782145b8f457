"""A page that fails, behind the workbench's own server."""

import streamlit as st

from afl_core.ui.server import server_options

if __name__ == "__main__":
    st.title("Before")
    raise RuntimeError("the secret of /home/patient")
else:
    app = st.App(__file__, **server_options())
