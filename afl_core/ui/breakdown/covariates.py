"""Breakdown page: covariates as further axes."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from afl_core.analysis.breakdown.bins import Binning
from afl_core.analysis.breakdown.gain_model import (
    ABOUT,
    CovariateCorrelation,
    GainModel,
    correlation_cells,
    covariate_correlations,
    gain_model,
    model_sentences,
    term_cells,
)
from afl_core.analysis.breakdown.units import Units
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.contrast_rows import lacking_sentence
from afl_core.glossary import TERMS, explain
from afl_core.ui.shared.errors import plain

HOLM = "Holm's correction counts the tests of every axis that was opened, also where it is not shown any more."


def choose_covariates(units: Units, workspace: Comparison) -> list[str]:
    """Covariates that are further axes; the control is there where the results have some."""
    row, chosen = st.container(horizontal=True, vertical_alignment="bottom"), list[str]()
    if units.covariates:
        chosen = row.multiselect(
            "Further axes, exploratory",
            list(units.covariates),
            format_func=lambda key: units.covariates[key].label,
            placeholder="None",
            help=f"{explain('Covariate', 'Exploratory', 'Contrast')}\n\n{HOLM}",
            width=360,
            key="covariates",
            bind="query-params",
        )
    has_images = workspace.cohort and any(case.sequences for case in workspace.cohort.cases)
    if has_images and (lacking := lacking_sentence(workspace.rows, workspace.results.folder)):
        row.caption(lacking)
    return chosen


def show_covariates(units: Units, pair: tuple[str, str], binnings: Sequence[Binning], *, key: str) -> None:
    """The covariates that are axes beside size and smoothness: rank correlations, and the model given all axes."""
    if not units.covariates:
        return
    st.markdown("### Covariates (exploratory)")
    axes = tuple(b.axis for b in binnings)
    covariates = tuple(b.axis for b in binnings if b.covariate)
    if not covariates:
        st.caption("Choose some as further axes, above, to see them here.")
        return
    correlations, model = _computed(key, axes, covariates, units, pair)
    for sentence in model_sentences(model, units, pair):
        st.markdown(plain(sentence))
    if model.terms:
        st.dataframe(pd.DataFrame([term_cells(term, units) for term in model.terms]), hide_index=True)
        st.caption(plain(ABOUT))
    st.dataframe(
        pd.DataFrame([correlation_cells(row) for row in correlations]),
        hide_index=True,
        column_config={"rank correlation of": st.column_config.TextColumn(help=TERMS["Spearman's rho"])},
    )
    st.caption("Rank correlations over the patients that have both, with their 95 % intervals; not corrected.")


@st.cache_resource(max_entries=16, show_spinner="Fitting the model")
def _computed(
    key: str, axes: tuple[str, ...], covariates: tuple[str, ...], _units: Units, pair: tuple[str, str]
) -> tuple[tuple[CovariateCorrelation, ...], GainModel]:
    return covariate_correlations(_units, pair, covariates), gain_model(_units, pair, axes)
