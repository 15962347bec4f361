"""Which meshes are balls, and what becomes of a motion that has one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import trimesh

from sim import rotations
from sim.balls import fit_sphere, with_spheres
from sim.contacts import graph_distances
from sim.geometry import Geometry, Mesh, Primitive
from sim.motion import Motion
from sim.retarget import retarget

MIDDLE = np.array([0.3, -0.2, 0.1])


def ball(subdivisions: int = 3, radius: float = 0.11) -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions, radius)


def as_mesh(body: trimesh.Trimesh, noise: float = 0.0) -> Mesh:
    rough = body.vertices * (1.0 + noise * np.random.default_rng(0).uniform(-1, 1, (len(body.vertices), 1)))
    return Mesh(rough + MIDDLE, np.asarray(body.faces))


def test_middle_and_radius_of_a_ball_are_found() -> None:
    found = fit_sphere(as_mesh(ball()))
    assert found is not None
    np.testing.assert_allclose(found[0], MIDDLE, atol=1e-9)
    assert found[1] == pytest.approx(0.11)
    rough = fit_sphere(as_mesh(ball(), noise=0.03))
    assert rough is not None
    np.testing.assert_allclose(rough[0], MIDDLE, atol=1e-3)
    assert rough[1] == pytest.approx(0.11, rel=0.01)


def half() -> trimesh.Trimesh:
    body = ball()
    return trimesh.Trimesh(body.vertices, body.faces[body.triangles_center[:, 2] > 0])


@pytest.mark.parametrize(
    "shape",
    [
        trimesh.creation.box((0.2, 0.2, 0.2)),  # its corners lie on a sphere
        ball(0),  # twenty faces
        trimesh.creation.capsule(0.1, 0.1),
        trimesh.Trimesh(ball().vertices * [1.0, 1.0, 1.15], ball().faces),
        half(),
        trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]]),
    ],
    ids=["box", "icosahedron", "capsule", "rugby ball", "bowl", "triangle"],
)
def test_what_is_no_ball_stays_what_it_is(shape: trimesh.Trimesh) -> None:
    assert fit_sphere(as_mesh(shape)) is None


def test_a_primitive_is_not_asked() -> None:
    assert fit_sphere(Primitive("sphere", (0.1,))) is None


def carrying(make: Callable[..., Motion], geometry: Geometry, *, is_static: bool = False) -> Motion:
    motion = make()
    return motion.replace(objects=(dataclasses.replace(motion.objects[0], geometry=geometry, is_static=is_static),))


def test_surface_and_contacts_stay_where_they_were(carrying_motion: Callable[..., Motion]) -> None:
    motion = carrying(carrying_motion, as_mesh(ball()))
    sphere = with_spheres(motion)
    before, after = motion.objects[0], sphere.objects[0]
    assert after.is_ball
    middle = before.position_w + rotations.rotate(before.rotation_w, MIDDLE)
    np.testing.assert_allclose(after.position_w, middle, atol=1e-9)
    np.testing.assert_allclose(graph_distances(sphere), graph_distances(motion), atol=1e-9)
    assert after.mass == before.mass


def test_a_motion_without_a_ball_of_mesh_comes_back_as_it_is(carrying_motion: Callable[..., Motion]) -> None:
    for motion in (carrying_motion(), carrying(carrying_motion, as_mesh(ball()), is_static=True)):
        assert with_spheres(motion) is motion


def test_physics_gets_a_ball_that_bounces(carrying_motion: Callable[..., Motion]) -> None:
    """As retargeted from the mesh, and from the sphere: the same scene."""
    mesh = retarget(carrying(carrying_motion, Mesh(ball().vertices, np.asarray(ball().faces))))
    sphere = retarget(carrying(carrying_motion, Primitive("sphere", (0.11,))))
    assert mesh.source.objects[0].is_ball
    assert mesh.scene.model.opt.timestep == sphere.scene.model.opt.timestep == pytest.approx(1 / 240)
    np.testing.assert_allclose(mesh.qpos, sphere.qpos, atol=1e-6)
    np.testing.assert_allclose(mesh.scene.model.geom_solref, sphere.scene.model.geom_solref, rtol=1e-6)
