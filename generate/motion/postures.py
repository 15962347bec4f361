"""Postures at the bounds of the phases: relaxed where nothing is touched, else holding what the plan holds there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from generate.gait import minimum_jerk
from generate.limbs import solve_limb
from generate.motion.config import SpaceTimeConfig
from generate.motion.contacts import Hold
from generate.motion.energy import Course, MotionEnergy, Subject, corrected, descend
from generate.motion.stances import Stance
from generate.motion.timeline import Timeline
from generate.plan import PlannedContact
from recon.body.pose_prior import load_pose_prior
from sim import rotations, skeleton
from sim.skeleton import FINGER_JOINTS, JOINT_INDEX, SIDES

_IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])
_GRIP_SECONDS = 0.25
"""In which fingers close, and open."""
_BLENDS = (0.0, 0.4, 0.8)
"""Shares of the relaxed posture in what a descent begins with."""


@dataclass(frozen=True, eq=False)
class Posture:
    """A pose beside a stance: local rotations [52, 4], whose root is relative to the stance's way, and the root's place
    [3] m, ahead, left and above the floor of the stance's middle."""

    rotations_b: np.ndarray
    root: np.ndarray

    @staticmethod
    def beside(stance: Stance, rotations_b: np.ndarray, root_w: np.ndarray) -> Posture:
        """Of a pose in the world."""
        away = _about_z(-stance.yaw)
        local = rotations_b.copy()
        local[0] = rotations.multiply(away, rotations_b[0])
        return Posture(local, rotations.rotate(away, root_w - np.append(stance.position, stance.z)))

    def at(self, stance: Stance) -> tuple[np.ndarray, np.ndarray]:
        """In the world: [52, 4] and [3] m."""
        yaw = _about_z(stance.yaw)
        local = self.rotations_b.copy()
        local[0] = rotations.multiply(yaw, self.rotations_b[0])
        return local, np.append(stance.position, stance.z) + rotations.rotate(yaw, self.root)

    def towards(self, other: Posture, share: float) -> Posture:
        """A posture between the two, with the fingers of this one."""
        turned = rotations.slerp(self.rotations_b, other.rotations_b, np.full(skeleton.NUM_JOINTS, share))
        turned[list(FINGER_JOINTS)] = self.rotations_b[list(FINGER_JOINTS)]
        return Posture(turned, self.root + share * (other.root - self.root))


def idle_arms(posture: Posture, free: Posture, busy: set[str]) -> Posture:
    """With arms that touch nothing (sides not in `busy`) hanging as in the relaxed posture, however the trunk bends."""
    local = posture.rotations_b.copy()
    no_bones = np.zeros((skeleton.NUM_JOINTS, 3))
    turned, at_ease = (skeleton.forward_kinematics(p.rotations_b, p.root, no_bones)[1] for p in (posture, free))
    for side in set(SIDES) - busy:
        collar, shoulder = JOINT_INDEX[f"{side}_collar"], JOINT_INDEX[f"{side}_shoulder"]
        arm = list(range(collar, JOINT_INDEX[f"{side}_wrist"] + 16))
        local[arm] = free.rotations_b[arm]
        above = rotations.multiply(turned[JOINT_INDEX["spine3"]], free.rotations_b[collar])
        local[shoulder] = rotations.multiply(rotations.inverse(above), at_ease[shoulder])
    return Posture(local, posture.root)


def holding(holds: Sequence[Hold], posture: Posture) -> Posture:
    """With the fingers with which hands took hold, however the pose that was found for a later contact has them."""
    local = posture.rotations_b.copy()
    for hold in holds:
        if hold.fingers_b is not None:
            local[hold.joint + 1 : hold.joint + 16] = hold.fingers_b
    return Posture(local, posture.root)


