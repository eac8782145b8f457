"""Renew what is computed in docs/published.md from the paper's numbers: `python docs/published.py`.

The page's own words stand outside the blocks between `<!-- NAME -->` and `<!-- end -->`, every computed number in one.
"""

import math
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
from blocks import renew, table

from afl_core.analysis.breakdown.published_checks import (
    CASES,
    abstract_claims,
    below_iou,
    find_row,
    gain_rows,
    gain_verdict,
    least_cases,
    order_breaks,
    pair_verdict,
    published_rows,
    rate_verdict,
    rated_rows,
    repeat_rows,
    shares,
    spread,
)
from afl_core.analysis.statistics.score_checks import ROUNDING, least_iou, with_background_at_1
from afl_core.metrics.released import SoftOverlap, released_dsc
from afl_core.shape import released_smoothness

PAGE = Path(__file__).parent / "published.md"
GAMMA_PICAI = {  # measured on the 220 expert lesions of PI-CAI, put through the released transforms
    "least": 0.00018,
    "median": 0.0038,
    "95th percentile": 0.021,
    "most": 0.064,
}
BOUNDARY_PICAI = (0.556, 0.598)  # 5th and 95th percentile of the mean over the boundary, of the same lesions
VOLUME_SMOOTHNESS_PICAI = 0.97  # Spearman, of the same lesions
VOXELS_BRATS = 224 * 224 * 144  # the released input, of 1 mm
USUAL = {"PI-CAI": GAMMA_PICAI["median"], "BraTS": 100_000 / VOXELS_BRATS}  # gamma is above the share of tumour
LARGE = {"PI-CAI": GAMMA_PICAI["most"], "BraTS": 250_000 / VOXELS_BRATS}


def between(ends: tuple[float, float] | None, form: str = ".2f") -> str:
    """Two ends as a range; a dash for none."""
    return f"{ends[0]:{form}}-{ends[1]:{form}}" if ends else "–"


def percent(share: float | None) -> str:
    """A share in percent with a decimal; a dash for none."""
    return "–" if share is None else f"{100 * share:.1f} %"


def pairs() -> str:
    """IoU beside DSC, every row."""
    body = []
    for row in published_rows():
        spreads = (between(spread(row, background=background)) for background in (False, True))
        body.append(
            (*row[1:3], f"{row.iou:.3f}", f"{row.dsc:.3f}", f"{least_iou(row.dsc):.3f}", *spreads, pair_verdict(row))
        )
    return table("row | data set | IoU | DSC | least IoU | SD, tumour alone | SD, with background | verdict", body)


def rates() -> str:
    """Sensitivity and specificity, every row that has them."""
    head = "row | data set | sensitivity | specificity | IoU, 2 IoU - 1 | share, tumour alone"
    body = []
    for row in rated_rows():
        least = f"{row.iou:.3f}, {with_background_at_1(row.iou):.3f}"
        needed = map(percent, shares(row))
        body.append((*row[1:3], f"{row[5]:.3f}", f"{row[6]:.3f}", least, *needed, rate_verdict(row)))
    most = " and ".join(_most_dsc(data_set, share) for data_set, share in USUAL.items())
    return table(f"{head} | share, with background | verdict", body) + (
        f"\n\nOne case with the specificity of A-FL (table of losses) has a tumour DSC of at most {most}, "
        "even if all of its tumour is found."
    )


def _most_dsc(data_set: str, share: float) -> str:
    """The tumour DSC of a case with this share of tumour, all of it found, at the specificity of A-FL's row."""
    false = (1 - share) * (1 - find_row("losses", "A-FL", data_set).specificity)
    return f"{2 * share / (2 * share + false):.2f} where {100 * share:.2f} % of the voxels are tumour ({data_set})"


def gains() -> str:
    """The gain of A-FL over FL, and what it takes."""
    head = "row | data set | gain in DSC | as missed cases | n, tumour alone | n, with background | SD of runs"
    body = []
    for name, first, second in gain_rows():
        gain = second.dsc - first.dsc
        needed = [between(least_cases(first, second, background=b), ",d") for b in (False, True)]
        runs = f"{gain / 1.96 / math.sqrt(2):.3f}"
        verdict = gain_verdict(first, second)
        body.append((name, second.data_set, f"{gain:+.3f}", percent(gain / second.dsc), *needed, runs, verdict))
    return table(f"{head} | verdict", body)


