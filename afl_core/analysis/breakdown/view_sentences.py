"""The first sentence of views of single cases and lesions: what their chart shows, and no more."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from afl_core.analysis.breakdown.bins import REST, Binning
from afl_core.analysis.breakdown.records import patient_means
from afl_core.analysis.breakdown.sentences import in_sentence
from afl_core.analysis.breakdown.units import Units
from afl_core.analysis.statistics.ranks import DECIMALS
from afl_core.base.numbers import number, with_unit
from afl_core.base.words import number_of

MOST_NAMED = 4
"""Sources up to which each is told by itself; of more the lowest and the highest."""


def pairs_sentence(units: Units, pair: tuple[str, str]) -> str:
    """In how many patients the second source is higher, lower and equal, and where half of the differences lie.

    Args:
        units: The paired table; several units of a patient count as their mean.
        pair: First and second source.
    """
    (first, second), measure = pair, units.measure
    means = patient_means(units, np.ones(len(units.table), dtype=bool))
    difference = (means[second] - means[first]).to_numpy(dtype=np.float64).round(DECIMALS)
    if not len(difference):
        return "There is no pair to compare."
    higher, lower = int((difference > 0).sum()), int((difference < 0).sum())
    low, high = (number(of, measure.digits, sign=True) for of in np.quantile(difference, (0.25, 0.75)))
    return (
        f"{second}'s {in_sentence(measure.label)} is higher than {first}'s in {higher} of "
        f"{number_of(len(difference), 'patient')}, lower in {lower}, equal in {len(difference) - higher - lower}; the "
        f"middle half of the differences ({second} minus {first}) lies between {low} and "
        f"{with_unit(high, measure.unit)}."
    )


def distribution_sentence(units: Units) -> str:
    """The median of each source over the units, with its quartiles; of many sources those of lowest and highest."""
    measure, n = units.measure, len(units.table)
    if not n:
        return f"There are no {units.noun} to show."
    quartiles = {name: np.quantile(units.values[name], (0.25, 0.5, 0.75)) for name in units.sources}
    texts = {
        name: f"{name} {number(middle, measure.digits)} ({number(low, measure.digits)} to "
        f"{with_unit(number(high, measure.digits), measure.unit)})"
        for name, (low, middle, high) in quartiles.items()
    }
    told = _told(texts, {name: float(middle) for name, (_, middle, _) in quartiles.items()})
    return f"Median {in_sentence(measure.label)} (and quartiles) of {number_of(n, units.noun[:-1])}: {told}."


def recall_sentence(lesions: Units, binning: Binning) -> str:
    """The share of lesions that each source finds, in the bin of the smallest and in that of the largest.

    Args:
        lesions: Lesions with the measure `detected`.
        binning: Their bins by volume.
    """
    numbers = binning.assign(lesions.table["size"].to_numpy(dtype=np.float64))
    there = [k for k in range(REST) if (numbers == k).any()]
    if not there:
        return "There are no lesions to find."
    ends = list(dict.fromkeys((there[0], there[-1])))
    of_bins = "; ".join(_recall_in(lesions, binning.names[k], np.asarray(numbers == k)) for k in ends)
    return f"Lesions found: {of_bins}."


def _recall_in(lesions: Units, name: str, inside: NDArray[np.bool_]) -> str:
    shares = {source: 100 * float(lesions.values[source][inside].mean()) for source in lesions.sources}
    texts = {source: f"{source} {number(share, 0)} %" for source, share in shares.items()}
    return f"of {number_of(int(inside.sum()), f'{name} lesion')} {_told(texts, shares)}"


def _told(texts: Mapping[str, str], values: Mapping[str, float]) -> str:
    """The texts of all sources, or of many sources those with the lowest and the highest value."""
    if len(texts) <= MOST_NAMED:
        return ", ".join(texts.values())
    ordered = sorted(texts, key=values.__getitem__)
    return f"from {texts[ordered[0]]} to {texts[ordered[-1]]}, of {number_of(len(texts), 'source')}"
