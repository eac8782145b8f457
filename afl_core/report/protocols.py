"""The section of the report with the means by the rules of each challenge whose rows the results hold."""

from afl_core.analysis.protocol_means import (
    BASIS,
    challenge_table,
    detection_sentences,
    different_cases,
    first_sentence,
)
from afl_core.evaluation.protocol_doubts import doubts
from afl_core.evaluation.protocol_results import KeptRows, every_protocol
from afl_core.report.findings import Findings
from afl_core.report.parts import heading, paragraph, table


def show_protocols(findings: Findings) -> str:
    """A table by source and region of each protocol; "" where the results hold no row of one."""
    return "".join(_show(of, findings) for of in every_protocol(findings.comparison))


def _show(of: KeptRows, findings: Findings) -> str:
    rule, rows = of.rule, of.table
    html = heading(rule.title) + (paragraph(of.damaged, "warn") if of.damaged else "")
    if rows.empty:
        return html
    cohort, means = findings.comparison.cohort, challenge_table(rows)
    said = [*doubts(rows, rule, cohort.cases if cohort else ()), different_cases(rows, tuple(rows["source"].unique()))]
    return (
        html
        + paragraph(f"{first_sentence(rule)} It follows {rule.source}.", "note")
        + "".join(paragraph(doubt, "warn") for doubt in said if doubt)
        + table([*map(str, means)], means.to_numpy().tolist(), name=f"protocol {rule.name}", words=2)
        + "".join(map(paragraph, detection_sentences(rows)))
        + paragraph(BASIS, "note")
    )
