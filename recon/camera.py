"""The pinhole camera: world to camera axes to pixels, with the projection's Jacobian.

Camera axes are OpenCV's: x right, y down, z forward. Pixels are measured from the image's upper left corner, so the
first pixel's centre lies at (0.5, 0.5) and resizing an image scales its intrinsics. The world is z up, metres.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sim import rotations
from sim.arrays import frozen
from sim.errors import ReconstructionError
from sim.rotations import Array

MIN_DEPTH = 1e-3
"""m; what is nearer to the camera's plane than this, or behind it, has no image."""


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera, OpenCV axes (x right, y down, z forward), standing still or moving.

    Attributes:
        intrinsics: [3, 3] pixels, rows (fx, skew, cx), (0, fy, cy), (0, 0, 1).
        width, height: pixels.
        rotation_w: [4] wxyz or [T, 4], camera to world.
        position_w: [3] or [T, 3] m, the centre of projection.

    Methods take NumPy arrays or torch tensors (differentiable) and answer in kind. Points are [..., 3]; for a moving
    camera their first axis is time and must be T long.

    Raises:
        ReconstructionError: from the constructor, naming the field.
    """

    intrinsics: np.ndarray
    width: int
    height: int
    rotation_w: np.ndarray
    position_w: np.ndarray

    def __post_init__(self) -> None:
        for name in ("intrinsics", "rotation_w", "position_w"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        _validate(self)

    @staticmethod
    def look_at(
        eye_w: np.ndarray, target_w: np.ndarray, width: int, height: int, intrinsics: np.ndarray | None = None
    ) -> Camera:
        """A camera at `eye_w` [3] or [T, 3] m that looks at `target_w`, upright; `default_intrinsics` where None.

        Raises ReconstructionError where it would look straight up or down, which leaves upright undefined.
        """
        eye_w = np.asarray(eye_w, np.float64)
        target_w = np.broadcast_to(np.asarray(target_w, np.float64), eye_w.shape)
        forward = rotations.normalize(target_w - eye_w)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        if (np.linalg.norm(right, axis=-1) < 1e-6).any():
            raise ReconstructionError("camera: looks straight up or down; give its rotation instead of a target")
        right = rotations.normalize(right)
        axes = np.stack((right, np.cross(forward, right), forward), -1)
        matrix = default_intrinsics(width, height) if intrinsics is None else intrinsics
        return Camera(matrix, width, height, rotations.from_matrix(axes), eye_w)

    @property
    def num_frames(self) -> int | None:
        """T of a moving camera, None for one that stands still."""
        lengths = [len(a) for a in (self.rotation_w, self.position_w) if a.ndim == 2]
        return lengths[0] if lengths else None

    def to_camera(self, points_w: Array) -> Array:
        """World to camera axes: [..., 3] m -> [..., 3] m."""
        rotation, position = self._pose(points_w)
        turned: Array = rotations.rotate_inverse(rotation, points_w - position)
        return turned

    def to_world(self, points_c: Array) -> Array:
        """Camera axes to world: [..., 3] m -> [..., 3] m."""
        rotation, position = self._pose(points_c)
        turned: Array = rotations.rotate(rotation, points_c)
        return turned + position

    def project(self, points_c: Array) -> Array:
        """Camera axes to pixels: [..., 3] m -> [..., 2]; NaN where the point is not before the camera."""
        depth, visible = _depth(points_c)
        homogeneous = points_c @ _like(self.intrinsics.T, points_c)
        return _where(visible, homogeneous[..., :2] / depth, np.nan)

    def project_world(self, points_w: Array) -> Array:
        """World to pixels: [..., 3] m -> [..., 2]; NaN where the point is not before the camera."""
        return self.project(self.to_camera(points_w))

    def projection_jacobian(self, points_c: np.ndarray) -> np.ndarray:
        """Change of `project` with the point in camera axes: [..., 3] m -> [..., 2, 3] pixels/m, NaN as there.

        With (u, v) = (K p)[:2] / z the rows are (K[:2] - (u, v) e_z^T) / z.
        """
        depth, visible = _depth(points_c)
        pixels = (points_c @ self.intrinsics.T)[..., :2] / depth
        rows = np.repeat(self.intrinsics[:2][None], pixels[..., 0].size, 0).reshape(*pixels.shape, 3)
        rows[..., 2] -= pixels
        return np.where(visible[..., None], rows / depth[..., None], np.nan)

    def unproject(self, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Pixels [..., 2] at these depths [...] m to points in camera axes, [..., 3] m; the inverse of `project`."""
        homogeneous = np.concatenate((pixels, np.ones_like(pixels[..., :1])), -1)
        points: np.ndarray = homogeneous @ np.linalg.inv(self.intrinsics).T * np.asarray(depth)[..., None]
        return points

    def cropped(self, left: float, top: float, width: int, height: int) -> Camera:
        """The camera of the part of the image whose upper left corner is at (left, top)."""
        shift = np.array([[0, 0, left], [0, 0, top], [0, 0, 0]], np.float64)
        return dataclasses.replace(self, intrinsics=self.intrinsics - shift, width=width, height=height)

    def resized(self, width: int, height: int) -> Camera:
        """The camera of the same image in another resolution."""
        scale = np.array([width / self.width, height / self.height, 1.0])[:, None]
        return dataclasses.replace(self, intrinsics=self.intrinsics * scale, width=width, height=height)

    def frames(self, index: slice | np.ndarray) -> Camera:
        """The camera of these frames; a camera that stands still is the same in all of them."""
        return dataclasses.replace(
            self,
            rotation_w=self.rotation_w[index] if self.rotation_w.ndim == 2 else self.rotation_w,
            position_w=self.position_w[index] if self.position_w.ndim == 2 else self.position_w,
        )

    def _pose(self, points: Array) -> tuple[Array, Array]:
        """Rotation and position with axes between time and the last one to fit the points."""

        def fitted(array: np.ndarray) -> Array:
            if array.ndim == 2:
                if points.ndim < 2 or len(points) != len(array):
                    raise ReconstructionError(
                        f"camera: moves over {len(array)} frames, points are {list(points.shape)}"
                    )
                array = array.reshape(len(array), *([1] * (points.ndim - 2)), -1)
            return _like(array, points)

        return fitted(self.rotation_w), fitted(self.position_w)


