"""What rests near the floor stands on it.

How high a resting object lies tells its distance from a camera that looks down, where image points hardly do. The floor
is z = 0 of the world, on which the body's feet stand too.
"""

from __future__ import annotations

import numpy as np

from recon.banded import NormalEquations
from sim import rotations

_REACH = 0.08
"""m; what rests with its lowest point farther from the floor stands on something else, or is lost."""
_CORNERS = 8
"""The lowest corners that are looked at in a frame."""


def standing(corners_b: np.ndarray, position_w: np.ndarray, rotation_w: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Frames [T] in which an object stands on the floor: stretches of rest whose median lowest point is near it.

    Args:
        corners_b: [H, 3] m, of its convex hull, in the frame of the poses [T, 3] m, [T, 4].
        rest: [R, 2] first and last frames, see `recon.keypoints.rest.rest_intervals`.
    """
    lowest = rotations.rotate(rotation_w[:, None], corners_b)[..., 2].min(1) + position_w[:, 2]
    stands = np.zeros(len(position_w), np.bool_)
    for first, last in rest:
        stands[first : last + 1] = abs(np.median(lowest[first : last + 1])) < _REACH
    return stands


def add_floor(
    equations: NormalEquations,
    corners_b: np.ndarray,
    stands: np.ndarray,
    position_w: np.ndarray,
    rotation_w: np.ndarray,
    sigma: float,
) -> None:
    """Add to a trajectory's equations that where an object stands its lowest corner is at z = 0 and none is below.

    Args:
        equations: of T x 6 perturbations, as in `recon.keypoints.observations`.
        corners_b, position_w, rotation_w: as in `standing`, which says `stands` [T].
        sigma: m, one standard deviation of the corners that count in a frame, all together.
    """
    frames = np.flatnonzero(stands)
    count = min(_CORNERS, len(corners_b))
    arms = rotations.rotate(rotation_w[:, None], corners_b)
    lowest = np.argpartition(arms[..., 2], count - 1, axis=1)[:, :count]
    arms = np.take_along_axis(arms, lowest[..., None], 1)
    height = arms[..., 2] + position_w[:, 2:]
    counts = (height < 0) | (height == height.min(1, keepdims=True))
    weight = np.zeros(height.shape)
    weight[frames] = (counts / (sigma * np.sqrt(counts.sum(1, keepdims=True))))[frames]
    rows = np.zeros((*height.shape, 6))  # of d z = d[2] + (d[3:] x arm)_z
    rows[..., 2], rows[..., 3], rows[..., 4] = 1.0, arms[..., 1], -arms[..., 0]
    equations.add(weight * height, [weight[..., None] * rows])
