"""`Motion`: the one value that importers, reconstruction, generation, physics and replay pass to each other."""

from __future__ import annotations

import dataclasses
import functools
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from sim import rotations, skeleton
from sim.arrays import frozen
from sim.contact_graph import ContactGraph
from sim.errors import MotionError, TouchstoneError
from sim.files import atomic_path
from sim.geometry import Geometry, Mesh, Primitive, PrimitiveKind
from sim.keypoint_names import KEYPOINT_NAMES

FORMAT_VERSION = 1
_UNIT_TOLERANCE = 1e-3
_DAMAGE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, NotImplementedError, RuntimeError,
    zipfile.BadZipFile, zlib.error, struct.error,
)  # fmt: skip
"""What NumPy, zipfile and JSON raise over a file that is damaged or something else altogether."""


@dataclass(frozen=True)
class MotionObject:
    """An object and where it is in every frame.

    Attributes:
        name: unique within the motion.
        geometry: mesh or primitive in the object's own frame, metres.
        position_w: [T, 3] m; rotation_w: [T, 4] wxyz, of that frame in the world.
        is_static: never moves; physics welds it to the world.
        mass: kg, or None to take it from the density; density: kg/m^3, or None for physics' default.
        friction: sliding friction coefficient, or None for physics' default.
    """

    name: str
    geometry: Geometry
    position_w: np.ndarray
    rotation_w: np.ndarray
    is_static: bool = False
    mass: float | None = None
    density: float | None = None
    friction: float | None = None

    @property
    def is_ball(self) -> bool:
        """A movable sphere: it bounces, and nobody sees how it has turned."""
        return not self.is_static and isinstance(self.geometry, Primitive) and self.geometry.kind == "sphere"


@dataclass(frozen=True)
class BodyShape:
    """Which body model the subject was, with its shape parameters (arrays of any shape, by name)."""

    model: str
    parameters: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", {name: frozen(value, None) for name, value in self.parameters.items()})


