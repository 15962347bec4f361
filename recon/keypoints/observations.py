"""Annotated points of one object as weighted residuals of its pose, with analytic Jacobians (seed, eq. 3).

A pose is perturbed in the world: position + d[:3], exp(d[3:]) * rotation, so a point x = R p + t of the object moves
by d[:3] + d[3:] x R p.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from recon.annotations import Annotations
from recon.camera import Camera
from sim import rotations
from sim.keypoints import KEYPOINT_INDEX

Kernel = Literal["none", "huber", "cauchy", "geman_mcclure"]


class Linearization(NamedTuple):
    """Residuals at poses [T, K], whitened and weighted, N points with M = 3 C + 2 P rows, and P more for depths.

    Attributes:
        cost: [T, K] half the sum of robust squared residuals; infinite where an active point is behind the camera.
        rows: [T, K, M, 6] Jacobian; residuals: [T, K, M]; both times the root of the robust weight.
        distances: [T, K, N] m (contacts) and pixels (image points), NaN where a point is not active.
    """

    cost: np.ndarray
    rows: np.ndarray
    residuals: np.ndarray
    distances: np.ndarray

    @property
    def gradient(self) -> np.ndarray:
        """[T, K, 6]."""
        gradient: np.ndarray = (np.swapaxes(self.rows, -1, -2) @ self.residuals[..., None])[..., 0]
        return gradient

    @property
    def hessian(self) -> np.ndarray:
        """[T, K, 6, 6], Gauss-Newton's."""
        hessian: np.ndarray = np.swapaxes(self.rows, -1, -2) @ self.rows
        return hessian


