"""Meshes and primitives refuse what cannot be one."""

from __future__ import annotations

import numpy as np
import pytest

from sim.errors import AssetError, UnknownNameError
from sim.geometry import PRIMITIVE_PARAMETERS, Mesh, Primitive

TRIANGLE = np.eye(3)


def test_a_mesh_takes_what_arrays_can_be_made_of() -> None:
    mesh = Mesh(TRIANGLE.tolist(), [[0, 1, 2]])  # type: ignore[arg-type]
    assert mesh.vertices.dtype == np.float64
    assert mesh.faces.dtype == np.int64
    assert mesh.faces.shape == (1, 3)


@pytest.mark.parametrize(
    ("vertices", "faces", "message"),
    [
        (np.zeros((0, 3)), np.zeros((1, 3)), "vertices"),
        (np.zeros((2, 3)), [[0, 1, 1]], "vertices"),
        (np.zeros((3, 2)), [[0, 1, 2]], "vertices"),
        (np.zeros(9), [[0, 1, 2]], "vertices"),
        (TRIANGLE, np.zeros((0, 3)), "faces"),
        (TRIANGLE, [[0, 1]], "faces"),
        (TRIANGLE, [0, 1, 2], "faces"),
        (TRIANGLE, [[0, 1, 3]], "vertex 3 of 3"),
        (TRIANGLE, [[0, 1, -1]], "vertex -1 of 3"),
        (np.array([[0, 0, 0], [1, np.nan, 0], [0, 1, np.inf]]), [[0, 1, 2]], "vertex 1 is not finite"),
    ],
)
def test_a_broken_mesh_is_refused(vertices: np.ndarray, faces: np.ndarray, message: str) -> None:
    with pytest.raises(AssetError, match=message):
        Mesh(vertices, faces)


@pytest.mark.parametrize("kind", PRIMITIVE_PARAMETERS)
def test_a_primitive_needs_its_parameters(kind: str) -> None:
    names = PRIMITIVE_PARAMETERS[kind]
    assert Primitive(kind, [1] * len(names)).size == (1.0,) * len(names)  # type: ignore[arg-type]
    for size in ([1.0] * (len(names) + 1), [], [0.0] * len(names), [-1.0] * len(names), [np.nan] * len(names)):
        with pytest.raises(AssetError, match=f"a {kind} needs positive {names[0]}"):
            Primitive(kind, tuple(size))  # type: ignore[arg-type]


def test_an_unknown_primitive_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"'shpere'.*Did you mean 'sphere'"):
        Primitive("shpere", (1.0,))  # type: ignore[arg-type]