def default_intrinsics(width: int, height: int) -> np.ndarray:
    """[3, 3] pixels where nothing is known: focal length sqrt(w^2 + h^2) (GVHMR's; 53 degrees across the diagonal)."""
    focal = float(np.hypot(width, height))
    return np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])


def _like(array: np.ndarray, like: Array) -> Array:
    if isinstance(like, torch.Tensor):
        return torch.as_tensor(array.copy(), dtype=like.dtype, device=like.device)
    return array


def _depth(points_c: Array) -> tuple[Array, Array]:
    """Depth [..., 1], 1 m where the point is not before the camera, and whether it is, bool [..., 1]."""
    depth = points_c[..., 2:]
    visible = depth > MIN_DEPTH
    return _where(visible, depth, 1.0), visible


def _where(condition: Array, values: Array, other: float) -> Array:
    where: Any = torch.where if isinstance(values, torch.Tensor) else np.where
    chosen: Array = where(condition, values, other)
    return chosen


def _validate(camera: Camera) -> None:
    k = camera.intrinsics
    if k.shape != (3, 3) or not np.isfinite(k).all() or not (k[0, 0] > 0 and k[1, 1] > 0):
        raise ReconstructionError("camera: intrinsics must be a finite [3, 3] matrix with positive focal lengths")
    if not np.array_equal(k[[1, 2, 2, 2], [0, 0, 1, 2]], [0, 0, 0, 1]):
        raise ReconstructionError("camera: intrinsics must be upper triangular with 1 in the last corner")
    if camera.width < 1 or camera.height < 1:
        raise ReconstructionError(f"camera: image of {camera.width} x {camera.height} pixels")
    for name, size in (("rotation_w", 4), ("position_w", 3)):
        array = getattr(camera, name)
        if array.ndim not in (1, 2) or array.shape[-1] != size or not np.isfinite(array).all():
            raise ReconstructionError(f"camera: {name} must be finite [{size}] or [T, {size}], got {list(array.shape)}")
    if np.abs(np.linalg.norm(camera.rotation_w, axis=-1) - 1).max() > 1e-3:
        raise ReconstructionError("camera: rotation_w is not of unit length")
    both = [len(a) for a in (camera.rotation_w, camera.position_w) if a.ndim == 2]
    if len(set(both)) > 1:
        raise ReconstructionError(f"camera: rotation_w has {both[0]} frames, position_w {both[1]}")
