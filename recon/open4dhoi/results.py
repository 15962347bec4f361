"""Open4DHOI's object placement (`obj_poses.json`) and optimised parameters (`final_optimized_parameters/`).

Their poses apply to a mesh of their making: the file's vertices times the scale, minus their mean, times the
annotator's scale (first version); in the second version `t` is added to that before the pose is applied. Here a pose
is that of the mesh file's own frame, so both kinds differ from ours by a constant offset in it:
`x_c = R (S v + offset) + center = R (S v) + position`, S the product of both scales.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from recon.camera import Camera
from recon.open4dhoi.layout import PLACEMENTS, RESULTS, Version, json_object, replace_json, write_obj
from recon.open4dhoi.motion import SmplxTrack, body_result, camera_to_global
from sim import rotations
from sim.errors import FormatError, MotionError
from sim.geometry import Mesh
from sim.motion import Motion

LATEST, FINAL = "all_parameters_latest.json", "transformed_parameters_final.json"
_STAMP = re.compile(r"_(\d{8}_\d{6})\.json$")
_HUMAN = ("body_pose", "betas", "global_orient", "transl", "left_hand_pose", "right_hand_pose")
_COLUMNS = {"body_pose": 63, "betas": 10, "global_orient": 3, "transl": 3, "left_hand_pose": 45, "right_hand_pose": 45}
_RIGID = 1e-2


@dataclass(frozen=True, eq=False)
class Placement:
    """`obj_poses.json`: scale of the mesh and a first guess of where the object is, in camera axes.

    Attributes:
        scale: what the mesh file's lengths are multiplied with (a stored 0 means 1).
        centers_c: [T, 3] m of the mesh's mean (first version).
        rotations_c: [T, 3, 3], where stored (first version).
        shift_c: [3] m, `t` (second version).
        extra: other fields, kept as they were.
    """

    scale: float = 1.0
    centers_c: np.ndarray | None = None
    rotations_c: np.ndarray | None = None
    shift_c: np.ndarray | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> Version:
        """The first version stores centres."""
        return "v1" if self.centers_c is not None else "v2"

    def offset_b(self, vertices: np.ndarray, object_scale: float = 1.0) -> np.ndarray:
        """What their mesh is shifted by in the object's frame, [3] m.

        vertices [D, 3]: as Open3D reads them (`VertexOrder.vertices`), unscaled: vertices that it drops or splits do
        not count the same in the mean.
        """
        mean = vertices.mean(0) * (self.scale * object_scale)
        return -mean if self.shift_c is None else self.shift_c - mean

    @staticmethod
    def read(path: Path) -> Placement:
        """Raises FormatError."""
        content = json_object(path)
        scale = content.pop("scale", 1.0)
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not (np.isfinite(scale) and scale >= 0):
            raise FormatError(f"{path}: scale is {scale!r:.40}, expected a positive number")
        centers = _array(content, "center", (3,), path)
        turns = _array(content, "rotation", (3, 3), path)
        shift = _array(content, "t", (3,), path)
        if shift is not None:
            shift = shift.reshape(-1, 3)[0]  # some files repeat it for every frame
        return Placement(float(scale) or 1.0, centers, turns, shift, content)

    def write(self, path: Path) -> None:
        """Atomically."""
        arrays = {"center": self.centers_c, "rotation": self.rotations_c, "t": self.shift_c}
        given = {name: array.tolist() for name, array in arrays.items() if array is not None}
        replace_json(path, {"scale": self.scale, **given, **self.extra})


def read_placement(folder: Path) -> Placement:
    """A session's object placement; scale 1 in the origin where it has none. Raises FormatError."""
    found = placement_path(folder)
    return Placement.read(found) if found.is_file() else Placement()


def placement_path(folder: Path) -> Path:
    """Where the session's placement is, or should be written: of two, their tools read the aligned one."""
    return next((folder / name for name in PLACEMENTS if (folder / name).is_file()), folder / PLACEMENTS[-1])


