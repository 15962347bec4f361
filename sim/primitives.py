"""Closed forms for the primitives: nearest surface point, inside test, volume and inertia."""

from __future__ import annotations

import numpy as np
import trimesh

from sim.geometry import Primitive


def closest_points(shape: Primitive, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest surface points [P, 3] -> [P, 3] m, and whether each point lies inside, bool [P]."""
    if shape.kind == "sphere":
        return _on_sphere(points, shape.size[0])
    if shape.kind == "box":
        return _on_box(points, np.array(shape.size) / 2)
    radius, half = shape.size[0], shape.size[1] / 2
    if shape.kind == "capsule":
        axis = np.zeros_like(points)
        axis[:, 2] = points[:, 2].clip(-half, half)
        nearest, inside = _on_sphere(points - axis, radius)
        return nearest + axis, inside
    # a cylinder is a box in the half plane of distance to the axis and height
    outward = _direction(points * [1, 1, 0], [1.0, 0.0, 0.0])
    flat = np.stack(((points * outward).sum(1), points[:, 2]), 1)
    nearest, inside = _on_box(flat, np.array([radius, half]))
    return nearest[:, :1] * outward + nearest[:, 1:] * [0, 0, 1], inside


def mass_properties(shape: Primitive) -> tuple[float, np.ndarray]:
    """Volume m^3 and inertia about the centre per unit of mass, m^2 [3, 3]."""
    if shape.kind == "sphere":
        (r,) = shape.size
        return 4 / 3 * np.pi * r**3, np.eye(3) * 2 / 5 * r**2
    if shape.kind == "box":
        x, y, z = np.square(shape.size)
        return float(np.prod(shape.size)), np.diag([y + z, x + z, x + y]) / 12
    r, length = shape.size
    tube, side = np.pi * r**2 * length, (3 * r**2 + length**2) / 12
    if shape.kind == "cylinder":
        return tube, np.diag([side, side, r**2 / 2])
    # two half balls: their own inertia about their centres of mass (3/8 r off the flat), then Steiner
    balls = 4 / 3 * np.pi * r**3
    ends = 2 / 5 * r**2 + length**2 / 4 + 3 / 8 * r * length
    volume = tube + balls
    across, along = (tube * side + balls * ends) / volume, (tube * r**2 / 2 + balls * 2 / 5 * r**2) / volume
    return volume, np.diag([across, across, along])


def to_trimesh(shape: Primitive) -> trimesh.Trimesh:
    """A fine triangulation, for sampling and drawing."""
    if shape.kind == "sphere":
        return trimesh.creation.icosphere(subdivisions=4, radius=shape.size[0])
    if shape.kind == "box":
        return trimesh.creation.box(extents=shape.size)
    radius, length = shape.size
    if shape.kind == "cylinder":
        return trimesh.creation.cylinder(radius=radius, height=length, sections=96)
    return trimesh.creation.capsule(radius=radius, height=length, count=[64, 64]).apply_translation(
        -trimesh.creation.capsule(radius=radius, height=length).bounds.mean(0)
    )


def _direction(vectors: np.ndarray, fallback: list[float]) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: np.ndarray = np.where(length > 1e-12, vectors / np.maximum(length, 1e-12), fallback)
    return unit


def _on_sphere(points: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    return _direction(points, [0.0, 0.0, 1.0]) * radius, np.linalg.norm(points, axis=1) < radius


def _on_box(points: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Box of any dimension: outside points are clipped to it, inside ones go straight to the nearest face."""
    inside = (np.abs(points) < half).all(1)
    nearest = points.clip(-half, half)
    axis = (half - np.abs(points)).argmin(1)
    rows = np.flatnonzero(inside)
    nearest[rows, axis[rows]] = np.where(points[rows, axis[rows]] < 0, -1.0, 1.0) * half[axis[rows]]
    return nearest, inside
