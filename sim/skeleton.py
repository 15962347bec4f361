"""The standard skeleton: 52 joints of SMPL-H/X (22 body, 15 per hand), depth first, and forward kinematics.

Depth first is the order in which MuJoCo numbers bodies, so a joint index is a body index without a permutation.
Rest pose: T-pose facing +x, left arm along +y, z up, metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
import torch

from sim import rotations

_FINGERS = ("index", "middle", "pinky", "ring", "thumb")


def _hand(side: str) -> list[tuple[str, str]]:
    """(joint, parent) rows of one hand, in the order of the data sets of this field."""
    rows = []
    for finger in _FINGERS:
        parent = f"{side}_wrist"
        for segment in (1, 2, 3):
            rows.append((f"{side}_{finger}{segment}", parent))
            parent = f"{side}_{finger}{segment}"
    return rows


def _arm(side: str) -> list[tuple[str, str]]:
    return [
        (f"{side}_collar", "spine3"), (f"{side}_shoulder", f"{side}_collar"),
        (f"{side}_elbow", f"{side}_shoulder"), (f"{side}_wrist", f"{side}_elbow"), *_hand(side),
    ]  # fmt: skip


def _leg(side: str) -> list[tuple[str, str]]:
    return [
        (f"{side}_hip", "pelvis"), (f"{side}_knee", f"{side}_hip"),
        (f"{side}_ankle", f"{side}_knee"), (f"{side}_foot", f"{side}_ankle"),
    ]  # fmt: skip


_SPINE = [("spine1", "pelvis"), ("spine2", "spine1"), ("spine3", "spine2"), ("neck", "spine3"), ("head", "neck")]
_ROWS = [("pelvis", ""), *_leg("left"), *_leg("right"), *_SPINE, *_arm("left"), *_arm("right")]

JOINT_NAMES: tuple[str, ...] = tuple(name for name, _ in _ROWS)
JOINT_INDEX: dict[str, int] = {name: i for i, name in enumerate(JOINT_NAMES)}
PARENTS: tuple[int, ...] = tuple(JOINT_INDEX[parent] if parent else -1 for _, parent in _ROWS)
NUM_JOINTS = len(JOINT_NAMES)

FINGER_JOINTS: tuple[int, ...] = tuple(i for i, n in enumerate(JOINT_NAMES) if n[-1] in "123" and "spine" not in n)
"""Indices of the 30 finger joints."""
BODY_JOINTS: tuple[int, ...] = tuple(i for i in range(NUM_JOINTS) if i not in FINGER_JOINTS)
"""Indices of the 22 joints that are not fingers, pelvis first."""

SIDES = ("left", "right")
MITTEN_JOINTS: tuple[int, int] = (JOINT_INDEX["left_middle1"], JOINT_INDEX["right_middle1"])
"""The knuckles at which a mitten's four fingers are hinged as one body."""
FINGERS_OF_MITTEN: dict[int, int] = {
    i: JOINT_INDEX[f"{n.split('_')[0]}_middle1"]
    for i, n in enumerate(JOINT_NAMES)
    if i in FINGER_JOINTS and "thumb" not in n
}
"""Joint of the four fingers -> the knuckle with which it moves in a mitten."""


def flexion_axis(side: str) -> np.ndarray:
    """[3] unit axis about which fingers bend towards the palm: with palms down, -x left (+y to -z), +x right."""
    return np.array([-1.0 if side == "left" else 1.0, 0.0, 0.0])


_INTERMIMIC_PARTS = {
    "pelvis": "Pelvis", "foot": "Toe", "spine1": "Torso", "spine2": "Spine", "spine3": "Chest", "collar": "Thorax",
}  # fmt: skip


def _intermimic_name(joint: str) -> str:
    side, _, part = joint.rpartition("_")
    return {"left": "L_", "right": "R_", "": ""}[side] + _INTERMIMIC_PARTS.get(part, part.capitalize())


INTERMIMIC_NAMES: tuple[str, ...] = tuple(_intermimic_name(joint) for joint in JOINT_NAMES)
"""The same joints, in the same order, as InterMimic, PhysHOI and SkillMimic call them."""

