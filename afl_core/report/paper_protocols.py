"""Tables for a paper of the means by the rules of challenges."""

from afl_core.analysis.protocol_means import BASIS, challenge_table, protocol_means, rule_text
from afl_core.evaluation.protocol_labels import label_notes
from afl_core.evaluation.protocol_results import every_protocol
from afl_core.report.findings import Findings
from afl_core.report.paper_tables import PaperTable, data_sentence


def protocol_tables(findings: Findings) -> list[PaperTable]:
    """A table by source and region of each protocol whose rows the results hold; it has every region of its own."""
    tables = []
    for of in every_protocol(findings.comparison):
        if of.table.empty:
            continue
        shown, means = challenge_table(of.table), protocol_means(of.table)
        tables.append(
            PaperTable(
                f"table_{of.rule.name}",
                f"Means by the rules of {of.rule.title}. {data_sentence(findings)}",
                " ".join([rule_text(of.rule), *label_notes(of.rule), BASIS, *of.caveats]),
                tuple(map(str, shown)),
                tuple(tuple(map(str, row)) for row in shown.to_numpy().tolist()),
                tuple(
                    {"source": mean.source, "region": mean.region, "cases": mean.cases}
                    | {key: None if mean.defined_in[key] == 0 else value for key, value in mean.means.items()}
                    for mean in means
                ),
            )
        )
    return tables
