"""What each source counts at every threshold: Dice, lesions found and false lesions, over cases and patients."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from afl_core.analysis.breakdown.bins import Binning
from afl_core.analysis.breakdown.options import list_sources
from afl_core.analysis.counted_rows import rows_by_source
from afl_core.analysis.statistics.bootstrap import times_drawn
from afl_core.base.numbers import number
from afl_core.base.words import named
from afl_core.evaluation.comparison import Comparison
from afl_core.metrics.thresholds import THRESHOLDS, lesions_found

Reals = NDArray[np.float64]
Places = NDArray[np.int64]
HALF = int(np.flatnonzero(np.float32(0.5) == THRESHOLDS)[0])
"""Place of 0.5 in `THRESHOLDS`."""

FALSE_RATES = (0.125, 0.25, 0.5, 1, 2, 4, 8)
"""False lesions a case at which sensitivity is listed, as is usual for FROC curves."""

RESAMPLES, ROUNDING = 999, 1e-12

MOST_AT_END = 0.5
"""Share of an average precision from one step above which it says little."""


@dataclass(frozen=True, eq=False)
class Curves:
    """What a source counts at every threshold; a row a case, of several seeds one a case and seed.

    What follows from it is computed when first asked for.

    Attributes:
        patients: Patient of each case.
        case_ids: Id of each case.
        tp: True positive voxels, shape (cases, 99).
        fp: False positive voxels, likewise.
        false: False lesions, likewise.
        found: Lesions found, likewise.
        reference: Voxels of the reference, shape (cases,).
        lesions: Lesions of the reference, likewise.
        volume_ml: Volume of the reference, likewise.
    """

    patients: NDArray[np.object_]
    case_ids: tuple[str, ...]
    tp: Reals
    fp: Reals
    false: Reals
    found: Reals
    reference: Reals
    lesions: Reals
    volume_ml: Reals

    @property
    def n_cases(self) -> int:
        """Number of cases, whatever the number of seeds."""
        return len(set(self.case_ids))

    def of_rows(self, rows: Places) -> "Curves":
        """The same of some of the rows, in this order."""
        arrays = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "case_ids"}
        return Curves(case_ids=tuple(self.case_ids[row] for row in rows), **arrays)

    @cached_property
    def dice(self) -> Reals:
        """Dice of each case at each threshold; 1 where prediction and reference are empty."""
        whole = self.tp + self.fp + self.reference[:, None]
        return np.divide(2 * self.tp, whole, out=np.ones_like(self.tp), where=whole > 0)

    @cached_property
    def dice_of_patients(self) -> Reals:
        """Mean Dice of each patient at each threshold, shape (patients, 99), in the order of `patients`."""
        return np.asarray(pd.DataFrame(self.dice).groupby(self.patients, sort=False).mean().to_numpy())

    @property
    def false_so_far_a_case(self) -> Reals:
        """Mean of `false_so_far` over cases, shape (99,)."""
        return np.asarray(self.false_so_far.mean(axis=0))

    @cached_property
    def mean_dice(self) -> Reals:
        """Mean over patients at each threshold, shape (99,)."""
        return np.asarray(self.dice_of_patients.mean(axis=0))

    @cached_property
    def false_a_case(self) -> Reals:
        """Mean number of false lesions at each threshold."""
        return np.asarray(self.false.mean(axis=0))

    @cached_property
    def false_so_far(self) -> Reals:
        """Largest number of false lesions of each case at a threshold or any above, shape (cases, 99).

        As the threshold falls false lesions merge, at last with the tumour; what was one stays counted here, or a map
        that floods the grid would find every lesion without a false one.
        """
        return np.asarray(np.maximum.accumulate(self.false[:, ::-1], axis=1)[:, ::-1])

    @cached_property
    def sensitivity(self) -> Reals:
        """Share of all lesions that are found at each threshold; NaN without any."""
        total = self.lesions.sum()
        return np.asarray(self.found.sum(axis=0) / total if total else np.full(len(THRESHOLDS), np.nan))

    @cached_property
    def precision(self) -> Reals:
        """Share of lesions among them and the false lesions so far; 1 where nothing is found."""
        found, false = self.found.sum(axis=0), self.false_so_far.sum(axis=0)
        return np.asarray(np.divide(found, found + false, out=np.ones_like(found), where=found + false > 0))

    @cached_property
    def lesion_f1(self) -> Reals:
        """F1 of all lesions together at each threshold; NaN without any lesion and false lesion."""
        found, whole = self.found.sum(axis=0), self.lesions.sum() + (self.found + self.false).sum(axis=0)
        return np.asarray(np.divide(2 * found, whole, out=np.full_like(found, np.nan), where=whole > 0))

    @cached_property
    def average_precision(self) -> float:
        """Area under precision against sensitivity, a step a threshold; NaN without a lesion.

        Source: scikit-learn's `average_precision_score`; lesions that no threshold finds count as never found.
        """
        gained = np.diff(self.sensitivity[::-1], prepend=0)  # from the highest threshold to the lowest
        return float((np.maximum(gained, 0) * self.precision[::-1]).sum())

    @cached_property
    def end_share(self) -> float:
        """Share of the average precision that is its first step, to what is found above the highest threshold."""
        whole = self.average_precision
        return float(self.sensitivity[-1] * self.precision[-1] / whole) if whole > 0 else 0.0

    @cached_property
    def sensitivity_interval(self) -> tuple[Reals, Reals]:
        """95 % percentile interval of `sensitivity` over patients, whose cases and lesions go together."""
        codes, patients = pd.factorize(self.patients)
        found = np.stack([np.bincount(codes, self.found[:, k]) for k in range(len(THRESHOLDS))], axis=1)
        lesions = np.bincount(codes, self.lesions)
        drawn = times_drawn(len(patients), RESAMPLES)
        total = drawn @ lesions
        shares = (drawn @ found)[total > 0] / total[total > 0, None]
        if not len(shares):
            return np.full(len(THRESHOLDS), np.nan), np.full(len(THRESHOLDS), np.nan)
        low, high = np.quantile(shares, (0.025, 0.975), axis=0)
        return low, high

    def sensitivity_at(self, false_a_case: float) -> float:
        """Highest sensitivity with at most so many false lesions a case so far; NaN where every threshold has more."""
        allowed = self.false_so_far_a_case <= false_a_case
        return float(self.sensitivity[allowed].max()) if allowed.any() else math.nan

    def best(self) -> int:
        """Place of the threshold with the best mean Dice; of equal ones the nearest to 0.5."""
        return int(best_places(self.mean_dice[None])[0])


def best_places(means: Reals) -> Places:
    """Place of the best of each row, shape (n, 99); of equal ones the nearest to 0.5."""
    best = means >= means.max(axis=1, keepdims=True) - ROUNDING
    apart = np.where(best, np.abs(np.arange(len(THRESHOLDS)) - HALF), len(THRESHOLDS))
    return np.asarray(apart.argmin(axis=1))


def places_at_rate(false_a_case: Reals, rates: Reals) -> Places:
    """Place of the lowest threshold from which on there are at most so many false lesions a case, of each row.

    Args:
        false_a_case: Mean number of false lesions, shape (n, 99).
        rates: Number that is allowed, shape (n,).
    """
    above = false_a_case > rates[:, None] + ROUNDING
    last = len(THRESHOLDS) - 1 - np.argmax(above[:, ::-1], axis=1)
    return np.asarray(np.where(above.any(axis=1), np.minimum(last + 1, len(THRESHOLDS) - 1), 0))


def load_curves(opened: Comparison, sources: Sequence[str] = (), *, pool_seeds: bool = False) -> dict[str, Curves]:
    """The curves of sources on the cases that all of them have.

    Args:
        opened: The results.
        sources: Names of the sources; () is every one that has counts.
        pool_seeds: Put sources together that are seeds of one configuration: each counts at the same thresholds.

    Raises:
        DataError: If a source has no counts: it has masks alone, or was measured by an earlier version.
    """
    table = opened.results.curves(where={"region": [opened.region]})
    names, seeds = list_sources(opened.manifest, pool_seeds=pool_seeds)
    members = {name: seeds.get(name, (name,)) for name in names}
    found = rows_by_source(opened, table, members, sources, what="counts at every threshold")
    return {name: _curves(pd.concat(tables)) for name, tables in found.items()}


def by_size(curves: Mapping[str, Curves], binning: Binning) -> dict[str, dict[str, Curves]]:
    """The curves on the cases of each bin by tumour volume; bins without a case are left out."""
    bins = binning.assign(next(iter(curves.values())).volume_ml)
    return {
        name: {source: of.of_rows(np.flatnonzero(binning.assign(of.volume_ml) == k)) for source, of in curves.items()}
        for k, name in enumerate(binning.names)
        if k in bins
    }


def _curves(table: pd.DataFrame) -> Curves:
    def stacked(column: str) -> Reals:
        return np.stack(table[column].to_list()).astype(np.float64)

    peaks = table["lesion_peak"]
    return Curves(
        patients=table["patient"].to_numpy(dtype=object),
        case_ids=tuple(table.index),
        tp=stacked("tp"),
        fp=stacked("fp"),
        false=stacked("false_lesions"),
        found=lesions_found(peaks.to_list()).astype(np.float64),
        reference=table["reference_voxels"].to_numpy(dtype=np.float64),
        lesions=peaks.map(len).to_numpy(dtype=np.float64),
        volume_ml=(table["reference_voxels"] * table["voxel_ml"]).to_numpy(dtype=np.float64),
    )


def choice_sentence(curves: Mapping[str, Curves], pair: tuple[str, str]) -> str:
    """What the choice of thresholds alone does to the pair's difference in mean Dice, on these very cases."""
    first, second = (curves[name] for name in pair)
    at_half = second.mean_dice[HALF] - first.mean_dice[HALF]
    at_best = second.mean_dice[second.best()] - first.mean_dice[first.best()]
    usual, best = (number(of, 3, sign=True) for of in (at_half, at_best))
    return (
        f"{pair[1]} minus {pair[0]}, mean Dice: {usual} at 0.5, {best} with the threshold of each that is best on "
        "these cases, which flatters both."
    )


