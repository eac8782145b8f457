"""What must hold for each published row of the A-FL paper; docs/published.py writes it as docs/published.md.

Two readings of a score are followed. `background` False: it is the tumour's alone. True: it is the mean of the
background's and the tumour's, as in the released code, and the background has 1.
"""

import math
from collections.abc import Iterator
from itertools import permutations
from typing import NamedTuple

from afl_core.analysis.breakdown.published import (
    DATA_SETS,
    PUBLISHED_ABSTRACT,
    PUBLISHED_GAINS,
    PUBLISHED_LOSSES,
    PUBLISHED_NETWORKS,
)
from afl_core.analysis.statistics.score_checks import (
    ROUNDING,
    dsc_spread,
    middle_share,
    needed_cases,
    tumour_share,
    with_background_at_1,
)

CASES = {"PI-CAI": 1500, "BraTS": 285}
"""Cases of the public sets, training and test together, so that no test set of them is larger."""

CORRELATION = 0.5
"""Assumed between the DSC of two losses over the cases, where a number of cases is given; none is published."""


class Row(NamedTuple):
    """A published row: its table, name and data set, and its scores, of which the abstract has two."""

    table: str
    name: str
    data_set: str
    iou: float
    dsc: float
    sensitivity: float = math.nan
    specificity: float = math.nan


def published_rows() -> list[Row]:
    """Every row of the table of losses, of that of networks, and of the abstract."""
    found = [
        Row("losses", loss, data_set, *both[k])
        for k, data_set in enumerate(DATA_SETS)
        for loss, both in PUBLISHED_LOSSES.items()
    ]
    found += [
        Row("networks", f"{network}, {loss}", data_set, *four[2 * k + j])
        for k, data_set in enumerate(DATA_SETS)
        for network, four in PUBLISHED_NETWORKS.items()
        for j, loss in enumerate(("FL", "A-FL"))
    ]
    return found + [Row("abstract", "A-FL, abstract", name, *pair) for name, pair in PUBLISHED_ABSTRACT.items()]


def rated_rows() -> list[Row]:
    """The rows that have a sensitivity and a specificity."""
    return [row for row in published_rows() if not math.isnan(row.sensitivity)]


def find_row(table: str, name: str, data_set: str) -> Row:
    """The row of that place."""
    return next(row for row in published_rows() if row[:3] == (table, name, data_set))


def spread(row: Row, *, background: bool) -> tuple[float, float] | None:
    """Least and most standard deviation of the tumour's DSC over the cases; None where no cases give the row."""
    if not background:
        return dsc_spread(row.iou, row.dsc)
    return dsc_spread(with_background_at_1(row.iou), with_background_at_1(row.dsc), rounding=2 * ROUNDING)


def pair_verdict(row: Row) -> str:
    """Whether IoU and DSC of a row can be means over the same cases, and what that takes."""
    found, middle = spread(row, background=False), middle_share(row.iou, row.dsc)
    if found is None:
        return "cannot be means over the same cases and classes"
    needs = []
    if found[1] < 0.05:
        needs.append(f"scores within {found[1]:.2f} (SD) of each other")
    if middle < 0.5:
        needs.append(f"{100 * (1 - middle):.0f} % or more of the scores below 0.1 or above 0.95")
    if spread(row, background=True) is None:
        needs.append("the tumour alone, or a background below 1")
    return f"needs {'; '.join(needs)}" if needs else "consistent"


def below_iou(row: Row, *, background: bool) -> bool:
    """Whether the sensitivity is below the tumour's IoU by more than rounding, which no hard mask gives."""
    iou = row.iou - ROUNDING
    return row.sensitivity + ROUNDING < (with_background_at_1(iou) if background else iou)


def shares(row: Row) -> tuple[float | None, float | None]:
    """The share of voxels that must be tumour in like cases: tumour alone, and with the background counted in."""
    alone = None if below_iou(row, background=False) else tumour_share(*row[4:])
    return alone, tumour_share(*row[4:], background=True)


