"""A small picture of a case: the slice on which its masks differ most, cut around the tumour, with their outlines."""

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor
from scipy.ndimage import binary_erosion

from afl_core.errors import DataError
from afl_core.figures.palette import REFERENCE_COLOUR, SOURCE_COLOURS
from afl_core.figures.slices import shown_slice, tumour_view
from afl_core.volume import Mask, Volume, check_same_grid

SIZE_PX = 96
GREYS = 32
"""Shades of gray of the background: with all 256, of which most are noise, a file is nearly three times as large."""
WINDOW_PERCENTILES = (0.5, 99.5)

Slice = NDArray[np.uint8]


def thumbnail(image: Volume | None, reference: Mask | None, predictions: Mapping[str, Mask | None]) -> bytes:
    """The slice of `shown_slice` around its masks, as every figure shows a case: patient's left on the right.

    Args:
        image: Gray background, by the percentiles of the slice; None leaves it black.
        reference: Mask of the reference, or None.
        predictions: Source name to mask on the same grid, or None; at most three, coloured by place.

    Returns:
        A PNG of `SIZE_PX` pixels each way.

    Raises:
        DataError: If there is nothing to show.
        GeometryError: If two of them lie on different grids.
    """
    named = {"the reference": reference, **predictions}
    masks = {name: mask for name, mask in named.items() if mask}
    volumes: list[tuple[str, Volume]] = [*masks.items(), *([("the image", image)] if image else [])]
    if not volumes:
        raise DataError("This case has neither an image nor a mask")
    grid = volumes[0][1]
    for name, volume in volumes[1:]:
        check_same_grid(grid, volume, names=(volumes[0][0], name))
    drawn = {name: mask for name, mask in predictions.items() if mask}
    z = shown_slice(reference or Mask(np.zeros(grid.array.shape, bool), grid.affine), drawn)
    colours = [
        colour for colour, mask in zip((REFERENCE_COLOUR, *SOURCE_COLOURS), named.values(), strict=False) if mask
    ]
    slices = [mask.array[:, :, z] for mask in masks.values()] or [np.zeros(grid.array.shape[:2], bool)]
    cut = _Cut(slices, grid.spacing_mm[:2])
    background = None if image is None else _levels(image.array[:, :, z])
    return _drawn(cut, background, list(zip(slices, colours, strict=False)))


class _Cut:
    """A square of a slice around its masks, x growing to the left."""

    def __init__(self, masks: list[NDArray[np.bool_]], spacing_mm: tuple[float, float]) -> None:
        (x, y), side_mm = tumour_view(masks, spacing_mm)
        step_x, step_y = (side_mm / SIZE_PX / mm for mm in spacing_mm)
        self.matrix = (-step_x, 0, x + step_x * SIZE_PX / 2, 0, -step_y, y + step_y * SIZE_PX / 2)

    def sampled(self, values: Slice, how: Image.Resampling) -> Slice:
        """Values of a slice, (X, Y), at the pixels, (row, column); 0 beyond the slice."""
        picture = Image.fromarray(np.ascontiguousarray(values.T))
        return np.asarray(picture.transform((SIZE_PX, SIZE_PX), Image.Transform.AFFINE, self.matrix, how))


def _levels(values: NDArray[np.generic]) -> Slice:
    """A slice as 0..255 between its percentiles."""
    numbers = np.nan_to_num(np.asarray(values, dtype=np.float32))
    low, high = np.percentile(numbers, WINDOW_PERCENTILES)
    scaled = (numbers - low) * np.float32(255 / max(high - low, 1e-6))
    levels: Slice = np.clip(scaled, 0, 255).astype(np.uint8)
    return levels


def _rim(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a mask that touch what is not of it."""
    rim: NDArray[np.bool_] = inside & ~binary_erosion(inside)
    return rim


def _drawn(cut: _Cut, background: Slice | None, outlines: Sequence[tuple[NDArray[np.bool_], str]]) -> bytes:
    places = np.zeros((SIZE_PX, SIZE_PX), np.uint8)  # in the palette
    if background is not None:
        places = cut.sampled(background, Image.Resampling.BILINEAR) // (256 // GREYS)
    palette = np.repeat(np.linspace(0, 255, GREYS, dtype=np.uint8), 3).tolist()
    for number, (mask, colour) in enumerate(outlines, start=GREYS):
        inside = cut.sampled(mask.astype(np.uint8), Image.Resampling.NEAREST) > 0
        places[_rim(inside)] = number
        palette += ImageColor.getrgb(colour)
    picture = Image.fromarray(places)
    picture.putpalette(palette)
    buffer = BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