def repeats() -> str:
    """The same configuration in both tables, and how many gains are no larger than the largest difference."""
    body = [
        (a.name, a.data_set, *(f"{second - first:+.3f}" for first, second in zip(a[3:], b[3:], strict=True)))
        for a, b in repeat_rows()
    ]
    largest = max(round(abs(b.dsc - a.dsc), 3) for a, b in repeat_rows())
    gained = [round(b.dsc - a.dsc, 3) for _, a, b in gain_rows()]
    return table("loss | data set | IoU | DSC | sensitivity | specificity", body) + (
        f"\n\nThe largest difference in DSC is {largest:.3f}. {sum(gain <= largest for gain in gained)} of the "
        f"{len(gained)} gains of A-FL over FL are no larger."
    )


def abstract() -> str:
    """The abstract's numbers, and the rows that give them."""
    body = []
    for said, found in abstract_claims():
        names = "; ".join(f"{row.name} ({row.table})" for row in found) or "none"
        body.append((said, names, "consistent" if found else "needs a row that is not in the tables"))
    return table("said | row that gives it | verdict", body)


def equal() -> str:
    """Rows of different losses with equal scores, and pairs of losses in an order that pooled counts cannot give."""
    losses = [row for row in rated_rows() if row.table == "losses"]
    compared = [(a, b) for a, b in combinations(losses, 2) if a.data_set == b.data_set]
    lines = []
    for a, b in compared:
        if a[3:5] == b[3:5]:
            lines.append(f"- {a.name} and {b.name}, {a.data_set}: equal IoU and DSC ({a.iou:.3f}, {a.dsc:.3f}).")
        if a[5:] == b[5:]:
            lines.append(f"- {a.name} and {b.name}, {a.data_set}: equal sensitivity and specificity ({a[5]}, {a[6]}).")
    found = order_breaks()
    a, b = max(found, key=lambda pair: pair[1].dsc - pair[0].dsc)
    return "\n".join(lines) + (
        f"\n- {len(found)} of the {len(compared)} pairs of losses on one data set: one has the higher sensitivity and "
        f"the higher specificity, and the lower DSC. The largest such difference in DSC: {a.name} and {b.name} "
        f"on {a.data_set}: sensitivity {a[5]:.3f} and {b[5]:.3f}, specificity {a[6]:.3f} and {b[6]:.3f}, "
        f"DSC {a.dsc:.3f} and {b.dsc:.3f}."
    )


def soft_scores(background: float) -> tuple[float, float]:
    """Soft DSC of the tumour, and the released score, of a perfect mask with this probability on all background."""
    rest, tumour = 998_000, 2_000
    overlap = SoftOverlap(
        shared=(rest * (1 - background), tumour),
        predicted=(rest * (1 - background) ** 2, tumour + rest * background**2),
        reference=(rest, tumour),
    )
    return 2 * tumour / (overlap.predicted[1] + tumour), released_dsc(overlap)


def score() -> str:
    """The released score of perfect masks, and of none."""
    head = "prediction | DSC of the mask | soft DSC of the tumour | released score | 1 - mean background probability"
    body = []
    for p in (0.0, 0.02, 0.05, 0.07, 0.1):
        soft, released = soft_scores(p)
        name = f"perfect mask, background probability {p:.2f}"
        body.append((name, "1.000", f"{soft:.3f}", f"{released:.3f}", f"{1 - p:.2f}"))
    nothing = released_dsc(SoftOverlap((998_000.0, 0.0), (1_000_000.0, 0.0), (998_000, 2_000)))
    body.append(("no tumour, probabilities 0 and 1", "0.000", "0.000", f"{nothing:.3f}", "1.00"))
    return table(head, body)


def sphere_gamma(volume_ml: float) -> float:
    """gamma_adaptive of a sphere in the released BraTS input, by the released formula."""
    radius = (750 * volume_ml / math.pi) ** (1 / 3)  # in voxels of 1 mm
    axis = np.arange(-math.ceil(radius) - 1, math.ceil(radius) + 2)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    ball = x**2 + y**2 + z**2 <= radius**2
    return float(ball.sum() + released_smoothness(ball) * ball.size) / VOXELS_BRATS


