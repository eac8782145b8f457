"""HD95 and ASSD of each lesion to the components that are matched to it.

The surface of a lesion is that of the mask within it: its face neighbours are the mask's. So the surface voxels of both
masks are found once and sorted by number; what is small is measured in one compiled pass, whatever the number.
"""

import numpy as np
from numpy.typing import NDArray

from afl_core.base.jit import jit
from afl_core.metrics.components import Integers, by_number
from afl_core.metrics.matchers import Matching
from afl_core.metrics.surface import Distances, Points, SurfaceDistances, assd_mm, directed_mm, hd95_mm, places
from afl_core.regions import BoolArray

Reals = NDArray[np.float64]

SMALL = 2**20
"""Pairs of surface voxels up to which a lesion is compared with its components voxel by voxel."""


def lesion_distances(m: Matching, whole: SurfaceDistances) -> tuple[Reals, Reals]:
    """HD95 and ASSD of each lesion in mm, by number (0 unused); NaN where nothing is matched.

    Args:
        m: What belongs to what; neither mask is empty.
        whole: The distances between the two masks.
    """
    predicted, reference = m.surfaces
    components, lesions = m.components.ravel()[predicted], m.lesions.ravel()[reference]
    there, back = places(predicted, m.components.shape), places(reference, m.lesions.shape)
    hd95, assd = np.full((2, len(m.lesion_voxels) + 1), np.nan)
    first, first_starts = by_number(components, len(m.component_voxels))
    second, second_starts = by_number(lesions, len(m.lesion_voxels))
    starts = np.searchsorted(m.pairs[:, 0], np.arange(len(hd95) + 1))
    matched = np.ascontiguousarray(m.pairs[:, 1])
    sizes = np.concatenate([[0], np.cumsum(np.diff(first_starts)[matched])])[starts]
    work = np.diff(sizes) * np.diff(second_starts)
    small = np.flatnonzero((work > 0) & (work <= SMALL))
    steps = np.array(m.spacing_mm, dtype=np.float64)
    ordered = there.take(first, axis=1).astype(np.float64), back.take(second, axis=1).astype(np.float64)
    jit(_measure_small)(
        (ordered[0], first_starts), (ordered[1], second_starts), (matched, starts), small, steps, (hd95, assd)
    )
    for k in np.flatnonzero(work > SMALL):
        chosen = np.zeros(len(m.component_voxels) + 1, dtype=bool)
        chosen[matched[starts[k] : starts[k + 1]]] = True
        here, own = chosen[components], lesions == k
        apart = SurfaceDistances(
            _to_part(there.compress(here, axis=1), back, own, whole.prediction[here], steps),
            _to_part(back.compress(own, axis=1), there, here, whole.reference[own], steps),
        )
        hd95[k], assd[k] = hd95_mm(apart), assd_mm(apart)
    return hd95, assd


def _to_part(points: Points, others: Points, part: BoolArray, whole: Distances, steps: Reals) -> Distances:
    """Distances to a part of the others, where those to all of them are known: most are the same."""
    rest = others.compress(~part, axis=1)
    if not rest.shape[1]:
        return whole
    distances = whole.copy()
    doubtful = directed_mm(points, rest, steps) <= whole
    if doubtful.any():
        distances[doubtful] = directed_mm(points.compress(doubtful, axis=1), others.compress(part, axis=1), steps)
    return distances


def _measure_small(
    components: tuple[Reals, Integers],
    lesions: tuple[Reals, Integers],
    pairs: tuple[Integers, Integers],
    wanted: Integers,
    steps: Reals,
    found: tuple[Reals, Reals],
) -> None:
    """Fill in HD95 and ASSD of the lesions that are wanted: each of their voxels against each of their components'."""
    (points, starts), (others, other_starts), (matched, firsts) = components, lesions, pairs
    step_x, step_y, step_z = steps
    there, back, row = np.empty(points.shape[1]), np.empty(others.shape[1]), np.empty(1024)
    for k in wanted:
        size, first, n = 0, other_starts[k], other_starts[k + 1] - other_starts[k]
        back[:n] = np.inf
        for c in matched[firsts[k] : firsts[k + 1]]:
            for start in range(starts[c], starts[c + 1], len(row)):  # so few that they stay in the cache
                stop = min(start + len(row), starts[c + 1])
                xs, ys, zs = points[0, start:stop], points[1, start:stop], points[2, start:stop]
                nearest = there[size : size + stop - start]
                size += stop - start
                nearest[:] = np.inf
                for i in range(n):
                    x, y, z = others[0, first + i], others[1, first + i], others[2, first + i]
                    for j in range(len(xs)):
                        apart = ((zs[j] - z) * step_z) ** 2 + ((ys[j] - y) * step_y) ** 2
                        row[j] = apart + ((xs[j] - x) * step_x) ** 2
                        nearest[j] = min(nearest[j], row[j]) + 0.0  # see `surface._spread`
                    back[i] = min(back[i], row[: len(xs)].min())
        worst, total = 0.0, 0.0
        for squared in (there[:size], back[:n]):
            distances = np.sqrt(squared)
            total += distances.sum()
            place = 0.95 * (len(distances) - 1)
            above = len(distances) - int(place)
            high = distances[distances >= np.sort(distances[:: 1 + len(distances) // 100])[-10:][0]]
            high = high if len(high) >= above else distances  # all that are above the percentile, nearly always
            ends = np.sort(high)[-above:][:2]
            worst = max(worst, ends[0] + (ends[-1] - ends[0]) * (place - int(place)))
        found[0][k], found[1][k] = worst, total / (size + n)
