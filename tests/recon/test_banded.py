import numpy as np
import pytest

from recon.banded import NormalEquations

ROWS, SHARED = 5, 3


def _random(frames: int, unknowns: int, shared: int) -> tuple[NormalEquations, np.ndarray, np.ndarray]:
    """Residuals of one, two and three frames, and the same problem densely: J [rows, T n + K], r [rows]."""
    rng = np.random.default_rng(frames)
    equations, rows, values = NormalEquations(frames, unknowns, shared), [], []
    for reach in (1, 2, 3):
        residuals = rng.normal(size=(max(frames + 1 - reach, 0), ROWS))
        jacobians = [rng.normal(size=(len(residuals), ROWS, unknowns)) for _ in range(reach)]
        by_shared = rng.normal(size=(len(residuals), ROWS, shared)) if reach != 2 else None
        equations.add(residuals, jacobians, by_shared)
        for t in range(len(residuals)):
            row = np.zeros((ROWS, frames * unknowns + shared))
            for i, jacobian in enumerate(jacobians):
                row[:, (t + i) * unknowns : (t + i + 1) * unknowns] = jacobian[t]
            if by_shared is not None:
                row[:, frames * unknowns :] = by_shared[t]
            rows.append(row)
            values.append(residuals[t])
    own, offset = rng.normal(size=(shared, shared)) + 3 * np.eye(shared), rng.normal(size=shared)
    equations.add_shared(offset, own)
    rows.append(np.concatenate((np.zeros((shared, frames * unknowns)), own), 1))
    values.append(offset)
    return equations, np.concatenate(rows), np.concatenate(values)


@pytest.mark.parametrize("shared", [0, SHARED])
@pytest.mark.parametrize(("frames", "unknowns"), [(1, 6), (2, 6), (3, 4), (9, 6), (5, 1)])
def test_the_step_is_the_dense_one(frames: int, unknowns: int, shared: int) -> None:
    equations, jacobian, residuals = _random(frames, unknowns, shared)
    size = frames * unknowns
    gradient, hessian = jacobian.T @ residuals, jacobian.T @ jacobian
    np.testing.assert_allclose(equations.gradient.ravel(), gradient[:size], atol=1e-9)
    np.testing.assert_allclose(equations.shared_gradient, gradient[size:], atol=1e-9)
    assert np.isclose(equations.cost, 0.5 * residuals @ residuals)
    added = np.diag(1.0 + np.arange(unknowns))
    absolute = np.zeros_like(hessian)
    absolute[:size, :size] = np.kron(np.eye(frames), added)
    for damping, grown in ((added, absolute), (0.3, 0.3 * np.diag(np.diag(hessian)))):
        expected = -np.linalg.solve(hessian + grown, gradient)
        found = np.concatenate([part.ravel() for part in equations.step(damping)])
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_one_jacobian_may_serve_all_frames() -> None:
    rng = np.random.default_rng(0)
    one, each = NormalEquations(6, 4), NormalEquations(6, 4)
    residuals, jacobian = rng.normal(size=(5, ROWS)), rng.normal(size=(1, ROWS, 4))
    one.add(residuals, [jacobian, -jacobian])
    each.add(residuals, [np.repeat(jacobian, 5, 0), -np.repeat(jacobian, 5, 0)])
    np.testing.assert_allclose(one.blocks, each.blocks, atol=1e-12)
    np.testing.assert_allclose(one.gradient, each.gradient, atol=1e-12)


def test_damping_shortens_the_step() -> None:
    rng = np.random.default_rng(1)
    equations = NormalEquations(6, 4, SHARED)
    equations.add(rng.normal(size=(6, ROWS)), [rng.normal(size=(6, ROWS, 4))])
    equations.add_shared(np.ones(SHARED), np.eye(SHARED))
    steps = [np.linalg.norm(equations.step(damping)[0]) for damping in (0.0, 1.0, 100.0)]
    assert steps[0] > steps[1] > steps[2]
    np.testing.assert_allclose(equations.step(1.0)[1], -0.5, atol=1e-6)


def test_what_is_not_positive_definite_is_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        NormalEquations(3, 2).step(np.zeros((2, 2)))
