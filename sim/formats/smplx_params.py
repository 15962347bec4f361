"""SMPL-X (and SMPL-H) parameter files: a table of pose parameters in `.npz`, `.json` or `.pt` (`smplx`).

Understood: `global_orient`, `body_pose` (63 columns), `left_hand_pose`, `right_hand_pose` (45), `transl`, `betas`, also
under AMASS's names (`root_orient`, `pose_body`, `pose_hand`, `trans`, or all in `poses`) and nested as in GVHMR's
results (`smpl_params_global`). Jaw, eyes and expression are left out. Such a file knows neither bones nor object.

Frames: SMPL's joint frames are left +x, up +y, facing +z. They become facing +x, left +y, up +z; the world likewise,
according to which axis of it points up.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from sim import rotations, skeleton
from sim.errors import FormatError, TouchstoneError
from sim.formats.common import Clip, load_torch
from sim.motion import Motion

NAME = "smplx"
Up = Literal["y", "z", "-y"]

TO_STANDARD = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""SMPL's axes (left, up, facing) to ours (facing, left, up)."""
WORLD: dict[str, np.ndarray] = {
    "y": TO_STANDARD,
    "z": np.eye(3),
    "-y": np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
}
"""File world to ours, by the axis that points up; `-y` is a camera's frame (right, down, forward)."""

NEUTRAL_PELVIS = np.array([0.0031, -0.3514, 0.0120])
"""Rest position of SMPL-X's neutral pelvis, m, SMPL's axes: `transl` moves the model's origin, not the pelvis."""

_ALIASES = {
    "global_orient": ("root_orient", "root_pose"),
    "body_pose": ("pose_body",),
    "left_hand_pose": ("lhand_pose",),
    "right_hand_pose": ("rhand_pose",),
    "transl": ("trans",),
    "betas": ("shape",),
    "fps": ("mocap_frame_rate", "mocap_framerate", "framerate"),
}
_STANDARD = {alias: name for name, aliases in _ALIASES.items() for alias in aliases}
_KNOWN = {*_ALIASES, *_STANDARD, "poses", "pose_hand", "rest_joints"}
_HANDS = tuple(f"{side}_{name}" for side in ("left", "right") for name in skeleton.SMPLX_HAND_ORDER)
_ORDER = (*skeleton.SMPLX_BODY_ORDER, *_HANDS)
_FROM_SMPLX = [_ORDER.index(name) for name in skeleton.JOINT_NAMES]
_HEAD_PARTS = 3
"""Jaw and two eyes, which SMPL-X has between body and hands."""


def load(path: Path) -> Mapping[str, Any]:
    """The file's parameters by their standard names. Raises FormatError if it is no parameter file."""
    try:
        if path.suffix == ".json":
            return by_name(json.loads(path.read_text(encoding="utf-8")))
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:  # reads only what is asked for: others may be pickles
                return by_name({name: archive[name] if name in _KNOWN else None for name in archive.files})
        return by_name(load_torch(path))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise FormatError(f"not a readable {path.suffix} file: {error}") from error


def by_name(content: Any) -> Mapping[str, Any]:
    """Parameters under their standard names, out of a mapping that may use others or nest them."""
    if not isinstance(content, Mapping):
        raise FormatError(f"holds a {type(content).__name__}, expected SMPL-X parameters by name")
    return {_STANDARD.get(name, name): value for name, value in content.get("smpl_params_global", content).items()}


def looks_like(content: Mapping[str, Any]) -> bool:
    """Whether these are SMPL-X parameters at all."""
    return "poses" in content or {"global_orient", "body_pose"} <= set(content)


