"""Body motion in a session folder: GVHMR's results, the hands of both versions, and the way to a `Motion` and back.

`motion/result_hand.pt`, else `motion/result.pt`, holds SMPL-X parameters twice: `smpl_params_incam` in camera axes (x
right, y down, z forward) and `smpl_params_global` in a y-up world. The second version's hands are in the same file;
the first version's in `hand_pose.json`, as rotation matrices, the left hand mirrored; the released data set's in
`hand_pose.npz`.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recon.camera import Camera, default_intrinsics
from recon.open4dhoi.layout import Version, json_object, keep_original, replace_json
from sim import rotations
from sim.errors import FormatError
from sim.files import atomic_path
from sim.formats import smplx_params
from sim.formats.common import load_torch
from sim.formats.smplx_params import NEUTRAL_PELVIS, WORLD
from sim.motion import BodyShape, Motion

BODY_FILES = ("motion/result_hand.pt", "motion/result.pt")
HANDS_V1, HANDS_RELEASED = "motion/hand_pose.json", "motion/hand_pose.npz"
_MIRROR = np.diag([-1.0, 1.0, 1.0])
_SIDES = ("left", "right")
_COLUMNS = {"body_pose": 63, "betas": 10, "global_orient": 3, "transl": 3}
_WRISTS = {"left": 19, "right": 20}
"""Where the wrists are among the 21 joints of `body_pose`."""
_ARM = {"left": (3, 6, 9, 13, 16, 18), "right": (3, 6, 9, 14, 17, 19)}
"""SMPL-X joints from the pelvis (left out) to the elbow."""


@dataclass(frozen=True, eq=False)
class SmplxTrack:
    """SMPL-X parameters of T frames: rotation vectors in SMPL's axes, metres. None where not stored.

    Attributes:
        global_orient, transl: [T, 3], of the model's origin, in the world of the track.
        body_pose: [T, 63]; betas: [T, 10]; left_hand_pose, right_hand_pose: [T, 45].
    """

    global_orient: np.ndarray
    transl: np.ndarray
    body_pose: np.ndarray | None = None
    betas: np.ndarray | None = None
    left_hand_pose: np.ndarray | None = None
    right_hand_pose: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.transl)

    def given(self) -> dict[str, np.ndarray]:
        """Parameters that are there, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def frames(self, index: slice | np.ndarray) -> SmplxTrack:
        """These frames."""
        return SmplxTrack(**{name: value[index] for name, value in self.given().items()})

    def moved(self, turn: np.ndarray, move: np.ndarray, pelvis: np.ndarray = NEUTRAL_PELVIS) -> SmplxTrack:
        """The same body after x -> turn x + move ([T, 3, 3], [T, 3] m): the root turns about the pelvis."""
        orient = turn @ rotations.to_matrix(rotations.from_rotvec(self.global_orient))
        root = np.einsum("tij,tj->ti", turn, self.transl + pelvis) + move
        return replace(self, global_orient=rotations.to_rotvec(rotations.from_matrix(orient)), transl=root - pelvis)


@dataclass(frozen=True, eq=False)
class BodyResult:
    """What GVHMR found: the same T frames in camera axes and in its y-up world.

    Attributes:
        incam, world: parameters in both.
        intrinsics: [T, 3, 3] pixels, or None.
        extra: the rest of the file, kept as it was.
        notes: what was found and changed.
    """

    incam: SmplxTrack
    world: SmplxTrack
    intrinsics: np.ndarray | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_body(folder: Path) -> BodyResult | None:
    """A session's body motion with hands, or None where it has none. Raises FormatError."""
    path = next((folder / name for name in BODY_FILES if (folder / name).is_file()), None)
    if path is None:
        return None
    try:
        content = load_torch(path)
        if not isinstance(content, Mapping):
            raise FormatError(f"holds a {type(content).__name__}, expected GVHMR's results by name")
        incam, world = (_track(content, f"smpl_params_{name}") for name in ("incam", "global"))
        intrinsics = _numbers(content, "K_fullimg") if "K_fullimg" in content else None
        if len(incam) != len(world) or (intrinsics is not None and intrinsics.shape != (len(incam), 3, 3)):
            raise FormatError(f"smpl_params_incam has {len(incam)} frames, smpl_params_global or K_fullimg others")
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    known = {"smpl_params_incam", "smpl_params_global", "K_fullimg"}
    rest = {name: value for name, value in content.items() if name not in known}
    return _with_hands(folder, BodyResult(incam, world, intrinsics, rest, (f"body from {path.name}",)))


