"""Least squares over a clip in which a frame is coupled with the next few: block-banded normal equations.

Solving costs time linear in the number of frames.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solveh_banded


@dataclass(eq=False)
class NormalEquations:
    """Sums up residuals of n unknowns in each of T frames.

    Attributes:
        gradient: [T, n]; blocks: [T, B, n, n], the Gauss-Newton Hessian's blocks (t, t), (t, t + 1) ... (t, t + B - 1).
        cost: half the sum of squares.
    """

    gradient: np.ndarray
    blocks: np.ndarray
    cost: float = 0.0

    @staticmethod
    def zeros(frames: int, unknowns: int, coupled: int = 3) -> NormalEquations:
        """Empty, for residuals that reach over `coupled` frames at most."""
        return NormalEquations(np.zeros((frames, unknowns)), np.zeros((frames, coupled, unknowns, unknowns)))

    def add(self, residuals: np.ndarray, jacobians: Sequence[np.ndarray], *, cost: float | None = None) -> None:
        """Add residuals [m, r]; row t depends on frames t, t + 1 ... by jacobians [m or 1, r, n], one for each.

        `cost` stands in for half the sum of squares where they are already weighted by a robust kernel.
        """
        m = len(residuals)
        self.cost += 0.5 * float((residuals**2).sum()) if cost is None else cost
        for i, left in enumerate(jacobians):
            transposed = np.swapaxes(left, -1, -2)
            self.gradient[i : i + m] += (transposed @ residuals[..., None])[..., 0]
            for j in range(i, len(jacobians)):
                self.blocks[i : i + m, j - i] += transposed @ jacobians[j]

    def step(self, damping: np.ndarray) -> np.ndarray:
        """The damped Gauss-Newton step [T, n]; `damping` [T, n, n] or anything that broadcasts to it is added.

        Raises numpy.linalg.LinAlgError where the sum is not positive definite.
        """
        blocks = self.blocks.copy()
        blocks[:, 0] += damping
        return solve(blocks, -self.gradient)


def solve(blocks: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve the symmetric positive definite system of `NormalEquations.blocks`: [T, B, n, n], [T, n] -> [T, n]."""
    frames, coupled, unknowns, _ = blocks.shape
    row, column, source = _band_index(frames, coupled, unknowns)
    band = np.zeros((coupled * unknowns, frames * unknowns))
    band[row, column] = blocks.reshape(-1)[source]
    solution: np.ndarray = solveh_banded(band, right.reshape(-1), check_finite=False).reshape(frames, unknowns)
    return solution


@functools.lru_cache(maxsize=8)
def _band_index(frames: int, coupled: int, unknowns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each number of the blocks stands in LAPACK's upper banded storage: row, column, flat source."""
    frame, offset, a, b = np.indices((frames, coupled, unknowns, unknowns)).reshape(4, -1)
    row, column = unknowns * frame + a, unknowns * (frame + offset) + b
    source = np.flatnonzero((row <= column) & (column < unknowns * frames))
    return (coupled * unknowns - 1 + row - column)[source], column[source], source