def read(content: Mapping[str, Any], *, up: Up = "y", body: Path | None = None) -> Clip:
    """Parameters by name as a clip without an object.

    Args:
        content: what `load` returned.
        up: which axis of the file's world points up.
        body: where the bones come from: SMPL-X's own model file (`SMPLX_NEUTRAL.npz`; the file's `betas` shape it) or a
            motion of the same subject that Touchstone wrote. Not needed if the file holds `rest_joints` [>= 52, 3] m.

    Raises:
        FormatError: a parameter is missing or has another shape, or nothing says how long the bones are.
    """
    if up not in WORLD:
        raise FormatError(f"up axis '{up}' is not one of {', '.join(WORLD)}")
    pose, notes = _poses(content)
    transl = _array(content, "transl", 3, len(pose))
    betas = np.atleast_2d(_plain(content["betas"]))[0] if "betas" in content else None
    offsets, pelvis, origin = _bones(content, body, betas)
    rotvec = pose[:, _FROM_SMPLX] @ TO_STANDARD.T
    rotations_b = rotations.from_rotvec(rotvec)
    # the root's frame turns on its body side as every joint's does, on its world side by the world's own axes
    root_w = rotations.from_matrix(
        WORLD[up] @ rotations.to_matrix(rotations.from_rotvec(pose[:, 0].copy())) @ TO_STANDARD.T
    )
    rotations_b[:, 0] = root_w
    return Clip(
        rotations_b,
        offsets,
        (transl + pelvis) @ WORLD[up].T,
        body_shape=betas,
        fps=float(_plain(content["fps"])) if "fps" in content else None,
        notes=[f"{up} up", origin, *notes],
    )


def parameters(motion: Motion, *, up: Up = "y", pelvis: np.ndarray = NEUTRAL_PELVIS) -> dict[str, np.ndarray]:
    """The inverse of `read`: a motion's pose as SMPL-X parameters by name, in a world whose `up` axis points up.

    Args:
        motion: with the standard skeleton. Its bones do not go along: SMPL-X makes its own from `betas`.
        pelvis: [3] m, where the target model's pelvis rests, SMPL's axes.

    Returns:
        `global_orient`, `transl` [T, 3], `body_pose` [T, 63], `left_hand_pose`, `right_hand_pose` [T, 45].

    Raises:
        FormatError: another skeleton, or no such axis.
    """
    if up not in WORLD:
        raise FormatError(f"up axis '{up}' is not one of {', '.join(WORLD)}")
    if motion.joint_names != skeleton.JOINT_NAMES:
        raise FormatError(f"SMPL-X parameters need the standard {skeleton.NUM_JOINTS} joints")
    pose = np.empty((motion.num_frames, skeleton.NUM_JOINTS, 3))
    pose[:, _FROM_SMPLX] = rotations.to_rotvec(motion.joint_rotations_b) @ TO_STANDARD
    root = WORLD[up].T @ rotations.to_matrix(motion.joint_rotations_b[:, 0]) @ TO_STANDARD
    flat = pose.reshape(motion.num_frames, -1)
    return {
        "global_orient": rotations.to_rotvec(rotations.from_matrix(root)),
        "body_pose": flat[:, 3:66],
        "left_hand_pose": flat[:, 66:111],
        "right_hand_pose": flat[:, 111:],
        "transl": motion.root_position_w @ WORLD[up] - pelvis,
    }


def rest_joints(offsets: np.ndarray, pelvis: np.ndarray = NEUTRAL_PELVIS) -> np.ndarray:
    """Bones [52, 3] m as a file's `rest_joints` [52, 3] m, SMPL's order and axes: for `read` without a model file."""
    joints = np.empty((skeleton.NUM_JOINTS, 3))
    joints[_FROM_SMPLX] = skeleton.rest_joints(offsets) @ TO_STANDARD
    return joints + pelvis


