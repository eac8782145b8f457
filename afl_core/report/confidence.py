"""The section of the report on how sure the sources are against how often they are right."""

from afl_core.analysis.breakdown.options import list_sources
from afl_core.analysis.breakdown.sentences import pair_sentence, tests_sentence
from afl_core.analysis.confidence import DIGITS, NOTE, compare_errors, error_rows, load_confidence
from afl_core.base.numbers import interval, number, p_number
from afl_core.errors import DataError
from afl_core.evaluation.tables import PARTS
from afl_core.figures.confidence import plot_reliability
from afl_core.metrics.calibration import ERRORS
from afl_core.report.findings import Findings
from afl_core.report.parts import chart, paragraph, table


def show_confidence(findings: Findings) -> str:
    """The pair's errors of calibration, and reliability curves; "" without counts."""
    opened = findings.comparison
    try:
        found = load_confidence(opened)
    except DataError:  # masks alone, or results of an earlier version
        return ""
    _, seeds = list_sources(opened.manifest, pool_seeds=findings.options.pool_seeds)
    members = {name: tuple(seeds.get(name, (name,))) for name in findings.pair or ()}
    html = ""
    if members and all(set(group) <= set(found) for group in members.values()):
        errors = compare_errors(opened.rows, error_rows(found), members, ())
        first, second = members
        rows, sentences = [], []
        for part, by_error in errors.items():
            for key, breakdown in by_error.items():
                record = breakdown.pair(first, second).iloc[0].to_dict()
                sentences += [pair_sentence(record, breakdown.units)] if key == "ece" else []
                values = record["mean"] - record["mean_difference"], record["mean"]
                ends = interval(record["ci_low"], record["ci_high"], DIGITS, sign=True)
                rows.append(
                    [
                        *(ERRORS[key].label, PARTS[part], record["n"]),
                        *(number(value, DIGITS) for value in values),
                        *(number(record["mean_difference"], DIGITS, sign=True), ends, p_number(record["p_holm"])),
                    ]
                )
        columns = ["Error", "Voxels", "n", first, second, "Difference", "Interval", "p (Holm)"]
        counted = tests_sentence(errors["grid"]["ece"].n_tests)
        html = paragraph(" ".join(sentences)) + table(columns, rows, name="confidence", words=2)
        html += paragraph(counted, "note")
    for part, words in PARTS.items():
        html += chart(
            plot_reliability(found, opened.sources, part), label=f"Reliability {words}", name=f"reliability-{part}"
        )
    return html + paragraph(f"{NOTE} Curves are of every source, seeds one by one.", "note")
