"""Objects: meshes and primitives as they come, made ready for physics and distance questions."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import numpy as np
import trimesh

from sim import convex, primitives, rotations
from sim.errors import AssetError, UnknownNameError
from sim.geometry import PRIMITIVE_PARAMETERS, Geometry, Mesh, Primitive, PrimitiveKind
from sim.meshes import MESH_SUFFIXES, check_mesh, read_mesh, repair
from sim.surface import Surface

DEFAULT_DENSITY = 60.0
"""kg/m^3 of hull volume where neither mass nor density is known: hollow household goods. A 35-litre carton then weighs
2.1 kg and OMOMO's side table 1.3 kg; the seed's Table 7 takes 0.5 kg for everything, InterMimic 200 to 1000 kg/m^3."""


def load_geometry(spec: str | Path, *, scale: float = 1.0) -> Geometry:
    """A mesh file, or a primitive such as `sphere:radius=0.12` or `box:x=0.4,y=0.3,z=0.3` (metres).

    A mesh keeps the file's vertices and their order, since annotations name vertices by index; nothing is repaired
    here. `scale` multiplies the lengths, for files in other units (0.001 for millimetres).

    Raises:
        AssetError: no such file, not a mesh, or one that has no size, no surface or no volume.
        UnknownNameError: an unknown kind of primitive or parameter.
    """
    if not (np.isfinite(scale) and scale > 0):
        raise AssetError(f"object: scale {scale} is not a positive number")
    text = str(spec)
    path = Path(spec)
    if path.suffix.lower() not in MESH_SUFFIXES and not path.exists():
        shape = _parse_primitive(text)
        return Primitive(shape.kind, tuple(scale * s for s in shape.size))
    mesh = read_mesh(path)
    mesh = Mesh(mesh.vertices * scale, mesh.faces)
    try:
        check_mesh(mesh)
    except AssetError as error:
        raise AssetError(f"{path}: {error}") from error
    return mesh


@dataclass(frozen=True, eq=False)
class Shape:
    """What can be asked of an object's geometry without physics, in its own frame `_b`; quick to build.

    Attributes:
        geometry: as it was given.
        surface: the repaired mesh, or None for a primitive.
    """

    geometry: Geometry
    surface: Surface | None

    @staticmethod
    def of(geometry: Geometry) -> Shape:
        """Raises AssetError for a mesh without volume."""
        return Shape(geometry, _surface(geometry))

    @functools.cached_property
    def bounds(self) -> np.ndarray:
        """Lowest and highest corner of the bounding box, [2, 3] m."""
        return np.array(self._triangulated.bounds)

    def closest_points(self, points_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest points of the true surface and their distances: [..., 3] -> [..., 3] m and [...] m (>= 0)."""
        points_b = np.asarray(points_b, np.float64)
        nearest = self._closest(points_b.reshape(-1, 3))[0].reshape(points_b.shape)
        return nearest, np.linalg.norm(points_b - nearest, axis=-1)

    def signed_distance(self, points_b: np.ndarray) -> np.ndarray:
        """Distance to the true surface, negative inside: [..., 3] -> [...] m.

        For a mesh the inside is what its triangles enclose (see `Surface`), not what the hulls fill: a hand in a
        chair's opening is outside. `hull_distance` tells what physics' coarser shape says.
        """
        return self.signed_closest(points_b)[1]

    def signed_closest(self, points_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest points of the true surface and signed distances, in one go: [..., 3] -> [..., 3] m and [...] m."""
        points_b = np.asarray(points_b, np.float64)
        nearest, inside = self._closest(points_b.reshape(-1, 3))
        nearest, inside = nearest.reshape(points_b.shape), inside.reshape(points_b.shape[:-1])
        distance = np.linalg.norm(points_b - nearest, axis=-1)
        return nearest, np.where(inside, -distance, distance)

    @functools.cached_property
    def bounding_radius(self) -> float:
        """m from the origin of the object's frame to its farthest surface point."""
        return float(np.linalg.norm(self._triangulated.vertices, axis=-1).max())

    def surface_samples(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Points spread over the true surface, evenly by area: [n, 3] m."""
        mesh = self._triangulated
        areas = np.cumsum(mesh.area_faces)
        triangle = np.searchsorted(areas, rng.random(n) * areas[-1], side="right").clip(max=len(areas) - 1)
        u, v = rng.random((2, n, 1))
        folded = u + v > 1
        u, v = np.where(folded, 1 - u, u), np.where(folded, 1 - v, v)
        a, b, c = np.moveaxis(mesh.triangles[triangle], 1, 0)
        points = a + u * (b - a) + v * (c - a)
        if isinstance(self.geometry, Primitive):
            points = primitives.closest_points(self.geometry, points)[0]
        return cast(np.ndarray, points)

    def lowest_height(self, position_w: np.ndarray, rotation_w: np.ndarray) -> np.ndarray:
        """Height of the lowest surface point over z = 0 for poses [..., 3], [..., 4] (wxyz): [...] m."""
        up = np.broadcast_to(np.array([0.0, 0.0, 1.0]), np.shape(position_w))
        up_b = rotations.rotate_inverse(np.asarray(rotation_w, np.float64), np.ascontiguousarray(up))
        return cast(np.ndarray, np.asarray(position_w)[..., 2] + (up_b @ self.hull_corners.T).min(-1))

    @functools.cached_property
    def hull_corners(self) -> np.ndarray:
        """Corners of the convex hull in the object's frame, [H, 3] m."""
        return np.asarray(self._triangulated.convex_hull.vertices)

    def _closest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if isinstance(self.geometry, Primitive):
            return primitives.closest_points(self.geometry, points)
        assert self.surface is not None
        return self.surface.closest_points(points), self.surface.contains(points)

    @functools.cached_property
    def _triangulated(self) -> trimesh.Trimesh:
        if isinstance(self.geometry, Primitive):
            return primitives.to_trimesh(self.geometry)
        return trimesh.Trimesh(self.geometry.vertices, self.geometry.faces, process=False)


@dataclass(frozen=True, eq=False)
class ObjectAsset(Shape):
    """A rigid object, ready for physics, in its own frame `_b`.

    Attributes:
        hulls: convex parts for collision; empty for a primitive, which physics knows itself.
        mass: kg; volume: m^3, the sum over the hulls, so that mass / volume is the density physics needs.
        center_of_mass_b: [3] m; inertia_b: [3, 3] kg m^2 about it, for a body of even density.
    """

    hulls: tuple[Mesh, ...]
    mass: float
    volume: float
    center_of_mass_b: np.ndarray
    inertia_b: np.ndarray

    @staticmethod
    def from_geometry(
        geometry: Geometry,
        *,
        max_hulls: int = convex.MAX_HULLS,
        threshold: float | None = None,
        mass: float | None = None,
        density: float | None = None,
    ) -> ObjectAsset:
        """Repair, decompose (cached on disk) and weigh. The mass decides; else the density; else DEFAULT_DENSITY.

        Raises AssetError for a mesh without volume, and for a mass or density that is not positive.
        """
        for name, value in (("mass", mass), ("density", density)):
            if value is not None and not (np.isfinite(value) and value > 0):
                raise AssetError(f"object: {name} {value} is not a positive number")
        surface = _surface(geometry)
        hulls: tuple[Mesh, ...] = ()
        if surface is not None and isinstance(geometry, Mesh):
            hulls = convex.convex_parts(_repaired(geometry), max_hulls=max_hulls, threshold=threshold)
            volume, center, inertia = _mass_properties(hulls)
        elif isinstance(geometry, Primitive):
            volume, inertia = primitives.mass_properties(geometry)
            center = np.zeros(3)
        if mass is None:
            mass = (DEFAULT_DENSITY if density is None else density) * volume
        return ObjectAsset(geometry, surface, hulls, float(mass), volume, center, inertia * mass)

    @property
    def density(self) -> float:
        """kg/m^3 over the hulls' volume: what physics' geoms need to weigh `mass` together."""
        return self.mass / self.volume

    def hull_distance(self, points_b: np.ndarray) -> np.ndarray:
        """Distance to the shape that physics collides with, negative inside: [..., 3] -> [...] m."""
        return convex.hull_distance(self.hulls, points_b) if self.hulls else self.signed_distance(points_b)


@functools.lru_cache(maxsize=8)
def _surface(geometry: Geometry) -> Surface | None:
    """Kept for the geometries asked last (the very object, not its like): repair and search trees take seconds."""
    if isinstance(geometry, Primitive):
        return None
    return Surface(convex.united(_repaired(geometry)))


@functools.lru_cache(maxsize=8)
def _repaired(geometry: Mesh) -> Mesh:
    check_mesh(geometry)
    return repair(geometry)


def _mass_properties(hulls: Sequence[Mesh]) -> tuple[float, np.ndarray, np.ndarray]:
    """Volume, centre of mass and inertia per unit of mass of hulls of even density (overlaps count twice)."""
    bodies = [trimesh.Trimesh(hull.vertices, hull.faces, process=False) for hull in hulls]
    volumes = np.array([body.volume for body in bodies])
    centers = np.array([body.center_mass for body in bodies])
    volume = float(volumes.sum())
    center = volumes @ centers / volume
    arms = centers - center
    steiner = (arms**2).sum(1)[:, None, None] * np.eye(3) - arms[:, :, None] * arms[:, None, :]
    own = np.array([body.moment_inertia for body in bodies])
    return volume, center, (own + volumes[:, None, None] * steiner).sum(0) / volume


def _parse_primitive(text: str) -> Primitive:
    kind, _, rest = text.partition(":")
    if kind not in get_args(PrimitiveKind):
        if "/" in text or "\\" in text or "." in kind:
            raise AssetError(f"{text}: no such mesh file (known: {', '.join(MESH_SUFFIXES)})")
        raise UnknownNameError("primitive", kind, get_args(PrimitiveKind))
    names = PRIMITIVE_PARAMETERS[cast(PrimitiveKind, kind)]
    example = f"{kind}:" + ",".join(f"{name}=0.3" for name in names)
    given: dict[str, float] = {}
    for item in filter(None, rest.split(",")):
        name, _, value = (part.strip() for part in item.partition("="))
        if name not in names:
            raise UnknownNameError(f"parameter of {kind}", name, names)
        try:
            given[name] = float(value)
        except ValueError:
            raise AssetError(f"{text}: {name} is '{value}', not a number; write for example {example}") from None
    missing = [name for name in names if name not in given]
    if missing:
        raise AssetError(f"{text}: a {kind} needs {', '.join(missing)} in metres; write for example {example}")
    return Primitive(cast(PrimitiveKind, kind), tuple(given[name] for name in names))
