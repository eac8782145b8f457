"""Findings of the X-ray on a cohort, in sentences, each with a number that was measured on the loaded cases."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from afl_core.analysis.breakdown.bins import tertiles
from afl_core.analysis.xray.focusing import SETTINGS, distance_from_ce, kept_at, weights
from afl_core.analysis.xray.table import spearman, tumours
from afl_core.base.words import number_of

FEWEST, ENOUGH = 3, 10
"""Number of tumours from which on a distribution is reported, and from which on a rank correlation shows something."""


@dataclass(frozen=True)
class Finding:
    """A statement about the released loss, and what was measured of it here."""

    claim: str
    measured: str


def findings(table: pd.DataFrame) -> tuple[Finding, ...]:
    """What is known of the released code, each statement with the number of these cases.

    Args:
        table: The table of `xray_table`.

    Returns:
        The statements that these cases can speak to; none below three tumours but that on empty masks.
    """
    there = tumours(table)
    makers: tuple[Callable[[pd.DataFrame], Finding], ...] = (
        (_almost_zero, _cross_entropy, _least_for_small, _size_again, _constant, _channels)
        if len(there) >= FEWEST
        else ()
    )
    statements = [make(there) for make in makers]
    if len(there) >= FEWEST and (there["grid_ml"] / there["size"]).median() > 1.02:
        statements.append(_grown(there))
    return (*statements, _empty(table))


def headline(table: pd.DataFrame) -> str:
    """The one sentence that comes first."""
    there = tumours(table)
    if there.empty:
        return "No case of this cohort has a tumour: A-FL takes a gamma of 0 from every one of them."
    gamma = there["gamma_adaptive"]
    kept = 100 * float(kept_at(0.9, gamma.median()))
    does = "hardly focuses" if kept > 90 else "focuses less than FL"
    return (
        f"A-FL, as released, {does}: its median gamma on {measured_tumours(table)} is {figure(gamma.median())}, where "
        f"FL has 2. A voxel predicted at 0.9 keeps {kept:.1f} % of its cross-entropy with A-FL, and 1 % with FL."
    )


def measured_tumours(table: pd.DataFrame) -> str:
    """How many cases have a tumour among those that were measured, such as "the 11 tumours of 13 measured cases"."""
    n = number_of(len(tumours(table)), "tumour")
    return f"the {n} of {number_of(len(table), 'measured case')}"


def distance_sentence(name: str, gamma: float, case_id: str) -> str:
    """How far a loss is from cross-entropy on a case, as one number."""
    far = float(distance_from_ce(gamma))
    verb = "equals" if far < 0.5 else "differs from"
    within = "within" if far < 0.5 else "by up to"
    return (
        f"{name} {verb} cross-entropy of the same weights {within} {percent(far)} on {case_id} (gamma {figure(gamma)}, "
        "every p_t from 0.01 to 0.99)."
    )


def bin_sentence(medians: "pd.Series[float]", names: tuple[str, ...]) -> str:
    """Whether small tumours get more or less focus than large ones, from the median gamma of each bin."""
    held = medians.dropna()
    if len(held) < 2:
        return "There are too few bins with a tumour to compare."
    low, high = held.iloc[0], held.iloc[-1]
    numbers = f"median gamma {figure(low)} in {names[held.index[0]]} tumours, {figure(high)} in {names[held.index[-1]]}"
    if math.isclose(low, high, rel_tol=0.05, abs_tol=1e-9):
        return f"Small and large tumours get the same focus: {numbers}."
    return f"Small tumours get {'more' if low > high else 'less'} focus than large ones: {numbers}."


def figure(value: float) -> str:
    """A number to two or three figures, never as 1e-05.

    >>> figure(0.0038123), figure(0.000016), figure(0.587), figure(2.0), figure(1.95)
    ('0.0038', '0.000016', '0.59', '2', '1.95')
    """
    if not math.isfinite(value):
        return "–"
    figures = 1 if abs(value) < 1 else 2
    text = f"{value:.{max(figures - math.floor(math.log10(abs(value))), 0)}f}" if value else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """A share in per cent.

    >>> percent(0.0172), percent(0.9999), percent(0.00001)
    ('1.72 %', '99.99 %', '0.001 %')
    """
    return f"{figure(100 * share) if share < 0.9 else f'{100 * share:.4g}'} %"


def _almost_zero(there: pd.DataFrame) -> Finding:
    q1, median, q3, top = there["gamma_adaptive"].quantile([0.25, 0.5, 0.75, 1])
    return Finding(
        "gamma is almost 0: both of its terms are divided by all voxels of the volume, most of which are background.",
        f"gamma_adaptive: median {figure(median)}, quartiles {figure(q1)} and {figure(q3)}, largest {figure(top)} of "
        f"{number_of(len(there), 'tumour')}; FL has 2.",
    )


def _cross_entropy(there: pd.DataFrame) -> Finding:
    far = pd.Series(distance_from_ce(there["gamma_adaptive"]))
    at = 1 - kept_at(0.9, there["gamma_adaptive"].median())
    close = float((far < 0.1).mean())
    return Finding(
        f"With such a gamma A-FL is weighted cross-entropy within a tenth on {100 * close:.0f} % of the tumours; what "
        "sets it apart from FL is gamma near 0 against gamma 2.",
        f"Distance from weighted cross-entropy: median {percent(far.median())}, largest {percent(far.max())} over p_t "
        f"0.01 to 0.99, and {percent(float(at))} at p_t 0.9 for the median gamma; FL's is "
        f"{percent(float(distance_from_ce(2.0)))}.",
    )


def _least_for_small(there: pd.DataFrame) -> Finding:
    bins = tertiles("size", there["size"]).assign(there["size"])
    small, _, large = there["gamma_adaptive"].groupby(bins).median().reindex(range(3))
    return Finding(
        "Both terms grow with the tumour, so small tumours get the least focusing, not the most.",
        f"Rank correlation of gamma_adaptive with volume {_rho(there, 'gamma_adaptive', 'size')}; median gamma "
        f"{figure(small)} in the smallest third, {figure(large)} in the largest.",
    )


def _size_again(there: pd.DataFrame) -> Finding:
    small = there["roughness"].isna().any() or there["released"].isna().any()
    return Finding(
        'The "mean surface smoothness" is surface area over the number of voxels: size a second time, not smoothness.',
        f"Rank correlation of the released gamma_mSa with volume {_rho(there, 'released', 'size')}, with roughness "
        f"{_rho(there, 'released', 'roughness')}{'; the other tumours are too small to carry one' if small else ''}.",
    )


def _rho(there: pd.DataFrame, column: str, axis: str) -> str:
    """A rank correlation with the number of tumours behind it, and a word where they are too few to show anything."""
    n = int(there[axis].notna().sum())
    rho = spearman(there[column], there[axis])
    if math.isnan(rho):
        return f"cannot be told here (n = {n})"
    return f"{rho:+.2f} (n = {n}{', too few to show much' if n < ENOUGH else ''})"


def _constant(there: pd.DataFrame) -> Finding:
    low, middle, high = there["surface"].quantile([0.05, 0.5, 0.95])
    return Finding(
        "Taken over the boundary alone, as the text reads, the same quantity is nearly the same for every tumour.",
        f"gamma_mSa over the boundary: median {middle:.3f}, 5th to 95th percentile {low:.3f} to {high:.3f}.",
    )


def _channels(there: pd.DataFrame) -> Finding:
    share = float(there["gamma_va"].median())
    background, tumour = weights(SETTINGS["A-FL released"].alpha, share)[:, 0]
    return Finding(
        "The released class weights sit on channels: the tumour channel, from which the mask is read, hardly learns.",
        f"Weight of the background channel {background:.4f}, of the tumour channel {figure(tumour)} (median case): "
        f"{percent(tumour)} of the weight.",
    )


def _grown(there: pd.DataFrame) -> Finding:
    ratio = there["grid_ml"] / there["size"]
    cut = " (below 1 where the crop cuts it off)" if ratio.min() < 1 else ""
    return Finding(
        "Resizing by area and keeping everything above 0 makes tumours larger before the loss sees them.",
        f"Volume on the loss's grid over the true one: median {ratio.median():.2f}, {ratio.min():.2f} to "
        f"{ratio.max():.2f}{cut}.",
    )


def _empty(table: pd.DataFrame) -> Finding:
    empty = int((table["tumour_voxels"] == 0).sum())
    lost = int(((table["tumour_voxels"] == 0) & (table["size"] > 0)).sum())
    lost_text = (
        f"; {lost} of them lost {'its' if lost == 1 else 'their'} tumour on the way to the loss's grid" if lost else ""
    )
    return Finding(
        "On an empty mask the released code has a weight of 0/0, and a loss of NaN (here it has weight 1 and gamma 0).",
        f"{empty} of {number_of(len(table), 'case')} {'reaches' if empty == 1 else 'reach'} the loss without a tumour"
        f"{lost_text}.",
    )
