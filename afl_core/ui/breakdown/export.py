"""Breakdown page: downloads, and the paper's own tables."""

import re
import shlex
from typing import Any

import pandas as pd
import streamlit as st

from afl_core.analysis.breakdown.export import export_files, export_regions
from afl_core.analysis.breakdown.options import Options
from afl_core.analysis.breakdown.published import DISCREPANCIES, SOURCE, published_losses, published_networks
from afl_core.analysis.breakdown.regions import EVERY_REGION
from afl_core.base.paths import from_here
from afl_core.glossary import TERMS
from afl_core.report.findings import Findings
from afl_core.report.paper_kit import paper_kit, regions_kit, zipped
from afl_core.ui.breakdown.controls import Selection
from afl_core.ui.shared.charts import PICTURES, PICTURES_KEY, WHITE_KEY
from afl_core.ui.shared.errors import plain

_WHAT = {
    "breakdown.json": "Everything: records, sentences, edges, rules, seed, versions, fingerprints",
    "breakdown.csv": "The records: a row a bin and source, with the paired statistics",
    "units.csv": "The rows: a case or lesion each, with its bins and the metric of every source",
}

_ANEW = "charts anew"
"""Key of the session: what was chosen here holds for all charts of the page."""


def show_export(selection: Selection) -> None:
    """The numbers of this page as files, and the commands that make them again."""
    if st.session_state.pop(_ANEW, False):
        st.rerun()  # all of the page
    workspace, regions = selection.workspace, selection.regions
    files = (
        export_regions(regions, selection.problems)
        if regions
        else export_files(selection.breakdown, selection.options, workspace.manifest, results=workspace.name)
    )
    if regions:
        st.caption("Of every region that is compared.")
    for name, content in files.items():
        button, what = st.columns([2, 8], vertical_alignment="center")
        button.download_button(name, content, file_name=name, on_click="ignore", width="stretch")
        what.caption(_WHAT[name])
    _offer_paper_kit(selection)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "The camera above a chart saves it as",
            PICTURES,
            default=PICTURES[0],
            required=True,
            key=PICTURES_KEY,
            on_change=_ask_for_charts_anew,
        )
        st.toggle("Draw the charts on white, for a paper", key=WHITE_KEY, on_change=_ask_for_charts_anew)
    st.caption("The same from a terminal, and a report of one file with the worst and best cases as pictures:")
    st.code(_commands(selection), language="bash")


def _ask_for_charts_anew() -> None:
    st.session_state[_ANEW] = True


def _commands(selection: Selection) -> str:
    """The commands that make the same."""
    folder = from_here(selection.workspace.results.folder)
    words = ("--regions", EVERY_REGION) if selection.regions else selection.workspace.arguments
    given = f"{shlex.quote(str(folder))}{command_options(selection.options)}"
    given += "".join(f" {shlex.quote(word)}" for word in words)
    outs = {"breakdown": "DIR", "report": "report.html", "export": "paper"}
    return "\n".join(f"afl {name} {given} --out {out}" for name, out in outs.items())


def _offer_paper_kit(selection: Selection) -> None:
    button, what = st.columns([2, 8], vertical_alignment="center")
    button.download_button(
        "Paper kit",
        lambda: _paper_kit(selection),
        file_name=f"{re.sub(r'[^A-Za-z0-9_-]+', '_', selection.workspace.name)}_paper.zip",
        mime="application/zip",
        on_click="ignore",
        width="stretch",
    )
    what.caption("Tables for LaTeX, Markdown and Word, a methods paragraph and its BibTeX references, as ZIP")


def _paper_kit(selection: Selection) -> bytes:
    if selection.regions:
        return zipped(regions_kit(selection.regions, ""))
    return zipped(paper_kit(Findings(selection.breakdown, selection.options, selection.workspace, "")))


def command_options(options: Options) -> str:
    """The options of `afl breakdown` for the same selection, with a leading space; defaults are left out."""
    words = []
    if options.level != "case":
        words += ["--level", options.level]
    words += ["--metric", options.metric, *([] if options.by is None else ["--by", ",".join(options.by)])]
    for name in options.sources:
        words += ["--source", name]
    if options.bins != "tertiles":
        words += ["--bins", options.bins]
    if options.opened:
        words += ["--opened-before", ",".join(options.opened)]
    for axis, (low, high) in options.edges.items():
        words += ["--edges", f"{axis}={low!r},{high!r}"]
    if not options.pool_seeds:
        words.append("--separate-seeds")
    return f" {shlex.join(words)}"


def published_columns(table: pd.DataFrame) -> dict[str, Any]:
    """The help of every column of a table of the paper."""
    terms = {"loss": "Loss", "data_set": "Cohort", "network": "Network", "DSC": "DSC"}
    return {
        name: st.column_config.Column(help=TERMS[terms.get(name, name if name in TERMS else name.capitalize())])
        for name in table.columns
    }


def show_published(selection: Selection) -> None:
    """The paper's tables, which are not ours."""
    st.markdown("### Published by the paper, not measured here")
    st.caption(plain(SOURCE))
    losses, networks = st.columns(2, gap="large")
    for place, table in ((losses, published_losses()), (networks, published_networks())):
        place.dataframe(table, hide_index=True, height="content", column_config=published_columns(table))
    st.markdown("**Where the sources disagree**")
    st.markdown("\n".join(f"- {plain(text)}" for text in DISCREPANCIES))
