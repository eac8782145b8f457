"""The line on top of every page: its title, the results that are open, and the form that opens a data set."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from afl_core.base import paths
from afl_core.data.labels import WHOLE, region_title
from afl_core.data.layouts import load_cohort
from afl_core.data.scan import typed_folder
from afl_core.errors import AflError
from afl_core.evaluation.caveats import imported_sentence
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.store import find_results, result_folders
from afl_core.glossary import TERMS
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.kept import kept, write_query
from afl_core.ui.shared.workspace import FOLDER_KEY, OPENED_KEY, PAGE_KEY, PROBLEM_KEY, RESULTS_KEY, open_results

ADDRESS_KEY = "results in the address"
REGION_KEY = "measured_region"
"""Name of the region in the address, where `region` says how the Data page reads a folder."""

TIMES_KEY = "data sets opened"


def show_bar(title: str) -> Comparison | None:
    """Draw the line; returns the comparison that is open, or None if there is none, and then the session knows why."""
    st.session_state[PROBLEM_KEY] = ""
    with st.container(horizontal=True, vertical_alignment="center", key="bar"):
        st.title(title, anchor=False, width="content")
        choice = st.container(width=280)
        _open_folder()
        names = [folder.name for folder in result_folders()]
        chosen = _choose_results(choice, names)
        workspace = None if chosen is None else _open(chosen)
        if workspace is not None and (region := _choose_region(workspace)) != workspace.region:
            workspace = _open(workspace.name, region)
        if workspace is not None and (facts := _facts(workspace)):
            st.caption(plain(facts), width="content")
    linked = st.query_params.get(RESULTS_KEY)
    if linked is not None and linked not in names:
        st.warning(plain(f"There are no results of the name {linked}."))
    if chosen is not None:
        _write_address(chosen)
    return workspace


def _choose_results(place: DeltaGenerator, names: list[str]) -> str | None:
    """The selector of results; None where there are none."""
    if opened := st.session_state.pop(OPENED_KEY, None):
        st.session_state[RESULTS_KEY] = opened
    _follow_address(names)
    if names and st.session_state.get(RESULTS_KEY) not in names:
        st.session_state[RESULTS_KEY] = "demo" if "demo" in names else names[0]
    chosen = place.selectbox(
        "Results",
        names,
        key=RESULTS_KEY,
        placeholder="No results yet",
        label_visibility="collapsed",
        help=f"{TERMS['Results']} `afl evaluate --out data/results/NAME` adds one.",
    )
    return None if chosen is None else str(chosen)


def region_key(workspace: Comparison) -> str:
    """Key of the selector of the region."""
    return f"region of {workspace.name}"


def _choose_region(workspace: Comparison) -> str:
    """The region to look at, which the address keeps; there is a selector where there are several."""
    regions = workspace.regions
    key = kept(region_key(workspace), regions[0], regions, name=REGION_KEY)
    if len(regions) < 2:
        return regions[0]
    chosen = st.selectbox(
        "Region",
        regions,
        key=key,
        format_func=region_title,
        label_visibility="collapsed",
        width=210,
        help=TERMS["Region"],
    )
    return str(chosen)


def _open(name: str, region: str = "") -> Comparison | None:
    try:
        return open_results(paths.RESULTS / name, region)
    except AflError as error:
        st.session_state[PROBLEM_KEY] = str(error)
        return None


def _facts(workspace: Comparison) -> str:
    """What the numbers of the open results are of, where it is not the usual."""
    region = workspace.manifest.settings.region
    trusted = workspace.cohort is not None and workspace.cohort.trust_voxel_order
    return " ".join(
        [
            *filter(None, [imported_sentence(workspace.manifest)]),
            *([f"Tumour is the {region_title(region)}."] if region != WHOLE and len(workspace.regions) < 2 else []),
            *(["Files of one shape lie on one grid, whatever their headers say."] if trusted else []),
        ]
    )


def _follow_address(names: list[str]) -> None:
    """Take the results that the address names, when it names others than in the last run, or nothing is chosen.

    Streamlit can bind a widget to the address itself, but loses the binding where a page is switched; and a click in a
    table that switches the page may lose the choice too.
    """
    linked = st.query_params.get(RESULTS_KEY)
    if linked in names and (RESULTS_KEY not in st.session_state or linked != st.session_state.get(ADDRESS_KEY)):
        st.session_state[RESULTS_KEY] = linked


def _write_address(chosen: str) -> None:
    if st.session_state.get(ADDRESS_KEY) not in (None, chosen):
        st.query_params.pop("case", None)  # it belongs to the results that were open before
    st.session_state[ADDRESS_KEY] = chosen
    write_query(RESULTS_KEY, chosen)


def _open_folder() -> None:
    """A form that opens a data set: its results where there are some, else the Data page."""
    opened = st.session_state.get(TIMES_KEY, 0)
    with st.popover("Open a data set", width="content", key=f"open {opened}"), st.form("open", border=False):
        text = st.text_input(
            "Folder on this machine",
            placeholder="/path/to/BraTS2021",
            help="BraTS, PI-CAI, Decathlon, nnU-Net and more; docs/data.md lists the layouts. Nothing is copied.",
        )
        if not st.form_submit_button("Open folder") or not text.strip():
            return
        try:
            root = typed_folder(text)
            name = find_results(load_cohort(root))
        except AflError as error:
            st.error(plain(str(error)))
            return
        st.session_state[TIMES_KEY] = opened + 1  # another popover in the next run, which is closed
        if name is None:
            st.session_state[FOLDER_KEY], st.session_state[PAGE_KEY] = str(root), "pages/data.py"
        else:
            st.session_state[OPENED_KEY] = name
            st.rerun()
