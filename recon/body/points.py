"""A body as points on a skeleton: where detectors' landmarks and the soles ride, and how they move with the pose.

Landmarks are leaves of the skeleton's tree: fixed points in the frame of a joint. A subject's size enters as one
scale per group of bones (`SCALE_GROUPS`, left and right alike), which stretches the offsets of joints and leaves.

Where MediaPipe's 33 body landmarks lie is the table `_LANDMARKS`. Sources: limb landmarks are joint centres, as Pose's
documentation has them (https://developers.google.com/mediapipe/solutions/vision/pose_landmarker), its hips a little
above and outside the skeleton's by judgement, which nothing here measures; face, heel and toe points are read off the
Anny body (`sim.body.anny`) fitted to the default subject; knuckles are the skeleton's own. Hand landmarks are joint
centres, with finger tips beyond the last joint by the length of the distal phalanx (`sim.subject`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recon.camera import Camera
from recon.vision.landmarks import BODY_NAMES, HAND_NAMES, Landmarks
from sim import rotations, skeleton
from sim.body.capsules import FootStance, default_stance
from sim.errors import UnknownNameError
from sim.keypoints import mirror_name
from sim.motion import Motion
from sim.skeleton import BODY_JOINTS, JOINT_INDEX, JOINT_NAMES, NUM_JOINTS, PARENTS
from sim.subject import ANKLE_HEIGHT, default_offsets

SCALE_GROUPS = ("trunk", "pelvis", "shoulders", "upper_arm", "forearm", "hand", "thigh", "shank", "foot", "head")
"""Bones that share a scale."""
_GROUP_OF_PART = {
    "spine1": "trunk", "spine2": "trunk", "spine3": "trunk", "neck": "trunk", "head": "head", "hip": "pelvis",
    "collar": "shoulders", "shoulder": "shoulders", "elbow": "upper_arm", "wrist": "forearm", "knee": "thigh",
    "ankle": "shank", "foot": "foot", "pelvis": "trunk",
}  # fmt: skip

REFERENCE_HEIGHT = 1.75
"""m, the stature for which the table below is given."""

# Joint it rides on, bone it lies beside (from, to), how far along that bone, shift (front, left, up) in cm.
_LANDMARKS = """
nose             head            head            head             0.0    12.3    0.0    2.3
left_eye_inner   head            head            head             0.0    10.0    1.8    6.2
left_eye         head            head            head             0.0     9.8    3.2    6.3
left_eye_outer   head            head            head             0.0     8.8    4.6    6.2
left_ear         head            head            head             0.0     0.0    7.8    4.5
mouth_left       head            head            head             0.0     9.6    2.4   -2.3
left_shoulder    left_shoulder   left_shoulder   left_shoulder    0.0     0.0    0.0    0.0
left_elbow       left_elbow      left_elbow      left_elbow       0.0     0.0    0.0    0.0
left_wrist       left_wrist      left_wrist      left_wrist       0.0     0.0    0.0    0.0
left_pinky       left_wrist      left_wrist      left_pinky1      1.0     0.0    0.0    0.0
left_index       left_wrist      left_wrist      left_index1      1.0     0.0    0.0    0.0
left_thumb       left_wrist      left_wrist      left_thumb2      1.0     0.0    0.0    0.0
left_hip         pelvis          pelvis          left_hip         1.0     0.0    1.5    2.0
left_knee        left_knee       left_knee       left_knee        0.0     0.0    0.0    0.0
left_ankle       left_ankle      left_ankle      left_ankle       0.0     0.0    0.0    0.0
left_heel        left_ankle      left_ankle      left_ankle       0.0    -5.0    0.0   -4.5
left_foot_index  left_foot       left_foot       left_foot        0.0     5.5   -1.0    0.0
"""
_TIPS_M = {"thumb": 0.021, "index": 0.0158, "middle": 0.0174, "ring": 0.0173, "pinky": 0.016}
"""Distal phalanges from the last joint to the tip (Buryanov & Kotiuk 2010, table 1), m."""


@dataclass(frozen=True)
class Anchor:
    """Where a landmark is fixed: in the frame of `joint`, at `fraction` of the bone `start` -> `end` plus `shift_m`."""

    joint: int
    start: int
    end: int
    fraction: float
    shift_m: tuple[float, float, float]


def _table() -> dict[str, Anchor]:
    anchors: dict[str, Anchor] = {}
    for line in _LANDMARKS.strip().splitlines():
        name, *joints, fraction, front, left, up = line.split()
        for side, sign in (("left", 1.0), ("right", -1.0)):
            sided = name if side == "left" else mirror_name(name)
            joint, start, end = (JOINT_INDEX[j if side == "left" else mirror_name(j)] for j in joints)
            shift = (0.01 * float(front), 0.01 * sign * float(left), 0.01 * float(up))
            anchors[sided] = Anchor(joint, start, end, float(fraction), shift)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for name in HAND_NAMES:
            anchors[f"{side}_hand_{name}"] = _hand_anchor(side, name, sign)
    return anchors


def _hand_anchor(side: str, name: str, sign: float) -> Anchor:
    if name == "wrist":
        joint = JOINT_INDEX[f"{side}_wrist"]
        return Anchor(joint, joint, joint, 0.0, (0.0, 0.0, 0.0))
    finger, place = name.split("_")
    order = ("cmc", "mcp", "ip", "tip") if finger == "thumb" else ("mcp", "pip", "dip", "tip")
    segment = order.index(place) + 1
    joint = JOINT_INDEX[f"{side}_{finger}{min(segment, 3)}"]
    if segment <= 3:
        return Anchor(joint, joint, joint, 0.0, (0.0, 0.0, 0.0))
    bone = default_offsets(REFERENCE_HEIGHT)[joint]
    x, y, z = _TIPS_M[finger] * bone / np.linalg.norm(bone)
    return Anchor(joint, joint, joint, 0.0, (float(x), float(y), float(z)))


ANCHORS: dict[str, Anchor] = _table()
"""Every landmark that a body can be fitted to, by name."""
SOLE_NAMES = tuple(f"{side}_{part}_sole" for side in ("left", "right") for part in ("heel", "ball", "toe"))
"""Points of the soles, which stand on the floor."""


def scale_group(joint: int) -> int:
    """Index into `SCALE_GROUPS` of the bone that ends in a joint."""
    part = JOINT_NAMES[joint].removeprefix("left_").removeprefix("right_")
    return SCALE_GROUPS.index(_GROUP_OF_PART.get(part, "hand"))


_LEAF_GROUP = {"head": "head", "ankle": "foot", "foot": "foot", "wrist": "hand", "pelvis": "pelvis"}


def _leaf_group(joint: int) -> int:
    part = JOINT_NAMES[joint].removeprefix("left_").removeprefix("right_")
    return SCALE_GROUPS.index(_LEAF_GROUP.get(part, _GROUP_OF_PART.get(part, "hand")))


JOINT_GROUPS = np.array([scale_group(j) for j in range(NUM_JOINTS)])
"""[52] index into `SCALE_GROUPS` of the bone that ends in each joint."""


@dataclass(frozen=True)
class BodyTemplate:
    """A subject before scaling: bones, stance, and size relative to the reference adult.

    Attributes:
        offsets: [52, 3] m; stance: how its feet stand.
    """

    offsets: np.ndarray
    stance: FootStance

    @staticmethod
    def default(height: float = 1.70) -> BodyTemplate:
        """A person of average proportions and this stature, m, barefoot (`sim.subject`)."""
        return BodyTemplate.barefoot(default_offsets(height))

    @staticmethod
    def barefoot(offsets: np.ndarray) -> BodyTemplate:
        """A subject with these bones [52, 3] m whose ankles stand as high as the stature that they imply has it."""
        ankle = ANKLE_HEIGHT * REFERENCE_HEIGHT * _size(offsets)
        toe = ankle + float(offsets[JOINT_INDEX["left_foot"], 2])
        return BodyTemplate(offsets, FootStance(np.array([ankle, toe, ankle, toe]), np.tile([0.0, 0.0, 1.0], (4, 1))))

    @staticmethod
    def of(offsets: np.ndarray, stance: FootStance | None = None) -> BodyTemplate:
        """A subject with these bones [52, 3] m, standing as `default_stance` has it where nothing better is known."""
        return BodyTemplate(offsets, default_stance(offsets) if stance is None else stance)

    @property
    def size(self) -> float:
        """Length of arms and legs over that of the reference adult."""
        return _size(self.offsets)

    @property
    def height(self) -> float:
        """Stature, m, that these limbs imply."""
        return REFERENCE_HEIGHT * self.size

    def scaled(self, log_scales: np.ndarray) -> BodyTemplate:
        """With bones stretched by exp of one number per group [G]."""
        factor = np.exp(np.asarray(log_scales))
        foot = factor[SCALE_GROUPS.index("foot")]
        stance = FootStance(self.stance.heights * foot, self.stance.up_b)
        return BodyTemplate(self.offsets * factor[JOINT_GROUPS][:, None], stance)

    def landmarks(self, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Joints [L] that landmarks ride on, and their places in those joints' frames [L, 3] m.

        Raises UnknownNameError for a landmark that has no place on the body.
        """
        for name in names:
            if name not in ANCHORS:
                raise UnknownNameError("landmark", name, ANCHORS)
        rest, size = skeleton.rest_joints(self.offsets), self.size
        anchors = [ANCHORS[name] for name in names]
        rows = [[a.joint, a.start, a.end] for a in anchors]
        joint, start, end = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        fraction = np.array([a.fraction for a in anchors])[:, None]
        shift = size * np.array([a.shift_m for a in anchors]).reshape(-1, 3)
        places = rest[start] + fraction * (rest[end] - rest[start]) + shift - rest[joint]
        return joint, places

    def soles(self) -> tuple[np.ndarray, np.ndarray]:
        """Joints [6] and local places [6, 3] m of `SOLE_NAMES`: below the ankle's heel, the toe joint and the toes."""
        size, joints, places = self.size, [], []
        for side, rows in (("left", (0, 1)), ("right", (2, 3))):
            ankle, foot = (np.asarray(self.stance.up_b[r]) for r in rows)
            low, high = (self.stance.heights[r] for r in rows)
            joints += [JOINT_INDEX[f"{side}_ankle"], JOINT_INDEX[f"{side}_foot"], JOINT_INDEX[f"{side}_foot"]]
            ahead = self.offsets[JOINT_INDEX[f"{side}_foot"]]
            ahead = ahead - (ahead @ ankle) * ankle
            ahead = ahead / np.linalg.norm(ahead)
            places += [-low * ankle - 0.035 * size * ahead, -high * foot, -high * foot + 0.05 * size * ahead]
        return np.array(joints), np.array(places)


