"""How many patients the next study would need, over everything and in each bin."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from afl_core.analysis.breakdown.records import Breakdown, patient_means
from afl_core.analysis.statistics.power import ALPHA, MOST_PATIENTS, POWER, Plan, plan_study
from afl_core.analysis.statistics.ranks import MIN_PATIENTS
from afl_core.base.words import number_of

COLUMNS = ("axis", "bin", "n", "difference", "patients", "power")


def plan_table(breakdown: Breakdown, pair: tuple[str, str], assumed: float | None = None) -> pd.DataFrame:
    """A plan for everything and for each bin, in the order of the breakdown.

    Args:
        breakdown: The comparison.
        pair: First and second source; a difference is second minus first.
        assumed: Mean difference that the study is to show, in every bin; None is the mean that was seen in each.

    Returns:
        Columns COLUMNS: `n` patients were seen; `difference` is assumed; `patients` are needed (NaN above
        `MOST_PATIENTS`); `power` is that of a study with as many patients as were seen. Empty (NaN) below
        `MIN_PATIENTS`.
    """
    first, second = pair
    units, rows = breakdown.units, []
    for record in breakdown.pair(*pair).to_dict("records"):
        axis, name = record["axis"], record["bin"]
        means = patient_means(units, breakdown.inside(axis, name))
        plan = plan_study((means[second] - means[first]).to_numpy(), assumed=assumed)
        rows.append((axis, name, len(means), *_values(plan)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _values(plan: Plan | None) -> tuple[float, float, float]:
    if plan is None:
        return np.nan, np.nan, np.nan
    return plan.difference, np.nan if plan.patients is None else plan.patients, plan.power


def needed_text(row: Mapping[Any, Any]) -> str:
    """The number of patients of a row of `plan_table`, in two digits: a simulation knows no more.

    >>> needed_text({"power": 0.5, "patients": 1217.0}), needed_text({"power": 0.05, "patients": np.nan})
    ('1,200', 'over 5,000')
    >>> needed_text({"power": np.nan, "patients": np.nan})
    'under 6 seen'
    """
    if np.isnan(row["power"]):
        return f"under {MIN_PATIENTS} seen"
    patients = row["patients"]
    return f"over {MOST_PATIENTS:,}" if np.isnan(patients) else f"{float(f'{patients:.2g}'):,.0f}"


def planning_sentence(table: pd.DataFrame, *, assumed: bool) -> str:
    """What the plan over everything says, and what it is not."""
    whole = table.iloc[0].to_dict()
    if np.isnan(whole["power"]):
        return f"Nothing can be planned from {number_of(int(whole['n']), 'patient')}: it takes {MIN_PATIENTS}."
    about = "" if np.isnan(whole["patients"]) else "about "
    of = "that difference" if assumed else "the difference that was seen"
    return (
        "Planning, not evidence: a new study of these same sources, none trained again, would need "
        f"{about}{needed_text(whole)} such patients to show {of} (p below {ALPHA} in {100 * POWER:.0f} of 100 studies)."
    )


ABOUT = (
    "Simulated: patients are drawn anew from those that were seen, and each study is tested by itself with Wilcoxon's "
    "signed-rank test; power is the share of studies that show the difference with its sign. Patients of a bin are "
    "counted, not those who must be screened for it. The power that was reached follows from the difference that was "
    "seen: it says nothing that the p-value does not."
)
"""How the numbers come about, and what they are not."""
