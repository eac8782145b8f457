"""The means of the Overview page by the rules of a challenge, where the results hold rows of its protocol."""

import shlex

import streamlit as st

from afl_core.analysis.protocol_means import (
    BASIS,
    challenge_table,
    detection_sentences,
    lacking_sentence,
    rule_text,
)
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.protocol_labels import fitting_protocol, label_notes
from afl_core.evaluation.protocol_results import left_out_sentence, rows_by_protocol
from afl_core.evaluation.protocol_rows import measured_protocols
from afl_core.metrics.protocols import PROTOCOLS
from afl_core.ui.shared.errors import plain, shown_errors


def show_protocols(workspace: Comparison) -> None:
    """A table by source and region behind an expander; where there is none, the command that makes one."""
    names = measured_protocols(workspace.results.folder)
    if not names:
        _offer(workspace)
        return
    title = PROTOCOLS[names[0]].title if len(names) == 1 else "a challenge"
    panel = st.expander(f"By the rules of {title}", key=f"protocols of {workspace.name}", on_change="rerun")
    if not panel.open:  # whether the rows still hold is asked of every file
        return
    with panel, shown_errors():
        name = names[0]
        if len(names) > 1:
            name = st.selectbox("Challenge", names, format_func=lambda name: PROTOCOLS[name].title)
        _show(workspace, name)


def _show(workspace: Comparison, name: str) -> None:
    of = rows_by_protocol(workspace, name)
    rule, table = of.rule, of.table
    st.caption(plain(rule_text(rule)))
    for sentence in label_notes(rule):
        st.caption(plain(sentence))
    for sentence in of.caveats:
        st.warning(plain(sentence))
    if not table.empty:
        shown = challenge_table(table)
        words = {"Source", "Region"}
        st.dataframe(
            shown,
            hide_index=True,
            height="content",
            column_config={
                str(column): st.column_config.TextColumn(alignment="left" if column in words else "right")
                for column in shown
            },
        )
        for sentence in detection_sentences(table):
            st.markdown(plain(sentence))
        st.caption(plain(f"{BASIS} {left_out_sentence(of.of.left_out)}"))
    if of.lacking:
        st.caption(f"{lacking_sentence(of.lacking)} Measure them: `{_command(workspace, name)}`")


def _offer(workspace: Comparison) -> None:
    """The command that measures these results by a challenge, where they are of several regions that fit one."""
    if len(workspace.regions) > 1 and workspace.cohort and (name := fitting_protocol(workspace.cohort)):
        command = _command(workspace, name)
        st.caption(f"To measure the same files by a challenge's rules (`afl protocol` lists them): `{command}`")


def _command(workspace: Comparison, name: str) -> str:
    return shlex.join(["afl", "protocol", name, "--out", str(workspace.results.folder)])
