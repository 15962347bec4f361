"""The simulated humanoid: MJCF through `mujoco.MjSpec`, one body per joint of the subject's skeleton.

Each joint is three hinges y, x, z, so that its rotation is qy * qx * qz of the hinge angles (intrinsic Euler angles),
driven by PD position actuators with torque limits. Gains stand in the actuators, never in the joints' passive springs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from sim import rotations, skeleton
from sim.body.capsules import BodyGeom, FootStance, Hands, body_geoms, finger_length, rest_flexion
from sim.skeleton import FINGERS_OF_MITTEN, JOINT_NAMES, MITTEN_JOINTS, PARENTS, SIDES

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
_MITTEN_GAIN = 20.0
"""Four fingers that weigh 0.3 kg; at a tenth of a radian they press with a third of their strength."""
_MITTEN_ARMATURE = 0.001
FLEXION_RANGE = (np.radians(-10.0), np.radians(110.0))
"""rad, of a mitten's fingers out of the palm's plane; sideways and about themselves they give by +-`_MITTEN_GIVE`."""
_MITTEN_GIVE = 0.15


@dataclass(frozen=True)
class HumanoidConfig:
    """The humanoid's build.

    Attributes:
        hands: `mitten` (four fingers as one body, 69 actuated degrees of freedom) or `full` (153).
        gain_scale: factor on all PD gains.
        damping_seconds: derivative over proportional gain, s.
        torque_limit_scale: torque limit as a multiple of the gain at one radian of error.
        armature: kg m^2 added to every hinge's inertia, but a mitten's fingers'.
        grip_strength: N with which a mitten's fingers can press at their middle. Modest: adults squeeze a dynamometer
            with 300 to 500 N (Mathiowetz et al. 1985).
        hand_friction: sliding friction of the hands against whatever they touch (dry skin on cardboard or wood).
    """

    hands: Hands = "mitten"
    gain_scale: float = 0.5
    damping_seconds: float = 0.05
    torque_limit_scale: float = 1.0
    armature: float = 0.02
    grip_strength: float = 70.0
    hand_friction: float = 1.0


def simulated_joints(hands: Hands) -> tuple[int, ...]:
    """Indices into the standard skeleton of the joints that become bodies, pelvis first."""
    mitten = tuple(sorted((*skeleton.BODY_JOINTS, *MITTEN_JOINTS)))
    return mitten if hands == "mitten" else tuple(range(skeleton.NUM_JOINTS))


def has_mittens(joints: Sequence[int]) -> bool:
    """Whether these simulated joints are those of a humanoid with mittens."""
    return len(joints) == len(simulated_joints("mitten"))


def carriers(joints: Sequence[int]) -> np.ndarray:
    """[52] index of the simulated body that carries each joint: its own, or the one that its chain is welded to.

    A mitten's fingers ride on the middle finger's knuckle.
    """
    found = np.zeros(skeleton.NUM_JOINTS, np.int64)
    for joint, parent in enumerate(PARENTS):  # parents come first
        body = joint if joint in joints else FINGERS_OF_MITTEN.get(joint)
        found[joint] = joints.index(body) if body in joints else found[parent]
    return found


def hand_bodies(joints: Sequence[int]) -> np.ndarray:
    """[2, B] bool, which simulated bodies make up the left and the right hand."""
    return np.array([[is_hand(j) and JOINT_NAMES[j].startswith(side) for j in joints] for side in SIDES])


def fingers_together(joint_rotations_b: np.ndarray) -> np.ndarray:
    """[..., 52, 4] wxyz with all knuckles of the four fingers turned as the middle one's, as mittens are."""
    local = joint_rotations_b.copy()
    for joint, knuckle in FINGERS_OF_MITTEN.items():
        if JOINT_NAMES[joint].endswith("1"):
            local[..., joint, :] = joint_rotations_b[..., knuckle, :]
    return local


