"""The thumbnail of a case: which slice, where, in which colours."""

import io

import numpy as np
import pytest
from PIL import Image

from afl_core.errors import AflError, GeometryError
from afl_core.figures.palette import REFERENCE_COLOUR, SOURCE_COLOURS
from afl_core.figures.thumbnails import SIZE_PX, thumbnail
from afl_core.volume import Mask, Volume

SHAPE = (60, 50, 20)


def mask(*box):
    array = np.zeros(SHAPE, bool)
    array[tuple(slice(*pair) for pair in box)] = True
    return Mask(array, np.eye(4))


def pixels(png):
    picture = Image.open(io.BytesIO(png))
    assert picture.size == (SIZE_PX, SIZE_PX)
    return np.asarray(picture.convert("RGB"))


def where(picture, colour):
    """Rows and columns of a colour."""
    return np.nonzero((picture == [int(colour[k : k + 2], 16) for k in (1, 3, 5)]).all(-1))


REFERENCE = mask((20, 32), (20, 30), (4, 12))


def test_the_slice_is_the_one_on_which_the_sources_err_most():
    wrong = mask((20, 32), (20, 30), (4, 12))
    wrong.array[26:, :, 9] = False  # half of the tumour, on slice 9 alone
    image = np.zeros(SHAPE, np.float32)
    image[:, :, 9] = np.arange(SHAPE[0])[:, None]  # grey there alone
    picture = pixels(thumbnail(Volume(image, np.eye(4)), REFERENCE, {"A": wrong}))
    greys = picture[2, :, 0].astype(int)
    assert greys.max() > 100
    assert (np.diff(greys) <= 0).all()  # larger x, the patient's right... left of the picture
    assert greys[0] > greys[-1]


def test_outlines_lie_where_the_masks_do_and_take_the_colours_of_their_place():
    moved = mask((34, 38), (20, 30), (4, 12))  # further right in the patient, so further left in the picture
    picture = pixels(thumbnail(None, REFERENCE, {"FL": mask((0, 0), (0, 0), (0, 0)), "A-FL": moved}))
    rows, columns = where(picture, REFERENCE_COLOUR)
    assert columns.mean() == pytest.approx(SIZE_PX / 2, abs=1)  # the reference is in the middle
    assert len(where(picture, SOURCE_COLOURS[0])[0]) == 0
    assert where(picture, SOURCE_COLOURS[1])[1].max() < columns.min()
    # A square of 20 mm + 2 x 12 mm: 12 mm are as many pixels as that share of it.
    side_mm = 2 * (38 - 26) + 24
    assert np.ptp(columns) + 1 == pytest.approx(12 / side_mm * SIZE_PX, abs=1)
    assert np.ptp(rows) + 1 == pytest.approx(10 / side_mm * SIZE_PX, abs=1)


def test_a_case_without_masks_shows_its_image_and_one_without_anything_nothing():
    image = np.random.default_rng(0).random(SHAPE, np.float32)
    assert np.ptp(pixels(thumbnail(Volume(image, np.eye(4)), None, {}))) > 200
    with pytest.raises(AflError):
        thumbnail(None, None, {})


def test_a_constant_or_undefined_image_is_drawn():
    for value in (0, 7, np.nan):
        image = Volume(np.full(SHAPE, value, np.float32), np.eye(4))
        assert len(where(pixels(thumbnail(image, REFERENCE, {})), REFERENCE_COLOUR)[0])


def test_another_grid_is_refused():
    with pytest.raises(GeometryError):
        thumbnail(None, REFERENCE, {"A": Mask(REFERENCE.array, np.diag([2.0, 1, 1, 1]))})


def test_a_source_without_a_mask_leaves_its_colour_to_nobody():
    picture = pixels(thumbnail(None, REFERENCE, {"FL": None, "A-FL": mask((34, 38), (20, 30), (4, 12))}))
    assert len(where(picture, SOURCE_COLOURS[0])[0]) == 0
    assert len(where(picture, SOURCE_COLOURS[1])[0])