def closing(
    timeline: Timeline, holds: Mapping[PlannedContact, Hold], times: np.ndarray, rotations_b: np.ndarray, free: Posture
) -> np.ndarray:
    """[T, 52, 4] with fingers that are at ease until shortly before their hand takes hold, and again after it."""
    out = rotations_b.copy()
    for hand in {hold.joint for hold in holds.values() if hold.fingers_b is not None}:
        fingers = np.tile(free.rotations_b[hand + 1 : hand + 16], (len(times), 1, 1))
        for contact, hold in holds.items():
            if hold.joint == hand and hold.fingers_b is not None:
                begin, end = timeline.held(contact)
                if any(phase.ballistic for phase in timeline.plan.phases[contact.last + 1 :][:1]):
                    end -= _GRIP_SECONDS  # what flies off leaves an open hand
                outside = np.maximum(np.maximum(begin - times, times - end), 0.0) / _GRIP_SECONDS
                closed = np.repeat(1.0 - minimum_jerk(outside)[:, None], 15, 1)
                fingers = rotations.slerp(fingers, np.broadcast_to(hold.fingers_b, fingers.shape).copy(), closed)
        out[:, hand + 1 : hand + 16] = fingers
    return out


def relaxed(offsets: np.ndarray, ankle_height: float) -> Posture:
    """Upright, arms hanging; the pelvis as high as knees that are a little bent want it."""
    world = np.tile(_IDENTITY, (1, skeleton.NUM_JOINTS, 1))
    local = skeleton.local_rotations(world)
    joints = skeleton.forward_kinematics(local, np.zeros((1, 3)), offsets)[0]
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        shoulder, elbow, wrist = (JOINT_INDEX[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist"))
        length = np.linalg.norm(offsets[[elbow, wrist]], axis=-1).sum()
        hanging = joints[:, shoulder] + 0.97 * length * rotations.normalize(np.array([[0.12, 0.14 * sign, -1.0]]))
        upper, lower = solve_limb(
            joints[:, shoulder], hanging, np.array([[-1.0, 0.35 * sign, 0.0]]), offsets[elbow], offsets[wrist],
            hinge_b=np.array([0.0, 0.0, -sign]),
        )  # fmt: skip
        world[:, shoulder] = upper
        world[:, elbow : wrist + 16] = lower[:, None]
    local = skeleton.local_rotations(world)[0]
    local[list(FINGER_JOINTS)] = load_pose_prior().fingers_b
    leg = offsets[[JOINT_INDEX["left_knee"], JOINT_INDEX["left_ankle"]]]
    hip = offsets[JOINT_INDEX["left_hip"], 2]
    return Posture(local, np.array([-0.03, 0.0, ankle_height + 0.985 * np.linalg.norm(leg, axis=-1).sum() - hip]))


def settle(
    subject: Subject, course: Course, config: SpaceTimeConfig, stances: list[Stance], free: Posture,
    guesses: list[Posture], styled: list[Posture] | None = None,
) -> list[Posture]:  # fmt: skip
    """The postures of N bounds: from blends of each guess with the relaxed one, the best that the descents find.

    Args:
        course: of N independent frames. stances, guesses: N. styled: N more to begin with.
    """
    config = replace(config, weights=replace(config.weights, stay=0.0))
    tried = [[guess.towards(free, share).at(s) for guess, s in zip(guesses, stances, strict=True)] for share in _BLENDS]
    if styled:
        tried.append([posture.at(stance) for posture, stance in zip(styled, stances, strict=True)])
    rows = np.tile(np.arange(len(stances)), len(tried))
    local, root = _stacked([row for some in tried for row in some])
    turn, move, terms = descend(MotionEnergy(subject, course.at(rows), config), local, root, config.posture_steps)
    total = np.sum(list(terms.values()), axis=0).reshape(len(tried), -1)
    best = total.argmin(0) * len(stances) + np.arange(len(stances))
    found, place = apply(local[best], turn[best]), root[best] + move[best]
    return [Posture.beside(s, q, p) for s, q, p in zip(stances, found, place, strict=True)]


def apply(rotations_b: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """`energy.corrected` on arrays, normalised."""
    q: np.ndarray = rotations.normalize(corrected(rotations.as_tensor(rotations_b), rotations.as_tensor(turn)).numpy())
    return q


def _stacked(rows: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    local, root = zip(*rows, strict=True)
    return np.stack(local), np.stack(root)


def _about_z(angle: float) -> np.ndarray:
    q: np.ndarray = rotations.from_rotvec(np.array([0.0, 0.0, angle]))
    return q
