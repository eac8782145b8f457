"""The meaning of a record, in a sentence that a reader can quote: never more than its numbers."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd

from afl_core.analysis.breakdown.records import ALL
from afl_core.analysis.breakdown.units import Units
from afl_core.analysis.statistics.bootstrap import CI_LEVEL
from afl_core.analysis.statistics.ranks import MIN_PATIENTS
from afl_core.base.words import number_of
from afl_core.evaluation.facts import false_positives_text

ALPHA = 0.05

Verdict = Literal["few", "none", "ranks only", "mean only", "higher", "lower"]
"""Too few patients; no difference shown; the interval holds 0 but the ranks differ; the reverse; both agree."""


def verdict(record: Mapping[Any, Any]) -> Verdict:
    """What the interval and the corrected p-value of a pair's record show together."""
    low, high, p = record["ci_low"], record["ci_high"], record["p_holm"]
    if math.isnan(low):
        return "few"
    if low <= 0 <= high:
        return "none" if p >= ALPHA else "ranks only"
    if p >= ALPHA:
        return "mean only"
    return "higher" if low > 0 else "lower"


def pair_sentence(record: Mapping[Any, Any], units: Units, *, tests: int) -> str:
    """A pair's record in words.

    Args:
        record: A row of `Breakdown.records` with `minus`.
        units: The cases or lesions that were compared.
        tests: Number of p-values that Holm's correction counts.
    """
    first, second, label = record["minus"], record["source"], in_sentence(units.measure.label)
    where = place(record, units)
    if not record["n"]:
        return f"There is nothing to compare {where}: none has a {label} of every source."
    measured = f"{record['mean_difference']:+.3f}"
    if (outcome := verdict(record)) == "few":
        few = f"{count(record, units)} {'is' if record['units'] == 1 else 'are'} too few for an interval or a test"
        few += f" ({MIN_PATIENTS} are needed: below that no p-value can fall under {ALPHA})"
        return f"{second}'s mean {label} minus {first}'s is {measured} {where}; {few}."
    measured += f", {100 * record['ci_level']:.3g} % interval {record['ci_low']:+.3f} to {record['ci_high']:+.3f}"
    p = p_text(record["p_holm"]) + (f" after Holm's correction for {number_of(tests, 'test')}" if tests > 1 else "")
    numbers = f"({count(record, units)}: {measured}; {p})"
    if outcome == "none":
        return f"No difference in mean {label} shown between {second} and {first} {where} {numbers}."
    if outcome in {"ranks only", "mean only"}:
        interval, ranks = ("holds", "a") if outcome == "ranks only" else ("leaves out", "no")
        unclear = f"Whether {second}'s mean {label} differs from {first}'s {where} is unclear"
        return f"{unclear}: the interval {interval} 0, but the test of the ranks shows {ranks} difference {numbers}."
    higher = record["mean_difference"] > 0
    better = higher == (units.measure.better == "higher")
    direction = f"{'higher' if higher else 'lower'} (so {'better' if better else 'worse'})"
    return f"{second}'s mean {label} is {direction} than {first}'s {where} {numbers}."


def tests_sentence(tests: int) -> str:
    """The number of tests that Holm's correction counts, in words."""
    if tests < 2:
        made = f"no test was made: none has {MIN_PATIENTS} patients" if tests == 0 else "only one test was made"
        return f"Holm's correction has nothing to correct, as {made}."
    return f"Holm's correction counts all {number_of(tests, 'test')} of the breakdown."


def levels_sentence(records: pd.DataFrame, units: Units) -> str:
    """The level of the intervals of the paired differences; "" where there is none.

    Args:
        records: `Breakdown.records`.
        units: The cases or lesions that were compared.
    """
    axes: dict[str, list[str]] = {}
    for r in records[records["ci_low"].notna()].drop_duplicates("axis").to_dict("records"):
        where = "over all" if r["axis"] == ALL else f"in each bin by {in_sentence(units.axis(r['axis']).label)}"
        axes.setdefault(f"{100 * r['ci_level']:.3g} %", []).append(where)
    levels = ", ".join(f"{level} {' and '.join(where)}" for level, where in axes.items())
    together = (
        f", so that those of the bins of an axis hold together at {100 * CI_LEVEL:.3g} %" if len(axes) > 1 else ""
    )
    return f"Intervals of the difference: {levels}{together}." if levels else ""