@dataclass(frozen=True, eq=False)
class Motion:
    """A person's motion with objects, in SI units, z up, quaternions wxyz. Immutable and valid by construction.

    Attributes:
        fps: frames per second of this clip.
        root_position_w: [T, 3] m, the pelvis.
        joint_rotations_b: [T, J, 4], relative to the parent joint; joint 0 relative to the world.
        offsets: [J, 3] m, rest offset of each joint in its parent's frame, of this subject.
        joint_names, parents: the skeleton (the standard one has J = 52).
        objects: what is touched, possibly nothing.
        contacts: keypoint-object pairs with their frame intervals.
        contact_labels: [T, J] int8 or None; +1 must touch an object, 0 don't care, -1 must not touch.
        object_contact: [T] int8 or None; 1 where the data set says that the object is touched at all.
        body: body model and shape of the subject, where known.
        text, action, group: what is done, in words; the action's label; the group trained together.
        source: provenance: which pipeline made it, with what options and version.

    Raises:
        MotionError: from the constructor, naming the field and the first bad frame.
    """

    fps: float
    root_position_w: np.ndarray
    joint_rotations_b: np.ndarray
    offsets: np.ndarray
    joint_names: tuple[str, ...] = skeleton.JOINT_NAMES
    parents: tuple[int, ...] = skeleton.PARENTS
    objects: tuple[MotionObject, ...] = ()
    contacts: ContactGraph = field(default_factory=ContactGraph)
    contact_labels: np.ndarray | None = None
    object_contact: np.ndarray | None = None
    body: BodyShape | None = None
    text: str = ""
    action: str = ""
    group: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        _set(self, "fps", float(self.fps))
        _set(self, "joint_names", tuple(self.joint_names))
        _set(self, "parents", tuple(int(parent) for parent in self.parents))
        for name in ("root_position_w", "joint_rotations_b", "offsets"):
            _set(self, name, _numbers(name, getattr(self, name)))
        for name, allowed in (("contact_labels", (-1, 0, 1)), ("object_contact", (0, 1))):
            if getattr(self, name) is not None:
                _set(self, name, _labels(name, getattr(self, name), allowed))
        _set(self, "objects", tuple(_normalised(o) for o in self.objects))
        _validate(self)

    @property
    def num_frames(self) -> int:
        """T."""
        return len(self.root_position_w)

    @property
    def duration(self) -> float:
        """Seconds between the first and the last frame."""
        return (self.num_frames - 1) / self.fps

    @functools.cached_property
    def _kinematics(self) -> tuple[np.ndarray, np.ndarray]:
        world = skeleton.forward_kinematics(self.joint_rotations_b, self.root_position_w, self.offsets, self.parents)
        for array in world:
            array.setflags(write=False)
        return world

    @property
    def joint_positions_w(self) -> np.ndarray:
        """[T, J, 3] m, by forward kinematics (computed once)."""
        return self._kinematics[0]

    @property
    def joint_rotations_w(self) -> np.ndarray:
        """[T, J, 4], by forward kinematics (computed once)."""
        return self._kinematics[1]

    def replace(self, **changes: Any) -> Motion:
        """A copy with some fields changed, validated again."""
        return dataclasses.replace(self, **changes)

    def slice(self, start: int, stop: int) -> Motion:
        """Frames start..stop-1, with contacts cut to them. Raises MotionError if that is fewer than two frames."""
        if not 0 <= start < stop <= self.num_frames:
            raise MotionError(f"slice [{start}, {stop}) lies outside the clip's {self.num_frames} frames")
        part = np.s_[start:stop]
        return self.replace(
            root_position_w=self.root_position_w[part],
            joint_rotations_b=self.joint_rotations_b[part],
            objects=tuple(
                dataclasses.replace(o, position_w=o.position_w[part], rotation_w=o.rotation_w[part])
                for o in self.objects
            ),
            contacts=self.contacts.cut(start, stop),
            contact_labels=None if self.contact_labels is None else self.contact_labels[part],
            object_contact=None if self.object_contact is None else self.object_contact[part],
        )

    def resample(self, fps: float) -> Motion:
        """The same motion at another frame rate: linear positions, slerp rotations, nearest labels.

        The first frame stays at time 0; the last is the last new frame that the old clip still covers.
        """
        if not (np.isfinite(fps) and fps > 0):
            raise MotionError(f"fps: {fps} is not a frame rate; give a positive number")
        if fps == self.fps:
            return self
        num_frames = int(np.floor(self.duration * fps + 1e-6)) + 1
        times = np.arange(num_frames) * (self.fps / fps)
        low = np.minimum(times.astype(np.int64), self.num_frames - 2)
        weight = times - low
        nearest = np.minimum(np.rint(times).astype(np.int64), self.num_frames - 1)

        def line(x: np.ndarray) -> np.ndarray:
            w = weight.reshape(-1, *([1] * (x.ndim - 1)))
            return cast(np.ndarray, x[low] * (1 - w) + x[low + 1] * w)

        def turn(q: np.ndarray) -> np.ndarray:
            w = np.broadcast_to(weight.reshape(-1, *([1] * (q.ndim - 2))), q[low].shape[:-1])
            return cast(np.ndarray, rotations.slerp(q[low], q[low + 1], np.ascontiguousarray(w)))

        return self.replace(
            fps=fps,
            root_position_w=line(self.root_position_w),
            joint_rotations_b=turn(self.joint_rotations_b),
            objects=tuple(
                dataclasses.replace(o, position_w=line(o.position_w), rotation_w=turn(o.rotation_w))
                for o in self.objects
            ),
            contacts=self.contacts.retimed(fps / self.fps, num_frames),
            contact_labels=None if self.contact_labels is None else self.contact_labels[nearest],
            object_contact=None if self.object_contact is None else self.object_contact[nearest],
        )

    def save(self, path: str | Path) -> None:
        """Write one self-contained .npz (arrays and a JSON header, no pickle), atomically."""
        arrays, header = _to_arrays(self)
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, header=np.array(json.dumps(header)), **arrays)

    @staticmethod
    def load(path: str | Path) -> Motion:
        """Read a motion that `save` wrote. Raises MotionError if the file is not one, or is damaged."""
        path = Path(path)
        if not path.is_file():
            raise MotionError(f"{path}: no such file")
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            header = json.loads(str(arrays.pop("header")))
            if header["version"] > FORMAT_VERSION:
                raise MotionError(f"written by a newer Touchstone (motion format {header['version']})")
            return _from_arrays(arrays, header)
        except TouchstoneError as error:
            raise MotionError(f"{path}: {error}") from error
        except _DAMAGE as error:
            raise MotionError(f"{path}: not a Touchstone motion ({error}); make one with: touchstone import") from error


