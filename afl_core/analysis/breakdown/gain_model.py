"""Covariates beside size and smoothness: how each goes with the difference, and with the others held fixed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from afl_core.analysis.breakdown.bins import EXPLORATORY, Axis, has_value
from afl_core.analysis.breakdown.confounding import Correlation, rank_correlation
from afl_core.analysis.breakdown.sentences import ALPHA, capital, in_sentence
from afl_core.analysis.breakdown.units import Units
from afl_core.analysis.statistics.ranks import DECIMALS, MIN_PATIENTS, holm
from afl_core.analysis.statistics.regression import least_squares
from afl_core.base.numbers import interval, number, p_number, p_text
from afl_core.base.words import named, number_of

MIN_PER_TERM = 4
"""Patients for each coefficient of the model, at least; permuted covariates are rejected in 5 of 100 then."""

LEAST_VALUES = 2
"""Values of a covariate of text that enough patients must have."""

RHO = 2
"""Decimals of a rank correlation."""

ABOUT = (
    "Ordinary least squares over patients; intervals by HC3 and Student's t, at 95 % each, p after Holm over these "
    "rows. A number stands by its rank, so its row is the change from the lowest value to the highest; a value stands "
    "against the one that most patients have."
)
"""What the model is, for its readers."""


@dataclass(frozen=True)
class CovariateCorrelation:
    """How a covariate, or one of its values, ranks with what else is known.

    Attributes:
        what: The covariate, or one of its values, in words.
        difference: Its rank correlation with the paired difference.
        size: The same with volume.
        roughness: The same with roughness.
    """

    what: str
    difference: Correlation
    size: Correlation
    roughness: Correlation


@dataclass(frozen=True)
class Term:
    """A coefficient of the model: in words, with its 95 % interval, p, and p after Holm over the model."""

    what: str
    estimate: float
    low: float
    high: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class GainModel:
    """The paired difference given all axes at once.

    Attributes:
        terms: The coefficients, () where there is no model.
        n: Number of patients in it.
        of: Number of patients that were compared.
        left_out: What is not in it and why, sentences.
        problem: Why there is no model, a sentence, or "".
    """

    terms: tuple[Term, ...]
    n: int
    of: int
    left_out: tuple[str, ...] = ()
    problem: str = ""


def covariate_correlations(
    units: Units, pair: tuple[str, str], covariates: Sequence[str]
) -> tuple[CovariateCorrelation, ...]:
    """Rank correlations over the patients that have both quantities; of text one for each value, of two values one.

    Args:
        units: The paired table.
        pair: First and second source; the difference is second minus first.
        covariates: Keys of covariates.
    """
    first, second = pair
    others = {
        "difference": (units.values[second] - units.values[first]).to_numpy(dtype=np.float64).round(DECIMALS),
        **{axis: _values(units, axis) for axis in ("size", "roughness")},
    }
    found = []
    for key in covariates:
        columns = _columns(units.axis(key), _values(units, key))
        for what, values in list(columns.items())[1 if len(columns) == 2 else 0 :]:
            found.append(CovariateCorrelation(what, *(_together(units, what, values, of) for of in others.values())))
    return tuple(found)


def gain_model(units: Units, pair: tuple[str, str], axes: Sequence[str]) -> GainModel:
    """The paired difference of patients given all of these axes.

    Units without a value on one of them are left out, and values of text that fewer than 6 patients have; what is left
    is averaged by patient. A column that those before it give already is left out too.

    Args:
        units: The paired table.
        pair: First and second source; the difference is second minus first.
        axes: Keys of the axes, in order.
    """
    of = units.table["patient"].nunique()
    axes, keep, left_out = _complete(units, axes)
    gain, x = _patients(units, pair, axes, keep)
    chosen, given = _independent(x)
    sentences = (
        *left_out,
        *(f"{capital(what)} is left out: what stands before it gives it already." for what in given),
    )
    n, wanted = len(gain), MIN_PER_TERM * (len(chosen) + 1)
    if not chosen or n < wanted:
        have = number_of(n, "patient has", "patients have")
        few = f"{have} a value of all, and {number_of(len(chosen), 'term')} would need {wanted}"
        return GainModel((), n, of, sentences, f"There is no model of the difference given all of these: {few}.")
    fitted = least_squares(gain, x[chosen])
    if fitted is None:
        problem = "There is no model of the difference given all of these: a single patient decides a term."
        return GainModel((), n, of, sentences, problem)
    rows = (fitted.estimate, fitted.low, fitted.high, fitted.p, holm(fitted.p))
    terms = tuple(Term(what, *map(float, numbers)) for what, *numbers in zip(chosen, *rows, strict=True))
    return GainModel(terms, n, of, sentences)


def model_sentences(model: GainModel, units: Units, pair: tuple[str, str]) -> tuple[str, ...]:
    """What the model shows and no more; what is not in it."""
    if model.problem:
        return (model.problem, *model.left_out)
    first, second = pair
    patients = f"{model.n} of {number_of(model.of, 'patient')}" if model.n < model.of else number_of(model.n, "patient")
    shown = [term for term in model.terms if term.p_holm < ALPHA]
    digits = units.measure.digits
    what = f"{second} minus {first}, {in_sentence(units.measure.label)}, given all of these ({patients}, {EXPLORATORY})"
    if not shown:
        return (f"{what}: no term is shown to go with the difference where the others are held fixed.", *model.left_out)
    said = "; ".join(
        f"{term.what} {number(term.estimate, digits, sign=True)} "
        f"({interval(term.low, term.high, digits, sign=True)}, {p_text(term.p_holm)})"
        for term in shown
    )
    return (f"{what}, goes with {said}.", *model.left_out)


def _values(units: Units, key: str) -> NDArray[np.float64]:
    """Values of the units on an axis, NaN where they have no place on it."""
    values = units.table[key].to_numpy(dtype=np.float64)
    return np.where(has_value(key, values), values, np.nan)


def _columns(axis: Axis, values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """The columns of an axis in words: its numbers, or for each of its values 1 where a unit has it."""
    label = in_sentence(axis.label)
    if not axis.by_values:
        return {label: values}
    missing = np.isnan(values)
    return {f"{label} {name}": np.where(missing, np.nan, values == k) for k, name in enumerate(axis.names)}


def _together(units: Units, what: str, a: NDArray[np.float64], b: NDArray[np.float64]) -> Correlation:
    keep = ~np.isnan(a) & ~np.isnan(b)
    means = pd.DataFrame({"a": a[keep], "b": b[keep]}).groupby(units.table["patient"][keep].to_numpy()).mean()
    ranks = means.round(DECIMALS).rank()
    return rank_correlation(what, ranks["a"].to_numpy(np.float64), ranks["b"].to_numpy(np.float64))


def _complete(units: Units, axes: Sequence[str]) -> tuple[list[str], NDArray[np.bool_], list[str]]:
    """The axes of the model, the units with a value on each that enough patients share, and what else is left out."""
    kept, sentences = list(axes), []
    numbers = [~np.isnan(_values(units, key)) for key in axes if not units.axis(key).by_values]
    keep = np.all([np.ones(len(units.table), dtype=bool), *numbers], axis=0)
    shared = keep.copy()
    for key in (key for key in axes if units.axis(key).by_values):
        axis, values = units.axis(key), _values(units, key)
        counts = units.table["patient"][keep].groupby(values[keep]).nunique()
        common = [k for k, patients in counts.items() if patients >= MIN_PATIENTS]
        rare = named([axis.names[int(k)] for k in counts.index if k not in common])
        if len(common) < LEAST_VALUES:
            kept.remove(key)
            sentences.append(f"{axis.label} is left out: it takes two values that {MIN_PATIENTS} patients have.")
            continue
        shared &= np.isin(values, common)
        if rare:
            sentences.append(f"{axis.label} {rare} is left out: fewer than {MIN_PATIENTS} patients have it.")
    return kept, shared, sentences


def _patients(
    units: Units, pair: tuple[str, str], axes: Sequence[str], keep: NDArray[np.bool_]
) -> tuple["pd.Series[float]", pd.DataFrame]:
    """The difference of each patient and the columns of the model, means over the units that are kept."""
    first, second = pair
    patients = units.table["patient"][keep].to_numpy()

    def by_patient(values: ArrayLike) -> "pd.Series[float]":
        return pd.Series(np.asarray(values, np.float64)).groupby(patients, sort=False).mean().round(DECIMALS)

    columns: dict[str, pd.Series[float]] = {}
    for key in axes:
        axis = units.axis(key)
        means = {what: by_patient(values) for what, values in _columns(axis, _values(units, key)[keep]).items()}
        common = max(means, key=lambda what: means[what].sum()) if axis.by_values else ""
        columns |= {what: of if axis.by_values else _scaled(of) for what, of in means.items() if what != common}
    return by_patient((units.values[second] - units.values[first])[keep]), pd.DataFrame(columns)


def _scaled(values: "pd.Series[float]") -> "pd.Series[float]":
    """Ranks from 0, the lowest, to 1, the highest; all 0 where nothing varies."""
    ranks = values.rank() - values.rank().min()
    return ranks / (ranks.max() or 1)


def _independent(x: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The columns that say something new after those before them, and the others that vary."""
    chosen: list[str] = []
    given: list[str] = []
    for what in x:
        column = x[[*chosen, what]].to_numpy(np.float64)
        if not len(column) or np.ptp(column[:, -1]) == 0:
            continue
        rank = np.linalg.matrix_rank(np.column_stack([np.ones(len(column)), column]))
        (chosen if rank == len(chosen) + 2 else given).append(str(what))
    return chosen, given


def correlation_cells(found: CovariateCorrelation) -> dict[str, str]:
    """A row of the table of rank correlations: rho and its interval with each of the three."""

    def text(of: Correlation) -> str:
        ends = f" ({interval(of.low, of.high, RHO, sign=True)})" if np.isfinite(of.low) else ""
        return f"{number(of.rho, RHO, sign=True)}{ends}, n = {of.n:,}"

    return {
        "rank correlation of": found.what,
        "with the difference": text(found.difference),
        "with volume": text(found.size),
        "with roughness": text(found.roughness),
    }


def term_cells(term: Term, units: Units) -> dict[str, str]:
    """A row of the table of the model."""
    digits = units.measure.digits
    return {
        "term": term.what,
        "change of the difference": number(term.estimate, digits, sign=True),
        "95 % interval": interval(term.low, term.high, digits, sign=True),
        "p": p_number(term.p),
        "p (Holm)": p_number(term.p_holm),
    }