def gain(joint: int, hands: Hands = "full") -> float:
    """Proportional gain of a joint's three actuators before scaling, N m/rad."""
    if hands == "mitten" and joint in MITTEN_JOINTS:
        return _MITTEN_GAIN
    return _GAINS.get(JOINT_NAMES[joint].removeprefix("left_").removeprefix("right_"), _FINGER_GAIN)


def add_humanoid(
    spec: mujoco.MjSpec,
    offsets: np.ndarray,
    config: HumanoidConfig,
    *,
    stance: FootStance | None = None,
) -> tuple[BodyGeom, ...]:
    """Add the humanoid of a subject to a scene; its bodies are named after its joints.

    Args:
        spec: scene to add to; z up.
        offsets: [52, 3] m, the subject's bones.
        config: build.
        stance: soles (see `sim.body.capsules`).

    Returns:
        The collision shapes that were added.
    """
    geoms = body_geoms(offsets, stance=stance, hands=config.hands)
    bodies: dict[int, mujoco.MjsBody] = {}
    for joint in simulated_joints(config.hands):
        parent = bodies[PARENTS[joint]] if joint else spec.worldbody
        bodies[joint] = parent.add_body(name=JOINT_NAMES[joint], pos=offsets[joint] if joint else np.zeros(3))
        if joint == 0:
            bodies[joint].add_freejoint(name="root")
        else:
            limit = gain(joint, config.hands) * config.gain_scale * config.torque_limit_scale
            if config.hands == "mitten" and joint in MITTEN_JOINTS:
                side = SIDES[MITTEN_JOINTS.index(joint)]
                add_hinges(bodies[joint], joint, armature=_MITTEN_ARMATURE)
                _limit_hinges(bodies[joint], offsets, side)
                limit = grip_torque(config.grip_strength, offsets, side)
            else:
                add_hinges(bodies[joint], joint, armature=config.armature)
            _add_actuators(spec, joint, config, limit)
        for geom in geoms:
            if geom.joint == joint:
                _add_geom(bodies[joint], geom, config)
    return geoms


def add_hinges(body: mujoco.MjsBody, joint: int, *, armature: float = 0.0) -> None:
    """Three hinges in the order of `HINGES`, named after the joint and their axis."""
    for axis in HINGES:
        name, direction = f"{JOINT_NAMES[joint]}_{axis}", np.eye(3)["xyz".index(axis)]
        body.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_HINGE, axis=direction, armature=armature)


def grip_torque(force: float, offsets: np.ndarray, side: str) -> float:
    """N m at the knuckles with which a mitten's fingers press with a force in N at their middle."""
    return force * 0.5 * finger_length(offsets, side)


def flexion_hinge(joints: Sequence[int], side: str) -> int:
    """Position among the hinge angles of the one that bends a mitten's fingers."""
    knuckle = MITTEN_JOINTS[SIDES.index(side)]
    return 3 * (list(joints).index(knuckle) - 1) + HINGES.index("x")


def to_hinge(flexion: np.ndarray | float, offsets: np.ndarray, side: str) -> np.ndarray:
    """Flexion of a mitten's fingers out of the palm's plane, rad, to the angle of its hinge."""
    return np.asarray((flexion - rest_flexion(offsets, side)) * skeleton.flexion_axis(side)[0])


def _limit_hinges(body: mujoco.MjsBody, offsets: np.ndarray, side: str) -> None:
    for axis, hinge in zip(HINGES, body.joints, strict=True):
        limits = to_hinge(np.array(FLEXION_RANGE), offsets, side) if axis == "x" else (-_MITTEN_GIVE, _MITTEN_GIVE)
        hinge.limited, hinge.range = True, np.degrees(np.sort(limits))


def _add_actuators(spec: mujoco.MjSpec, joint: int, config: HumanoidConfig, limit: float) -> None:
    kp = gain(joint, config.hands) * config.gain_scale
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
