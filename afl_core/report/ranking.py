"""The section of the report that ranks three sources or more."""

from afl_core.analysis.breakdown.ranking import (
    LEAST_SOURCES,
    SourceRanking,
    about_ranking,
    bins_to_rank,
    metric_agreement,
    rank_bin,
    rank_text,
    ranking_sentence,
)
from afl_core.analysis.statistics.ranking import METHODS
from afl_core.analysis.statistics.ranks import MIN_PATIENTS
from afl_core.base.numbers import number
from afl_core.figures.ranking import plot_rank_frequencies, plot_shown_better
from afl_core.report.findings import Findings
from afl_core.report.parts import bullets, chart, paragraph, table


def show_ranking(findings: Findings) -> str:
    """The ranking by the mean over everything, a sentence a bin, and the order by other metrics; "" for two sources."""
    if len(findings.units.sources) < LEAST_SOURCES:
        return ""
    whole, *of_bins = (rank_bin(findings.breakdown, record) for record in bins_to_rank(findings.breakdown).values())
    html = paragraph(ranking_sentence(whole))
    if whole.table["n"].iloc[0] >= MIN_PATIENTS:
        html += chart(plot_rank_frequencies(whole), label="How often each source has each rank", name="ranks")
        html += chart(plot_shown_better(whole), label="Which source is shown better than which", name="shown-better")
    return (
        html
        + _ranks(whole)
        + paragraph(about_ranking(whole), "note")
        + bullets(map(ranking_sentence, of_bins))
        + _agreement(findings)
    )


def _ranks(found: SourceRanking) -> str:
    digits = found.units.measure.digits
    rows = [
        [
            row["source"],
            *(number(row[name], digits) for name in ("mean", "median")),
            *(number(row[f"rank_{key}"], 0) for key in METHODS),
            rank_text(row["low"], row["high"]),
        ]
        for row in found.table.to_dict("records")
    ]
    return table(["Source", "Mean", "Median", *METHODS.values(), "95 % range"], rows, name="ranking")


def _agreement(findings: Findings) -> str:
    opened = findings.comparison
    metrics = metric_agreement((opened.rows, opened.lesions), opened.manifest, findings.options)
    rows = [
        [row["metric"], row["order"], row["n"], number(row["tau"], 2, sign=True)] for row in metrics.to_dict("records")
    ]
    return table(["Metric", "Order by the mean", "n", "Kendall's tau"], rows, name="rankings of metrics", words=2)
