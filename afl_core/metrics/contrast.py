"""How a lesion stands out from its surroundings in an image: contrast, signal to noise, contrast to noise."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from afl_core.metrics.probability_counts import near
from afl_core.regions import BoolArray, foreground
from afl_core.volume import Spacing

Image = NDArray[Any]

SHELL_MM = 5.0
"""How far a voxel of the shell lies from the lesion at most, centre to centre."""

LEAST_SHELL = 10
"""Voxels that a shell needs: of fewer, the standard deviation is off by a quarter and more."""

LEAST_NEGATIVE = 0.01
"""Share of negative voxels in the body from which on an image has no true zero, as z-scores and CT do not. Fewer come
from interpolation, which swings below 0 at edges."""


@dataclass(frozen=True)
class Contrast:
    """A lesion against the shell around it; NaN where a value is not defined.

    Attributes:
        contrast: (mean inside - mean of the shell) / mean of the shell, the Weber contrast; 0.5 is half as bright
            again. It is defined where the image has a true zero.
        signal_to_noise: Mean inside / standard deviation of the shell; likewise.
        contrast_to_noise: (mean inside - mean of the shell) / standard deviation of the shell. Neither an offset nor a
            factor of the intensities changes it, so it is defined for z-scores and CT as well.
        shell_voxels: Number of voxels of the shell.
    """

    contrast: float = math.nan
    signal_to_noise: float = math.nan
    contrast_to_noise: float = math.nan
    shell_voxels: int = 0


def find_body(image: Image) -> BoolArray:
    """Whether each voxel shows something.

    That is its `foreground`, but NaN and infinity never do.
    """
    return foreground(image) & np.isfinite(image)


def has_zero(image: Image, body: BoolArray) -> bool:
    """Whether 0 means no signal, as ratios of intensities need it: hardly any voxel of the body is negative."""
    negative = np.count_nonzero((image < 0) & body)
    return bool(negative <= LEAST_NEGATIVE * np.count_nonzero(body))


def measure_contrasts(image: Image, lesions: NDArray[np.uint32], *, spacing_mm: Spacing) -> list[Contrast]:
    """The contrast of all lesions together, and then of each.

    Inside are the voxels of the lesion in the body (`find_body`). The shell are the voxels of the body outside every
    lesion whose centre lies within `SHELL_MM` of that of a voxel of the lesion.

    Args:
        image: Intensities, shape (X, Y, Z).
        lesions: Numbers of the lesions 1, 2, ..., 0 outside; the same shape.
        spacing_mm: Voxel edge lengths.

    Returns:
        One more than there are lesions; nothing defined where there is none.
    """
    body = find_body(image)
    zero = has_zero(image, body)
    everything = _contrast(image, lesions > 0, body & (lesions == 0), body, spacing_mm, zero=zero)
    reach = [int(SHELL_MM / step) + 1 for step in spacing_mm]
    found = [everything]
    for number, box in enumerate(find_objects(lesions.view(np.int32)), start=1):
        around = tuple(slice(max(side.start - far, 0), side.stop + far) for side, far in zip(box, reach, strict=True))
        crop, inside = lesions[around], body[around]
        found.append(_contrast(image[around], crop == number, inside & (crop == 0), inside, spacing_mm, zero=zero))
    return found


def _contrast(
    image: Image, lesion: BoolArray, outside: BoolArray, body: BoolArray, spacing_mm: Spacing, *, zero: bool
) -> Contrast:
    """The contrast of a lesion to what lies around it and in `outside`."""
    close = near(lesion, spacing_mm, SHELL_MM)
    if close is None:
        return Contrast()
    box, within = close
    signal = image[box][(lesion & body)[box]].astype(np.float64)
    shell = image[box][within & outside[box]].astype(np.float64)
    if not len(signal) or len(shell) < LEAST_SHELL:
        return Contrast(shell_voxels=len(shell))
    mean, around = float(signal.mean()), float(shell.mean())
    noise = float(shell.std(ddof=1)) if np.ptp(shell) > 0 else math.nan
    return Contrast(
        contrast=(mean - around) / around if zero and around > 0 else math.nan,
        signal_to_noise=mean / noise if zero else math.nan,
        contrast_to_noise=(mean - around) / noise,
        shell_voxels=len(shell),
    )
