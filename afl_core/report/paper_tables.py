"""Tables for a paper: of the sources, of the bins and of the differences, as they are printed and in full precision."""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from afl_core.analysis.breakdown.export import list_records
from afl_core.analysis.breakdown.overall import Overall
from afl_core.analysis.breakdown.records import ALL
from afl_core.analysis.breakdown.sentences import levels_sentence, range_text, tests_sentence
from afl_core.base.numbers import interval, number, p_number
from afl_core.base.words import number_of
from afl_core.data.labels import region_title
from afl_core.report.findings import Findings
from afl_core.report.markup import latex, markdown
from afl_core.volume import WHOLE

NUMERIC = ("n", "units", "Mean", "95 % interval", "Difference", "Interval", "p", "p (Holm)", "Effect")
"""Columns of numbers, set to the right."""

LONG = 40
"""Rows from which a LaTeX table may break over pages."""

EFFECT = 2
"""Decimals of a rank-biserial correlation, as on the page."""

_GROUP = ("axis", "bin", "low", "high", "n", "units")
_MEAN = ("source", "mean", "mean_low", "mean_high")
_TEST = ("source", "minus", "mean_difference", "ci_low", "ci_high", "ci_level", "p", "p_holm", "effect")
_SIGNS = ("n_higher", "n_lower", "n_equal", "p_method")


@dataclass(frozen=True)
class PaperTable:
    """A table.

    Attributes:
        name: Stem of its files.
        caption: What it shows, in sentences.
        note: What the reader must know of its numbers, in sentences.
        columns: Titles of the columns.
        rows: Texts of the cells, rounded by the rule of `base.numbers`.
        exact: The same rows with their values in full precision, by the names of `Breakdown.records`; None for nothing.
    """

    name: str
    caption: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    exact: tuple[Mapping[str, Any], ...]


def sources_table(metrics: Sequence[Overall], findings: Findings) -> PaperTable:
    """The mean of every headline metric, a row a source."""
    rows, exact = [], []
    for metric in metrics:
        measure = metric.units.measure
        for record in metric.records.drop_duplicates("source").to_dict("records"):
            counts = {"n": int(record["n"]), "units": int(record["units"])}
            means = {name: _value(record[name]) for name in _MEAN}
            exact.append({"metric": measure.key, "unit": measure.unit, "better": measure.better} | counts | means)
            better = f"{measure.label} ({', '.join(filter(None, [measure.unit, f'{measure.better} is better']))})"
            rows.append((better, str(record["source"]), *_counts(counts, findings), *_mean(record, measure.digits)))
    return PaperTable(
        "table_sources",
        f"Mean of each source over all {findings.units.noun}. {data_sentence(findings)}",
        _n_sentence(findings),
        ("Metric", "Source", *_count_columns(findings), "Mean", "95 % interval"),
        tuple(rows),
        tuple(exact),
    )


def bins_table(findings: Findings) -> PaperTable:
    """The mean of the compared metric over all and in every bin, a row a source."""
    breakdown, units = findings.breakdown, findings.units
    first = ~breakdown.records.duplicated(["axis", "bin", "source"])
    records = breakdown.records[first].to_dict("records")
    exact = [record for record, kept in zip(list_records(breakdown), first, strict=True) if kept]
    return PaperTable(
        "table_bins",
        f"{units.measure.title} ({units.measure.better} is better) by bin: mean of each source. "
        f"{data_sentence(findings)}",
        f"{_n_sentence(findings)} {_edges_sentence(findings)}",
        ("By", "Bin", "Range", *_count_columns(findings), "Source", "Mean", "95 % interval"),
        tuple(
            (*_place(record, findings), str(record["source"]), *_mean(record, units.measure.digits))
            for record in records
        ),
        tuple({name: record[name] for name in (*_GROUP, *_MEAN)} for record in exact),
    )


def differences_table(findings: Findings) -> PaperTable | None:
    """The paired differences over all and in every bin, with interval and test; None where one source stands alone."""
    breakdown, units = findings.breakdown, findings.units
    if not units.pairs:
        return None
    paired = breakdown.records["minus"] != ""
    records = breakdown.records[paired].to_dict("records")
    exact = [record for record, kept in zip(list_records(breakdown), paired, strict=True) if kept]
    better = "above" if units.measure.better == "higher" else "below"
    note = (
        f"Paired differences over patients; {better} 0 the first-named source is better. "
        f"{levels_sentence(breakdown.records, units)} p: Wilcoxon's signed-rank test. "
        f"{tests_sentence(breakdown)} Effect: matched rank-biserial correlation. "
        f"{_n_sentence(findings)} {_edges_sentence(findings)}"
    )
    return PaperTable(
        "table_differences",
        f"{units.measure.title} by bin: mean paired difference of the sources. {data_sentence(findings)}",
        note,
        ("By", "Bin", "Range", *_count_columns(findings), "Pair", "Difference", "Interval", "p (Holm)", "Effect"),
        tuple((*_place(record, findings), *_difference(record, units.measure.digits)) for record in records),
        tuple({name: record[name] for name in (*_GROUP, *_TEST, *_SIGNS)} for record in exact),
    )