SMPLX_BODY_ORDER: tuple[str, ...] = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
"""The 22 body joints in the order of SMPL-X's `global_orient` + `body_pose`."""
SMPLX_HAND_ORDER: tuple[str, ...] = tuple(
    f"{f}{s}" for f in ("index", "middle", "pinky", "ring", "thumb") for s in (1, 2, 3)
)
"""The 15 joints of one hand in the order of SMPL-X's hand poses (side prefix left off)."""


def levels(parents: Sequence[int]) -> list[list[int]]:
    """Joint indices by depth in the tree, roots first; a joint's parent always lies in an earlier level."""
    depth: list[int] = []
    for joint, parent in enumerate(parents):
        if parent >= joint:
            raise ValueError(f"joint {joint} comes before its parent {parent}")
        depth.append(0 if parent < 0 else depth[parent] + 1)
    return [[j for j, d in enumerate(depth) if d == level] for level in range(max(depth) + 1)]


@overload
def forward_kinematics(
    rotations_b: np.ndarray, root_position_w: np.ndarray, offsets: np.ndarray, parents: Sequence[int] = ...
) -> tuple[np.ndarray, np.ndarray]: ...
@overload
def forward_kinematics(
    rotations_b: torch.Tensor, root_position_w: torch.Tensor, offsets: torch.Tensor, parents: Sequence[int] = ...
) -> tuple[torch.Tensor, torch.Tensor]: ...
def forward_kinematics(rotations_b, root_position_w, offsets, parents=PARENTS):  # type: ignore[no-untyped-def]
    """World positions and rotations of all joints, one batched product per level of the tree.

    Args:
        rotations_b: [..., J, 4] wxyz, relative to the parent; joint 0 relative to the world.
        root_position_w: [..., 3] m.
        offsets: [J, 3] or [..., J, 3] m, rest offset in the parent's frame (row 0 is not used).
        parents: J parent indices, -1 for the root.

    Returns:
        positions_w [..., J, 3] m and rotations_w [..., J, 4] wxyz, as arrays of the kind that came in.
    """
    if isinstance(rotations_b, np.ndarray):
        q, p, o = (rotations.as_tensor(a) for a in (rotations_b, root_position_w, offsets))
        positions, world = forward_kinematics(q, p, o, parents)
        return positions.numpy(), world.numpy()
    offsets = offsets.to(rotations_b).expand(*rotations_b.shape[:-1], 3)
    world_rotations: list[torch.Tensor] = [rotations_b[..., 0, :]] * len(parents)
    world_positions: list[torch.Tensor] = [root_position_w] * len(parents)
    for joints in levels(parents)[1:]:
        above = [parents[j] for j in joints]
        parent_rotations = torch.stack([world_rotations[p] for p in above], -2)
        parent_positions = torch.stack([world_positions[p] for p in above], -2)
        turned = rotations.multiply(parent_rotations, rotations_b[..., joints, :])
        moved = parent_positions + rotations.rotate(parent_rotations, offsets[..., joints, :])
        for i, joint in enumerate(joints):
            world_rotations[joint], world_positions[joint] = turned[..., i, :], moved[..., i, :]
    return torch.stack(world_positions, -2), torch.stack(world_rotations, -2)


def rest_joints(offsets: np.ndarray, parents: Sequence[int] = PARENTS) -> np.ndarray:
    """Joint positions of the rest pose with the root at the origin: [J, 3] m -> [J, 3] m."""
    joints = np.zeros((len(parents), 3))
    for joint, parent in enumerate(parents[1:], start=1):
        joints[joint] = joints[parent] + offsets[joint]
    return joints


def local_rotations(rotations_w: np.ndarray, parents: Sequence[int] = PARENTS) -> np.ndarray:
    """World joint rotations to local ones, the inverse of forward kinematics: [..., J, 4] -> [..., J, 4]."""
    above = [max(p, 0) for p in parents]
    local: np.ndarray = rotations.multiply(rotations.inverse(rotations_w[..., above, :]), rotations_w)
    local[..., 0, :] = rotations_w[..., 0, :]
    return local
