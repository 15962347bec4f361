"""The 87 named body keypoints: which part, which side of it, which joint they ride on, and where they lie.

Names are Open4DHOI's (`sim.keypoint_names`). A keypoint is a point on the body's surface: from a point on a bone one
goes in a direction of the rest pose (T-pose facing +x, left arm along +y, palms down) until the surface. How far
that is comes either from the anthropometric table below, which needs nothing but the subject's bones
(`keypoint_offsets`), or from the vertices of a skin (`keypoints_on_skin`).

The table describes an adult whose leg and trunk bones (`_bone_length`) add up to 1.65 m (stature about 1.75 m);
other subjects scale it. Checked against the rest positions that Open4DHOI publishes, see the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim import rotations
from sim.errors import AssetError, MotionError
from sim.keypoint_names import KEYPOINT_NAMES
from sim.rotations import Array
from sim.skeleton import FINGER_JOINTS, JOINT_INDEX, NUM_JOINTS, PARENTS, rest_joints

if TYPE_CHECKING:
    from sim.body.skin import Skin

_REFERENCE_BONE_LENGTH = 1.65

DIRECTIONS: dict[str, tuple[float, float, float]] = {
    "front": (1.0, 0.0, 0.0), "back": (-1.0, 0.0, 0.0),
    "left": (0.0, 1.0, 0.0), "right": (0.0, -1.0, 0.0),
    "up": (0.0, 0.0, 1.0), "down": (0.0, 0.0, -1.0),
}  # fmt: skip
"""Directions in the rest pose. In a T-pose palms face down and thumbs to the front."""

UPSTREAM_MISPLACED = frozenset(
    {
        "leftNeck_back", "rightNeck_back", "leftLowerLeg_back", "rightLowerLeg_back",
        "leftUpperLeg_inner", "leftUpperLeg_outer",
    }
)  # fmt: skip
"""Keypoints whose published SMPL-X vertex lies where the name does not say: the backs of neck and lower leg are
swapped between left and right, the inner and outer side of the left thigh with each other. Ours follow the names."""


@dataclass(frozen=True)
class Keypoint:
    """A named point on the surface of the body.

    Attributes:
        name: one of `KEYPOINT_NAMES`.
        part: body part, by its name in Open4DHOI's part tree.
        direction: side of the part in the rest pose, one of `DIRECTIONS`.
        joint: index of the standard joint whose frame it is fixed in.
        bone: joints (from, to) of the bone it lies beside; the same joint twice where a part has no such bone.
        fraction: where along that bone; beyond 1 is past its end.
        radius: m, from the bone (plus shift) to the surface, of the reference adult.
        shift: [3] m, from the bone to the middle of the flesh, in rest axes, of the reference adult.
    """

    name: str
    part: str
    direction: str
    joint: int
    bone: tuple[int, int]
    fraction: float
    radius: float
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)


# The left half and the middle of the body; right is its mirror image. Radius and shift (front, left, up) in cm.
# The part tree and the joints are facts of Open4DHOI with two exceptions: its `left_heel` is the ankle here, and a
# fingertip rides on the last joint of its finger, with which it moves (there: on the first).
# name                part          side   joint          bone from      bone to        along radius  front  left    up
_TABLE = """
Head_top              Head          up     head           head           head             0.0   15.0   -1.0   0.0   0.0
Mouth                 Head          front  head           head           head             0.0   10.0    0.0   0.0  -3.0
Chin                  Head          front  head           head           head             0.0   10.0    0.0   0.0  -5.5
leftCheek             Head          left   head           head           head             0.0    5.0    6.5   0.0  -2.0
leftNeck_front        leftNeck      front  neck           neck           head             0.2    4.5    0.0   3.0   0.0
leftNeck_back         leftNeck      back   head           neck           head             0.3    5.5    0.0   3.5   0.0
upperSpine_front      upperSpine    front  spine2         spine1         spine3          0.75   11.5    0.0   0.0   0.0
upperSpine_back       upperSpine    back   spine2         spine1         spine3          0.75   11.5    0.0   0.0   0.0
upperSpine_left       upperSpine    left   spine3         spine1         spine3          0.75   15.5   -5.0   0.0   0.0
middleSpine_front     middleSpine   front  spine1         spine1         spine3           0.0   15.0    0.0   0.0   0.0
middleSpine_back      middleSpine   back   spine1         spine1         spine3           0.0    7.5    0.0   0.0   0.0
middleSpine_left      middleSpine   left   spine1         spine1         spine3           0.0   15.0   -2.0   0.0   0.0
hip_front             hip           front  pelvis         pelvis         pelvis           0.0   11.0    0.0   0.0  -6.0
hip_back              hip           back   pelvis         pelvis         pelvis           0.0   15.5    0.0   0.0  -5.0
hip_left              hip           left   pelvis         pelvis         pelvis           0.0   17.5   -5.0   0.0  -7.0
buttocks_left         buttocks_left back   pelvis         pelvis         pelvis           0.0   15.5    0.0   6.0 -11.5
leftUpperLeg_front    leftUpperLeg  front  left_hip       left_hip       left_knee       0.65    8.0    1.0   0.0   0.0
leftUpperLeg_back     leftUpperLeg  back   left_hip       left_hip       left_knee       0.65    8.0    1.0   0.0   0.0
leftUpperLeg_inner    leftUpperLeg  right  left_hip       left_hip       left_knee       0.65    7.0    1.0   0.0   0.0
leftUpperLeg_outer    leftUpperLeg  left   left_hip       left_hip       left_knee       0.65    7.0    1.0   0.0   0.0
leftKnee_front        leftKnee      front  left_knee      left_knee      left_ankle      0.03    6.5    0.0  -1.0   0.0
leftKnee_back         leftKnee      back   left_knee      left_knee      left_ankle      0.03    6.0    0.0  -1.0   0.0
leftLowerLeg_front    leftLowerLeg  front  left_knee      left_knee      left_ankle      0.55    5.0   -3.0   0.0   0.0
leftLowerLeg_back     leftLowerLeg  back   left_knee      left_knee      left_ankle      0.55    4.0   -3.0   0.0   0.0
leftLowerLeg_inner    leftLowerLeg  right  left_knee      left_knee      left_ankle      0.55    4.5   -3.5   0.5   0.0
leftLowerLeg_outer    leftLowerLeg  left   left_knee      left_knee      left_ankle      0.55    5.0   -3.5   0.5   0.0
leftFoot_instep       leftFoot      up     left_ankle     left_ankle     left_foot       0.85    2.0    0.0   0.0   0.0
leftFoot_sole         leftFoot      down   left_ankle     left_ankle     left_foot       0.75    3.0    0.0   0.0   0.0
leftToeBase           leftFoot      down   left_foot      left_foot      left_foot        0.0    1.5    3.0   0.0   0.0
leftShoulder_front    leftShoulder  front  left_collar    left_collar    left_shoulder   0.45    7.5    0.0   0.0  -1.0
leftShoulder_back     leftShoulder  back   left_collar    left_collar    left_shoulder   0.85   10.5    0.0   0.0  -3.0
leftUpperArm_up       leftUpperArm  up     left_shoulder  left_shoulder  left_elbow      0.57    4.5   -1.0   0.0   0.0
leftUpperArm_down     leftUpperArm  down   left_shoulder  left_shoulder  left_elbow      0.57    4.5   -1.0   0.0   0.0
leftUpperArm_front    leftUpperArm  front  left_shoulder  left_shoulder  left_elbow      0.57    4.5   -1.0   0.0   0.0
leftUpperArm_back     leftUpperArm  back   left_shoulder  left_shoulder  left_elbow      0.57    4.5   -1.0   0.0   0.0
leftElbow_front       leftElbow     front  left_elbow     left_elbow     left_wrist      0.07    3.5    0.0   0.0   1.0
leftElbow_back        leftElbow     back   left_elbow     left_elbow     left_wrist      0.04    4.0    0.0   0.0   1.0
leftForeArm_back      leftForeArm   up     left_elbow     left_elbow     left_wrist      0.42    4.0   -0.5   0.0   0.5
leftForeArm_wrist     leftForeArm   down   left_elbow     left_elbow     left_wrist      0.42    3.5   -0.5   0.0   0.5
leftForeArm_thumb     leftForeArm   front  left_elbow     left_elbow     left_wrist      0.42    3.5   -0.5   0.0   0.5
leftForeArm_pinky     leftForeArm   back   left_elbow     left_elbow     left_wrist      0.42    3.5   -0.5   0.0   0.5
leftHand_back         leftHand      up     left_wrist     left_wrist     left_middle1     0.6    1.5    0.0   0.0   0.0
leftHand_palm         leftHand      down   left_wrist     left_wrist     left_middle1     0.6    1.5    0.0   0.0   0.0
Thumb_left            leftHand      down   left_thumb3    left_thumb2    left_thumb3     1.75    1.0    0.0   0.0   0.0
Index_left            leftHand      down   left_index3    left_index2    left_index3      1.6    0.8    0.0   0.0   0.0
Middle_left           leftHand      down   left_middle3   left_middle2   left_middle3     1.6    0.8    0.0   0.0   0.0
Ring_left             leftHand      down   left_ring3     left_ring2     left_ring3       1.6    0.8    0.0   0.0   0.0
Pinky_left            leftHand      down   left_pinky3    left_pinky2    left_pinky3      1.6    0.8    0.0   0.0   0.0
"""


def _keypoints() -> dict[str, Keypoint]:
    """The table with right-hand twins, in the order of `KEYPOINT_NAMES`."""
    found = {}
    for line in _TABLE.strip().splitlines():
        *names, along, radius, front, left, up = line.split()
        x, y, z = 0.01 * float(front), 0.01 * float(left), 0.01 * float(up)
        rows = [(names, (x, y, z))]
        if "left" in names[0]:
            rows.append(([mirror_name(n) for n in names], (x, -y, z)))
        for (name, part, direction, joint, start, end), shift in rows:
            bone = (JOINT_INDEX[start], JOINT_INDEX[end])
            found[name] = Keypoint(
                name, part, direction, JOINT_INDEX[joint], bone, float(along), 0.01 * float(radius), shift
            )
    return {name: found[name] for name in KEYPOINT_NAMES}


def mirror_name(name: str) -> str:
    """The same joint, part, keypoint or direction on the other side; a name in the middle plane stays as it is."""
    if "left" in name:
        return name.replace("left", "right")
    return name.replace("right", "left")


KEYPOINTS: dict[str, Keypoint] = _keypoints()
"""All 87, by name, in the order of `KEYPOINT_NAMES`."""
KEYPOINT_INDEX: dict[str, int] = {name: i for i, name in enumerate(KEYPOINTS)}
KEYPOINT_JOINTS: np.ndarray = np.array([k.joint for k in KEYPOINTS.values()])
"""[87] index of the standard joint that each keypoint rides on."""
KEYPOINT_DIRECTIONS: np.ndarray = np.array([DIRECTIONS[k.direction] for k in KEYPOINTS.values()])
"""[87, 3] unit vectors in rest axes."""

_BONES = np.array([k.bone for k in KEYPOINTS.values()])
_FRACTIONS = np.array([k.fraction for k in KEYPOINTS.values()])[:, None]
_RADII = np.array([k.radius for k in KEYPOINTS.values()])[:, None]
_SHIFTS = np.array([k.shift for k in KEYPOINTS.values()])
_LEG_AND_TRUNK = [JOINT_INDEX[n] for n in ("left_knee", "left_ankle", "spine1", "spine2", "spine3", "neck", "head")] + [
    JOINT_INDEX[n] for n in ("right_knee", "right_ankle")
]
_WEIGHTS = np.array([0.5, 0.5, 1, 1, 1, 1, 1, 0.5, 0.5])


def keypoint_offsets(offsets: np.ndarray) -> np.ndarray:
    """Where the keypoints of a subject with these bones lie, in the frames of their joints; no skin is needed.

    Args:
        offsets: [52, 3] m, rest offset of each joint in its parent's frame (T-pose facing +x).

    Returns:
        [87, 3] m, in the frame of joint `KEYPOINT_JOINTS[k]`.

    Raises:
        MotionError: if these are not the bones of the standard skeleton.
    """
    offsets = np.asarray(offsets, dtype=np.float64)
    if offsets.shape != (NUM_JOINTS, 3):
        raise MotionError(f"offsets: shape {list(offsets.shape)}; keypoints need the standard {NUM_JOINTS} joints")
    joints = rest_joints(offsets)
    anchors, directions, size = _rays(joints, offsets)
    return anchors + directions * (_RADII * size) - joints[KEYPOINT_JOINTS]


def _bone_length(offsets: np.ndarray) -> float:
    """Thigh, shank and the spine from pelvis to head, m: what a body's breadth is scaled by."""
    return float(_WEIGHTS @ np.linalg.norm(offsets[_LEG_AND_TRUNK], axis=-1))


