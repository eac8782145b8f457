"""A data set in the page's address: its folder on this machine, and how that is read."""

from collections.abc import Container
from dataclasses import asdict, replace

import streamlit as st

from afl_core.data.layouts import AS_RECOGNISED, DataOptions
from afl_core.ui.shared.kept import WORDS, warn_left_out, write_query

FOLDER, TRUST = "folder", "trust_voxel_order"


def linked_options(usual: DataOptions) -> DataOptions:
    """How the address says that its folder is read; what it does not say is as usual."""
    linked = {key: value for key, value in st.query_params.items() if key in asdict(usual) and key != TRUST}
    if TRUST in st.query_params:
        warn_unless_known(TRUST, WORDS)
    trust = WORDS.get(st.query_params.get(TRUST, ""), usual.trust_voxel_order)
    return replace(usual, **linked, trust_voxel_order=trust)


def warn_unless_known(name: str, known: Container[str]) -> None:
    """Say so where the address gives a value that there is not."""
    given = st.query_params.get(name, "")
    if given and given not in known:
        warn_left_out(name, [given])


def write_folder(text: str, options: DataOptions, *, usual: tuple[str, DataOptions]) -> None:
    """Write the folder and how it is read, without what another session would choose by itself."""
    words = {value: word for word, value in WORDS.items()}
    folder, of_folder = usual[0], asdict(usual[1])
    given = {FOLDER: (text, folder)} | {key: (value, of_folder[key]) for key, value in asdict(options).items()}
    for key, (value, instead) in given.items():
        if value == instead:
            st.query_params.pop(key, None)
        else:
            write_query(key, words[value] if key == TRUST else value or "")


def forget_folder() -> None:
    """Take the data set out of the address."""
    for key in (FOLDER, *asdict(AS_RECOGNISED)):
        st.query_params.pop(key, None)
