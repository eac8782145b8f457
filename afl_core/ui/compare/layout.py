"""Where the parts of the Compare page stand: the cases at the left, the case at the right, all on the first screen."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

STYLE = """
.stMainBlockContainer > .stVerticalBlock {gap: .6rem}
.st-key-compare_choices {gap: .4rem}
.st-key-compare_choices button, .st-key-compare_choices input {min-height: 2rem}
.st-key-compare {flex-wrap: nowrap; align-items: flex-start}
.st-key-compare_stage {flex: 1 1 0; min-width: 0; gap: .4rem}
.st-key-compare_facts {gap: .1rem .75rem}
.st-key-compare_facts h2 {font-size: 1.05rem; padding: 0}
.st-key-compare_facts p {font-size: .85rem}
.st-key-compare_steps kbd {display: none}
.st-key-compare_steps button {min-height: 2rem; padding: 0 .5rem}
@media (max-width: 900px) {
    .st-key-compare {flex-direction: column}
    :has(> .st-key-compare_rail) {flex: none; width: 100%}
    :has(> .st-key-compare_stage) {width: 100%}
    .st-key-compare_rail {width: 100%}
}
"""


def set_style(*, folded: bool) -> None:
    """Style the page; a rail that is folded away leaves its room to the case."""
    narrow = "@media (min-width: 901px) {:has(> .st-key-compare_rail) {flex: none; width: 30px}}" if folded else ""
    st.html(f"<style>{STYLE}{narrow}</style>")


def choices() -> DeltaGenerator:
    """The line above the cases."""
    return st.container(key="compare_choices", horizontal=True, vertical_alignment="center")


def columns() -> tuple[DeltaGenerator, DeltaGenerator]:
    """The places of the cases and of the case; below 900 px the first is a row above the second."""
    with st.container(key="compare", horizontal=True, wrap=False, gap="small"):
        return st.container(key="compare_rail", width=208), st.container(key="compare_stage")


def facts() -> DeltaGenerator:
    """The line that says what the case is."""
    return st.container(key="compare_facts", horizontal=True, vertical_alignment="center")


def steps() -> DeltaGenerator:
    """The line of the sequences and of the way to the case before and after."""
    return st.container(key="compare_steps", horizontal=True, vertical_alignment="center")