def grid_sentence(grid: pd.DataFrame) -> str:
    """A sentence that no cell of two axes holds enough patients, and what to do; "" where one does.

    Args:
        grid: The table of `compute_grid`.
    """
    if (grid["n"] >= MIN_PATIENTS).any():
        return ""
    few = f"Every cell has fewer than {MIN_PATIENTS} patients, so none shows a difference"
    return f"{few}. Move the edges until some cells hold more, or evaluate more cases."


def mean_sentence(record: Mapping[Any, Any], units: Units) -> str:
    """A source's own mean in words.

    Args:
        record: A row of `Breakdown.records`.
        units: The cases or lesions that were compared.
    """
    mean = (
        f"{record['source']}'s mean {in_sentence(units.measure.label)} is {record['mean']:.3f} {place(record, units)}"
    )
    low, high = record["mean_low"], record["mean_high"]
    interval = "" if math.isnan(low) else f"; {100 * CI_LEVEL:.3g} % interval {low:.3f} to {high:.3f}"
    return f"{mean} ({count(record, units)}{interval})."


def false_positives_sentences(units: Units) -> tuple[str, ...]:
    """The false positives of each source, which the scores of lesions alone do not show; () for cases."""
    where = f"in {number_of(units.cases, 'case')}"
    return tuple(
        f"{name}: {false_positives_text(total, units.cases)}, {where}." for name, total in units.false_positives.items()
    )


def place(record: Mapping[Any, Any], units: Units) -> str:
    """The place of a record in words: over everything, or in a bin with its edges."""
    if record["axis"] == ALL:
        return f"over all {units.noun}"
    axis, name = units.axis(record["axis"]), record["bin"]
    tumours = "tumours" if units.level == "case" else "lesions"
    if math.isnan(record["high"]):
        if name == "no tumour":
            return f"in {units.noun} without a tumour"
        small = "lesions too small for one" if units.level == "lesion" else "no tumour, or one too small"
        return f"in {units.noun} without a roughness ({small})"
    range_ = edges_text(record["low"], record["high"], axis.unit)
    if axis.key == "size":
        return f"in {name} {tumours} ({range_})"
    return f"in {tumours} of {name} smoothness ({axis.label.lower()} {range_})"


def edges_text(low: float, high: float, unit: str) -> str:
    """The range of a bin.

    >>> edges_text(0, 0.95, "ml"), edges_text(0.95, 2.1, "ml"), edges_text(0.2, float("inf"), "")
    ('up to 0.95 ml', '0.95 to 2.1 ml', 'above 0.2')
    """
    end = f" {unit}" if unit else ""
    if math.isinf(high):
        return f"above {low:.3g}{end}"
    return f"{low:.3g} to {high:.3g}{end}" if low else f"up to {high:.3g}{end}"


def count(record: Mapping[Any, Any], units: Units) -> str:
    """How much a record rests on: cases or lesions, and patients where these are fewer."""
    n, of = int(record["n"]), int(record["units"])
    units_text = number_of(of, units.noun[:-1])
    return units_text if n == of else f"{units_text} of {number_of(n, 'patient')}"


def in_sentence(label: str) -> str:
    """A label within a sentence.

    >>> in_sentence("Lesion Dice"), in_sentence("Dice"), in_sentence("HD95"), in_sentence("IoU")
    ('lesion Dice', 'Dice', 'HD95', 'IoU')
    """
    name = label.split(maxsplit=1)[0]
    return label if name == "Dice" or not name[1:].rstrip(",").islower() else label[0].lower() + label[1:]


def p_text(p: float) -> str:
    """A p-value to three decimals.

    >>> p_text(0.0312), p_text(0.00002)
    ('p = 0.031', 'p < 0.001')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
