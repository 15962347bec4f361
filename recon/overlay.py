"""A reconstruction drawn over its video: body and object shaded, and the points that were marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from recon.annotations import Annotations
from recon.camera import Camera
from sim import rotations
from sim.body.skin import Skin
from sim.contacts import object_points_w
from sim.motion import Motion, MotionObject
from sim.replay.stage import mesh_of

_BODY, _OBJECT = (222, 184, 150), (110, 170, 235)
_CLICKED, _SOLVED, _CONTACT = (255, 230, 0), (255, 60, 60), (90, 255, 90)
_AMBIENT = 0.45
_MAX_VERTICES = 4000


@dataclass(frozen=True)
class OverlayConfig:
    """How it is drawn.

    Attributes:
        opacity: of the shaded surfaces over the video, 0..1.
        points: whether annotated points are drawn: where they were clicked, where the solved object has them, and
            where contacts are.
        width: px, images that are wider are shrunk to it (even).
    """

    opacity: float = 0.65
    points: bool = True
    width: int = 960


def overlay(
    images: Iterable[np.ndarray],
    motion: Motion,
    camera: Camera,
    skin: Skin,
    annotations: Annotations | None = None,
    config: OverlayConfig | None = None,
) -> Iterator[np.ndarray]:
    """Draw a motion over the video that it was made from.

    Args:
        images: [H, W, 3] uint8 RGB, frame after frame of the motion.
        motion: body and objects in the world.
        camera: of the video, in the same world.
        skin: of the body.
        annotations: of the first object; its points are drawn where given.

    Yields:
        [h, w, 3] uint8 RGB.
    """
    config = config or OverlayConfig()
    scale = min(1.0, config.width / camera.width)
    width, height = (2 * round(0.5 * scale * size) for size in (camera.width, camera.height))
    small = camera.resized(width, height)
    surfaces = [(skin.vertices(motion.joint_rotations_b, motion.root_position_w), skin.faces, _BODY)]
    for item in motion.objects:
        mesh = mesh_of(item.geometry, _MAX_VERTICES)
        surfaces.append((_posed(item, np.asarray(mesh.vertices)), np.asarray(mesh.faces), _OBJECT))
    marks = _marks(motion, small, annotations, (width / camera.width, height / camera.height))
    for frame, image in enumerate(images):
        canvas = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        view = small.frames(np.array([frame]))
        parts = [(view.to_camera(vertices[frame][None])[0], faces, colour) for vertices, faces, colour in surfaces]
        shaded = _painted(canvas.copy(), parts, small)
        canvas = cv2.addWeighted(shaded, config.opacity, canvas, 1.0 - config.opacity, 0.0)
        for points, colour, radius in marks if config.points else ():
            for x, y in points[frame][np.isfinite(points[frame]).all(-1)]:
                cv2.circle(canvas, (round(x), round(y)), radius, colour, -1, cv2.LINE_AA)
        yield canvas


def _posed(item: MotionObject, points_b: np.ndarray) -> np.ndarray:
    """Points [V, 3] of an object in the world, [T, V, 3] m."""
    return np.asarray(rotations.rotate(item.rotation_w[:, None], points_b[None]) + item.position_w[:, None])


def _painted(
    canvas: np.ndarray, parts: list[tuple[np.ndarray, np.ndarray, tuple[int, int, int]]], camera: Camera
) -> np.ndarray:
    """Faces of all surfaces, farthest first, lit from the camera; those that look away are left out."""
    corners = np.concatenate([vertices[faces] for vertices, faces, _ in parts])
    colours = np.concatenate([np.tile(colour, (len(faces), 1)) for _, faces, colour in parts])
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    centre = corners.mean(1)
    facing = -(normal * centre).sum(-1) / np.maximum(np.linalg.norm(centre, axis=-1), 1e-9)
    pixels = camera.project(corners)
    seen = (facing > 0) & np.isfinite(pixels).all((1, 2)) & (np.abs(pixels) < 1e5).all((1, 2))
    order = np.flatnonzero(seen)[np.argsort(-centre[seen, 2])]
    light = (_AMBIENT + (1.0 - _AMBIENT) * facing)[:, None] * colours
    for face in order:
        cv2.fillConvexPoly(canvas, np.round(pixels[face]).astype(np.int32), light[face].tolist())
    return canvas


def _marks(
    motion: Motion, camera: Camera, annotations: Annotations | None, scale: tuple[float, float]
) -> list[tuple[np.ndarray, tuple[int, int, int], int]]:
    """[T, P, 2] px, colour and radius of the kinds of points."""
    if annotations is None or not motion.objects:
        return []
    points, item = annotations.image_points, motion.objects[0]
    marks = [
        (camera.project_world(_posed(item, points.points_b)), _SOLVED, 5),
        (points.pixels * np.array(scale), _CLICKED, 3),
    ]
    graph = annotations.contacts
    if len(graph):
        at = camera.project_world(object_points_w(motion, graph))
        marks.append((np.where(graph.active(motion.num_frames)[..., None], at, np.nan), _CONTACT, 4))
    return marks
