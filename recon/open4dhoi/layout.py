"""The Open4DHOI layout: names of its files in both versions, and its small files.

Facts of the public tools (first version: Tk app and `4DHOISolver`; second: `data_preparer`, `4dhoi_annotator`,
`hoi_solver`). Annotation records are in `open4dhoi_records`, body motion in `open4dhoi_motion`, poses and results in
`open4dhoi_results`; `recon.session` joins them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recon.annotations import Click, Target, read_json
from sim.arrays import frozen
from sim.errors import FormatError, UnknownNameError
from sim.files import write_json, write_text
from sim.geometry import Mesh
from sim.keypoint_names import KEYPOINT_NAMES
from sim.keypoints import UPSTREAM_MISPLACED

Version = Literal["v1", "v2"]

VIDEOS = ("video.mp4", "video0.mp4")
FRAMES = "frames"
MASKS: dict[Target, str] = {"human": "human_mask_dir", "object": "mask_dir"}
MESHES = ("obj_org.obj", "obj_init.obj")
"""The reconstructed mesh; or, in the released data set, one with scale and place baked in."""
DEPTH = "depth.npy"
SELECTION = "select_id.json"
CLICKS = "points.json"
PLACEMENTS = ("align/obj_poses.json", "output/obj_poses.json")
RESULTS = "final_optimized_parameters"

V1_KEYPOINTS = 74
_CLICK_FRAME = 0


def detect_version(folder: Path) -> Version:
    """Which version's tools filled a session folder; the second where nothing tells."""
    for name in PLACEMENTS:
        if (folder / name).is_file():
            return "v1" if "center" in json_object(folder / name) else "v2"
    if (folder / "motion/hand_pose.json").is_file() or (folder / f"{folder.name}.json").is_file():
        return "v1"
    return "v2"


@dataclass(frozen=True)
class Selection:
    """`select_id.json`: the frame in which the object was reconstructed, and where the clip was cut from.

    Attributes:
        frame: of the clip's video (`select_id`).
        start: frame of the original recording at which the clip begins (`start_id`).
        object_name: what the object is called.
        extra: other fields, kept as they were.
    """

    frame: int = 0
    start: int = 0
    object_name: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def read(path: Path) -> Selection:
        """Raises FormatError."""
        content = json_object(path)
        rest = {k: v for k, v in content.items() if k not in ("select_id", "start_id", "object_name")}
        frame, start = content.get("select_id", 0), content.get("start_id", 0)
        if not (isinstance(frame, int) and isinstance(start, int) and min(frame, start) >= 0):
            raise FormatError(f"{path}: select_id and start_id must be frame numbers, got {frame!r} and {start!r}")
        return Selection(frame, start, str(content.get("object_name", "")), rest)

    def write(self, path: Path) -> None:
        """Atomically, keeping the original beside (see `replace_json`)."""
        named = {"select_id": self.frame, "start_id": self.start, "object_name": self.object_name}
        replace_json(path, {**named, **self.extra})


def read_clicks(path: Path) -> tuple[Click, ...]:
    """Their `points.json`: all its clicks are positive and in the first frame. Raises FormatError."""
    content = json_object(path)
    clicks = []
    targets: tuple[Target, ...] = ("human", "object")
    for target in targets:
        points = content.get(f"{target}_points", [])
        try:
            rows = np.asarray(points, np.float64).reshape(-1, 2)
        except (TypeError, ValueError) as error:
            raise FormatError(f"{path}: {target}_points is no list of [x, y]") from error
        clicks += [Click(target, _CLICK_FRAME, (x, y)) for x, y in rows.tolist()]
    return tuple(clicks)


def write_clicks(path: Path, clicks: Sequence[Click]) -> list[str]:
    """Write their `points.json`; returns notes on clicks that it cannot hold."""
    fit = [c for c in clicks if c.positive and c.frame == _CLICK_FRAME]
    replace_json(path, {f"{t}_points": [list(c.pixel) for c in fit if c.target == t] for t in ("human", "object")})
    lost = len(clicks) - len(fit)
    return [f"{path.name} holds positive clicks in frame 0 only: {lost} of {len(clicks)} left out"] if lost else []


@dataclass(frozen=True, eq=False)
class KeypointTable:
    """`part_kp.json`: where the keypoints lie on SMPL-X, exactly as published, errors included.

    Attributes:
        names: K names, in the file's order (74 in the first version, 87 in the second; the first 74 agree).
        points: [K, 3] m in SMPL's axes (left +x, up +y, facing +z), on the rest pose.
        vertices: [K] SMPL-X vertices.
        misplaced: names whose vertex lies where the name does not say; Touchstone's own keypoints follow the names.
    """

    names: tuple[str, ...]
    points: np.ndarray
    vertices: np.ndarray
    misplaced: frozenset[str]

    @property
    def version(self) -> Version:
        """By the number of keypoints."""
        return "v1" if len(self.names) == V1_KEYPOINTS else "v2"

    @staticmethod
    def read(path: Path) -> KeypointTable:
        """Raises FormatError for another number or order of names, UnknownNameError for a strange one."""
        content = json_object(path)
        names = tuple(content)
        for name in names:
            if name not in KEYPOINT_NAMES:
                raise UnknownNameError(f"keypoint in {path.name}", name, KEYPOINT_NAMES)
        if names not in (KEYPOINT_NAMES, KEYPOINT_NAMES[:V1_KEYPOINTS]):
            raise FormatError(f"{path}: {len(names)} keypoints, expected the {V1_KEYPOINTS} or {len(KEYPOINT_NAMES)} "
                              f"of Open4DHOI in their order")  # fmt: skip
        try:
            points = frozen([row["point"] for row in content.values()]).reshape(-1, 3)
            vertices = frozen([row["index"] for row in content.values()], np.int64)
        except (TypeError, KeyError, ValueError) as error:
            raise FormatError(f"{path}: each keypoint needs a 'point' [x, y, z] and an 'index'") from error
        return KeypointTable(names, points, vertices, UPSTREAM_MISPLACED & set(names))


def json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises FormatError."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise FormatError(f"{path}: holds a {type(content).__name__}, expected a JSON object")
    return content


def replace_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file of theirs atomically, unless it says so already; what stood there first is kept beside."""
    if path.is_file():
        try:
            if json_object(path) == value:
                return
        except FormatError:
            pass  # broken: kept beside all the same
    keep_original(path)
    write_json(path, value)


def keep_original(path: Path) -> None:
    """Copy a file that is about to be replaced to `NAME.orig`, unless an earlier original lies there already."""
    original = path.with_name(path.name + ".orig")
    if path.is_file() and not original.exists():
        shutil.copy2(path, original)


def write_obj(path: Path, mesh: Mesh) -> None:
    """Vertices and faces in their order, as Wavefront OBJ, atomically."""
    vertices = "".join(f"v {x:.9g} {y:.9g} {z:.9g}\n" for x, y, z in mesh.vertices.tolist())
    faces = "".join(f"f {a} {b} {c}\n" for a, b, c in (mesh.faces + 1).tolist())
    write_text(path, vertices + faces)
