"""Force closure: values by hand, laws, the gradient by finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from generate.pose.closure import closure_residual, pressure, wrench
from sim import rotations

CENTER = torch.zeros(3, dtype=torch.float64)
HALVES = torch.tensor([0.5, 0.5], dtype=torch.float64)


def rows(*values: tuple[float, float, float]) -> torch.Tensor:
    """[K, 3]."""
    return torch.tensor(values, dtype=torch.float64)


def test_two_opposite_contacts_close_and_two_on_one_side_do_not() -> None:
    points = rows((0.2, 0.0, 0.0), (-0.2, 0.0, 0.0))
    assert float(closure_residual(points, rows((1, 0, 0), (-1, 0, 0)), HALVES, CENTER, 0.2)) == 0.0
    beside = rows((0.2, 0.1, 0.0), (0.2, -0.1, 0.0))
    assert float(closure_residual(beside, rows((1, 0, 0), (1, 0, 0)), HALVES, CENTER, 0.2)) == pytest.approx(1.0)


def test_opposite_hands_at_different_heights_turn_the_object() -> None:
    """A couple of half the force each, 0.1 m apart: 0.05 m of torque, a quarter of the length of 0.2 m."""
    points = rows((0.2, 0.0, 0.05), (-0.2, 0.0, -0.05))
    normals = rows((1, 0, 0), (-1, 0, 0))
    force, torque = wrench(points, normals, HALVES, CENTER)
    assert np.allclose(force, 0.0)
    assert np.allclose(torque, [0.0, -0.05, 0.0])
    assert float(closure_residual(points, normals, HALVES, CENTER, 0.2)) == pytest.approx(0.0625)
    assert float(closure_residual(points, normals, HALVES, CENTER, 0.2, "floor")) == 0.0


def test_weight_bears_what_pushes_up_and_nothing_that_pushes_down() -> None:
    under, over = rows((0.1, 0.0, -0.2), (-0.1, 0.0, -0.2)), rows((0.1, 0.0, 0.2), (-0.1, 0.0, 0.2))
    down, up = rows((0, 0, -1), (0, 0, -1)), rows((0, 0, 1), (0, 0, 1))
    assert float(closure_residual(under, down, HALVES, CENTER, 0.2)) == pytest.approx(1.0)
    assert float(closure_residual(under, down, HALVES, CENTER, 0.2, "weight")) == 0.0
    assert float(closure_residual(over, up, HALVES, CENTER, 0.2, "weight")) == pytest.approx(1.0)
    edge = under + torch.tensor([0.2, 0.0, 0.0], dtype=torch.float64)
    assert float(closure_residual(edge, down, HALVES, CENTER, 0.2, "weight")) == pytest.approx(1.0)  # it tips


def test_what_is_near_presses_and_what_is_far_does_not() -> None:
    area = torch.tensor([2.0, 1.0, 1.0], dtype=torch.float64)
    share = pressure(torch.tensor([-0.004, 0.0, 0.05], dtype=torch.float64), area, 0.005)
    assert np.allclose(share, [2 / 3, 1 / 3, 0.0], atol=1e-6)
    away = pressure(torch.tensor([1.0, 1.02, 2.0], dtype=torch.float64), area, 0.005)
    assert np.allclose(away, [1.0, 0.0, 0.0])


def random_grasp(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Points, normals, distances of seven contacts."""
    rng = np.random.default_rng(seed)
    normals = rng.standard_normal((7, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    distance = rng.uniform(-0.004, 0.01, 7)
    return torch.as_tensor(rng.uniform(-0.3, 0.3, (7, 3))), torch.as_tensor(normals), torch.as_tensor(distance)


def test_moving_and_turning_all_of_it_changes_nothing() -> None:
    points, normals, distance = random_grasp(0)
    share = pressure(distance, torch.ones(7, dtype=torch.float64), 0.005)
    center, shift = points.mean(0), torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    for support, axis in (("none", [0.3, -0.8, 1.1]), ("weight", [0.0, 0.0, 1.3]), ("floor", [0.0, 0.0, -2.0])):
        turn = rotations.from_rotvec(torch.tensor(axis, dtype=torch.float64))
        first = closure_residual(points, normals, share, center, 0.3, support)  # type: ignore[arg-type]
        moved = [rotations.rotate(turn, p) + shift for p in (points, center)]
        second = closure_residual(moved[0], rotations.rotate(turn, normals), share, moved[1], 0.3, support)  # type: ignore[arg-type]
        assert float(first) == pytest.approx(float(second), rel=1e-9)
        assert float(first) > 0.01


@pytest.mark.parametrize("support", ["none", "weight", "floor"])
def test_the_gradient_agrees_with_finite_differences(support: str) -> None:
    points, normals, distance = random_grasp(3)
    ways = [torch.as_tensor(np.random.default_rng(4).standard_normal(x.shape)) for x in (points, normals, distance)]
    ways[2] = 0.01 * ways[2]

    def cost(s: torch.Tensor) -> torch.Tensor:
        share = pressure(distance + s * ways[2], torch.ones(7, dtype=torch.float64), 0.005)
        normal = normals + s * ways[1]
        return closure_residual(points + s * ways[0], normal, share, CENTER, 0.3, support)  # type: ignore[arg-type]

    step = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(cost(step), step)
    h = torch.tensor(1e-6, dtype=torch.float64)
    expected = float(cost(h) - cost(-h)) / 2e-6
    assert abs(expected) > 1e-2
    assert float(slope) == pytest.approx(expected, rel=1e-5)
