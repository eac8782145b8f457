"""Bins by tumour size, smoothness of the boundary and covariates. The edges are ours: the paper publishes none."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from afl_core.base.catalogue import pick
from afl_core.base.numbers import significant, told_apart, with_unit
from afl_core.base.words import number_of
from afl_core.errors import UsageError

Edges = tuple[float, float]
MIN_VALUES = 3
"""Number of values that tertiles need at least."""

REST = 3
"""Number of the bin of what has no value on an axis of three bins."""

EXPLORATORY = "exploratory: chosen after the data were seen"
"""What is said of a covariate's bins, wherever they are shown."""


@dataclass(frozen=True)
class Axis:
    """A quantity of the reference, or a covariate of the case, by which units are binned.

    Attributes:
        key: Column of `Units.table`.
        label: Name to show where the units are cases.
        of_lesion: Name to show where the units are lesions.
        unit: Unit of the quantity; "" where it has none.
        names: Names of the three bins, from low values to high; or of `by_values` the values themselves.
        rest: Name of the bin of units without a value.
        is_covariate: Whether it comes from a table or was computed besides size and smoothness: then it is exploratory.
        by_values: Whether each value is a bin; the column then holds the place of the value in `names`.
    """

    key: str
    label: str
    of_lesion: str
    unit: str
    names: tuple[str, ...]
    rest: str
    is_covariate: bool = False
    by_values: bool = False

    @property
    def title(self) -> str:
        """The label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def mark(self) -> str:
        """What stands behind the name of a covariate's axis or bin wherever it is shown; "" for another axis."""
        return " (exploratory)" if self.is_covariate else ""

    @property
    def marked(self) -> str:
        """The label, and of a covariate that it is exploratory."""
        return self.label + self.mark


AXES: Mapping[str, Axis] = MappingProxyType(
    {
        axis.key: axis
        for axis in (
            Axis("size", "Tumour volume", "Lesion volume", "ml", ("small", "medium", "large"), "no tumour"),
            Axis("roughness", "Roughness", "Lesion roughness", "", ("smooth", "medium", "rough"), "no roughness"),
            Axis(
                "released_smoothness",
                "Released smoothness",
                "Released smoothness",
                "",
                ("rough", "medium", "smooth"),
                "no tumour",
            ),
        )
    }
)
"""Tumours are smooth, medium or rough (good, medium and poor smoothness in the paper's Figure 4): by our size-free
roughness, where low is smooth, or by the gamma_mSa of the paper's code, where high would be smooth."""

OWN_EDGES = "own edges"
"""Origin of edges that the reader chose."""


