"""First guesses of object poses: every rotation is tried, in every frame, without an iterative search in space.

With a 2D point's residual multiplied by its depth, both kinds of residual of eq. 3 are linear in the position, which
is eliminated, and quadratic in the nine numbers of the rotation matrix (so in SQPnP, Terzakis & Lourakis 2020). A
spread of rotations is scored by that quadratic, the best are polished on it, and the best that differ are handed on.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from recon.keypoints.observations import Observations
from sim import rotations

_SPREAD = 384
_POLISHED = 16
_POLISHING_STEPS = 6
_DISTINCT = np.radians(35.0)
_MIN_DEPTH = 0.3
_NEAR_SIGMA = 1.0
"""m, how far from the person objects are: decides only what no point decides."""


class Candidates(NamedTuple):
    """position_w [T, K, 3] m of the points' centre, rotation_w [T, K, 4]; T = 1 for one pose in all frames."""

    position_w: np.ndarray
    rotation_w: np.ndarray


class _Quadratic(NamedTuple):
    """cost(r) = r D r - 2 e r with r the matrix, row by row, [T, 9, 9] and [T, 9]; position = f - B r."""

    d: np.ndarray
    e: np.ndarray
    f: np.ndarray
    b: np.ndarray

    def cost(self, r: np.ndarray) -> np.ndarray:
        """[T, K, 9] -> [T, K]."""
        cost: np.ndarray = ((r @ self.d - 2 * self.e[:, None]) * r).sum(-1)
        return cost


def search(observations: Observations, count: int, static: bool) -> Candidates:
    """The `count` most promising poses of each frame (of the clip, where static), best first, all before the camera."""
    quadratic = _quadratic(observations, static)
    spread = _spread_rotations(_SPREAD)
    costs = quadratic.cost(np.broadcast_to(_flat(spread), (len(quadratic.d), _SPREAD, 9)))
    best = np.argpartition(costs, _POLISHED, axis=-1)[:, :_POLISHED]
    rotation, costs = _polish(quadratic, spread[best])
    rotation = _distinct(rotation, costs, count)
    position = quadratic.f[:, None] - _flat(rotation) @ np.swapaxes(quadratic.b, -1, -2)
    return Candidates(_before_camera(observations, position, rotation), rotation)


def _quadratic(o: Observations, static: bool) -> _Quadratic:
    """Eliminates the position from the summed squares of rows a (R p + t) - b."""
    c = o.num_contacts
    depth = np.maximum(o.camera.to_camera(o.near_w[:, None])[..., 0, 2], _MIN_DEPTH)
    weights = o.precision
    k = o.camera.intrinsics
    rows_c = k[:2] - o.pixels[..., None] * k[2]
    rows_w = (weights[:, c:, None, None] / depth[:, None, None, None]) * (rows_c @ o.camera_axes[:, None])
    eye_w = np.broadcast_to(np.atleast_2d(o.camera.position_w)[:, None, None], (*rows_w.shape[:2], 1, 3))
    inward, known = _depth_rows(o)
    rows = np.concatenate(  # [T, 3 C + 2 P + D + 3, 3]: contacts, image points, depths, and a place near the person
        (
            (weights[:, :c, None, None] * np.eye(3)).reshape(len(weights), -1, 3),
            rows_w.reshape(len(weights), -1, 3),
            inward,
            np.tile(np.eye(3) / _NEAR_SIGMA, (len(weights), 1, 1)),
        ),
        1,
    )
    right = np.concatenate(
        (
            (weights[:, :c, None] * o.targets_w).reshape(len(weights), -1),
            (rows_w * eye_w).sum(-1).reshape(len(weights), -1),
            known,
            o.near_w / _NEAR_SIGMA,
        ),
        1,
    )
    seen = o.points_b[c:]
    arms = np.concatenate(
        (np.repeat(o.points_b[:c], 3, 0), np.repeat(seen, 2, 0), seen[: inward.shape[1]], np.zeros((3, 3)))
    )
    turns = (rows[..., None] * arms[:, None]).reshape(*rows.shape[:2], 9)  # a R p = sum_ij a_i R_ij p_j
    if static:
        rows, turns, right = (x.reshape(1, -1, *x.shape[2:]) for x in (rows, turns, right))
    inverse = np.linalg.inv(np.swapaxes(rows, -1, -2) @ rows)
    b = inverse @ np.swapaxes(rows, -1, -2) @ turns
    f = (inverse @ np.swapaxes(rows, -1, -2) @ right[..., None])[..., 0]
    turns, right = turns - rows @ b, right - (rows @ f[..., None])[..., 0]
    return _Quadratic(np.swapaxes(turns, -1, -2) @ turns, (np.swapaxes(turns, -1, -2) @ right[..., None])[..., 0], f, b)


