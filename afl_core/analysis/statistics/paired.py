"""Case rows side by side: a column a source, and the patients that they are of."""

from collections.abc import Sequence

import pandas as pd

from afl_core.base.words import number_of
from afl_core.data.patient_names import patient_id
from afl_core.metrics import METRICS


def wide(rows: pd.DataFrame, metric: str, sources: Sequence[str]) -> pd.DataFrame:
    """One row a case and one column a source; NaN where a source has no result.

    Args:
        rows: Case rows, one per (case, source).
        metric: Column to spread.
        sources: Columns of the result, in order.
    """
    return rows.pivot(index="case_id", columns="source", values=metric).reindex(columns=list(sources))


def patient_column(rows: pd.DataFrame) -> list[str]:
    """The patient of every row: its column `patient`, as `Results` gives it; without one, as the names say."""
    return [str(value) for value in rows["patient"]] if "patient" in rows else [patient_id(c) for c in rows["case_id"]]


def mean_scores(rows: pd.DataFrame) -> dict[str, float]:
    """Mean of every metric over the cases of one source where it is defined, and the number of cases as `cases`."""
    means = rows[[key for key in METRICS if key in rows]].mean()
    return {"cases": len(rows)} | {str(key): round(float(value), 4) for key, value in means.items()}


def patients_text(n: int, units: int, of: int, noun: str = "case") -> str:
    """What a figure is over: patients, of how many where it is defined on fewer, and their cases where there are more.

    >>> patients_text(5, 5, 5), patients_text(1, 1, 5), patients_text(5, 9, 5), patients_text(5, 9, 5, "lesion")
    ('5 patients', '1 of 5 patients', '5 patients, 9 cases', '5 patients, 9 lesions')
    """
    who = number_of(n, "patient") if n == of else f"{n} of {number_of(of, 'patient')}"
    return who if units == n else f"{who}, {number_of(units, noun)}"
