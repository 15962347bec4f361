"""Affordance from pictures: a diffusion model paints a person into views of the object, a pose detector says where.

InteractAnything's open-set affordance parsing. Per view: the object is drawn, a mask (of the whole body, then of the
part alone) tells where a person may be painted, the detector finds the part's 2D keypoints in the result, and every
visible place p of the surface gets f(p) = exp(-|d(p)|), with d(p) its distance to the nearest of them. The mean of f
over the views that show p is its affordance. Published nowhere: the unit of d (here metres at the place's depth over a
falloff), the offsets of the masks and the prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from generate.affordance.estimate import Affordance, person_facing
from generate.affordance.surface import SurfacePoints
from generate.affordance.views import ObjectViews, around_object
from generate.plan import BODY_PARTS, BodyPart, Side
from recon.camera import Camera
from recon.vision.landmarks import BODY_NAMES, LEFT_HAND_NAMES, RIGHT_HAND_NAMES, LandmarkTracker
from sim import rotations, skeleton
from sim.body.capsules import body_geoms, surface_points
from sim.errors import MissingDependencyError, ReconstructionError, UnknownNameError
from sim.skeleton import JOINT_INDEX, JOINT_NAMES
from sim.subject import default_offsets

_NAMES = BODY_NAMES + LEFT_HAND_NAMES + RIGHT_HAND_NAMES


def _sided(side: str, part: str) -> tuple[str, ...]:
    words = {"arm": ("elbow", "wrist"), "hand": ("wrist", "index", "pinky", "thumb", "hand_"), "leg": ("hip", "knee"),
             "foot": ("ankle", "heel", "foot_index")}[part]  # fmt: skip
    return tuple(name for name in _NAMES if name.startswith(tuple(f"{side}_{word}" for word in words)))


LANDMARKS: dict[BodyPart, tuple[str, ...]] = {
    "head": ("nose", "left_ear", "right_ear"), "chest": ("left_shoulder", "right_shoulder"),
    "back": ("left_shoulder", "right_shoulder"), "hips": ("left_hip", "right_hip"),
    "left_arm": _sided("left", "arm"), "right_arm": _sided("right", "arm"), "left_hand": _sided("left", "hand"),
    "right_hand": _sided("right", "hand"), "left_leg": _sided("left", "leg"), "right_leg": _sided("right", "leg"),
    "left_foot": _sided("left", "foot"), "right_foot": _sided("right", "foot"),
}  # fmt: skip
"""Which of the detector's landmarks stand for a body part."""
_JOINTS: dict[str, tuple[str, ...]] = {
    "head": ("neck", "head"), "chest": ("spine2", "spine3"), "back": ("spine2", "spine3"), "hips": ("pelvis",),
    "arm": ("shoulder", "elbow"), "hand": ("wrist", "index", "middle", "ring", "pinky", "thumb"),
    "leg": ("hip", "knee"), "foot": ("ankle", "foot"),
}  # fmt: skip


@dataclass(frozen=True)
class InpaintingConfig:
    """Settings.

    Attributes:
        views: number of cameras around the object; radius, height: m, where they stand; size: pixels, as the model
            was trained on.
        body_offset, part_offset: m by which the masks exceed the projected body and the projected part.
        passes: with which masks is painted, one after the other.
        distance: m between the object's surface and the body's middle in the masks.
        falloff: m over which f falls to 1 / e. confidence: least of a landmark that counts.
        steps, guidance: of the diffusion. seed: of its noise, plus the view's number.
    """

    views: int = 8
    radius: float = 3.2
    height: float = 1.4
    size: int = 512
    body_offset: float = 0.12
    part_offset: float = 0.20
    passes: tuple[str, ...] = ("body", "part")
    distance: float = 0.35
    falloff: float = 0.1
    confidence: float = 0.3
    steps: int = 30
    guidance: float = 7.5
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.passes:
            if name not in ("body", "part"):
                raise UnknownNameError("mask", name, ("body", "part"))


class Inpainter(Protocol):
    """Paints what a prompt says into a picture where a mask allows it."""

    source: str

    def __call__(self, image: np.ndarray, mask: np.ndarray, prompt: str, seed: int) -> np.ndarray:
        """[H, W, 3] uint8 RGB, [H, W] bool -> [H, W, 3] uint8."""
        ...


