"""How objects move, as a Gaussian prior over a whole trajectory: velocities and accelerations are seldom large.

It lets frames with too few points follow their neighbours. The normal equations couple a frame with the next two, so
they are block banded, and solving a clip costs time linear in its frames.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import solveh_banded

from sim import rotations

_BLOCKS = 3
_BAND = 6 * _BLOCKS - 1


@dataclass(frozen=True)
class MotionPrior:
    """One standard deviation of what an object in human hands does.

    Attributes:
        speed: m/s; turn: rad/s. Weak: they keep what no point determines from drifting off.
        acceleration: m/s^2; turn_acceleration: rad/s^2. They smooth; larger values follow the points more closely.
    """

    speed: float = 1.0
    turn: float = 3.0
    acceleration: float = 10.0
    turn_acceleration: float = 50.0


class Prior(NamedTuple):
    """cost; gradient [T, 6]; blocks [T, 3, 6, 6], the Hessian's blocks (t, t), (t, t + 1), (t, t + 2)."""

    cost: float
    gradient: np.ndarray
    blocks: np.ndarray


def evaluate(prior: MotionPrior, position_w: np.ndarray, rotation_w: np.ndarray, fps: float) -> Prior:
    """The prior's cost, gradient and Gauss-Newton Hessian at a trajectory [T, 3] m, [T, 4].

    Perturbations as in `recon.observations`. With r = log(R' R^-1), exp(d') R' and exp(d) R change r by
    Jl^-1(r) d' - Jl^-1(-r) d.
    """
    frames = len(position_w)
    gradient, blocks = np.zeros((frames, 6)), np.zeros((frames, _BLOCKS, 6, 6))
    turns = rotations.to_rotvec(rotations.multiply(rotation_w[1:], rotations.inverse(rotation_w[:-1])))
    steps = np.concatenate((np.diff(position_w, axis=0), turns), -1)
    ahead = np.tile(np.eye(6), (len(steps), 1, 1))
    behind = -ahead
    ahead[:, 3:, 3:] = _inverse_left_jacobian(turns)
    behind[:, 3:, 3:] = -_inverse_left_jacobian(-turns)
    slow = fps / np.repeat([prior.speed, prior.turn], 3)
    calm = fps**2 / np.repeat([prior.acceleration, prior.turn_acceleration], 3)
    families = [
        (slow * steps, [behind, ahead], slow),
        (calm * np.diff(steps, axis=0), [-behind[:-1], behind[1:] - ahead[:-1], ahead[1:]], calm),
    ]
    cost = 0.0
    for residuals, jacobians, weights in families:
        n = len(residuals)
        cost += 0.5 * float((residuals**2).sum())
        scaled = [weights[:, None] * jacobian for jacobian in jacobians]
        for i, left in enumerate(scaled):
            gradient[i : i + n] += (np.swapaxes(left, -1, -2) @ residuals[..., None])[..., 0]
            for j in range(i, len(scaled)):
                blocks[i : i + n, j - i] += np.swapaxes(left, -1, -2) @ scaled[j]
    return Prior(cost, gradient, blocks)


def solve(blocks: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve the symmetric positive definite block-banded system of `Prior.blocks`: [T, 6] -> [T, 6].

    Raises numpy.linalg.LinAlgError where it is not positive definite.
    """
    row, column, source = _band_index(len(blocks))
    band = np.zeros((_BAND + 1, 6 * len(blocks)))
    band[row, column] = blocks.reshape(-1)[source]
    solution: np.ndarray = solveh_banded(band, right.reshape(-1), check_finite=False).reshape(-1, 6)
    return solution


@functools.lru_cache(maxsize=4)
def _band_index(frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each number of the blocks stands in LAPACK's upper banded storage: row, column, flat source."""
    frame, offset, a, b = np.indices((frames, _BLOCKS, 6, 6)).reshape(4, -1)
    row, column = 6 * frame + a, 6 * (frame + offset) + b
    source = np.flatnonzero((row <= column) & (column < 6 * frames))
    return (_BAND + row - column)[source], column[source], source


def _inverse_left_jacobian(v: np.ndarray) -> np.ndarray:
    """Jl^-1(v) of SO(3) = I - [v]/2 + c [v]^2, c = (1 - (a/2) cot(a/2)) / a^2, a = |v|: [n, 3] -> [n, 3, 3]."""
    angle = np.linalg.norm(v, axis=-1)[:, None, None]
    safe = np.where(angle < 1e-3, 1.0, angle)
    c = np.where(angle < 1e-3, 1 / 12, (1 - 0.5 * safe / np.tan(0.5 * safe)) / safe**2)
    cross = np.cross(np.eye(3), v[:, None])  # rows e_i x v make [v]
    inverse: np.ndarray = np.eye(3) - 0.5 * cross + c * cross @ cross
    return inverse
