"""Where the person stands in a pose: a stance on the floor, or on the object with a step up and a step down."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from generate.affordance.contacts import carries_person, contact_purpose
from generate.motion.config import GaitConfig
from generate.motion.stances import Foot, Stance
from generate.object_path import turn_matrix
from generate.plan import InteractionPlan, PlannedContact
from generate.pose import StaticPose
from sim import rotations, skeleton
from sim.objects import Shape
from sim.skeleton import JOINT_INDEX, SIDES

_OFF_FLOOR = 0.08
_LOW = 0.35
"""m over the floor, below which an object is in the way of feet."""
_TOES = 0.08
"""m of toes before the ball of the foot."""
_FOLLOWED = 0.18
"""m more between toes and what is pulled after the person."""
_CLEAR = 0.03
"""m between toes or heels and what the person steps up onto, or off."""
_STRIDE = 0.6
"""m of a step up."""
_DOWN = 2e-3
"""m from height to height at which a surface is looked for."""
_PULLED = 0.2
"""m towards the person from which on an object comes after their feet."""


@dataclass(frozen=True)
class Footing:
    """Attributes:
    stance: of the person. standing: whether left and right foot are on the floor. carried: the object bears the person.
    floor: who stands on the object steps up from the first of these stances, and down onto the second.
    """

    stance: Stance
    standing: tuple[bool, bool]
    carried: bool
    floor: tuple[Stance, Stance] | None = None


def footing_of(
    plan: InteractionPlan, bound: int, contacts: tuple[PlannedContact, ...], pose: StaticPose, shape: Shape,
    offsets: np.ndarray, foot: Foot, config: GaitConfig,
) -> Footing:  # fmt: skip
    """Of a pose at the beginning of a phase: feet side by side where it has them, clear of what is before them."""
    joints, _ = skeleton.forward_kinematics(pose.joint_rotations_b, pose.root_position_w, offsets)
    ends = np.array([[JOINT_INDEX[f"{side}_{name}"] for name in ("ankle", "foot")] for side in SIDES])
    feet = joints[ends]
    named = {contact.body_part for contact in contacts}
    standing = tuple(
        bool(feet[i, 1, 2] < foot.ball_height + _OFF_FLOOR) and f"{side}_foot" not in named
        for i, side in enumerate(SIDES)
    )
    turned = sum(phase.turn for phase in plan.phases[:bound])
    yaw = float(np.arctan2(pose.facing_w[1], pose.facing_w[0]) + turned + np.pi * plan.faces_away)
    down = [i for i in range(2) if standing[i]] or [0, 1]
    middle = feet[down].mean((0, 1))[:2]
    stance = Stance(float(middle[0]), float(middle[1]), float(np.arctan2(np.sin(yaw), np.cos(yaw))))
    if sum(standing) == 1:  # the other foot is up, and comes down beside
        stance = stance.ahead(0.0, (standing[1] - 0.5 * sum(standing)) * config.stance_width)
    if _stands_on(plan, contacts):
        stance, floor = _stepping(stance, pose, shape, foot)
        return Footing(stance, (True, True), False, floor)
    if {"left_hand", "right_hand"} <= named:
        hands = joints[[JOINT_INDEX[f"{side}_wrist"] for side in SIDES], :2].mean(0)
        stance = stance.ahead(0.0, float(turn_matrix(np.array(-yaw))[1] @ (hands - middle)))
    carried = carries_person(plan, contacts)
    if not carried and all(standing):
        follows = any(step.forward < -_PULLED for step in plan.phases[bound:])
        stance = stance.ahead(-_too_near(stance.ahead(_FOLLOWED if follows else 0.0), pose, shape, foot))
    return Footing(stance, (standing[0], standing[1]), carried)


def _stands_on(plan: InteractionPlan, contacts: tuple[PlannedContact, ...]) -> bool:
    """Whether both feet, and nothing else that bears the person, are on top of what stays where it is."""
    feet = [c for c in contacts if c.body_part.endswith("foot") and contact_purpose(plan, c) == "tread"]
    moves = any(plan.phases[p].moves for c in feet for p in range(c.first, c.last + 1))
    return len(feet) == 2 and not carries_person(plan, contacts) and not moves


def _stepping(stance: Stance, pose: StaticPose, shape: Shape, foot: Foot) -> tuple[Stance, tuple[Stance, Stance]]:
    """The stance on the object, a step from its edge, and those on the floor before and after."""
    before = stance.ahead(-_too_near(stance, pose, shape, foot) - _CLEAR)
    on = before.ahead(min(_STRIDE, float((stance.position - before.position) @ stance.forward)))
    back = on.ahead(0.0, 0.0, np.pi)
    after = back.ahead(-_too_near(back, pose, shape, foot) - _CLEAR).ahead(0.0, 0.0, -np.pi)
    far = float((after.position - on.position) @ on.forward) > _STRIDE
    return replace(on, z=_height_under(on, pose, shape)), (before, before if far else after)


def _height_under(stance: Stance, pose: StaticPose, shape: Shape) -> float:
    """m over the floor of the highest surface under the middle of a stance; 0 beside the object."""
    corners = pose.object_position_w + rotations.rotate(pose.object_rotation_w, shape.hull_corners)
    heights = np.arange(float(corners[:, 2].max()), 0.0, -_DOWN)
    line = np.column_stack((np.tile(stance.position, (len(heights), 1)), heights))
    inside = shape.signed_distance(rotations.rotate_inverse(pose.object_rotation_w, line - pose.object_position_w)) <= 0
    return float(heights[inside.argmax()]) if inside.any() else 0.0


def _too_near(stance: Stance, pose: StaticPose, shape: Shape, foot: Foot) -> float:
    """m by which toes would be in what of the object is near the floor."""
    corners = pose.object_position_w + rotations.rotate(pose.object_rotation_w, shape.hull_corners)
    low = corners[corners[:, 2] < _LOW, :2]
    if not len(low):
        return 0.0
    toes = stance.ahead(0.5 * foot.length + _TOES).position @ stance.forward
    return float(max(0.0, toes - (low @ stance.forward).min()))
