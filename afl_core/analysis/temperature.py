"""What remains of a difference once each source is as sure as it should be: temperatures that other cases chose."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from afl_core.analysis.breakdown.measures import Measure, build_measure
from afl_core.analysis.breakdown.records import bin_records
from afl_core.analysis.breakdown.seeds import pool_seeds
from afl_core.analysis.breakdown.sentences import difference_text, is_shown
from afl_core.analysis.breakdown.units import FACTS, Units
from afl_core.analysis.confidence import MEASURES, RESAMPLES, Confidence, load_confidence
from afl_core.analysis.statistics.bootstrap import CI_LEVEL, SEED, expanded_level
from afl_core.analysis.statistics.ranks import MIN_PATIENTS
from afl_core.analysis.validation import check_validation
from afl_core.base.numbers import interval, number
from afl_core.base.words import number_of
from afl_core.errors import DataError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.tables import PARTS
from afl_core.metrics.calibration import ERRORS
from afl_core.metrics.reliability import Reals
from afl_core.metrics.temperature import TEMPERATURES, best_temperature, log_losses, scale, scaled_soft_dice

SOFT = "released_dsc"
"""Key of the paper's soft score, which is compared beside the errors of calibration."""

SHARE = "share"
"""Key of the share of its difference that remains, among the intervals."""

OF_MAP = Measure(
    "soft_of_map",
    "The same score of the tumour's probability",
    "",
    "higher",
    "The released Dice of 1 - p and p, where p is the probability that makes the mask.",
    "as computed",
)
"""The soft score without what two outputs of a network that are no probabilities of each other add to it."""

Members = Mapping[str, Sequence[str]]
"""Name of each compared source to the sources whose mean it is, or to itself alone."""


@dataclass(frozen=True)
class Scaled:
    """A pair of sources as they are, and at temperatures that were fitted on validation cases.

    Attributes:
        pair: First and second source.
        part: Key of `PARTS`: the voxels on which temperatures were fitted.
        temperatures: Source, or each seed of one, to its temperature: above 1 it was too sure.
        validation_cases: Number of cases on which they were fitted.
        measures: The errors of calibration and the soft scores that are compared.
        raw: Key of a measure to the record of its difference, second minus first, as `bin_records` gives it.
        scaled: The same at the temperatures; the intervals also count the patients that chose them.
        remaining_interval: 95 % interval of the share of the soft score's difference that remains; NaN without
            intervals.
    """

    pair: tuple[str, str]
    part: str
    temperatures: Mapping[str, float]
    validation_cases: int
    measures: tuple[Measure, ...]
    raw: Mapping[str, Mapping[str, Any]]
    scaled: Mapping[str, Mapping[str, Any]]
    remaining_interval: tuple[float, float] = (math.nan, math.nan)

    @property
    def remaining(self) -> float | None:
        """Share of the difference of the soft score that remains; None where none is shown as it is."""
        raw, scaled = (float(of[SOFT]["mean_difference"]) for of in (self.raw, self.scaled))
        return scaled / raw if is_shown(self.raw[SOFT]) and raw else None

    def sentence(self) -> str:
        """What was found of the paper's soft score, and no more."""
        first, second = self.pair
        fitted = ", ".join(f"{name} {number(t, 2)}" for name, t in self.temperatures.items())
        said = (
            f"{build_measure('case', SOFT).label}: {second} minus {first} {difference_text(self.raw[SOFT])}. At "
            f"temperatures fitted on {number_of(self.validation_cases, 'validation case')}, {PARTS[self.part]} "
            f"({fitted}): {difference_text(self.scaled[SOFT])}."
        )
        return f"{said} {self._remains()}"

    def _remains(self) -> str:
        if self.remaining is None:
            return "No difference is shown as they are, of which a part could remain."
        low, high = (100 * end for end in self.remaining_interval)
        ends = f" ({interval(low, high, 0)} %)" if math.isfinite(high - low) else ""
        if self.remaining > 1:
            return f"The difference grows to {100 * self.remaining:.0f} % of what it was{ends}."
        part = f"{100 * self.remaining:.0f} %" if self.remaining > 0 else "nothing"
        return f"Of the difference, {part} remains{ends}."

    def map_sentence(self) -> str:
        """The same of the probability that makes the mask; "" where the score reads nothing else."""
        if OF_MAP not in self.measures:
            return ""
        raw, scaled = (difference_text(of[OF_MAP.key]) for of in (self.raw, self.scaled))
        return f"{OF_MAP.label}, which makes the mask: {raw} as it is, {scaled} scaled."