def _plain(value: Any) -> np.ndarray:
    try:
        tensor = value.detach() if isinstance(value, torch.Tensor) else value
        return np.asarray(tensor, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise FormatError(f"holds a parameter that is no array of numbers ({error})") from error


def _array(content: Mapping[str, Any], name: str, columns: int, frames: int | None = None) -> np.ndarray:
    """A parameter [T, columns], finite. Raises FormatError."""
    if name not in content:
        raise FormatError(f"no '{name}' among {', '.join(sorted(content))}")
    array = _plain(content[name])
    array = array.reshape(len(array), -1) if array.ndim else array.reshape(1, 1)
    if array.shape[1] != columns or frames not in (None, len(array)):
        raise FormatError(f"{name} has shape {list(array.shape)}, expected [{frames or 'T'}, {columns}]")
    finite = np.isfinite(array).all(1)
    if not finite.all():
        raise FormatError(f"{name} is not finite at frame {int(np.argmin(finite))}")
    return array


def _poses(content: Mapping[str, Any]) -> tuple[np.ndarray, list[str]]:
    """Rotation vectors [T, 52, 3] in SMPL's own order (22 body, 15 left hand, 15 right hand), and notes."""
    if "poses" in content:
        columns = _plain(content["poses"]).shape[-1]
        if columns not in (156, 165):
            raise FormatError(f"poses has {columns} columns, expected 156 (SMPL-H) or 165 (SMPL-X)")
        poses = _array(content, "poses", columns).reshape(-1, columns // 3, 3)
        first = 22 + (_HEAD_PARTS if columns == 165 else 0)
        return np.concatenate([poses[:, :22], poses[:, first:]], 1), []
    root = _array(content, "global_orient", 3)
    frames = len(root)
    body = _array(content, "body_pose", 63, frames)
    notes = []
    if "pose_hand" in content:
        hands = _array(content, "pose_hand", 90, frames)
    else:
        sides = [f"{side}_hand_pose" for side in ("left", "right")]
        notes = [f"no {name}: fingers straight" for name in sides if name not in content]
        hands = np.concatenate(
            [_array(content, n, 45, frames) if n in content else np.zeros((frames, 45)) for n in sides], 1
        )
    return np.concatenate([root, body, hands], 1).reshape(frames, 52, 3), notes


def _bones(
    content: Mapping[str, Any], body: Path | None, betas: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, str]:
    """Offsets [52, 3] m in standard axes, the pelvis at rest [3] m in SMPL's, and where they come from."""
    if "rest_joints" in content:
        joints = _plain(content["rest_joints"])
        return *_from_joints(joints), "bones from the file's rest_joints"
    if body is None:
        raise FormatError(
            "SMPL-X parameters do not hold bone lengths: name SMPL-X's model file (SMPLX_NEUTRAL.npz) or a motion of "
            "the same person (--body FILE), or add rest_joints [55, 3] to the file"
        )
    try:
        with np.load(body, allow_pickle=False) as archive:
            names = set(archive.files)
            if {"J_regressor", "v_template", "shapedirs"} <= names:
                vertices = archive["v_template"]
                if betas is not None:
                    vertices = vertices + archive["shapedirs"][..., : len(betas)] @ betas
                return *_from_joints(archive["J_regressor"] @ vertices), f"bones from {body.name}"
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(f"body {body}: not a readable .npz file ({error})") from error
    try:
        motion = Motion.load(body)
    except TouchstoneError as error:
        raise FormatError(f"body {body}: neither SMPL-X's model file nor a motion of ours") from error
    if motion.joint_names != skeleton.JOINT_NAMES:
        raise FormatError(f"body {body}: its skeleton is not the standard one")
    return motion.offsets, NEUTRAL_PELVIS, f"bones from the motion {body.name}"


def _from_joints(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SMPL-H's [52, 3] or SMPL-X's [>= 55, 3] rest joints -> offsets [52, 3] in standard axes, pelvis [3] in SMPL's."""
    if joints.ndim != 2 or joints.shape[1] != 3 or (len(joints) != 52 and len(joints) < 55):
        raise FormatError(f"rest joints have shape {list(joints.shape)}, expected [52, 3] (SMPL-H) or [55, 3] (SMPL-X)")
    if len(joints) > 52:
        joints = np.delete(joints[:55], range(22, 22 + _HEAD_PARTS), axis=0)
    ours = joints[_FROM_SMPLX] @ TO_STANDARD.T
    return ours - ours[np.maximum(skeleton.PARENTS, 0)], joints[0]