def write_body(folder: Path, result: BodyResult, version: Version) -> None:
    """Write body and hands where that version's tools look for them, atomically.

    The second version: all in `result_hand.pt`. The first: `result.pt`, and `hand_pose.json` with the wrists' and
    fingers' rotations.
    """
    incam, world = result.incam.given(), result.world.given()
    if version == "v1":
        replace_json(folder / HANDS_V1, hands_to_v1(result.incam))
    content: dict[str, Any] = dict(result.extra)
    for name, track in (("incam", incam), ("global", world)):
        kept = {key: value for key, value in track.items() if version == "v2" or "hand" not in key}
        content[f"smpl_params_{name}"] = {key: torch.as_tensor(value.copy()).float() for key, value in kept.items()}
    if result.intrinsics is not None:
        content["K_fullimg"] = torch.as_tensor(result.intrinsics.copy()).float()
    path = folder / BODY_FILES[0 if version == "v2" else 1]
    keep_original(path)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def hands_from_v1(content: Mapping[str, Any], track: SmplxTrack) -> SmplxTrack:
    """A track with the first version's hands: fingers, and wrists so that the hands have their stored orientation.

    The left hand was estimated as a right one in a mirrored image, hence M R M with M = diag(-1, 1, 1). A hand that a
    frame does not have keeps the track's wrist and straight fingers. Raises FormatError naming the frame.
    """
    assert track.body_pose is not None
    frames = len(track)
    body = track.body_pose.reshape(frames, 21, 3).copy()
    elbows = _elbow_rotations(track)
    hands = {}
    for side in _SIDES:
        found = [t for t in range(frames) if f"{side}_hand" in content.get(str(t), {})]
        fingers = np.tile(np.eye(3), (frames, 15, 1, 1))
        for t in found:
            fingers[t] = _matrices(content[str(t)], f"{side}_hand", 15, t)
        wrists = np.array([_matrices(content[str(t)], f"{side}_global_orient", 1, t)[0] for t in found])
        if side == "left":
            fingers, wrists = _MIRROR @ fingers @ _MIRROR, (_MIRROR @ wrists @ _MIRROR if found else wrists)
        hands[f"{side}_hand_pose"] = _to_rotvec(fingers).reshape(frames, 45)
        if found:
            body[found, _WRISTS[side]] = _to_rotvec(elbows[side][found].swapaxes(-1, -2) @ wrists)
    return replace(track, body_pose=body.reshape(frames, 63), **hands)


def hands_to_v1(track: SmplxTrack) -> dict[str, Any]:
    """The inverse of `hands_from_v1`: `hand_pose.json` of every frame, the left hand mirrored."""
    assert track.body_pose is not None
    frames = len(track)
    body, elbows = track.body_pose.reshape(frames, 21, 3), _elbow_rotations(track)
    content: dict[str, Any] = {str(t): {} for t in range(frames)}
    for side in _SIDES:
        pose = getattr(track, f"{side}_hand_pose")
        fingers = _to_matrix((np.zeros((frames, 45)) if pose is None else pose).reshape(frames, 15, 3))
        wrists = elbows[side] @ _to_matrix(body[:, _WRISTS[side]])
        if side == "left":
            fingers, wrists = _MIRROR @ fingers @ _MIRROR, _MIRROR @ wrists @ _MIRROR
        for t, (hand, wrist) in enumerate(zip(fingers.tolist(), wrists.tolist(), strict=True)):
            content[str(t)] |= {f"{side}_hand": hand, f"{side}_global_orient": [wrist]}
    return content


def camera_to_global(
    incam: SmplxTrack, world: SmplxTrack, pelvis: np.ndarray = NEUTRAL_PELVIS
) -> tuple[np.ndarray, np.ndarray]:
    """Per frame the rigid transform from camera axes to GVHMR's world: [T, 3, 3], [T, 3] m.

    Both tracks show one body, so its root frame tells. SMPL turns the body about its pelvis, not about the origin that
    `transl` moves; the published code leaves that out.
    """
    turn = _to_matrix(world.global_orient) @ _to_matrix(incam.global_orient).swapaxes(-1, -2)
    return turn, world.transl + pelvis - np.einsum("tij,tj->ti", turn, incam.transl + pelvis)