def _set(motion: Motion, name: str, value: Any) -> None:
    object.__setattr__(motion, name, value)


def _numbers(name: str, value: Any) -> np.ndarray:
    """A read-only float copy with at least one axis."""
    try:
        array = frozen(value)
    except (TypeError, ValueError) as error:
        raise MotionError(f"{name}: not an array of numbers ({error})") from error
    if array.ndim == 0:
        raise MotionError(f"{name}: a single number, expected an array")
    return array


def _labels(name: str, value: Any, allowed: tuple[int, ...]) -> np.ndarray:
    """A read-only int8 copy; checked before the cast, which would wrap 257 to 1 and cut 0.5 to 0."""
    bad = np.argwhere(~np.isin(_numbers(name, value), allowed))
    if len(bad):
        raise MotionError(f"{name}: not one of {', '.join(map(str, allowed))} at frame {bad[0, 0]}")
    return frozen(value, np.int8)


def _normalised(item: MotionObject) -> MotionObject:
    """With read-only poses, and plain Python values where NumPy scalars came in (JSON knows no others)."""
    plain: dict[str, Any] = {"is_static": bool(item.is_static)}
    plain |= {n: None if (v := getattr(item, n)) is None else float(v) for n in ("mass", "density", "friction")}
    plain |= {n: _numbers(f"objects['{item.name}'].{n}", getattr(item, n)) for n in ("position_w", "rotation_w")}
    return dataclasses.replace(item, **plain)


