"""Furniture of boxes, whose affordances are known."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from sim.geometry import Mesh
from sim.objects import Shape


def boxes(*parts: tuple[tuple[float, float, float], tuple[float, float, float]]) -> Mesh:
    """A mesh of boxes, each with (size, centre) in m."""
    meshes = []
    for size, centre in parts:
        box = trimesh.creation.box(extents=size)
        box.apply_translation(centre)
        meshes.append(box)
    joined = trimesh.util.concatenate(meshes)
    return Mesh(np.array(joined.vertices), np.array(joined.faces))


@pytest.fixture(scope="session")
def chair() -> Shape:
    """Seat 0.44 x 0.44 m at 0.45 m, back at -x up to 0.95 m, four legs of 4 cm, armrests at 0.67 m."""
    legs = [((0.04, 0.04, 0.42), (x, y, 0.21)) for x in (-0.2, 0.2) for y in (-0.2, 0.2)]
    posts = [((0.04, 0.03, 0.22), (0.1, y, 0.56)) for y in (-0.235, 0.235)]
    arms = [((0.40, 0.05, 0.03), (0.0, y, 0.685)) for y in (-0.235, 0.235)]
    seat, back = ((0.44, 0.44, 0.03), (0.0, 0.0, 0.435)), ((0.03, 0.44, 0.5), (-0.205, 0.0, 0.7))
    return Shape.of(boxes(seat, back, *legs, *posts, *arms))


@pytest.fixture(scope="session")
def table() -> Shape:
    """Top 1.2 x 0.7 m, 3 cm thick, at 0.75 m; four legs of 5 cm."""
    legs = [((0.05, 0.05, 0.72), (x, y, 0.36)) for x in (-0.55, 0.55) for y in (-0.3, 0.3)]
    return Shape.of(boxes(((1.2, 0.7, 0.03), (0.0, 0.0, 0.735)), *legs))


@pytest.fixture(scope="session")
def mug() -> Shape:
    """A block of 8 cm with a handle of 1.2 cm bars on its +x side."""
    bars = [((0.04, 0.012, 0.012), (0.06, 0.0, z)) for z in (0.025, 0.075)]
    return Shape.of(boxes(((0.08, 0.08, 0.10), (0.0, 0.0, 0.05)), *bars, ((0.012, 0.012, 0.062), (0.086, 0.0, 0.05))))