def result_camera(
    result: BodyResult, width: int, height: int, *, static: bool = True, pelvis: np.ndarray = NEUTRAL_PELVIS
) -> Camera:
    """The camera in our z-up world, whose floor is that of GVHMR (y = 0).

    Args:
        width, height: of the video; the focal length is GVHMR's default where the result has no intrinsics.
        static: one pose for the whole clip (the mean rotation, and the median place that it implies), which does not
            shake with the body's noise; else one per frame, in which both tracks agree exactly.
    """
    turn, move = camera_to_global(result.incam, result.world, pelvis)
    if static:
        u, _, vt = np.linalg.svd(turn.mean(0))
        turn = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
        move = np.median(result.world.transl + pelvis - (result.incam.transl + pelvis) @ turn.T, axis=0)
    matrix = default_intrinsics(width, height) if result.intrinsics is None else np.median(result.intrinsics, axis=0)
    return Camera(matrix, width, height, rotations.from_matrix(WORLD["y"] @ turn), move @ WORLD["y"].T)


def body_motion(
    track: SmplxTrack,
    camera: Camera | None,
    fps: float,
    *,
    body: Path | None = None,
    offsets: np.ndarray | None = None,
    source: str = "",
) -> Motion:
    """SMPL-X parameters as a `Motion` of the body alone, in our z-up world.

    Args:
        track: in camera axes, to be carried over by the camera, so that it projects where the video shows it; or in
            GVHMR's y-up world, with camera None.
        body: SMPL-X's model file, for the subject's bones; or a motion of the same person. See
            `sim.formats.smplx_params.read`.
        offsets: [52, 3] m, bones to take instead.

    Raises:
        FormatError: neither body nor offsets is given, or a parameter is missing.
    """
    content: dict[str, Any] = track.given()
    if offsets is not None:
        content["rest_joints"] = smplx_params.rest_joints(offsets)
    clip = smplx_params.read(content, up="y" if camera is None else "-y", body=None if offsets is not None else body)
    turns, place = clip.joint_rotations_b.copy(), clip.root_position_w
    if camera is not None:
        place = camera.to_world(place @ WORLD["-y"])
        turn = rotations.to_matrix(camera.rotation_w) @ WORLD["-y"].T
        turns[:, 0] = rotations.from_matrix(turn @ rotations.to_matrix(turns[:, 0]))
    return Motion(
        fps=fps,
        root_position_w=place,
        joint_rotations_b=turns,
        offsets=clip.offsets,
        body=None if track.betas is None else BodyShape("smplx", {"betas": track.betas[0]}),
        source="; ".join(filter(None, [source, *clip.notes])),
    )


def body_result(
    motion: Motion, camera: Camera, betas: np.ndarray | None = None, pelvis: np.ndarray = NEUTRAL_PELVIS
) -> BodyResult:
    """The inverse of `body_motion`: what their tools read.

    Args:
        motion: with the standard skeleton, in our world.
        camera: of the video.
        betas: [10] SMPL-X shape; the motion's own where it is SMPL-X's, else zeros (a note says so).
    """
    notes = []
    if betas is None and motion.body is not None and motion.body.model.startswith("smplx"):
        betas = motion.body.parameters.get("betas")
    if betas is None:
        betas, notes = np.zeros(10), ["no SMPL-X shape known: their body is the mean one, its bones differ from ours"]
    shape = np.zeros((motion.num_frames, 10))
    shape[:, : len(betas)] = betas[:10]
    turn = WORLD["-y"] @ rotations.to_matrix(camera.rotation_w).swapaxes(-1, -2)
    turns = motion.joint_rotations_b.copy()
    turns[:, 0] = rotations.from_matrix(turn @ rotations.to_matrix(turns[:, 0]))
    seen = motion.replace(
        root_position_w=camera.to_camera(motion.root_position_w) @ WORLD["-y"].T, joint_rotations_b=turns
    )
    incam = SmplxTrack(**smplx_params.parameters(seen, up="-y", pelvis=pelvis), betas=shape)
    world = SmplxTrack(**smplx_params.parameters(motion, up="y", pelvis=pelvis), betas=shape)
    matrices = np.repeat(camera.intrinsics[None], motion.num_frames, 0)
    return BodyResult(incam, world, matrices, notes=tuple(notes))


