"""Panels of the Overview page: what the results show in one sentence, and what they are."""

import pandas as pd
import streamlit as st

from afl_core.analysis.breakdown.measures import measures_of
from afl_core.analysis.breakdown.overall import basis_sentence, headline_keys
from afl_core.analysis.breakdown.ranking import LEAST_SOURCES
from afl_core.errors import group_problems, listed
from afl_core.evaluation.caveats import notes, warnings
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.facts import (
    changed_sentence,
    data_facts,
    empty_counts_text,
    missing_text,
    problems_of,
    source_facts,
    unused_sentence,
)
from afl_core.glossary import TERMS
from afl_core.ui.overview.summary import Pair, Summary
from afl_core.ui.shared.details import show_details
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.workspace import headline_start, nothing_evaluated


def show_sentence(workspace: Comparison, summary: Summary | None) -> Pair | None:
    """What cases and lesions show, and what stands behind it; returns the pair of sources that is compared."""
    pair = _choose_pair(summary)
    said = " ".join(summary.sentences(pair)) if summary else nothing_evaluated(workspace)
    st.markdown(
        f"## {plain(headline_start(workspace) + said)}",
        help=plain(summary.evidence(pair)) if summary and pair else None,
    )
    basis = f"{plain(basis_sentence(summary.units, pair))} " if summary else ""
    about = (
        "The focal loss (FL) against the adaptive focal loss (A-FL), or any other pair of sources. "
        "**Research use only, not a medical device.**"
    )
    st.caption(f"{basis}{about}")
    if workspace.is_demo:
        st.info(
            "These are **drawn tumours** in the anatomy of the ICBM 2009 template, and small networks that were "
            "trained for minutes: they show the workbench, not what A-FL is worth on patients."
        )
    return pair


def show_warnings(workspace: Comparison) -> None:
    """Everything to know before the numbers are believed, in one place."""
    lost = problems_of(workspace)
    sentences = [
        *warnings(workspace.manifest, workspace.rows),
        *workspace.left_out_sentences,
        missing_text(workspace),
        workspace.problem
        if workspace.manifest.imported
        else f"The data set cannot be opened, so its images cannot be shown. {workspace.problem}"
        if workspace.problem
        else "",
        f"{unused_sentence(len(lost))}; the end of this page says which and why." if lost else "",
    ]
    if said := [plain(sentence) for sentence in sentences if sentence]:
        st.warning(said[0] if len(said) == 1 else "\n".join(f"- {sentence}" for sentence in said))


def show_method(workspace: Comparison, summary: Summary) -> None:
    """How the numbers are made, behind a click."""
    lines = [
        "Over: the patients for whom every source has a value. Several cases or lesions of a patient are averaged "
        "first. Seeds of one configuration are averaged before that.",
        *([f"95 % interval: {TERMS['BCa interval']}"] if len(summary.sources) > 1 else []),
        f"Cases with an empty mask: {empty_counts_text(workspace.manifest)}.",
        *(f"{names}: {rule}." for names, rule in _empty_rules(workspace).items()),
        *notes(workspace.manifest, workspace.rows),
        changed_sentence(workspace),
    ]
    show_details("How these numbers are made", lines)


def show_contents(workspace: Comparison) -> None:
    """Data and checkpoints that are loaded."""
    data, sources = st.columns(2, gap="large")
    with data:
        st.header("Data")
        _show_facts(data_facts(workspace), "Data")
    with sources:
        st.header("Sources")
        for name, source in workspace.manifest.sources.items():
            with st.expander(f"{plain(name)}: {plain(workspace.summaries[name])}"):
                _show_facts(source_facts(source), "Card")
    if problems := problems_of(workspace):
        with st.expander(unused_sentence(len(problems))):
            _show_facts({listed(names): why for names, why in group_problems(problems)}, "Why")


def _choose_pair(summary: Summary | None) -> Pair | None:
    """The pair of sources that the page compares: a baseline, and what is compared with it, where there are several."""
    sources = summary.sources if summary else ()
    if len(sources) < LEAST_SOURCES:
        return (sources[0], sources[1]) if len(sources) > 1 else None
    with st.container(horizontal=True):
        baseline = st.selectbox(
            "Baseline source",
            sources,
            width=260,
            key="baseline",
            bind="query-params",
            on_change=_let_go,
            help=TERMS["Baseline source"],
        )
        another = next(source for source in sources if source != baseline)
        compared = st.selectbox(
            "Compared with it",
            sources,
            index=None,
            placeholder=another,
            width=260,
            key="compared",
            bind="query-params",
            help=TERMS["Pair"],
        )
    return baseline, another if compared in {None, baseline} else str(compared)


def _let_go() -> None:
    """A source that becomes the baseline is no longer compared with it."""
    if st.session_state["compared"] == st.session_state["baseline"]:
        st.session_state["compared"] = None


def _show_facts(facts: dict[str, str], title: str) -> None:
    """A table of two columns whose long texts wrap."""
    st.table(pd.DataFrame({title: {plain(name): plain(str(text)) for name, text in facts.items()}}))


def _empty_rules(workspace: Comparison) -> dict[str, str]:
    """The metrics of the table, by what an empty mask gives, as they declare it."""
    labels: dict[str, list[str]] = {}
    measures = measures_of(workspace.manifest, "case")
    for key in headline_keys(workspace.manifest, "case"):
        labels.setdefault(measures[key].empty_rule, []).append(measures[key].label)
    return {", ".join(names): rule for rule, names in labels.items()}
