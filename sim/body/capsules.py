"""The body that physics sees: one or a few boxes, capsules and spheres per joint, sized from the subject's bones.

Shapes ride on the standard skeleton's joints and are given in the joint's frame at rest (facing +x, left +y, up +z).
Segment masses follow de Leva (1996), table 4, male: fractions of the body's mass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sim import rotations, skeleton
from sim.errors import SimulationError
from sim.motion import Motion
from sim.skeleton import JOINT_INDEX

_IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])
Hands = Literal["mitten", "full"]

PALM_THICKNESS = 0.028
"""m; measured against hands that touch objects in OMOMO: thicker palms sink into what they hold."""
_FINGER_THICKNESS = 0.018
_TIP = 0.8
"""Length of a finger's last segment over that of the one before."""
_FLESH = 0.020
"""m, thickness of a mitten's fingers."""
FINGER_CURL = np.radians(20.0)
"""How far a mitten's fingers are bent behind the first segment: a hand can still lie flat."""
_FOUR = ("index", "middle", "ring", "pinky")
_SHORTEST_BONE = 0.001
_BODY_MASS_INDEX = 23.0
_BODY_HEIGHT_PER_BONE_CHAIN = 1.225
"""Stature over the summed length of the bones ankle-knee-hip and pelvis-head (Drillis & Contini 1966, as `sim.subject`
has them): what the foot below the ankle, the head above its joint and the pelvis between the chains add.
"""

_MASS_FRACTIONS = {
    "pelvis": 0.1117, "spine1": 0.0817, "spine2": 0.0816, "spine3": 0.1196, "collar": 0.0200, "neck": 0.0150,
    "head": 0.0544, "hip": 0.1416, "knee": 0.0433, "ankle": 0.0107, "foot": 0.0030, "shoulder": 0.0271,
    "elbow": 0.0162, "wrist": 0.0061,
}  # fmt: skip
"""Share of the body's mass that each joint's segment carries; sided segments once per side. Trunk split by length."""


@dataclass(frozen=True)
class BodyGeom:
    """One rigid shape on a joint.

    Attributes:
        joint: index in the standard skeleton of the joint that it rides on.
        kind: shape; `size` in m is MuJoCo's: capsule (radius, half length) along z, box half extents, sphere (radius,).
        position_b, rotation_b: [3] m and [4] wxyz, of the shape's frame in the joint's frame.
        mass: kg.
    """

    joint: int
    kind: Literal["capsule", "box", "sphere"]
    position_b: np.ndarray
    rotation_b: np.ndarray
    size: tuple[float, ...]
    mass: float = 0.0

    @property
    def volume(self) -> float:
        """m^3."""
        if self.kind == "box":
            return float(8.0 * np.prod(self.size))
        radius, half_length = self.size[0], self.size[1] if self.kind == "capsule" else 0.0
        return float(np.pi * radius**2 * (2 * half_length + 4 * radius / 3))


@dataclass(frozen=True)
class FootStance:
    """How the subject's feet stand. Rows: left ankle, left foot (toe joint), right ankle, right foot.

    Attributes:
        heights: [4] m, joint above the sole.
        up_b: [4, 3], the direction of world up in the joint's frame while the foot stands: the sole's normal.
    """

    heights: np.ndarray
    up_b: np.ndarray


FOOT_JOINTS: tuple[int, ...] = tuple(JOINT_INDEX[n] for n in ("left_ankle", "left_foot", "right_ankle", "right_foot"))


def default_stance(offsets: np.ndarray) -> FootStance:
    """Level soles, with the toe joint 14 % of the shin above them (measured: 12 to 15 % on two OMOMO subjects)."""
    drop = [-offsets[FOOT_JOINTS[i], 2] for i in (1, 3)]
    toe = 0.14 * np.linalg.norm(offsets[JOINT_INDEX["left_ankle"]])
    heights = np.array([toe + drop[0], toe, toe + drop[1], toe])
    return FootStance(heights, np.tile([0.0, 0.0, 1.0], (4, 1)))


def measure_stance(motion: Motion) -> FootStance:
    """Read the stance off a clip that walks on the floor z = 0.

    Heights are the 5th percentile of each joint's height (feet swing the rest of the time); the normal is the mean
    direction of up over the frames within 15 mm of it.
    """
    joints = list(FOOT_JOINTS)
    z = motion.joint_positions_w[:, joints, 2]
    heights = np.percentile(z, 5, axis=0)
    up_b = rotations.rotate_inverse(motion.joint_rotations_w[:, joints], np.array([0.0, 0.0, 1.0]))
    away = np.abs(z - heights)
    weight = (away <= np.maximum(0.015, away.min(0)))[..., None]
    mean = (up_b * weight).sum(0) / weight.sum(0)
    return FootStance(heights, mean / np.linalg.norm(mean, axis=-1, keepdims=True))


