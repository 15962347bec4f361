"""Gauss-Newton normal equations of a clip: a frame is coupled to the next few, and to parameters that all share.

The matrix is banded with a border (an arrowhead). Its Cholesky factor costs time linear in the number of frames, and a
few extra right-hand sides deal with the shared parameters (Schur complement).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import cho_solve_banded, cholesky_banded

_LEAST = 1e-9
"""Added to the diagonal where damping is relative: an unknown that no residual sees stays where it is."""


class NormalEquations:
    """Sums of J^T J and J^T r over residuals of frames, of neighbouring frames, and of the shared parameters.

    Args:
        frames: T; unknowns: n in each; shared: K of the whole clip; coupled: B, how many frames a residual may reach
            over (3 for accelerations).

    Attributes:
        blocks: [B, T, n, n], block (k, t) couples the frames t and t + k; border: [T, n, K]; corner: [K, K].
        gradient: [T, n]; shared_gradient: [K].
        cost: half the sum of squares.
    """

    def __init__(self, frames: int, unknowns: int, shared: int = 0, coupled: int = 3) -> None:
        self.blocks = np.zeros((coupled, frames, unknowns, unknowns))
        self.border = np.zeros((frames, unknowns, shared))
        self.corner = np.zeros((shared, shared))
        self.gradient, self.shared_gradient = np.zeros((frames, unknowns)), np.zeros(shared)
        self.cost = 0.0

    def add(
        self,
        residuals: np.ndarray,
        jacobians: Sequence[np.ndarray],
        by_shared: np.ndarray | None = None,
        *,
        cost: float | None = None,
    ) -> None:
        """Add whitened residuals [m, r]; row t depends on frames t, t + 1 ... by one Jacobian for each.

        Args:
            jacobians: each [m or 1, r, n]; by_shared: [m, r, K], None where the shared parameters do not matter.
            cost: in place of half the sum of squares, where a robust kernel has weighted the residuals.
        """
        m, right = len(residuals), residuals[..., None]
        self.cost += 0.5 * float((residuals**2).sum()) if cost is None else cost
        for i, left in enumerate(jacobians):
            transposed = left.swapaxes(-1, -2)
            self.gradient[i : i + m] += (transposed @ right)[..., 0]
            for k, ahead in enumerate(jacobians[i:]):
                self.blocks[k, i : i + m] += transposed @ ahead
            if by_shared is not None:
                self.border[i : i + m] += transposed @ by_shared
        if by_shared is not None:
            flat = by_shared.reshape(residuals.size, len(self.corner))
            self.corner += flat.T @ flat
            self.shared_gradient += flat.T @ residuals.reshape(-1)

    def add_shared(self, residuals: np.ndarray, jacobian: np.ndarray) -> None:
        """Add residuals of the shared parameters alone: [M], [M, K]."""
        self.cost += 0.5 * float((residuals**2).sum())
        self.corner += jacobian.T @ jacobian
        self.shared_gradient += jacobian.T @ residuals

    def step(self, damping: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """The damped Gauss-Newton step, [T, n] of the frames and [K] of the shared parameters.

        Args:
            damping: [T, n, n] or what broadcasts to it, added to the frames' own blocks; or a number, by which share
                the whole diagonal grows (Marquardt).

        Raises:
            numpy.linalg.LinAlgError: the matrix is not positive definite.
        """
        frames, unknowns = self.gradient.shape
        own, corner = self.blocks[0].copy(), self.corner
        if isinstance(damping, np.ndarray):
            own += damping
        else:
            diagonal = np.arange(unknowns)
            own[:, diagonal, diagonal] *= 1.0 + damping
            own[:, diagonal, diagonal] += _LEAST
            corner = corner + np.diag(damping * np.diag(corner) + _LEAST)
        band = _lower_band(own, *self.blocks[1:])
        factor = (cholesky_banded(band, lower=True, overwrite_ab=True, check_finite=False), True)
        right = np.concatenate((self.gradient[..., None], self.border), -1).reshape(frames * unknowns, -1)
        solved = cho_solve_banded(factor, right, overwrite_b=True, check_finite=False)
        border = self.border.reshape(frames * unknowns, -1)
        schur = corner - border.T @ solved[:, 1:]
        shared = np.linalg.solve(schur, border.T @ solved[:, 0] - self.shared_gradient)
        return (-solved[:, 0] - solved[:, 1:] @ shared).reshape(frames, unknowns), shared


def _lower_band(*blocks: np.ndarray) -> np.ndarray:
    """LAPACK's lower band storage of blocks (t, t), (t, t + 1) ..., each [T, n, n]: (j + d, j) in row d, column j."""
    frames, unknowns, _ = blocks[0].shape
    band = np.zeros((len(blocks) * unknowns, frames * unknowns), order="F")
    column = np.arange(unknowns)
    for ahead, coupling in enumerate(blocks):
        below = ahead * unknowns + column - column[:, None]  # how far (t + ahead, b) is below (t, a): [a, b]
        a, b = np.nonzero(below >= 0)
        columns = np.arange(max(frames - ahead, 0))[:, None] * unknowns + a
        band[below[a, b], columns] = coupling[: len(columns), a, b]
    return band