@dataclass(frozen=True, eq=False)
class Results:
    """`all_parameters_*.json`: the optimised poses of N frames, in camera axes.

    Attributes:
        frames: [N] video frames that have a pose. The first version's optimiser drops the last annotated frame; the
            second's end is exclusive. Either way these are the frames that are there.
        human: SMPL-X parameters of these frames in camera axes.
        object_rotations_c: [N, 3, 3]; object_centers_c: [N, 3] m: of *their* mesh, see `Placement.offset_b`.
        incam, world: root orientation and translation, [N, 3] each, before optimisation, in camera axes and in
            GVHMR's y-up world: they tell where the camera is.
        intrinsics: [3, 3] pixels, or None (first version).
        scale, object_scale: of the mesh, where stored (first version).
        extra: the rest of the file, kept as it was (`kp_records`, `transformed`, other metadata).
    """

    frames: np.ndarray
    human: SmplxTrack
    object_rotations_c: np.ndarray
    object_centers_c: np.ndarray
    incam: SmplxTrack
    world: SmplxTrack
    version: Version
    intrinsics: np.ndarray | None = None
    scale: float | None = None
    object_scale: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def object_poses_c(
        self, vertices: np.ndarray, placement: Placement, object_scale: float = 1.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Poses of the mesh file's own frame (times both scales) in camera axes: [N, 3] m, [N, 4] wxyz.

        vertices: see `Placement.offset_b`.
        """
        offset = placement.offset_b(vertices, object_scale)
        position = self.object_centers_c + self.object_rotations_c @ offset
        return position, rotations.from_matrix(self.object_rotations_c)


def read_results(folder: Path) -> Results | None:
    """A session's newest optimised parameters, or None where there are none. Raises FormatError."""
    path = _newest(folder / RESULTS)
    return None if path is None else parse_results(path)


def parse_results(path: Path) -> Results:
    """One `all_parameters_*.json`. Raises FormatError naming the field and the frame."""
    content = json_object(path)
    human, item = _section(content, "human_params_raw", path), _section(content, "object_params_raw", path)
    keys = _frames(human, path)
    track = SmplxTrack(**{name: _series(human, name, (_COLUMNS[name],), keys, path) for name in _HUMAN})
    turns = _series(item, "poses", (3, 3), keys, path)
    off = np.abs(turns @ turns.swapaxes(-1, -2) - np.eye(3)).max((-1, -2))
    if off.max(initial=0) > _RIGID or (np.linalg.det(turns) < 0).any():
        raise FormatError(f"{path}: object_params_raw.poses is no rotation at frame {keys[int(off.argmax())]}")
    frame_range = content.get("metadata", {}).get("frame_range", {})
    first = int(frame_range.get("start", keys[0]))
    if first != keys[0]:
        raise FormatError(f"{path}: metadata.frame_range starts at {first}, the parameters at frame {keys[0]}")
    subsets = []
    for name in ("smpl_params_incam_subset", "smpl_params_global_subset"):
        section = _section(content, name, path)
        pair = {part: _array(section, part, (3,), path) for part in ("global_orient", "transl")}
        kept = {part: array[: len(keys)] for part, array in pair.items() if array is not None}
        short = [part for part in pair if len(kept.get(part, ())) < len(keys)]
        if short:
            raise FormatError(f"{path}: {name}.{short[0]} has fewer frames than the parameters' {len(keys)}")
        subsets.append(SmplxTrack(**kept))
    camera, scale = content.get("camera") or {}, content.get("metadata", {}).get("user_scale")
    known = {"human_params_raw", "object_params_raw", "smpl_params_incam_subset", "smpl_params_global_subset", "camera"}
    return Results(
        frames=np.array(keys),
        human=track,
        object_rotations_c=turns,
        object_centers_c=_series(item, "centers", (3,), keys, path),
        incam=subsets[0],
        world=subsets[1],
        version="v2" if path.name == LATEST or "K" in camera else "v1",
        intrinsics=_array(camera, "K", (3,), path),
        scale=float(item["scale"]) if "scale" in item else None,
        object_scale=None if scale is None else float(scale),
        extra={name: value for name, value in content.items() if name not in known},
    )


def write_results(
    folder: Path, results: Results, their_mesh: Mesh | None = None, *, now: datetime | None = None
) -> Path:
    """Write `all_parameters_*.json` (its version's name) and `transformed_parameters_final.json`; the former's path.

    The transformed parameters are in GVHMR's y-up world. Person and object go there by the same rigid transform; the
    published code leaves the pelvis's rest position out of it for the person alone, and its first version takes the
    camera of frame i for frame start + i.

    Args:
        their_mesh: as the poses apply to it; the first version's renderer wants it as a file beside.
    """
    target, stamp = folder / RESULTS, f"{now or datetime.now():%Y%m%d_%H%M%S}"
    turn, move = camera_to_global(results.incam, results.world)
    human = results.human.moved(turn, move)
    placed = {
        "R_total": turn @ results.object_rotations_c,
        "T_total": np.einsum("tij,tj->ti", turn, results.object_centers_c) + move,
    }
    item = _by_frame(placed, results.frames)
    final = {
        "human_params_transformed": _by_frame({n: getattr(human, n) for n in _HUMAN}, results.frames),
        "object_params_transformed": item,
    }
    content = to_json(results)
    if results.version == "v1" and their_mesh is not None:
        mesh_path = target / f"transformed_object_{stamp}.obj"
        write_obj(mesh_path, their_mesh)
        sizes = {"scale": results.scale, "scale_init": results.object_scale}
        content["transformed"] = {"parameters": {"object_params": item | sizes}, "object_mesh_path": str(mesh_path)}
    path = target / (LATEST if results.version == "v2" else f"all_parameters_{stamp}.json")
    replace_json(path, content)
    replace_json(target / FINAL, final)
    if results.version == "v1":
        replace_json(folder / FINAL, final)  # where its renderer puts it
    return path


def results_of(
    motion: Motion,
    camera: Camera,
    vertices: np.ndarray,
    placement: Placement,
    *,
    object_scale: float = 1.0,
    first_frame: int = 0,
    version: Version = "v2",
    records: Mapping[str, Any] | None = None,
) -> tuple[Results, list[str]]:
    """A reconstructed motion as their results, and notes on what they cannot hold.

    Args:
        motion: its one object is the mesh file's frame, times both scales.
        camera: of the video, over these frames.
        vertices: see `Placement.offset_b`. first_frame: of the motion, in the video.
        records: the annotation's record, as JSON; its frames go along.

    Raises:
        MotionError: there is not exactly one object.
    """
    if len(motion.objects) != 1:
        raise MotionError(f"objects: Open4DHOI's results hold one object, the motion has {len(motion.objects)}")
    item, body = motion.objects[0], body_result(motion, camera)
    turn_c = rotations.inverse(np.broadcast_to(camera.rotation_w, item.rotation_w.shape))
    turns = rotations.to_matrix(rotations.multiply(turn_c, item.rotation_w))
    frames = np.arange(first_frame, first_frame + motion.num_frames)
    extra = {"kp_records": {f"{f:05d}": (records or {}).get(f"{f:05d}", {"2D_keypoint": []}) for f in frames.tolist()}}
    results = Results(
        frames=frames,
        human=body.incam,
        object_rotations_c=turns,
        object_centers_c=camera.to_camera(item.position_w) - turns @ placement.offset_b(vertices, object_scale),
        incam=SmplxTrack(body.incam.global_orient, body.incam.transl),
        world=SmplxTrack(body.world.global_orient, body.world.transl),
        version=version,
        intrinsics=camera.intrinsics if version == "v2" else None,
        scale=placement.scale if version == "v1" else None,
        object_scale=object_scale if version == "v1" else None,
        extra=extra,
    )
    return results, list(body.notes)


def to_json(results: Results) -> dict[str, Any]:
    """The inverse of `parse_results`."""
    item = _by_frame({"poses": results.object_rotations_c, "centers": results.object_centers_c}, results.frames)
    first, last = int(results.frames[0]), int(results.frames[-1])
    metadata: dict[str, Any] = {"frame_range": {"start": first, "end": last + 1}} | dict(
        results.extra.get("metadata", {})
    )
    subsets = {
        f"smpl_params_{name}_subset": {part: getattr(track, part).tolist() for part in ("global_orient", "transl")}
        for name, track in (("incam", results.incam), ("global", results.world))
    }
    content = {
        "human_params_raw": _by_frame({n: getattr(results.human, n) for n in _HUMAN}, results.frames),
        "object_params_raw": item if results.scale is None else item | {"scale": results.scale},
        **subsets,
        **{name: value for name, value in results.extra.items() if name != "metadata"},
    }
    content.setdefault("kp_records", {})
    content.setdefault("transformed", {})
    if results.object_scale is not None:
        metadata["user_scale"] = results.object_scale
    if results.intrinsics is not None:
        content["camera"] = {"K": results.intrinsics.tolist()}
    return {"metadata": metadata, **content}


def _newest(folder: Path) -> Path | None:
    """The second version's name counts first, then the time in the name; a copied file's own time says nothing."""
    if (folder / LATEST).is_file():
        return folder / LATEST
    stamped = [(match[1], path) for path in folder.glob("all_parameters_*.json") if (match := _STAMP.search(path.name))]
    return max(stamped)[1] if stamped else None


def _frames(human: Mapping[str, Any], path: Path) -> list[int]:
    poses = human.get("body_pose")
    if not isinstance(poses, Mapping) or not poses or not all(str(key).isdecimal() for key in poses):
        raise FormatError(f"{path}: human_params_raw.body_pose holds no frames")
    keys = sorted(int(key) for key in poses)
    gaps = np.flatnonzero(np.diff(keys) > 1)
    if len(gaps):
        raise FormatError(f"{path}: human_params_raw.body_pose lacks frame {keys[int(gaps[0])] + 1}")
    return keys


def _series(section: Mapping[str, Any], name: str, shape: tuple[int, ...], keys: list[int], path: Path) -> np.ndarray:
    """[N, *shape] out of a mapping from frame to (nested) lists."""
    values, rows = section.get(name), []
    for key in keys:
        try:
            rows.append(np.asarray(values[str(key)], np.float64).reshape(shape))  # type: ignore[index]
        except (TypeError, KeyError, ValueError) as error:
            raise FormatError(f"{path}: {name} of frame {key} is missing or not of shape {list(shape)}") from error
        if not np.isfinite(rows[-1]).all():
            raise FormatError(f"{path}: {name} of frame {key} is not finite")
    return np.stack(rows)


def _array(section: Any, name: str, shape: tuple[int, ...], path: Path) -> np.ndarray | None:
    """[N, *shape] (or [*shape]) and finite; None where there is none. Takes it out of a plain dict's top level."""
    if name not in section:
        return None
    value = section.pop(name) if name in ("center", "rotation", "t") else section[name]
    try:
        array = np.asarray(value, np.float64)
        array = array if array.shape == shape else array.reshape(len(array), *shape)
    except (TypeError, ValueError) as error:
        raise FormatError(f"{path}: {name} is no list of {' x '.join(map(str, shape))} numbers") from error
    if not np.isfinite(array).all():
        raise FormatError(f"{path}: {name} is not finite at row {int(np.argwhere(~np.isfinite(array))[0, 0])}")
    return array


def _section(content: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    section = content.get(name)
    if not isinstance(section, Mapping):
        raise FormatError(f"{path}: no '{name}' in it")
    return section


def _by_frame(arrays: Mapping[str, np.ndarray | None], frames: np.ndarray) -> dict[str, Any]:
    """Arrays [N, ...] as mappings from frame to lists."""
    return {
        name: {str(frame): row for frame, row in zip(frames.tolist(), array.tolist(), strict=True)}
        for name, array in arrays.items()
        if array is not None
    }
