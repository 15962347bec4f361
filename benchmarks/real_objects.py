"""Meshes of things seen in the real videos, made here at their real size: racket, steel-string guitar, football.

Each is a union of closed shells. Published sizes: a racket is 0.685 m long with a head of 0.33 x 0.26 m; a
dreadnought has a body of 0.505 x 0.396 x 0.11 m and a scale of 0.645 m (14 frets to the body); a ball of
size 5 a radius of 0.11 m.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.interpolate import PchipInterpolator

from sim.geometry import Mesh, Primitive
from sim.primitives import to_trimesh

_HEAD_CENTRE, _HEAD_LENGTH, _HEAD_WIDTH = 0.52, 0.33, 0.26
_GUITAR_BODY, _GUITAR_NUT, _GUITAR_END = 0.505, 0.870, 1.045
_GUITAR_DEPTH = 0.11
# half width of a dreadnought along its body, m
_BODY_X = np.array([0.0, 0.01, 0.04, 0.09, 0.14, 0.20, 0.27, 0.32, 0.36, 0.41, 0.46, 0.49, 0.505])
_BODY_HALF = np.array([0.06, 0.105, 0.155, 0.188, 0.198, 0.185, 0.148, 0.137, 0.140, 0.146, 0.135, 0.10, 0.05])


def racket() -> Mesh:
    """A tennis racket: butt at the origin, x to the tip, strings in the plane z = 0."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    oval = np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1)
    centre, half = np.array([_HEAD_CENTRE, 0, 0]), np.array([_HEAD_LENGTH / 2, _HEAD_WIDTH / 2, 0])
    outer, inner = centre + oval * half, centre + oval * (half - [0.012, 0.012, 0])
    up = np.array([0, 0, 0.011])
    frame = _loft(np.stack([outer - up, outer + up, inner + up, inner - up], 1), closed=True)
    strings = _loft(np.stack([inner - up * 0.2, inner + up * 0.2]))
    handle = _loft(np.stack([_octagon(x, r) for x, r in ((0, 0.019), (0.01, 0.016), (0.2, 0.016), (0.25, 0.012))]))
    arms = [_bar(np.array([0.22, s * 0.006, 0]), np.array([0.405, s * 0.088, 0]), 0.014, 0.020) for s in (-1, 1)]
    return _union([frame, strings, handle, *arms])


def guitar() -> Mesh:
    """A dreadnought: tail at the origin, x to the headstock, y to the bass side, front of the body at z = 0."""
    x = np.concatenate([np.linspace(0, 0.04, 8), np.linspace(0.06, 0.46, 21), np.linspace(0.475, _GUITAR_BODY, 7)])
    half = PchipInterpolator(_BODY_X, _BODY_HALF)(x)
    outline = np.concatenate([np.stack([x, -half], -1), np.stack([x, half], -1)[::-1]])
    body = _loft(np.stack([np.column_stack([outline, np.full(len(outline), z)]) for z in (-_GUITAR_DEPTH, 0.0)]))
    stations = (0.40, 0.056, -0.030), (0.52, 0.056, -0.024), (_GUITAR_NUT, 0.044, -0.018)
    neck = _loft(np.stack([_section(s, width, low, 0.006) for s, width, low in stations]))
    head = _loft(np.stack([_section(_GUITAR_NUT, 0.060, -0.016, 0.0), _section(_GUITAR_END, 0.074, -0.052, -0.037)]))
    bridge = _loft(np.stack([_section(0.205, 0.155, 0.0, 0.009), _section(0.238, 0.155, 0.0, 0.009)]))
    return _union([body, neck, head, bridge])


def football() -> Mesh:
    """A ball of size 5, centred."""
    sphere = to_trimesh(Primitive("sphere", (0.11,)))
    return Mesh(np.asarray(sphere.vertices), np.asarray(sphere.faces))


GENERATED: dict[str, Callable[[], Mesh]] = {"racket": racket, "guitar": guitar, "football": football}
"""Makers by the object's name."""


def _octagon(x: float, radius: float) -> np.ndarray:
    angle = np.pi / 8 + np.arange(8) * np.pi / 4
    return np.stack([np.full(8, x), radius * np.cos(angle), radius * np.sin(angle)], -1)


def _section(x: float, width: float, low: float, high: float) -> np.ndarray:
    """A rectangle across x, [4, 3]."""
    return np.array([[x, -width / 2, low], [x, width / 2, low], [x, width / 2, high], [x, -width / 2, high]])


def _bar(start: np.ndarray, end: np.ndarray, width: float, height: float) -> Mesh:
    """A straight bar in the plane z = 0."""
    along = (end - start) / np.linalg.norm(end - start)
    side, up = np.array([-along[1], along[0], 0]) * width / 2, np.array([0, 0, height / 2])
    corners = np.stack([-side - up, side - up, side + up, -side + up])
    return _loft(np.stack([start + corners, end + corners]))


def _loft(rings: np.ndarray, closed: bool = False) -> Mesh:
    """A shell through rings [N, K, 3]; ends are capped by fans (star-shaped outlines), or joined if `closed`."""
    n, k = rings.shape[:2]
    index = np.arange(n * k).reshape(n, k)
    a, b = (index, np.roll(index, -1, 0)) if closed else (index[:-1], index[1:])
    c, d = np.roll(b, -1, 1), np.roll(a, -1, 1)
    faces = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    vertices = rings.reshape(-1, 3)
    if not closed:
        middle = np.arange(2) + len(vertices)
        vertices = np.concatenate([vertices, rings[[0, -1]].mean(1)])
        first, last = index[0], index[-1]
        faces.append(np.stack([np.full(k, middle[0]), first, np.roll(first, -1)], -1))
        faces.append(np.stack([np.full(k, middle[1]), np.roll(last, -1), last], -1))
    found = np.concatenate(faces)
    corners = vertices[found]
    volume = np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    return Mesh(vertices, found if volume > 0 else found[:, ::-1])


def _union(parts: list[Mesh]) -> Mesh:
    starts = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)]),
    )
