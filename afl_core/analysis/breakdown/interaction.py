"""Whether a paired difference depends on tumour size: a test, its sentence, and a line that outliers do not bend."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from afl_core.analysis.breakdown.bins import has_value
from afl_core.analysis.breakdown.sentences import ALPHA, count, in_sentence
from afl_core.analysis.breakdown.units import Units
from afl_core.analysis.statistics.bootstrap import CI_LEVEL, DRAWS, SEED
from afl_core.analysis.statistics.ranks import DECIMALS, MIN_PATIENTS
from afl_core.base.numbers import interval, number, p_text, with_unit
from afl_core.base.words import number_of

PERMUTATIONS = 9999

RATIO_POWERS = (-20.0, 20.0)
"""Powers of 2 between which the ratio of the two variances of the mixed model is sought."""

ALONE = 1e-9
"""Spread of sizes that is left without a patient, over all of it, below which the slope rests on that patient."""

HOW = {
    "permutation": "permutation of sizes over patients",
    "mixed model": "a mixed model with a random intercept of the patient",
}
"""The methods in words."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Interaction:
    """Change of the paired difference (second minus first) per doubling of tumour size.

    Attributes:
        method: Method by which p was computed; "" where there is no p.
        slope: Slope in the metric's unit per doubling; NaN where there is no p, as are the next three.
        low: Lower end of the 95 % interval of the slope.
        high: Upper end of the same interval.
        p: Two-sided p-value of a slope of 0; not corrected for other tests.
        n: Number of patients with a tumour.
        units: Number of their cases or lesions.
        note: Reason why there is no p, or a remark on the fit; "" for nothing.
    """

    method: Literal["permutation", "mixed model", ""]
    slope: float
    low: float
    high: float
    p: float
    n: int
    units: int
    note: str = ""


@dataclass(frozen=True)
class Trend:
    """The line `difference = intercept + slope * log2(size in ml)`.

    Attributes:
        slope: Slope in the metric's unit per doubling of size.
        intercept: Difference at 1 ml.
        low: Lower end of the 95 % interval of the slope.
        high: Upper end of the same interval.
    """

    slope: float
    intercept: float
    low: float
    high: float


def size_interaction(units: Units, pair: tuple[str, str]) -> Interaction:
    """Size x loss interaction: does the paired difference change with tumour size?

    The slope of the difference on log2(size) is the interaction term of a model of both sources' values with source,
    size and source x size: what the sources share, an effect of size included, cancels in the difference.

    Cases: least squares over patients, several cases of one averaged first; p by permuting sizes over patients, 9,999
    times. Lesions: a linear mixed model with the patient as random intercept (REML); p by Student's t. For both the
    standard error is the jackknife over patients with t of n - 2 degrees of freedom, and what is permuted is the slope
    over its standard error (HC3): where small tumours scatter more (half every 1.7 doublings) a plain permutation
    test or Wald's z of the mixed model finds a slope in 21 to 32 of 100 cohorts of 30 to 150 patients that have none,
    these in 3 to 8.

    Args:
        units: The paired table; units without a tumour are left out.
        pair: First and second source.

    Returns:
        The interaction, without a test below 6 patients and where all tumours, or all but one patient's, have one size.

    Source: DiCiccio and Romano, JASA 112 (2017) 1211 (studentised permutation); MacKinnon and White, J Econometrics 29
    (1985) 305 (HC3, jackknife); Cameron and Miller, J Human Resources 50 (2015) 317 (over clusters).
    """
    x, y, patients = sizes_and_differences(units, pair)
    n, many = int(patients.max(initial=-1)) + 1, len(x)
    if units.level == "case":
        x, y, patients = patient_mean(x, patients), patient_mean(y, patients), np.arange(n)
    if why := _untestable(x, n):
        return _untested(n, many, why)
    method: Literal["permutation", "mixed model"] = "permutation" if units.level == "case" else "mixed model"
    if np.ptp(y) == 0:
        return Interaction(method, 0.0, 0.0, 0.0, 1.0, n, many, "all differences are equal")
    sums = _sums(x, y, patients)
    ratio, note = (0.0, "") if units.level == "case" else _variance_ratio(*sums)
    slope, error = _slope_and_error(*sums, ratio)
    if math.isnan(error):
        return _untested(n, many, "all tumours but those of one patient have one size")
    half = float(stdtrit(n - 2, (1 + CI_LEVEL) / 2)) * error
    p = _permutation_p(x, y) if units.level == "case" else _student_p(slope, error, n - 2)
    return Interaction(method, slope, slope - half, slope + half, p, n, many, note)


