"""What can be compared at the level of cases and of lesions."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from afl_core.base.catalogue import find_key, pick
from afl_core.base.numbers import COUNT, DIGITS, RATIO
from afl_core.errors import UsageError
from afl_core.evaluation.manifest import Manifest
from afl_core.metrics import METRICS, Metric, metrics_of

Level = Literal["case", "lesion"]

MAIN = "dsc"
"""Key of the metric that is compared where none is chosen."""


@dataclass(frozen=True)
class Measure:
    """A column of case or lesion rows, ready to be compared.

    Attributes:
        key: Name of the column.
        label: Name to show.
        unit: Unit of the values; "" where they have none.
        better: The direction that is better.
        definition: Definition of the metric in a sentence.
        empty_rule: The value that an empty mask gives, in words.
        digits: Decimals with which values are shown.
        absolute: True if the sign is dropped first: a metric that is best at zero compares by its distance from it.
    """

    key: str
    label: str
    unit: str
    better: Literal["higher", "lower"]
    definition: str
    empty_rule: str
    digits: int = RATIO
    absolute: bool = False

    @property
    def title(self) -> str:
        """The label with its unit, as an axis shows it."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


_MISSED = "a missed lesion: "

_LESION = (
    Measure(
        "dsc",
        "Lesion Dice",
        "",
        "higher",
        "Dice between a lesion and all predicted components matched to it, each whole.",
        f"{_MISSED}0",
    ),
    Measure(
        "dsc_in_region",
        "Lesion Dice, in its region",
        "",
        "higher",
        "Dice between a lesion and what is matched to it, a component shared with another lesion divided between them.",
        f"{_MISSED}0",
    ),
    Measure(
        "hd95_mm",
        "Lesion HD95",
        "mm",
        "lower",
        "The larger of the directed 95th percentiles of distances between a lesion and what is matched to it.",
        f"{_MISSED}diagonal of the grid in mm, or the matcher's penalty",
        DIGITS["mm"],
    ),
    Measure(
        "assd_mm",
        "Lesion ASSD",
        "mm",
        "lower",
        "Mean surface distance between a lesion and what is matched to it.",
        f"{_MISSED}diagonal of the grid in mm, or the matcher's penalty",
        DIGITS["mm"],
    ),
    Measure(
        "detected",
        "Lesion recall",
        "",
        "higher",
        "1 where the matcher finds the lesion; the mean is recall.",
        f"{_MISSED}0",
    ),
)


def _of_cases(metrics: Mapping[str, Metric]) -> dict[str, Measure]:
    return {
        m.key: Measure(
            m.key,
            f"{m.label}, absolute" if m.better == "zero" else m.label,
            m.unit,
            "lower" if m.better == "zero" else m.better,
            m.definition,
            m.empty_rule,
            m.digits,
            absolute=m.better == "zero",
        )
        for m in metrics.values()
    }


MEASURES: Mapping[Level, Mapping[str, Measure]] = MappingProxyType(
    {"case": MappingProxyType(_of_cases(METRICS)), "lesion": MappingProxyType({m.key: m for m in _LESION})}
)
"""Every measure of a level by its key."""


def measures_of(manifest: Manifest, level: Level) -> Mapping[str, Measure]:
    """Every measure of results: `MEASURES` by their matcher, or of imported tables those that the manifest declares."""
    if not manifest.imported:
        return _of_cases(metrics_of(manifest.settings.matcher)) if level == "case" else MEASURES[level]
    return {
        key: Measure(
            key,
            metric.label,
            metric.unit,
            "lower" if metric.better == "lower" else "higher",
            metric.definition,
            metric.empty_rule,
            DIGITS.get(metric.unit, COUNT),
        )
        for key, metric in manifest.metrics.items()
        if level == "case"
    }


def choose_measure(manifest: Manifest, level: Level, name: str) -> Measure:
    """The measure of a key or label, as a person may type it; of imported tables the first one stands for `MAIN`.

    Raises:
        UsageError: If the results cannot have it.
    """
    known = measures_of(manifest, level)
    if manifest.imported and name == MAIN and known:
        return next(iter(known.values()))
    if not known:
        raise UsageError("Imported tables hold cases alone", received=level, todo="Compare cases")
    return known[find_key(known, name, kind=f"metric of {level}s")]


def build_measure(level: Level, key: str) -> Measure:
    """The measure of that key; a wrong one raises `UsageError` and lists those of the level."""
    return pick(MEASURES[level], key, kind=f"metric of {level}s")
