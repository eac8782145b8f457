"""A patient's tumour volumes over time: changes, response by volume alone, and how well sources measure the change.

Categories take the volume thresholds of RANO 2.0 (Wen et al., Journal of Clinical Oncology 2023, 41:5187) and nothing
else of it: neither steroids, clinical state, new lesions nor a scan that confirms. They are no clinical assessment.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy.stats import t as student

from afl_core.analysis.breakdown.seeds import pool_seeds
from afl_core.analysis.case_tables import compared_sources
from afl_core.analysis.statistics.paired import patient_column
from afl_core.analysis.time_points import in_order
from afl_core.base.words import named, number_of
from afl_core.data.patients import TABLE_ON_PAGE
from afl_core.errors import UsageError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.tables import distinct

COMPLETE, PARTIAL, STABLE, PROGRESSION = CATEGORIES = (
    "complete response",
    "partial response",
    "stable",
    "progression",
)
"""Response by volume, from the best to the worst."""

PARTIAL_LOSS, PROGRESSION_GAIN = 0.65, 0.40
"""Least loss from baseline of a partial response, least gain over the nadir of a progression: RANO 2.0."""

RULES = (
    "Complete response: no volume is left. Partial response: at least 65 % less than at baseline. Progression: at "
    "least 40 % more than the nadir, the smallest volume before, baseline included. Else stable. Baseline is the first "
    "time point. (Volume thresholds of RANO 2.0, Wen et al., J Clin Oncol 2023.)"
)
NOT_CLINICAL = (
    "Volumes alone decide: steroids, clinical state, new lesions and scans that confirm are not applied. This is not a "
    "clinical assessment."
)
ORDER_RULE = (
    "Time points stand in the order of the case names: the patient's name alone, or a word such as baseline or pre, "
    "comes first, then dates, days to years, and numbers by their value."
)
TABLE_RULE = "Time points stand in the order that {by} gives."
NO_PLACE = "Of {patients} it gives no order, or one twice, so that of the case names holds."
UNSURE = (
    "The order of the time points of {patients} is a guess: their names mix times that cannot be compared. Evaluate "
    f"again with --patients CSV {TABLE_ON_PAGE} that has a column date or order."
)
NEEDED = "A follow-up needs a patient with two measured time points, and these results have none"

TOLERANCE = 1e-9
"""Share by which a volume may miss a threshold: 1.4 times a volume is not exact in binary numbers."""

RATERS = ("reference", "predicted")
"""Prefixes of the columns of a table."""


def response(volume_ml: float, *, baseline_ml: float, nadir_ml: float) -> str:
    """The category of a volume; "" where one of the three is NaN.

    A volume that comes back after a nadir of 0 is a progression. Where there was nothing at baseline there is nothing
    to respond: 0 ml again is stable.

    >>> response(3.5, baseline_ml=10, nadir_ml=10), response(14, baseline_ml=40, nadir_ml=10)
    ('partial response', 'progression')
    """
    if any(map(math.isnan, (volume_ml, baseline_ml, nadir_ml))):
        return ""
    if volume_ml == 0:
        return COMPLETE if baseline_ml > 0 else STABLE
    if volume_ml >= (1 + PROGRESSION_GAIN) * nadir_ml * (1 - TOLERANCE):
        return PROGRESSION
    return PARTIAL if volume_ml <= (1 - PARTIAL_LOSS) * baseline_ml * (1 + TOLERANCE) else STABLE


def is_ordered(case_ids: Iterable[str], order: Mapping[str, float]) -> bool:
    """Whether every time point has a place of its own."""
    places = [order.get(case_id) for case_id in case_ids]
    return None not in places and len(set(places)) == len(places)


def order_sentence(opened: Comparison, table: pd.DataFrame) -> str:
    """Where the order of the time points of a `follow_up_table` comes from."""
    known = opened.manifest.patients(table["case_id"])
    if not known.order_by:
        return ORDER_RULE
    others = [patient for patient, ids in _cases(table) if not is_ordered(ids, known.order)]
    told = TABLE_RULE.format(by=known.order_by)
    return f"{told} {NO_PLACE.format(patients=named(others))}" if others else told


def unsure_sentence(opened: Comparison, table: pd.DataFrame) -> str:
    """The patients of a `follow_up_table` whose names leave their order open; "" where there is none."""
    order = opened.manifest.patients(table["case_id"]).order
    unsure = [
        patient for patient, ids in _cases(table) if not is_ordered(ids, order) and not in_order(ids, patient).plain
    ]
    return UNSURE.format(patients=named(unsure)) if unsure else ""


def _cases(table: pd.DataFrame) -> list[tuple[str, list[str]]]:
    return [(str(patient), ids.tolist()) for patient, ids in table.groupby("patient")["case_id"].unique().items()]


def needed_todo(opened: Comparison) -> str:
    """What gives a follow-up its time points, in these results."""
    again = "import the tables again" if opened.manifest.imported else "evaluate again"
    return (
        f"Name cases such as sub-01_ses-1 and sub-01_ses-2, or {again} with --patients CSV {TABLE_ON_PAGE} that has "
        "the columns case_id and patient"
    )


def opened_table(opened: Comparison) -> pd.DataFrame:
    """The `follow_up_table` of results: seeds averaged, in the order that their table of patients gives, if it does."""
    known = opened.manifest.patients(opened.rows.get("case_id", ()))
    measured = distinct(opened.rows, "source")
    seeds = {name: of for name, of in compared_sources(opened).items() if measured.intersection(of)}
    return follow_up_table(opened.rows, order=known.order, in_days=known.order_in_days, seeds=seeds)


def seeds_sentence(opened: Comparison) -> str:
    """Which sources are means over seeds; "" where none is."""
    pooled = [
        f"{name} ({number_of(len(seeds), 'seed')})"
        for name, seeds in compared_sources(opened).items()
        if len(seeds) > 1
    ]
    return f"The volume of {named(pooled)} is the mean over its seeds." if pooled else ""


def follow_up_table(
    rows: pd.DataFrame,
    *,
    order: Mapping[str, float] = MappingProxyType({}),
    in_days: bool = False,
    seeds: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> pd.DataFrame:
    """One row for each time point and source, of the patients with two time points or more.

    Args:
        rows: `Comparison.rows`, of one region.
        order: Case id to its place in time; it decides where all time points of a patient have one of their own, else
            the names do (`in_order`).
        in_days: Whether these places are days since the first scan of each patient.
        seeds: Name of a source to the sources whose mean volume it is (`pool_seeds`); each source alone if empty.

    Returns:
        Columns patient, time_point (from 1), days (since the first time point; NaN where they are not known of all of a
        patient's), case_id, source, `agrees` (whether both have the same category; None where one has none); and for
        `RATERS` each volume_ml, change_ml and change_percent from baseline, from_nadir_ml, from_nadir_percent and
        category. What is not known is NaN or "": all changes of a source without a prediction at baseline, percentages
        of 0 ml, and those of the baseline itself.

    Raises:
        UsageError: If rows name a case and source twice.
    """
    if rows.empty:
        return pd.DataFrame(columns=["patient", "time_point", "days", "case_id", "source"])
    if (twice := rows.duplicated(["case_id", "source"])).any():
        case_id = rows.loc[twice, "case_id"].iloc[0]
        raise UsageError(
            "A follow-up takes one row a case and source", received=f"two of {case_id}", todo="Choose one region"
        )
    rows = rows.assign(patient=patient_column(rows))
    rows = rows[rows["reference_volume_ml"].notna()]
    visits = rows.drop_duplicates("case_id").set_index("case_id")
    seeds = seeds or {source: (source,) for source in rows["source"].unique()}
    volumes = rows.pivot(index="case_id", columns="source", values="predicted_volume_ml")
    predicted = pool_seeds(volumes.reindex(columns=[one for members in seeds.values() for one in members]), seeds)
    tables = []
    for patient, of_patient in visits.groupby("patient", sort=False):
        if len(of_patient) < 2:
            continue
        ids, days = _in_time(of_patient.index, str(patient), order, in_days=in_days)
        numbers = {"patient": patient, "time_point": range(1, len(ids) + 1), "days": days, "case_id": ids}
        reference = _changes(of_patient.loc[ids, "reference_volume_ml"].to_numpy(float), "reference")
        for source in seeds:
            own = _changes(predicted.loc[ids, source].to_numpy(float), "predicted")
            tables.append(pd.DataFrame(numbers | {"source": source} | reference | own))
    if not tables:
        return follow_up_table(rows.iloc[:0])
    table = pd.concat(tables, ignore_index=True)
    both = [bool(a) and bool(b) for a, b in zip(table["reference_category"], table["predicted_category"], strict=True)]
    same = table["reference_category"] == table["predicted_category"]
    table["agrees"] = pd.Series([bool(s) if b else None for s, b in zip(same, both, strict=True)], dtype=object)
    return table


def _in_time(
    case_ids: Collection[str], patient: str, order: Mapping[str, float], *, in_days: bool
) -> tuple[list[str], list[float]]:
    """One patient's cases in order, by the table or else their names, and the days since the first or NaN."""
    if not is_ordered(case_ids, order):
        points = in_order(case_ids, patient)
        return list(points.case_ids), list(points.days)
    ids = sorted(case_ids, key=order.__getitem__)
    return ids, [order[case_id] - order[ids[0]] if in_days else math.nan for case_id in ids]


def _changes(
    volumes: "np.ndarray[tuple[int], np.dtype[np.float64]]", prefix: str
) -> dict[str, list[float] | list[str]]:
    """Columns of one patient's volumes in order, from baseline to last."""
    nadirs = np.concatenate([[np.nan], np.fmin.accumulate(volumes)[:-1]])
    baselines = np.full_like(volumes, volumes[0])
    baselines[0] = np.nan  # the baseline itself has no change
    nadirs[np.isnan(baselines)] = np.nan
    columns: dict[str, list[float] | list[str]] = {f"{prefix}_volume_ml": volumes.tolist()}
    for name, start in (("change", baselines), ("from_nadir", nadirs)):
        difference = volumes - start
        positive = np.where(start > 0, start, np.nan)
        columns[f"{prefix}_{name}_ml"] = difference.tolist()
        columns[f"{prefix}_{name}_percent"] = (100 * difference / positive).tolist()
    triples = zip(volumes.tolist(), baselines.tolist(), nadirs.tolist(), strict=True)
    columns[f"{prefix}_category"] = [response(v, baseline_ml=b, nadir_ml=n) for v, b, n in triples]
    return columns


def category_matrix(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Time points after baseline by the category of the reference (rows) and of a source (columns)."""
    compared = table[(table["source"] == source) & table["agrees"].notna()]
    counts = pd.crosstab(compared["reference_category"], compared["predicted_category"])
    return counts.reindex(index=CATEGORIES, columns=CATEGORIES, fill_value=0)


def agreement_of_change(table: pd.DataFrame) -> pd.DataFrame:
    """Bias and 95 % limits of agreement of the change in volume, a row for each source.

    Changes of one patient are not independent, so each patient gives one: the last time point minus the first. Its
    error is the source's change minus the reference's; bias is their mean, limits are bias -+ 1.96 SD (n - 1), and the
    95 % intervals of both are as Bland and Altman, Lancet 1986, 327:307: half-widths t SD / sqrt(n), t SD sqrt(3 / n).

    Returns:
        Columns source, patients, left_out (patients without a prediction at the first or last time point), bias_ml,
        low_ml, high_ml, bias_margin_ml, limit_margin_ml; NaN where there are too few patients: one for a bias, two for
        the rest.
    """
    records = []
    for source, of_source in table.groupby("source", sort=False):
        last = of_source[of_source["time_point"] == of_source.groupby("patient")["time_point"].transform("max")]
        errors = last["predicted_change_ml"] - last["reference_change_ml"]
        n, sd = int(errors.count()), float(errors.std())
        bias, margin = float(errors.mean()), float(student.ppf(0.975, n - 1)) * sd if n > 1 else math.nan
        records.append(
            {
                **{"source": source, "patients": n, "left_out": len(errors) - n, "bias_ml": bias},
                **{"low_ml": bias - 1.96 * sd, "high_ml": bias + 1.96 * sd},
                **{
                    "bias_margin_ml": margin / math.sqrt(max(n, 1)),
                    "limit_margin_ml": margin * math.sqrt(3 / max(n, 1)),
                },
            }
        )
    return pd.DataFrame(records)


def disagreement_sentence(table: pd.DataFrame, source: str) -> str:
    """At how many time points a source gives another category than the reference."""
    compared = table[(table["source"] == source) & table["agrees"].notna()]
    if compared.empty:
        return f"{source} has no time point that can be compared."
    different = int((~compared["agrees"].astype(bool)).sum())
    patients = compared["patient"].nunique()
    return (
        f"{source} gives another response by volume than the reference at {different} of {len(compared)} time points "
        f"after baseline ({patients} {'patient' if patients == 1 else 'patients'})."
    )


def unmeasured_visits(opened: Comparison) -> list[str]:
    """Cases without any row whose patient has one that was measured: volumes that the follow-up lacks."""
    if opened.cohort is None or opened.rows.empty:
        return []
    measured, patients = distinct(opened.rows, "case_id"), set(patient_column(opened.rows))
    cases = opened.cohort.cases
    return [case.case_id for case in cases if case.patient in patients and case.case_id not in measured]