def interaction_sentence(interaction: Interaction, units: Units, pair: tuple[str, str]) -> str:
    """The test of an interaction in words."""
    first, second = pair
    volume = units.axis("size").label.lower()
    what = f"{second}'s {in_sentence(units.measure.label)} minus {first}'s"
    if not interaction.method:
        return f"Whether {what} depends on {volume} was not tested: {interaction.note}."
    digits = units.measure.digits
    ends = f"{100 * CI_LEVEL:.3g} % interval {interval(interaction.low, interaction.high, digits, sign=True)}"
    slope = f"{with_unit(number(interaction.slope, digits, sign=True), units.measure.unit)} per doubling, {ends}"
    facts = [
        count({"n": interaction.n, "units": interaction.units}, units),
        f"{p_text(interaction.p)} by {HOW[interaction.method]}",
        interaction.note,
    ]
    measured = f"{slope} ({'; '.join(fact for fact in facts if fact)})"
    shown, held = interaction.p < ALPHA, interaction.low <= 0 <= interaction.high
    if shown == held:
        verb, test = ("holds", "a") if held else ("leaves out", "no")
        unclear = f"Whether {what} depends on {volume} is unclear: the interval {verb} 0, but the test shows"
        return f"{unclear} {test} dependence. It changes by {measured}."
    if held:
        return f"No dependence on {volume} shown: {what} changes by {measured}."
    return f"{what} {'rises' if interaction.slope > 0 else 'falls'} with {volume}: {measured}."


def robust_trend(units: Units, pair: tuple[str, str]) -> Trend | None:
    """Theil-Sen line of the paired difference over log2(size), a point a patient.

    Several cases or lesions of one patient are averaged first, since the interval takes points as independent.

    Returns:
        The line; None below 6 patients with a tumour, or where all have one size.

    Source: Sen, JASA 63 (1968) 1379, by `scipy.stats.theilslopes`; the line goes through the medians.
    """
    from scipy.stats import theilslopes  # noqa: PLC0415 - takes a second to import

    x, y, patients = sizes_and_differences(units, pair)
    x, y = patient_mean(x, patients), patient_mean(y, patients)
    if len(x) < MIN_PATIENTS or np.ptp(x) == 0:
        return None
    line = theilslopes(y, x, CI_LEVEL)
    return Trend(float(line.slope), float(line.intercept), float(line.low_slope), float(line.high_slope))


def sizes_and_differences(units: Units, pair: tuple[str, str]) -> tuple[Floats, Floats, Ints]:
    """log2(size in ml), difference, and patients numbered from 0, of the units with a tumour."""
    first, second = pair
    keep = has_value("size", units.table["size"])
    size = units.table["size"].to_numpy(dtype=np.float64)[keep]
    difference = (units.values[second] - units.values[first]).to_numpy(dtype=np.float64)[keep]
    patients = np.unique(units.table["patient"].to_numpy(dtype=str)[keep], return_inverse=True)[1]
    return np.log2(size).round(DECIMALS), difference.round(DECIMALS), patients


def patient_mean(values: Floats, patients: Ints) -> Floats:
    """Mean of the values of each patient, numbered from 0."""
    means: Floats = np.bincount(patients, values) / np.bincount(patients)
    return means.round(DECIMALS)


def _untestable(x: Floats, n: int) -> str:
    """Why n patients with these sizes cannot be tested, or ""."""
    if n < MIN_PATIENTS:
        few = number_of(n, "patient with a tumour is", "patients with a tumour are")
        return f"{few} too few ({MIN_PATIENTS} are needed)"
    return "" if np.ptp(x) > 0 else "all tumours have one size"


def _untested(n: int, units: int, why: str) -> Interaction:
    return Interaction("", math.nan, math.nan, math.nan, math.nan, n, units, why)


def _student_p(slope: float, error: float, freedom: int) -> float:
    return 2 * float(stdtr(freedom, -abs(slope) / error)) if error > 0 else 0.0


