"""The lesions of a mask for measuring: `afl_core.regions.label_lesions` over the voxels inside alone, compiled."""

import numpy as np
from numpy.typing import NDArray

from afl_core.base.jit import jit

Labels = NDArray[np.uint32]
Integers = NDArray[np.int64]
Flat = NDArray[np.intp]


def label_components(inside: Flat, shape: tuple[int, ...]) -> tuple[Labels, Integers]:
    """What `label_lesions` gives, for a mask that is given by its voxels.

    Args:
        inside: Voxels of the mask, as places in memory (C), in ascending order.
        shape: Shape of the mask, (X, Y, Z).
    """
    labels = np.zeros(shape, dtype=np.uint32)
    parents, voxels = np.zeros((2, len(inside) + 1), dtype=np.int64)  # by number of a run of voxels along z, from 1 on
    n = jit(_join)(inside, labels, parents, voxels)
    sizes = np.bincount(parents[: n + 1], weights=voxels[: n + 1], minlength=1).astype(np.int64)
    first_runs = np.flatnonzero(sizes)  # each component by its first run: in the order in which they are met
    order = np.argsort(-sizes[first_runs], kind="stable")
    rank = np.zeros(n + 1, dtype=np.uint32)
    rank[first_runs[order]] = np.arange(1, len(order) + 1)
    jit(_renumber)(inside, rank[parents[: n + 1]], labels)
    return labels, sizes[first_runs[order]]


def by_number(numbers: Labels, count: int) -> tuple[Integers, Integers]:
    """Places of each number in an array, one number after the other; and where each from 0 to `count` begins."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(numbers, minlength=count + 1))])
    order = np.empty(len(numbers), dtype=np.int64)
    jit(_sort)(numbers, starts.copy(), order)
    return order, starts


def _sort(numbers: Labels, next_place: Integers, order: Integers) -> None:
    for i in range(len(numbers)):
        order[next_place[numbers[i]]] = i
        next_place[numbers[i]] += 1


def _join(inside: Flat, labels: Labels, parents: Integers, voxels: Integers) -> int:
    """Number the runs of voxels along z, and let each point to the first run that it is connected with."""
    numbers, (_, n_y, n_z) = labels.ravel(), labels.shape
    n, i, x, y, start = 0, 0, 0, 0, 0
    while i < len(inside):
        while inside[i] >= start + n_z:
            start += n_z
            y += 1
            if y == n_y:
                x, y = x + 1, 0
        first, n = i, n + 1
        while i < len(inside) and inside[i] == inside[first] + i - first and inside[i] < start + n_z:
            numbers[inside[i]] = n
            i += 1
        parents[n] = n
        voxels[n] = i - first
        low, high = max(inside[first] - start - 1, 0), min(inside[i - 1] - start + 2, n_z)
        for beside in range(4):  # the rows next to it that are done
            u, v = (x, y - 1) if beside == 3 else (x - 1, y - 1 + beside)
            last = 0
            if u < 0 or v < 0 or v == n_y:
                continue
            for place in range((u * n_y + v) * n_z + low, (u * n_y + v) * n_z + high):
                if numbers[place] and numbers[place] != last:
                    last = numbers[place]
                    a, b = n, int(last)
                    while parents[a] != a:
                        parents[a] = parents[parents[a]]
                        a = parents[a]
                    while parents[b] != b:
                        parents[b] = parents[parents[b]]
                        b = parents[b]
                    parents[max(a, b)] = min(a, b)
    for k in range(1, n + 1):
        parents[k] = parents[parents[k]]
    return n


def _renumber(inside: Flat, final: Labels, labels: Labels) -> None:
    numbers = labels.ravel()
    for i in range(len(inside)):
        numbers[inside[i]] = final[numbers[inside[i]]]