class DiffusersInpainter:
    """An inpainting pipeline of diffusers from a local folder; nothing is ever downloaded.

    Raises:
        MissingDependencyError: diffusers or transformers is not installed.
        ReconstructionError: the folder holds no such pipeline.
    """

    def __init__(self, folder: str | Path, config: InpaintingConfig | None = None, device: str = "cpu") -> None:
        try:
            from diffusers import AutoPipelineForInpainting
        except (ImportError, RuntimeError) as error:
            raise MissingDependencyError("diffusers", "inpainting", "'.[inpainting]'") from error
        if not (Path(folder) / "model_index.json").is_file():
            raise ReconstructionError(f"{folder} holds no pipeline of diffusers (no model_index.json)")
        try:
            pipeline: Any = AutoPipelineForInpainting.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise ReconstructionError(f"{folder} holds no inpainting pipeline of diffusers ({reason})") from error
        self._pipeline = pipeline.to(device)
        self._pipeline.set_progress_bar_config(disable=True)
        self._config = InpaintingConfig() if config is None else config
        self.source = f"diffusers {Path(folder).name}"

    def __call__(self, image: np.ndarray, mask: np.ndarray, prompt: str, seed: int) -> np.ndarray:
        import torch
        from PIL import Image

        height, width = mask.shape
        found = self._pipeline(
            prompt=prompt, image=Image.fromarray(image), mask_image=Image.fromarray(255 * mask.astype(np.uint8)),
            height=height, width=width, num_inference_steps=self._config.steps, guidance_scale=self._config.guidance,
            generator=torch.Generator().manual_seed(seed), output_type="np",
        ).images[0]  # fmt: skip
        painted = np.rint(255 * np.asarray(found).clip(0.0, 1.0)).astype(np.uint8)
        return np.where(mask[..., None], painted, image)


def inpainted_affordance(
    surface: SurfacePoints,
    prompt: str,
    body_part: BodyPart,
    inpainter: Inpainter,
    new_tracker: Callable[[], LandmarkTracker],
    *,
    side: Side = "any",
    config: InpaintingConfig | None = None,
) -> Affordance:
    """Ask the pictures.

    Args:
        prompt: such as "a person lifts a wooden chair". side: where the person stands, the object's front unless told.
        new_tracker: makes a pose detector; each view gets a fresh one, since views are no video.

    Raises:
        UnknownNameError: an unknown body part, side or mask.
        ReconstructionError: the part was not found near the object in any view.
    """
    if body_part not in BODY_PARTS:
        raise UnknownNameError("body part", body_part, BODY_PARTS)
    config = InpaintingConfig() if config is None else config
    facing = person_facing(surface.up_b, "front" if side == "any" else side, None)
    assert facing is not None
    body, part = body_points(surface, facing, body_part, config)
    views, around = ObjectViews(surface), surface.around
    heat, seen = [], []
    for number, camera in enumerate(
        around_object(config.views, config.radius, config.height, 0.5 * max(around.height, 1.0), config.size)
    ):
        image = views.draw(camera)
        for mask_of in config.passes:
            points, offset = (body, config.body_offset) if mask_of == "body" else (part, config.part_offset)
            image = inpainter(image, projected_mask(points, camera, offset), prompt, config.seed + number)
        keypoints = part_keypoints(image, body_part, new_tracker(), config.confidence)
        if len(keypoints):
            heat.append(nearness(around.points, camera, keypoints, config.falloff))
            seen.append(views.visible(camera))
    mean = aggregate(np.array(heat), np.array(seen)) if heat else np.zeros(len(around.points))
    if not mean.sum() > 0:
        raise ReconstructionError(
            f"{inpainter.source}: in {len(heat)} of {config.views} pictures of '{prompt}' the "
            f"{body_part.replace('_', ' ')} was found, near no visible place of the object"
        )
    terms = {"nearness": mean, "views": np.sum(seen, 0)}
    return Affordance(surface.points_b, surface.normals_b, mean / mean.sum(), "any", terms)