@dataclass(frozen=True)
class Binning:
    """An axis with its edges: the first bin reaches up to the first edge and holds it, and so on.

    Attributes:
        axis: Key of the axis in AXES, or of the covariate.
        edges: The two edges in the unit of the axis, ascending; between values that are bins, one less than these.
        how: Origin of the edges, in words.
        covariate: The axis itself, where it is a covariate.
    """

    axis: str
    edges: tuple[float, ...]
    how: str
    covariate: Axis | None = None

    def __post_init__(self) -> None:
        """Refuse an unknown axis, and edges that are not ascending."""
        axis, least = self.described, -math.inf if self.covariate else 0.0
        wanted = len(axis.names) - 1
        ends = (least, *self.edges, math.inf)
        ascending = all(low <= high for low, high in pairwise(ends)) and all(map(math.isfinite, self.edges))
        if len(self.edges) != wanted or not ascending:
            raise UsageError(
                f"Edges of {axis.label} must be {'two' if wanted == REST - 1 else wanted} ascending numbers"
                + ("" if self.covariate else ", 0 or more"),
                received=", ".join(f"{edge:g}" for edge in self.edges),
            )

    @property
    def described(self) -> Axis:
        """The axis itself."""
        return self.covariate or pick(AXES, self.axis, kind="axis")

    @property
    def by_values(self) -> bool:
        """Whether each value is a bin."""
        return self.described.by_values

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the bins by number; the last one holds what has no value."""
        return (*self.described.names, self.described.rest)

    @property
    def rest(self) -> int:
        """Number of the bin of what has no value."""
        return len(self.names) - 1

    def where(self, digits: int = 3) -> str:
        """The edges and their origin in words, to be read after the name of the axis."""
        if self.by_values:
            return f"by its {number_of(self.rest, 'value')}, {EXPLORATORY}"
        low, high = told_apart(*self.edges, digits=digits)
        how = f"{self.how}, {EXPLORATORY}" if self.covariate else self.how
        return f"at {low} and {high}, {how}"

    def assign(self, values: ArrayLike) -> NDArray[np.int64]:
        """Number of the bin of each value: 0, 1, 2 and so on, or `rest` where there is none."""
        v = np.asarray(values, dtype=np.float64)
        return np.where(has_value(self.axis, v), np.searchsorted(self.edges, v, side="left"), self.rest)

    def bounds(self, number: int) -> tuple[float, float]:
        """Lower and upper edge of a bin: 0 and infinity at the ends, NaN for what has no value, or is one.

        The lowest bin of a covariate begins at minus infinity.
        """
        if number == self.rest or self.by_values:
            return math.nan, math.nan
        ends = (-math.inf if self.covariate else 0.0, *self.edges, math.inf)
        return ends[number], ends[number + 1]

    def ends_text(self, number: int) -> str:
        """The range of a bin in words; "" for what has no value, or is one."""
        return ends_text(self.described, self.names[number], *self.bounds(number))


def ends_text(axis: Axis, name: str, low: float, high: float) -> str:
    """The range of the bin of that name in words; "" for what has no value, or is one.

    >>> ends_text(AXES["size"], "small", 0, 0.95), ends_text(AXES["size"], "medium", 0.95, 2.1)
    ('up to 0.95 ml', '0.95 to 2.1 ml')
    """
    if math.isnan(high):
        return ""
    if math.isinf(high):
        text = f"above {significant(low)}"
    elif name == axis.names[0]:
        text = f"up to {significant(high)}"
    else:
        text = " to ".join(told_apart(low, high))
    return with_unit(text, axis.unit)


def has_value(axis: str, values: ArrayLike) -> NDArray[np.bool_]:
    """Whether a unit has a place on an axis: NaN has none, nor has a size or released smoothness of 0 (no tumour)."""
    v = np.asarray(values, dtype=np.float64)
    return np.asarray(np.isfinite(v) & ((v > 0) | (axis not in {"size", "released_smoothness"})))


def tertiles(axis: str, values: ArrayLike, *, of: str = "the reference set", covariate: Axis | None = None) -> Binning:
    """Edges at the 1/3 and 2/3 quantiles of the values that there are.

    Args:
        axis: Key of the axis in AXES, or of the covariate.
        values: Values of the units; NaN where there is none.
        of: The units, in words.
        covariate: The axis itself, where it is a covariate.

    Raises:
        UsageError: If fewer than three have a value.
    """
    label = (covariate or pick(AXES, axis, kind="axis")).label
    v = np.asarray(values, dtype=np.float64)
    v = v[has_value(axis, v)]
    if len(v) < MIN_VALUES:
        raise UsageError(
            f"{label} has too few values in {of} for three bins",
            received=f"{len(v)}, {MIN_VALUES} are needed",
            todo="Choose another axis or give its edges",
        )
    low, high = np.quantile(v, [1 / 3, 2 / 3])
    return Binning(axis, (float(low), float(high)), f"tertiles of {of} ({number_of(len(v), 'value')})", covariate)


def by_values(covariate: Axis) -> Binning:
    """A bin for each value of a covariate of text."""
    edges = tuple(k + 0.5 for k in range(len(covariate.names) - 1))
    return Binning(covariate.key, edges, "a bin for each value", covariate)
