"""Meshes of balls become spheres: physics lets only these bounce and roll, and nobody judges how they are turned.

Reconstruction from video has a mesh for every object. As one of convex parts a ball would have neither restitution nor
launches, and its turn, which pixels do not show, would have to be followed.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from sim import rotations
from sim.geometry import Geometry, Mesh, Primitive
from sim.motion import Motion

ROUGHNESS = 0.05
"""Share of the radius by which vertices may lie off the sphere: seams, valves, and what generated meshes have."""
_LEAST_VOLUME = 0.85
"""Of the sphere's: an icosahedron, whose corners lie on one too, has 0.61 of it; a football of 32 faces 0.87."""


def with_spheres(motion: Motion) -> Motion:
    """The motion with spheres for the movable objects whose meshes are balls; itself where there is none.

    The sphere's middle becomes the origin of its frame: poses and contact points move with it.
    """
    objects, points_b = list(motion.objects), motion.contacts.points_b.copy()
    for index, item in enumerate(motion.objects):
        found = None if item.is_static else fit_sphere(item.geometry)
        if found is not None:
            middle, radius = found
            objects[index] = dataclasses.replace(
                item,
                geometry=Primitive("sphere", (radius,)),
                position_w=item.position_w + rotations.rotate(item.rotation_w, middle),
            )
            points_b[motion.contacts.object_index == index] -= middle
    if all(a is b for a, b in zip(objects, motion.objects, strict=True)):
        return motion
    return motion.replace(objects=tuple(objects), contacts=dataclasses.replace(motion.contacts, points_b=points_b))


def fit_sphere(geometry: Geometry) -> tuple[np.ndarray, float] | None:
    """Middle [3] m and radius m of the sphere that a mesh is, by algebraic least squares; None of anything else."""
    if not isinstance(geometry, Mesh):
        return None
    points = geometry.vertices[np.unique(geometry.faces)]
    around = points - points.mean(0)
    x, _, rank, _ = np.linalg.lstsq(np.column_stack((2 * around, np.ones(len(around)))), (around**2).sum(1))
    if rank < 4:
        return None
    middle, radius = x[:3] + points.mean(0), float(np.sqrt(x[3] + x[:3] @ x[:3]))
    off = np.linalg.norm(points - middle, axis=1) / radius - 1.0
    a, b, c = np.moveaxis(geometry.vertices[geometry.faces] - middle, 1, 0)
    volume = abs(float(np.einsum("fi,fi->", a, np.cross(b, c)))) / 6.0
    if np.abs(off).max() > ROUGHNESS or volume < _LEAST_VOLUME * 4.0 / 3.0 * np.pi * radius**3:
        return None
    return middle, radius
