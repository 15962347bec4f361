"""What a hand meets on an object's surface: points with normals, and what rays from them find around them."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import mujoco
import numpy as np
import trimesh
from scipy.spatial import ConvexHull

from sim import rotations
from sim.arrays import frozen
from sim.errors import AssetError
from sim.geometry import Primitive
from sim.objects import Shape
from sim.primitives import to_trimesh

UP = np.array([0.0, 0.0, 1.0])
FAR = 1.0
"""m, what lies farther off along a ray counts as free."""
_STEP = 1e-3
_SOLID = 2e-3
_RINGS = ((0.0, 1), (35.0, 6), (70.0, 6))
"""Polar angle from the normal in degrees and number of the rays that tell how open a place is."""
_TANGENTS = 8
_RIM_STEPS = (0.01, 0.02, 0.03, 0.045, 0.06, 0.08, 0.11)
_RIM_RISE, _RIM_DROP = 0.015, 0.04
_UPRIGHT = 0.9
_SHEET = 3e-4
"""m of volume per area of surface: below, a mesh is made of sheets."""


class Rays:
    """Casts rays at a triangle mesh, both of its sides, by MuJoCo; what is beyond `far` m counts as not there."""

    def __init__(self, mesh: trimesh.Trimesh, far: float = FAR) -> None:
        self._far = far
        spec = mujoco.MjSpec()
        spec.add_mesh(
            name="object", uservert=np.asarray(mesh.vertices, np.float64).ravel(),
            userface=np.asarray(mesh.faces, np.int32).ravel(), inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
        )  # fmt: skip
        geom = spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname="object")
        geom.contype = geom.conaffinity = 0
        try:
            self._model = spec.compile()
        except ValueError as error:
            raise AssetError(f"the mesh cannot be looked at from all sides: {error}") from error
        self._data = mujoco.MjData(self._model)
        mujoco.mj_kinematics(self._model, self._data)

    def distance(self, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """m to the first surface along unit directions, `far` where there is none nearer: [..., 3] x2 -> [...]."""
        origins, directions = np.broadcast_arrays(origins, directions)
        starts, ways = (np.ascontiguousarray(a, np.float64).reshape(-1, 3) for a in (origins, directions))
        hit = np.zeros(1, np.int32)
        found = [
            mujoco.mj_ray(self._model, self._data, s, w, None, 1, -1, hit) for s, w in zip(starts, ways, strict=True)
        ]
        out = np.array(found).reshape(origins.shape[:-1])
        return np.where((out < 0) | (out > self._far), self._far, out)


@dataclass(frozen=True, eq=False)
class SurfacePoints:
    """Points spread evenly over an object's surface, in its own frame.

    Attributes:
        shape: of the object. up_b: [3], which way is up while it rests.
        points_b: [N, 3] m. normals_b: [N, 3], outward.
    """

    shape: Shape
    points_b: np.ndarray
    normals_b: np.ndarray
    up_b: np.ndarray

    def __post_init__(self) -> None:
        for name in ("points_b", "normals_b", "up_b"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @staticmethod
    def of(shape: Shape, *, count: int = 2000, up_b: np.ndarray = UP, seed: int = 0) -> SurfacePoints:
        """Spread over all triangles by area; where normals point inward, they are turned round.

        Raises:
            AssetError: `up_b` is no direction.
        """
        up = np.asarray(up_b, np.float64)
        if up.shape != (3,) or not np.isfinite(up).all() or np.linalg.norm(up) < 1e-9:
            raise AssetError(f"up_b {np.round(up, 3).tolist()} is no direction")
        mesh = triangulated(shape)
        points, triangle = trimesh.sample.sample_surface(mesh, count, seed=seed)
        points, normals = np.asarray(points), np.asarray(mesh.face_normals)[triangle]
        if shape.surface is not None:
            outside, inside = (shape.surface.contains(points + s * _SOLID * normals) for s in (1, -1))
            normals = np.where((outside & ~inside)[:, None], -normals, normals)
        return SurfacePoints(shape, points, normals, up / np.linalg.norm(up))

    @property
    def size_m(self) -> tuple[float, float, float]:
        """Edges of the bounding box as it rests: depth (x), width (y), height (z)."""
        x, y, z = np.ptp(rotations.rotate(upright(self.up_b), np.asarray(triangulated(self.shape).vertices)), axis=0)
        return float(x), float(y), float(z)

    @functools.cached_property
    def around(self) -> Surroundings:
        """What rays find (computed once; about 60 rays a point)."""
        return look_around(self)


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Of each surface point, upright: z is up, the floor at z = 0, the centre of mass above the origin.

    Attributes:
        points, normals: [N, 3] m, turned upright.
        thickness: [N] m to the opposite surface, straight in; 0 for a sheet without inside, at most `FAR`.
        openness: [N] 0..1, share of the directions out of the surface (weighted by cosine) in which neither the object
            nor the floor is within a hand's length, 0.2 m.
        headroom: [N] m free straight out of the surface, at most `FAR`.
        rim: [N] m along the surface to the nearest edge over which fingers can close.
        width: [N] m across the surface from edge to edge where it is narrowest, through the point.
        depth: [N] m below the object's convex hull.
        center: [3] m, the centre of mass of even material (of the surface, for sheets). height: m of the top.
        area: m^2 that each point stands for.
        origin: [3] m, what was taken off after turning upright: points = turned points_b - origin.
    """

    points: np.ndarray
    normals: np.ndarray
    thickness: np.ndarray
    openness: np.ndarray
    headroom: np.ndarray
    rim: np.ndarray
    width: np.ndarray
    depth: np.ndarray
    center: np.ndarray
    height: float
    area: float
    origin: np.ndarray