def rate_verdict(row: Row) -> str:
    """What sensitivity and specificity of a row need, beside its IoU and DSC."""
    others = "soft scores, other voxels or other cases"
    if below_iou(row, background=True):
        return f"needs {others}"
    if below_iou(row, background=False):
        unlike = " and unlike cases" if shares(row)[1] is None else ""
        return f"needs the background counted in{unlike}, or {others}"
    return "needs such a share, or one of the other ways"


def gain_rows() -> Iterator[tuple[str, Row, Row]]:
    """Name, FL's row and A-FL's row, of the table of losses and of each network."""
    for data_set in DATA_SETS:
        yield "table of losses", find_row("losses", "FL", data_set), find_row("losses", "A-FL", data_set)
        for network in PUBLISHED_NETWORKS:
            first, second = (find_row("networks", f"{network}, {loss}", data_set) for loss in ("FL", "A-FL"))
            yield network, first, second


def least_cases(first: Row, second: Row, *, background: bool) -> tuple[int, int] | None:
    """Cases for 1.96 standard errors, for the least and the most standard deviation that the second row allows."""
    found = spread(second, background=background)
    if found is None:
        return None
    gain = (second.dsc - first.dsc) * (2 if background else 1)
    low, high = (needed_cases(gain, sd, correlation=CORRELATION) for sd in found)
    return low, high


def gain_verdict(first: Row, second: Row) -> str:
    """Whether the public set has the cases that a gain needs."""
    found = [least_cases(first, second, background=background) for background in (False, True)]
    alone, counted = (pair is not None and pair[0] > CASES[second.data_set] for pair in found)
    if alone:
        which = "" if counted else "tumour alone "
        return f"{which}needs r above {CORRELATION}: the set has {CASES[second.data_set]:,} cases"
    return "cannot be checked"


def repeat_rows() -> list[tuple[Row, Row]]:
    """Rows of one configuration, the U-Net on a ResNet50, in the table of losses and in that of networks."""
    return [
        (find_row("losses", loss, data_set), find_row("networks", f"UNet-R50, {loss}", data_set))
        for data_set in DATA_SETS
        for loss in ("FL", "A-FL")
    ]


def order_breaks() -> list[tuple[Row, Row]]:
    """Pairs of losses of which the first has higher sensitivity and specificity, and a lower DSC."""
    losses = [row for row in rated_rows() if row.table == "losses"]
    return [
        (a, b)
        for a, b in permutations(losses, 2)
        if a.data_set == b.data_set
        and a.sensitivity > b.sensitivity
        and a.specificity > b.specificity
        and a.dsc < b.dsc
    ]


def abstract_claims() -> list[tuple[str, list[Row]]]:
    """What the abstract says, and the rows of the tables that give it."""
    tables = [row for row in published_rows() if row.table != "abstract"]
    found = []
    for data_set, (iou, dsc) in PUBLISHED_ABSTRACT.items():
        text = f"{data_set}, A-FL: IoU {iou:.3f}, DSC {dsc:.3f}"
        found.append((text, [row for row in tables if row[2:5] == (data_set, iou, dsc)]))
    best = PUBLISHED_ABSTRACT["PI-CAI"]
    for against, said in PUBLISHED_GAINS.items():
        if against == "FL":
            rivals = [find_row("losses", "FL", "PI-CAI"), find_row("networks", "UNet-R50, FL", "PI-CAI")]
        else:
            rivals = [
                row for row in tables if row.table == "losses" and row.data_set == "PI-CAI" and row.name != "A-FL"
            ]
        for k, measure in enumerate(("IoU", "DSC")):
            text = f"PI-CAI, A-FL over {against}: {measure} +{said[k]:.1f} points"
            points = [100 * (best[k] - (row.iou, row.dsc)[k]) for row in rivals]
            found.append((text, [row for row, gain in zip(rivals, points, strict=True) if abs(gain - said[k]) < 0.05]))
    return found
