"""The design of the demo cohort: how large, rough and visible the lesions of each patient are to be, and when scanned.

Patients come in blocks of 24, 8 of each third of the sizes. In every third the sizes are spread evenly over their
logarithm, the levels of roughness, the contrasts and the two scanners are spread evenly too, and they are dealt to the
patients so that none of the four goes with another: of many deals, each by chance, the one is taken that leaves the
smallest correlation between any two of them, in each third and over all blocks so far. So a difference between bins of
roughness is none of size, and neither is one of contrast or of scanner.

Roughness belongs to the patient, not to the lesion: all lesions of a patient share it. Dice, HD95 and the other scores
of a case are over all its lesions, and a case of mixed roughness would fall into no bin; with one level a case, bins of
cases and bins of lesions are both clean. The price: lesions of one patient are not independent, so intervals over
lesions must resample patients.

Five patients of a block are scanned a second time, with other noise, and lesions that have grown, shrunk or stayed.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from afl_core.base.paths import DEMO_CASE
from afl_core.data.demo.phantom import Look
from afl_core.errors import UsageError

SPLITS = ("train", "validation", "test")
SIZE_LIMITS_ML = (0.1, 1.5, 9.5, 60.0)
"""Total volume of the lesions of a patient: a third of the patients lies between each two, evenly in the logarithm."""

LEAST_LESION_ML = 0.1
"""Volume of the smallest lesion: it has 100 voxels of 1 mm, as many as a roughness takes."""

ROUGHNESS_LEVELS = MappingProxyType({"smooth": 0.0, "medium": 0.12, "rough": 0.24})
"""Level to amplitude: standard deviation of the radius over the directions, relative to its mean."""

CONTRAST_RANGE = (0.45, 1.0)

NOISE = MappingProxyType({"A": (0.03, 0.045), "B": (0.05, 0.07)})
"""Range of the noise of each scanner; `phantom.SCANNERS` says what else differs."""

SHARES = ((1.0,), (0.7, 0.3), (0.6, 0.28, 0.12))
"""Shares of the lesions in the total volume, for one, two and three of them."""

GROWTH = (0.3, 0.75, 1.1, 1.5, 2.2)
"""Volume at the second scan, relative to the first, of the five patients of a block who have one."""

BLOCK, OF_A_THIRD = 24, 8

_DEALS = 4000
_GOLDEN = (5**0.5 - 1) / 2  # its multiples, less their whole parts, spread evenly


@dataclass(frozen=True)
class DemoSpec:
    """Size and seed of the demo cohort.

    Attributes:
        n_train: Number of training patients.
        n_validation: Number of validation patients.
        n_test: Number of test patients.
        seed: Seed of the random numbers: patient k of a split depends on this, the split and k alone.
        spacing_mm: Edge of the cubic voxels.
    """

    n_train: int = 48
    n_validation: int = 24
    n_test: int = 96
    seed: int = 2
    spacing_mm: float = 1.0

    def __post_init__(self) -> None:
        """Refuse counts, seeds and spacings that make no cohort."""
        counts = (self.n_train, self.n_validation, self.n_test)
        if min(counts) < 0 or max(counts) > 999:
            raise UsageError("A split of the demo has 0 to 999 patients", received=counts)
        if not 1 <= self.spacing_mm <= 4:
            raise UsageError("The spacing of the demo is 1 to 4 mm", received=self.spacing_mm)
        if self.seed < 0:
            raise UsageError("The seed of the demo is a whole number from 0", received=self.seed)

    def scans(self, split: str) -> tuple["Scan", ...]:
        """The scans of a split, in order; the second of a patient follows the first."""
        check_split(split)
        patients = range(getattr(self, f"n_{split}"))
        return tuple(
            Scan(split, patient, visit)
            for patient in patients
            for visit in ((1, 2) if plan_patient(self, split, patient).growth else (1,))
        )

    def case_ids(self, split: str) -> tuple[str, ...]:
        """Ids of the scans of a split, in order."""
        return tuple(scan.case_id for scan in self.scans(split))


class Scan(NamedTuple):
    """A scan of the cohort: split, number of the patient in it from 0, and visit 1 or 2."""

    split: str
    patient: int
    visit: int = 1

    @property
    def patient_id(self) -> str:
        """Id of the patient."""
        return f"{DEMO_CASE}{self.split}_{self.patient:03d}"

    @property
    def case_id(self) -> str:
        """Id of the case: the patient's for the first visit."""
        return self.patient_id if self.visit == 1 else f"{self.patient_id}_visit{self.visit}"

    @classmethod
    def of(cls, case_id: str) -> "Scan":
        """The scan of a case id; `ValueError` if it is none.

        >>> Scan.of("Brats18_SYN_test_007_visit2")
        Scan(split='test', patient=7, visit=2)
        """
        patient, _, visit = case_id.removeprefix(DEMO_CASE).partition("_visit")
        split, _, number = patient.partition("_")
        scan = cls(split, int(number), int(visit or 1))
        if scan.case_id != case_id or split not in SPLITS:
            raise ValueError(case_id)
        return scan


@dataclass(frozen=True)
class Plan:
    """What is decided about a patient before anything is drawn on a grid.

    Attributes:
        volumes_ml: Volumes of the lesions in ml at the first scan, largest first.
        roughness: Roughness level of all of them.
        look: Visibility of the lesions in the images, and the scanner.
        growth: Volume at the second scan relative to the first; 0 where there is none.
    """

    volumes_ml: tuple[float, ...]
    roughness: str
    look: Look
    growth: float

    def at(self, visit: int) -> tuple[float, ...]:
        """Volumes of the lesions in ml at a visit."""
        if visit == 1:
            return self.volumes_ml
        growth = min(self.growth, SIZE_LIMITS_ML[-1] / sum(self.volumes_ml))
        return tuple(max(LEAST_LESION_ML, volume * growth) for volume in self.volumes_ml)