def body_mass(offsets: np.ndarray) -> float:
    """kg, from the stature that the bones imply at a body mass index of 23."""
    chain = ("left_knee", "left_ankle", "spine1", "spine2", "spine3", "neck", "head")
    bones = sum(float(np.linalg.norm(offsets[JOINT_INDEX[name]])) for name in chain)
    return _BODY_MASS_INDEX * (_BODY_HEIGHT_PER_BONE_CHAIN * bones) ** 2


def body_geoms(
    offsets: np.ndarray,
    *,
    stance: FootStance | None = None,
    hands: Hands = "mitten",
) -> tuple[BodyGeom, ...]:
    """The shapes of a subject with these bones.

    Args:
        offsets: [52, 3] m, rest offsets of the standard skeleton.
        stance: where the soles are; by default level and at a usual height.
        hands: `mitten`, four fingers as one body on the middle finger's knuckle, or `full`, a capsule on each joint.

    Raises:
        SimulationError: bones without length, or that span no foot or hand.
    """
    offsets = np.asarray(offsets, dtype=np.float64)
    short = np.flatnonzero(np.linalg.norm(offsets[1:], axis=-1) < _SHORTEST_BONE) + 1
    if len(short):
        names = ", ".join(skeleton.JOINT_NAMES[j] for j in short)
        raise SimulationError(f"offsets: bones of less than 1 mm end at {names}; a body needs bones with a length")
    stance = default_stance(offsets) if stance is None else stance
    geoms = [*_trunk(offsets), *_limbs(offsets), *_feet(offsets, stance)]
    for side in ("left", "right"):
        geoms += _palm(offsets, side)
        geoms += _mitten(offsets, side) if hands == "mitten" else _fingers(offsets, side)
    return _with_masses(geoms, body_mass(offsets))


def surface_points(geom: BodyGeom) -> np.ndarray:
    """[P, 3] m in the shape's own frame, spread over its surface: a 3 x 3 x 2 grid on a box, rings on a capsule."""
    if geom.kind == "box":
        grid = np.array([[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 1)], dtype=np.float64)
        return grid * np.array(geom.size)
    radius, half_length = geom.size[0], geom.size[1] if geom.kind == "capsule" else 0.0
    angle = np.arange(6) * (np.pi / 3)
    ring = radius * np.stack((np.cos(angle), np.sin(angle), np.zeros(6)), 1)
    rings = [ring + np.array([0.0, 0.0, z]) for z in (-half_length, 0.0, half_length)]
    poles = np.array([[0.0, 0.0, half_length + radius], [0.0, 0.0, -half_length - radius]])
    return np.vstack((*rings, poles))


def _capsule(joint: str, start: np.ndarray, end: np.ndarray, radius: float) -> BodyGeom:
    """A capsule whose round ends reach from start to end."""
    axis = end - start
    length = float(np.linalg.norm(axis))
    half = max(0.5 * length - 0.5 * radius, 0.002)
    return BodyGeom(JOINT_INDEX[joint], "capsule", 0.5 * (start + end), _z_to(axis), (radius, half))


def _z_to(axis: np.ndarray) -> np.ndarray:
    """The shortest rotation from +z to a direction, wxyz."""
    z = axis / max(float(np.linalg.norm(axis)), 1e-9)
    if z[2] < -1 + 1e-9:
        return np.array([0.0, 1.0, 0.0, 0.0])
    q: np.ndarray = rotations.normalize(np.array([1.0 + z[2], -z[1], z[0], 0.0]))
    return q


