"""The meaning of a record, in a sentence that a reader can quote: never more than its numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from afl_core.analysis.breakdown.bins import EXPLORATORY, ends_text
from afl_core.analysis.breakdown.penalties import rest_words
from afl_core.analysis.breakdown.records import ALL, Breakdown
from afl_core.analysis.breakdown.units import Units
from afl_core.analysis.statistics.bootstrap import CI_LEVEL
from afl_core.analysis.statistics.ranks import MIN_PATIENTS
from afl_core.base.numbers import interval, number, p_number, p_text, with_unit
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


def shows_difference(record: Mapping[Any, Any]) -> bool:
    """Whether interval and corrected test of a record agree on a difference."""
    return verdict(record) in {"higher", "lower"}


def is_shown(record: Mapping[Any, Any]) -> bool:
    """Whether a record that stands alone, without a correction, shows a difference."""
    return shows_difference({**record, "p_holm": record["p"]})


def difference_text(record: Mapping[Any, Any], digits: int = 3) -> str:
    """A mean difference with its interval, or that there is none."""
    difference = number(record["mean_difference"], digits, sign=True)
    if math.isnan(record["ci_low"]):
        return f"{difference} (too few patients for an interval)"
    return f"{difference} ({interval(record['ci_low'], record['ci_high'], digits, sign=True)})"


def pair_sentence(record: Mapping[Any, Any], units: Units) -> str:
    """A pair's record in words, short: what is better, by how much, and between which ends.

    Args:
        record: A row of `Breakdown.records` with `minus`.
        units: The cases or lesions that were compared.
    """
    first, second, measure = record["minus"], record["source"], units.measure
    over = record["axis"] == ALL
    where = f"{measure.label}, {place(record, units)}" if over else capital(place(record, units))
    if not record["n"]:
        return f"{where}: nothing to compare."
    rest = "" if over else rest_words(record, units.noun, measure.digits, measure.unit)
    if (outcome := verdict(record)) in {"higher", "lower"}:
        better = outcome == measure.better
        low, high = sorted(abs(record[end]) for end in ("ci_low", "ci_high"))
        size = with_unit(number(abs(record["mean_difference"]), measure.digits), measure.unit)
        than = f" than {first}" if over or len(units.pairs) > 1 else ""
        claim = f"{second} {'better' if better else 'worse'}{than}"
        return f"{where}: {claim} by {size} ({interval(low, high, measure.digits)}).{rest}"
    difference = with_unit(number(record["mean_difference"], measure.digits, sign=True), measure.unit)
    measured = f"{second} minus {first} {difference}"
    if outcome == "few":
        return f"{where}: {measured}; {count(record, units)}, too few for an interval or a test."
    ends = interval(record["ci_low"], record["ci_high"], measure.digits, sign=True)
    if outcome == "none":
        return f"{where}: no difference shown ({measured}, {ends}).{rest}"
    return f"{where}: unclear ({measured}, {ends}): {_clash(record)}.{rest}"


def _clash(record: Mapping[Any, Any]) -> str:
    """How interval and test differ where they do."""
    p, corrected = record["p"], record["p_holm"]
    if corrected < ALPHA:
        return "the interval holds 0, but the ranks show a difference"
    if p < ALPHA:
        before = f"{p_text(p)} before Holm's correction, {p_number(corrected)} after"
        return f"the interval leaves out 0, but the test shows nothing for so many tests ({before})"
    return "the interval leaves out 0, but the ranks do not show a difference"


def evidence_sentence(record: Mapping[Any, Any], units: Units, *, tests: int) -> str:
    """What stands behind `pair_sentence`: the range of the bin, the counts, the level and the test.

    Args:
        record: A row of `Breakdown.records` with `minus`.
        units: The cases or lesions that were compared.
        tests: Number of p-values that Holm's correction counts.
    """
    range_ = range_text(record, units)
    range_ = f"{units.axis(record['axis']).label} {range_}. " if range_ else ""
    range_ += f"{capital(EXPLORATORY)}. " if record["axis"] in units.covariates else ""
    if math.isnan(record["ci_low"]):
        few = f"Below {MIN_PATIENTS} patients there is neither interval nor test: no p-value could fall under {ALPHA}"
        return f"{range_}{count(record, units)}. {few}."
    difference = f"{record['source']} minus {record['minus']}, mean over patients"
    level = f"{100 * record['ci_level']:.3g} % interval"
    holm = f" after Holm's correction for {number_of(tests, 'test')}" if tests > 1 else ""
    p = f"Wilcoxon's signed-rank test: {p_text(record['p_holm'])}{holm}"
    return f"{range_}{count(record, units)}. {difference}, with its {level}. {p}."


NOT_COUNTED = "Axes, metrics, sources and views that were opened besides are not counted."
"""What no correction counts: only the axes of one visit to the page are kept in mind."""


def tests_sentence(breakdown: Breakdown) -> str:
    """The number of tests that Holm's correction counts, in words, and what it does not count."""
    return counted_sentence(breakdown.n_tests, opened_labels(breakdown))


