"""The section of the report on how sure the sources are against how often they are right."""

import pandas as pd

from afl_core.analysis.breakdown.sentences import tests_sentence
from afl_core.analysis.confidence import (
    DIGITS,
    NOTE,
    compare_errors,
    compared_members,
    error_rows,
    error_sentences,
    errors_table,
    load_confidence,
    size_bins,
)
from afl_core.analysis.counted_rows import NothingCountedError
from afl_core.base.numbers import number
from afl_core.errors import DataError
from afl_core.evaluation.tables import PARTS
from afl_core.figures.confidence import plot_reliability
from afl_core.report.findings import Findings
from afl_core.report.parts import chart, paragraph, table


def show_confidence(findings: Findings) -> str:
    """The pair's errors of calibration, and reliability curves; "" without counts."""
    opened = findings.comparison
    try:
        found = load_confidence(opened)
    except NothingCountedError:
        return ""
    except DataError as error:  # a damaged file costs its own section
        return paragraph(str(error), "warn")
    members = compared_members(opened, findings.pair, found, pool_seeds=findings.options.pool_seeds)
    html = ""
    if members:
        errors = compare_errors(opened.rows, error_rows(found), members, size_bins(opened))
        html = paragraph(" ".join(error_sentences(errors, members))) + _errors(
            errors_table(errors, members), tuple(members)
        )
        html += paragraph(tests_sentence(errors["grid"]["ece"]), "note")
    for part, words in PARTS.items():
        html += chart(
            plot_reliability(found, opened.sources, part), label=f"Reliability {words}", name=f"reliability-{part}"
        )
    return html + paragraph(f"{NOTE} Curves are of every source, seeds one by one.", "note")


def _errors(found: pd.DataFrame, pair: tuple[str, ...]) -> str:
    rows = [
        [
            *(row["error"], row["over"], row["n"]),
            *(number(row[name], DIGITS) for name in pair),
            *(number(row["difference"], DIGITS, sign=True), row["interval"], row["p (Holm)"]),
        ]
        for row in found.to_dict("records")
    ]
    columns = ["Error", "Voxels", "n", *pair, "Difference", "Interval", "p (Holm)"]
    return table(columns, rows, name="confidence", words=2)
