"""Distance to meshes against closed forms and against brute force; holes, doubled faces and open basins."""

import numpy as np
import pytest
import trimesh

from sim import primitives
from sim.geometry import Mesh, Primitive
from sim.surface import Surface

RNG = np.random.default_rng(0)


def surface_of(shape: trimesh.Trimesh) -> Surface:
    return Surface(Mesh(np.array(shape.vertices), np.array(shape.faces)))


def signed(surface: Surface, points: np.ndarray) -> np.ndarray:
    distance = np.linalg.norm(points - surface.closest_points(points), axis=1)
    return np.where(surface.contains(points), -distance, distance)


def test_box_mesh_matches_the_closed_form() -> None:
    surface = surface_of(trimesh.creation.box(extents=(0.4, 0.3, 0.2)))
    points = RNG.uniform(-0.4, 0.4, (4000, 3))
    nearest, inside = primitives.closest_points(Primitive("box", (0.4, 0.3, 0.2)), points)
    expected = np.linalg.norm(points - nearest, axis=1) * np.where(inside, -1, 1)
    error = np.abs(signed(surface, points) - expected)
    assert np.percentile(error, 99) < 1e-4
    assert error.max() < 2e-3


@pytest.mark.parametrize("share", [0.0, 0.03, 0.1], ids=["closed", "3% holes", "10% holes"])
def test_sphere_mesh_with_holes_keeps_its_inside(share: float) -> None:
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=0.12)
    keep = np.random.default_rng(1).random(len(sphere.faces)) >= share
    holed = trimesh.Trimesh(sphere.vertices, sphere.faces[keep], process=False)
    surface = surface_of(holed)
    points = RNG.uniform(-0.2, 0.2, (4000, 3))
    radius = np.linalg.norm(points, axis=1)
    clear = np.abs(radius - 0.12) > 0.001  # the triangles cut the sphere by up to 0.2 mm
    wrong = surface.contains(points)[clear] != (radius[clear] < 0.12)
    assert wrong.mean() <= (0.0 if share == 0 else 0.02 if share == 0.1 else 0.002)
    assert np.abs(np.abs(signed(surface, points)) - np.abs(radius - 0.12)).max() < (0.001 if share == 0 else 0.012)


def test_points_on_symmetry_planes_are_not_lost_between_edges() -> None:
    surface = surface_of(trimesh.creation.box(extents=(0.4, 0.4, 0.4)))
    axis = np.linspace(-0.19, 0.19, 39)
    grid = np.stack(np.meshgrid(axis, axis, [0.0]), -1).reshape(-1, 3)  # on the diagonals of top and bottom
    assert surface.contains(grid).all()
    assert not surface.contains(grid + np.array([0, 0, 0.21])).any()


def test_inside_out_and_doubled_faces() -> None:
    box = trimesh.creation.box(extents=(0.4, 0.3, 0.2))
    points = RNG.uniform(-0.3, 0.3, (500, 3))
    expected = surface_of(box).contains(points)
    flipped = trimesh.Trimesh(box.vertices, box.faces[:, ::-1], process=False)
    np.testing.assert_array_equal(surface_of(flipped).contains(points), expected)
    fin = np.concatenate((box.faces, [[0, 1, 7], [7, 1, 0]]))  # a fold across the inside, wound both ways
    np.testing.assert_array_equal(
        surface_of(trimesh.Trimesh(box.vertices, fin, process=False)).contains(points), expected
    )


def test_a_torus_hole_is_outside() -> None:
    surface = surface_of(trimesh.creation.torus(major_radius=0.2, minor_radius=0.05))
    points = RNG.uniform(-0.3, 0.3, (2000, 3))
    exact = np.hypot(np.linalg.norm(points[:, :2], axis=1) - 0.2, points[:, 2]) - 0.05
    clear = np.abs(exact) > 0.002
    np.testing.assert_array_equal((signed(surface, points) < 0)[clear], (exact < 0)[clear])
    assert not surface.contains(np.zeros((1, 3))).any()


def test_an_open_basin_has_no_inside() -> None:
    box = trimesh.creation.box(extents=(0.4, 0.4, 0.2))
    walls = box.faces[box.face_normals[:, 2] < 0.5]
    both = np.concatenate((walls, walls[:, ::-1]))  # as real basins come: a sheet with two sides
    surface = surface_of(trimesh.Trimesh(box.vertices, both, process=False))
    assert not surface.contains(RNG.uniform(-0.15, 0.15, (500, 3)) * [1, 1, 0.5]).any()


def test_real_meshes_against_all_triangles(data) -> None:
    mesh = trimesh.load_mesh(data / "objects" / "largetable.obj", process=False, maintain_order=True)
    surface = surface_of(mesh)
    points = mesh.vertices[RNG.integers(len(mesh.vertices), size=400)] + RNG.normal(size=(400, 3)) * 0.03
    exact = trimesh.proximity.closest_point(mesh, points)[1]
    error = np.abs(np.linalg.norm(points - surface.closest_points(points), axis=1) - exact)
    assert np.percentile(error, 95) < 1e-4
    assert error.max() < 2e-3
    low, high = mesh.bounds
    share = surface.contains(RNG.uniform(low, high, (50_000, 3))).mean()
    assert share * np.prod(high - low) == pytest.approx(mesh.volume, rel=0.03)
