"""The report as one HTML text."""

from collections.abc import Sequence

from afl_core.analysis.breakdown.bins import EXPLORATORY
from afl_core.analysis.breakdown.export import breakdown_json, regions_json
from afl_core.analysis.breakdown.sentences import capital
from afl_core.base.storage import json_text
from afl_core.base.words import number_of
from afl_core.evaluation.caveats import imported_sentence
from afl_core.report.cases import show_changes
from afl_core.report.charts import axis_charts, show_both, show_edges, show_spread, show_trend
from afl_core.report.confidence import show_confidence
from afl_core.report.covariates import show_covariates
from afl_core.report.findings import Findings
from afl_core.report.notes import method, provenance, published
from afl_core.report.operating_point import show_operating_point
from afl_core.report.page import frame
from afl_core.report.parts import escape, link, paragraph, section
from afl_core.report.protocols import show_protocols
from afl_core.report.ranking import show_ranking
from afl_core.report.regions import show_regions
from afl_core.report.statistics import axis_tables, conclusion, headline, planning, sentences_of

__all__ = ["Findings", "build_report"]

DISCLAIMER = "Research use only, not a medical device."


def build_report(findings: Findings) -> str:
    """One HTML file: texts, tables, charts and pictures, and `breakdown.json` embedded as it is exported.

    Args:
        findings: A comparison and where it comes from.
    """
    document = (
        regions_json(findings.regions, findings.problems)
        if findings.regions
        else breakdown_json(
            findings.breakdown, findings.options, findings.comparison.manifest, results=findings.comparison.name
        )
    )
    sections = {
        "regions": ("Every region", show_regions(findings)),
        "headline": ("All metrics", headline(findings)),
        "protocols": ("By the rules of a challenge", show_protocols(findings)),
        **{
            f"by-{b.axis}": (f"By {findings.units.axis(b.axis).marked.lower()}", _axis(findings, b.axis))
            for b in findings.breakdown.binnings
        },
        "both": ("Volume and smoothness at once", show_both(findings)),
        "covariates": ("Covariates (exploratory)", show_covariates(findings)),
        "trend": ("Does the difference depend on volume?", show_trend(findings)),
        "edges": ("Do the edges decide?", show_edges(findings)),
        "spread": ("Distributions and recall of lesions", show_spread(findings)),
        "operating-point": ("At other thresholds", show_operating_point(findings)),
        "confidence": ("How sure the sources are", show_confidence(findings)),
        "ranking": ("Ranking", show_ranking(findings)),
        "planning": ("Patients for a new study", planning(findings)),
        "cases": ("Largest gains and losses", show_changes(findings)),
        "method": ("How this was measured", method(findings)),
        "published": ("Published by the paper (not ours)", published()),
        "provenance": ("Where the numbers come from", provenance(findings)),
    }
    html = "".join(section(title, content, name=name) for name, (title, content) in sections.items())
    links = "".join(link(title, name=name) for name, (title, content) in sections.items() if content)
    title = _title(findings.units.sources)
    unbinned = "".join(paragraph(why, "note") for why in findings.breakdown.unbinned)
    page = (
        f"<header><h1>{escape(title)}</h1>\n{_subtitle(findings)}{conclusion(findings)}{unbinned}<nav>{links}</nav></header>\n"
        f"<main>{html}</main>\n<footer>{escape(DISCLAIMER)} Made with the A-FL workbench.</footer>\n"
    )
    return frame(title=f"{title}: {findings.units.measure.label}", html=page, document=json_text(document))


def _title(sources: Sequence[str]) -> str:
    if len(sources) == 2:
        return f"{sources[1]} against {sources[0]}"
    return ", ".join(sources) if len(sources) < 5 else f"{number_of(len(sources), 'source')} compared"


def _subtitle(findings: Findings) -> str:
    units, data = findings.units, findings.comparison.manifest.data
    n = units.table["patient"].nunique()
    compared = number_of(len(units.table), units.noun[:-1]) + (
        "" if n == len(units.table) else f" of {number_of(n, 'patient')}"
    )
    subtitle = f"{units.measure.title} on {compared}. Data: {data.folder.name} ({data.kind}). {DISCLAIMER}"
    synthetic = (
        "Synthetic demo cohort: drawn tumours, and small networks trained for minutes. It shows the workbench, not "
        "what a loss is worth on patients."
    )
    subtitle = f"{subtitle} {imported_sentence(findings.comparison.manifest)}".strip()
    return paragraph(subtitle, "soft") + (paragraph(synthetic, "warn") if findings.comparison.is_demo else "")


def _axis(findings: Findings, axis: str) -> str:
    mark = paragraph(f"{capital(EXPLORATORY)}.", "note") if axis in findings.units.covariates else ""
    return mark + sentences_of(findings, axis) + axis_tables(findings, axis) + axis_charts(findings, axis)
