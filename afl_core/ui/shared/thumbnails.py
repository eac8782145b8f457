"""Addresses of the thumbnails of cases, for pages."""

from urllib.parse import quote

import streamlit as st

from afl_core.errors import AflError
from afl_core.evaluation.comparison import Comparison
from afl_core.figures.kept_thumbnails import thumbnail_key


def thumbnail_addresses(workspace: Comparison, cases: tuple[str, ...]) -> list[str]:
    """Address of each case's thumbnail, relative to the page; "" where it has none."""
    known = _keys(workspace, workspace.state, cases)
    root = f"thumbnail/{quote(workspace.name, safe='')}"
    of = "" if workspace.region == workspace.regions[0] else f"&region={quote(workspace.region, safe='')}"
    return [f"{root}/{quote(case, safe='')}?v={known[case]}{of}" if case in known else "" for case in cases]


@st.cache_data(max_entries=32, ttl=60, show_spinner=False)
def _keys(_workspace: Comparison, state: str, cases: tuple[str, ...]) -> dict[str, str]:
    wanted, keys = set(cases), {}
    for case in _workspace.cohort.cases if _workspace.cohort else ():
        if case.case_id in wanted:
            try:
                keys[case.case_id] = thumbnail_key(_workspace, case)
            except AflError:  # its name is a path
                continue
    return keys