def triangulated(shape: Shape) -> trimesh.Trimesh:
    """The repaired mesh, or a primitive's triangulation."""
    if isinstance(shape.geometry, Primitive):
        return to_trimesh(shape.geometry)
    assert shape.surface is not None
    return trimesh.Trimesh(shape.surface.mesh.vertices, shape.surface.mesh.faces, process=False)


def upright(up_b: np.ndarray) -> np.ndarray:
    """[4] wxyz, the shortest rotation that turns `up_b` up."""
    turn: np.ndarray = rotations.between(np.asarray(up_b, np.float64), UP)
    return turn


def look_around(surface: SurfacePoints) -> Surroundings:
    """Cast the rays."""
    mesh = triangulated(surface.shape)
    rays = Rays(mesh)
    p, n = surface.points_b, surface.normals_b
    first, second = _tangents(surface)
    solid = _solid(surface)
    free, openness = _openness(surface, rays, first, second)
    rims = _rims(p, n, first, second, rays)
    across = rims + np.roll(rims, _TANGENTS // 2, axis=1)
    turn = upright(surface.up_b)
    corners, points = rotations.rotate(turn, np.asarray(mesh.vertices)), rotations.rotate(turn, p)
    center = rotations.rotate(turn, center_of_mass(mesh, p))
    floor = np.array([*center[:2], corners[:, 2].min()])
    hull = ConvexHull(mesh.vertices, qhull_options="QJ")
    return Surroundings(
        points=points - floor,
        normals=rotations.rotate(turn, n),
        thickness=np.where(solid, rays.distance(p - _STEP * n, -n), 0.0),
        openness=openness,
        headroom=free,
        rim=rims.min(1),
        width=across.min(1),
        depth=-(p @ hull.equations[:, :3].T + hull.equations[:, 3]).max(1).clip(max=0.0),
        center=center - floor,
        height=float(np.ptp(corners[:, 2])),
        area=float(mesh.area) / len(p),
        origin=floor,
    )


def center_of_mass(mesh: trimesh.Trimesh, points: np.ndarray) -> np.ndarray:
    """[3] m; the mean of the surface where the mesh encloses next to nothing, or is too broken to say."""
    low, high = mesh.bounds
    if mesh.volume > _SHEET * mesh.area:
        center = np.asarray(mesh.center_mass)
        if ((center >= low) & (center <= high)).all():
            return center
    mean: np.ndarray = points.mean(0)
    return mean


def _solid(surface: SurfacePoints) -> np.ndarray:
    """[N] bool, whether the object has an inside below each point."""
    below = surface.points_b - _SOLID * surface.normals_b
    if surface.shape.surface is None:
        return np.ones(len(below), bool)
    return surface.shape.surface.contains(below)


def _tangents(surface: SurfacePoints) -> tuple[np.ndarray, np.ndarray]:
    """Two unit tangents [N, 3] that turn and mirror with the object: level and steepest, or round and out on planes."""
    p, n, up = surface.points_b, surface.normals_b, surface.up_b
    outward = p - p.mean(0)
    outward = outward - (outward @ up)[:, None] * up
    level = np.where((np.abs(n @ up) < _UPRIGHT)[:, None], np.cross(up, n), np.cross(up, outward))
    level = level - (level * n).sum(1, keepdims=True) * n
    length = np.linalg.norm(level, axis=1, keepdims=True)
    some = np.cross(n, np.eye(3)[np.abs(n).argmin(1)])
    level = np.where(
        length > 1e-6, level / np.maximum(length, 1e-12), some / np.linalg.norm(some, axis=1, keepdims=True)
    )
    return level, np.cross(n, level)


def _openness(
    surface: SurfacePoints, rays: Rays, first: np.ndarray, second: np.ndarray, hand: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """m free along the normal, and the share of directions that are free over a hand's length."""
    p, n, up = surface.points_b, surface.normals_b, surface.up_b
    above = (p - p[(p @ up).argmin()]) @ up
    open_, total, ahead = np.zeros(len(p)), 0.0, np.zeros(len(p))
    for polar, number in _RINGS:
        angle = np.radians(polar)
        turns = 2 * np.pi * np.arange(number) / number
        ring = np.cos(turns)[:, None, None] * first + np.sin(turns)[:, None, None] * second
        ways = np.cos(angle) * n + np.sin(angle) * ring
        free = rays.distance(p + _STEP * n, ways)
        fall = -(ways @ up)
        floor = np.where(fall > 1e-6, above / np.maximum(fall, 1e-6), np.inf)
        free = np.minimum(free, floor)
        ahead = free[0] if number == 1 else ahead
        open_ += np.cos(angle) * (free > hand).sum(0)
        total += np.cos(angle) * number
    return ahead, open_ / total


def _rims(p: np.ndarray, n: np.ndarray, first: np.ndarray, second: np.ndarray, rays: Rays) -> np.ndarray:
    """[N, 8] m along eight tangents until the surface falls away by more than a finger's thickness or two.

    A ray dropped beside the point, from just above the tangent plane, tells whether there is still surface; what rises
    above the plane is no edge.
    """
    turns = 2 * np.pi * np.arange(_TANGENTS) / _TANGENTS
    ways = np.cos(turns)[:, None] * first[:, None] + np.sin(turns)[:, None] * second[:, None]
    raised = (p + _RIM_RISE * n)[:, None]
    blocked = rays.distance(raised, ways)
    rim = np.full(blocked.shape, 2 * _RIM_STEPS[-1])
    for step in reversed(_RIM_STEPS):
        gone = rays.distance(raised + step * ways, -n[:, None]) > _RIM_RISE + _RIM_DROP
        rim = np.where(gone & (blocked > step), step, rim)
    return rim
