"""Conclusion, headline table and the tables by bin."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from afl_core.analysis.breakdown.overall import Overall, basis_sentence, overall, penalty_sentence
from afl_core.analysis.breakdown.planning import ABOUT, needed_text, plan_table, planning_sentence
from afl_core.analysis.breakdown.records import ALL
from afl_core.analysis.breakdown.sentences import (
    false_positives_sentences,
    mean_sentence,
    pair_sentence,
    range_text,
)
from afl_core.analysis.breakdown.units import Units
from afl_core.base.numbers import NOTHING, interval, number, p_number
from afl_core.base.words import number_of
from afl_core.report.findings import Findings
from afl_core.report.parts import bullets, fold, heading, paragraph, table

ARROWS = {"higher": "↑", "lower": "↓"}


def conclusion(findings: Findings) -> str:
    """The conclusion over everything: a sentence for each pair, or the mean of a single source."""
    units, breakdown = findings.units, findings.breakdown
    told = penalty_sentence(units, findings.pair), basis_sentence(units, findings.pair)
    basis = " ".join(filter(None, told))
    note = paragraph(basis, "note") if basis else ""
    if not units.pairs:
        return paragraph(mean_sentence(breakdown.records.iloc[0].to_dict(), units), "lead") + note
    sentences = [pair_sentence(breakdown.pair(*pair).iloc[0].to_dict(), units) for pair in units.pairs]
    rest = bullets(sentences[1:])
    first = f"The first of {number_of(len(sentences), 'pair')}. " if len(sentences) > 1 else ""
    return (
        paragraph(first + sentences[0], "lead")
        + note
        + (fold(_others(sentences), rest) if len(sentences) > 4 else rest)
    )


def headline(findings: Findings) -> str:
    """The main metrics over everything: means, and the first pair's difference, all with 95 % intervals."""
    opened = findings.comparison
    pair, sources = findings.pair, findings.units.sources
    columns = ["Metric", "n", *sources] + ([f"{pair[1]} minus {pair[0]}", "95 % interval"] if pair else [])
    metrics = overall((opened.rows, opened.lesions), opened.manifest, findings.options)
    shown = [_headline_row(metric, findings.pair) for metric in metrics]
    note = (
        "Means over patients; arrows point to the better values. n counts the patients in whom the metric is defined "
        f"for every source (in brackets their {findings.units.noun}, where these are more). "
        "Intervals are not corrected for the number of metrics: read one metric, chosen beforehand."
    )
    pairs = len(findings.units.pairs)
    note += f" The difference is that of the first of {number_of(pairs, 'pair')} of sources." if pairs > 1 else ""
    false = "".join(paragraph(sentence, "note") for sentence in false_positives_sentences(findings.units))
    return table(columns, shown, name="headline") + false + paragraph(note, "note")


def axis_tables(findings: Findings, axis: str) -> str:
    """Means and differences in the bins of one axis; further pairs than the first are folded."""
    records = findings.breakdown.records
    whole, units = records["axis"].isin([ALL, axis]), findings.units
    if findings.pair is None:
        return _means_table(records[whole], axis, units)
    html = ""
    if len(findings.units.sources) > 2:
        html += heading("Means of every source") + _means_table(_source_records(records[whole]), axis, units)
    tables = [_pair_table(records[whole], axis, pair, findings) for pair in findings.units.pairs]
    return html + tables[0] + (fold(_others(tables), "".join(tables[1:])) if tables[1:] else "")


def planning(findings: Findings) -> str:
    """How many patients a new study would need, by the first pair."""
    if findings.pair is None:
        return ""
    plans, digits = plan_table(findings.breakdown, findings.pair), findings.units.measure.digits
    rows = [
        [
            row["bin"] if row["axis"] == ALL else f"{findings.units.axis(row['axis']).marked}: {row['bin']}",
            f"{row['n']}",
            number(row["difference"], digits, sign=True),
            needed_text(row),
            number(100 * row["power"], 0),
        ]
        for row in plans.to_dict("records")
    ]
    columns = ["Bin", "n", "Difference", "Patients needed", "Power with n (%)"]
    said = paragraph(planning_sentence(plans, assumed=False))
    return said + table(columns, rows, name="planning") + paragraph(ABOUT, "note")


