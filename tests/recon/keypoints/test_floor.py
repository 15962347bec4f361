"""What the floor adds to the equations; `test_rest.py` solves with it."""

from __future__ import annotations

import numpy as np

from recon.banded import NormalEquations
from recon.keypoints.floor import add_floor, standing
from sim import rotations
from sim.geometry import Primitive
from sim.objects import Shape

BOX_CORNERS = Shape.of(Primitive("box", (0.4, 0.3, 0.2))).hull_corners
UPRIGHT = np.tile([1.0, 0.0, 0.0, 0.0], (6, 1))


def _heights(*heights: float) -> np.ndarray:
    return np.array(heights)[:, None] * [0.0, 0.0, 1.0]


def test_what_rests_near_the_floor_stands_on_it() -> None:
    """A box 0.2 m high: its bottom is 0.1 m below its middle."""
    place = _heights(0.15, 0.15, 0.12, 0.5, 0.5, 0.05)
    rest = np.array([[0, 1], [3, 4]])  # 50 mm above the floor; 0.4 m above it
    assert standing(BOX_CORNERS, place, UPRIGHT, rest).tolist() == [True, True, False, False, False, False]
    assert not standing(BOX_CORNERS, place, UPRIGHT, np.zeros((0, 2), int)).any()


def test_cost_by_hand() -> None:
    """At 0.13 m the four lowest corners are 30 mm up; at 0.08 m, 20 mm below: three deviations, and two."""
    equations = NormalEquations(6, 6)
    add_floor(
        equations, BOX_CORNERS, np.array([1, 0, 1, 0, 0, 0], bool), _heights(0.13, 1, 0.08, 0, 0, 0), UPRIGHT, 0.01
    )
    assert np.isclose(equations.cost, 0.5 * (3.0**2 + 2.0**2))
    assert not equations.gradient[[1, 3, 4, 5]].any()


def test_gradient_by_finite_differences() -> None:
    rng = np.random.default_rng(0)
    place, turn = 0.1 * rng.normal(size=(6, 3)), rotations.normalize(rng.normal(size=(6, 4)))
    stands = np.array([1, 1, 0, 1, 1, 1], bool)

    def at(step: np.ndarray) -> NormalEquations:
        equations = NormalEquations(6, 6)
        turned = rotations.multiply(rotations.from_rotvec(step[:, 3:]), turn)
        add_floor(equations, BOX_CORNERS, stands, place + step[:, :3], turned, 0.01)
        return equations

    steps = 1e-6 * np.eye(36).reshape(36, 6, 6)
    numeric = [(at(step).cost - at(-step).cost) / 2e-6 for step in steps]
    np.testing.assert_allclose(at(np.zeros((6, 6))).gradient.ravel(), numeric, rtol=1e-4, atol=1e-3)
