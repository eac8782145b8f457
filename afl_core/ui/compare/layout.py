"""Where the parts of the Compare page stand: the cases at the left, the case at the right, all on the first screen."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

STYLE = """
.stMainBlockContainer > .stVerticalBlock {gap: .6rem}
.st-key-compare {flex-wrap: nowrap; align-items: flex-start}
.st-key-compare_rail {gap: .4rem}
.st-key-compare_whose button, .st-key-compare_find button, .st-key-compare_find input {min-height: 1.8rem}
.st-key-compare_whose button {padding: 0 .6rem}
.st-key-compare_find {gap: .4rem; flex-wrap: nowrap}
.st-key-compare_find button {padding: 0 .5rem}
.st-key-compare_stage {flex: 1 1 0; min-width: 0; gap: .4rem}
.st-key-compare_facts {gap: .1rem .75rem}
.st-key-compare_facts h2 {font-size: 1.05rem; padding: 0}
.st-key-compare_facts p {font-size: .85rem}
.st-key-compare_facts kbd {display: none}
.st-key-compare_facts button {min-height: 1.6rem; padding: 0 .4rem}
@media (min-width: 901px) {  /* one line, of which a long name or many sources show the start */
    .st-key-compare_facts {flex-wrap: nowrap}
    .st-key-compare_facts > .stElementContainer:has(.stMarkdown, .stHeading) {flex: 0 1 auto; min-width: 0}
    .st-key-compare_facts > .stElementContainer:has(.stMarkdown) {flex-shrink: 9}  /* before the name */
    .st-key-compare_facts :is(p, h2) {overflow: hidden; text-overflow: ellipsis; white-space: nowrap}
}
@media (max-width: 900px) {
    .st-key-compare {flex-direction: column}
    :has(> .st-key-compare_rail) {flex: none; width: 100%}
    :has(> .st-key-compare_stage) {width: 100%}
    .st-key-compare_rail {width: 100%; display: grid; grid-template-columns: 15rem minmax(0, 1fr); align-items: center}
    .st-key-compare_rail > :nth-child(n+3) {grid-column: 1 / -1}
}
"""


def set_style(*, folded: bool) -> None:
    """Style the page; a rail that is folded away leaves its room to the case."""
    tools = ".st-key-compare_whose, .st-key-compare_find {display: none}"
    narrow = f"@media (min-width: 901px) {{:has(> .st-key-compare_rail) {{flex: none; width: 30px}} {tools}}}"
    narrow = narrow if folded else ""
    st.html(f"<style>{STYLE}{narrow}</style>")


def columns() -> tuple[DeltaGenerator, DeltaGenerator]:
    """The places of the cases and of the case; below 900 px the first is a row above the second."""
    with st.container(key="compare", horizontal=True, wrap=False, gap="small"):
        return st.container(key="compare_rail", width=208), st.container(key="compare_stage")


def whose() -> DeltaGenerator:
    """The choice between the cases of the data set and one of the reader's own."""
    return st.container(key="compare_whose")


def find() -> DeltaGenerator:
    """The line of the search, and of the menu of filters and orders."""
    return st.container(key="compare_find", horizontal=True, vertical_alignment="center")


def facts() -> DeltaGenerator:
    """The line that leads to the case before and after, and says what the case is."""
    return st.container(key="compare_facts", horizontal=True, vertical_alignment="center")
