"""Small generated clips with known truth: a textured square over a textured wall, a session folder of Open4DHOI."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from recon.annotations import Annotations
from recon.camera import Camera
from recon.clicks import EXACT, draw_annotations
from recon.open4dhoi.motion import body_result
from recon.overlay import OverlayConfig, overlay
from recon.session import Session
from recon.vision.video import write_video
from sim.body.skin import capsule_skin
from sim.geometry import Mesh
from sim.motion import Motion
from sim.replay.stage import mesh_of


class SquareClip(NamedTuple):
    """images [T] of [H, W, 3] uint8 RGB; the square's corner [T, 2] px; where it is seen [T, H, W] bool."""

    images: list[np.ndarray]
    corners: np.ndarray
    masks: np.ndarray


def _texture(rng: np.random.Generator, height: int, width: int, tint: tuple[float, float, float]) -> np.ndarray:
    noise = cv2.GaussianBlur(rng.random((height, width, 3)).astype(np.float32), (0, 0), 1.5)
    noise = (noise - noise.mean()) / noise.std()
    return np.clip(np.array(tint, np.float32) + 28 * noise, 0, 255).astype(np.float32)


def _square_clip(
    corners: np.ndarray, side: int = 48, height: int = 120, width: int = 160, post: tuple[int, int] | None = None,
    seed: int = 0,
) -> SquareClip:  # fmt: skip
    rng = np.random.default_rng(seed)
    wall = _texture(rng, height, width, (70, 90, 150))
    square = _texture(rng, side, side, (190, 110, 60))
    hiding = _texture(rng, height, width, (60, 160, 70))
    images, masks = [], []
    for x, y in corners:
        move = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
        alpha = cv2.warpAffine(np.ones((side, side), np.float32), move, (width, height))[..., None]
        image = (1 - alpha) * wall + alpha * cv2.warpAffine(
            square, move, (width, height), borderMode=cv2.BORDER_REFLECT
        )
        seen = alpha[..., 0] > 0.5
        if post is not None:
            image[:, slice(*post)], seen[:, slice(*post)] = hiding[:, slice(*post)], False
        images.append(np.round(image).astype(np.uint8))
        masks.append(seen)
    return SquareClip(images, np.asarray(corners, np.float64), np.stack(masks))


@pytest.fixture(scope="session")
def square_clip() -> Callable[..., SquareClip]:
    """square_clip(corners [T, 2], side=48, height=120, width=160, post=None, seed=0); `post`: columns in front."""
    return _square_clip


class SessionTruth(NamedTuple):
    """A session folder as Open4DHOI's tools leave it, and what is in it.

    vertices [V, 3], faces [F, 3]: in the order of the file; order [V]: the file's vertex for each of Open3D's.
    scale, object_scale: of obj_poses.json, and the annotator's on top; their_mesh [V, 3] m: in Open3D's order, as poses
    of that version apply to it. record: kp_record_merged.json; incam, world: SMPL-X parameters; turn [3, 3], move [3]:
    camera axes to GVHMR's world.
    """

    folder: Path
    vertices: np.ndarray
    faces: np.ndarray
    order: list[int]
    scale: float
    object_scale: float
    their_mesh: np.ndarray
    record: dict[str, Any]
    incam: dict[str, np.ndarray]
    world: dict[str, np.ndarray]
    turn: np.ndarray
    move: np.ndarray


_PELVIS = np.array([0.0031, -0.3514, 0.0120])


