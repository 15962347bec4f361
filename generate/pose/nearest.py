"""The object around the skin of a pose: exact distances, and the planes that stand for it while the skin moves."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from generate.affordance.surface import SurfacePoints, center_of_mass, triangulated
from sim import rotations
from sim.geometry import Geometry
from sim.objects import Shape

_SAMPLES = 20_000
_NORMAL_SIGMA, _SMOOTH, _NEIGHBOURS, _STIFF = 0.006, 6, 24, 1e-5
_TOUCH, _FAR = 1e-3, 0.03
_OPPOSED, _OTHER_SIDE, _BESIDE = 0.2, 96, 0.012


@dataclass(frozen=True, eq=False)
class Nearest:
    """Planes that stand for the object around each vertex: distance [V] m at points [V, 3] m, slopes [V, 3] unit,
    normals [V, 3] of the surface, unit, outward; bends [V, 3, 3] 1/m, how these change with the way that a vertex goes,
    where the surface is round; all in the world."""

    distance: torch.Tensor
    points: torch.Tensor
    slopes: torch.Tensor
    normals: torch.Tensor
    bends: torch.Tensor

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Signed distance of the vertices, wherever they have gone since: [V, 3] m -> [V] m."""
        return self.distance + (self.slopes * (points - self.points)).sum(-1)

    def facing(self, points: torch.Tensor) -> torch.Tensor:
        """Normals of the surface nearest to the vertices, wherever they have gone since: [V, 3] m -> [V, 3]."""
        turned = self.normals + (self.bends @ (points - self.points)[..., None])[..., 0]
        return turned / turned.square().sum(-1, keepdim=True).sqrt()


