"""A metric, and the measured pair of masks that it is computed from."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from afl_core.base.numbers import COUNT, DIGITS
from afl_core.metrics import lesions, overlap, released, surface

UNDEFINED = math.nan
"""Value of a metric that has no meaning for a pair of masks."""

Empty = Literal["", "both", "reference", "prediction"]
"""Which mask of a pair is empty."""

EmptyRule = float | Literal["computed", "grid_diagonal_mm"]
"""What an empty mask gives: a fixed value, the plain formula, or the diagonal of the whole grid."""


@dataclass(frozen=True, eq=False)
class MaskPair:
    """All that was measured on a prediction and its reference; the metrics are computed from it.

    Attributes:
        counts: Voxel counts over the whole grid.
        distances: Surface distances; None when a mask is empty.
        nsd_area: Surface Dice by area; NaN when a mask is empty.
        lesions: One row a reference lesion, then one a false positive.
        ignored_false: Number of predicted components that are matched to nothing, and too small to count.
        soft: Sums over the probabilities; None where none were given.
        voxel_ml: Volume of one voxel.
        grid_diagonal_mm: Length of the diagonal of the whole array, shape times spacing.
        nsd_tolerance_mm: The tolerance of NSD.
    """

    counts: overlap.Counts
    distances: surface.SurfaceDistances | None
    nsd_area: float
    lesions: tuple[lesions.LesionMetrics, ...]
    soft: released.SoftOverlap | None
    ignored_false: int
    voxel_ml: float
    grid_diagonal_mm: float
    nsd_tolerance_mm: float

    @property
    def empty(self) -> Empty:
        """Which of the two masks is empty."""
        if self.counts.reference:
            return "" if self.counts.predicted else "prediction"
        return "reference" if self.counts.predicted else "both"


@dataclass(frozen=True)
class Metric:
    """One row of METRICS.

    Attributes:
        key: Name of the field and of the table column.
        label: Name to show.
        unit: "" where it has none.
        better: Whether higher, lower or nearer to zero is better.
        range: Smallest and largest value possible.
        definition: What it measures, in one sentence.
        source: Paper, or the library whose definition is followed.
        both_empty: What two empty masks give.
        reference_empty: What an empty reference with a non-empty prediction gives.
        prediction_empty: What an empty prediction with a non-empty reference gives: a missed tumour.
        function: Computes the value where no empty rule replaces it.
    """

    key: str
    label: str
    unit: str
    better: Literal["higher", "lower", "zero"]
    range: tuple[float, float]
    definition: str
    source: str
    both_empty: EmptyRule
    reference_empty: EmptyRule
    prediction_empty: EmptyRule
    function: Callable[[MaskPair], float]

    def value(self, pair: MaskPair) -> float:
        """The metric of a pair, by the empty rule where a mask is empty; NaN where it is undefined."""
        rules: dict[Empty, EmptyRule] = {
            "": "computed",
            "both": self.both_empty,
            "reference": self.reference_empty,
            "prediction": self.prediction_empty,
        }
        rule = rules[pair.empty]
        if rule == "computed":
            return self.function(pair)
        return pair.grid_diagonal_mm if rule == "grid_diagonal_mm" else float(rule)

    @property
    def digits(self) -> int:
        """Decimals with which its values are shown: fewer for mm, ml and means of counts than for ratios."""
        return COUNT if self.better != "zero" and self.unit == "" and self.range[1] > 1 else DIGITS[self.unit]

    @property
    def title(self) -> str:
        """Label with its unit, as a table or an axis shows it."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def titled_direction(self) -> str:
        """Title with an arrow that points to the better values."""
        return f"{self.title} {({'higher': '↑', 'lower': '↓', 'zero': '→ 0'})[self.better]}"

    @property
    def empty_rule(self) -> str:
        """The empty rule in words, for captions."""
        rules = self.both_empty, self.reference_empty, self.prediction_empty
        both, reference, prediction = map(_in_words, rules)
        return f"both masks empty: {both}; reference empty: {reference}; prediction empty: {prediction}"


def _in_words(rule: EmptyRule) -> str:
    if isinstance(rule, str):
        return {"computed": "as computed", "grid_diagonal_mm": "diagonal of the grid in mm"}[rule]
    return "undefined" if math.isnan(rule) else f"{rule:g}"