def _session(folder: Path, version: str = "v2", frames: int = 8, seed: int = 0) -> SessionTruth:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    write_video(folder / "video.mp4", [np.full((48, 64, 3), 30 + t, np.uint8) for t in range(frames)], 25.0)
    # a lopsided double pyramid, whose first triangle begins with its last vertex
    vertices = np.array([[0.5, 0, 0], [0, 0.6, 0.1], [-0.4, 0, 0], [0, -0.7, 0.2], [0.1, 0, 0.9], [0, 0.1, -0.3]])
    faces = np.array([[5, 1, 0], [5, 2, 1], [5, 3, 2], [5, 0, 3], [4, 0, 1], [4, 1, 2], [4, 2, 3], [4, 3, 0]])
    order = [5, 1, 0, 2, 3, 4]
    lines = [f"v {x} {y} {z} 0.1 0.2 0.{i}" for i, (x, y, z) in enumerate(vertices)]
    lines += [f"f {a} {b} {c}" for a, b, c in faces + 1]
    (folder / "obj_org.obj").write_text("\n".join(lines) + "\n")
    scale, object_scale, shift = 0.5, 1.2, np.array([0.1, -0.2, 3.0])
    their_mesh = (vertices[order] - vertices.mean(0)) * scale * object_scale
    placement: dict[str, Any] = {"scale": scale}
    if version == "v1":
        placement |= {"center": (shift + 0.01 * np.arange(frames)[:, None]).tolist()}
    else:
        placement |= {"t": shift.tolist()}
        their_mesh = their_mesh + shift
    (folder / "output").mkdir()
    (folder / "output/obj_poses.json").write_text(json.dumps(placement))
    record: dict[str, Any] = {f"{t:05d}": {"2D_keypoint": [[3, [10.5 + t, 20.0]]]} for t in range(1, frames)}
    for t in range(2, 6):
        record[f"{t:05d}"]["leftHand_palm"] = 5
    record["00003"]["2D_keypoint"] = []
    record["00004"]["2D_keypoint"] += [[0, [1.25, 2.5]]]
    record |= {"object_scale": object_scale, "is_static_object": False, "start_frame_index": 1}
    (folder / "kp_record_merged.json").write_text(json.dumps(record, indent=2))
    widths = {"body_pose": 63, "left_hand_pose": 45, "right_hand_pose": 45}
    pose = {name: 0.2 * rng.normal(size=(frames, width)) for name, width in widths.items()}
    pose["betas"] = np.tile(0.3 * rng.normal(size=10), (frames, 1))
    orient = Rotation.from_rotvec(np.array([np.pi - 0.3, 0.1, 0.2]) + 0.05 * rng.normal(size=(frames, 3)))
    transl = np.array([0.2, 0.3, 3.5]) + 0.1 * rng.normal(size=(frames, 3))
    turn, move = Rotation.from_euler("xyz", [np.pi - 0.1, 0.4, 0.05]), np.array([0.3, 1.2, 3.0])
    incam = {**pose, "global_orient": orient.as_rotvec(), "transl": transl}
    root = turn.apply(transl + _PELVIS) + move
    world = {**pose, "global_orient": (turn * orient).as_rotvec(), "transl": root - _PELVIS}
    _write_body(folder, version, incam, world, np.tile([[80.0, 0, 32], [0, 80, 24], [0, 0, 1]], (frames, 1, 1)))
    return SessionTruth(
        folder, vertices, faces, order, scale, object_scale, their_mesh, record, incam, world, turn.as_matrix(), move
    )  # fmt: skip


def _write_body(
    folder: Path, version: str, incam: dict[str, np.ndarray], world: dict[str, np.ndarray], matrices: np.ndarray
) -> None:
    (folder / "motion").mkdir()
    kept = [name for name in incam if version == "v2" or "hand" not in name]
    content: dict[str, Any] = {"K_fullimg": torch.as_tensor(matrices).float()}
    for name, track in (("incam", incam), ("global", world)):
        content[f"smpl_params_{name}"] = {k: torch.as_tensor(track[k]).float() for k in kept}
    torch.save(content, folder / ("motion/result_hand.pt" if version == "v2" else "motion/result.pt"))
    if version == "v2":
        return
    hands: dict[str, Any] = {}
    for t in range(len(matrices)):
        row: dict[str, Any] = {}
        body = incam["body_pose"][t].reshape(21, 3)
        for side, chain, wrist in (("left", (3, 6, 9, 13, 16, 18), 19), ("right", (3, 6, 9, 14, 17, 19), 20)):
            turn = Rotation.from_rotvec(incam["global_orient"][t])
            for joint in chain:
                turn = turn * Rotation.from_rotvec(body[joint - 1])
            fingers = Rotation.from_rotvec(incam[f"{side}_hand_pose"][t].reshape(15, 3)).as_matrix()
            orient = (turn * Rotation.from_rotvec(body[wrist])).as_matrix()
            if side == "left":  # as a right hand in a mirrored image
                mirror = np.diag([-1.0, 1, 1])
                fingers, orient = mirror @ fingers @ mirror, mirror @ orient @ mirror
            row |= {f"{side}_hand": fingers.tolist(), f"{side}_global_orient": [orient.tolist()]}
        hands[str(t)] = row
    (folder / "motion/hand_pose.json").write_text(json.dumps(hands))