def _depth_rows(o: Observations) -> tuple[np.ndarray, np.ndarray]:
    """Rows a [T, D, 3] and right sides b [T, D] of a (R p + t) = b for image points of known depth; D = P or 0."""
    if o.depths is None:
        return np.zeros((len(o.active), 0, 3)), np.zeros((len(o.active), 0))
    weight = np.isfinite(o.depths) * np.sqrt(o.confidence[:, o.num_contacts :]) / o.depth_sigma
    inward = np.broadcast_to(o.camera_axes[:, 2], (len(weight), 3))
    at = (inward * o.camera.position_w).sum(-1, keepdims=True)
    return weight[..., None] * inward[:, None], weight * (np.nan_to_num(o.depths) + at)


def _polish(quadratic: _Quadratic, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A few damped Gauss-Newton steps on the quadratic: [T, K, 4] -> the same and its costs [T, K]."""
    cost = quadratic.cost(_flat(rotation))
    scale = np.trace(quadratic.d, axis1=-2, axis2=-1)[:, None, None, None] * np.eye(3) + 1e-12 * np.eye(3)
    damping = np.full(cost.shape, 1e-3)
    for _ in range(_POLISHING_STEPS):
        r = _flat(rotation)
        # d(exp(w) R)/dw_i = [e_i] R
        slopes = (_GENERATORS[:, None, None] @ r.reshape(*r.shape[:2], 3, 3)).reshape(3, *r.shape)
        slopes = np.moveaxis(slopes, 0, -2)
        gradient = (slopes @ (r @ quadratic.d - quadratic.e[:, None])[..., None])[..., 0]
        hessian = slopes @ quadratic.d[:, None] @ np.swapaxes(slopes, -1, -2)
        step = -np.linalg.solve(hessian + damping[..., None, None] * scale, gradient[..., None])[..., 0]
        trial = rotations.multiply(rotations.from_rotvec(step), rotation)
        trial_cost = quadratic.cost(_flat(trial))
        better = trial_cost < cost
        rotation = np.where(better[..., None], trial, rotation)
        cost = np.where(better, trial_cost, cost)
        damping *= np.where(better, 0.2, 8.0)
    return rotation, cost


def _distinct(rotation: np.ndarray, costs: np.ndarray, count: int) -> np.ndarray:
    """The cheapest rotations that lie apart, [T, K, 4] -> [T, count, 4]; where fewer do, the cheapest comes again."""
    chosen, costs = [], costs.copy()
    frames = np.arange(len(costs))
    cheapest = rotation[frames, costs.argmin(-1)]
    for _ in range(count):
        best = costs.argmin(-1)
        left = np.isfinite(costs[frames, best])[:, None]
        chosen.append(np.where(left, rotation[frames, best], cheapest))
        costs[rotations.angle_between(rotation, chosen[-1][:, None]) < _DISTINCT] = np.inf
    return np.stack(chosen, 1)


def _before_camera(o: Observations, position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Positions [T or 1, K, 3], pushed along the line of sight to the person's depth where a point would be behind."""
    arms = rotations.rotate(rotation[:, :, None], np.broadcast_to(o.points_b, (*rotation.shape[:2], *o.points_b.shape)))
    shape = (len(o.active), *arms.shape[1:])
    seen = o.camera.to_camera(np.broadcast_to(arms + position[:, :, None], shape))
    active = o.active[:, None] & (np.arange(len(o.points_b)) >= o.num_contacts)
    behind = np.any(active & (seen[..., 2] < _MIN_DEPTH), axis=-1)
    if len(position) == 1:
        behind = np.any(behind, axis=0, keepdims=True)
    away = np.where(behind[..., None], o.near_w[: len(position), None], position)
    return away


def _flat(rotation: np.ndarray) -> np.ndarray:
    """Rotation matrices, row by row: [..., 4] -> [..., 9]."""
    matrix: np.ndarray = rotations.to_matrix(rotation)
    return matrix.reshape(*matrix.shape[:-2], 9)


@functools.cache
def _spread_rotations(count: int) -> np.ndarray:
    """Evenly spread rotations [count, 4]: the super-Fibonacci spiral (Alexa, CVPR 2022)."""
    s = np.arange(count) + 0.5
    radius = np.stack((np.sqrt(s / count), np.sqrt(1 - s / count)))
    alpha, beta = 2 * np.pi * s / np.sqrt(2.0), 2 * np.pi * s / 1.533751168755204288118041
    rows = (radius[0] * np.sin(alpha), radius[0] * np.cos(alpha), radius[1] * np.sin(beta), radius[1] * np.cos(beta))
    return np.stack(rows, -1)


_GENERATORS = np.array(
    [[[0, 0, 0], [0, 0, -1], [0, 1, 0]], [[0, 0, 1], [0, 0, 0], [-1, 0, 0]], [[0, -1, 0], [1, 0, 0], [0, 0, 0]]], float
)
"""[e_i] for the three axes: [3, 3, 3]."""
