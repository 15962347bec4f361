import numpy as np
import pytest

from recon.banded import NormalEquations

FRAMES, SIZE, SHARED, ROWS = 6, 4, 3, 5


@pytest.mark.parametrize("with_shared", [True, False])
def test_the_step_is_that_of_dense_least_squares(with_shared: bool) -> None:
    rng = np.random.default_rng(0)
    equations = NormalEquations(FRAMES, SIZE, SHARED)
    jacobian, by_shared = rng.normal(size=(FRAMES, ROWS, SIZE)), rng.normal(size=(FRAMES, ROWS, SHARED))
    rows, right = [], []
    for stencil, weight in (((1.0,), 2.0), ((1.0, -2.0, 1.0), 0.5), ((-1.0, 1.0), 3.0)):
        residual = rng.normal(size=(FRAMES - len(stencil) + 1, ROWS))
        equations.add(residual, jacobian, by_shared if with_shared else None, weight, stencil)
        for t in range(len(residual)):
            row = np.zeros((ROWS, FRAMES * SIZE + SHARED))
            for k, c in enumerate(stencil):
                row[:, (t + k) * SIZE : (t + k + 1) * SIZE] += c * jacobian[t + k]
                row[:, FRAMES * SIZE :] += c * by_shared[t + k] * with_shared
            rows.append(np.sqrt(weight) * row)
            right.append(np.sqrt(weight) * residual[t])
    own = rng.normal(size=(SHARED, SHARED)) + 3 * np.eye(SHARED)
    offset = rng.normal(size=SHARED)
    equations.add_shared(offset, own)
    rows.append(np.concatenate((np.zeros((SHARED, FRAMES * SIZE)), own), 1))
    right.append(offset)
    expected = np.linalg.lstsq(np.concatenate(rows), -np.concatenate(right), rcond=None)[0]
    change, shared = equations.solve(0.0)
    np.testing.assert_allclose(np.append(change.ravel(), shared), expected, atol=1e-6)


def test_damping_shortens_the_step() -> None:
    rng = np.random.default_rng(1)
    equations = NormalEquations(FRAMES, SIZE, SHARED)
    equations.add(rng.normal(size=(FRAMES, ROWS)), rng.normal(size=(FRAMES, ROWS, SIZE)), None)
    equations.add_shared(np.ones(SHARED), np.eye(SHARED))
    steps = [np.linalg.norm(equations.solve(damping)[0]) for damping in (0.0, 1.0, 100.0)]
    assert steps[0] > steps[1] > steps[2]
    np.testing.assert_allclose(equations.solve(1.0)[1], -0.5, atol=1e-6)
