"""Paired comparison of two sources over the same cases."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from afl_core.analysis.statistics.bootstrap import mean_intervals
from afl_core.base.words import number_of
from afl_core.data.patient_names import patient_id
from afl_core.metrics import METRICS


@dataclass(frozen=True)
class PairedDifference:
    """Second minus first, over the patients where both are defined.

    Attributes:
        n: Number of those patients.
        mean: Mean difference; NaN when n is 0.
        low: Lower end of the 95 % interval of the mean difference; NaN when n is below 2.
        high: Upper end of the same interval.
    """

    n: int
    mean: float
    low: float
    high: float


HEADLINE = (
    *("dsc", "iou", "sensitivity", "precision", "nsd", "hd95_mm", "assd_mm"),
    *("lesion_f1", "lesion_tp", "lesion_fp"),
)
"""The metrics of the headline table, on page and in report."""


def paired_difference(first: ArrayLike, second: ArrayLike) -> PairedDifference:
    """Mean paired difference with its bias-corrected and accelerated bootstrap interval over patients.

    Args:
        first: Values of the first source, one a patient; NaN where the metric is undefined.
        second: Values of the second source, for the same patients in the same order.

    Returns:
        The difference; when all differences are equal the interval is that one value.

    Source: `mean_intervals`; 9,999 resamples, fixed seed.
    """
    difference = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    difference = difference[np.isfinite(difference)]
    n = len(difference)
    mean = float(difference.mean()) if n else float("nan")
    low, high = mean_intervals(difference[:, None])[0] if n else (float("nan"), float("nan"))
    return PairedDifference(n, mean, float(low), float(high))


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


def patients_text(n: int, cases: int, of: int) -> str:
    """What a figure is over: patients, of how many where it is defined on fewer, and their cases where there are more.

    >>> patients_text(5, 5, 5), patients_text(1, 1, 5), patients_text(5, 9, 5)
    ('5 patients', '1 of 5 patients', '5 patients, 9 cases')
    """
    who = number_of(n, "patient") if n == of else f"{n} of {number_of(of, 'patient')}"
    return who if cases == n else f"{who}, {number_of(cases, 'case')}"


def headline(rows: pd.DataFrame, metrics: Sequence[str], sources: Sequence[str]) -> pd.DataFrame:
    """Mean and median of each source, and the paired difference of the second from the first.

    Args:
        rows: Case rows, one per (case, source), with their `patient`.
        metrics: Keys of the metrics, one row of the result each.
        sources: Names of the sources; with fewer than two, the columns of the difference are left out.

    Returns:
        Columns metric, n, cases, of, then per source `SOURCE mean` and `SOURCE median`, then difference, low, high. All
        figures of a row are over the n patients on whom the metric is defined for every source, of the `of` patients
        that have rows, and their `cases`; several cases of a patient are averaged first.
    """
    patient_of = dict(zip(rows["case_id"], patient_column(rows), strict=True))
    table = []
    for metric in metrics:
        defined = wide(rows, metric, sources).dropna()
        values = defined.groupby(patient_of).mean()
        record: dict[str, object] = {"metric": metric, "n": len(values), "cases": len(defined)}
        record["of"] = len(set(patient_of.values()))
        for source in sources:
            record |= {f"{source} mean": values[source].mean(), f"{source} median": values[source].median()}
        if len(sources) > 1:
            d = paired_difference(values[sources[0]], values[sources[1]])
            record |= {"difference": d.mean, "low": d.low, "high": d.high}
        table.append(record)
    return pd.DataFrame(table)
