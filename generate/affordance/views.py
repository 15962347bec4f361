"""Pictures of an object from around it, drawn by rays, and which places of its surface each of them shows.

All of it in the upright frame of `Surroundings`: z up, the floor at z = 0, the centre of mass above the origin.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from generate.affordance.surface import Rays, SurfacePoints, triangulated, upright
from recon.camera import Camera
from sim import rotations

_LIGHT = np.array([0.4, 0.3, 0.85])
_HIDDEN = 0.01
_BACKGROUND = 235
_FLOOR = 205


def around_object(count: int, radius: float, height: float, target_z: float, size: int) -> tuple[Camera, ...]:
    """Square pictures from `count` places on a circle of `radius` m, `height` m up, the first on +x; `size`: pixels."""
    angles = 2 * np.pi * np.arange(count) / count
    target = np.array([0.0, 0.0, target_z])
    eyes = np.stack((radius * np.cos(angles), radius * np.sin(angles), np.full(count, height)), -1)
    return tuple(Camera.look_at(eye, target, size, size) for eye in eyes)


@dataclass(frozen=True, eq=False)
class ObjectViews:
    """What cameras see of an object."""

    surface: SurfacePoints

    @functools.cached_property
    def _rays(self) -> Rays:
        return Rays(triangulated(self.surface.shape), far=np.inf)

    def depth(self, camera: Camera) -> np.ndarray:
        """[H, W] m from the camera's centre to the object along each pixel's ray; inf beside it."""
        rows, columns = np.mgrid[: camera.height, : camera.width] + 0.5
        pixels = np.stack((columns, rows), -1)
        ways = camera.to_world(camera.unproject(pixels, np.ones(rows.shape))) - camera.position_w
        return self._distance(camera.position_w, ways / np.linalg.norm(ways, axis=-1, keepdims=True))

    def draw(self, camera: Camera, shrink: int = 2) -> np.ndarray:
        """[H, W, 3] uint8: the object in matt grey on a floor before a light wall; rays for every `shrink`-th pixel."""
        small = camera.resized(camera.width // shrink, camera.height // shrink)
        rows, columns = np.mgrid[: small.height, : small.width] + 0.5
        depth = self.depth(small)
        ways = small.to_world(small.unproject(np.stack((columns, rows), -1), np.ones(rows.shape))) - small.position_w
        ways = ways / np.linalg.norm(ways, axis=-1, keepdims=True)
        places = small.position_w + np.where(np.isfinite(depth), depth, 0.0)[..., None] * ways
        normals = np.cross(np.gradient(places, axis=1), np.gradient(places, axis=0))
        normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
        facing = -np.sign((normals * ways).sum(-1, keepdims=True))
        light = 0.45 + 0.5 * (facing * normals @ (_LIGHT / np.linalg.norm(_LIGHT))).clip(0.0)
        image = np.where(ways[..., 2] < -0.02, _FLOOR, _BACKGROUND)
        image = np.where(np.isfinite(depth), 190 * light, image).astype(np.uint8)
        full = cv2.resize(image, (camera.width, camera.height), interpolation=cv2.INTER_LINEAR)
        return np.repeat(full[..., None], 3, -1)

    def visible(self, camera: Camera) -> np.ndarray:
        """[N] bool, the surface points that lie in the picture, face it, and have nothing of the object before them."""
        points, normals = self.surface.around.points, self.surface.around.normals
        pixels = camera.project_world(points)
        inside = ((pixels > 0) & (pixels < [camera.width, camera.height])).all(-1)
        ways = points - camera.position_w
        apart = np.linalg.norm(ways, axis=-1)
        met = self._distance(camera.position_w, ways / apart[:, None])
        facing = (normals * ways).sum(-1) < 0
        return np.asarray(inside & facing & (met > apart - _HIDDEN))

    def _distance(self, origin: np.ndarray, ways: np.ndarray) -> np.ndarray:
        """m along rays that are given upright."""
        turn = upright(self.surface.up_b)
        origin_b = rotations.rotate_inverse(turn, origin + self.surface.around.origin)
        return self._rays.distance(origin_b, rotations.rotate_inverse(turn, ways))
