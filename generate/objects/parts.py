"""Convex building blocks and how they come together to one mesh.

A part is the points [V, 3] m whose convex hull it is. Parts overlap rather than abut: no two share an edge, so each
stays a closed, convex piece of the mesh, which distances take as one body (nonzero winding) and physics takes as they
are. Builders draw on the floor: x and y about 0, z from 0 up.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import trimesh

from sim.geometry import Mesh

Part = np.ndarray
Point = Sequence[float] | np.ndarray
Span = tuple[float, float]
Size = tuple[float, float, float]

THIN = 0.015
"""m; parts are no thinner where the object's size leaves room: contact with foils tunnels, distances miss them."""
SIDES = 16
_OVERLAP = 0.01


def box(x: Span, y: Span, z: Span) -> Part:
    """Axis-aligned, from its spans."""
    return np.array([(a, b, c) for a in x for b in y for c in z])


def around(at: Point, size: Point) -> Part:
    """Box about a centre."""
    spans = [(c - s / 2, c + s / 2) for c, s in zip(at, size, strict=True)]
    return box(spans[0], spans[1], spans[2])


def cushion(x: Span, y: Span, z: Span, bevel: float) -> Part:
    """Box with its edges cut by `bevel` m."""
    spans = np.array([x, y, z])
    return np.concatenate(
        [_box(spans + bevel * np.array([1, -1]) * (np.arange(3) != axis)[:, None]) for axis in range(3)]
    )


def _box(spans: np.ndarray) -> Part:
    (x, y, z) = (tuple(map(float, span)) for span in spans)
    return box((x[0], x[1]), (y[0], y[1]), (z[0], z[1]))


def circle(at: Point, radii: float | Span, axis: int = 2, sides: int = SIDES) -> Part:
    """Corners of a polygon about `axis`, [sides, 3]; `radii` along the two other axes, in cyclic order."""
    first, second = (radii, radii) if isinstance(radii, int | float) else radii
    turn = 2 * np.pi * np.arange(sides) / sides
    flat = np.stack((first * np.cos(turn), second * np.sin(turn), np.zeros(sides)), 1)
    return np.roll(flat, axis - 2, axis=1) + np.asarray(at, np.float64)


def cone(
    low: Point,
    high: Point,
    radius_low: float | Span,
    radius_high: float | Span | None = None,
    axis: int = 2,
    sides: int = SIDES,
) -> Part:
    """Cylinder or cut cone between two centres, its ends across `axis`."""
    return np.concatenate(
        (
            circle(low, radius_low, axis, sides),
            circle(high, radius_low if radius_high is None else radius_high, axis, sides),
        )
    )


def rod(start: Point, end: Point, radius: float, sides: int = 8) -> Part:
    """Cylinder between two points in any direction."""
    ends = np.asarray((start, end), np.float64)
    way = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    across = np.cross(way, np.eye(3)[np.abs(way).argmin()])
    across /= np.linalg.norm(across)
    turn = 2 * np.pi * np.arange(sides)[:, None] / sides
    ring = radius * (np.cos(turn) * across + np.sin(turn) * np.cross(way, across))
    return np.concatenate((ends[0] + ring, ends[1] + ring))


def beam(start: Point, end: Point, width: Span) -> Part:
    """Four-sided leg between two points: `width` along x and y, its ends level."""
    flat = np.array([(a * width[0] / 2, b * width[1] / 2, 0.0) for a in (-1, 1) for b in (-1, 1)])
    return np.concatenate((flat + np.asarray(start), flat + np.asarray(end)))


def ball(at: Point, radii: float | Size) -> Part:
    """Ellipsoid of 42 corners that touches its bounding box."""
    unit = np.asarray(trimesh.creation.icosphere(subdivisions=1).vertices)
    return unit * radii + np.asarray(at, np.float64)


def path(points: Sequence[Point] | np.ndarray, radius: float, sides: int = 8) -> list[Part]:
    """Rods along a polyline, drawn out a little so that they overlap at the bends."""
    corners = np.asarray(points, np.float64)
    rods = []
    for k, (start, end) in enumerate(itertools.pairwise(corners)):
        way = 0.4 * radius * (end - start) / np.linalg.norm(end - start)
        rods.append(rod(start - way * (k > 0), end + way * (k < len(corners) - 2), radius, sides))
    return rods