def _size(offsets: np.ndarray) -> float:
    limbs = [JOINT_INDEX[f"left_{part}"] for part in ("knee", "ankle", "elbow", "wrist")]
    reference = default_offsets(REFERENCE_HEIGHT)[limbs]
    return float(np.linalg.norm(offsets[limbs], axis=-1).sum() / np.linalg.norm(reference, axis=-1).sum())


def landmarks_of(
    motion: Motion, camera: Camera, template: BodyTemplate | None = None, names: Sequence[str] = BODY_NAMES
) -> Landmarks:
    """What a perfect detector would say of a motion: landmarks by this module's own definition.

    template: the motion's bones and stance; `BodyTemplate.of` its offsets where None.
    """
    joints, places = (template or BodyTemplate.of(motion.offsets)).landmarks(names)
    turns = motion.joint_rotations_w[:, joints]
    points_c = camera.to_camera(motion.joint_positions_w[:, joints] + rotations.rotate(turns, places))
    pixels = camera.project(points_c)
    hips = [list(names).index(f"{side}_hip") for side in ("left", "right")]
    relative = points_c - points_c[:, hips].mean(1, keepdims=True)
    for side in ("left", "right"):
        hand = [i for i, name in enumerate(names) if name.startswith(f"{side}_hand_")]
        relative[:, hand] -= relative[:, hand].mean(1, keepdims=True) if hand else 0.0
    confidence = np.isfinite(pixels).all(-1).astype(np.float64)
    return Landmarks(tuple(names), pixels, relative, confidence, "a known motion")


