import numpy as np
import pytest

from recon.block_banded import NormalEquations


def _random(frames: int, unknowns: int) -> tuple[NormalEquations, np.ndarray, np.ndarray]:
    """Residuals of one, two and three frames, and the same problem written out densely: J [rows, T n], r [rows]."""
    rng = np.random.default_rng(frames)
    equations, rows, values = NormalEquations.zeros(frames, unknowns), [], []
    for reach in (1, 2, 3):
        residuals = rng.normal(size=(max(frames + 1 - reach, 0), 5))
        jacobians = [rng.normal(size=(len(residuals), 5, unknowns)) for _ in range(reach)]
        equations.add(residuals, jacobians)
        for t in range(len(residuals)):
            row = np.zeros((5, frames, unknowns))
            for i, jacobian in enumerate(jacobians):
                row[:, t + i] = jacobian[t]
            rows.append(row.reshape(5, -1))
            values.append(residuals[t])
    return equations, np.concatenate(rows), np.concatenate(values)


@pytest.mark.parametrize(("frames", "unknowns"), [(1, 6), (2, 6), (3, 4), (9, 6), (5, 1)])
def test_the_step_is_the_dense_one(frames: int, unknowns: int) -> None:
    equations, jacobian, residuals = _random(frames, unknowns)
    damping = np.diag(1.0 + np.arange(unknowns))
    dense = jacobian.T @ jacobian + np.kron(np.eye(frames), damping)
    expected = -np.linalg.solve(dense, jacobian.T @ residuals).reshape(frames, unknowns)
    np.testing.assert_allclose(equations.step(damping), expected, atol=1e-9)
    np.testing.assert_allclose(equations.gradient.reshape(-1), jacobian.T @ residuals, atol=1e-9)
    assert np.isclose(equations.cost, 0.5 * residuals @ residuals)


def test_what_is_not_positive_definite_is_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        NormalEquations.zeros(3, 2).step(np.zeros((2, 2)))