def arch(start: Point, end: Point, rise: Point, radius: float, pieces: int = 4) -> list[Part]:
    """Half an ellipse of rods from one foot over `rise` to the other: a handle."""
    first, last, up = np.asarray((start, end, rise), np.float64)
    turn = np.linspace(0.0, np.pi, pieces + 1)[:, None]
    return path((first + last) / 2 + np.cos(turn) * (first - last) / 2 + np.sin(turn) * up, radius)


def loop(at: Point, radii: Span, radius: float, axis: int, pieces: int = 8) -> list[Part]:
    """Closed ring of rods about `axis`."""
    corners = circle(at, radii, axis, pieces)
    return path([*corners, corners[0]], radius)


def shell(
    z: Span, low: float | Span, high: float | Span, wall: float = THIN, *, floor: bool = True, staves: int = 12
) -> list[Part]:
    """Round vessel of staves, open above: outer radii at its bottom and top."""
    outer = [np.broadcast_to(np.asarray(radii, np.float64), 2) for radii in (low, high)]
    rings = [
        (circle((0, 0, h), tuple(r), sides=staves), circle((0, 0, h), tuple((r - wall).clip(1e-3)), sides=staves))
        for h, r in zip(z, outer, strict=True)
    ]
    parts = []
    for k in range(staves):
        corners = [ring[[k, (k + 1) % staves]] for pair in rings for ring in pair]
        parts.append(
            np.concatenate([edge + _OVERLAP * np.array([[-1], [1]]) * (edge[1] - edge[0]) for edge in corners])
        )
    if floor:
        middle = outer[0] - wall / 2
        parts.append(cone((0, 0, z[0]), (0, 0, z[0] + min(wall, (z[1] - z[0]) / 2)), tuple(middle), sides=staves))
    return parts


def trough(low: tuple[Span, Span], high: tuple[Span, Span], z: Span, wall: float = 0.02) -> list[Part]:
    """Four slanting walls and a floor, open above: its outer edges along x and y at its bottom and top."""
    rims = [
        np.array([(a, b, h) for a, b in ((x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1]))])
        for (x, y), h in zip((low, high), z, strict=True)
    ]
    parts = []
    for k in range(4):
        edges = [rim[[k, (k + 1) % 4]] for rim in rims]
        outer = np.concatenate(
            [edge + 0.002 * (1 + k % 2) * np.array([[-1], [1]]) * (edge[1] - edge[0]) for edge in edges]
        )
        out = np.cross(rims[0][(k + 1) % 4] - rims[0][k], (0, 0, 1.0))
        parts.append(np.concatenate((outer, outer - wall * out / np.linalg.norm(out))))
    (x, y), e = low, wall / 4
    return [*parts, box((x[0] + e, x[1] - e), (y[0] + e, y[1] - e), (z[0] + 0.001, z[0] + wall))]


def mirrored(parts: Sequence[Part], axis: int = 1) -> list[Part]:
    """The parts and their mirror images across the plane through 0."""
    flip = np.where(np.arange(3) == axis, -1.0, 1.0)
    return [*parts, *(part * flip for part in parts)]


def shifted(parts: Sequence[Part], by: Point) -> list[Part]:
    """Moved by [3] m."""
    return [part + np.asarray(by, np.float64) for part in parts]


def assemble(parts: Sequence[Part], size: Size) -> Mesh:
    """One mesh with a closed piece for each part, its bounding box exactly `size` m and centred at the origin."""
    pieces = [trimesh.convex.convex_hull(part) for part in parts]
    first = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    faces = np.concatenate([piece.faces + start for piece, start in zip(pieces, first[:-1], strict=True)])
    vertices = np.concatenate([piece.vertices for piece in pieces])
    low, high = vertices.min(0), vertices.max(0)
    return Mesh((vertices - (low + high) / 2) * (np.asarray(size) / (high - low)), faces)
