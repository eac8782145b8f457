"""The slice that is chosen, and where its pixels are: left and right, millimetres, edges of voxels."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageColor

from afl_core.errors import GeometryError
from afl_core.figures.palette import REFERENCE_COLOUR, SOURCE_COLOURS
from afl_core.figures.slices import shown_slice, slice_picture, tumour_view
from afl_core.volume import Mask, Volume

SHAPE = (40, 40, 10)


def affine(x=1.0, y=1.0, z=1.0):
    return np.diag([x, y, z, 1.0])


def box(x, y, z, *, spacing=(1.0, 1.0, 1.0), shape=SHAPE):
    array = np.zeros(shape, dtype=bool)
    array[slice(*x), slice(*y), slice(*z)] = True
    return Mask(array, affine(*spacing))


def pixels(png):
    image = Image.open(BytesIO(png))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB")).astype(int)


def where(picture, colour):
    """Rows and columns, from the upper left, of pixels of a colour."""
    return np.argwhere(np.abs(picture - ImageColor.getrgb(colour)).sum(axis=-1) < 30)


EMPTY = box((0, 0), (0, 0), (0, 0))


def test_the_slice_is_the_one_with_the_most_wrong_voxels():
    reference = box((10, 20), (10, 20), (0, 10))
    few, many = reference.array.copy(), reference.array.copy()
    few[5, 5, 2] = True
    many[10:14, 10:14, 7] = False
    predictions = {"a": Mask(few, affine()), "b": Mask(many, affine())}
    assert shown_slice(reference, predictions) == 7
    assert shown_slice(reference, {"a": Mask(few, affine())}) == 2


def test_one_bad_prediction_cannot_choose_a_slice_without_the_tumour():
    """Ones everywhere, and a large false positive far off: the slice holds at least half of the largest section."""
    array = box((10, 12), (10, 12), (2, 3)).array
    array[10:20, 10:20, 3:5] = True
    reference = Mask(array, affine())
    far = box((0, 40), (0, 40), (8, 10))
    for bad in (Mask(np.ones(SHAPE, bool), affine()), far, Mask(array ^ far.array, affine())):
        z = shown_slice(reference, {"bad": bad, "good": reference})
        assert 2 * reference.array[:, :, z].sum() >= 100
    assert shown_slice(EMPTY, {"bad": far}) == 8


def test_the_view_is_around_the_reference_and_a_far_prediction_is_cut():
    reference, far = box((10, 16), (10, 16), (4, 6)), box((0, 400), (0, 400), (4, 6), shape=(400, 400, 10))
    small = np.zeros((400, 400), bool)
    small[10:16, 20:26] = True
    centre, side = tumour_view([small, far.array[:, :, 4]], (1.0, 1.0))
    assert centre == (13.0, 23.0)
    assert side == 130
    (centre, side) = tumour_view([reference.array[:, :, 4]], (1.0, 1.0))
    assert (centre, side) == ((13.0, 13.0), 40)


def test_without_disagreement_it_is_the_largest_of_the_reference_or_the_middle():
    array = box((10, 20), (10, 20), (2, 4)).array
    array[10:30, 10:30, 6] = True
    reference = Mask(array, affine())
    assert shown_slice(reference, {"a": reference}) == 6
    assert shown_slice(EMPTY, {"a": EMPTY}) == 5


def test_the_left_of_the_patient_is_on_the_right_and_front_is_up():
    """x grows to the patient's right, so a prediction at low x is right of the reference on the screen."""
    reference, left = box((18, 24), (10, 16), (5, 6)), box((6, 12), (24, 30), (5, 6))
    picture = pixels(slice_picture(None, reference, {"a": left}))
    (row_r, column_r), (row_l, column_l) = (
        where(picture, c).mean(axis=0) for c in (REFERENCE_COLOUR, SOURCE_COLOURS[0])
    )
    assert column_l > column_r
    assert row_l < row_r


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 3.0), (0.5, 0.5, 3.0), (1.0, 2.0, 1.0), (3.0, 0.7, 1.0)])
def test_a_millimetre_is_as_long_up_as_across(spacing):
    """A box of 12 x 12 voxels, outlined along its edges."""
    reference = box((10, 22), (10, 22), (4, 6), spacing=spacing)
    rows, columns = where(pixels(slice_picture(None, reference, {})), REFERENCE_COLOUR).T
    high, wide = np.ptp(rows), np.ptp(columns)
    assert wide / high == pytest.approx(spacing[0] / spacing[1], rel=0.08)


def test_masks_are_not_interpolated():
    """One voxel of 8 mm, 112 pixels wide, is a square: its outline has the corners that a smooth line would cut."""
    spacing = (8.0, 8.0, 8.0)
    one = box((20, 21), (20, 21), (4, 5), spacing=spacing)
    rows, columns = where(pixels(slice_picture(None, one, {})), REFERENCE_COLOUR).T
    spots = set(zip(rows.tolist(), columns.tolist(), strict=True))
    for row in (rows.min() + 1, rows.max() - 1):
        for column in (columns.min() + 1, columns.max() - 1):
            near = {(row + i, column + j) for i in range(-10, 11) for j in range(-10, 11)}
            assert spots & near


def test_the_window_is_of_the_whole_image_and_the_same_for_every_slice():
    reference = box((15, 25), (15, 25), (4, 6))
    array = np.zeros(SHAPE, dtype=np.float32)
    array[:, :, 5] = 100
    array[:, :, 0] = 1000
    picture = pixels(slice_picture(Volume(array, affine()), reference, {}, at=(20, 20, 5)))
    gray = np.median(picture[200:240, 200:240])
    assert 15 < gray < 40  # 100 of 1000


def test_a_centre_and_its_slice_can_be_given():
    reference = box((30, 36), (4, 10), (2, 3))
    rows, columns = where(pixels(slice_picture(None, reference, {}, at=(32, 6, 2), size_px=400)), REFERENCE_COLOUR).T
    assert rows.mean() == pytest.approx(200, abs=25)
    assert columns.mean() == pytest.approx(200, abs=25)


def test_empty_masks_and_flat_images_draw():
    flat = Volume(np.zeros(SHAPE, dtype=np.float32), affine())
    picture = pixels(slice_picture(flat, EMPTY, {"a": EMPTY, "b": EMPTY}, size_px=300))
    assert picture.shape == (300, 300, 3)
    assert not len(where(picture, REFERENCE_COLOUR))
    assert picture.max() == 255  # R, L and the bar


def test_every_source_has_its_colour():
    reference = box((10, 20), (10, 20), (4, 6))
    others = {name: box((10 + k, 20 + k), (12, 24), (4, 6)) for k, name in enumerate(("a", "b", "c"), start=2)}
    picture = pixels(slice_picture(None, reference, others))
    assert all(len(where(picture, colour)) > 50 for colour in (REFERENCE_COLOUR, *SOURCE_COLOURS))


def test_another_grid_is_refused_by_name():
    reference = box((10, 20), (10, 20), (4, 6))
    with pytest.raises(GeometryError, match="A-FL lies on another grid"):
        slice_picture(None, reference, {"A-FL": box((1, 2), (1, 2), (1, 2), shape=(9, 9, 9))})
    with pytest.raises(GeometryError, match="the image has another affine"):
        slice_picture(Volume(np.zeros(SHAPE, np.float32), affine(2.0)), reference, {})


def test_the_same_masks_give_the_same_bytes():
    reference = box((10, 20), (10, 20), (4, 6))
    assert slice_picture(None, reference, {}) == slice_picture(None, reference, {})