def sentences_of(findings: Findings, axis: str) -> str:
    """The sentences of the first pair, one for each bin."""
    if findings.pair is None:
        return ""
    records = findings.breakdown.pair(*findings.pair)
    rows = records[records["axis"] == axis].to_dict("records")
    return bullets(pair_sentence(r, findings.units) for r in rows)


def _others(pairs: Sequence[str]) -> str:
    """The title of all pairs but the first."""
    return f"The other {number_of(len(pairs) - 1, 'pair')}"


def _headline_row(metric: Overall, pair: tuple[str, str] | None) -> list[str]:
    measure, n = metric.units.measure, int(metric.records["n"].iloc[0])
    row = [f"{measure.title} {ARROWS[measure.better]}", _counts(n, len(metric.units.table))]
    row += [number(mean, measure.digits) for mean in metric.means]
    if pair:
        record = metric.pair(*pair)
        row.append(number(record["mean_difference"], measure.digits, sign=True))
        row.append(interval(record["ci_low"], record["ci_high"], measure.digits, sign=True))
    return row


def _source_records(records: pd.DataFrame) -> pd.DataFrame:
    """One record a bin and source, whatever it is compared with."""
    return records.drop_duplicates(["axis", "bin", "source"])


def _means_table(records: pd.DataFrame, axis: str, units: Units) -> str:
    sources = list(dict.fromkeys(records["source"]))
    rows = []
    for _, group in records.groupby(["axis", "bin"], sort=False):
        of = {record["source"]: record for record in group.to_dict("records")}
        rows.append([*_bin(of[sources[0]], units), *(_mean(of[source], units.measure.digits) for source in sources)])
    return table(["Bin", "n", *sources], rows, name=f"means {axis}")


def pair_columns(pair: tuple[str, str]) -> list[str]:
    """Headings of `pair_rows`."""
    return ["Bin", "n", *pair, "Difference", "p", "p (Holm)", "Effect", "Higher / lower / equal"]


def pair_rows(records: pd.DataFrame, pair: tuple[str, str], units: Units) -> list[list[str]]:
    """Means, difference and tests of a pair, a row a bin."""
    (first, second), digits = pair, units.measure.digits
    means = {(r["axis"], r["bin"]): r for r in _source_records(records).to_dict("records") if r["source"] == first}
    rows = []
    for record in records[(records["source"] == second) & (records["minus"] == first)].to_dict("records"):
        other = means[record["axis"], record["bin"]]
        shown = (_mean(other, digits), _mean(record, digits))
        rows.append([*_bin(record, units), *shown, *_compared(record, digits)])
    return rows


def _pair_table(records: pd.DataFrame, axis: str, pair: tuple[str, str], findings: Findings) -> str:
    first, second = pair
    caption = f"{findings.units.measure.title}: {second} minus {first}"
    rows = pair_rows(records, pair, findings.units)
    return heading(caption) + table(pair_columns(pair), rows, name=f"pair {axis} {first} {second}")


def _bin(record: Mapping[Any, Any], units: Units) -> list[str]:
    """Name of a bin above its range, and its patients; also its units where there are more."""
    n = _counts(record["n"], record["units"])
    range_ = range_text(record, units)
    return [f"{record['bin']}\n{range_}" if range_ else record["bin"], n]


def _counts(n: int, units: int) -> str:
    """Patients, and their cases or lesions in brackets where these are more."""
    return f"{n}" if n == units else f"{n} ({units})"


def _compared(record: Mapping[Any, Any], digits: int) -> list[str]:
    tested = not math.isnan(record["p"])
    difference = number(record["mean_difference"], digits, sign=True)
    if not math.isnan(record["ci_low"]):
        ends = interval(record["ci_low"], record["ci_high"], digits, sign=True)
        difference += f"\n{ends} ({100 * record['ci_level']:.3g} %)"
    return [
        difference,
        p_number(record["p"]),
        p_number(record["p_holm"]),
        number(record["effect"], 2, sign=True),
        f"{record['n_higher']:.0f} / {record['n_lower']:.0f} / {record['n_equal']:.0f}" if tested else NOTHING,
    ]


def _mean(record: Mapping[Any, Any], digits: int) -> str:
    """A mean above its 95 % interval."""
    ends = interval(record["mean_low"], record["mean_high"], digits)
    return number(record["mean"], digits) + ("" if ends == NOTHING else f"\n{ends}")
