"""Surfaces of analytic solids in world millimetres, and what an empty mask gives."""

import numpy as np
import pytest

from afl_core.figures.surfaces import plot_surfaces
from afl_core.volume import Mask, Volume

SPACING = np.array([1.0, 1.5, 2.0])
AFFINE = np.diag([*SPACING, 1.0])
AFFINE[:3, 3] = (-30, 10, 5)
SHAPE = (60, 40, 30)
CENTRE = AFFINE[:3, :3] @ (np.array(SHAPE) / 2) + AFFINE[:3, 3]


def ball(radius_mm: float) -> Mask:
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"), axis=-1)
    distance = np.linalg.norm(grid @ AFFINE[:3, :3].T + AFFINE[:3, 3] - CENTRE, axis=-1)
    return Mask(distance <= radius_mm, AFFINE)


IMAGE = Volume(ball(25).array.astype(np.float32), AFFINE)
EMPTY = Mask(np.zeros(SHAPE, dtype=bool), AFFINE)


def meshes(figure, scene):
    return [trace for trace in figure.data if (trace.scene or "scene") == scene]


def points(trace):
    return np.stack([trace.x, trace.y, trace.z], axis=1)


def test_a_ball_has_its_radius_and_place_in_millimetres():
    figure = plot_surfaces(IMAGE, ball(12), {})
    _, surface = meshes(figure, "scene")
    radius = np.linalg.norm(points(surface) - CENTRE, axis=1)
    assert radius.mean() == pytest.approx(12, abs=0.5)
    assert radius.std() < 0.6
    assert points(surface).mean(axis=0) == pytest.approx(CENTRE, abs=0.3)


def test_colour_is_the_signed_distance_to_the_reference_and_positive_outside():
    figure = plot_surfaces(IMAGE, ball(12), {"outside": ball(15), "inside": ball(9)})
    _, outside = meshes(figure, "scene2")
    _, inside = meshes(figure, "scene3")
    assert np.mean(outside.intensity) == pytest.approx(3, abs=0.5)
    assert np.mean(inside.intensity) == pytest.approx(-3, abs=0.5)
    assert (outside.cmin, outside.cmax) == (inside.cmin, inside.cmax)
    assert outside.cmax == -outside.cmin >= 3


def test_an_empty_prediction_leaves_a_scene_that_says_so():
    figure = plot_surfaces(IMAGE, ball(12), {"FL": EMPTY})
    assert [a.text for a in figure.layout.annotations] == ["reference", "FL: no tumour predicted"]
    assert len(meshes(figure, "scene2")) == 1  # the outline alone


def test_without_reference_predictions_are_drawn_uncoloured():
    figure = plot_surfaces(IMAGE, None, {"FL": ball(8)})
    _, surface = meshes(figure, "scene")
    assert surface.intensity is None
    figure = plot_surfaces(IMAGE, EMPTY, {"FL": ball(8)})
    assert meshes(figure, "scene2")[1].intensity is None


def test_an_image_of_nothing_has_no_outline_but_draws():
    blank = Volume(np.zeros(SHAPE, dtype=np.float32), AFFINE)
    assert len(meshes(plot_surfaces(blank, ball(8), {}), "scene")) == 1
