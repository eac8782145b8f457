"""Charts with the sentences that go with them."""

from dataclasses import replace

from afl_core.analysis.breakdown.bins import Binning
from afl_core.analysis.breakdown.confounding import (
    Correlation,
    confounding,
    confounding_sentence,
    size_answers_sentence,
    size_correlation,
    sweep_edges,
    sweep_sentence,
)
from afl_core.analysis.breakdown.interaction import interaction_sentence, robust_trend, size_interaction
from afl_core.analysis.breakdown.options import choose_units, lesion_size_bins
from afl_core.analysis.breakdown.records import compute_grid
from afl_core.analysis.breakdown.sentences import false_positives_sentences, grid_sentence, levels_sentence
from afl_core.analysis.breakdown.view_sentences import distribution_sentence, pairs_sentence, recall_sentence
from afl_core.base.numbers import interval, number, told_apart
from afl_core.errors import AflError
from afl_core.figures.bins import plot_grid, plot_means, plot_sweep
from afl_core.figures.slopes import plot_slopes
from afl_core.figures.spread import plot_cumulative, plot_recall, plot_trend
from afl_core.report.findings import Findings
from afl_core.report.parts import chart, heading, paragraph, table


def axis_charts(findings: Findings, axis: str) -> str:
    """Means in the bins of an axis, and every unit from the first source to the second."""
    words = findings.units.axis(axis).label.lower()
    html = chart(plot_means(findings.breakdown, axis), label=f"Means by {words}", name=f"means-{axis}")
    html += paragraph(f"Large marks: means, each with its own 95 % interval. Dots: {findings.units.noun}.", "note")
    if findings.pair:
        slopes = plot_slopes(findings.breakdown, axis, findings.pair)
        html += chart(slopes, label=f"From the first source to the second, by {words}", name=f"slopes-{axis}")
        lines = f"One line a {findings.units.noun[:-1]}, from one source to the other; above them the mean difference."
        html += paragraph(f"{lines} {levels_sentence(findings.breakdown.records, findings.units)}", "note")
    return html


def show_both(findings: Findings) -> str:
    """Size and smoothness at once: the cells of both, and how far the two rank tumours alike."""
    binnings = {b.axis: b for b in findings.breakdown.binnings}
    size, others = binnings.get("size"), [b for b in binnings.values() if b.axis != "size" and not b.covariate]
    if size is None or not others or findings.pair is None:
        return ""
    units, pair = findings.units, findings.pair
    html = ""
    for other in others:
        grid = compute_grid(units, size, other, pair)
        label = f"Mean difference by volume and {units.axis(other.axis).label.lower()}"
        html += chart(plot_grid(grid, size, other, units, pair), label=label, name=f"grid-{other.axis}")
        note = "Intervals are wider than 95 %, to hold together over the cells. Cells with too few patients are grey."
        html += paragraph(grid_sentence(grid) or note, "note")
        correlations = confounding(units, pair, other.axis)
        html += paragraph(confounding_sentence(correlations, other.axis, units))
        columns = ["Rank correlation of", "rho", "95 % interval", "n"]
        html += table(columns, [_correlation(c) for c in correlations], name=f"confounding {other.axis}")
    return html


def show_trend(findings: Findings) -> str:
    """Whether the difference depends on tumour volume, without bins."""
    if findings.pair is None:
        return ""
    units, pair = findings.units, findings.pair
    shade = next((b.axis for b in findings.breakdown.binnings if b.axis != "size" and not b.covariate), "roughness")
    interaction, line = size_interaction(units, pair), robust_trend(units, pair)
    figure = plot_trend(units, pair, line, colour_by=shade)
    answers = size_answers_sentence(interaction, line, size_correlation(units, pair))
    return (
        paragraph(interaction_sentence(interaction, units, pair))
        + (paragraph(answers) if answers else "")
        + chart(figure, label=f"Difference against {units.axis('size').label.lower()}", name="trend")
        + paragraph("Line: Theil-Sen over patients, which single cases cannot tilt, with its 95 % interval.", "note")
    )


def show_edges(findings: Findings) -> str:
    """Whether what the bins show hangs on where their edges are."""
    if findings.pair is None:
        return ""
    units, pair, html = findings.units, findings.pair, ""
    for binning in (b for b in findings.breakdown.binnings if not b.by_values):
        sweep = sweep_edges(units, binning, pair)
        label = f"Difference as the edges of {units.axis(binning.axis).label.lower()} move"
        html += heading(units.axis(binning.axis).marked) + paragraph(sweep_sentence(sweep, binning, units, pair))
        html += chart(plot_sweep(sweep, binning, units, pair), label=label, name=f"sweep-{binning.axis}")
    return html


def show_spread(findings: Findings) -> str:
    """Whole distributions, and recall of lesions by their volume."""
    units = findings.units
    html = paragraph(distribution_sentence(units))
    html += chart(plot_cumulative(units), label="Cumulative distribution of every source", name="cumulative")
    html += paragraph(pairs_sentence(units, findings.pair)) if findings.pair else ""
    html += paragraph(f"Share of the {units.noun} that score up to a value. {units.measure.definition}", "note")
    html += heading("Recall of lesions")
    options = replace(findings.options, level="lesion", metric="detected")
    try:
        lesions = choose_units(
            findings.comparison.rows, findings.comparison.lesions, findings.comparison.manifest, options
        )
        size = lesion_size_bins(lesions, findings.breakdown, findings.options)
    except AflError as error:
        return html + paragraph(f"Not shown. {error}", "note")
    html += paragraph(recall_sentence(lesions, size))
    html += chart(plot_recall(lesions, size), label="Recall of lesions by their volume", name="recall")
    notes = [*false_positives_sentences(lesions), _recall_note(size)]
    return html + "".join(paragraph(text, "note") for text in notes)


def _recall_note(size: Binning) -> str:
    return (
        "Share of the reference's lesions that the matcher finds, with Wilson's 95 % interval. Every lesion goes by "
        f"its own volume; the edges are at {' and '.join(told_apart(*size.edges))} ml, {size.how}."
    )


def _correlation(correlation: Correlation) -> list[str]:
    ends = interval(correlation.low, correlation.high, 2, sign=True)
    return [correlation.what, number(correlation.rho, 2, sign=True), ends, str(correlation.n)]