def gamma() -> str:
    """gamma_adaptive of masks, and the focal factor at a probability of 0.9."""
    of = {f"BraTS input, sphere of {ml} ml": sphere_gamma(ml) for ml in (10, 100, 250)}
    of |= {f"PI-CAI, 220 lesions, {name}": value for name, value in GAMMA_PICAI.items()}
    of |= {"any mask: below": 1 + math.sqrt(3) / 2, "FL": 2}
    body = [(name, f"{value:.2g}" if value < 1 else f"{value:.2f}", f"{0.1**value:.3f}") for name, value in of.items()]
    steps = ", ".join(f"{math.sqrt(axes) / 2:.3f}" for axes in (1, 2, 3))
    return table("mask | gamma_adaptive | (1 - 0.9)^gamma", body) + (
        f"\n\nAt one voxel, the gradient of a mask by central differences is 0 or one of {steps}. A mean over "
        f"the boundary alone lies between the first and the last; in the 220 lesions, 90 % lie between "
        f"{BOUNDARY_PICAI[0]} and {BOUNDARY_PICAI[1]}. The mean over the "
        f"whole volume has a rank correlation of {VOLUME_SMOOTHNESS_PICAI} with the tumour's volume there."
    )


def decimals() -> str:
    """What the third decimal takes."""
    head = "data set | reading | least SD of a case's score | standard error, all cases of the set | n for 0.0005"
    body = []
    for data_set, n in CASES.items():
        row = find_row("losses", "A-FL", data_set)
        for background, reading in ((False, "tumour alone"), (True, "with background")):
            found = spread(row, background=background)
            least = found[0] / (2 if background else 1) if found else math.nan
            error = f"{least / math.sqrt(n):.4f} (n = {n:,})"
            body.append((data_set, reading, f"{least:.2f}", error, f"{(least / ROUNDING) ** 2:,.0f}"))
    return table(head, body)


def summary() -> str:
    """What the rows come to, counted."""
    every, rated = published_rows(), rated_rows()
    out = [row for row in every if spread(row, background=False) is None]
    inner = [row for row in every if spread(row, background=True) is None]
    low, lower = ([row for row in rated if below_iou(row, background=b)] for b in (False, True))
    names = "; ".join(f"{row.name}, {row.data_set} (table of {row.table})" for row in out)
    lines = [
        "IoU and DSC "
        f"can be means over the same cases in {len(every) - len(out)} of {len(every)} rows; not in {names}.",
        f"Counting in a background of score 1, they can be in {len(every) - len(inner)} of {len(every)} rows.",
        f"Sensitivity is below IoU in {len(low)} of {len(rated)} rows. Hard masks of the tumour alone cannot give "
        f"that over the same cases. In {len(lower)} of them counting in the background does not help either.",
        _shares_sentence("PI-CAI", USUAL["PI-CAI"], LARGE["PI-CAI"]),
        _shares_sentence("BraTS", USUAL["BraTS"], LARGE["BraTS"]),
        f"None of {len(list(gain_rows()))} gains can be checked for chance: that takes scores of cases and of runs.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _shares_sentence(data_set: str, usual: float, large: float) -> str:
    """The least shares of tumour that the rows of a data set need, beside known ones."""
    columns = zip(*(shares(row) for row in rated_rows() if row.data_set == data_set), strict=True)
    alone, counted = (percent(min(share for share in column if share is not None)) for column in columns)
    known = {
        "PI-CAI": f"of 220 measured lesions at least half are below {100 * usual:.2f} %, all below {percent(large)}",
        "BraTS": f"a tumour of 100 ml is {percent(usual)} of the released input, one of 250 ml {percent(large)}",
    }
    return (
        f"{data_set}: in like cases, no row goes with tumour in less than {alone} of the voxels (tumour alone) or "
        f"{counted} (with background); {known[data_set]}."
    )


BLOCKS: dict[str, Callable[[], str]] = {
    block.__name__: block for block in (summary, pairs, rates, gains, repeats, abstract, equal, score, gamma, decimals)
}


if __name__ == "__main__":
    renew(PAGE, BLOCKS)