def as_latex(table: PaperTable) -> str:
    """The table with the rules of booktabs; a long one may break over pages (longtable)."""
    kinds = "".join("r" if name in NUMERIC else "l" for name in table.columns)
    caption = f"\\caption{{{latex(table.caption)}}}\\label{{tab:{table.name.removeprefix('table_')}}}"
    head = f"\\toprule\n{' & '.join(map(latex, table.columns))} \\\\\n\\midrule"
    note = f"{{\\footnotesize {latex(table.note)}\\par}}"
    body = "\n".join(_latex_rows(table))
    if len(table.rows) > LONG:
        return (
            "% Needs \\usepackage{booktabs} and \\usepackage{longtable}\n"
            f"{{\\small\n\\begin{{longtable}}{{{kinds}}}\n{caption} \\\\\n{head}\n\\endfirsthead\n{head}\n\\endhead\n"
            f"{body}\n\\bottomrule\n\\end{{longtable}}}}\n\\noindent{note}\n"
        )
    return (
        "% Needs \\usepackage{booktabs}\n"
        f"\\begin{{table}}[htbp]\n\\centering\\small\n{caption}\n\\begin{{tabular}}{{{kinds}}}\n{head}\n{body}\n"
        f"\\bottomrule\n\\end{{tabular}}\n\\par\\smallskip\n{note}\n\\end{{table}}\n"
    )


def as_markdown(table: PaperTable) -> str:
    """The table as a pipe table, with caption and note."""
    marks = ["---:" if name in NUMERIC else ":---" for name in table.columns]
    rows = [map(markdown, table.columns), marks, *(map(markdown, row) for row in table.rows)]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"**{markdown(table.caption)}**\n\n{lines}\n\n{markdown(table.note)}\n"


def as_printed_csv(table: PaperTable) -> str:
    """The cells as they are printed, for a table in a word processor."""
    return _csv([table.columns, *table.rows])


def as_exact_csv(table: PaperTable) -> str:
    """The values in full precision, for a program."""
    columns = list(table.exact[0]) if table.exact else []
    return _csv([columns, *([row[name] for name in columns] for row in table.exact)])


def data_sentence(findings: Findings) -> str:
    """The data set, that it is synthetic where it is, and the region where there are others."""
    of = findings.comparison
    cases = number_of(len(findings.units.table), findings.units.noun[:-1])
    data = f"{'Synthetic cohort' if of.is_demo else 'Data set'} {of.manifest.data.folder.name}, {cases}"
    return f"{data}, {region_title(of.region)}." if len(of.regions) > 1 or of.region != WHOLE.name else f"{data}."


def _latex_rows(table: PaperTable) -> list[str]:
    """The rows; a first cell that repeats is left empty, and a little space stands before a new one."""
    lines: list[str] = []
    before = None
    for row in table.rows:
        cells = [
            re.sub(r"(?<![\w.])-(?=\d)", "$-$", latex(cell)) if name in NUMERIC else latex(cell)
            for name, cell in zip(table.columns, row, strict=True)
        ]
        if before not in (None, row[0]):
            lines.append("\\addlinespace")
        lines.append(f"{' & '.join(['' if row[0] == before else cells[0], *cells[1:]])} \\\\")
        before = row[0]
    return lines


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _apart(findings: Findings) -> bool:
    """Whether patients and units are counted apart anywhere."""
    records = findings.breakdown.records
    return bool((records["n"] < records["units"]).any())


def _count_columns(findings: Findings) -> tuple[str, ...]:
    return ("n", "units") if _apart(findings) else ("n",)


def _counts(record: Mapping[Any, Any], findings: Findings) -> tuple[str, ...]:
    n = f"{int(record['n'])}"
    return (n, f"{int(record['units'])}") if _apart(findings) else (n,)


def _n_sentence(findings: Findings) -> str:
    return f"n counts patients, units their {findings.units.noun}." if _apart(findings) else "n counts patients."


def _edges_sentence(findings: Findings) -> str:
    edges = [f"{findings.units.axis(b.axis).title} {b.where()}" for b in findings.breakdown.binnings]
    return " ".join([*([f"Edges of the bins: {'; '.join(edges)}."] if edges else []), *findings.breakdown.unbinned])


def _place(record: Mapping[Any, Any], findings: Findings) -> tuple[str, ...]:
    """Axis, bin, its range and the counts of a record."""
    over = record["axis"] == ALL
    axis = "All" if over else findings.units.axis(record["axis"]).marked
    range_ = range_text(record, findings.units)
    return axis, "all" if over else str(record["bin"]), range_, *_counts(record, findings)


def _mean(record: Mapping[Any, Any], digits: int) -> tuple[str, str]:
    return number(record["mean"], digits), interval(record["mean_low"], record["mean_high"], digits)


def _difference(record: Mapping[Any, Any], digits: int) -> tuple[str, ...]:
    return (
        f"{record['source']} minus {record['minus']}",
        number(record["mean_difference"], digits, sign=True),
        interval(record["ci_low"], record["ci_high"], digits, sign=True),
        p_number(record["p_holm"]),
        number(record["effect"], EFFECT, sign=True),
    )


def _value(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
