"""Is a difference one of the losses, or of where 0.5 lies? Two sources at thresholds that other cases chose."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from afl_core.analysis.breakdown.measures import build_measure
from afl_core.analysis.breakdown.options import list_sources
from afl_core.analysis.breakdown.records import bin_records
from afl_core.analysis.breakdown.sentences import difference_text, is_shown
from afl_core.analysis.breakdown.units import FACTS, Units
from afl_core.analysis.curves import (
    HALF,
    RESAMPLES,
    Curves,
    Places,
    Reals,
    best_places,
    load_curves,
    places_at_rate,
)
from afl_core.analysis.statistics.bootstrap import CI_LEVEL, SEED, expanded_level
from afl_core.analysis.statistics.ranks import MIN_PATIENTS
from afl_core.analysis.validation import check_other_patients, check_validation
from afl_core.base.numbers import interval, number
from afl_core.base.words import number_of
from afl_core.errors import DataError
from afl_core.evaluation.comparison import Comparison
from afl_core.metrics.thresholds import THRESHOLDS

RULES: Mapping[str, str] = MappingProxyType(
    {
        "dice": "for the best mean Dice",
        "false": "for no more false lesions a case than the first source has at 0.5",
    }
)
"""How thresholds are chosen on validation cases."""

LEAST_FALSE = 10
"""False lesions of the first source by which a threshold is chosen, at least: one more or less moves it far."""


def load_validation(
    opened: Comparison, validation: Comparison, pair: tuple[str, str], *, pool_seeds: bool = False
) -> dict[str, Curves]:
    """The curves of a pair on validation cases; `pool_seeds` as in `load_curves`.

    Raises:
        DataError: If `check_validation` raises it, or a source has no counts.
    """
    seeds = list_sources(opened.manifest, pool_seeds=pool_seeds)[1]
    check_validation(opened, validation, [member for name in pair for member in seeds.get(name, (name,))])
    return load_curves(validation, pair, pool_seeds=pool_seeds)


@dataclass(frozen=True)
class Matched:
    """A pair of sources at 0.5 and at thresholds that were chosen on validation cases.

    Attributes:
        pair: First and second source.
        rule: Key in `RULES`.
        thresholds: Threshold of each, in this order.
        validation_cases: Number of cases on which they were chosen.
        raw: Record of the difference in Dice at 0.5, second minus first, as `bin_records` gives it.
        matched: The same at the chosen thresholds; its interval also counts the patients that chose them.
        remaining_interval: 95 % interval of the share of the difference at 0.5 that remains; NaN without intervals.
    """

    pair: tuple[str, str]
    rule: str
    thresholds: tuple[float, float]
    validation_cases: int
    raw: Mapping[str, Any]
    matched: Mapping[str, Any]
    remaining_interval: tuple[float, float] = (math.nan, math.nan)

    @property
    def remaining(self) -> float | None:
        """Share of the difference at 0.5 that remains; None where none is shown at 0.5."""
        raw = float(self.raw["mean_difference"])
        return float(self.matched["mean_difference"]) / raw if is_shown(self.raw) and raw else None

    def sentence(self) -> str:
        """What was found, and no more."""
        first, second = self.pair
        chosen = ", ".join(f"{name} {number(t, 2)}" for name, t in zip(self.pair, self.thresholds, strict=True))
        said = (
            f"Dice at 0.5: {second} minus {first} {difference_text(self.raw)}. At thresholds chosen on "
            f"{number_of(self.validation_cases, 'validation case')} {RULES[self.rule]} ({chosen}): "
            f"{difference_text(self.matched)}."
        )
        if self.remaining is None:
            return f"{said} No difference is shown at 0.5, so there is none of which a part could remain."
        part = f"{100 * self.remaining:.0f} %" if self.remaining > 0 else "nothing"
        low, high = (100 * end for end in self.remaining_interval)
        ends = f" ({interval(low, high, 0)} %)" if math.isfinite(high - low) else ""
        none = "" if is_shown(self.matched) else ", and at these thresholds no difference is shown"
        return f"{said} Of the difference at 0.5, {part} remains{ends}{none}."


def match_thresholds(
    test: Mapping[str, Curves], validation: Mapping[str, Curves], pair: tuple[str, str], *, rule: str = "dice"
) -> Matched:
    """Compare two sources at thresholds that were chosen on other cases.

    Args:
        test: Curves on the cases that are compared.
        validation: Curves of the same sources on validation cases.
        pair: First and second source.
        rule: Key in `RULES`.

    Raises:
        DataError: If a patient is in both, as thresholds that were chosen on the test cases themselves prove nothing;
            or if thresholds are matched by few false lesions.
    """
    first = pair[0]
    check_other_patients(test[first].patients, validation[first].patients)
    if rule == "false" and (few := int(validation[first].false_so_far[:, HALF].sum())) < LEAST_FALSE:
        raise DataError(
            "There are too few false lesions to choose a threshold by",
            received=f"{first} has {number_of(few, 'false lesion')} at 0.5 on the validation cases",
            todo=f"Choose thresholds for the best mean Dice, or give validation cases with {LEAST_FALSE} or more",
        )
    places = [
        int(place)
        for place in _places([validation[name] for name in pair], rule, np.ones((1, _n(validation, pair))))[:, 0]
    ]
    matched, share = _record(test, pair, places), (math.nan, math.nan)
    if _n(test, pair) >= MIN_PATIENTS:
        (matched["ci_low"], matched["ci_high"]), share = _joint_intervals(test, validation, pair, rule)
    return Matched(
        pair,
        rule,
        (float(THRESHOLDS[places[0]]), float(THRESHOLDS[places[1]])),
        validation[first].n_cases,
        _record(test, pair, [HALF, HALF]),
        matched,
        share,
    )


def _n(curves: Mapping[str, Curves], pair: tuple[str, str]) -> int:
    """Number of patients."""
    return len(set(curves[pair[0]].patients))


def _places(sources: Sequence[Curves], rule: str, weights: Reals) -> Places:
    """Chosen place of each source in each resample of patients, shape (sources, resamples).

    Args:
        sources: First and second source on validation cases.
        rule: Key in `RULES`.
        weights: How often each patient is drawn, shape (resamples, patients).
    """
    if rule == "dice":
        return np.stack([best_places(weights @ of.dice_of_patients / weights.sum(axis=1)[:, None]) for of in sources])
    drawn = [weights[:, pd.factorize(of.patients)[0]] for of in sources]  # how often each row
    false = [rows @ of.false_so_far / rows.sum(axis=1)[:, None] for rows, of in zip(drawn, sources, strict=True)]
    allowed = false[0][:, HALF]
    return np.stack([np.full(len(allowed), HALF), places_at_rate(false[1], allowed)])


def _joint_intervals(
    test: Mapping[str, Curves], validation: Mapping[str, Curves], pair: tuple[str, str], rule: str
) -> tuple[tuple[float, float], tuple[float, float]]:
    """95 % percentile intervals over test patients and over the patients that chose the thresholds.

    They are of the difference, and of its share in the difference at 0.5 of the same resample.

    An interval over test patients alone takes the chosen thresholds as given, and covers too little: where two sources
    differ by a shift of their threshold alone, it left out 0 in 9 of 100 studies.
    """
    rng, (n, chosen_by) = np.random.default_rng(SEED), (_n(test, pair), _n(validation, pair))
    drawn = rng.multinomial(chosen_by, [1 / chosen_by] * chosen_by, RESAMPLES).astype(np.float64)
    places = _places([validation[name] for name in pair], rule, drawn)
    weights = rng.multinomial(n, [1 / n] * n, RESAMPLES) / n
    first, second = (weights @ test[name].dice_of_patients for name in pair)
    matched = _at(second, places[1]) - _at(first, places[0])
    half = second[:, HALF] - first[:, HALF]
    beyond = (1 - expanded_level(CI_LEVEL, max(min(n, chosen_by), 2))) / 2
    share = np.divide(matched, half, out=np.full(RESAMPLES, np.inf), where=half != 0)
    ends = [np.quantile(values, (beyond, 1 - beyond)) for values in (matched, share)]
    return (float(ends[0][0]), float(ends[0][1])), (float(ends[1][0]), float(ends[1][1]))


def _at(values: Reals, places: Places) -> Reals:
    """The value of each row at its place, shape (rows,)."""
    return np.asarray(np.take_along_axis(values, places[:, None], axis=1)[:, 0])


def _record(curves: Mapping[str, Curves], pair: tuple[str, str], places: Sequence[int]) -> dict[str, Any]:
    """The paired difference of the cases' Dice at a threshold each, over patients."""
    by_case = {}
    for name, place in zip(pair, places, strict=True):
        of = curves[name]
        by_case[name] = pd.Series(of.dice[:, place], of.case_ids).groupby(level=0).mean()  # over seeds
    values, of = pd.DataFrame(by_case), curves[pair[0]]
    patients = pd.Series(of.patients, of.case_ids).groupby(level=0).first()
    facts = pd.DataFrame({"case_id": values.index, "patient": patients.to_numpy()}).reindex(columns=list(FACTS))
    values = values.reset_index(drop=True)
    records = bin_records(Units("case", build_measure("case", "dsc"), pair, facts, facts, values, {}), None)
    return {str(key): value for key, value in records.iloc[-1].to_dict().items()}