def plan_patient(spec: DemoSpec, split: str, patient: int) -> Plan:
    """The plan of a patient of a split; see the top of this module for the design.

    >>> plan_patient(DemoSpec(), "test", 0).roughness in ROUGHNESS_LEVELS
    True
    """
    check_split(split)
    block, place = divmod(patient, BLOCK)
    row = _deal(spec.seed, split, block)[place]
    of_patient = generator(spec, split, 3, patient)
    total = float(np.exp(row[0]))
    most = sum(total * shares[-1] >= LEAST_LESION_ML for shares in SHARES)
    shares = SHARES[int(of_patient.integers(most))]
    scanner = tuple(NOISE)[int(row[3])]
    look = Look(
        contrast=float(row[2]),
        enhancement=float(of_patient.uniform(0.15, 1.0)),
        noise=float(of_patient.uniform(*NOISE[scanner])),
        scanner=scanner,
    )
    growth = float(_growth(spec.seed, split, block)[place])
    level = tuple(ROUGHNESS_LEVELS)[int(row[1])]
    return Plan(tuple(total * share for share in shares), level, look, growth)


@lru_cache(maxsize=64)
def _deal(seed: int, split: str, block: int) -> NDArray[np.float64]:
    """Log of the total volume, level, contrast and scanner of each patient of a block, shape (24, 4)."""
    thirds = np.stack([_deal_third(seed, split, block, third) for third in range(3)], axis=1)
    return thirds.reshape(BLOCK, 4)  # so that every three patients have all thirds


@lru_cache(maxsize=192)
def _deal_third(seed: int, split: str, block: int, third: int) -> NDArray[np.float64]:
    """The same of the patients of one third, shape (8, 4), in an order by chance."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(SPLITS.index(split), 0, block, third)))
    before = [_deal_third(seed, split, earlier, third) for earlier in range(block)]
    low, high = np.log(SIZE_LIMITS_ML[third : third + 2])
    least, most = CONTRAST_RANGE
    levels = np.delete(np.arange(9) % 3, (block + third) % 3)  # over three blocks as many of each
    fixed = (levels, least + _strata(rng, block) * (most - least), np.arange(OF_A_THIRD) % len(NOISE))
    deals = np.empty((_DEALS, OF_A_THIRD, 4))
    deals[..., 0] = low + _strata(rng, block) * (high - low)
    for column, values in enumerate(fixed, start=1):
        deals[..., column] = rng.permuted(np.tile(values, (_DEALS, 1)), axis=1)
    best = deals[np.argmin(_largest_correlation(deals, before))]
    return np.asarray(rng.permutation(best))


@lru_cache(maxsize=64)
def _growth(seed: int, split: str, block: int) -> NDArray[np.float64]:
    """Growth of each patient of a block up to the second scan, 0 of those who have none; shape (24,).

    Of many draws the one is taken that leaves the smallest correlation over all scans so far.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(SPLITS.index(split), 4, block)))
    first = [_deal(seed, split, earlier) for earlier in range(block + 1)]
    second = [_at_second(first[earlier], _growth(seed, split, earlier)) for earlier in range(block)]
    draws = rng.permuted(np.tile((*GROWTH, *[0.0] * (BLOCK - len(GROWTH))), (_DEALS, 1)), axis=1)
    scans = np.stack([_at_second(first[-1], draw) for draw in draws])
    return np.asarray(draws[np.argmin(_largest_correlation(scans, [*first, *second]))])


def _at_second(patients: NDArray[np.float64], growth: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows of the patients who are scanned a second time, as `_deal` has them, with their sizes then."""
    rows = patients[growth > 0]
    rows[:, 0] = np.minimum(rows[:, 0] + np.log(growth[growth > 0]), np.log(SIZE_LIMITS_ML[-1]))
    return rows


def _strata(rng: np.random.Generator, block: int) -> NDArray[np.float64]:
    """Numbers from 0 to 1, one in each eighth, shifted from block to block; shape (8,)."""
    return (np.arange(OF_A_THIRD) + (rng.uniform(0, 0.2) + _GOLDEN * block) % 1) / OF_A_THIRD


def _largest_correlation(deals: NDArray[np.float64], before: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Largest correlation between two of the columns, together with the patients before; shape (deals,)."""
    old = np.concatenate([*before, np.empty((0, 4))])
    rows = np.concatenate([np.broadcast_to(old, (len(deals), *old.shape)), deals], axis=1)
    centred = rows - rows.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).sum(axis=1, keepdims=True))
    correlations = [np.abs((scaled[..., i] * scaled[..., j]).sum(axis=1)) for i, j in combinations(range(4), 2)]
    return np.asarray(np.max(correlations, axis=0))


def generator(spec: DemoSpec, split: str, *key: int) -> np.random.Generator:
    """Random numbers that depend on the seed, the split and the key alone."""
    return np.random.default_rng(np.random.SeedSequence(spec.seed, spawn_key=(SPLITS.index(split), *key)))


def check_split(split: str) -> None:
    """Raise `UsageError` unless the split exists."""
    if split not in SPLITS:
        raise UsageError("The demo has no such split", received=split, todo=f"Choose from {', '.join(SPLITS)}")
