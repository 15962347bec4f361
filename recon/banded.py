"""Gauss-Newton normal equations of a clip: one block per frame, coupled to the next few, plus parameters shared by all.

The matrix is banded with a border (an arrowhead). Its Cholesky factor costs time linear in the number of frames, and a
few extra right-hand sides deal with the shared parameters (Schur complement).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_solve_banded, cholesky_banded


class NormalEquations:
    """Sums of J^T W J and J^T W r over residuals of frames, of neighbouring frames, and of the shared parameters.

    Args:
        frames: T; size: D unknowns a frame; shared: K unknowns of the whole clip; reach: how many frames ahead a
            residual may couple (2 for accelerations).
    """

    def __init__(self, frames: int, size: int, shared: int, reach: int = 2) -> None:
        self.blocks = [np.zeros((frames, size, size)) for _ in range(reach + 1)]  # [k][t] couples t and t + k
        self.border = np.zeros((frames, size, shared))
        self.corner = np.zeros((shared, shared))
        self.gradient, self.shared_gradient = np.zeros((frames, size)), np.zeros(shared)

    def add(
        self,
        residual: np.ndarray,
        jacobian: np.ndarray,
        by_shared: np.ndarray | None,
        weight: np.ndarray | float = 1.0,
        stencil: tuple[float, ...] = (1.0,),
    ) -> None:
        """Add sum_t w_t |r_t|^2 / 2 with r_t = sum_k stencil_k x_(t+k).

        Args:
            residual: [T - n + 1, M] for a stencil of n frames.
            jacobian: [T, M, D] of x by the frame's unknowns; by_shared: [T, M, K] or None where there is none.
            weight: broadcastable to [T - n + 1, M].
        """
        count, span = len(residual), len(stencil)
        root = np.sqrt(np.broadcast_to(weight, residual.shape))[..., None]
        parts = [c * root * jacobian[k : k + count] for k, c in enumerate(stencil)]
        right = root * residual[..., None]
        shared = None
        if by_shared is not None:
            shared = root * sum(c * by_shared[k : k + count] for k, c in enumerate(stencil))
            flat = shared.reshape(-1, shared.shape[-1])
            self.corner += flat.T @ flat
            self.shared_gradient += flat.T @ right.reshape(-1)
        for i in range(span):
            transposed = parts[i].swapaxes(-1, -2)
            for j in range(i, span):
                self.blocks[j - i][i : i + count] += transposed @ parts[j]
            self.gradient[i : i + count] += (transposed @ right)[..., 0]
            if shared is not None:
                self.border[i : i + count] += transposed @ shared

    def add_shared(self, residual: np.ndarray, jacobian: np.ndarray) -> None:
        """Residuals of the shared parameters alone: [M], [M, K]."""
        self.corner += jacobian.T @ jacobian
        self.shared_gradient += jacobian.T @ residual

    def solve(self, damping: float) -> tuple[np.ndarray, np.ndarray]:
        """The Levenberg-Marquardt step: [T, D] and [K]. Damping is relative to the diagonal.

        Raises numpy.linalg.LinAlgError where the matrix is not positive definite.
        """
        frames, size = self.gradient.shape
        banded = self._banded(damping)
        factor = (cholesky_banded(banded, lower=True, overwrite_ab=True, check_finite=False), True)
        right = np.concatenate((self.gradient[..., None], self.border), -1).reshape(frames * size, -1)
        solved = cho_solve_banded(factor, right, check_finite=False)
        border = self.border.reshape(frames * size, -1)
        corner = self.corner + np.diag(damping * np.diag(self.corner) + 1e-9)
        schur = corner - border.T @ solved[:, 1:]
        step = np.linalg.solve(schur, border.T @ solved[:, 0] - self.shared_gradient)
        return (-solved[:, 0] - solved[:, 1:] @ step).reshape(frames, size), step

    def _banded(self, damping: float) -> np.ndarray:
        """Lower band storage: row d, column j holds entry (j + d, j)."""
        frames, size = self.gradient.shape
        banded = np.zeros((len(self.blocks) * size, frames * size), order="F")  # as LAPACK has it
        column = np.arange(size)
        for ahead, blocks in enumerate(self.blocks):
            below = ahead * size + column[:, None] - column[None, :]  # row offset of (t + ahead, b), (t, a): [b, a]
            b, a = np.nonzero((below >= 0) & (below < len(banded)))
            for_frames = np.arange(frames - ahead)[:, None] * size + a
            banded[below[b, a], for_frames] = blocks[: frames - ahead][:, a, b]
        banded[0] += damping * banded[0] + 1e-9
        return banded