def load_for_scaling(
    opened: Comparison, validation: Comparison, members: Members
) -> tuple[dict[str, Confidence], dict[str, Confidence]]:
    """The counts of the sources with their logits, on the cases that are compared and on validation cases.

    Raises:
        DataError: If `check_validation` raises it, or a source has no counts.
    """
    names = [name for group in members.values() for name in group]
    check_validation(opened, validation, names)
    return load_confidence(opened, names, logits=True), load_confidence(validation, names, logits=True)


def scale_pair(
    test: Mapping[str, Confidence],
    validation: Mapping[str, Confidence],
    members: Members,
    cases: pd.DataFrame,
    part: str,
) -> Scaled:
    """Compare two sources as they are, and at temperatures that were fitted on other cases.

    Args:
        test: Counts on the cases that are compared, with logits.
        validation: Counts of the same sources on validation cases, likewise.
        members: The two sources.
        cases: Case rows of the cases that are compared.
        part: Key of `PARTS`.

    Raises:
        DataError: If no temperature fits a source.
    """
    first, second = members
    temperatures = {name: _fitted(name, of, part) for name, of in validation.items()}
    raw, scaled = {}, {}
    measures = _measures(test, part)
    soft = cases.pivot(index="case_id", columns="source", values=SOFT)
    as_is = {name: _values(of, part) for name, of in test.items()}
    for name, of in test.items():
        as_is[name][SOFT] = soft.loc[list(of.case_ids), name].to_numpy(dtype=float)  # known exactly
    intervals = _joint_intervals(test, validation, members, part, {name: of[SOFT] for name, of in as_is.items()})
    at = {name: _values(of, part, temperatures[name]) for name, of in test.items()}
    for measure in measures:
        raw[measure.key], scaled[measure.key] = (
            _record(test, members, measure, {name: of[measure.key] for name, of in values.items()})
            for values in (as_is, at)
        )
        if raw[measure.key]["n"] >= MIN_PATIENTS:
            scaled[measure.key]["ci_low"], scaled[measure.key]["ci_high"] = intervals[measure.key]
    cases_fitted = len(next(iter(validation.values())).case_ids)
    share = intervals[SHARE] if raw[SOFT]["n"] >= MIN_PATIENTS else (math.nan, math.nan)
    return Scaled((first, second), part, temperatures, cases_fitted, measures, raw, scaled, share)


def _measures(test: Mapping[str, Confidence], part: str) -> tuple[Measure, ...]:
    own = any(of.own_channels for of in test.values())
    return *MEASURES[part].values(), build_measure("case", SOFT), *([OF_MAP] if own else [])


def _values(of: Confidence, part: str, temperature: float | None = None) -> dict[str, Reals]:
    """Key of each measure to its value of each case as it is, or at a temperature."""
    counts = scale(of.parts[part], temperature) if temperature else of.parts[part]
    errors = {measure.key: ERRORS[key].function(counts) for key, measure in MEASURES[part].items()}
    soft, of_map = (scaled_soft_dice(channels, temperature or 1.0) for channels in (of.channels, of.map_channels))
    return {**errors, SOFT: soft, OF_MAP.key: of_map}


def _fitted(name: str, of: Confidence, part: str) -> float:
    """The temperature of a source; each patient counts once."""
    counts = pd.Series(of.patients).map(pd.Series(of.patients).value_counts())
    found = best_temperature(of.parts[part], 1 / counts.to_numpy(dtype=np.float64))
    if found is None:
        ends = f"{TEMPERATURES[0]:g} to {TEMPERATURES[-1]:g}"
        what, todo = f"No temperature fits {name} on the validation cases", "Check that its files are probabilities"
        raise DataError(what, received=f"the best lies outside {ends}", todo=todo)
    return found


def _record(
    test: Mapping[str, Confidence], members: Members, measure: Measure, values: Mapping[str, Reals]
) -> dict[str, Any]:
    """The paired difference over patients, of the cases that have a value."""
    of = next(iter(test.values()))
    table = pd.DataFrame(values)
    some = table.notna().all(axis=1).to_numpy()
    facts = pd.DataFrame({"case_id": of.case_ids, "patient": of.patients}).reindex(columns=list(FACTS))[some]
    facts, table = facts.reset_index(drop=True), table[some].reset_index(drop=True)
    seeds = {name: table[list(group)] for name, group in members.items() if len(group) > 1}
    units = Units("case", measure, tuple(members), facts, facts, pool_seeds(table, members), {}, seeds)
    records = bin_records(units, None)
    found = {str(key): value for key, value in records.iloc[-1].to_dict().items()}
    return found | {"first_mean": float(records.iloc[0]["mean"])}