class PointModel:
    """Points on a skeleton, and their first derivatives by local turns of joints, the root and the bones' scales.

    A joint's turn is R <- R exp(d), d rad in its own frame.

    Args:
        template: subject before scaling.
        joints: [P] joint that each point rides on; places: [P, 3] m in that joint's frame.
        free: joints whose rotation is sought.
    """

    def __init__(
        self, template: BodyTemplate, joints: np.ndarray, places: np.ndarray, free: Sequence[int] = BODY_JOINTS
    ) -> None:
        self.template, self.joints, self.places, self.free = template, joints, places, list(free)
        self.groups = np.array([_leaf_group(j) for j in joints])
        above = np.eye(NUM_JOINTS, dtype=bool)  # above[j, a]: a is j or an ancestor of it
        for joint, parent in enumerate(PARENTS[1:], start=1):
            above[joint] |= above[parent]
        self._moved_by = above[joints][:, self.free]
        chain = above[joints][:, 1:].astype(np.float64)
        self._chain = chain[:, :, None] * np.eye(len(SCALE_GROUPS))[JOINT_GROUPS[1:]][None]  # [P, 51, G]
        self._leaf = np.eye(len(SCALE_GROUPS))[self.groups]

    def positions(self, world: tuple[np.ndarray, np.ndarray], log_scales: np.ndarray) -> np.ndarray:
        """Points [T, P, 3] m; world = the skeleton's joint positions [T, 52, 3], rotation matrices [T, 52, 3, 3]."""
        places = self.places * np.exp(log_scales)[self.groups][:, None]
        moved: np.ndarray = world[0][:, self.joints] + np.einsum("tpab,pb->tpa", world[1][:, self.joints], places)
        return moved

    def jacobians(
        self, points: np.ndarray, world: tuple[np.ndarray, np.ndarray], offsets: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of `positions`: by root shift and turns [T, P, 3, 3 + 3F], by log scales [T, P, 3, G].

        offsets: [52, 3] m, the scaled bones.
        """
        positions, turns = world
        frames, count = points.shape[:2]
        lever = points[:, :, None] - positions[:, None, self.free]  # [T, P, F, 3]
        lever = np.where(self._moved_by[None, ..., None], lever, 0.0)
        axes = turns[:, self.free]  # columns: the joint's axes in the world [T, F, 3, 3]
        by_turn = np.empty((frames, count, 3, len(self.free), 3))  # axis x lever, written out: np.cross is slow
        for row, (i, k) in enumerate(((1, 2), (2, 0), (0, 1))):
            by_turn[:, :, row] = axes[:, None, :, i] * lever[..., k, None] - axes[:, None, :, k] * lever[..., i, None]
        by_root = np.broadcast_to(np.eye(3), (frames, count, 3, 3))
        bones = np.einsum("tjab,jb->tja", turns[:, list(PARENTS[1:])], offsets[1:])
        by_scale = np.einsum("pjg,tja->tpag", self._chain, bones, optimize=True)
        leaf = points - positions[:, self.joints]
        by_scale += leaf[..., None] * self._leaf[None, :, None, :]
        return np.concatenate((by_root, by_turn.reshape(frames, count, 3, -1)), -1), by_scale
