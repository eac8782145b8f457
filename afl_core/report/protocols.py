"""The section of the report with the means by the rules of each challenge whose rows the results hold."""

from afl_core.analysis.protocol_means import (
    BASIS,
    challenge_table,
    detection_sentences,
    different_cases,
    first_sentence,
)
from afl_core.evaluation.protocol_doubts import doubts
from afl_core.evaluation.protocol_results import every_protocol
from afl_core.metrics.protocols import PROTOCOLS
from afl_core.report.findings import Findings
from afl_core.report.parts import heading, paragraph, table


def show_protocols(findings: Findings) -> str:
    """A table by source and region of each protocol; "" where the results hold no row of one."""
    html = ""
    cohort = findings.comparison.cohort
    cases = cohort.cases if cohort else ()
    for name, rows in every_protocol(findings.comparison).items():
        rule, means = PROTOCOLS[name], challenge_table(rows)
        said = [*doubts(rows, rule, cases), different_cases(rows, tuple(rows["source"].unique()))]
        html += (
            heading(rule.title)
            + paragraph(f"{first_sentence(rule)} It follows {rule.source}.", "note")
            + "".join(paragraph(doubt, "warn") for doubt in said if doubt)
            + table([*map(str, means)], means.to_numpy().tolist(), name=f"protocol {name}", words=2)
            + "".join(map(paragraph, detection_sentences(rows)))
            + paragraph(BASIS, "note")
        )
    return html