def _joint_intervals(
    test: Mapping[str, Confidence],
    validation: Mapping[str, Confidence],
    members: Members,
    part: str,
    soft: Mapping[str, Reals],
) -> dict[str, tuple[float, float]]:
    """95 % percentile interval of each difference over test patients and over the patients that chose temperatures.

    That of `SHARE` is of the share of the soft score's difference that remains: of each resample's own difference as
    it is, by `soft`, source to the score of each case.
    """
    rng = np.random.default_rng(SEED)
    fitted_on, patients = (len(set(next(iter(of.values())).patients)) for of in (validation, test))
    chosen_by = rng.multinomial(fitted_on, [1 / fitted_on] * fitted_on, RESAMPLES).astype(np.float64)
    weights = rng.multinomial(patients, [1 / patients] * patients, RESAMPLES).astype(np.float64)
    places = {name: _places(of, part, chosen_by) for name, of in validation.items()}
    beyond = (1 - expanded_level(CI_LEVEL, max(min(fitted_on, patients), 2))) / 2
    found: dict[str, Reals] = {}
    means = {name: _drawn_means(of, part, places[name], weights) for name, of in test.items()}
    for measure in _measures(test, part):
        key = measure.key
        first, second = (np.mean([means[name][key] for name in group], axis=0) for group in members.values())
        found[key] = second - first
    first, second = (
        np.mean([_weighted(test[name], soft[name], weights) for name in group], axis=0) for group in members.values()
    )
    found[SHARE] = np.divide(found[SOFT], second - first, out=np.full(RESAMPLES, np.inf), where=second != first)
    ends = {key: np.nanquantile(values, (beyond, 1 - beyond)) for key, values in found.items()}
    return {key: (float(low), float(high)) for key, (low, high) in ends.items()}


def _places(of: Confidence, part: str, drawn: Reals) -> "np.typing.NDArray[np.int64]":
    """Place of the best of `TEMPERATURES` in each resample of validation patients."""
    losses = _of_patients(of, log_losses(of.parts[part], TEMPERATURES))
    return np.asarray((drawn @ np.nan_to_num(losses)).argmin(axis=1))


def _drawn_means(
    of: Confidence, part: str, places: "np.typing.NDArray[np.int64]", weights: Reals
) -> Mapping[str, Reals]:
    """Key of each measure to its mean over the patients of each resample, each at its own temperature."""
    means: dict[str, Reals] = {}
    for place in np.unique(places):
        drawn = places == place
        for key, values in _values(of, part, float(TEMPERATURES[place])).items():
            means.setdefault(key, np.full(len(weights), np.nan))[drawn] = _weighted(of, values, weights[drawn])
    return means


def _weighted(of: Confidence, values: Reals, weights: Reals) -> Reals:
    """Mean of the cases' values over the patients of each resample, of those that have one."""
    of_patients = _of_patients(of, values[:, None])[:, 0]
    total = weights @ np.isfinite(of_patients)
    return np.asarray((weights @ np.nan_to_num(of_patients)) / np.where(total > 0, total, np.nan))


def _of_patients(of: Confidence, values: Reals) -> Reals:
    """Mean of each patient's cases, shape (patients, columns); NaN where none has a value."""
    return np.asarray(pd.DataFrame(values).groupby(of.patients, sort=False).mean().to_numpy())


def scaled_table(found: Scaled) -> pd.DataFrame:
    """Two rows a measure, as it is and at the temperatures: means of both sources, difference and interval."""
    rows = [
        {
            "measure": measure.label,
            "map": map_,
            found.pair[0]: record["first_mean"],
            found.pair[1]: record["mean"],
            "n": record["n"],
            "difference": record["mean_difference"],
            "low": record["ci_low"],
            "high": record["ci_high"],
        }
        for measure in found.measures
        for map_, record in (("as it is", found.raw[measure.key]), ("scaled", found.scaled[measure.key]))
    ]
    return pd.DataFrame(rows)