@dataclass(frozen=True, eq=False)
class PlacedSurface:
    """An object where a pose has it: dense points of its surface, their search tree, position [3] m, rotation [4]."""

    surface: SurfacePoints
    tree: cKDTree
    position: np.ndarray
    rotation: np.ndarray

    @staticmethod
    def of(geometry: Geometry, position: np.ndarray, rotation: np.ndarray) -> PlacedSurface:
        """Raises AssetError for a mesh without volume."""
        return PlacedSurface(*_dense(geometry), np.array(position), np.array(rotation))

    @property
    def center(self) -> np.ndarray:
        """[3] m in the world, the centre of mass of even material."""
        center = center_of_mass(triangulated(self.surface.shape), self.surface.points_b)
        return np.asarray(self.position + rotations.rotate(self.rotation, center))

    @property
    def length(self) -> float:
        """m, half the diagonal of the bounding box."""
        return 0.5 * float(np.linalg.norm(np.ptp(self.surface.shape.bounds, axis=0)))

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Signed, exact: [P, 3] m in the world -> [P] m."""
        return self.surface.shape.signed_distance(rotations.rotate_inverse(self.rotation, points - self.position))

    def nearest(
        self, points: np.ndarray, skin_normals: np.ndarray, last: Nearest | None = None, *, bent: bool = True
    ) -> Nearest:
        """Exact distances and the planes through the nearest points, of skin [V, 3] m with normals [V, 3].

        What was far from the object at the `last` look keeps its planes. Skin inside the object leaves it against its
        own normal: through a thin board it would be drawn to both faces at once. Bends are 0 unless asked for.
        """
        some = np.arange(len(points))
        if last is not None:
            some = np.flatnonzero(last(torch.as_tensor(points)).numpy() < _FAR)
        places = rotations.rotate_inverse(self.rotation, points[some] - self.position)
        closest, distance = self.surface.shape.signed_closest(places)
        normals = self._normals(closest)
        bends = self._bends(closest, distance, normals) if bent else np.zeros((len(closest), 3, 3))
        touches = np.abs(distance) < _TOUCH
        away = (places - closest) / np.where(touches, np.inf, distance)[:, None]
        slopes = np.where(touches[:, None], normals, away)
        inward = rotations.rotate_inverse(self.rotation, skin_normals[some])
        self._leave(places, inward, distance, slopes)
        slopes, normals = (rotations.rotate(self.rotation, v) for v in (slopes, normals))
        turn = np.asarray(rotations.to_matrix(self.rotation))
        found = [np.array(v) for v in (distance, points[some], slopes, normals, turn @ bends @ turn.T)]
        if last is not None:
            kept = [tensor.numpy().copy() for tensor in vars(last).values()]
            for whole, part in zip(kept, found, strict=True):
                whole[some] = part
            found = kept
        return Nearest(*(torch.as_tensor(v) for v in found))

    def _leave(self, points: np.ndarray, skin_normals: np.ndarray, distance: np.ndarray, slopes: np.ndarray) -> None:
        """Put the planes of skin that would leave the object the wrong way on the other side, in place.

        There the nearest sample counts whose normal opposes the skin's.
        """
        wrong = np.flatnonzero((distance < -_TOUCH) & ((slopes * skin_normals).sum(-1) > _OPPOSED))
        if not len(wrong):
            return
        _, near = self.tree.query(points[wrong], k=_OTHER_SIDE)
        normals, way = self.surface.normals_b[near], self.surface.points_b[near] - points[wrong, None]
        depth = (way * normals).sum(-1)
        beside = np.linalg.norm(way - depth[..., None] * normals, axis=-1)
        fits = ((normals * skin_normals[wrong, None]).sum(-1) < -_OPPOSED) & (depth > 0.0) & (beside < _BESIDE)
        best = np.where(fits, depth, np.inf).argmin(1)
        rows, found = np.arange(len(wrong)), fits.any(1)
        distance[wrong[found]] = -depth[rows, best][found]
        slopes[wrong[found]] = normals[rows, best][found]

    def _normals(self, closest: np.ndarray) -> np.ndarray:
        """[V, 3] unit, outward: the mean of the samples around on the same side, as wide as a finger tip is soft."""
        near, alike = self._around(closest, _SMOOTH)
        mean = (alike[..., None] * self.surface.normals_b[near]).sum(1)
        return np.asarray(mean / np.linalg.norm(mean, axis=-1, keepdims=True))

    def _bends(self, closest: np.ndarray, distance: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """[V, 3, 3] 1/m, how the normal changes with the way of a point at this distance [V] m, by least squares."""
        near, alike = self._around(closest, _NEIGHBOURS)
        flat = np.eye(3) - normal[:, :, None] * normal[:, None]
        way = (self.surface.points_b[near] - closest[:, None]) @ flat
        turned = self.surface.normals_b[near] @ flat
        spread = np.einsum("vk,vki,vkj->vij", alike, way, way) + _STIFF * np.eye(3)
        bend = np.einsum("vk,vki,vkj->vij", alike, turned, way) @ np.linalg.inv(spread)
        value, axes = np.linalg.eigh(0.5 * (bend + np.swapaxes(bend, 1, 2)))
        value = np.clip(value, 0.0, None)
        value = value / (1.0 + np.clip(distance, 0.0, None)[:, None] * value)
        return np.asarray((axes * value[:, None]) @ np.swapaxes(axes, 1, 2))

    def _around(self, closest: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Samples [V, K] around points, and what each counts [V, K]: less farther off, none on another side."""
        away, near = self.tree.query(closest, k=count)
        normals = self.surface.normals_b[near]
        same = (normals * normals[:, :1]).sum(-1) > 0.3
        return near, same * np.exp(-0.5 * (away - away[:, :1]) ** 2 / _NORMAL_SIGMA**2)


@functools.lru_cache(maxsize=4)
def _dense(geometry: Geometry) -> tuple[SurfacePoints, cKDTree]:
    """Points on the surface, where normals are looked up."""
    surface = SurfacePoints.of(Shape.of(geometry), count=_SAMPLES)
    return surface, cKDTree(surface.points_b)
