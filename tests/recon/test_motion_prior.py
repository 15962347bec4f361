import numpy as np

from recon.motion_prior import MotionPrior, evaluate, solve
from sim import rotations

PRIOR = MotionPrior(speed=2.0, turn=3.0, acceleration=4.0, turn_acceleration=5.0)


def _path(frames: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(frames, 3)), rotations.normalize(rng.normal(size=(frames, 4)) + [3.0, 0, 0, 0])


def _dense(blocks: np.ndarray) -> np.ndarray:
    frames = len(blocks)
    dense = np.zeros((frames, 6, frames, 6))
    for t in range(frames):
        for j in range(min(3, frames - t)):
            dense[t, :, t + j] = blocks[t, j]
            dense[t + j, :, t] = blocks[t, j].T
    return dense.reshape(6 * frames, 6 * frames)


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


def test_hessian_is_exact_where_the_prior_is_quadratic() -> None:
    position, _ = _path()
    still = np.tile([1.0, 0, 0, 0], (6, 1))
    found = evaluate(PRIOR, position, still, 2.0)
    dense = _dense(found.blocks)
    step = np.zeros((6, 6))
    step[:, :3] = np.random.default_rng(1).normal(size=(6, 3))
    moved = evaluate(PRIOR, position + step[:, :3], still, 2.0)
    expected = found.gradient.reshape(-1) + dense @ step.reshape(-1)
    np.testing.assert_allclose(moved.gradient.reshape(-1), expected, atol=1e-9)


def test_banded_solution_is_the_dense_one() -> None:
    rng = np.random.default_rng(2)
    for frames in (1, 2, 3, 9):
        blocks = evaluate(PRIOR, *_path(frames), 2.0).blocks
        blocks[:, 0] += np.eye(6)
        right = rng.normal(size=(frames, 6))
        expected = np.linalg.solve(_dense(blocks), right.reshape(-1)).reshape(frames, 6)
        np.testing.assert_allclose(solve(blocks, right), expected, atol=1e-9)
