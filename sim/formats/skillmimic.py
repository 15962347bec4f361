"""SkillMimic's layout for BallPlay-M clips: a tensor [T, 337] (`skillmimic-337`).

As PhysHOI's with a 53rd body, `Spine2`, between Spine and Chest. The frame rate is not stored: the published clips are
at about 60 fps (free fall of the ball fits 62), so give another with `fps` for other recordings.
"""

from __future__ import annotations

import numpy as np

from sim import rotations, skeleton
from sim.formats.ball import read_ball_clip
from sim.formats.common import Clip, Layout, PoseSource

_CHEST = skeleton.JOINT_INDEX["spine3"]
EXTRA = _CHEST
"""Index of the extra body, which takes the place of the chest and moves all later bodies up by one."""
KEPT = [i for i in range(skeleton.NUM_JOINTS + 1) if i != EXTRA]
"""File indices of the 52 standard joints, in standard order."""


def _names_and_parents() -> tuple[tuple[str, ...], tuple[int, ...]]:
    names = (*skeleton.JOINT_NAMES[:EXTRA], "spine2_extra", *skeleton.JOINT_NAMES[EXTRA:])
    parents = [-1, *(KEPT[p] for p in skeleton.PARENTS[1:])]
    parents[_CHEST] = EXTRA  # the chest hangs on the extra body ...
    parents.insert(EXTRA, KEPT[skeleton.PARENTS[_CHEST]])  # ... and that one on the chest's old parent
    return names, tuple(parents)


NAMES, PARENTS = _names_and_parents()
_B = len(NAMES)
LAYOUT = Layout(
    "skillmimic-337",
    60.0,
    (
        ("root_position_w", (3,)),
        ("root_rotvec", (3,)),
        ("_root_rotvec_again", (3,)),
        ("joint_rotvec", (_B - 1, 3)),
        ("body_position_w", (_B, 3)),
        ("object_position_w", (3,)),
        ("object_rotvec", (3,)),
        ("_padding", (6,)),
        ("object_contact", (1,)),
    ),
)


def read(table: np.ndarray, pose: PoseSource = "positions") -> Clip:
    """A [T, 337] table as a clip of the standard 52 joints; see `sim.formats.ball`. Raises FormatError."""
    clip = read_ball_clip(LAYOUT, table, NAMES, PARENTS, pose)
    clip.joint_rotations_b, clip.offsets, residual = merge_extra_spine(clip.joint_rotations_b, clip.offsets)
    clip.notes.append(f"Spine2 merged into spine2 (chest moved by at most {residual * 1e3:.1f} mm)")
    return clip


def merge_extra_spine(rotations_b: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """53 bodies -> the standard 52 joints: spine2 takes over what the extra body did.

    Spine2's rotation is composed onto spine2's, then spine2 is turned by the little that makes its one, constant offset
    point at where the two bones put the chest; the chest is turned back, so each kept joint but spine2 keeps its world
    rotation. What stays is the change in the distance from spine2 to the chest, which one bone cannot follow.

    Args:
        rotations_b: [T, 53, 4]; offsets: [53, 3] m.

    Returns:
        rotations_b [T, 52, 4], offsets [52, 3] m, and how far the chest's position moved at most, m.
    """
    above, chest = PARENTS[EXTRA], EXTRA + 1
    extra = rotations_b[:, EXTRA]
    merged = rotations.multiply(rotations_b[:, above], extra)
    bone = rotations.rotate_inverse(extra, np.broadcast_to(offsets[EXTRA], (len(extra), 3)).copy()) + offsets[chest]
    direction = rotations.normalize(bone)
    length = np.linalg.norm(bone, axis=-1)
    mean = rotations.normalize(direction.mean(0))
    swing = rotations.between(mean, direction)
    joints, bones = rotations_b[:, KEPT].copy(), offsets[KEPT].copy()
    joints[:, above] = rotations.multiply(merged, swing)
    joints[:, _CHEST] = rotations.multiply(rotations.inverse(swing), rotations_b[:, chest])
    bones[_CHEST] = mean * length.mean()
    return joints, bones, float(np.abs(length - length.mean()).max())