def _check_array(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise MotionError(f"{name}: shape {list(array.shape)}, expected {list(shape)}")
    if not np.isfinite(array).all():
        where = "frame" if len(shape) > 1 and name != "offsets" else "row"
        raise MotionError(f"{name}: not finite at {where} {int(np.argwhere(~np.isfinite(array))[0, 0])}")


def _check_unit(name: str, q: np.ndarray) -> None:
    error = np.abs(np.linalg.norm(q, axis=-1) - 1.0)
    if error.max() > _UNIT_TOLERANCE:
        where = np.argwhere(error > _UNIT_TOLERANCE)[0]
        joint = f", joint {int(where[1])}" if len(where) > 1 else ""
        raise MotionError(f"{name}: quaternion at frame {int(where[0])}{joint} is not of unit length")


def _validate(m: Motion) -> None:
    if not (np.isfinite(m.fps) and m.fps > 0):
        raise MotionError(f"fps: {m.fps} is not a frame rate")
    frames, joints = m.num_frames, len(m.joint_names)
    if frames < 2:
        raise MotionError(f"root_position_w: {frames} frames, a motion needs at least 2")
    if len(m.parents) != joints or m.parents[0] != -1 or any(not 0 <= p < j for j, p in enumerate(m.parents) if j):
        raise MotionError("parents: each joint needs a parent that comes before it, and joint 0 needs -1")
    if len(set(m.joint_names)) != joints:
        raise MotionError(f"joint_names: must be unique, got {list(m.joint_names)}")
    _check_array("root_position_w", m.root_position_w, (frames, 3))
    _check_array("joint_rotations_b", m.joint_rotations_b, (frames, joints, 4))
    _check_array("offsets", m.offsets, (joints, 3))
    _check_unit("joint_rotations_b", m.joint_rotations_b)
    names = [o.name for o in m.objects]
    if len(set(names)) != len(names):
        raise MotionError(f"objects: names must be unique, got {names}")
    for item in m.objects:
        _check_array(f"objects['{item.name}'].position_w", item.position_w, (frames, 3))
        _check_array(f"objects['{item.name}'].rotation_w", item.rotation_w, (frames, 4))
        _check_unit(f"objects['{item.name}'].rotation_w", item.rotation_w)
        for quantity in ("mass", "density", "friction"):
            value = getattr(item, quantity)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise MotionError(f"objects['{item.name}'].{quantity}: {value} is not positive")
    _validate_contacts(m)


def _validate_contacts(m: Motion) -> None:
    graph, frames, joints = m.contacts, m.num_frames, len(m.joint_names)
    for name in ("object_index", "points_b", "first_frame", "last_frame"):
        if len(getattr(graph, name)) != len(graph):
            raise MotionError(f"contacts.{name}: {len(getattr(graph, name))} rows for {len(graph)} keypoints")
    for row, keypoint in enumerate(graph.keypoints):
        if keypoint not in KEYPOINT_NAMES:
            raise MotionError(f"contacts: row {row} names the unknown keypoint '{keypoint}'")
        if not 0 <= graph.object_index[row] < len(m.objects):
            raise MotionError(f"contacts: row {row} names object {graph.object_index[row]} of {len(m.objects)}")
        first, last = int(graph.first_frame[row]), int(graph.last_frame[row])
        if not 0 <= first <= last < frames:
            raise MotionError(
                f"contacts: row {row} holds in frames {first}..{last}, outside the clip's 0..{frames - 1}"
            )
    if not np.isfinite(graph.points_b).all():
        raise MotionError(
            f"contacts.points_b: not finite at row {int(np.argwhere(~np.isfinite(graph.points_b))[0, 0])}"
        )
    if m.contact_labels is not None:
        _check_array("contact_labels", m.contact_labels, (frames, joints))
    if m.object_contact is not None:
        _check_array("object_contact", m.object_contact, (frames,))


def _to_arrays(m: Motion) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays = {name: getattr(m, name) for name in ("root_position_w", "joint_rotations_b", "offsets")}
    arrays |= {n: getattr(m, n) for n in ("contact_labels", "object_contact") if getattr(m, n) is not None}
    graph = m.contacts
    arrays |= {f"contacts/{n}": getattr(graph, n) for n in ("object_index", "points_b", "first_frame", "last_frame")}
    objects = []
    for i, item in enumerate(m.objects):
        row = {n: getattr(item, n) for n in ("name", "is_static", "mass", "density", "friction")}
        arrays |= {f"objects/{i}/position_w": item.position_w, f"objects/{i}/rotation_w": item.rotation_w}
        if isinstance(item.geometry, Mesh):
            arrays |= {f"objects/{i}/vertices": item.geometry.vertices, f"objects/{i}/faces": item.geometry.faces}
        else:
            row |= {"primitive": item.geometry.kind, "size": list(item.geometry.size)}
        objects.append(row)
    if m.body is not None:
        arrays |= {f"body/{name}": np.asarray(value) for name, value in m.body.parameters.items()}
    header = {
        "version": FORMAT_VERSION, "fps": m.fps, "joint_names": m.joint_names, "parents": m.parents, "objects": objects,
        "keypoints": graph.keypoints, "body": None if m.body is None else m.body.model,
        "text": m.text, "action": m.action, "group": m.group, "source": m.source,
    }  # fmt: skip
    return arrays, header


def _from_arrays(arrays: dict[str, np.ndarray], header: dict[str, Any]) -> Motion:
    objects = []
    for i, row in enumerate(header["objects"]):
        kind = row.pop("primitive", None)
        geometry: Geometry
        if kind is None:
            geometry = Mesh(arrays[f"objects/{i}/vertices"], arrays[f"objects/{i}/faces"])
        else:
            geometry = Primitive(cast(PrimitiveKind, kind), tuple(row.pop("size")))
        pose = (arrays[f"objects/{i}/position_w"], arrays[f"objects/{i}/rotation_w"])
        objects.append(MotionObject(row.pop("name"), geometry, *pose, **row))
    body = None
    if header["body"] is not None:
        shape = {name.removeprefix("body/"): value for name, value in arrays.items() if name.startswith("body/")}
        body = BodyShape(header["body"], shape)
    graph = {name.removeprefix("contacts/"): value for name, value in arrays.items() if name.startswith("contacts/")}
    return Motion(
        fps=header["fps"],
        root_position_w=arrays["root_position_w"],
        joint_rotations_b=arrays["joint_rotations_b"],
        offsets=arrays["offsets"],
        joint_names=tuple(header["joint_names"]),
        parents=tuple(header["parents"]),
        objects=tuple(objects),
        contacts=ContactGraph(tuple(header["keypoints"]), **graph),
        contact_labels=arrays.get("contact_labels"),
        object_contact=arrays.get("object_contact"),
        body=body,
        **{name: header[name] for name in ("text", "action", "group", "source")},
    )
