"""A first course of the whole clip: postures blended along the way of the stances, legs on footsteps, balanced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from generate.gait import FeetTracks, balance
from generate.motion import limbs
from generate.motion.loads import Load
from generate.motion.postures import Posture
from generate.motion.stances import Stance, ankles, between
from generate.motion.timeline import FPS, Timeline
from sim import rotations, skeleton
from sim.body.capsules import body_geoms
from sim.skeleton import JOINT_INDEX, SIDES

_ROUNDS = 3
_CENTER_HEIGHT = 0.56
"""Of the centre of mass in standing, in statures."""
_SWING = 0.35
"""rad of arm swing for every m of stride."""


@dataclass(frozen=True, eq=False)
class Draft:
    """rotations_b [T, 52, 4], root_w [T, 3] m; what it follows: ankles_w [T, 2, 3] m, feet_w [T, 2, 4], center_w [T, 2]
    m (body and load), forward [T, 3]."""

    rotations_b: np.ndarray
    root_w: np.ndarray
    ankles_w: np.ndarray
    feet_w: np.ndarray
    center_w: np.ndarray
    forward: np.ndarray


def draft(
    timeline: Timeline, times: np.ndarray, stances: list[Stance], postures: list[Posture], feet: FeetTracks,
    offsets: np.ndarray, load: Load, standing: np.ndarray, balanced: np.ndarray, height_m: float,
) -> Draft:  # fmt: skip
    """Put it together.

    Args:
        times: [T] s. stances, postures: at the P + 1 bounds. feet: over the times. standing: [T, 2], balanced: [T],
            as in `generate.motion.energy.Course`.
    """
    feet_w = foot_rotations(feet)
    ankles_w = ankles(feet.ball_w, feet_w, offsets)
    path = _path(timeline, times, stances)
    local, place = blended(timeline, times, postures)
    yaw = rotations.from_rotvec(path[:, 2:] * np.array([0.0, 0.0, 1.0]))
    local[:, 0] = rotations.multiply(yaw, local[:, 0])
    root = rotations.rotate(yaw, place)
    root[:, :2] += path[:, :2]
    root[:, 2] += stances[0].z + timeline.progress(times) @ np.diff([stance.z for stance in stances])
    _swing_arms(local, feet, path[:, 2])
    center = balance(feet.pressure_w + load.lean, _CENTER_HEIGHT * height_m, FPS)
    posed = local
    for turn in range(_ROUNDS):
        if turn:
            off = center - center_of_mass(posed, root, offsets, load)
            root[:, :2] += balanced[:, None] * ndimage.gaussian_filter1d(off, 2.0, axis=0, mode="nearest")
        root[:, 2] = _low_enough(local, root, offsets, ankles_w, standing)
        legs = limbs.stand(local, root, offsets, ankles_w, feet_w)
        posed = _legs_blended(local, legs, standing)
    forward = np.column_stack((np.cos(path[:, 2]), np.sin(path[:, 2]), np.zeros(len(times))))
    return Draft(posed, root, ankles_w, feet_w, center, forward)


def foot_rotations(feet: FeetTracks) -> np.ndarray:
    """[T, 2, 4], toes turned, then heels raised."""
    zero = np.zeros_like(feet.yaw)
    turned = rotations.from_rotvec(np.stack((zero, zero, feet.yaw), -1))
    q: np.ndarray = rotations.multiply(turned, rotations.from_rotvec(np.stack((zero, feet.pitch, zero), -1)))
    return q


def center_of_mass(local: np.ndarray, root: np.ndarray, offsets: np.ndarray, load: Load) -> np.ndarray:
    """Of the simulated body and its load, [T, 2] m."""
    joints, world = skeleton.forward_kinematics(local, root, offsets)
    geoms = body_geoms(offsets)
    on = [geom.joint for geom in geoms]
    arms = rotations.rotate(world[:, on], np.stack([geom.position_b for geom in geoms]))
    body = np.average(joints[:, on] + arms, axis=1, weights=[geom.mass for geom in geoms])
    share = load.share[:, None]
    center: np.ndarray = ((body + share * load.center_w) / (1.0 + share))[:, :2]
    return center


def _path(timeline: Timeline, times: np.ndarray, stances: list[Stance]) -> np.ndarray:
    """[T, 3] x, y, yaw of the stance's middle."""
    progress, phase = timeline.progress(times), timeline.phase_at(times)
    path = np.zeros((len(times), 3))
    for p in range(len(timeline.seconds)):
        rows = phase == p
        path[rows] = between(stances[p], stances[p + 1], progress[rows, p])
    return path