def _with_hands(folder: Path, result: BodyResult) -> BodyResult:
    """Hands from beside the result, where it holds none itself."""
    if result.incam.left_hand_pose is not None and result.incam.right_hand_pose is not None:
        return result
    if (folder / HANDS_V1).is_file():
        try:
            incam = hands_from_v1(json_object(folder / HANDS_V1), result.incam)
        except FormatError as error:
            raise FormatError(f"{folder / HANDS_V1}: {str(error).removeprefix(f'{folder / HANDS_V1}: ')}") from error
        note = f"hands and wrists from {HANDS_V1}"
    elif (folder / HANDS_RELEASED).is_file():
        incam = replace(result.incam, **_released_hands(folder / HANDS_RELEASED, len(result.incam)))
        note = f"hands from {HANDS_RELEASED}"
    else:
        return replace(result, notes=(*result.notes, "no hands: fingers straight"))
    posed = ("body_pose", "left_hand_pose", "right_hand_pose")
    world = replace(result.world, **{name: getattr(incam, name) for name in posed})
    return replace(result, incam=incam, world=world, notes=(*result.notes, note))


def _released_hands(path: Path, frames: int) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        rows = arrays.get("frame_ids", np.arange(len(arrays["left_hand_pose"]))).astype(np.int64)
        kept = (rows >= 0) & (rows < frames)
        hands = {f"{side}_hand_pose": np.zeros((frames, 45)) for side in _SIDES}
        for name, pose in hands.items():
            pose[rows[kept]] = arrays[name].reshape(len(rows), 45)[kept]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise FormatError(f"{path}: needs left_hand_pose and right_hand_pose [N, 45] ({error})") from error
    return hands


def _track(content: Mapping[str, Any], name: str) -> SmplxTrack:
    section = content.get(name)
    if not isinstance(section, Mapping):
        raise FormatError(f"no '{name}' in it")
    columns = _COLUMNS | {f"{side}_hand_pose": 45 for side in _SIDES if f"{side}_hand_pose" in section}
    arrays = {}
    for part, width in columns.items():
        array = _numbers(section, part)
        if array.ndim < 2 or array[0].size != width:
            raise FormatError(f"{name}.{part} has shape {list(array.shape)}, expected [T, {width}]")
        arrays[part] = array.reshape(len(array), width)
    lengths = {part: len(array) for part, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise FormatError(f"{name} has parts of different lengths: {lengths}")
    return SmplxTrack(**arrays)


def _numbers(section: Mapping[str, Any], name: str) -> np.ndarray:
    value = section.get(name)
    if not isinstance(value, torch.Tensor) or value.is_complex():
        raise FormatError(f"'{name}' is missing or no tensor")
    array = value.detach().to(torch.float64).numpy()
    finite = np.isfinite(array.reshape(len(array), -1)).all(1) if array.ndim else np.isfinite(array).reshape(1)
    if not finite.all():
        raise FormatError(f"{name} is not finite at frame {int(np.argmin(finite))}")
    return np.asarray(array)


def _matrices(row: Mapping[str, Any], name: str, count: int, frame: int) -> np.ndarray:
    """[count, 3, 3] rotation matrices."""
    try:
        found = np.asarray(row[name], np.float64).reshape(count, 3, 3)
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"frame {frame}: {name} is missing or not {count} rotation matrices") from error
    if not np.allclose(found @ found.swapaxes(-1, -2), np.eye(3), atol=1e-2):
        raise FormatError(f"frame {frame}: {name} holds a matrix that is no rotation")
    return found


def _elbow_rotations(track: SmplxTrack) -> dict[str, np.ndarray]:
    """World rotation of the elbows [T, 3, 3], the product down the arm."""
    assert track.body_pose is not None
    local = _to_matrix(track.body_pose.reshape(len(track), 21, 3))
    found = {}
    for side, chain in _ARM.items():
        turn = _to_matrix(track.global_orient)
        for joint in chain:
            turn = turn @ local[:, joint - 1]
        found[side] = turn
    return found


def _to_matrix(rotvec: np.ndarray) -> np.ndarray:
    matrix: np.ndarray = rotations.to_matrix(rotations.from_rotvec(np.ascontiguousarray(rotvec)))
    return matrix


def _to_rotvec(matrix: np.ndarray) -> np.ndarray:
    rotvec: np.ndarray = rotations.to_rotvec(rotations.from_matrix(np.ascontiguousarray(matrix)))
    return rotvec