@pytest.fixture
def make_session(tmp_path: Path) -> Callable[..., SessionTruth]:
    """make_session(version="v2", frames=8, seed=0): a folder of that version with video, mesh, records and body."""

    def make(version: str = "v2", frames: int = 8, seed: int = 0) -> SessionTruth:
        return _session(tmp_path / "clip", version, frames, seed)

    return make


class Filmed(NamedTuple):
    """24 frames in which hands push a box (a mesh): the truth, who films it, and exact points of every frame."""

    truth: Motion
    camera: Camera
    points: Annotations


@pytest.fixture(scope="session")
def filmed_push(push_clip: Motion) -> Filmed:
    """The end of the authored clip before a camera of 320 x 240 pixels."""
    motion = push_clip.slice(push_clip.num_frames - 24, push_clip.num_frames)
    mesh = mesh_of(motion.objects[0].geometry)
    geometry = Mesh(np.asarray(mesh.vertices), np.asarray(mesh.faces))
    motion = motion.replace(objects=(dataclasses.replace(motion.objects[0], geometry=geometry),))
    middle = motion.objects[0].position_w.mean(0)
    camera = Camera.look_at(middle + np.array([3.0, 1.2, 0.9]), middle, 320, 240)
    return Filmed(motion, camera, draw_annotations(motion, camera, EXACT, np.random.default_rng(0)))


@pytest.fixture(scope="session")
def _push_session(filmed_push: Filmed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, (motion, camera, _) = tmp_path_factory.mktemp("push"), filmed_push
    noise = np.random.default_rng(1).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    images = overlay([noise] * 24, motion, camera, capsule_skin(motion), config=OverlayConfig(opacity=1.0))
    write_video(folder / "video.mp4", images, motion.fps)
    mesh = motion.objects[0].geometry
    assert isinstance(mesh, Mesh)
    made = Session.create(folder / "session", folder / "video.mp4", mesh, object_name="box")
    made.save_body(body_result(motion, camera))
    return made.folder


@pytest.fixture(scope="module")
def push_session(_push_session: Path, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The module's own session of `filmed_push`: a drawn video over noise, and the body as GVHMR would give it."""
    folder = tmp_path_factory.mktemp("module") / "session"
    shutil.copytree(_push_session, folder)
    return Session.open(folder)


@pytest.fixture
def tiny_depth_network(tmp_path: Path) -> Path:
    """A folder with a Depth Anything of a few weights, whose map is 0.5 everywhere; skips without transformers."""
    transformers = pytest.importorskip("transformers", reason="transformers is an optional extra")
    backbone = transformers.Dinov2Config(
        hidden_size=8, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16, image_size=28, patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=8, patch_size=14, neck_hidden_sizes=[4, 4, 4, 4],
        fusion_hidden_size=8, head_in_channels=8, head_hidden_size=4, depth_estimation_type="relative",
    )  # fmt: skip
    network = transformers.DepthAnythingForDepthEstimation(config)
    torch.nn.init.zeros_(network.head.conv3.weight)
    torch.nn.init.constant_(network.head.conv3.bias, 0.5)
    network.save_pretrained(tmp_path / "tiny")
    transformers.DPTImageProcessor(size={"height": 28, "width": 28}).save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"
