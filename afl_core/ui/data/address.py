"""Data page: the folder and how it is read stand in the page's address, so that a link opens the same report."""

import streamlit as st

from afl_core.base.remote import address
from afl_core.data.layouts import AS_RECOGNISED, MASKS_ALONE, DataOptions
from afl_core.evaluation.comparison import Comparison
from afl_core.ui.shared.folder_address import FOLDER, forget_folder, linked_options, write_folder
from afl_core.ui.shared.workspace import FOLDER_KEY

RESULTS_SEEN = "results that the Data page showed"
FIELD, SHOWN, ADDRESSED = "folder of the data set", "folder that the Data page showed", "folder in the address"


def folder_key(workspace: Comparison | None) -> str:
    """The key of the field for the folder, with what it holds set.

    That is the folder that was just opened in the line on top; or that the address names, when it names another than
    the page wrote there, as after the browser's Back; or what was typed last; or the folder of the open results. Other
    results bring their own.
    """
    state, name = st.session_state, workspace.name if workspace else ""
    if state.get(RESULTS_SEEN, name) != name:
        forget_folder()
        for key in (FIELD, SHOWN, ADDRESSED):
            state.pop(key, None)
    state[RESULTS_SEEN] = name
    linked = st.query_params.get(FOLDER, _opened_folder(workspace))
    text = state.pop(FOLDER_KEY, None)
    if text is None:
        stayed = FIELD in state  # Streamlit forgets it on another page, whose links name no folder
        followed = (stayed or FOLDER in st.query_params) and linked != state.get(ADDRESSED, linked)
        text = linked if followed else state.get(FIELD, state.get(SHOWN, linked))
    state[FIELD] = state[SHOWN] = text
    return FIELD


def options_at_first(text: str, workspace: Comparison | None) -> DataOptions:
    """How this folder is read before the reader chooses: as the address says, or else as the open results read it."""
    options = _usual(text, workspace)
    if text != st.query_params.get(FOLDER, _opened_folder(workspace)):
        return options
    return linked_options(options)


def write_address(text: str, options: DataOptions, workspace: Comparison | None) -> None:
    """Write what another session would not choose by itself, with the open results alone."""
    write_folder(text, options, usual=(_opened_folder(workspace), _usual(text, workspace)))
    st.session_state[ADDRESSED] = text


def _opened_folder(workspace: Comparison | None) -> str:
    return address(workspace.manifest.data.path) if workspace and not workspace.manifest.imported else ""


def _usual(text: str, workspace: Comparison | None) -> DataOptions:
    """How the open results read their folder; of another folder nothing is known."""
    if workspace is None or text != address(workspace.manifest.data.path):
        return AS_RECOGNISED
    layout = MASKS_ALONE.name if workspace.manifest.data.kind == MASKS_ALONE.name else None
    opened = workspace.cohort
    if opened is None:
        return DataOptions(layout)
    table = str(opened.patients.table) if opened.patients.table else None
    return DataOptions(layout, opened.labels or None, opened.region.name, opened.trust_voxel_order, table)