@dataclass(frozen=True, eq=False)
class Observations:
    """What is known about one object's pose: C contacts (3D-3D pairs), then P image points (3D-2D pairs).

    Attributes:
        names: C + P, as a person would call the points.
        points_b: [C + P, 3] m, relative to `center_b`.
        center_b: [3] m in the object's frame, the mean of all its annotated points: poses here are of this centre.
        targets_w: [T, C, 3] m; pixels: [T, P, 2], 0 where not active.
        depths: [T, P] m along the camera's axis, NaN where unknown or not active; None where no depth is known at all.
        active: [T, C + P] bool; confidence: [T, C + P] from 0 to 1, weighs each residual's cost.
        sigmas: [C + P] m and pixels, one standard deviation; depth_sigma: m, that of depths.
        camera: as it filmed these frames.
        near_w: [T, 3] m, the person's middle: objects are looked for around it.
    """

    names: tuple[str, ...]
    points_b: np.ndarray
    center_b: np.ndarray
    targets_w: np.ndarray
    pixels: np.ndarray
    depths: np.ndarray | None
    active: np.ndarray
    confidence: np.ndarray
    sigmas: np.ndarray
    depth_sigma: float
    camera: Camera
    near_w: np.ndarray

    @staticmethod
    def of(
        annotations: Annotations, keypoints_w: np.ndarray, camera: Camera, contact_sigma: float, image_sigma: float,
        depth_sigma: float = 0.1,
    ) -> Observations:  # fmt: skip
        """keypoints_w: [T, 87, 3] m. The sigmas are in metres, pixels and metres."""
        graph, image = annotations.contacts, annotations.image_points
        frames = annotations.num_frames
        confidence = np.ones(image.visible.shape) if image.confidence is None else image.confidence
        depths = None if image.depths is None else np.where(image.visible, image.depths, np.nan)
        points = np.concatenate((graph.points_b, image.points_b))
        active = np.concatenate((graph.active(frames), image.visible), 1)
        seen = points[active.any(0)] if active.any() else points
        center = seen.mean(0) if len(seen) else np.zeros(3)
        contacts = [
            f"contact {row} ({name}{_vertex(vertex)})"
            for row, (name, vertex) in enumerate(zip(graph.keypoints, annotations.contact_vertices, strict=True))
        ]
        return Observations(
            names=(*contacts, *(f"image point {p}{_vertex(v, ' (', ')')}" for p, v in enumerate(image.vertices))),
            points_b=points - center,
            center_b=center,
            targets_w=keypoints_w[:, [KEYPOINT_INDEX[name] for name in graph.keypoints]],
            pixels=np.where(image.visible[..., None], image.pixels, 0.0),
            depths=depths if depths is not None and np.isfinite(depths).any() else None,
            active=active,
            confidence=np.concatenate((np.ones((frames, len(graph))), confidence), 1),
            depth_sigma=depth_sigma,
            sigmas=np.repeat([contact_sigma, image_sigma], [len(graph), len(image)]),
            camera=camera,
            near_w=keypoints_w.mean(1),
        )

    @property
    def num_contacts(self) -> int:
        """C."""
        return self.targets_w.shape[1]

    @property
    def held(self) -> np.ndarray:
        """[T] bool, the frame has a point."""
        return np.asarray(self.active.any(1))

    @property
    def precision(self) -> np.ndarray:
        """[T, C + P] 1/m and 1/px, the root of the weight that eq. 3 gives each pair; 0 where not active."""
        return np.asarray(np.where(self.active, np.sqrt(self.confidence) / self.sigmas, 0.0))

    @property
    def radius(self) -> float:
        """m from the centre to the farthest annotated point, at least 5 cm: turns angles into lengths."""
        return max(float(np.linalg.norm(self.points_b, axis=-1).max(initial=0.0)), 0.05)

    @property
    def camera_axes(self) -> np.ndarray:
        """[T or 1, 3, 3] world to camera axes."""
        axes: np.ndarray = rotations.to_matrix(rotations.inverse(np.atleast_2d(self.camera.rotation_w)))
        return axes

    def linearize(
        self, position_w: np.ndarray, rotation_w: np.ndarray, kernel: Kernel = "none", threshold: float = 3.0
    ) -> Linearization:
        """Residuals and Jacobians at K poses a frame.

        Args:
            position_w: [T or 1, K, 3] m of the centre; rotation_w: [T or 1, K, 4]; one pose for all frames if 1.
            kernel, threshold: robust kernel and where it sets in, in standard deviations.
        """
        c, shape = self.num_contacts, (len(self.active), position_w.shape[1])
        arms = self.points_b @ np.swapaxes(rotations.to_matrix(rotation_w), -1, -2)
        arms = np.broadcast_to(arms, (*shape, *arms.shape[2:]))
        points = arms + position_w[..., None, :]
        moves = np.concatenate((np.broadcast_to(np.eye(3), (*arms.shape, 3)), -rotations.skew(arms)), -1)
        in_camera = self.camera.to_camera(points[:, :, c:])
        slopes = self.camera.projection_jacobian(in_camera) @ self.camera_axes[:, None, None]
        apart = points[:, :, :c] - self.targets_w[:, None]
        off = self.camera.project(in_camera) - self.pixels[:, None]
        distances = np.concatenate((np.linalg.norm(apart, axis=-1), np.linalg.norm(off, axis=-1)), -1)
        distances = np.where(self.active[:, None], distances, np.nan)
        behind = (self.active[:, None] & np.isnan(distances)).any(-1)
        loss, weight = robust(np.nan_to_num(distances / self.sigmas) ** 2, kernel, threshold)
        scale = np.where(np.isfinite(distances), np.sqrt(weight) * self.precision[:, None], 0.0)[..., None]
        rows = [
            (scale[:, :, :c, :, None] * moves[:, :, :c]).reshape(*shape, -1, 6),
            (scale[:, :, c:, :, None] * (np.nan_to_num(slopes) @ moves[:, :, c:])).reshape(*shape, -1, 6),
        ]
        residuals = [
            (scale[:, :, :c] * apart).reshape(*shape, -1),
            (scale[:, :, c:] * np.nan_to_num(off)).reshape(*shape, -1),
        ]
        cost = 0.5 * (self.confidence[:, None] * loss).sum(-1)
        if self.depths is not None:
            deeper = np.nan_to_num(in_camera[..., 2] - self.depths[:, None]) / self.depth_sigma
            loss, weight = robust(deeper**2, kernel, threshold)
            trust = self.confidence[:, None, c:]
            scale = np.sqrt(trust * weight) * np.isfinite(self.depths)[:, None]
            inward = (self.camera_axes[:, None, None, 2:] @ moves[:, :, c:])[..., 0, :]
            rows.append(scale[..., None] / self.depth_sigma * inward)
            residuals.append(scale * deeper)
            cost = cost + 0.5 * (trust * loss).sum(-1)
        return Linearization(
            np.where(behind, np.inf, cost), np.concatenate(rows, -2), np.concatenate(residuals, -1), distances
        )


def robust(squares: np.ndarray, kernel: Kernel, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Robust loss and its slope (the weight of iteratively reweighted least squares) of squared whitened residuals.

    With s^2 the square and k the threshold: Huber s^2 or 2 k s - k^2; Cauchy k^2 log(1 + s^2/k^2);
    Geman-McClure s^2 / (1 + s^2/k^2).
    """
    if kernel == "none":
        return squares, np.ones_like(squares)
    ratio = squares / threshold**2
    if kernel == "huber":
        far = np.sqrt(np.maximum(ratio, 1.0))
        return np.where(ratio > 1, (2 * far - 1) * threshold**2, squares), 1 / far
    if kernel == "cauchy":
        return threshold**2 * np.log1p(ratio), 1 / (1 + ratio)
    return squares / (1 + ratio), 1 / (1 + ratio) ** 2


def _vertex(vertex: int, before: str = ", ", after: str = "") -> str:
    return f"{before}vertex {vertex}{after}" if vertex >= 0 else ""
