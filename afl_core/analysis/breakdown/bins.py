"""Bins by tumour size and by smoothness of the boundary. The edges are ours: the paper publishes none."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from afl_core.base.catalogue import pick
from afl_core.base.words import number_of
from afl_core.errors import UsageError

Edges = tuple[float, float]
MIN_VALUES = 3
"""Number of values that tertiles need at least."""

REST = 3
"""Number of the bin of what has no value on an axis."""


@dataclass(frozen=True)
class Axis:
    """A quantity of the reference by which units are binned.

    Attributes:
        key: Column of `Units.table`.
        label: Name to show where the units are cases.
        of_lesion: Name to show where the units are lesions.
        unit: Unit of the quantity; "" where it has none.
        names: Names of the three bins, from low values to high.
        rest: Name of the bin of units without a value.
    """

    key: str
    label: str
    of_lesion: str
    unit: str
    names: tuple[str, str, str]
    rest: str

    @property
    def title(self) -> str:
        """The label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


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
    """An axis with its two edges: the first bin reaches up to the first edge and holds it, and so on.

    Attributes:
        axis: Key of the axis in AXES.
        edges: The two edges in the unit of the axis, ascending.
        how: Origin of the edges, in words.
    """

    axis: str
    edges: Edges
    how: str

    def __post_init__(self) -> None:
        """Refuse an unknown axis, and edges that are not ascending."""
        axis = pick(AXES, self.axis, kind="axis")
        low, high = self.edges
        if not 0 <= low <= high < math.inf:
            raise UsageError(
                f"Edges of {axis.label} must be two ascending numbers, 0 or more",
                received=f"{low:g}, {high:g}",
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the bins by number; the last one holds what has no value."""
        axis = AXES[self.axis]
        return (*axis.names, axis.rest)

    def assign(self, values: ArrayLike) -> NDArray[np.int64]:
        """Number of the bin of each value: 0, 1, 2, or REST where there is none."""
        v = np.asarray(values, dtype=np.float64)
        return np.where(has_value(self.axis, v), np.searchsorted(self.edges, v, side="left"), REST)

    def bounds(self, number: int) -> tuple[float, float]:
        """Lower and upper edge of a bin: 0 and infinity at the ends, NaN for what has no value."""
        if number == REST:
            return math.nan, math.nan
        ends = (0.0, *self.edges, math.inf)
        return ends[number], ends[number + 1]


def has_value(axis: str, values: ArrayLike) -> NDArray[np.bool_]:
    """Whether a unit has a place on an axis: NaN has none, nor has a size or released smoothness of 0 (no tumour)."""
    v = np.asarray(values, dtype=np.float64)
    return np.asarray(np.isfinite(v) & ((v > 0) | (axis == "roughness")))


def tertiles(axis: str, values: ArrayLike, *, of: str = "the reference set") -> Binning:
    """Edges at the 1/3 and 2/3 quantiles of the values that there are.

    Raises:
        UsageError: If fewer than three have a value.
    """
    label = pick(AXES, axis, kind="axis").label
    v = np.asarray(values, dtype=np.float64)
    v = v[has_value(axis, v)]
    if len(v) < MIN_VALUES:
        raise UsageError(
            f"{label} has too few values in {of} for three bins",
            received=f"{len(v)}, {MIN_VALUES} are needed",
            todo="Choose another axis or give its edges",
        )
    low, high = np.quantile(v, [1 / 3, 2 / 3])
    return Binning(axis, (float(low), float(high)), f"tertiles of {of} ({number_of(len(v), 'value')})")
