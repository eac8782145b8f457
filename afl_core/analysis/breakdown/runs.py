"""Patients or training runs: what a difference between two sources that are means over seeds rests on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from afl_core.analysis.breakdown.units import Units
from afl_core.analysis.statistics.ranks import MIN_PATIENTS
from afl_core.analysis.statistics.runs import MIN_RUNS, RunsInterval, runs_interval
from afl_core.base.numbers import interval, number, with_unit
from afl_core.base.words import named, number_of


def runs_of_pair(units: Units, inside: NDArray[np.bool_], pair: tuple[str, str]) -> RunsInterval | None:
    """The difference of a pair for new patients and new runs; None where `runs_interval` gives none.

    Runs of the same seed in both are paired, if every one has its counterpart.

    Args:
        units: The cases or lesions.
        inside: Those that count, shape (n,).
        pair: First and second source.
    """
    if not all(name in units.seeds for name in pair):
        return None
    patients = units.table["patient"][inside].to_numpy()
    tables = [_by_seed(units, name)[inside].groupby(patients, sort=False).mean() for name in pair]
    numbers = [sorted(units.seed_numbers.get(name, ())) for name in pair]
    paired = bool(numbers[0]) and numbers[0] == numbers[1]
    return runs_interval(tables[0].to_numpy(), tables[1].to_numpy(), paired=paired)


def _by_seed(units: Units, name: str) -> pd.DataFrame:
    """The values of a source, a column a seed in the order of their numbers."""
    values, numbers = units.seeds[name], units.seed_numbers.get(name, ())
    return values.iloc[:, np.argsort(numbers, kind="stable")] if numbers else values


def runs_record(units: Units, inside: NDArray[np.bool_], pair: tuple[str, str]) -> dict[str, Any]:
    """The columns of a record that say what the runs make of it; none where there is no such interval."""
    found = runs_of_pair(units, inside, pair)
    return {} if found is None else {"runs_low": found.low, "runs_high": found.high, "runs_share": found.runs_share}


def runs_sentence(units: Units, pair: tuple[str, str]) -> str:
    """What a difference over everything says of new training runs, in words.

    Args:
        units: The cases or lesions.
        pair: First and second source.
    """
    if alone := alone_sentence(units, pair):
        return alone
    found = runs_of_pair(units, np.ones(len(units.table), dtype=bool), pair)
    if found is None:
        few = f"{MIN_RUNS} runs each and {MIN_PATIENTS} patients"
        return f"How much of the difference is the luck of training runs cannot be told: that takes {few}."
    digits = units.measure.digits
    difference = with_unit(number(found.mean, digits, sign=True), units.measure.unit)
    ends = interval(found.low, found.high, digits, sign=True)
    share = f"{100 * found.runs_share:.0f} % of its variance is of the training runs"
    return f"For new patients and new training runs: {difference} ({ends}); {share}. {_halving(found)}"


def alone_sentence(units: Units, sources: Sequence[str]) -> str:
    """That sources which are no mean over seeds say nothing of other training runs; "" where there are none.

    A folder of masks may come of one network, of several, or of a person: that is not known.

    Args:
        units: The cases or lesions.
        sources: Those that are compared.
    """
    alone = [name for name in sources if name not in units.seeds or units.seeds[name].shape[1] == 1]
    if not alone:
        return ""
    ends = "is one set of predictions" if len(alone) == 1 else "are one set of predictions each"
    names = " and ".join(alone) if len(alone) < 3 else named(alone)
    return f"{names} {ends}: what other training runs would give is not known."


def _halving(found: RunsInterval) -> str:
    """How many patients or runs would halve the interval."""
    ways = [
        number_of(number, noun, nouns)
        for number, noun, nouns in (
            (found.patients_to_halve, "patient", "patients"),
            (found.runs_to_halve, "run of each", "runs of each"),
        )
        if number is not None
    ]
    if not ways:
        return "Neither more patients nor more runs alone would halve the interval."
    return f"{' or '.join(ways)} would halve the interval."
