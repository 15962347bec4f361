"""Open3D's numbering of vertices; the expected lists are what Open3D 0.20 reads from these files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recon.open4dhoi.vertex_order import VertexOrder
from sim.errors import AssetError
from sim.meshes import read_mesh


def order_of(folder: Path, text: str) -> VertexOrder:
    (folder / "mesh.obj").write_text(text)
    return VertexOrder.of(folder / "mesh.obj")


@pytest.mark.parametrize(
    ("text", "to_file"),
    [
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 4 3 2\nf 1 3 4\n", [3, 2, 1, 0]),
        ("v 9 9 9\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 8 8 8\nf 4 2 3\n", [3, 1, 2]),  # the first and the last are not used
        ("v 9 9 9\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 8 8 8\nf -2 -4 -3\n", [3, 1, 2]),  # counted from the end
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 0\nv 1 0 1\nf 3 1 2\nf 4 2 5\n", [2, 0, 1, 4]),  # 4 repeats 1
        ("v 0 0 0 1 1 1\nv 1 0 0 1 1 1\nv 0 1 0 1 1 1\nv 0 0 0 0 1 1\nf 3 1 2\nf 4 2 3\n", [2, 0, 1, 3]),  # by colour
        ("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1\nf 4 3 2 1\nf 5 1 2\n", [4, 0, 1]),  # a quad is left out
        (
            "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nf 4/1 3/2 2/3\nf 4/3 2/3 1/1\n",
            [3, 2, 1, 3, 0],  # a texture's seam goes through vertex 4
        ),
    ],
)  # fmt: skip
def test_vertices_come_in_the_order_of_their_first_use(tmp_path: Path, text: str, to_file: list[int]) -> None:
    assert order_of(tmp_path, text).to_file.tolist() == to_file


def test_there_and_back(tmp_path: Path) -> None:
    order = order_of(tmp_path, "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 4 3 2\nf 1 3 4\n")
    assert order.from_file[order.to_file].tolist() == [0, 1, 2, 3]
    mesh = read_mesh(tmp_path / "mesh.obj")
    np.testing.assert_array_equal(order.vertices, mesh.vertices[order.to_file])


def test_a_vertex_without_a_triangle_is_the_nearest_one_that_has(tmp_path: Path) -> None:
    order = order_of(tmp_path, "v 0.9 0 0\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 2 3 4\n")
    assert order.from_file.tolist() == [1, 0, 1, 2]


@pytest.mark.parametrize("text", ["", "v 0 0 0\n", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n", "v 0 a 0\nf 1 1 1\n"])
def test_what_is_no_mesh_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(AssetError, match=r"mesh\.obj"):
        order_of(tmp_path, text)


def test_the_published_mesh_is_not_in_this_order(data: Path) -> None:
    path = data / "open4dhoi/spear_session/obj_org.obj"
    order, mesh = VertexOrder.of(path), read_mesh(path)
    assert len(order.vertices) == len(mesh.vertices) == 7454
    np.testing.assert_allclose(order.vertices, mesh.vertices[order.to_file])
    # its first three faces in the file are (1, 2, 5), (1, 5, 4), (2, 3, 6)
    assert order.to_file[:6].tolist() == [0, 1, 4, 3, 2, 5]
    off = np.linalg.norm(order.vertices - mesh.vertices, axis=-1)
    assert off.max() > 0.5  # what it costs to read an id as a line of the file, in the file's unit
