"""The section of the report on what the sources would find at other thresholds."""

from afl_core.analysis.counted_rows import NothingCountedError
from afl_core.analysis.curves import (
    FALSE_RATES,
    HALF,
    NOTE,
    choice_sentence,
    grid_end_sentence,
    load_curves,
    thresholds_sentence,
)
from afl_core.base.numbers import number
from afl_core.base.words import named
from afl_core.errors import DataError
from afl_core.figures.curves import plot_dice, plot_froc, plot_lesion_f1
from afl_core.metrics.thresholds import THRESHOLDS
from afl_core.report.findings import Findings
from afl_core.report.parts import chart, paragraph, table


def show_operating_point(findings: Findings) -> str:
    """Table and charts of the sources that have counts at every threshold; "" where none has."""
    try:
        every = load_curves(findings.comparison, pool_seeds=findings.options.pool_seeds)
    except NothingCountedError:
        return ""
    except DataError as error:  # a damaged file costs its own section
        return paragraph(str(error), "warn")
    names = findings.units.sources
    curves = {name: every[name] for name in names if name in every}
    if not curves:
        return ""
    rows = []
    for name, of in curves.items():
        best = of.best()
        values = of.mean_dice[HALF], of.mean_dice[best], of.lesion_f1[HALF], of.average_precision
        found = [number(of.sensitivity_at(rate), 2) for rate in FALSE_RATES]
        rows.append([name, *(number(value, 3) for value in values), number(THRESHOLDS[best], 2), *found])
    columns = [
        "Source",
        "Dice at 0.5",
        "Best Dice",
        "F1 of all lesions together at 0.5",
        "Average precision",
        "Best threshold",
    ]
    left = [name for name in names if name not in curves]
    pair = findings.pair if findings.pair and set(findings.pair) <= set(curves) else None
    return (
        (paragraph(choice_sentence(curves, pair)) if pair else "")
        + paragraph(thresholds_sentence(curves))
        + table([*columns, *(f"{rate:g}" for rate in FALSE_RATES)], rows, name="operating point")
        + paragraph("The last columns: share of the lesions found with at most so many false lesions a case.", "note")
        + chart(plot_froc(curves, names), label="Lesions found against false lesions a case", name="froc")
        + chart(plot_dice(curves, names), label="Mean Dice against the threshold", name="dice-by-threshold")
        + chart(plot_lesion_f1(curves, names), label="F1 of the lesions against the threshold", name="f1-by-threshold")
        + paragraph(
            f"{grid_end_sentence(curves)} {NOTE}".strip() + (f" Without probabilities: {named(left)}." if left else ""),
            "note",
        )
    )
