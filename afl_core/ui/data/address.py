"""Data page: the folder and how it is read stand in the page's address, so that a link opens the same report."""

from dataclasses import asdict, replace

import streamlit as st

from afl_core.data.layouts import AS_RECOGNISED, MASKS_ALONE, DataOptions
from afl_core.evaluation.comparison import Comparison

FOLDER, TRUST = "folder", "trust_voxel_order"
RESULTS_SEEN = "results that the Data page showed"
WORDS = {"on": True, "off": False}


def linked_folder(workspace: Comparison | None) -> str:
    """The folder that the address names, or else that of the open results; other results bring their own."""
    name = workspace.name if workspace else ""
    if st.session_state.get(RESULTS_SEEN, name) != name:
        for key in (FOLDER, *asdict(AS_RECOGNISED)):
            st.query_params.pop(key, None)
    st.session_state[RESULTS_SEEN] = name
    return str(st.query_params.get(FOLDER, _opened_folder(workspace)))


def options_at_first(text: str, workspace: Comparison | None) -> DataOptions:
    """How this folder is read before the reader chooses: as the address says, or else as the open results read it."""
    options = _usual(text, workspace)
    if text != st.query_params.get(FOLDER, _opened_folder(workspace)):
        return options
    linked = {key: value for key, value in st.query_params.items() if key in asdict(options) and key != TRUST}
    trust = WORDS.get(st.query_params.get(TRUST, ""), options.trust_voxel_order)
    return replace(options, **linked, trust_voxel_order=trust)


def write_address(text: str, options: DataOptions, workspace: Comparison | None) -> None:
    """Write what another session would not choose by itself, with the open results alone."""
    usual = asdict(_usual(text, workspace))
    words = {value: word for word, value in WORDS.items()}
    given = {FOLDER: (text, _opened_folder(workspace))} | {k: (v, usual[k]) for k, v in asdict(options).items()}
    for key, (value, instead) in given.items():
        if value == instead:
            st.query_params.pop(key, None)
        else:
            st.query_params[key] = words[value] if key == TRUST else value or ""


def _opened_folder(workspace: Comparison | None) -> str:
    return workspace.manifest.data.path if workspace and not workspace.manifest.imported else ""


def _usual(text: str, workspace: Comparison | None) -> DataOptions:
    """How the open results read their folder; of another folder nothing is known."""
    if workspace is None or text != workspace.manifest.data.path:
        return AS_RECOGNISED
    layout = MASKS_ALONE.name if workspace.manifest.data.kind == MASKS_ALONE.name else None
    opened = workspace.cohort
    if opened is None:
        return DataOptions(layout)
    table = str(opened.patients.table) if opened.patients.table else None
    return DataOptions(layout, opened.labels or None, opened.region.name, opened.trust_voxel_order, table)