def thresholds_sentence(curves: Mapping[str, Curves]) -> str:
    """Mean Dice of each source at 0.5, and where it is highest on these very cases."""
    each = (
        f"{name} {number(of.mean_dice[HALF], 3)} (best {number(of.mean_dice[of.best()], 3)} at "
        f"{number(THRESHOLDS[of.best()], 2)})"
        for name, of in curves.items()
    )
    return f"Mean Dice at 0.5, and at the best threshold of these cases: {', '.join(each)}."


def grid_end_sentence(curves: Mapping[str, Curves]) -> str:
    """Whose average precision is mostly where the thresholds end; "" where nobody's is."""
    ends = [f"{name} ({100 * of.end_share:.0f} %)" for name, of in curves.items() if of.end_share > MOST_AT_END]
    if not ends:
        return ""
    return (
        f"Do not compare the average precision of {named(ends)}: so much of it is one step, as nothing is counted "
        f"above a threshold of {THRESHOLDS[-1]:.2f}."
    )


def curves_table(found: Mapping[str, Curves]) -> pd.DataFrame:
    """A row a source and threshold: mean Dice, false lesions a case, and sensitivity with its interval."""
    tables = []
    for name, of in found.items():
        low, high = of.sensitivity_interval
        columns = {
            "source": name,
            "threshold": THRESHOLDS.astype(np.float64).round(2),
            "mean_dice": of.mean_dice,
            "lesion_f1": of.lesion_f1,
            "false_lesions_a_case": of.false_a_case,
            "sensitivity": of.sensitivity,
            "sensitivity_low": low,
            "sensitivity_high": high,
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


NOTE = (
    "Lesions count as found by any shared voxel, whatever the matcher; false lesions that merge as the threshold falls "
    "stay counted against sensitivity and precision. Intervals take the training runs as given. The best threshold of "
    "a source on the cases themselves flatters it: choose it on validation cases."
)
"""What to know of these counts."""
