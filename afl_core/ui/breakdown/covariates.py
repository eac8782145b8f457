"""Breakdown page: covariates as further axes."""

import streamlit as st

from afl_core.analysis.breakdown.units import Units
from afl_core.glossary import explain

HOLM = "Holm's correction counts the tests of every axis that is shown."


def choose_covariates(units: Units) -> list[str]:
    """Covariates that are further axes; the control is there where the results have some."""
    if not units.covariates:
        return []
    return st.multiselect(
        "Further axes, exploratory",
        list(units.covariates),
        format_func=lambda key: units.covariates[key].label,
        placeholder="None",
        help=f"{explain('Covariate', 'Exploratory')}\n\n{HOLM}",
        width=360,
        key="covariates",
        bind="query-params",
    )
