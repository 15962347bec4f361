"""Two-bone inverse kinematics: the end arrives, the bend goes to the right side, the hinge is a hinge."""

from __future__ import annotations

import numpy as np
import pytest

from generate.limbs import solve_limb
from sim import rotations

THIGH, SHANK = np.array([0.0, 0.0, -0.4]), np.array([0.01, 0.02, -0.42])
KNEE = np.array([0.0, 1.0, 0.0])


def _ends(upper: np.ndarray, lower: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    middle = start + rotations.rotate(upper, np.tile(THIGH, (len(start), 1)))
    return middle, middle + rotations.rotate(lower, np.tile(SHANK, (len(start), 1)))


def test_the_end_arrives_exactly_and_the_middle_is_on_the_poles_side() -> None:
    rng = np.random.default_rng(1)
    start = rng.normal(size=(200, 3))
    direction = rotations.normalize(rng.normal(size=(200, 3)))
    end = start + direction * rng.uniform(0.1, 0.8, size=(200, 1))
    pole = rng.normal(size=(200, 3))
    middle, reached = _ends(*solve_limb(start, end, pole, THIGH, SHANK, KNEE), start)
    np.testing.assert_allclose(reached, end, atol=1e-9)
    across = (middle - start) - ((middle - start) * direction).sum(-1, keepdims=True) * direction
    assert ((across * pole).sum(-1) > 0).all()


def test_a_right_angle_at_the_knee() -> None:
    """Thigh forward and level, shank down: Pythagoras gives the distance, the knee's turn is 90 degrees about +y."""
    shank = np.array([0.0, 0.0, -0.3])
    upper, lower = solve_limb(
        np.zeros((1, 3)), np.array([[0.4, 0.0, -0.3]]), np.array([[1.0, 0.0, 1.0]]), THIGH, shank, KNEE
    )
    knee = rotations.to_rotvec(rotations.multiply(rotations.inverse(upper), lower))
    np.testing.assert_allclose(knee, [[0.0, np.pi / 2, 0.0]], atol=1e-6)


def test_out_of_reach_it_stretches_towards_the_end() -> None:
    start, end = np.zeros((1, 3)), np.array([[0.0, 0.0, -2.0]])
    _, reached = _ends(*solve_limb(start, end, np.array([[1.0, 0.0, 0.0]]), THIGH, SHANK, KNEE), start)
    length = np.linalg.norm(THIGH) + np.linalg.norm(SHANK)
    np.testing.assert_allclose(reached, [[0.0, 0.0, -length]], atol=2e-3)


@pytest.mark.parametrize("distance", [0.05, 0.4, 0.81])
def test_rotations_are_unit(distance: float) -> None:
    for q in solve_limb(
        np.zeros((1, 3)), np.array([[0.0, 0.0, -distance]]), np.array([[1.0, 0, 0]]), THIGH, SHANK, KNEE
    ):
        assert np.linalg.norm(q) == pytest.approx(1.0)
