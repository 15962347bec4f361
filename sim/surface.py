"""Distance to a triangle mesh that need not be watertight: nearest surface points and a voted inside test, batched."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import trimesh
from scipy.spatial import cKDTree

from sim.geometry import Mesh

_SPACING_SHARE = 1 / 100  # of the bounding box's diagonal: how far apart the samples that find near triangles lie
_MIN_SAMPLES, _MAX_SAMPLES = 20_000, 200_000
_NEIGHBOURS = 8
_LEAF_SIZE = 64
_CHUNK = 20_000
# A fixed turn by no special angles: rays along its axes miss the edges that meshes like to align with x, y and z.
_GENERIC = trimesh.transformations.euler_matrix(0.4321, 0.8765, 0.3579)[:3, :3]


@dataclass(frozen=True, eq=False)
class Surface:
    """Answers distance questions about one mesh. Build it once; the first question builds the search trees.

    Nearest points: a k-d tree over surface samples proposes triangles, the point is then projected on them exactly.
    Measured on the OMOMO meshes against all triangles: 99 % of the points within 0.1 mm, the worst 1.2 mm; 17,400
    points in 0.1 to 0.4 s on one core. Inside: the winding number, counted as signed crossings along six rays (both
    ways along three axes), by majority. A ray that leaves through a hole is outvoted, doubled faces cancel, and an
    open basin has no inside.
    """

    mesh: Mesh

    def closest_points(self, points: np.ndarray) -> np.ndarray:
        """Nearest surface points [P, 3] -> [P, 3], m."""
        tree, triangle_of = self._samples
        out = np.zeros((len(points), 3))
        for start in range(0, len(points), _CHUNK):
            part = points[start : start + _CHUNK]
            _, near = tree.query(part, k=min(_NEIGHBOURS, len(triangle_of)))
            corners = self._triangles[triangle_of[near].reshape(-1)]
            repeated = np.repeat(part, near.shape[1], axis=0)
            candidates = trimesh.triangles.closest_point(corners, repeated).reshape(len(part), -1, 3)
            best = np.linalg.norm(candidates - part[:, None], axis=-1).argmin(1)
            out[start : start + _CHUNK] = candidates[np.arange(len(part)), best]
        return out

    def sample_distance(self, points: np.ndarray) -> np.ndarray:
        """Distance to the nearest surface sample, [P, 3] -> [P] m: too long by up to half the samples' spacing."""
        return np.asarray(self._samples[0].query(points)[0])

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Whether points [P, 3] lie inside, by the majority of six rays: bool [P]."""
        inside = np.zeros(len(points), bool)
        low, high = self._triangles.min((0, 1)), self._triangles.max((0, 1))
        boxed = np.flatnonzero(((points >= low) & (points <= high)).all(1))
        for start in range(0, len(boxed), _CHUNK):
            rows = boxed[start : start + _CHUNK]
            turned = points[rows] @ _GENERIC.T
            votes = sum(np.abs(self._columns[axis].crossings(turned)).astype(bool).sum(0) for axis in (0, 1))
            tied = np.flatnonzero((votes > 0) & (votes < 4))  # four equal votes of six have decided
            votes[tied] += np.abs(self._columns[2].crossings(turned[tied])).astype(bool).sum(0)
            inside[rows] = votes > 3
        return inside

    @functools.cached_property
    def _triangles(self) -> np.ndarray:
        return self.mesh.vertices[self.mesh.faces]

    @functools.cached_property
    def _samples(self) -> tuple[cKDTree, np.ndarray]:
        surface = trimesh.Trimesh(self.mesh.vertices, self.mesh.faces, process=False)
        spacing = max(float(np.linalg.norm(surface.extents)) * _SPACING_SHARE, np.sqrt(surface.area / _MAX_SAMPLES))
        count = max(_MIN_SAMPLES, int(surface.area / spacing**2) + 1)
        points, triangle = trimesh.sample.sample_surface(surface, count, seed=0)
        missed = np.setdiff1d(np.arange(len(self._triangles)), triangle)  # no triangle goes without a sample
        points = np.concatenate((np.asarray(points), self._triangles[missed].mean(1)))
        return cKDTree(points, leafsize=_LEAF_SIZE), np.concatenate((triangle, missed))

    @functools.cached_property
    def _columns(self) -> tuple[_Columns, ...]:
        turned = self._triangles @ _GENERIC.T
        return tuple(_Columns.build(turned, axis) for axis in range(3))


@dataclass(frozen=True, eq=False)
class _Columns:
    """Triangles sorted into square columns along one axis, to find those that a ray along it can cross."""

    axis: int
    triangles: np.ndarray
    origin: np.ndarray
    width: float
    shape: np.ndarray
    start: np.ndarray
    members: np.ndarray

    @staticmethod
    def build(triangles: np.ndarray, axis: int) -> _Columns:
        triangles = np.roll(triangles, 2 - axis, axis=-1)  # the ray's axis becomes the last one; handedness is kept
        flat = triangles[..., :2]
        low, high = flat.min(1), flat.max(1)
        origin = low.min(0)
        size = np.maximum(high.max(0) - origin, 1e-9)
        width = float(np.sqrt(size.prod() / np.clip(len(triangles), 64, 65_536)))
        shape = np.floor(size / width).astype(np.int64) + 1
        first = np.floor((low - origin) / width).astype(np.int64)
        last = np.minimum(np.floor((high - origin) / width).astype(np.int64), shape - 1)
        spans = last - first + 1
        counts = spans.prod(1)
        triangle, step = _ragged(counts)
        cell = (
            (first[triangle, 0] + step // spans[triangle, 1]) * shape[1]
            + first[triangle, 1]
            + step % spans[triangle, 1]
        )
        order = np.argsort(cell, kind="stable")
        start = np.searchsorted(cell[order], np.arange(shape.prod() + 1))
        return _Columns(axis, triangles, origin, width, shape, start, triangle[order])

    def crossings(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Signed crossings of the rays up and down from points [P, 3]: two winding numbers [P]."""
        points = np.roll(points, 2 - self.axis, axis=-1)
        cell = np.floor((points[:, :2] - self.origin) / self.width).astype(np.int64)
        valid = ((cell >= 0) & (cell < self.shape)).all(1)
        index = np.where(valid, cell[:, 0] * self.shape[1] + cell[:, 1], 0)
        counts = np.where(valid, self.start[index + 1] - self.start[index], 0)
        point, step = _ragged(counts)
        corners = self.triangles[self.members[self.start[index[point]] + step]]
        ray = points[point]
        offsets = corners[..., :2] - ray[:, None, :2]
        following = np.roll(offsets, -1, axis=1)
        areas = offsets[..., 0] * following[..., 1] - offsets[..., 1] * following[..., 0]
        hit = (areas > 0).all(1) | (areas < 0).all(1)
        weights = areas[hit] / areas[hit].sum(1, keepdims=True)  # of the edge opposite to corners 2, 0, 1
        height = (weights * np.roll(corners[hit][..., 2], 1, axis=1)).sum(1)
        sign = np.sign(areas[hit][:, 0])
        above = height > ray[hit, 2]
        up = np.bincount(point[hit], np.where(above, sign, 0.0), len(points))
        down = np.bincount(point[hit], np.where(above, 0.0, -sign), len(points))
        return up, down


def _ragged(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and position within the row of every element of a ragged table with these row lengths."""
    row = np.repeat(np.arange(len(counts)), counts)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
