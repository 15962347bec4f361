"""Closed forms against fine meshes and against hand-computed values."""

import numpy as np
import pytest
import trimesh

from sim import primitives
from sim.geometry import Primitive

SHAPES = [
    Primitive("sphere", (0.12,)),
    Primitive("box", (0.4, 0.3, 0.2)),
    Primitive("cylinder", (0.1, 0.5)),
    Primitive("capsule", (0.1, 0.3)),
]
kinds = pytest.mark.parametrize("shape", SHAPES, ids=lambda s: s.kind)


def fine(shape: Primitive) -> trimesh.Trimesh:
    if shape.kind == "sphere":
        return trimesh.creation.icosphere(subdivisions=4, radius=shape.size[0])
    if shape.kind == "cylinder":
        return trimesh.creation.cylinder(radius=shape.size[0], height=shape.size[1], sections=512)
    if shape.kind == "capsule":
        ball = trimesh.creation.icosphere(subdivisions=4, radius=shape.size[0]).vertices
        half = [0, 0, shape.size[1] / 2]
        return trimesh.convex.convex_hull(np.concatenate((ball + half, ball - half)))
    return trimesh.creation.box(extents=shape.size)


@kinds
def test_mass_properties_match_a_fine_mesh(shape: Primitive) -> None:
    volume, inertia = primitives.mass_properties(shape)
    mesh = fine(shape)
    assert volume == pytest.approx(mesh.volume, rel=3e-3)
    np.testing.assert_allclose(inertia * mesh.volume, mesh.moment_inertia, rtol=6e-3, atol=1e-9)


@kinds
def test_closest_points_match_a_fine_mesh(shape: Primitive) -> None:
    points = np.random.default_rng(0).uniform(-0.35, 0.35, (300, 3))
    nearest, inside = primitives.closest_points(shape, points)
    mesh = fine(shape)
    np.testing.assert_allclose(
        np.linalg.norm(points - nearest, axis=1), trimesh.proximity.closest_point(mesh, points)[1], atol=4e-4
    )
    np.testing.assert_array_equal(inside, mesh.contains(points))
    again, _ = primitives.closest_points(shape, nearest)
    np.testing.assert_allclose(again, nearest, atol=1e-9)  # surface points stay


@kinds
def test_the_centre_is_inside_and_has_a_nearest_point(shape: Primitive) -> None:
    nearest, inside = primitives.closest_points(shape, np.zeros((1, 3)))
    assert inside.all()
    assert np.linalg.norm(nearest) == pytest.approx({"sphere": 0.12}.get(shape.kind, 0.1))


@kinds
def test_triangulation_is_centred_and_closed(shape: Primitive) -> None:
    mesh = primitives.to_trimesh(shape)
    assert mesh.is_watertight
    np.testing.assert_allclose(mesh.bounds[0], -mesh.bounds[1], atol=1e-9)
    assert mesh.volume == pytest.approx(primitives.mass_properties(shape)[0], rel=0.01)


def test_known_distances() -> None:
    box = Primitive("box", (0.4, 0.3, 0.2))
    nearest, inside = primitives.closest_points(box, np.array([[0.3, 0.0, 0.0], [0.0, 0.0, 0.08], [0.5, 0.45, 0.1]]))
    np.testing.assert_allclose(nearest, [[0.2, 0, 0], [0, 0, 0.1], [0.2, 0.15, 0.1]])
    np.testing.assert_array_equal(inside, [False, True, False])
