"""What the figures and numbers of Breakdown rest on, a line each; an empty line says nothing."""

from afl_core.analysis.breakdown.sentences import in_sentence, levels_sentence
from afl_core.analysis.statistics.bootstrap import resampling_text
from afl_core.analysis.statistics.ranks import MIN_PATIENTS
from afl_core.base.words import number_of
from afl_core.evaluation.caveats import notes
from afl_core.ui.breakdown.controls import LEVELS, Selection


def figures_method(selection: Selection) -> list[str]:
    """Edges of the bins, and the rules of the metric."""
    units = selection.units
    edges = "; ".join(f"{in_sentence(units.axis(b.axis).title)} {b.where()}" for b in selection.breakdown.binnings)
    touched = selection.workspace.rows[selection.workspace.rows["empty"] != ""]["case_id"].nunique()
    rule, other = units.measure.empty_rule, LEVELS["lesion" if units.level == "case" else "case"]
    rule = (
        f"Empty masks: {rule} ({number_of(touched, 'case has one', 'cases have one')})"
        if units.level == "case"
        else f"Rule for {rule}"
    )
    return [
        f"The edges are ours, the paper publishes none: {edges}." if edges else "",
        units.measure.definition,
        f"{rule}.",
        f"{other} can say otherwise: choose them under Compare.",
    ]


def statistics_method(selection: Selection) -> list[str]:
    """What was compared, and how each column of the statistics is computed."""
    workspace, units = selection.workspace, selection.units
    return [
        *notes(workspace.manifest, workspace.rows),
        "Difference: the later source minus the earlier one, mean over patients. A patient's several "
        f"{units.noun} in a bin are averaged first.",
        f"Interval: BCa bootstrap over patients ({resampling_text(units.table['patient'].nunique())}).",
        levels_sentence(selection.breakdown.records, units),
        "p: two-sided Wilcoxon signed-rank test. Zero differences are left out and tied ranks averaged; it is "
        "exact up to 50 differences.",
        "Effect: matched rank-biserial correlation.",
        "Higher, lower and equal: the number of patients on whom the later source is higher, lower or the same.",
        f"Below {MIN_PATIENTS} patients there is neither interval nor p: no p-value could fall under 0.05.",
    ]
