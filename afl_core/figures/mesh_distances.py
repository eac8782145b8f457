"""Signed distances from points to a closed mesh of triangles.

Why not VTK's `vtkImplicitPolyDataDistance`, which gives the same values: on the surfaces of real predictions, where
many points lie far from the reference, it takes 2.5 to 4 times as long, which was most of what a case cost.

The side is decided as in Baerentzen and Aanaes, Signed distance computation using the angle weighted pseudonormal,
IEEE Transactions on Visualization and Computer Graphics 11(3), 2005.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from afl_core.base.jit import jit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LEAF = 4
"""Triangles in a box that is not divided further."""

BITS = 10
"""Triangles are ordered along a curve through 2 to the power of so many cells along each axis."""

SLACK = 1 + 1e-9
"""Squared distances nearer to each other than this ratio are equal: the nearest point is on an edge or a corner."""


@dataclass(frozen=True, eq=False)
class MeshTree:
    """The triangles of a mesh in a tree of boxes, built once for all points that are measured.

    Attributes:
        corners: Corners of the triangles, shape (f, 3, 3), in the order of the leaves.
        lowest: Lowest corner of each box, shape (boxes, 3); see `_boxes`.
        highest: Highest corner of each box.
    """

    corners: Floats
    lowest: Floats
    highest: Floats

    @classmethod
    def of(cls, corners: Floats) -> Self:
        """The tree of triangles, shape (f, 3, 3), f at least 1, which all turn the same way, seen from outside."""
        ordered = corners[_along_a_curve(corners.mean(axis=1))]
        return cls(ordered, *_boxes(ordered))

    def distances(self, points: NDArray[np.floating]) -> Floats:
        """Distance from each point to the surface, exact but for rounding.

        Args:
            points: Shape (n, 3), in the unit and frame of the corners.

        Returns:
            Shape (n,), positive on the side from which the corners run counterclockwise. Where several triangles share
            the nearest point, an edge or a corner of theirs, each has its say by its angle there.
        """
        found = np.empty(len(points))
        _search(np.asarray(points, dtype=np.float64), self.corners, self.lowest, self.highest, found)
        return found


def _along_a_curve(centres: Floats) -> NDArray[np.intp]:
    """Order of points (f, 3) along Morton's curve, which keeps near what is near."""
    shifted = centres - centres.min(axis=0)
    widest = float(shifted.max()) or 1.0
    cells = (shifted / widest * (2**BITS - 1)).astype(np.int64)
    codes = np.zeros(len(centres), dtype=np.int64)
    for bit in range(BITS):
        for axis in range(3):
            codes |= (cells[:, axis] >> bit & 1) << (3 * bit + axis)
    return np.argsort(codes, kind="stable")


def _boxes(corners: Floats) -> tuple[Floats, Floats]:
    """Lowest and highest corner of a binary tree of boxes, shape (2 x leaves - 1, 3): box k holds 2k + 1 and 2k + 2.

    Leaf number i holds triangles `LEAF` x i and on; where there are none, a box that is infinitely far away.
    """
    leaves = 1 << int(np.ceil(np.log2(max(len(corners) / LEAF, 1))))
    padded = np.full((2, leaves * LEAF, 3), np.inf)
    padded[0, : len(corners)] = corners.min(axis=1)
    padded[1, : len(corners)] = -corners.max(axis=1)
    levels = [padded.reshape(2, leaves, LEAF, 3).min(axis=2)]
    while levels[0].shape[1] > 1:
        levels.insert(0, levels[0].reshape(2, -1, 2, 3).min(axis=2))
    lowest, below = np.concatenate(levels, axis=1)
    return lowest, -below


@jit
def _to_box(point: Floats, lowest: Floats, highest: Floats) -> float:
    """Squared distance from a point to a box, 0 inside of it."""
    squared = 0.0
    for axis in range(3):
        outside = max(lowest[axis] - point[axis], point[axis] - highest[axis], 0.0)
        squared += outside * outside
    return squared


@jit
def _to_segment(ww: float, wu: float, uu: float) -> tuple[float, float]:
    """Squared distance from a point w to a segment u, both from the origin, by their dot products.

    Returns:
        Also the nearest point of the segment as a part of it, from 0 to 1.
    """
    part = min(max(wu / uu, 0.0), 1.0) if uu > 0 else 0.0
    return ww + part * (part * uu - 2 * wu), part