def _frame(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The rotation whose z axis is `z` and whose x axis is `x` made orthogonal to it, wxyz."""
    z = z / max(float(np.linalg.norm(z)), 1e-9)
    x = x - (x @ z) * z
    length = float(np.linalg.norm(x))
    if length < _SHORTEST_BONE or not z.any():
        raise SimulationError("offsets: the bones of a foot or hand lie on one line, which leaves its plane open")
    x = x / length
    q: np.ndarray = rotations.from_matrix(np.stack((x, np.cross(z, x), z), -1))
    return q


def _trunk(offsets: np.ndarray) -> list[BodyGeom]:
    o = {name: offsets[i] for name, i in JOINT_INDEX.items()}
    width = float(np.abs(o["left_hip"][1] - o["right_hip"][1]))

    def across(joint: str, centre: np.ndarray, half_width: float, radius: float) -> BodyGeom:
        side = np.array([0.0, half_width, 0.0])
        return BodyGeom(JOINT_INDEX[joint], "capsule", centre, _z_to(side), (radius, half_width))

    hips = 0.5 * (o["left_hip"] + o["right_hip"])
    head_radius = 0.62 * float(np.linalg.norm(o["head"]))
    return [
        across("pelvis", 0.4 * hips, 0.45 * width, 0.70 * width),
        across("spine1", 0.5 * o["spine2"], 0.40 * width, 0.62 * width),
        across("spine2", 0.5 * o["spine3"], 0.45 * width, 0.65 * width),
        across("spine3", 0.35 * o["neck"], 0.60 * width, 0.70 * width),
        _capsule("neck", np.zeros(3), o["head"], 0.045),
        BodyGeom(JOINT_INDEX["head"], "sphere", np.array([0.02, 0.0, 0.6 * head_radius]), _IDENTITY, (head_radius,)),
    ]


def _limbs(offsets: np.ndarray) -> list[BodyGeom]:
    """Capsules from joint to joint; radii are shares of the bone's length."""
    geoms = []
    for side in ("left", "right"):
        for joint, child, share in (
            ("collar", "shoulder", 0.30),
            ("shoulder", "elbow", 0.165),
            ("elbow", "wrist", 0.135),
            ("hip", "knee", 0.175),
            ("knee", "ankle", 0.115),
        ):
            end = offsets[JOINT_INDEX[f"{side}_{child}"]]
            geoms.append(_capsule(f"{side}_{joint}", np.zeros(3), end, share * float(np.linalg.norm(end))))
    return geoms


def _feet(offsets: np.ndarray, stance: FootStance) -> list[BodyGeom]:
    """A box from heel to toe joint and one for the toes; their lower faces are the soles."""
    geoms = []
    for row, side in enumerate(("left", "right")):
        toe = offsets[JOINT_INDEX[f"{side}_foot"]]
        length = float(np.linalg.norm(toe[:2]))
        for k, (joint, back, front, thickness, width) in enumerate(
            (
                (f"{side}_ankle", -0.35 * length, 0.95 * length, 0.05, 0.085),
                (f"{side}_foot", -0.1 * length, 0.42 * length, 0.03, 0.090),
            )
        ):
            i = 2 * row + k
            rotation = _frame(np.array([toe[0], toe[1], 0.0]), stance.up_b[i])
            centre = np.array([0.5 * (back + front), 0.0, 0.5 * thickness - stance.heights[i]])
            half = (0.5 * (front - back), 0.5 * width, 0.5 * thickness)
            geoms.append(BodyGeom(JOINT_INDEX[joint], "box", rotations.rotate(rotation, centre), rotation, half))
    return geoms


def _knuckles(offsets: np.ndarray, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Centre of the four knuckles and the axis from the little finger's to the index finger's, in the wrist's frame."""
    points = np.stack([offsets[JOINT_INDEX[f"{side}_{finger}1"]] for finger in _FOUR])
    return points.mean(0), points[0] - points[3]


def palm_frame(offsets: np.ndarray, side: str) -> np.ndarray:
    """[4] wxyz in the wrist's frame: x along the hand to the knuckles, z out of its back, so the palm faces -z."""
    centre, width = _knuckles(offsets, side)
    back = np.cross(width, centre) * (1.0 if side == "left" else -1.0)
    return _frame(centre, back)


def _palm(offsets: np.ndarray, side: str) -> list[BodyGeom]:
    centre, width = _knuckles(offsets, side)
    length = float(np.linalg.norm(centre))
    half = (0.5 * length, 0.5 * float(np.linalg.norm(width)) + 0.012, 0.5 * PALM_THICKNESS)
    return [BodyGeom(JOINT_INDEX[f"{side}_wrist"], "box", 0.5 * centre, palm_frame(offsets, side), half)]


def mitten_pose(offsets: np.ndarray) -> np.ndarray:
    """[52, 4] wxyz, local rotations by which a mitten's fingers are curled, whatever their bend at rest."""
    pose = np.tile(_IDENTITY, (skeleton.NUM_JOINTS, 1))
    for side in ("left", "right"):
        for finger in _FOUR:
            first, second = (offsets[JOINT_INDEX[f"{side}_{finger}{segment}"]] for segment in (2, 3))
            bend = _flexion(offsets, side, second) - _flexion(offsets, side, first)
            turn = (FINGER_CURL - bend) * skeleton.flexion_axis(side)
            pose[JOINT_INDEX[f"{side}_{finger}2"]] = rotations.from_rotvec(turn)
    return pose


def rest_flexion(offsets: np.ndarray, side: str) -> float:
    """rad, how far the fingers' first segments are bent out of the palm's plane while their joints are not turned."""
    return _flexion(offsets, side, np.mean([offsets[JOINT_INDEX[f"{side}_{finger}2"]] for finger in _FOUR], 0))


def finger_length(offsets: np.ndarray, side: str) -> float:
    """m, of the mitten's fingers from knuckle to tip."""
    chain = _finger_chains(offsets, side).mean(0)
    return float(np.linalg.norm(np.diff(chain, axis=0), axis=-1).sum())


def _flexion(offsets: np.ndarray, side: str, bone: np.ndarray) -> float:
    """rad, angle of a bone under the palm's plane, seen along the axis about which fingers bend."""
    forward = rotations.rotate(palm_frame(offsets, side), np.array([1.0, 0.0, 0.0]))
    axis = skeleton.flexion_axis(side)
    forward = forward - (forward @ axis) * axis
    return float(np.arctan2(bone @ np.cross(axis, forward), bone @ forward))


def _finger_chains(offsets: np.ndarray, side: str) -> np.ndarray:
    """[4, 4, 3] m: of index to little finger, three joints and the tip in the wrist's frame, curled as a mitten's."""
    positions, world = skeleton.forward_kinematics(mitten_pose(offsets), np.zeros(3), offsets)
    joints = np.array([[JOINT_INDEX[f"{side}_{finger}{segment}"] for segment in (1, 2, 3)] for finger in _FOUR])
    last = joints[:, 2]
    tips = positions[last] + rotations.rotate(world[last], _TIP * offsets[last])
    chains: np.ndarray = np.concatenate((positions[joints], tips[:, None]), 1)
    return chains - positions[JOINT_INDEX[f"{side}_wrist"]]


def _mitten(offsets: np.ndarray, side: str) -> list[BodyGeom]:
    """The four fingers as one body on the middle finger's knuckle: a box for the first segments, one for the others.

    Thumbs are left out: data sets rarely capture how they are held.
    """
    chains = _finger_chains(offsets, side)
    across = chains[0, 0] - chains[3, 0]
    axis = skeleton.flexion_axis(side)
    middle = JOINT_INDEX[f"{side}_middle1"]
    geoms = []
    for start, end in ((0, 1), (1, 3)):
        ends = chains[:, [start, end]].mean(0) - offsets[middle]
        along = ends[1] - ends[0]
        half = (0.5 * float(np.linalg.norm(along)), 0.5 * float(np.linalg.norm(across)) + 0.008, 0.5 * _FLESH)
        geoms.append(BodyGeom(middle, "box", ends.mean(0), _frame(along, np.cross(along, axis)), half))
    return geoms


def _fingers(offsets: np.ndarray, side: str) -> list[BodyGeom]:
    geoms = []
    for finger in ("index", "middle", "ring", "pinky", "thumb"):
        for segment in (1, 2, 3):
            joint = f"{side}_{finger}{segment}"
            nearest = offsets[JOINT_INDEX[f"{side}_{finger}{min(segment + 1, 3)}"]]
            end = nearest if segment < 3 else _TIP * nearest
            geoms.append(_capsule(joint, np.zeros(3), end, 0.5 * _FINGER_THICKNESS))
    return geoms


def _segment(joint: int) -> str:
    """The mass segment that a joint belongs to; fingers are part of the hand."""
    name = skeleton.JOINT_NAMES[joint].removeprefix("left_").removeprefix("right_")
    return name if name in _MASS_FRACTIONS else "wrist"


def _with_masses(geoms: list[BodyGeom], total: float) -> tuple[BodyGeom, ...]:
    """Share out the body's mass: by segment, then by volume within it; both sides alike."""
    sided = {s: skeleton.JOINT_NAMES.count(s) == 0 for s in _MASS_FRACTIONS}
    fraction_sum = sum(f * (2 if sided[s] else 1) for s, f in _MASS_FRACTIONS.items())
    volumes: dict[str, float] = {}
    for geom in geoms:
        volumes[_segment(geom.joint)] = volumes.get(_segment(geom.joint), 0.0) + geom.volume
    weighted = []
    for geom in geoms:
        segment = _segment(geom.joint)
        share = _MASS_FRACTIONS[segment] * (2 if sided[segment] else 1) / fraction_sum
        mass = total * share * geom.volume / volumes[segment]
        weighted.append(BodyGeom(geom.joint, geom.kind, geom.position_b, geom.rotation_b, geom.size, mass))
    return tuple(weighted)
