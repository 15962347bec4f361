"""Limbs bent onto their goals in all frames at once, in closed form: legs onto footsteps, arms onto what they hold."""

from __future__ import annotations

import numpy as np

from generate.limbs import solve_limb
from sim import rotations, skeleton
from sim.skeleton import JOINT_INDEX, SIDES

_STRAIGHT = 0.995
"""Of a limb's length, as far as it is stretched."""
_HARDLY_BENT = 0.003
"""m by which a middle joint is off the line, below which the limb's anatomy says to which side it bends."""


def stand(
    rotations_b: np.ndarray, root_w: np.ndarray, offsets: np.ndarray, ankles_w: np.ndarray, feet_w: np.ndarray
) -> np.ndarray:
    """Both legs as a gait wants them, knees over the toes.

    Args:
        rotations_b: [T, 52, 4], root_w: [T, 3] m; ankles_w: [T, 2, 3] m; feet_w: [T, 2, 4].

    Returns:
        [T, 52, 4].
    """
    joints_w, world = skeleton.forward_kinematics(rotations_b, root_w, offsets)
    for i, side in enumerate(SIDES):
        hip, knee, ankle, foot = (JOINT_INDEX[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "foot"))
        toes = rotations.rotate(feet_w[:, i], np.array([1.0, 0.0, 0.0]))
        world[:, hip], world[:, knee] = solve_limb(
            joints_w[:, hip], ankles_w[:, i], toes * [1.0, 1.0, 0.0] + [0.0, 0.0, 0.3], offsets[knee], offsets[ankle],
            hinge_b=np.array([0.0, 1.0, 0.0]),
        )  # fmt: skip
        world[:, ankle], world[:, foot] = feet_w[:, i], _level(feet_w[:, i])
    return skeleton.local_rotations(world)


def _level(feet_w: np.ndarray) -> np.ndarray:
    """The toes lie flat while the heel rises."""
    q: np.ndarray = rotations.heading(feet_w)
    return q


def bend(
    rotations_b: np.ndarray, root_w: np.ndarray, offsets: np.ndarray, chain: tuple[int, int, int],
    goal_w: np.ndarray, end_w: np.ndarray, weight: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Bring a limb's end to a goal by the smallest turns of its two bones; out of reach it is stretched towards it.

    Args:
        chain: joints at its beginning, middle and end.
        goal_w: [T, 3] m and end_w: [T, 4], where the end should be, and how turned. weight: [T] 0..1.

    Returns:
        [T, 52, 4].
    """
    first, middle, last = chain
    joints_w, world = skeleton.forward_kinematics(rotations_b, root_w, offsets)
    start, elbow, end = (joints_w[:, joint] for joint in chain)
    goal = end + weight[:, None] * (goal_w - end)
    ahead = 1.0 if skeleton.JOINT_NAMES[first].endswith("hip") else -1.0  # knees bend to the front, elbows to the back
    pole = rotations.rotate(world[:, first], np.array([ahead, 0.0, 0.0]))
    bent = _middle(start, elbow, goal, pole, *(float(np.linalg.norm(offsets[joint])) for joint in chain[1:]))
    reached = _drawn_in(start, goal, np.linalg.norm(offsets[[middle, last]], axis=-1).sum())
    out = world.copy()
    out[:, first] = rotations.multiply(rotations.between(elbow - start, bent - start), world[:, first])
    out[:, middle] = rotations.multiply(rotations.between(end - elbow, reached - bent), world[:, middle])
    out[:, last] = rotations.slerp(world[:, last], _near(end_w, world[:, last]), weight)
    moved = rotations.multiply(out[:, last], rotations.inverse(world[:, last]))
    for joint in range(last + 1, skeleton.NUM_JOINTS):  # fingers and toes go with it
        if _below(joint, last):
            out[:, joint] = rotations.multiply(moved, world[:, joint])
    return skeleton.local_rotations(out)


def _below(joint: int, ancestor: int) -> bool:
    while joint > ancestor:
        joint = skeleton.PARENTS[joint]
    return joint == ancestor


def _near(q: np.ndarray, other: np.ndarray) -> np.ndarray:
    sign = np.where((q * other).sum(-1, keepdims=True) < 0.0, -1.0, 1.0)
    return sign * q


def _drawn_in(start: np.ndarray, goal: np.ndarray, length: float) -> np.ndarray:
    way = goal - start
    distance = np.linalg.norm(way, axis=-1, keepdims=True)
    drawn: np.ndarray = start + way * np.minimum(1.0, _STRAIGHT * length / np.maximum(distance, 1e-9))
    return drawn


def _middle(
    start: np.ndarray, elbow: np.ndarray, goal: np.ndarray, pole: np.ndarray, upper: float, lower: float
) -> np.ndarray:
    """Where the middle joint goes: on the side where it is, or of the pole where it is on neither."""
    line = _drawn_in(start, goal, upper + lower) - start
    distance = np.linalg.norm(line, axis=-1, keepdims=True).clip(abs(upper - lower) + 1e-6)
    along = line / distance
    aside, pole = (way - (way * along).sum(-1, keepdims=True) * along for way in (elbow - start, pole))
    lacking = np.maximum(_HARDLY_BENT - np.linalg.norm(aside, axis=-1, keepdims=True), 0.0)
    across = rotations.normalize(aside + lacking * rotations.normalize(pole))
    cosine = ((upper**2 + distance**2 - lower**2) / (2 * upper * distance)).clip(-1.0, 1.0)
    bent: np.ndarray = start + upper * (cosine * along + np.sqrt(1.0 - cosine**2) * across)
    return bent
