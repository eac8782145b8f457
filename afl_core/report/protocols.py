"""The section of the report with the means by the rules of each challenge whose rows the results hold."""

from afl_core.analysis.protocol_means import (
    BASIS,
    challenge_table,
    detection_sentences,
    rule_text,
)
from afl_core.evaluation.protocol_labels import label_notes
from afl_core.evaluation.protocol_results import KeptRows, every_protocol
from afl_core.report.findings import Findings
from afl_core.report.parts import heading, paragraph, table


def show_protocols(findings: Findings) -> str:
    """A table by source and region of each protocol; "" where the results hold no row of one."""
    return "".join(_show(of) for of in every_protocol(findings.comparison))


def _show(of: KeptRows) -> str:
    rule, rows = of.rule, of.table
    warnings = "".join(paragraph(sentence, "warn") for sentence in of.caveats)
    if rows.empty:
        return heading(rule.title) + warnings
    means = challenge_table(rows)
    return (
        heading(rule.title)
        + paragraph(" ".join([rule_text(rule), *label_notes(rule)]), "note")
        + warnings
        + table([*map(str, means)], means.to_numpy().tolist(), name=f"protocol {rule.name}", words=2)
        + "".join(map(paragraph, detection_sentences(rows)))
        + paragraph(BASIS, "note")
    )
