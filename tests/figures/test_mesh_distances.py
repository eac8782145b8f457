"""Distances to a mesh: by hand on a tetrahedron, of a ball, and those of VTK on surfaces of masks."""

import numpy as np
import pytest
import pyvista as pv
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from afl_core.figures.mesh_distances import MeshTree

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=float)
TETRAHEDRON = CORNERS[[[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]]
"""Seen from outside, each of its faces runs counterclockwise."""


@pytest.mark.parametrize(
    ("point", "distance"),
    [
        ((0.2, 0.2, -2), 2),  # below a face
        ((0.1, 0.2, 0.3), -0.1),  # inside, nearest to the face where x is 0
        ((0.3, -3, -4), 5),  # beyond an edge
        ((-2, -3, -6), 7),  # beyond a corner
        ((3, -1, -2), 3),  # beyond the corner (1, 0, 0)
        ((1, 1, 1), 2 / np.sqrt(3)),  # above the slanted face, whose plane is x + y + z = 1
        ((0.25, 0.25, 0), 0),  # on a face
    ],
)
def test_distances_to_a_tetrahedron_by_hand(point, distance):
    assert_allclose(MeshTree.of(TETRAHEDRON).distances(np.array([point])), [distance], atol=1e-12)


def test_a_turned_mesh_turns_the_sign():
    points = np.random.default_rng(0).normal(size=(50, 3))
    turned = MeshTree.of(TETRAHEDRON[:, ::-1]).distances(points)
    assert_allclose(turned, -MeshTree.of(TETRAHEDRON).distances(points))


def test_a_triangle_without_an_area_is_its_longest_edge():
    flat = np.array([[[0, 0, 0], [1, 0, 0], [3, 0, 0]]], dtype=float)
    points = np.array([[2, 4, 3], [-3, 4, 0], [9, 8, 0], [3, 0, 1]], dtype=float)
    assert_allclose(np.abs(MeshTree.of(flat).distances(points)), [5, 5, 10, 1])
    assert_allclose(np.abs(MeshTree.of(np.zeros((1, 3, 3))).distances(points)), np.linalg.norm(points, axis=1))


def test_a_nearer_triangle_is_found_after_many_that_are_equally_near():
    """A hundred copies of one triangle of the plane x + y + z = sqrt(3), whose box holds the origin; then x = 1/2."""
    far = np.sqrt(3) + 2
    copies = np.tile([[far, -1, -1], [-1, far, -1], [-1, -1, far]], (100, 1, 1))
    near = np.array([[[0.5, -1, -1], [0.5, 50, -1], [0.5, -1, 50]]])
    origin = np.zeros((1, 3))
    assert_allclose(np.abs(MeshTree.of(copies).distances(origin)), [1])
    assert_allclose(np.abs(MeshTree.of(np.concatenate([copies, near])).distances(origin)), [0.5])


def test_distances_to_a_fine_ball_are_those_to_its_radius():
    ball = pv.Sphere(radius=10, theta_resolution=180, phi_resolution=180)
    points = np.random.default_rng(1).normal(size=(500, 3)) * 15
    corners = np.asarray(ball.points, dtype=float)[ball.faces.reshape(-1, 4)[:, 1:]]
    assert_allclose(MeshTree.of(corners).distances(points), np.linalg.norm(points, axis=1) - 10, atol=0.004)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(1.0, 1.0, 1.0), (0.5, 0.5, 3.0), (1.0, 1.5, 6.0)]),
    st.sampled_from([0.05, 0.3, 0.6]),
)
def test_values_and_sides_are_those_of_vtk(seed, spacing, share):
    """Surfaces with many pieces, holes and edges, on grids up to six times as coarse along one axis, also mirrored."""
    random = np.random.default_rng(seed)
    field = random.uniform(size=(7, 6, 5))
    field[3, 3, 2] = 0  # never empty
    grid = pv.ImageData(dimensions=[n + 2 for n in field.shape], spacing=spacing)
    grid.point_data["field"] = np.pad(field < share, 1).astype(np.float32).flatten(order="F")
    mesh = grid.contour([0.5], scalars="field").smooth_taubin(n_iter=20, pass_band=0.1)
    mirror = np.array([-1.0, 1.0, 1.0]) if seed % 2 else np.ones(3)
    mesh.points = np.asarray(mesh.points) * mirror
    points = random.uniform(-5, 15, size=(300, 3)) * spacing * mirror
    vtk = np.asarray(pv.PolyData(points).compute_implicit_distance(mesh)["implicit_distance"])
    corners = np.asarray(mesh.points, dtype=float)[mesh.faces.reshape(-1, 4)[:, 1:]]
    ours = MeshTree.of(corners).distances(points)
    assert_allclose(np.abs(ours), np.abs(vtk), atol=1e-4)
    off = np.abs(vtk) > 1e-3
    assert (np.sign(ours) == np.sign(vtk))[off].all()
