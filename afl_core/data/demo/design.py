"""The design of the demo cohort: how large, rough and visible the lesions of each case are to be.

Cases come in matched triplets. The three cases of a triplet have the same number of lesions and the same sizes; their
boundary roughness is smooth, rough and medium, their contrast low, middle and high. Two neighbouring triplets combine
roughness and contrast with opposite sign. So size, roughness and contrast are uncorrelated by construction (size and
roughness exactly, unless a lone case is left over; all three for multiples of 6 cases), and a difference between
roughness bins is none of size.

Roughness belongs to the case, not to the lesion: all lesions of a case share it. Dice, HD95 and the other scores of a
case are over all its lesions, and a case of mixed roughness would fall into no bin; with one level a case, bins of
cases and bins of lesions are both clean. The price: lesions of one case are not independent, so intervals over lesions
must resample cases, or better triplets.
"""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from afl_core.base.paths import DEMO_CASE
from afl_core.data.demo.phantom import Look
from afl_core.errors import UsageError

SPLITS = ("train", "validation", "test")
VOLUME_RANGE_ML = (0.2, 60.0)
ROUGHNESS_LEVELS = MappingProxyType({"smooth": 0.0, "medium": 0.12, "rough": 0.24})
"""Level to amplitude: standard deviation of the radius over the directions, relative to its mean."""

CONTRAST_RANGE = (0.45, 1.0)
_PLASTIC = 1.324717957244746  # its powers give the additive sequence of lowest known discrepancy in two dimensions


@dataclass(frozen=True)
class DemoSpec:
    """Size and seed of the demo cohort.

    Attributes:
        n_train: Number of training cases.
        n_validation: Number of validation cases.
        n_test: Number of test cases.
        seed: Seed of the random numbers: case k of a split depends on this, the split and k alone.
        spacing_mm: Edge of the cubic voxels.
    """

    n_train: int = 48
    n_validation: int = 8
    n_test: int = 24
    seed: int = 2
    spacing_mm: float = 2.0

    def __post_init__(self) -> None:
        """Refuse counts, seeds and spacings that make no cohort."""
        counts = (self.n_train, self.n_validation, self.n_test)
        if min(counts) < 0 or max(counts) > 999:
            raise UsageError("A split of the demo has 0 to 999 cases", received=counts)
        if not 1 <= self.spacing_mm <= 4:
            raise UsageError("The spacing of the demo is 1 to 4 mm", received=self.spacing_mm)
        if self.seed < 0:
            raise UsageError("The seed of the demo is a whole number from 0", received=self.seed)

    def case_ids(self, split: str) -> tuple[str, ...]:
        """Ids of the cases of a split, in order."""
        check_split(split)
        return tuple(f"{DEMO_CASE}{split}_{index:03d}" for index in range(getattr(self, f"n_{split}")))


@dataclass(frozen=True)
class Plan:
    """What is decided about a case before anything is drawn on a grid.

    Attributes:
        volumes_ml: Volumes of its lesions in ml, largest first.
        roughness: Roughness level of all its lesions.
        look: Visibility of the lesions in the images.
    """

    volumes_ml: tuple[float, ...]
    roughness: str
    look: Look


def plan_case(spec: DemoSpec, split: str, index: int) -> Plan:
    """Draw the parameters of case `index` of a split; see the top of this module for the design.

    >>> [plan_case(DemoSpec(), "test", k).roughness for k in (2, 5)]
    ['medium', 'medium']
    """
    triplet, position = divmod(index, 3)
    pair = triplet // 2
    size_start, look_start = generator(spec, split, 0).uniform(size=2)
    count = 1 + int(generator(spec, split, 1, pair // 3).permutation(3)[pair % 3])
    shared, of_case = generator(spec, split, 2, pair), generator(spec, split, 3, index)
    flip = bool(shared.integers(2)) != bool(triplet % 2)
    # The two extremes come first: a triplet that the end of the cohort cuts after two cases stays balanced.
    level = (0, 2, 1)[position] if flip else (2, 0, 1)[position]
    tercile = (level + 2) % 3 if flip else -level % 3  # correlates with the level by -1/2 or +1/2
    place = (size_start + triplet / _PLASTIC + np.arange(count) / count) % 1
    low, high = np.log(VOLUME_RANGE_ML)
    sizes = np.exp(low + place * (high - low))
    visible = (tercile + (look_start + triplet / _PLASTIC**2) % 1) / 3
    look = Look(
        contrast=float(CONTRAST_RANGE[0] + visible * (CONTRAST_RANGE[1] - CONTRAST_RANGE[0])),
        enhancement=float(of_case.uniform(0.15, 1.0)),
        noise=float(of_case.uniform(0.03, 0.06)),
    )
    return Plan(tuple(sorted(sizes.tolist(), reverse=True)), tuple(ROUGHNESS_LEVELS)[level], look)


def generator(spec: DemoSpec, split: str, *key: int) -> np.random.Generator:
    """Random numbers that depend on the seed, the split and the key alone."""
    return np.random.default_rng(np.random.SeedSequence(spec.seed, spawn_key=(SPLITS.index(split), *key)))


def check_split(split: str) -> None:
    """Raise `UsageError` unless the split exists."""
    if split not in SPLITS:
        raise UsageError("The demo has no such split", received=split, todo=f"Choose from {', '.join(SPLITS)}")
