"""What is open: a results folder, the data set it was made on, and the sidebar in which both are chosen."""

from pathlib import Path

import streamlit as st

from afl_core.base import paths
from afl_core.data.labels import WHOLE, region_title
from afl_core.data.layouts import Cohort, load_cohort
from afl_core.data.scan import typed_folder
from afl_core.errors import AflError
from afl_core.evaluation.comparison import Comparison, Stored, build_comparison, read_stored
from afl_core.evaluation.manifest import Manifest, whole_cohort
from afl_core.evaluation.results import Results
from afl_core.evaluation.store import find_results, result_folders
from afl_core.glossary import TERMS
from afl_core.ui.shared.errors import plain

RESULTS_KEY = "results"
ADDRESS_KEY = "results in the address"
PAGE_KEY = "page to go to"
FOLDER_KEY = "folder to open"
OPENED_KEY = "results just opened"
PROBLEM_KEY = "why nothing is open"


def current_workspace(page: str, *, needed: bool = True) -> Comparison | None:
    """The open comparison, for a page; None where nothing is open, and then a page that needs one shows a message.

    The first page that a fresh server is asked for, if it isn't the entry, Streamlit runs before app.py has named which
    pages there are. Then app.py comes first, and leads back here.
    """
    if "workspace" not in st.session_state:
        st.session_state[PAGE_KEY] = page
        st.switch_page("app.py", query_params=st.query_params.to_dict())
    workspace: Comparison | None = st.session_state["workspace"]
    if workspace is None and needed:
        if problem := st.session_state[PROBLEM_KEY]:
            st.error(plain(problem))
        else:
            st.title("A-FL workbench")
            st.info("There are no results yet. Run `afl demo` in a terminal, or open a data set in the sidebar.")
    return workspace


def nothing_evaluated(workspace: Comparison) -> str:
    """What to do where there is no row yet."""
    if workspace.manifest.sources:
        return "No case has been evaluated yet: open one in Compare and run the checkpoints on it."
    return (
        "There is no checkpoint and no folder of masks to compare yet: the Data page shows the command that adds "
        "them. Loss X-ray needs the references alone."
    )


def select_workspace() -> Comparison | None:
    """The sidebar: choose results, or open a data set. None if nothing is open; the session knows why."""
    st.session_state[PROBLEM_KEY] = ""
    with st.sidebar:
        selector = st.container()
        of_folder = _open_folder()
        opened = st.session_state.pop(OPENED_KEY, None) or of_folder
        names = [folder.name for folder in result_folders()]
        if opened:
            st.session_state[RESULTS_KEY] = opened
        _follow_address(names)
        if names and st.session_state.get(RESULTS_KEY) not in names:
            st.session_state[RESULTS_KEY] = "demo" if "demo" in names else names[0]
        chosen = selector.selectbox(
            "Results",
            names,
            key=RESULTS_KEY,
            placeholder="None yet",
            help=f"{TERMS['Results']} `afl evaluate --out data/results/NAME` adds one.",
        )
    if chosen is None:
        return None
    _write_address(chosen)
    try:
        workspace = _load(paths.RESULTS / chosen)
        if (region := workspace.manifest.settings.region) != WHOLE:
            selector.caption(plain(f"Tumour is the {region_title(region)}."))
        if workspace.cohort is not None and workspace.cohort.trust_voxel_order:
            selector.caption("Files of one shape lie on one grid, whatever their headers say.")
        return workspace
    except AflError as error:
        st.session_state[PROBLEM_KEY] = str(error)
        return None


def _follow_address(names: list[str]) -> None:
    """Take the results that the address names, when it names others than in the last run.

    Streamlit can bind a widget to the address itself, but loses the binding where a page is switched.
    """
    linked = st.query_params.get(RESULTS_KEY)
    if linked is not None and linked not in names:
        st.warning(plain(f"There are no results of the name {linked}."))
    if linked in names and linked != st.session_state.get(ADDRESS_KEY):
        st.session_state[RESULTS_KEY] = linked


def _write_address(chosen: str) -> None:
    if st.session_state.get(ADDRESS_KEY) not in (None, chosen):
        st.query_params.pop("case", None)  # it belongs to the results that were open before
    st.query_params[RESULTS_KEY] = st.session_state[ADDRESS_KEY] = chosen


def _load(folder: Path) -> Comparison:
    results = Results(folder)
    return build_comparison(results, _stored(str(folder), results.stamp()), load=_cohort)


@st.cache_data(max_entries=8, show_spinner="Reading results")
def _stored(folder: str, stamp: int) -> Stored:
    return read_stored(Results(Path(folder)))


@st.cache_resource(
    max_entries=8,
    ttl=60,
    show_spinner="Listing the data set",
    hash_funcs={Manifest: lambda manifest: (manifest.data.model_dump_json(), manifest.settings.model_dump_json())},
)
def _cohort(manifest: Manifest) -> Cohort:
    return whole_cohort(manifest)


def _open_folder() -> str | None:
    """A form that opens a data set: its results where there are some, else the Data page; returns the results' name."""
    with st.expander("Open a data set"), st.form("open", border=False):
        text = st.text_input(
            "Folder on this machine",
            placeholder="/path/to/BraTS2021",
            help="BraTS, PI-CAI, Decathlon, nnU-Net and more; docs/data.md lists the layouts. Nothing is copied.",
        )
        if not st.form_submit_button("Open folder") or not text.strip():
            return None
        try:
            root = typed_folder(text)
            if name := find_results(load_cohort(root)):
                return name
        except AflError as error:
            st.error(plain(str(error)))
            return None
        st.session_state[FOLDER_KEY], st.session_state[PAGE_KEY] = str(root), "pages/data.py"
        return None


def open_case(workspace: Comparison, case_id: str, **more: str) -> None:
    """Leave for a case in Compare; `more` goes into the address, such as a lesion."""
    st.session_state["followed"] = case_id
    st.switch_page("pages/compare.py", query_params={"results": workspace.name, "case": case_id, **more})
