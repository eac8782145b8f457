"""Where a loss's gradient goes: which channel, and which place of the volume, from the probabilities of a case.

The gradient is that by the logits of two sigmoid channels, background and tumour; sizes are summed, not signs.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afl_core.analysis.xray.focusing import Floats, Setting, focal_slope, weights
from afl_core.regions import bounding_box, edge_strength, label_lesions
from afl_core.volume import Box, Mask, Spacing

PLACES = ("tumour core", "boundary, inner side", "boundary, outer side", "near background", "far background")
"""The boundary is where |grad(mask)| is not 0: a voxel on each side. Near is up to NEAR_MM from the tumour."""

NEAR_MM = 10.0
MOST_LESIONS = 12
"""Lesions with a share of their own, the largest; the others keep their place without one."""

EDGE_MM = 3.0
"""Distance over which the model of a network goes from unsure to sure."""

LIMIT = 16.0
"""Logits beyond are taken as this: float32 probabilities there are 0 or 1."""

_BINS = 4096

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Profile:
    """The logits of a case, gathered where their gradient cannot differ: an entry a channel, class, place and logit.

    Attributes:
        channel: 0 for the background channel, 1 for the tumour channel.
        place: Index of the place in PLACES.
        lesion: Number of the lesion, from 1 on and the largest first; 0 outside.
        signed_logit: The z of p_t = sigmoid(z): the mean over the entry, whose width is LIMIT / 2048.
        count: Number of voxels.
        lesion_ml: Volume of each lesion that has a number.
    """

    channel: NDArray[np.int64]
    place: NDArray[np.int64]
    lesion: NDArray[np.int64]
    signed_logit: Floats
    count: NDArray[np.int64]
    lesion_ml: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Shares:
    """Shares of the total gradient, which sum to 1; all 0 where there is no gradient.

    Attributes:
        parts: Shares by channel and by place, shape (2, 5).
        lesions: Share of each numbered lesion, both channels together.
    """

    parts: Floats
    lesions: Floats

    @property
    def tumour_channel(self) -> float:
        """Share of the channel that is read at inference."""
        return float(self.parts[1].sum())


def find_places(mask: Mask) -> NDArray[np.uint8]:
    """Index in PLACES of every voxel, shape (X, Y, Z); an empty mask is far background."""
    places = np.full(mask.array.shape, PLACES.index("far background"), np.uint8)
    box = bounding_box(mask.array)
    if box is None:
        return places
    near = widened(box, mask, NEAR_MM)
    inside = mask.array[near]
    distance = _distance_mm(~inside, mask.spacing_mm)
    part = np.where(distance <= NEAR_MM, 3, 4).astype(np.uint8)
    part[inside] = 0
    places[near] = part
    at = tuple(slice(max(side.start - 2, 0), side.stop + 2) for side in box)
    edge = edge_strength(mask.array) > 0
    places[at][edge] = np.where(mask.array[at][edge], 1, 2)
    return places


def model_logits(mask: Mask, confidence: float) -> NDArray[np.float32]:
    """A simple model of a network's logits: sure away from the boundary, unsure at it.

    The tumour logit grows with the distance from the boundary in mm, up to that of `confidence` at EDGE_MM; the
    background logit is its negative. A confidence of 0.5 is the untrained network.

    Args:
        mask: The reference.
        confidence: Probability of the right class away from the boundary, from 0.5 up to below 1.

    Returns:
        Logits of background and tumour, shape (2, X, Y, Z).
    """
    top = math.log(confidence / (1 - confidence))
    tumour = np.full(mask.array.shape, -top, np.float32)
    box = bounding_box(mask.array)
    if box is not None and top > 0:
        near = widened(box, mask, EDGE_MM)
        inside = mask.array[near]
        distance = _distance_mm(inside, mask.spacing_mm) - _distance_mm(~inside, mask.spacing_mm)
        half = 0.5 * min(mask.spacing_mm)  # the boundary lies between two voxels
        distance -= half * np.sign(distance)
        tumour[near] = np.clip(distance / EDGE_MM, -1, 1) * top
    return np.stack([-tumour, tumour])


def logits_of(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits of sigmoid probabilities, within LIMIT."""
    p = np.clip(probabilities, 1e-7, 1 - 1e-7).astype(np.float64)
    return np.asarray(np.clip(np.log(p) - np.log1p(-p), -LIMIT, LIMIT), np.float32)