def counted_sentence(tests: int, opened: Sequence[str] = ()) -> str:
    """The same of a number of p-values, with the names of axes that were looked at before, where theirs are counted."""
    if tests < 2:
        made = f"no test was made: none has {MIN_PATIENTS} patients" if tests == 0 else "only one test was made"
        return f"Holm's correction has nothing to correct, as {made}."
    return (
        f"Holm's correction counts all {number_of(tests, 'test')} of the breakdown{opened_words(opened)}. {NOT_COUNTED}"
    )


def opened_words(opened: Sequence[str]) -> str:
    """That the tests of axes that were looked at before are counted, for the end of a sentence; "" without any.

    >>> opened_words(["age", "site"])
    ', and those of axes that were opened before: age, site'
    """
    return f", and those of axes that were opened before: {', '.join(opened)}" if opened else ""


def opened_labels(breakdown: Breakdown) -> tuple[str, ...]:
    """Names of the axes that were looked at before and have tests."""
    tested = (axis for axis, p in breakdown.opened.items() if np.isfinite(p).any())
    return tuple(breakdown.units.axis(axis).label.lower() for axis in tested)


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


def shared_sentence(records: pd.DataFrame, units: Units) -> str:
    """That a patient counts in several bins of an axis, so that their n add up to more patients; "" where none does."""
    bins = records[records["axis"] != ALL].drop_duplicates(["axis", "bin"])
    patients = units.table["patient"].nunique()
    if not (bins.groupby("axis")["n"].sum() > patients).any():
        return ""
    what = f"A patient with {units.noun} in several bins of an axis counts in each"
    return f"{what}: their n add up to more than {number_of(patients, 'patient')}."


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
    measure, low = units.measure, record["mean_low"]
    mean = with_unit(number(record["mean"], measure.digits), measure.unit)
    ends = interval(low, record["mean_high"], measure.digits)
    within = "" if math.isnan(low) else f"; {100 * CI_LEVEL:.3g} % interval {ends}"
    where = place(record, units)
    return f"{record['source']}'s mean {in_sentence(measure.label)}, {where}: {mean} ({count(record, units)}{within})."


def false_positives_sentences(units: Units) -> tuple[str, ...]:
    """The false positives of each source, which the scores of lesions alone do not show; () for cases."""
    return tuple(
        f"{name}: {false_positives_text(total, units.false_positive_cases[name], units.cases)}."
        for name, total in units.false_positives.items()
    )


def place(record: Mapping[Any, Any], units: Units) -> str:
    """The place of a record in words: all, or the name of a bin."""
    if record["axis"] == ALL:
        return f"all {units.noun}"
    name, tumours = record["bin"], "tumours" if units.level == "case" else "lesions"
    if record["axis"] in units.covariates:
        return f"{units.noun} with {bin_words(record, units)}"
    if math.isnan(record["high"]):
        if name == "no tumour":
            return f"{units.noun} without a tumour"
        small = "lesions too small for one" if units.level == "lesion" else "no tumour, or one too small"
        return f"{units.noun} without a roughness ({small})"
    if name == "medium":
        return f"{tumours} of medium {'size' if record['axis'] == 'size' else 'smoothness'}"
    return f"{name} {tumours}"


def bin_words(record: Mapping[Any, Any], units: Units) -> str:
    """The bin of a covariate in words, marked: low age, site North, no value of age."""
    axis, name = units.axis(record["axis"]), record["bin"]
    label = in_sentence(axis.label)
    if name == axis.rest:
        return f"{name} of {label}{axis.mark}"
    return (f"{label} {name}" if axis.by_values else f"{name} {label}") + axis.mark


def range_text(record: Mapping[Any, Any], units: Units) -> str:
    """The range of a record's bin; "" over everything, for what has no value, and where a bin is a value."""
    if record["axis"] == ALL:
        return ""
    return ends_text(units.axis(record["axis"]), record["bin"], record["low"], record["high"])


def capital(text: str) -> str:
    """The text with a capital letter at its begin.

    >>> capital("small tumours")
    'Small tumours'
    """
    return text[:1].upper() + text[1:]


def count(record: Mapping[Any, Any], units: Units) -> str:
    """How much a record rests on: cases or lesions, and patients where these are fewer."""
    n, of = int(record["n"]), int(record["units"])
    units_text = number_of(of, units.noun[:-1])
    return units_text if n == of else f"{units_text} of {number_of(n, 'patient')}"


def in_sentence(label: str) -> str:
    """A label within a sentence.

    >>> in_sentence("Lesion Dice"), in_sentence("Dice, FL"), in_sentence("HD95"), in_sentence("IoU")
    ('lesion Dice', 'Dice, FL', 'HD95', 'IoU')
    """
    name = label.split(maxsplit=1)[0]
    return label if name.rstrip(",") == "Dice" or not name[1:].rstrip(",").islower() else label[0].lower() + label[1:]


def left_out_sentence(units: Units) -> str:
    """How many units are in no mean, as not every source has a value of them, and why; "" where there are none.

    The page and the command say it in these words.
    """
    left = "; ".join(f"{why}: {count}" for why, count in units.left_out.items())
    return f"Left out of {number_of(len(units.reference), units.noun[:-1])}: {left}." if left else ""
