"""The section of the report on covariates: how each goes with the difference, and given all of them."""

from afl_core.analysis.breakdown.gain_model import (
    ABOUT,
    correlation_cells,
    covariate_correlations,
    gain_model,
    model_sentences,
    term_cells,
)
from afl_core.report.findings import Findings
from afl_core.report.parts import bullets, paragraph, table


def show_covariates(findings: Findings) -> str:
    """The model given all axes and the rank correlations, for the first pair; "" where no covariate is an axis."""
    units, pair, binnings = findings.units, findings.pair, findings.breakdown.binnings
    covariates = [b.axis for b in binnings if b.covariate]
    if pair is None or not covariates:
        return ""
    model = gain_model(units, pair, [b.axis for b in binnings])
    html = bullets(model_sentences(model, units, pair))
    if model.terms:
        rows = [term_cells(term, units) for term in model.terms]
        html += table(list(rows[0]), [list(row.values()) for row in rows], name="gain model")
        html += paragraph(ABOUT, "note")
    found = [correlation_cells(row) for row in covariate_correlations(units, pair, covariates)]
    html += table(list(found[0]), [list(row.values()) for row in found], name="covariates")
    note = "Rank correlations over the patients that have both, with their 95 % intervals; not corrected."
    return html + paragraph(note, "note")
