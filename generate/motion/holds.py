"""Where parts are on the object once a pose is found, and where footsteps bring the feet that stand on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from generate.motion.config import GaitConfig
from generate.motion.contacts import Hold, joint_of, sliding_radius
from generate.motion.stances import Foot, Stance, ankles, balls, toes
from generate.plan import PlannedContact
from generate.pose import StaticPose
from sim import rotations, skeleton
from sim.objects import Shape
from sim.skeleton import JOINT_INDEX, SIDES


def hold(pose: StaticPose, contact: PlannedContact, offsets: np.ndarray, shape: Shape) -> Hold:
    """Where a part's joint is in the object's frame."""
    joint = joint_of(contact.body_part)
    position, rotation = _in_object(pose, joint, offsets)
    palm = touching_b(pose, joint, offsets)
    normal = _outward(shape, palm)
    surface, _ = shape.closest_points(palm)
    fingers = pose.joint_rotations_b[joint + 1 : joint + 16] if contact.body_part.endswith("hand") else None
    return Hold(joint, position, rotation, normal, sliding_radius(shape, surface, normal), fingers_b=fingers)


def _outward(shape: Shape, point_b: np.ndarray) -> np.ndarray:
    """[3] unit, the way in which a point gets off the surface: the slope of the signed distance over 4 mm."""
    steps = 2e-3 * np.eye(3)
    normal: np.ndarray = rotations.normalize(
        shape.signed_distance(point_b + steps) - shape.signed_distance(point_b - steps)
    )
    return normal


def _in_object(pose: StaticPose, joint: int, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    joints, world = skeleton.forward_kinematics(pose.joint_rotations_b, pose.root_position_w, offsets)
    position = rotations.rotate_inverse(pose.object_rotation_w, joints[joint] - pose.object_position_w)
    return position, rotations.multiply(rotations.inverse(pose.object_rotation_w), world[joint])


def touching_b(pose: StaticPose, joint: int, offsets: np.ndarray) -> np.ndarray:
    """[3] m, the middle of what touches, in the object's frame."""
    position, rotation = _in_object(pose, joint, offsets)
    place: np.ndarray = position + rotations.rotate(rotation, _palm(joint, offsets))
    return place


def _palm(joint: int, offsets: np.ndarray) -> np.ndarray:
    """[3] m, from a joint to the middle of what touches: of a hand the middle of the palm, of a foot the ball."""
    name = skeleton.JOINT_NAMES[joint]
    if name.endswith("wrist"):
        palm: np.ndarray = 0.7 * offsets[JOINT_INDEX[name.replace("wrist", "middle1")]]
        return palm
    return offsets[joint + 1] if name.endswith("ankle") else np.zeros(3)


def stood(
    holds: Mapping[PlannedContact, Hold], pose: StaticPose, stance: Stance, offsets: np.ndarray, foot: Foot,
    config: GaitConfig,
) -> dict[PlannedContact, Hold]:  # fmt: skip
    """Those of the feet, which stand on the object where footsteps bring them."""
    found = {}
    feet = rotations.from_rotvec(toes(stance, config)[:, None] * np.array([0.0, 0.0, 1.0]))
    place = ankles(balls(stance, config, foot), feet, offsets)
    for contact in holds:
        if contact.body_part.endswith("foot"):
            i = SIDES.index(contact.body_part.partition("_")[0])
            position = rotations.rotate_inverse(pose.object_rotation_w, place[i] - pose.object_position_w)
            rotation = rotations.multiply(rotations.inverse(pose.object_rotation_w), feet[i])
            found[contact] = replace(holds[contact], position_b=position, rotation_b=rotation, walked=True)
    return found