def _permutation_p(x: Floats, y: Floats) -> float:
    """Share of permutations of x with a studentised slope as far from 0; the order found counts as one of them."""
    x, y = x - x.mean(), y - y.mean()
    rng = np.random.default_rng(SEED)
    bound = abs(_studentised(x[None], y)[0]) * (1 - 1e-9)  # equal but for rounding counts as equal
    beyond = 0
    most = max(1, DRAWS // len(x))
    for start in range(0, PERMUTATIONS, most):
        rows = np.tile(x, (min(most, PERMUTATIONS - start), 1))
        beyond += int((np.abs(_studentised(rng.permuted(rows, axis=1), y)) >= bound).sum())
    return (beyond + 1) / (PERMUTATIONS + 1)


def _studentised(x: Floats, y: Floats) -> Floats:
    """Slope of y on each row of x, a permutation of the first, over its standard error (HC3); at most 1e6."""
    spread = float(x[0] @ x[0])
    slope = x @ y / spread
    left = x * (y - slope[:, None] * x) / (1 - 1 / len(y) - x**2 / spread)
    error = np.sqrt((left**2).sum(axis=1)) / spread
    limit = np.maximum(error, 1e-6 * np.abs(slope))
    ratio: Floats = np.divide(slope, limit, out=np.zeros(len(x)), where=limit > 0)
    return ratio


def _sums(x: Floats, y: Floats, patients: Ints) -> tuple[Floats, Floats, Floats]:
    """Lesions, shape (n,), of each patient; their sums of (1, x, y), shape (n, 3), and of products, shape (n, 3, 3)."""
    columns = np.column_stack([np.ones(len(x)), x - x.mean(), y])
    lesions = np.bincount(patients)
    sums, products = np.zeros((len(lesions), 3)), np.zeros((len(lesions), 3, 3))
    np.add.at(sums, patients, columns)
    np.add.at(products, patients, columns[:, :, None] * columns[:, None, :])
    return lesions.astype(np.float64), sums, products


def _slope_and_error(lesions: Floats, sums: Floats, products: Floats, ratio: float) -> tuple[float, float]:
    """Slope of the mixed model with that variance ratio, and its standard error by the jackknife over patients.

    Generalised least squares: a patient's inverse covariance is the identity less ratio / (1 + ratio lesions) of
    ones. A ratio of 0 is ordinary least squares. The error is NaN where the slope rests on one patient.
    """
    weights = ratio / (1 + ratio * lesions)
    weighted = products - weights[:, None, None] * sums[:, :, None] * sums[:, None, :]
    total = weighted.sum(axis=0)
    without = total - weighted
    slope = float(np.linalg.solve(total[:2, :2], total[:2, 2])[1])
    if (np.linalg.det(without[:, :2, :2]) <= ALONE * np.linalg.det(total[:2, :2])).any():
        return slope, math.nan
    slopes = np.linalg.solve(without[:, :2, :2], without[:, :2, 2:])[:, 1, 0]
    n = len(lesions)
    return slope, math.sqrt((n - 1) / n * float(((slopes - slope) ** 2).sum()))


def _variance_ratio(lesions: Floats, sums: Floats, products: Floats) -> tuple[float, str]:
    """Variance between patients over that within, by REML; a note where there is none.

    The likelihood with slope, intercept and variance within already at their best is a function of the ratio alone: 5
    ms for 3,753 lesions of 1,251 patients. Source: Bates et al., J Statistical Software 67 (2015) 1, equation 42.
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - takes half a second to import

    if lesions.max() == 1:
        return 0.0, "one lesion a patient, so an ordinary regression"
    total, freedom = products.sum(axis=0), lesions.sum() - 2

    def loss(ratio: float) -> float:
        """Twice the negative log of the restricted likelihood, less a constant."""
        weighted = total - (sums.T * (ratio / (1 + ratio * lesions))) @ sums
        design = np.linalg.det(weighted[:2, :2])
        residual = max(float(np.linalg.det(weighted) / design), ALONE * total[2, 2])
        return float(freedom * math.log(residual) + math.log(design) + np.log1p(ratio * lesions).sum())

    optimum = minimize_scalar(lambda power: loss(2.0**power), bounds=RATIO_POWERS, method="bounded")
    if optimum.fun >= loss(0.0) - 1e-9:
        return 0.0, "patients do not differ beyond their lesions (singular fit), so an ordinary regression"
    return 2.0 ** float(optimum.x), ""
