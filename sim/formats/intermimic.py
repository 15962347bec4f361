"""InterMimic's layout for OMOMO clips: a tensor [T, 591] at 30 fps (`intermimic-591`), read and written.

Facts (checked against the published clips): root quaternion and body quaternions xyzw; joints are exponential maps of
local rotations, not hinge angles; bodies in the order of `sim.skeleton`; positions follow the subject's own bones.
"""

from __future__ import annotations

import numpy as np

from sim import rotations, skeleton
from sim.errors import FormatError, MotionError
from sim.formats.bones import Bones, check_bones, estimate_bones, world_rotations
from sim.formats.common import Clip, Layout, PoseSource, drop_zero_start, unit_quaternions
from sim.motion import Motion

_J = skeleton.NUM_JOINTS
LAYOUT = Layout(
    "intermimic-591",
    30.0,
    (
        ("root_position_w", (3,)),
        ("root_rotation_xyzw", (4,)),
        ("_padding0", (2,)),
        ("joint_rotvec", (_J - 1, 3)),
        ("body_position_w", (_J, 3)),
        ("object_position_w", (3,)),
        ("object_rotation_xyzw", (4,)),
        ("_padding1", (5,)),
        ("object_contact", (1,)),
        ("contact_labels", (_J,)),
        ("body_rotation_xyzw", (_J, 4)),
    ),
)

_MAX_DISAGREEMENT = np.deg2rad(3.0)
_FINGERS = list(skeleton.FINGER_JOINTS)
_RIGHT_THUMB = [skeleton.JOINT_INDEX[f"right_thumb{i}"] for i in (1, 2, 3)]
_LEFT_THUMB = [skeleton.JOINT_INDEX[f"left_thumb{i}"] for i in (1, 2, 3)]

SHIFTED_COLUMNS = np.arange(_J)
"""[52] where each joint's position lies in the published files. Their 30 finger blocks hold SMPL-X joints 22-51, which
begin with jaw and two eyes, so each finger sits one finger late and the right thumb fell off the end."""
SHIFTED_COLUMNS[_FINGERS[:-3]] = _FINGERS[3:]


def read(table: np.ndarray, pose: PoseSource = "positions") -> Clip:
    """A [T, 591] table as a clip. Raises FormatError.

    Finger positions are read in body order or shifted as in `SHIFTED_COLUMNS`, whichever the rotations explain better.
    The missing right thumb is the left one mirrored about the sagittal plane (y -> -y). `pose` makes no difference:
    positions and rotations of this layout agree.
    """
    parts, notes = drop_zero_start(LAYOUT.split(table))
    root = unit_quaternions(parts["root_rotation_xyzw"], "root_rotation")
    rotations_b = np.concatenate([root[:, None], rotations.from_rotvec(parts["joint_rotvec"].copy())], 1)
    rotations_w = world_rotations(rotations_b)
    _check_body_rotations(parts["body_rotation_xyzw"], rotations_w)
    bones, shifted = estimate_offsets(rotations_w, parts["body_position_w"])
    check_bones(bones, skeleton.JOINT_NAMES)
    if shifted:
        notes.append("finger positions shifted from SMPL-X joints 22-51, right thumb mirrored")
    return Clip(
        rotations_b,
        bones.offsets,
        parts["root_position_w"],
        parts["object_position_w"],
        unit_quaternions(parts["object_rotation_xyzw"], "object_rotation"),
        contact_labels=np.rint(parts["contact_labels"]),
        object_contact=np.rint(parts["object_contact"][:, 0]),
        notes=[*notes, bones.describe()],
    )


def estimate_offsets(rotations_w: np.ndarray, body_position_w: np.ndarray) -> tuple[Bones, bool]:
    """Bones of the subject, and whether the finger position columns are the published files' mis-indexed ones.

    Args:
        rotations_w: [T, 52, 4]; body_position_w: [T, 52, 3] m as in the file.
    """
    plain = estimate_bones(rotations_w, body_position_w, skeleton.PARENTS)
    moved = estimate_bones(rotations_w, body_position_w[:, SHIFTED_COLUMNS], skeleton.PARENTS)
    known = _FINGERS[:-3]
    if plain.spread[known].mean() <= moved.spread[known].mean():
        return plain, False
    moved.offsets[_RIGHT_THUMB] = moved.offsets[_LEFT_THUMB] * (1, -1, 1)
    moved.spread[_RIGHT_THUMB] = moved.spread[_LEFT_THUMB]
    return moved, True


def _check_body_rotations(xyzw: np.ndarray, rotations_w: np.ndarray) -> None:
    """The redundant body quaternions expose joint columns that hold hinge angles instead of exponential maps."""
    angle = rotations.angle_between(unit_quaternions(xyzw, "body_rotation"), rotations_w)
    if angle.max() > _MAX_DISAGREEMENT:
        frame, joint = np.unravel_index(int(angle.argmax()), angle.shape)
        raise FormatError(
            f"joint rotations and body quaternions disagree by {np.rad2deg(angle.max()):.0f} degrees at frame {frame}, "
            f"{skeleton.INTERMIMIC_NAMES[joint]}: do the joint columns hold hinge angles instead of exponential maps?"
        )


def write(motion: Motion) -> np.ndarray:
    """A motion as a [T, 591] float32 table, for InterMimic's loader. Raises MotionError where it cannot be one.

    The layout has no frame rate, InterMimic takes 30: other rates are resampled. Positions are the true ones in body
    order, since InterMimic compares column j with its body j; only the published files' fingers break that.
    A motion without contact labels gets 0 ("don't care") for each body.
    """
    if motion.joint_names != skeleton.JOINT_NAMES:
        raise MotionError(f"{LAYOUT.name} needs the standard 52 joints, the motion has {len(motion.joint_names)}")
    if len(motion.objects) != 1:
        raise MotionError(f"{LAYOUT.name} holds exactly one object, the motion has {len(motion.objects)}")
    motion = motion.resample(LAYOUT.fps)
    frames, item = motion.num_frames, motion.objects[0]
    labels = np.zeros((frames, _J)) if motion.contact_labels is None else motion.contact_labels
    touched = (labels > 0).any(1) if motion.object_contact is None else motion.object_contact
    blocks = {
        "root_position_w": motion.root_position_w,
        "root_rotation_xyzw": rotations.to_xyzw(motion.joint_rotations_b[:, 0]),
        "joint_rotvec": rotations.to_rotvec(motion.joint_rotations_b[:, 1:].copy()),
        "body_position_w": motion.joint_positions_w,
        "object_position_w": item.position_w,
        "object_rotation_xyzw": rotations.to_xyzw(item.rotation_w),
        "object_contact": touched,
        "contact_labels": labels,
        "body_rotation_xyzw": rotations.to_xyzw(motion.joint_rotations_w),
    }
    return LAYOUT.join(blocks, frames)
