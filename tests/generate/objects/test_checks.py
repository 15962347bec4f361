"""Meshes that users bring: what is refused, with what would be right, and what is said of the rest."""

import numpy as np
import pytest
import trimesh

from generate.objects.checks import MOST_FACES, check_mesh, size_fault
from generate.objects.kinds import kind_of, object_for
from sim.errors import AssetError
from sim.geometry import Mesh, Primitive


def as_mesh(body: trimesh.Trimesh) -> Mesh:
    return Mesh(np.array(body.vertices), np.array(body.faces))


def box(size: tuple[float, float, float] = (0.5, 0.5, 0.9)) -> trimesh.Trimesh:
    return trimesh.creation.box(extents=size)


def scaled(mesh: Mesh, scale: float) -> Mesh:
    return Mesh(mesh.vertices * scale, mesh.faces)


def test_a_sound_mesh_has_no_remarks() -> None:
    chair = object_for("chair")
    assert check_mesh(chair, "chair") == ()
    assert check_mesh(as_mesh(box()), "a thing") == ()
    assert check_mesh(Primitive("sphere", (0.12,)), "ball") == ()


@pytest.mark.parametrize(("scale", "words"), [
    (10.0, r"this chair measures 9 m, where 0.9 m are usual; scale it to metres \(--scale 0.1 makes it 0.9 m\)"),
    (0.01, r"measures 0.009 m, where 0.9 m are usual; .*--scale 100 makes it 0.9 m"),
])  # fmt: skip
def test_a_size_that_its_kind_does_not_have(scale: float, words: str) -> None:
    with pytest.raises(AssetError, match=words):
        check_mesh(scaled(object_for("chair"), scale), "chair")


def test_houses_and_pins() -> None:
    with pytest.raises(AssetError, match=r"900 m long.*scale 0\.001"):
        check_mesh(scaled(object_for("chair"), 1000.0), "chair")
    with pytest.raises(AssetError, match="8 m is none that a person handles"):
        check_mesh(Primitive("box", (8.0, 2.0, 2.0)))
    with pytest.raises(AssetError, match=r"too small to touch"):
        check_mesh(scaled(object_for("chair"), 1e-4), "chair")
    assert size_fault(kind_of("car"), (4.5, 1.8, 1.5)) == ""


def test_no_scale_mends_what_is_of_no_unit() -> None:
    fault = size_fault(kind_of("chair"), (7e7, 1.0, 1.0))
    assert "--scale" in fault
    assert "makes it" not in fault


def test_bodies_without_volume_and_broken_vertices() -> None:
    flat = trimesh.creation.box(extents=(0.5, 0.5, 0.9))
    flat.vertices[:, 0] = 0.0
    with pytest.raises(AssetError, match="lie in one plane"):
        check_mesh(as_mesh(flat), "chair")
    with pytest.raises(AssetError, match=r"needs faces"):
        Mesh(box().vertices, np.zeros((0, 3)))
    broken = np.array(box().vertices)
    broken[3, 1] = np.nan
    with pytest.raises(AssetError, match="mesh vertex 3 is not finite"):
        Mesh(broken, box().faces)


def test_too_many_faces_are_refused_before_anything_slow() -> None:
    faces = np.resize(np.asarray(box().faces), (MOST_FACES + 1, 3))
    with pytest.raises(AssetError, match=r"200,001 faces; at most 200,000"):
        check_mesh(Mesh(np.asarray(box().vertices), faces), "chair")


def test_what_was_mended_is_said() -> None:
    hole = box()
    hole.update_faces(np.arange(len(hole.faces)) != 5)
    assert check_mesh(as_mesh(hole), "chair") == ("holes filled",)
    flipped = np.array(box().faces)
    flipped[:3] = flipped[:3, ::-1]
    assert check_mesh(Mesh(box().vertices, flipped), "chair") == ("faces that were inside out turned round",)
    needle = Mesh(box().vertices, np.concatenate((box().faces, [[0, 0, 1]])))
    assert check_mesh(needle, "chair") == ("1 of 13 faces without area left out",)


def test_what_cannot_be_mended_is_said() -> None:
    x, y = (grid.ravel() for grid in np.meshgrid(np.linspace(-0.4, 0.4, 9), np.linspace(-0.4, 0.4, 9)))
    corner = np.arange(72)[np.arange(72) % 9 < 8]
    faces = np.concatenate([np.stack((corner, corner + a, corner + b), 1) for a, b in ((1, 10), (10, 9))])
    sheet = check_mesh(Mesh(np.stack((x, y, 0.2 * x**2), 1), faces), "blanket")
    assert "32 open edges" in sheet[0]
    assert "no inside" in sheet[1]
    fin = Mesh(np.vstack((box().vertices, [[1.0, 0, 0]])), np.concatenate((box().faces, [[0, 1, 8]])))
    (line,) = check_mesh(fin, "chair")
    assert "1 shared by more than two faces" in line
    far = box().apply_translation([40.0, 0, 0])
    assert check_mesh(as_mesh(far), "chair") == (
        "its origin lies 40 m from the middle of the mesh, which measures 0.9 m",
    )
