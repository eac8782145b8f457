"""Surfaces of analytic solids in world millimetres, and what an empty mask gives."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from afl_core.data.formats.files import load_volume
from afl_core.figures.stills import still_picture
from afl_core.figures.surfaces import compute_surfaces
from afl_core.volume import Mask, Volume

SPACING = np.array([1.0, 1.5, 2.0])
AFFINE = np.diag([*SPACING, 1.0])
AFFINE[:3, 3] = (-30, 10, 5)
SHAPE = (60, 40, 30)
CENTRE = AFFINE[:3, :3] @ (np.array(SHAPE) / 2) + AFFINE[:3, 3]


def ball(radius_mm: float, offset_mm: tuple[float, float, float] = (0, 0, 0)) -> Mask:
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"), axis=-1)
    distance = np.linalg.norm(grid @ AFFINE[:3, :3].T + AFFINE[:3, 3] - CENTRE - offset_mm, axis=-1)
    return Mask(distance <= radius_mm, AFFINE)


IMAGE = Volume(ball(25).array.astype(np.float32), AFFINE)
EMPTY = Mask(np.zeros(SHAPE, dtype=bool), AFFINE)


def test_a_ball_has_its_radius_and_place_in_millimetres():
    surface = compute_surfaces(IMAGE, ball(12), {}).scenes["Reference"]
    radius = np.linalg.norm(surface.points_mm - CENTRE, axis=1)
    assert radius.mean() == pytest.approx(12, abs=0.5)
    assert radius.std() < 0.6
    assert surface.points_mm.mean(axis=0) == pytest.approx(CENTRE, abs=0.3)
    assert surface.faces.max() == len(surface.points_mm) - 1
    assert surface.distance_mm is None


def test_distance_is_signed_and_positive_outside_with_one_range_for_all():
    surfaces = compute_surfaces(IMAGE, ball(12), {"outside": ball(15), "inside": ball(9)})
    assert surfaces.scenes["outside"].distance_mm.mean() == pytest.approx(3, abs=0.5)
    assert surfaces.scenes["inside"].distance_mm.mean() == pytest.approx(-3, abs=0.5)
    assert 3 <= surfaces.limit_mm < 4.5


def test_a_far_false_positive_does_not_widen_the_colour_range():
    far = Mask(ball(12.5).array | ball(4, (-24, 0, 0)).array, AFFINE)
    assert compute_surfaces(IMAGE, ball(6), {"FL": ball(6.5)}).limit_mm == pytest.approx(1, abs=0.5)
    near = Mask(ball(6.5).array | ball(4, (-24, 0, 0)).array, AFFINE)
    assert compute_surfaces(IMAGE, ball(6), {"FL": near}).limit_mm == pytest.approx(1, abs=0.5)
    assert compute_surfaces(IMAGE, ball(6), {"FL": far}).limit_mm > 5


def test_an_empty_mask_has_no_surface_and_gives_no_distances():
    surfaces = compute_surfaces(IMAGE, ball(12), {"FL": EMPTY})
    assert list(surfaces.scenes) == ["Reference", "FL"]
    assert surfaces.scenes["FL"] is None
    for reference in (None, EMPTY):
        assert compute_surfaces(IMAGE, reference, {"FL": ball(8)}).scenes["FL"].distance_mm is None


def test_an_image_of_nothing_has_no_outline():
    assert compute_surfaces(IMAGE, ball(8), {}).outline is not None
    assert compute_surfaces(Volume(np.zeros(SHAPE, np.float32), AFFINE), ball(8), {}).outline is None


def test_a_field_of_view_has_no_outline_and_a_head_has():
    """A head whole, tight in its box, in a slab, and cut at the neck; a prostate's block, alone, padded,
    z-scored, and with a field whose corners are black."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    tissue = np.random.default_rng(1).uniform(1, 2, SHAPE).astype(np.float32)
    whole = np.where(x**2 + y**2 + z**2 < 0.8, tissue, 0)
    tight = np.where(x**2 + y**2 + z**2 <= 1, tissue, 0)
    slab = np.where(x**2 + y**2 < 0.9, tissue, -3)  # cut above and below; z-scored
    neck = np.where((x**2 + y**2 + z**2 < 0.8) | ((x**2 + y**2 < 0.3) & (z < 0)), tissue, 0)
    padded, filled = np.pad(tissue, 5), tissue.copy()
    filled[np.ix_(*[(0, -1)] * 3)] = 0  # the corners alone are equal, as where a coil does not reach
    round_field = np.where(x**2 + y**2 < 1.2, tissue, 0)  # black corners: tissue on less than half of each side

    def outlined(array: np.ndarray) -> bool:
        return compute_surfaces(Volume(array, AFFINE), None, {}).outline is not None

    assert [outlined(head) for head in (whole, tight, slab, neck)] == [True] * 4
    assert [outlined(block) for block in (tissue, padded, padded - 3, filled, round_field)] == [False] * 5


def test_a_few_slices_across_a_body_have_no_outline():
    """As diffusion images of a prostate: a body of 200 x 300 mm with air around it, 57 mm high."""
    x, y, _ = np.meshgrid(*[np.linspace(-1, 1, n) for n in (40, 60, 19)], indexing="ij")
    body = np.where(x**2 + y**2 < 0.8, 1.0, 0.0).astype(np.float32)
    for high_mm, shown in ((3.0, False), (9.0, True)):
        image = Volume(body, np.diag([5.0, 5.0, high_mm, 1.0]))
        assert (compute_surfaces(image, None, {}).outline is not None) == shown


@pytest.mark.skipif("AFL_REAL_DATA" not in os.environ, reason="AFL_REAL_DATA names no folder of real cases")
def test_a_real_prostate_has_no_outline_and_a_real_head_has():
    root = Path(os.environ["AFL_REAL_DATA"])
    (prostate,), (head, *_) = root.rglob("*_t2w.mha"), root.rglob("*_t1.nii.gz")
    for sequence in ("t2w", "adc", "hbv"):
        path = prostate.with_name(prostate.name.replace("t2w", sequence))
        assert compute_surfaces(load_volume(path), None, {}).outline is None
    assert compute_surfaces(load_volume(head), None, {}).outline is not None


def test_still_picture_shows_orange_outside_and_blue_inside():
    surfaces = compute_surfaces(IMAGE, ball(10), {"outside": ball(13), "inside": ball(7)})
    picture = np.asarray(Image.open(io.BytesIO(still_picture(surfaces))).convert("RGB")).astype(int)
    scenes = np.array_split(picture[:, : int(0.92 * picture.shape[1])], 3, axis=1)
    warmth = [(scene[..., 0] - scene[..., 2])[scene.max(axis=2) > 60].mean() for scene in scenes]
    assert warmth[1] > 30
    assert warmth[2] < -30
    assert still_picture(compute_surfaces(IMAGE, EMPTY, {"FL": EMPTY}))[:4] == b"\x89PNG"
