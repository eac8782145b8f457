"""What is known of the units, as columns that can be set against each other and colour a chart."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from afl_core.analysis.breakdown.bins import EXPLORATORY, has_value
from afl_core.analysis.breakdown.confounding import Correlation, rank_correlation
from afl_core.analysis.breakdown.sentences import in_sentence
from afl_core.analysis.breakdown.units import Units
from afl_core.analysis.statistics.ranks import DECIMALS
from afl_core.base.numbers import interval, number, told_apart
from afl_core.base.words import number_of

RHO = 2
"""Decimals of a rank correlation."""

DIFFERENCE = "difference"
"""Key of the column of the paired difference."""


@dataclass(frozen=True, eq=False)
class Column:
    """A quantity of every unit.

    Attributes:
        label: Name to show.
        title: The label with its unit.
        values: A value a row of `Units.table`, shape (n,), NaN where there is none; of text its place in `names`.
        names: The values of text; () for numbers.
        is_log: Whether a chart shows it on a logarithmic axis; every value is above 0 then.
        source: Source that it is a metric of, or "".
    """

    label: str
    title: str
    values: NDArray[np.float64]
    names: tuple[str, ...] = ()
    is_log: bool = False
    source: str = ""

    @property
    def numbers(self) -> NDArray[np.float64] | None:
        """The values as numbers, also where they are few and count as text, such as a grade; None for other text."""
        if not self.names:
            return self.values
        try:
            of_names = np.array([float(name) for name in self.names])
        except ValueError:
            return None
        known = np.isfinite(self.values)
        found = np.full(len(self.values), np.nan)
        found[known] = of_names[self.values[known].astype(np.int64)]
        return found


def axis_column(units: Units, key: str) -> Column:
    """The column of an axis: size, a smoothness, or a covariate."""
    axis, values = units.axis(key), units.table[key].to_numpy(dtype=np.float64)
    placed = np.where(has_value(key, values), values, np.nan)
    return Column(axis.label, axis.title, placed, axis.names if axis.by_values else (), is_log=key == "size")


def columns(units: Units, pair: tuple[str, str] | None) -> dict[str, Column]:
    """Every column that has a value, by its key: the axes, the metric of each source, and the difference of a pair."""
    measure = units.measure
    found = {key: axis_column(units, key) for key in units.axes}
    if pair:
        first, second = (units.values[name].to_numpy(dtype=np.float64) for name in pair)
        of_pair = f", {pair[1]} minus {pair[0]}"
        found[DIFFERENCE] = Column(measure.label + of_pair, measure.title + of_pair, second - first)
    for name in units.sources:
        values = units.values[name].to_numpy(dtype=np.float64)
        found[f"of {name}"] = Column(f"{measure.label}, {name}", f"{measure.title}, {name}", values, source=name)
    return {key: column for key, column in found.items() if np.isfinite(column.values).any()}


def colours(units: Units) -> list[str]:
    """Keys of the axes that can colour a chart over size: each smoothness and covariate that has a value."""
    return [key for key in units.axes if key != "size" and np.isfinite(axis_column(units, key).values).any()]


def explored(units: Units, x: Column, y: Column) -> Correlation | None:
    """Spearman's rho of two columns over patients, whose units are averaged first; None where one is text."""
    a, b = x.numbers, y.numbers
    if a is None or b is None:
        return None
    keep = np.isfinite(a) & np.isfinite(b)
    table = pd.DataFrame({"x": a[keep], "y": b[keep]})
    ranks = table.groupby(units.table["patient"][keep].to_numpy()).mean().round(DECIMALS).rank()
    what = f"{x.label} with {in_sentence(y.label)}"
    return rank_correlation(what, ranks["x"].to_numpy(np.float64), ranks["y"].to_numpy(np.float64))


def explored_sentence(units: Units, x: Column, y: Column | None) -> str:
    """What a chart of one column or of two shows, over how many units and patients."""
    keep = np.isfinite(x.values) & (np.isfinite(y.values) if y else True)
    patients = number_of(units.table["patient"][keep].nunique(), "patient")
    over = f"{number_of(int(keep.sum()), units.noun[:-1])} of {patients}"
    if y is None:
        if x.names or not keep.any():
            return f"{x.label}: {over}."
        low, middle, high = told_apart(*np.percentile(x.values[keep], [25, 50, 75]))
        return f"{x.label}: median {middle}, middle half {low} to {high}, over {over}."
    found = explored(units, x, y)
    if found is None:
        return f"{x.label} with {in_sentence(y.label)}: {over}; values without an order have no rank correlation."
    if np.isnan(found.rho):
        return f"The rank correlation of {in_sentence(found.what)} is not defined: {over}."
    ends = (
        f" ({interval(found.low, found.high, RHO, sign=True)})" if np.isfinite(found.low) else ", without an interval"
    )
    rho = f"{number(found.rho, RHO, sign=True)}{ends}"
    return f"Rank correlation of {in_sentence(found.what)}: {rho}, over {over}; {EXPLORATORY}."
