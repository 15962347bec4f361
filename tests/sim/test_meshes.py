"""Reading, refusing and mending meshes."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from sim.errors import AssetError
from sim.geometry import Mesh
from sim.meshes import check_mesh, read_mesh, repair


def as_mesh(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(np.array(shape.vertices), np.array(shape.faces))


BOX = as_mesh(trimesh.creation.box(extents=(0.4, 0.3, 0.2)))


@pytest.mark.parametrize("suffix", ["obj", "ply", "stl", "glb", "off"])
def test_formats_read_the_same_box(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"box.{suffix}"
    trimesh.creation.box(extents=(0.4, 0.3, 0.2)).export(path)
    mesh = read_mesh(path)
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [0.4, 0.3, 0.2], atol=1e-6)
    assert len(mesh.faces) == 12


def test_obj_keeps_vertex_order_and_tolerates_colours_and_texture(tmp_path: Path) -> None:
    rows = ["v 0 0 0 1 0 0", "v 0.3 0 0 0 1 0", "v 0 0.3 0 0 0 1", "v 0 0 0.3 1 1 1", "vt 0 0", "vt 1 0", "vt 0 1"]
    faces = ["f 1/1 3/2 2/3", "f 1/2 2/1 4/3", "f 2/3 3/1 4/2", "f 1/3 4/2 3/1"]
    path = tmp_path / "tetra.obj"
    path.write_text("\n".join(rows + faces))
    mesh = read_mesh(path)
    np.testing.assert_allclose(mesh.vertices, [[0, 0, 0], [0.3, 0, 0], [0, 0.3, 0], [0, 0, 0.3]])
    np.testing.assert_array_equal(mesh.faces[0], [0, 2, 1])


@pytest.mark.parametrize("text", ["", "hello", "v 0 0 0\nv 1 0 0\nv 0 1 0\n", "v a b c\nf 1 2 3\n"])
def test_files_without_a_mesh_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.obj"
    path.write_text(text)
    with pytest.raises(AssetError, match=r"bad\.obj"):
        read_mesh(path)


@pytest.mark.parametrize(
    ("mesh", "words"),
    [
        (Mesh(BOX.vertices * 1000, BOX.faces), "scale 0.001"),
        (Mesh(BOX.vertices * 1e-3, BOX.faces), "too small"),
        (Mesh(BOX.vertices * [1, 1, 0], BOX.faces), "one plane"),
        (Mesh(BOX.vertices * [1, 0, 0], BOX.faces), "distinct vertices"),
        (Mesh(np.linspace([0, 0, 0], [1, 1, 1], 9), np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8]])), "one line"),
        (Mesh(BOX.vertices, np.array([[0, 1, 1], [2, 3, 3], [4, 5, 5]])), "no surface"),
        (Mesh(BOX.vertices, BOX.faces[:1]), "distinct vertices"),
    ],
)
def test_meshes_without_a_body_are_refused(mesh: Mesh, words: str) -> None:
    with pytest.raises(AssetError, match=words):
        check_mesh(mesh)


def test_a_tilted_plane_is_a_plane() -> None:
    grid = np.stack(np.meshgrid([0, 0.1, 0.2], [0, 0.1, 0.2]), -1).reshape(-1, 2)
    tilted = np.column_stack((grid, grid @ [0.3, -0.7]))
    with pytest.raises(AssetError, match="one plane"):
        check_mesh(Mesh(tilted, np.array([[0, 1, 3], [1, 4, 3], [4, 5, 7], [3, 4, 6]])))


def test_repair_merges_flips_and_fills() -> None:
    exploded = Mesh(BOX.vertices[BOX.faces].reshape(-1, 3), np.arange(36).reshape(-1, 3))
    turned = Mesh(exploded.vertices, exploded.faces[:-1, ::-1])  # inside out, with one triangle missing
    mended = trimesh.Trimesh(*(lambda m: (m.vertices, m.faces))(repair(turned)), process=False)
    assert len(mended.vertices) == 8
    assert mended.is_watertight
    assert mended.volume == pytest.approx(0.024)


def test_repair_mends_a_single_flipped_triangle() -> None:
    faces = BOX.faces.copy()
    faces[3] = faces[3, ::-1]
    mended = repair(Mesh(BOX.vertices, faces))
    assert trimesh.Trimesh(mended.vertices, mended.faces, process=False).volume == pytest.approx(0.024)