def body_points(
    surface: SurfacePoints, facing: np.ndarray, body_part: BodyPart, config: InpaintingConfig
) -> tuple[np.ndarray, np.ndarray]:
    """[P, 3] and [Q, 3] m, upright: surfaces of a person, and of one part, who stands by the object, arms forward."""
    offsets = default_offsets()
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (skeleton.NUM_JOINTS, 1))
    for name, sign in (("left", -1.0), ("right", 1.0)):  # from the T-pose to the front, 40 degrees below level
        lowered = rotations.from_rotvec(np.radians(40.0) * np.array([0.0, 1.0, 0.0]))
        forward = rotations.from_rotvec(sign * np.radians(80.0) * np.array([0.0, 0.0, 1.0]))
        turns[JOINT_INDEX[f"{name}_shoulder"]] = rotations.multiply(lowered, forward)
    turns[0] = rotations.from_rotvec(np.arctan2(facing[1], facing[0]) * np.array([0.0, 0.0, 1.0]))
    flat = surface.around.points[:, :2]
    place = (float((flat @ facing).min()) - config.distance) * facing
    positions, world = skeleton.forward_kinematics(turns, np.array([*place, 0.0]), offsets)
    geoms = body_geoms(offsets, hands="full")
    points = [positions[g.joint] + rotations.rotate(world[g.joint], _in_joint(g)) for g in geoms]
    lowest = min(found[:, 2].min() for found in points)
    points = [found - [0.0, 0.0, lowest] for found in points]
    wanted = [p for g, p in zip(geoms, points, strict=True) if _belongs(JOINT_NAMES[g.joint], body_part)]
    return np.concatenate(points), np.concatenate(wanted)


def projected_mask(points: np.ndarray, camera: Camera, offset: float) -> np.ndarray:
    """[H, W] bool: pixels within `offset` m, as seen at its depth, of the image of any of the points [P, 3] m."""
    pixels, depth = camera.project_world(points), camera.to_camera(points)[:, 2]
    mask = np.zeros((camera.height, camera.width), np.uint8)
    ahead = np.isfinite(pixels).all(1)
    radii = camera.intrinsics[0, 0] * offset / np.where(ahead, depth, 1.0)
    for (u, v), radius in zip(pixels[ahead], radii[ahead], strict=True):
        if -radius < u < camera.width + radius and -radius < v < camera.height + radius:
            cv2.circle(mask, (round(u - 0.5), round(v - 0.5)), max(round(radius), 1), 1, -1)
    return mask.astype(bool)


def part_keypoints(image: np.ndarray, body_part: BodyPart, tracker: LandmarkTracker, least: float) -> np.ndarray:
    """[K, 2] pixels of the landmarks of a part that are sure enough; K = 0 where nobody is found."""
    found = tracker.step(image)
    if found is None:
        return np.zeros((0, 2))
    rows = [_NAMES.index(name) for name in LANDMARKS[body_part]]
    sure = (found.confidence[rows] >= least) & np.isfinite(found.pixels[rows]).all(1)
    pixels: np.ndarray = found.pixels[rows][sure]
    return pixels


def nearness(points: np.ndarray, camera: Camera, keypoints: np.ndarray, falloff: float) -> np.ndarray:
    """f = exp(-d / falloff): [N, 3] m, [K, 2] pixels -> [N] 0..1; d m from a point to the nearest keypoint, carried to
    the point's depth (pixels x depth / focal length)."""
    pixels, depth = camera.project_world(points), camera.to_camera(points)[:, 2]
    apart = np.linalg.norm(pixels[:, None] - keypoints[None], axis=-1).min(1)
    return np.nan_to_num(np.exp(-apart * depth / camera.intrinsics[0, 0] / falloff))


def aggregate(heat: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Mean over the views that show a place, 0 where none does: [V, N] 0..1, [V, N] bool -> [N]."""
    counts = visible.sum(0)
    mean: np.ndarray = (heat * visible).sum(0) / np.maximum(counts, 1)
    return mean


def _in_joint(geom: Any) -> np.ndarray:
    placed: np.ndarray = geom.position_b + rotations.rotate(geom.rotation_b, surface_points(geom))
    return placed


def _belongs(joint: str, body_part: BodyPart) -> bool:
    side, _, part = body_part.rpartition("_")
    names: Sequence[str] = _JOINTS[part]
    return joint.startswith(tuple(f"{side}_{name}" if side else name for name in names))
