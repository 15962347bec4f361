"""The simulated humanoid: MJCF through `mujoco.MjSpec`, one body per joint of the subject's skeleton.

Each joint is three hinges y, x, z, so that its rotation is qy * qx * qz of the hinge angles (intrinsic Euler angles),
driven by PD position actuators with torque limits. Gains stand in the actuators, never in the joints' passive springs.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from sim import rotations, skeleton
from sim.body.capsules import BodyGeom, FootStance, Hands, body_geoms
from sim.skeleton import JOINT_NAMES, PARENTS

HINGES = "yxz"
"""Axes of a joint's hinges, outermost first. The middle hinge is x, because at its right angle the outer two line up:
hips and knees flex through 90 degrees about y, elbows about z, but people do not do the splits.
"""
CONTACT_BODY = 2
"""Collision bit of the humanoid's shapes: they meet the floor and objects, not each other."""

_GEOM_TYPES = {
    "capsule": mujoco.mjtGeom.mjGEOM_CAPSULE,
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "sphere": mujoco.mjtGeom.mjGEOM_SPHERE,
}

_GAINS = {
    "hip": 800.0, "knee": 800.0, "ankle": 800.0, "foot": 500.0, "spine1": 1000.0, "spine2": 1000.0, "spine3": 1000.0,
    "neck": 500.0, "head": 500.0, "collar": 500.0, "shoulder": 500.0, "elbow": 500.0, "wrist": 300.0,
}  # fmt: skip
"""Proportional gains, N m/rad (InterMimic's humanoid); fingers 100."""
_FINGER_GAIN = 100.0


@dataclass(frozen=True)
class HumanoidConfig:
    """The humanoid's build.

    Attributes:
        hands: `mitten` (fingers rigid, 63 actuated degrees of freedom) or `full` (153).
        gain_scale: factor on all PD gains.
        damping_seconds: derivative over proportional gain, s.
        torque_limit_scale: torque limit as a multiple of the gain at one radian of error.
        armature: kg m^2 added to every hinge's inertia.
        hand_friction: sliding friction of the hands against whatever they touch (dry skin on cardboard or wood).
    """

    hands: Hands = "mitten"
    gain_scale: float = 0.5
    damping_seconds: float = 0.05
    torque_limit_scale: float = 1.0
    armature: float = 0.02
    hand_friction: float = 1.0


def simulated_joints(hands: Hands) -> tuple[int, ...]:
    """Indices into the standard skeleton of the joints that become bodies, pelvis first."""
    return skeleton.BODY_JOINTS if hands == "mitten" else tuple(range(skeleton.NUM_JOINTS))


def gain(joint: int) -> float:
    """Proportional gain of a joint's three actuators before scaling, N m/rad."""
    return _GAINS.get(JOINT_NAMES[joint].removeprefix("left_").removeprefix("right_"), _FINGER_GAIN)


def add_humanoid(
    spec: mujoco.MjSpec,
    offsets: np.ndarray,
    config: HumanoidConfig,
    *,
    stance: FootStance | None = None,
    finger_rotations_b: np.ndarray | None = None,
) -> tuple[BodyGeom, ...]:
    """Add the humanoid of a subject to a scene; its bodies are named after its joints.

    Args:
        spec: scene to add to; z up.
        offsets: [52, 3] m, the subject's bones.
        config: build.
        stance: soles (see `sim.body.capsules`).
        finger_rotations_b: [52, 4] wxyz, the pose in which mitten fingers are frozen.

    Returns:
        The collision shapes that were added.
    """
    geoms = body_geoms(offsets, stance=stance, hands=config.hands, finger_rotations_b=finger_rotations_b)
    bodies: dict[int, mujoco.MjsBody] = {}
    for joint in simulated_joints(config.hands):
        parent = bodies[PARENTS[joint]] if joint else spec.worldbody
        bodies[joint] = parent.add_body(name=JOINT_NAMES[joint], pos=offsets[joint] if joint else np.zeros(3))
        if joint == 0:
            bodies[joint].add_freejoint(name="root")
        else:
            add_hinges(bodies[joint], joint, armature=config.armature)
            _add_actuators(spec, joint, config)
        for geom in geoms:
            if geom.joint == joint:
                _add_geom(bodies[joint], geom, config)
    return geoms


def add_hinges(body: mujoco.MjsBody, joint: int, *, armature: float = 0.0) -> None:
    """Three hinges in the order of `HINGES`, named after the joint and their axis."""
    for axis in HINGES:
        name, direction = f"{JOINT_NAMES[joint]}_{axis}", np.eye(3)["xyz".index(axis)]
        body.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_HINGE, axis=direction, armature=armature)


def _add_actuators(spec: mujoco.MjSpec, joint: int, config: HumanoidConfig) -> None:
    kp = gain(joint) * config.gain_scale
    limit = kp * config.torque_limit_scale
    for axis in HINGES:
        name = f"{JOINT_NAMES[joint]}_{axis}"
        actuator = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.set_to_position(kp=kp, kv=kp * config.damping_seconds)
        actuator.forcelimited = True
        actuator.forcerange = np.array([-limit, limit])


def is_hand(joint: int) -> bool:
    """A wrist or finger joint."""
    return joint in skeleton.FINGER_JOINTS or JOINT_NAMES[joint].endswith("wrist")


def _add_geom(body: mujoco.MjsBody, geom: BodyGeom, config: HumanoidConfig) -> None:
    size = np.zeros(3)
    size[: len(geom.size)] = geom.size
    # The higher priority's friction rules in a contact: hands (3) over objects (2) over the floor (1).
    hand = {"priority": 3, "friction": np.array([config.hand_friction, 0.005, 0.0001])} if is_hand(geom.joint) else {}
    body.add_geom(
        type=_GEOM_TYPES[geom.kind],
        pos=geom.position_b,
        quat=geom.rotation_b,
        size=size,
        mass=geom.mass,
        contype=CONTACT_BODY,
        conaffinity=1,
        rgba=np.array([0.72, 0.72, 0.75, 1.0]),
        **hand,
    )


def hinge_angles(joint_rotations_b: np.ndarray) -> np.ndarray:
    """Local rotations to hinge angles that are continuous in time.

    Of the two Euler triples of a rotation, and their full turns, each frame takes the one nearest to the frame before.

    Args:
        joint_rotations_b: [T, K, 4] wxyz, without the pelvis.

    Returns:
        [T, K * 3] rad, y, x, z of each joint in turn.
    """
    first: np.ndarray = rotations.to_euler(joint_rotations_b, HINGES)
    other = np.stack((first[..., 0] + np.pi, np.pi - first[..., 1], first[..., 2] + np.pi), -1)
    angles = np.empty_like(first)
    previous = np.zeros_like(first[0])
    for t in range(len(first)):  # the choice depends on the frame before
        near = [c + 2 * np.pi * np.round((previous - c) / (2 * np.pi)) for c in (first[t], other[t])]
        cost = [np.abs(c - previous).sum(-1, keepdims=True) for c in near]
        previous = np.where(cost[0] <= cost[1], near[0], near[1])
        angles[t] = previous
    return angles.reshape(len(angles), -1)


def joint_rotations(angles: np.ndarray) -> np.ndarray:
    """Hinge angles to local rotations, the inverse of `hinge_angles`: [..., K * 3] rad -> [..., K, 4] wxyz."""
    q: np.ndarray = rotations.from_euler(angles.reshape(*angles.shape[:-1], -1, 3), HINGES)
    return q
