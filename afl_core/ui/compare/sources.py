"""Which sources the page shows, where there are more than stand side by side."""

import streamlit as st

from afl_core.analysis.case_tables import compared_sources
from afl_core.evaluation.comparison import Comparison
from afl_core.figures.palette import SOURCE_COLOURS
from afl_core.glossary import TERMS


def choose_sources(workspace: Comparison) -> Comparison:
    """The comparison of the sources that the reader chose, in that order; at first those that fit side by side."""
    members = compared_sources(workspace)
    if len(members) <= len(SOURCE_COLOURS):
        return workspace
    first = list(members)[: len(SOURCE_COLOURS)]
    chosen = st.multiselect(
        "Sources, in order",
        list(members),
        default=first,
        key="sources",
        bind="query-params",
        help=f"The first {len(SOURCE_COLOURS)} of those that you choose are drawn. {TERMS['Source']}",
    )
    return workspace.of_sources([source for name in chosen or first for source in members[name]])
