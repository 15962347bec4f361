"""How objects move, as a Gaussian prior over a whole trajectory: velocities and accelerations are seldom large.

It lets frames with too few points follow their neighbours, and evens out noise. What nobody touches is at rest: see
`recon.keypoints.rest`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recon.banded import NormalEquations
from sim import rotations


@dataclass(frozen=True)
class MotionPrior:
    """One standard deviation of what an object does, in human hands and left alone.

    Attributes:
        speed: m/s; turn: rad/s. Weak: they keep what no point determines from drifting off.
        acceleration: m/s^2; turn_acceleration: rad/s^2. They smooth; larger values follow the points more closely.
        rest_speed: m/s; rest_turn: rad/s, in place of speed and turn where an object is at rest, so that it has one
            pose there. None: nothing is ever taken to be at rest.
        floor: m, how far from the floor the lowest point of what rests on it may lie (`recon.keypoints.floor`). None:
            the floor says nothing.
        still: how many deviations of a click pixels may spread within half a second of rest.
    """

    speed: float = 1.0
    turn: float = 3.0
    acceleration: float = 10.0
    turn_acceleration: float = 50.0
    rest_speed: float | None = 0.02
    rest_turn: float = 0.04
    floor: float | None = 0.01
    still: float = 2.0


def add_motion(
    equations: NormalEquations,
    prior: MotionPrior,
    position_w: np.ndarray,
    rotation_w: np.ndarray,
    fps: float,
    rest: np.ndarray | None = None,
) -> None:
    """Add the prior's residuals at a trajectory [T, 3] m, [T, 4] to the equations of its T x 6 perturbations.

    `rest` [T - 1] says from 0 to 1 how far each step is one of rest; deviations in between blend in their logarithms.

    Perturbations as in `recon.keypoints.observations`. With r = log(R' R^-1), exp(d') R' and exp(d) R change r by
    Jl^-1(r) d' - Jl^-1(-r) d.
    """
    turns = rotations.to_rotvec(rotations.multiply(rotation_w[1:], rotations.inverse(rotation_w[:-1])))
    steps = np.concatenate((np.diff(position_w, axis=0), turns), -1)
    ahead = np.tile(np.eye(6), (len(steps), 1, 1))
    behind = -ahead
    ahead[:, 3:, 3:] = rotations.left_jacobian_inverse(turns)
    behind[:, 3:, 3:] = -rotations.left_jacobian_inverse(-turns)
    slow = np.tile(fps / np.repeat([prior.speed, prior.turn], 3), (len(steps), 1))
    if rest is not None and prior.rest_speed is not None:
        slow *= np.repeat([prior.speed / prior.rest_speed, prior.turn / prior.rest_turn], 3) ** rest[:, None]
    equations.add(slow * steps, [slow[..., None] * behind, slow[..., None] * ahead])
    calm = fps**2 / np.repeat([prior.acceleration, prior.turn_acceleration], 3)
    bends = (-behind[:-1], behind[1:] - ahead[:-1], ahead[1:])
    equations.add(calm * np.diff(steps, axis=0), [calm[:, None] * bend for bend in bends])
