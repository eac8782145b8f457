"""What is open: a results folder, and the data set it was made on."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import streamlit as st

from afl_core.analysis.breakdown.sentences import capital
from afl_core.data.labels import region_title
from afl_core.data.layouts import Cohort
from afl_core.errors import AflError
from afl_core.evaluation.comparison import Comparison, build_comparison
from afl_core.evaluation.job import EVERY, job_status
from afl_core.evaluation.manifest import Manifest, whole_cohort
from afl_core.evaluation.results import Results
from afl_core.evaluation.stored import Stored, read_stored
from afl_core.figures.palette import SOURCE_COLOURS
from afl_core.ui.shared.errors import plain

RESULTS_KEY = "results"
PAGE_KEY = "page to go to"
FOLDER_KEY = "folder to open"
OPENED_KEY = "results just opened"
FOLLOWED_KEY = "cases that were led to"
PROBLEM_KEY = "why nothing is open"
OVERVIEW = "pages/overview.py"


def current_workspace(page: str, *, needed: bool = True) -> Comparison | None:
    """The open comparison, for a page; None where nothing is open, and then a page that needs one shows a message.

    The first page that a fresh server is asked for, if it isn't the entry, Streamlit runs before app.py has named which
    pages there are. Then app.py comes first, and leads back here.
    """
    if "workspace" not in st.session_state:
        st.session_state[PAGE_KEY] = page
        st.switch_page("app.py", query_params=query())
    workspace: Comparison | None = st.session_state["workspace"]
    if workspace is None and needed:
        if problem := st.session_state[PROBLEM_KEY]:
            st.error(plain(problem))
        else:
            st.info("There are no results yet. Run `afl demo` in a terminal, or open a data set by the button above.")
    return workspace


def query() -> dict[str, list[str]]:
    """What the address holds, for another page to take along; a name may stand there several times."""
    return {key: st.query_params.get_all(key) for key in st.query_params}


def nothing_evaluated(workspace: Comparison) -> str:
    """What to do where there is no row yet."""
    status = job_status(workspace.results, EVERY)
    if status is not None and status.state == "running":
        return "The cases are being measured; the first numbers come in a moment."
    if workspace.manifest.sources:
        return "No case has been evaluated yet: open one in Compare and run the checkpoints on it."
    return (
        "There is no checkpoint and no folder of masks to compare yet: the Data page shows the command that adds "
        "them. Loss X-ray needs the references alone."
    )


def headline_start(workspace: Comparison) -> str:
    """What stands before the headline of every page: that the cohort is synthetic, and the region of several."""
    of_region = f"{capital(region_title(workspace.region))}. " if len(workspace.regions) > 1 else ""
    return f"{'Synthetic cohort. ' if workspace.is_demo else ''}{of_region}"


def open_results(folder: Path, region: str = "") -> Comparison:
    """The comparison of a results folder in a region, "" for the first, read once for every state of its files.

    Raises:
        AflError: If the folder cannot be read.
    """
    stored = _stored(str(folder), Results(folder).stamp(), region)
    try:
        cohort: Cohort | AflError = _cohort(stored.manifest)
    except AflError as error:
        cohort = error
    return _built(str(folder), f"{id(stored)} {id(cohort)}", stored, cohort)[0]


@st.cache_resource(max_entries=3, show_spinner="Reading results")
def _stored(folder: str, stamp: int, region: str) -> Stored:
    return read_stored(Results(Path(folder)), region)


@st.cache_resource(max_entries=3, show_spinner=False)
def _built(
    folder: str, key: str, _stored: Stored, _cohort: Cohort | AflError
) -> tuple[Comparison, Stored, Cohort | AflError]:
    """The comparison of what was read and a data set; both are kept with it, so that no other has their `id`."""

    def load(manifest: Manifest) -> Cohort:
        if isinstance(_cohort, AflError):
            raise _cohort
        return _cohort

    return build_comparison(Results(Path(folder)), _stored, load=load), _stored, _cohort


@st.cache_resource(
    max_entries=8,
    ttl=60,
    show_spinner="Listing the data set",
    hash_funcs={Manifest: lambda manifest: (manifest.data.model_dump_json(), manifest.settings.model_dump_json())},
)
def _cohort(manifest: Manifest) -> Cohort:
    return whole_cohort(manifest)


def leave_for(page: str, name: str) -> None:
    """Leave for a page with these results open."""
    st.session_state[OPENED_KEY] = name
    st.switch_page(page)


def follow(case_ids: Iterable[str]) -> None:
    """Note that this session leads to these cases itself.

    The browser's Back comes from a case to an entry of its history with the path of the page before and the query of
    the case, as a link `/?case=ID` has it; such a one is not to lead to the case again.
    """
    st.session_state[FOLLOWED_KEY] = {*st.session_state.get(FOLLOWED_KEY, ()), *case_ids}


def was_followed(case_id: str) -> bool:
    """Whether this session has led to the case itself, or followed a link to it."""
    return case_id in st.session_state.get(FOLLOWED_KEY, ())


def open_case(workspace: Comparison, case_id: str, sources: Sequence[str] = (), **more: str) -> None:
    """Leave for a case in Compare; `more` goes into the address, such as a lesion."""
    follow([case_id])
    st.switch_page("pages/compare.py", query_params={**case_query(workspace, case_id, sources), **more})


def case_query(workspace: Comparison, case_id: str, sources: Sequence[str] = ()) -> dict[str, str | list[str]]:
    """The address of a case in Compare, with the sources to show where there are more than it draws."""
    many = len(workspace.sources) > len(SOURCE_COLOURS)
    return {"results": workspace.name, "case": case_id, **({"sources": list(sources)} if many and sources else {})}
