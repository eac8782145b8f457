"""Tables for a paper of the means by the rules of challenges."""

from afl_core.analysis.protocol_means import BASIS, challenge_table, different_cases, protocol_means
from afl_core.evaluation.protocol_cases import doubts
from afl_core.evaluation.protocol_results import every_protocol
from afl_core.metrics.protocols import PROTOCOLS
from afl_core.report.findings import Findings
from afl_core.report.paper_tables import PaperTable, data_sentence


def protocol_tables(findings: Findings) -> list[PaperTable]:
    """A table by source and region of each protocol whose rows the results hold; it has every region of its own."""
    tables = []
    for name, rows in every_protocol(findings.comparison).items():
        rule, shown, means = PROTOCOLS[name], challenge_table(rows), protocol_means(rows)
        said = [*doubts(rows, rule), different_cases(rows, tuple(rows["source"].unique()))]
        tables.append(
            PaperTable(
                f"table_{name}",
                f"Means by the rules of {rule.title}. {data_sentence(findings)}",
                " ".join([rule.definition, f"It follows {rule.source}.", BASIS, *filter(None, said)]),
                tuple(map(str, shown)),
                tuple(tuple(map(str, row)) for row in shown.to_numpy().tolist()),
                tuple(
                    {"source": of.source, "region": of.region, "cases": of.cases}
                    | {key: None if of.defined_in[key] == 0 else value for key, value in of.means.items()}
                    for of in means
                ),
            )
        )
    return tables