def _rays(joints: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Where each keypoint's ray starts, its unit direction at right angles to the bone, and the subject's size.

    joints [52, 3] m in rest pose -> anchors [87, 3] m, directions [87, 3], size relative to the reference adult.
    """
    size = _bone_length(offsets) / _REFERENCE_BONE_LENGTH
    start, bone = joints[_BONES[:, 0]], joints[_BONES[:, 1]] - joints[_BONES[:, 0]]
    axis = rotations.normalize(bone)
    across = KEYPOINT_DIRECTIONS - (KEYPOINT_DIRECTIONS * axis).sum(-1, keepdims=True) * axis
    return start + _FRACTIONS * bone + _SHIFTS * size, rotations.normalize(across), size


_NEIGHBOURS = np.eye(NUM_JOINTS, dtype=bool)
_NEIGHBOURS[range(1, NUM_JOINTS), PARENTS[1:]] = _NEIGHBOURS[PARENTS[1:], range(1, NUM_JOINTS)] = True
_SIDEWAYS_COST = 3.0
"""How much farther out a vertex has to lie to make up for lying beside the keypoint's ray."""


def keypoints_on_skin(skin: Skin) -> tuple[np.ndarray, np.ndarray]:
    """The keypoints on a skin: per keypoint the vertex that lies farthest out along its ray, and close to it.

    Only vertices that move mostly with the keypoint's joint, its bone's ends or their neighbours (but not with other
    fingers) are looked at, so that a ray to the inner thigh does not find the other leg.

    Returns:
        [87] vertex indices, and [87, 3] m their places in the frames of joints `KEYPOINT_JOINTS`, in rest pose;
        these can stand in for `keypoint_offsets`.

    Raises:
        AssetError: a body part has no vertex.
    """
    joints, vertices = skin.rest_joints, skin.rest_vertices
    anchors, directions, _ = _rays(joints, joints - joints[[max(p, 0) for p in PARENTS]])
    allowed = np.zeros((len(KEYPOINTS), NUM_JOINTS), bool)
    np.put_along_axis(allowed, np.column_stack((_BONES, KEYPOINT_JOINTS)), True, 1)
    neighbours = allowed @ _NEIGHBOURS
    neighbours[:, FINGER_JOINTS] = allowed[:, FINGER_JOINTS]
    of_part = neighbours[:, skin.vertex_joints]
    if not of_part.any(1).all():
        raise AssetError(f"the skin has no vertex for {KEYPOINT_NAMES[int(np.argmin(of_part.any(1)))]}")
    ray = vertices - anchors[:, None]
    along = np.einsum("kvc,kc->kv", ray, directions)
    beside = np.sqrt(np.maximum((ray**2).sum(-1) - along**2, 0.0))
    chosen = np.where(of_part, along - _SIDEWAYS_COST * beside, -np.inf).argmax(1)
    return chosen, vertices[chosen] - joints[KEYPOINT_JOINTS]


def keypoint_positions(joint_positions_w: Array, joint_rotations_w: Array, keypoint_offsets_b: Array) -> Array:
    """Keypoints of a posed body, in the world; NumPy or torch, differentiable in torch.

    Args:
        joint_positions_w: [..., 52, 3] m; joint_rotations_w: [..., 52, 4] wxyz.
        keypoint_offsets_b: [87, 3] or [..., 87, 3] m, in the frames of joints `KEYPOINT_JOINTS`.

    Returns:
        [..., 87, 3] m.
    """
    joints = KEYPOINT_JOINTS.tolist()
    turned: Array = rotations.rotate(joint_rotations_w[..., joints, :], keypoint_offsets_b)
    return joint_positions_w[..., joints, :] + turned
