"""Any known file to a `Motion`, and back."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from sim import skeleton
from sim.errors import FormatError, MotionError, UnknownNameError
from sim.files import atomic_path
from sim.formats import ball, intermimic, physhoi, skillmimic, smplx_params
from sim.formats.bones import Bones, check_bones
from sim.formats.common import Clip, Layout, PoseSource, as_table, load_torch
from sim.geometry import Geometry
from sim.motion import BodyShape, Motion, MotionObject


class Table(NamedTuple):
    """A tensor layout and its reader."""

    layout: Layout
    read: Callable[[np.ndarray, PoseSource], Clip]


TABLES: dict[str, Table] = {
    module.LAYOUT.name: Table(module.LAYOUT, module.read) for module in (intermimic, skillmimic, physhoi)
}
LAYOUTS: tuple[str, ...] = (*TABLES, smplx_params.NAME)
"""Every layout that can be imported."""
BALL_PLAY = (skillmimic.LAYOUT.name, physhoi.LAYOUT.name)
"""Layouts whose object is a ball of known size."""
EXPORTS: dict[str, Callable[[Motion], np.ndarray]] = {intermimic.LAYOUT.name: intermimic.write}
"""Every layout that can be exported, with its writer."""

MAX_SPEED = 12.5
"""m/s; no runner's pelvis is faster (a sprinter's record top speed is 12.4)."""


def detect_layout(path: str | Path) -> str:
    """Which of `LAYOUTS` a file has, from its content. Raises FormatError if it is none of them."""
    path = Path(path)
    with _about(path):
        return _load(path, None)[0]


def import_motion(
    path: str | Path,
    *,
    layout: str | None = None,
    fps: float | None = None,
    geometry: Geometry | None = None,
    object_name: str | None = None,
    mass: float | None = None,
    density: float | None = None,
    friction: float | None = None,
    group: str = "",
    action: str = "",
    text: str = "",
    pose: PoseSource = "positions",
    up: smplx_params.Up = "y",
    body: str | Path | None = None,
    max_object_distance: float = 10.0,
) -> Motion:
    """Read a data-set file as a motion.

    Args:
        path: the file.
        layout: one of `LAYOUTS`; detected from the file where None.
        fps: frames per second; the layout's own where None.
        geometry: the object's shape in the frame that the file's object pose refers to. Ball clips have a default.
        object_name: of the object; from the file name (InterMimic's `sub8_largebox_000`) or "ball" where None.
        mass, density, friction: of the object, kg, kg/m^3, sliding coefficient; physics chooses where None,
            but for the ball clips' basketball.
        group, action, text: kept in the motion.
        pose: whether ball clips follow their position columns (exactly) or their rotation columns (10-20 mm off).
        up, body: of SMPL-X parameter files, see `sim.formats.smplx_params.read`.
        max_object_distance: m, how far the object may be from the pelvis in any frame.

    Raises:
        FormatError: the file is damaged or is not what it should be; the message names the file, and where it can the
            column block, the frame and what would be right.
        MotionError: what it holds is not a valid motion.
    """
    path = Path(path)
    with _about(path):
        name, content = _load(path, layout)
        if isinstance(content, np.ndarray):
            clip = TABLES[name].read(content, pose)
        else:
            clip = smplx_params.read(content, up=up, body=None if body is None else Path(body))
        fps, origin = _frame_rate(name, clip, fps)
        check_bones(Bones(clip.offsets, np.zeros(len(clip.offsets))), skeleton.JOINT_NAMES)
        _check_speed(clip.root_position_w, fps)
        if name in BALL_PLAY:
            ball.check_fall(clip, fps)
        pose_w = _object_pose(clip, max_object_distance)
        objects: tuple[MotionObject, ...] = ()
        if pose_w is not None:
            said = _said_object(path, name)
            shape = _shape(clip, name, geometry, said)
            if name in BALL_PLAY and mass is None and density is None:
                mass = ball.BALL_MASS
            item = MotionObject(object_name or said, shape, *pose_w, mass=mass, density=density, friction=friction)
            objects = (item,)
        elif geometry is not None:
            raise FormatError(f"{name} files hold no object pose; leave the object out")
        return Motion(
            fps=fps,
            root_position_w=clip.root_position_w,
            joint_rotations_b=clip.joint_rotations_b,
            offsets=clip.offsets,
            objects=objects,
            contact_labels=clip.contact_labels,
            object_contact=clip.object_contact,
            body=None if clip.body_shape is None else BodyShape("smplx", {"betas": clip.body_shape}),
            text=text,
            action=action,
            group=group,
            source="; ".join([f"{name} file {path.name}", f"{fps:g} fps {origin}", *clip.notes]),
        )


def export_motion(motion: Motion, path: str | Path, layout: str = intermimic.LAYOUT.name) -> None:
    """Write a motion in another project's layout, atomically.

    Raises:
        UnknownNameError: no such layout to write. MotionError: the motion does not fit it.
    """
    if layout not in EXPORTS:
        raise UnknownNameError("export layout", layout, EXPORTS)
    table = EXPORTS[layout](motion)
    buffer = io.BytesIO()  # torch reports a full disk as a RuntimeError of its own; plain bytes do not
    torch.save(torch.from_numpy(table), buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


@contextmanager
def _about(path: Path) -> Iterator[None]:
    """Put the file's name before the message of an error of ours."""
    if not path.is_file():
        raise FormatError(f"{path}: no such file")
    try:
        yield
    except (FormatError, MotionError) as error:
        raise type(error)(f"{path}: {error}") from error


def _widths() -> str:
    return ", ".join(f"{name} ({table.layout.width})" for name, table in TABLES.items())


def _load(path: Path, layout: str | None) -> tuple[str, Any]:
    """Layout name and content: a [T, width] array, or SMPL-X parameters by name."""
    if layout is not None and layout not in LAYOUTS:
        raise UnknownNameError("layout", layout, LAYOUTS)
    if path.suffix in (".npz", ".json") or layout == smplx_params.NAME:
        return smplx_params.NAME, _parameters(smplx_params.load(path), layout)
    content = load_torch(path)
    if isinstance(content, Mapping):
        return smplx_params.NAME, _parameters(smplx_params.by_name(content), layout)
    table = as_table(content)
    names = [name for name, known in TABLES.items() if known.layout.width == table.shape[1]]
    if not names:
        raise FormatError(f"{table.shape[1]} columns; known layouts (columns): {_widths()}")
    if layout is not None and layout not in names:
        raise FormatError(
            f"{layout} has {TABLES[layout].layout.width} columns, the file {table.shape[1]}, which is {names[0]}"
        )
    return names[0], table


def _parameters(content: Mapping[str, Any], layout: str | None) -> Mapping[str, Any]:
    held = ", ".join(sorted(content)[:8]) or "nothing"
    if "header" in content and "joint_rotations_b" in content:
        raise FormatError("a Touchstone motion already; there is nothing to import")
    if layout in TABLES:
        raise FormatError(f"{layout} is a tensor in a .pt file, this file holds {held}")
    if not smplx_params.looks_like(content):
        raise FormatError(
            f"not SMPL-X parameters (no global_orient and body_pose among {held}); other known "
            f"layouts are tensors in .pt files: {_widths()}"
        )
    return content


def _frame_rate(name: str, clip: Clip, fps: float | None) -> tuple[float, str]:
    """Frames per second, and who says so."""
    if fps is not None:
        if not (np.isfinite(fps) and fps > 0):
            raise FormatError(f"{fps} is not a frame rate; give a positive number of frames per second")
        return float(fps), "as given"
    if clip.fps is not None:
        return clip.fps, "as stored"
    if name in TABLES:
        return TABLES[name].layout.fps, "as published"
    raise FormatError("does not say its frame rate: give it (--fps)")


def _check_speed(root_position_w: np.ndarray, fps: float) -> None:
    speed = float(np.percentile(np.linalg.norm(np.diff(root_position_w, axis=0), axis=-1) * fps, 95))
    if speed > MAX_SPEED:
        raise FormatError(
            f"at {fps:g} fps the pelvis moves at {speed:.0f} m/s, faster than any runner: "
            "is the frame rate wrong (--fps), or are positions not in metres?"
        )


def _object_pose(clip: Clip, max_distance: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Position and rotation of the clip's object, if it has one and it is near the person in every frame."""
    if clip.object_position_w is None or clip.object_rotation_w is None:
        return None
    distance = np.linalg.norm(clip.object_position_w - clip.root_position_w, axis=-1)
    if distance.max() > max_distance:
        frame = int(np.argmax(distance > max_distance))
        raise FormatError(
            f"the object is {distance[frame]:.1f} m from the person at frame {frame}, more than {max_distance:g} m: "
            "is it in metres and in the person's world? If it is right, raise the limit (--max-object-distance)"
        )
    return clip.object_position_w, clip.object_rotation_w


def _said_object(path: Path, layout: str) -> str:
    """What the object is called: OMOMO's file names say it (`sub8_largebox_000`), ball clips have a ball."""
    if layout in BALL_PLAY:
        return "ball"
    parts = path.stem.split("_")
    return parts[-2] if len(parts) >= 3 else "object"


def _shape(clip: Clip, layout: str, geometry: Geometry | None, said: str) -> Geometry:
    """The user's geometry or the layout's default, which is noted."""
    if geometry is not None:
        return geometry
    if layout not in BALL_PLAY:
        raise FormatError(
            f"holds the pose of an object ('{said}') but not its shape: give a mesh or a primitive, "
            "--object MESH.obj or --object box:x=0.4,y=0.4,z=0.3"
        )
    clip.notes.append(f"default object: a sphere of radius {ball.BALL.size[0]} m")
    return ball.BALL