def profile(logits: Array, mask: Mask) -> Profile:
    """Gather the logits of a case.

    Args:
        logits: Logits of background and tumour, shape (2, X, Y, Z).
        mask: The reference on the same grid.
    """
    lesions, sizes = _numbered(mask)
    group = find_places(mask).astype(np.int32) * (len(sizes) + 1) + lesions
    box = bounding_box(mask.array)
    near = widened(box, mask, NEAR_MM) if box else (slice(0),) * 3
    far = np.ones(mask.array.shape, np.bool_)
    far[near] = False
    entries = []
    for channel in (0, 1):
        sign = 1 if channel else -1
        inside = np.where(mask.array[near], sign, -sign) * logits[channel][near]
        outside = -sign * logits[channel][far]
        parts = (
            _gathered(group[near], inside, len(PLACES) * (len(sizes) + 1)),
            _gathered(
                np.full(1, (len(PLACES) - 1) * (len(sizes) + 1), np.int32), outside, len(PLACES) * (len(sizes) + 1)
            ),
        )
        for held, z, count in parts:
            place, lesion = np.divmod(held, len(sizes) + 1)
            entries.append((np.full(len(held), channel), place, lesion, z, count))
    channels, place, lesion, z, count = (np.concatenate(column) for column in zip(*entries, strict=True))
    return Profile(channels, place, lesion, z, count, tuple((sizes * mask.voxel_ml).tolist()))


def _gathered(group: Array, z: Array, kinds: int) -> tuple[Array, Array, Array]:
    """Group, mean z and number of voxels of every stretch of z that holds any."""
    z = np.clip(z, -LIMIT, LIMIT)
    stretch = np.minimum((z + LIMIT) * (_BINS / (2 * LIMIT)), _BINS - 1).astype(np.int32)
    code = (group * _BINS + stretch).ravel()
    count = np.bincount(code, minlength=kinds * _BINS)
    total = np.bincount(code, weights=z.ravel(), minlength=kinds * _BINS)
    held = np.flatnonzero(count)
    return held // _BINS, total[held] / count[held], count[held]


def shares(gathered: Profile, setting: Setting, gamma: float, gamma_va: float) -> Shares:
    """Shares of the gradient of a loss, analytically.

    Args:
        gathered: The gathered logits of the case.
        setting: The loss, which gives the reading of alpha.
        gamma: The loss's exponent on the case.
        gamma_va: The tumour's share of the voxels.
    """
    table = weights(setting.alpha, gamma_va)
    is_tumour = (gathered.place <= 1).astype(np.int64)
    size = gathered.count * table[gathered.channel, is_tumour] * focal_slope(gathered.signed_logit, gamma)
    total = size.sum()
    size = size / total if total > 0 else size
    parts = np.bincount(gathered.channel * len(PLACES) + gathered.place, size, minlength=2 * len(PLACES))
    lesions = np.bincount(gathered.lesion, size, minlength=len(gathered.lesion_ml) + 1)[1:]
    return Shares(np.asarray(parts.reshape(2, -1), np.float64), np.asarray(lesions, np.float64))


def gradient_map(logits: Array, mask: Mask, setting: Setting, gamma: float) -> NDArray[np.float32]:
    """Size of the gradient at each voxel of each channel, with the largest of both 1; shape (2, X, Y, Z).

    Args:
        logits: Logits of background and tumour, shape (2, X, Y, Z), read to LIMIT / 2048.
        mask: The reference on the same grid.
        setting: The loss, which gives the reading of alpha.
        gamma: The loss's exponent on the case.
    """
    table = weights(setting.alpha, float(mask.array.mean()))
    slope = focal_slope((np.arange(_BINS) + 0.5) * (2 * LIMIT / _BINS) - LIMIT, gamma)
    gradient = np.empty(logits.shape, np.float32)
    for channel, logit in enumerate(logits):
        sign = 1 if channel else -1  # the tumour channel is right where its logit is high in the tumour
        looked_up = np.concatenate([table[channel, 0] * slope[::-sign], table[channel, 1] * slope[::sign]])
        place = np.clip((logit + LIMIT) * (_BINS / (2 * LIMIT)), 0, _BINS - 1).astype(np.int32)
        gradient[channel] = looked_up.astype(np.float32)[place + _BINS * mask.array]
    top = gradient.max()
    return gradient / top if top > 0 else gradient


def widened(box: Box, mask: Mask, margin_mm: float) -> Box:
    """A box with a margin on every side, within the array."""
    steps = [math.ceil(margin_mm / s) + 1 for s in mask.spacing_mm]
    x, y, z = (slice(max(side.start - n, 0), side.stop + n) for side, n in zip(box, steps, strict=True))
    return x, y, z


def _distance_mm(inside: NDArray[np.bool_], spacing_mm: Spacing) -> NDArray[np.float32]:
    """Distance of each marked voxel to the nearest one that is not; infinity where all are marked."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to import

    if inside.all():
        return np.full(inside.shape, np.inf, np.float32)
    return np.asarray(ndimage.distance_transform_edt(inside, sampling=spacing_mm), np.float32)


def _numbered(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number of the lesion at each voxel, 0 for none and for those past MOST_LESIONS; and the voxels of each."""
    numbers = np.zeros(mask.array.shape, np.int32)
    box = bounding_box(mask.array)
    if box is None:
        return numbers, np.zeros(0, np.int64)
    labels, sizes = label_lesions(mask.array[box])
    numbers[box] = np.where(labels <= MOST_LESIONS, labels, 0)
    return numbers, sizes[:MOST_LESIONS]
