"""How much a person may upload."""

MAX_MIB = 400
"""Largest file that is accepted; `server.maxUploadSize` in .streamlit/config.toml is the same."""

MAX_FILES, MAX_SUM_MIB, MAX_SERVER_MIB = 16, 1200, 2400
"""Files of a session, and their sum in a session and on the server, as long as they wait in memory."""
