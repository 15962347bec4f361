import numpy as np

from recon.banded import NormalEquations
from recon.keypoints.motion_prior import MotionPrior, add_motion
from sim import rotations

PRIOR = MotionPrior(speed=2.0, turn=3.0, acceleration=4.0, turn_acceleration=5.0)


def _path(frames: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(frames, 3)), rotations.normalize(rng.normal(size=(frames, 4)) + [3.0, 0, 0, 0])


def evaluate(prior: MotionPrior, position: np.ndarray, rotation: np.ndarray, fps: float) -> NormalEquations:
    equations = NormalEquations(len(position), 6)
    add_motion(equations, prior, position, rotation, fps)
    return equations


def test_cost_by_hand() -> None:
    # Along x at 0, 1, 3 m and 2 frames a second: speeds 2 and 4 m/s, acceleration (3 - 2 + 0) * 4 = 4 m/s^2.
    position = np.array([[0.0, 0, 0], [1, 0, 0], [3, 0, 0]])
    still = np.tile([1.0, 0, 0, 0], (3, 1))
    assert np.isclose(evaluate(PRIOR, position, still, 2.0).cost, 0.5 * (1**2 + 2**2 + 1**2))
    # The same about z: turns by 0.1 and 0.2 rad: 0.2 and 0.4 rad/s, 0.4 rad/s^2.
    turned = rotations.from_rotvec(np.array([[0.0, 0, 0], [0, 0, 0.1], [0, 0, 0.3]]))
    cost = 0.5 * ((0.2 / 3) ** 2 + (0.4 / 3) ** 2 + (0.4 / 5) ** 2)
    assert np.isclose(evaluate(PRIOR, 0 * position, turned, 2.0).cost, cost)


def test_gradient_by_finite_differences() -> None:
    position, rotation = _path()
    found = evaluate(PRIOR, position, rotation, 2.0)
    numeric = np.zeros_like(found.gradient)
    for t, i in np.ndindex(numeric.shape):
        costs = []
        for sign in (1, -1):
            step = np.zeros_like(numeric)
            step[t, i] = sign * 1e-6
            turned = rotations.multiply(rotations.from_rotvec(step[:, 3:]), rotation)
            costs.append(evaluate(PRIOR, position + step[:, :3], turned, 2.0).cost)
        numeric[t, i] = (costs[0] - costs[1]) / 2e-6
    np.testing.assert_allclose(found.gradient, numeric, rtol=1e-5, atol=1e-6)


def test_one_step_solves_what_is_quadratic() -> None:
    # Without turning the prior is quadratic: with its ends held at 0 and 5 m, speeds even out in one step.
    position = np.cumsum(np.abs(_path()[0]), axis=0)
    position[0], position[-1] = 0.0, 5.0
    found = evaluate(PRIOR, position, np.tile([1.0, 0, 0, 0], (6, 1)), 2.0)
    held = np.zeros((6, 6, 6))
    held[[0, -1]] = 1e9 * np.eye(6)
    held[:, 3:, 3:] += np.eye(3)
    moved = position + found.step(held)[0][:, :3]
    np.testing.assert_allclose(moved, np.arange(6)[:, None] * np.ones(3), atol=1e-6)