def blended(timeline: Timeline, times: np.ndarray, postures: list[Posture]) -> tuple[np.ndarray, np.ndarray]:
    """Between the postures at the bounds: rotations [T, 52, 4] and roots [T, 3] m, beside the stances."""
    progress, phase = timeline.progress(times), timeline.phase_at(times)
    share = progress[np.arange(len(times)), phase]
    turns, places = np.stack([p.rotations_b for p in postures]), np.stack([p.root for p in postures])
    spread = np.repeat(share[:, None], turns.shape[1], 1)
    local = rotations.slerp(turns[phase], turns[phase + 1], spread)
    return local, places[phase] + share[:, None] * (places[phase + 1] - places[phase])


def _swing_arms(local: np.ndarray, feet: FeetTracks, yaw: np.ndarray) -> None:
    """Arms against the legs, in place, by how far one foot is ahead of the other."""
    way = np.stack((np.cos(yaw), np.sin(yaw)), -1)
    stride = ((feet.ball_w[:, 1, :2] - feet.ball_w[:, 0, :2]) * way).sum(-1)
    low = [
        rotations.rotate(local[:, JOINT_INDEX[f"{s}_shoulder"]], np.array([0.0, y, 0.0]))
        for s, y in zip(SIDES, (1.0, -1.0), strict=True)
    ]
    for i, (side, sign) in enumerate(zip(SIDES, (1.0, -1.0), strict=True)):
        hanging = np.clip(-low[i][:, 2] * 2.0 - 1.0, 0.0, 1.0)  # an arm that is raised has something to do
        turn = rotations.from_rotvec(np.stack((0 * yaw, -sign * _SWING * stride * hanging, 0 * yaw), -1))
        joint = JOINT_INDEX[f"{side}_shoulder"]
        local[:, joint] = rotations.multiply(turn, local[:, joint])


def _low_enough(
    local: np.ndarray, root: np.ndarray, offsets: np.ndarray, ankles: np.ndarray, standing: np.ndarray
) -> np.ndarray:
    """[T] m, the root's height, lowered to where both legs reach the floor with the knees a little bent."""
    hips = np.stack([offsets[JOINT_INDEX[f"{side}_hip"]] for side in SIDES])
    reach = 0.985 * np.linalg.norm(offsets[[JOINT_INDEX["left_knee"], JOINT_INDEX["left_ankle"]]], axis=-1).sum()
    to_hip = rotations.rotate(local[:, :1], np.tile(hips, (len(root), 1, 1)))
    apart = ((root[:, None] + to_hip - ankles)[..., :2] ** 2).sum(-1)
    allowed = ankles[..., 2] + np.sqrt(np.maximum(reach**2 - apart, 0.01)) - to_hip[..., 2]
    allowed = np.where(standing > 0.5, allowed, np.inf)
    too_high = np.maximum(root[:, 2] - allowed.min(-1), 0.0)
    lowered = ndimage.gaussian_filter1d(ndimage.maximum_filter1d(too_high, 5, mode="nearest"), 2.0, mode="nearest")
    height: np.ndarray = root[:, 2] - lowered
    return height


def _legs_blended(local: np.ndarray, legs: np.ndarray, standing: np.ndarray) -> np.ndarray:
    out = local.copy()
    for i, side in enumerate(SIDES):
        joints = [JOINT_INDEX[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "foot")]
        weight = np.repeat(standing[:, i, None], len(joints), 1)
        out[:, joints] = rotations.slerp(local[:, joints], legs[:, joints], weight)
    return out
