"""The sampled field against exact distances; reduced meshes against what they stand for."""

import numpy as np
import pytest
import torch
import trimesh

from recon.optimizer.distance_field import distance_field, reduce_mesh
from sim.geometry import Mesh, Primitive
from sim.objects import Shape


@pytest.mark.parametrize("kind", ["primitive", "mesh"])
def test_close_to_the_exact_distance(kind: str) -> None:
    box = trimesh.creation.box((0.3, 0.2, 0.4))
    geometry = Primitive("box", (0.3, 0.2, 0.4)) if kind == "primitive" else Mesh(box.vertices, box.faces)
    field = distance_field(geometry, 20_000)
    points = np.random.default_rng(0).uniform(-0.25, 0.25, (400, 3))
    exact = Shape.of(geometry).signed_distance(points)
    sampled = field(torch.as_tensor(points)).numpy()
    near = np.abs(exact) < 0.02
    assert near.sum() > 30
    np.testing.assert_allclose(sampled[near], exact[near], atol=0.5 * field.spacing)
    assert ((sampled < 0) == (exact < 0))[np.abs(exact) > 0.3 * field.spacing].all()


def test_grows_outside_the_grid() -> None:
    field = distance_field(Primitive("sphere", (0.1,)), 20_000)
    points = torch.tensor([[0.5, 0.0, 0.0], [1.5, 0.0, 0.0]], dtype=torch.float64)
    np.testing.assert_allclose(field(points).numpy(), [0.4, 1.4], atol=0.03)


def test_gradient_by_finite_differences() -> None:
    field = distance_field(Primitive("sphere", (0.1,)), 5_000)
    points = torch.tensor([[0.05, 0.01, 0.02], [0.093, 0.04, 0.011], [0.4, 0.3, 0.2]], dtype=torch.float64)
    assert torch.autograd.gradcheck(field, points.requires_grad_(), eps=1e-7, atol=1e-5)


def test_reduced_mesh_keeps_its_extent() -> None:
    sphere = trimesh.creation.icosphere(5, radius=0.5)
    vertices, faces = reduce_mesh(Mesh(sphere.vertices, sphere.faces), 1000)
    assert 300 < len(faces) <= 1000
    assert faces.max() < len(vertices)
    np.testing.assert_allclose(np.ptp(vertices, axis=0), 1.0, atol=0.06)
    same, _ = reduce_mesh(Mesh(sphere.vertices, sphere.faces), 10**6)
    assert same is not vertices
    assert len(same) == len(sphere.vertices)