@jit
def _to_triangle(point: Floats, corners: Floats) -> tuple[float, int]:
    """Squared distance from a point to a triangle (3, 3), and which corner is nearest: -1 for none, but an edge."""
    ax, ay, az = corners[0]
    ux, uy, uz = corners[1, 0] - ax, corners[1, 1] - ay, corners[1, 2] - az
    vx, vy, vz = corners[2, 0] - ax, corners[2, 1] - ay, corners[2, 2] - az
    wx, wy, wz = point[0] - ax, point[1] - ay, point[2] - az
    uu, uv, vv = ux * ux + uy * uy + uz * uz, ux * vx + uy * vy + uz * vz, vx * vx + vy * vy + vz * vz
    wu, wv, ww = wx * ux + wy * uy + wz * uz, wx * vx + wy * vy + wz * vz, wx * wx + wy * wy + wz * wz
    area = uu * vv - uv * uv  # squared, of the parallelogram
    along_u, along_v = vv * wu - uv * wv, uu * wv - uv * wu
    if area > 0 and along_u >= 0 and along_v >= 0 and along_u + along_v <= area:
        volume = wx * (uy * vz - uz * vy) + wy * (uz * vx - ux * vz) + wz * (ux * vy - uy * vx)
        return volume * volume / area, -1
    least, part = _to_segment(ww, wu, uu)
    start, end = 0, 1
    squared, other = _to_segment(ww, wv, vv)
    if squared < least:
        least, part, end = squared, other, 2
    squared, other = _to_segment(ww - 2 * wu + uu, wv - wu - uv + uu, uu - 2 * uv + vv)
    if squared < least:
        least, part, start, end = squared, other, 1, 2
    return least, start if part == 0 else end if part == 1 else -1


@jit
def _side(point: Floats, corners: Floats, triangles: Integers) -> float:
    """Positive outside: the point's heights above the triangles that share what is nearest, by their angles there."""
    total = 0.0
    for k in triangles:
        nearest = _to_triangle(point, corners[k])[1]
        a, b, c = corners[k, nearest], corners[k, (nearest + 1) % 3], corners[k, (nearest + 2) % 3]
        ux, uy, uz, vx, vy, vz = b[0] - a[0], b[1] - a[1], b[2] - a[2], c[0] - a[0], c[1] - a[1], c[2] - a[2]
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx  # the normal, as long as twice the area
        length = np.sqrt(x * x + y * y + z * z)
        angle = np.pi if nearest < 0 else np.arctan2(length, ux * vx + uy * vy + uz * vz)
        if length > 0:
            total += angle * (x * (point[0] - a[0]) + y * (point[1] - a[1]) + z * (point[2] - a[2])) / length
    return total


@jit
def _search(points: Floats, corners: Floats, lowest: Floats, highest: Floats, found: Floats) -> None:
    """Fill in the signed distances; each search begins with the distance to what was nearest to the point before."""
    inner = len(lowest) // 2  # boxes that hold boxes
    waiting, nearest = np.empty(64, dtype=np.int64), np.zeros(64, dtype=np.int64)
    for i in range(len(points)):
        point = points[i]
        least = _to_triangle(point, corners[nearest[0]])[0] * SLACK**2
        waiting[0], size, equal = 0, 1, 0
        while size:
            size -= 1
            box = waiting[size]
            if _to_box(point, lowest[box], highest[box]) > least * SLACK:
                continue
            if box < inner:
                near, far = 2 * box + 1, 2 * box + 2
                if _to_box(point, lowest[near], highest[near]) > _to_box(point, lowest[far], highest[far]):
                    near, far = far, near
                waiting[size], waiting[size + 1] = far, near
                size += 2
                continue
            first = (box - inner) * LEAF
            for k in range(first, min(first + LEAF, len(corners))):
                squared = _to_triangle(point, corners[k])[0]
                if squared * SLACK < least:
                    equal = 0
                if squared <= least * SLACK and equal < len(nearest):
                    nearest[equal] = k
                    equal += 1
                    least = min(least, squared)
        found[i] = np.copysign(np.sqrt(max(least, 0.0)), _side(point, corners, nearest[:equal]))
