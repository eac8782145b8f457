"""The study's comparisons where the luck of a threshold or of a temperature is taken out, by the validation cases."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from afl_core.analysis.breakdown.options import list_sources
from afl_core.analysis.curves import load_curves
from afl_core.analysis.operating_point import RULES, load_validation, match_thresholds
from afl_core.analysis.temperature import load_for_scaling, scale_pair
from afl_core.errors import DataError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.tables import PARTS

Pairs = Sequence[tuple[str, str]]
"""Sources that are compared, first and second; a name that several seeds share is all of them."""


def matched_table(test: Comparison, validation: Comparison, pairs: Pairs) -> pd.DataFrame:
    """Differences in Dice at 0.5 and at thresholds that the validation cases chose, by each rule of `RULES`.

    Where a threshold cannot be chosen, the columns of its comparison are empty and `problem` says why.
    """
    curves = load_curves(test, list(dict.fromkeys(name for pair in pairs for name in pair)), pool_seeds=True)
    rows: list[dict[str, Any]] = []
    for pair in pairs:
        chosen = load_validation(test, validation, pair, pool_seeds=True)
        for rule in RULES:
            row: dict[str, Any] = {"minus": pair[0], "source": pair[1], "rule": rule, "problem": ""}
            try:
                found = match_thresholds(curves, chosen, pair, rule=rule)
            except DataError as error:
                rows.append(row | {"problem": str(error)})
                continue
            row |= dict(zip(("threshold_minus", "threshold"), found.thresholds, strict=True))
            row |= _difference(found.raw, "at_half") | _difference(found.matched, "matched")
            low, high = found.remaining_interval if found.remaining is not None else (None, None)
            rows.append(row | {"remaining": found.remaining, "remaining_low": low, "remaining_high": high})
    return pd.DataFrame(rows)


def calibration_table(test: Comparison, validation: Comparison, pairs: Pairs) -> pd.DataFrame:
    """Errors of calibration and the paper's soft score, as they are and at temperatures fitted on validation cases.

    Where no temperature fits, the columns of a comparison are empty and `problem` says why.
    """
    seeds = list_sources(test.manifest, pool_seeds=True)[1]
    rows: list[dict[str, Any]] = []
    for pair in pairs:
        members = {name: seeds.get(name, (name,)) for name in pair}
        counts = load_for_scaling(test, validation, members)
        for part in PARTS:
            row: dict[str, Any] = {"minus": pair[0], "source": pair[1], "over": part, "problem": ""}
            try:
                found = scale_pair(*counts, members, test.rows, part)
            except DataError as error:
                rows.append(row | {"problem": str(error)})
                continue
            for measure in found.measures:
                raw, scaled = found.raw[measure.key], found.scaled[measure.key]
                means = {"measure": measure.key, "mean_minus": raw["first_mean"], "mean": raw["mean"]}
                rows.append(row | means | _difference(raw, "as_is") | _difference(scaled, "scaled"))
    return pd.DataFrame(rows)


def _difference(record: Any, prefix: str) -> dict[str, float]:
    return {
        f"{prefix}_{name}": record[key]
        for name, key in (("difference", "mean_difference"), ("low", "ci_low"), ("high", "ci_high"))
    }
