"""Convex parts: convex, few, tight; the cache gives the same and survives damage."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from sim import convex
from sim.errors import AssetError
from sim.geometry import Mesh


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOUCHSTONE_CACHE", str(tmp_path))
    return tmp_path / "hulls"


def as_mesh(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(np.array(shape.vertices), np.array(shape.faces))


def ell() -> Mesh:
    """An L of two bars, 0.4 m long and 0.1 m thick: volume 0.1 * (0.4 * 0.1 + 0.3 * 0.1) = 0.007 m^3."""
    outline = [[0, 0], [0.4, 0], [0.4, 0.1], [0.1, 0.1], [0.1, 0.4], [0, 0.4]]
    vertices = np.array([[x, y, z] for z in (0, 0.1) for x, y in outline])
    caps = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]])
    sides = [row for i in range(6) for j in [(i + 1) % 6] for row in ([i, j, j + 6], [i, j + 6, i + 6])]
    return Mesh(vertices, np.concatenate((caps[:, ::-1], caps + 6, sides)))


def volume(parts: tuple[Mesh, ...]) -> float:
    return sum(trimesh.Trimesh(p.vertices, p.faces, process=False).volume for p in parts)


def test_a_convex_mesh_is_one_part_within_the_vertex_limit() -> None:
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=0.12)
    (hull,) = convex.convex_parts(as_mesh(sphere))
    assert len(hull.vertices) <= convex.MAX_HULL_VERTICES
    assert np.linalg.norm(hull.vertices, axis=1).max() <= 0.12 + 1e-9
    assert volume((hull,)) > 0.85 * sphere.volume


def test_an_l_is_two_bars_and_its_corner_stays_open() -> None:
    parts = convex.convex_parts(ell())
    assert len(parts) == 2
    assert volume(parts) == pytest.approx(0.007, rel=0.03)
    centres = np.array([[0.3, 0.05, 0.05], [0.05, 0.3, 0.05], [0.05, 0.05, 0.05], [0.25, 0.25, 0.05]])
    distance = convex.hull_distance(parts, centres)
    assert (distance[:3] < -0.02).all()
    assert distance[3] == pytest.approx(0.15, abs=0.02)
    for part in parts:
        body = trimesh.Trimesh(part.vertices, part.faces, process=False)
        assert body.is_convex
        assert body.is_watertight
        assert body.volume > 0


def test_parts_reach_the_surface_and_not_past_it() -> None:
    mesh = ell()
    samples = trimesh.sample.sample_surface(trimesh.Trimesh(mesh.vertices, mesh.faces), 3000, seed=0)[0]
    distance = convex.hull_distance(convex.convex_parts(mesh), samples)
    assert np.percentile(np.abs(distance), 95) < 0.004
    corners = np.concatenate([part.vertices for part in convex.convex_parts(mesh)])
    assert (corners >= -1e-3).all()
    assert (corners <= [0.401, 0.401, 0.101]).all()


def test_cache_is_keyed_by_content_and_options_and_rebuilt_when_damaged(cache: Path) -> None:
    box = trimesh.creation.box(extents=(0.4, 0.3, 0.2))
    first = convex.convex_parts(as_mesh(box))
    (path,) = cache.glob("*.npz")
    stamp = path.stat().st_mtime_ns
    again = convex.convex_parts(as_mesh(box))
    assert path.stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(first[0].vertices, again[0].vertices)
    for damage in (b"", b"garbage", path.read_bytes()[:-200]):
        path.write_bytes(damage)
        np.testing.assert_array_equal(convex.convex_parts(as_mesh(box))[0].vertices, first[0].vertices)
    convex.convex_parts(as_mesh(box), max_vertices=20)
    convex.convex_parts(as_mesh(trimesh.creation.box(extents=(0.4, 0.3, 0.21))))
    assert len(list(cache.glob("*.npz"))) == 3
    assert not list(cache.glob(".*"))


def test_same_mesh_same_parts() -> None:
    first = convex._decompose(ell(), 8, 0.1, 32, 0)
    second = convex._decompose(ell(), 8, 0.1, 32, 0)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.vertices, b.vertices)


def test_hull_distance_of_a_box() -> None:
    (hull,) = convex.convex_parts(as_mesh(trimesh.creation.box(extents=(0.4, 0.4, 0.4))))
    points = np.array([[0, 0, 0], [0.3, 0, 0], [0, -0.15, 0], [0.2, 0, 0]])
    np.testing.assert_allclose(convex.hull_distance((hull,), points), [-0.2, 0.1, -0.05, 0], atol=1e-9)
    assert convex.thickness(hull) == pytest.approx(0.4)
    slab = as_mesh(trimesh.creation.box(extents=(0.4, 0.4, 0.01)))
    assert convex.thickness(slab) == pytest.approx(0.01)


@pytest.mark.parametrize("options", [{"max_hulls": 0}, {"threshold": 2.0}, {"max_vertices": 3}])
def test_senseless_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(AssetError, match="hulls: need"):
        convex.convex_parts(ell(), **options)


def table() -> trimesh.Trimesh:
    """A top and four legs that reach into it, as modelled meshes often overlap."""
    top = trimesh.creation.box(extents=(0.6, 0.6, 0.05)).apply_translation([0, 0, 0.4])
    corners = [(x, y, 0.2) for x in (-0.27, 0.27) for y in (-0.27, 0.27)]
    legs = [trimesh.creation.box(extents=(0.05, 0.05, 0.42)).apply_translation(at) for at in corners]
    return trimesh.util.concatenate([top, *legs])


@pytest.mark.slow
def test_a_table_keeps_its_legs_apart() -> None:
    parts = convex.convex_parts(convex.united(as_mesh(table())), threshold=0.1)
    assert len(parts) <= 8
    assert volume(parts) == pytest.approx(0.6 * 0.6 * 0.05 + 4 * 0.05**2 * 0.385, rel=0.1)
    samples = trimesh.sample.sample_surface(table(), 5000, seed=0)[0]
    assert np.abs(convex.hull_distance(parts, samples)).mean() < 0.003
    assert convex.hull_distance(parts, np.array([[0.0, 0.0, 0.2]]))[0] > 0.1  # between the legs


def test_hull_distance_of_a_union_is_the_deepest_inside_and_never_too_large_outside() -> None:
    """Boxes of half lengths, some overlapping, whose exact distance is known."""
    rng = np.random.default_rng(3)
    centres, halves = rng.uniform(-1, 1, (8, 3)), rng.uniform(0.1, 0.5, (8, 3))
    hulls = []
    for centre, half in zip(centres, halves, strict=True):
        box = as_mesh(trimesh.creation.box(extents=2 * half))
        hulls.append(Mesh(box.vertices + centre, box.faces))
    points = rng.normal(scale=1.0, size=(4000, 3))
    beyond = np.abs(points[:, None] - centres) - halves
    depth = beyond.max(-1)
    exact = np.linalg.norm(beyond.clip(min=0.0), axis=-1) + depth.clip(max=0.0)
    found = convex.hull_distance(tuple(hulls), points)
    inside = exact.min(1) < 0
    assert inside.sum() > 200
    np.testing.assert_allclose(found[inside], depth.min(1)[inside], atol=1e-9)
    assert (found <= exact.min(1) + 1e-9).all()
    assert (found[~inside] >= depth.min(1)[~inside] - 1e-9).all()
    assert (found[~inside] > 0).all()


def test_closed_convex_pieces_are_the_hulls(cache: Path) -> None:
    parts = convex.convex_parts(as_mesh(table()))
    assert len(parts) == 5
    assert volume(parts) == pytest.approx(0.6 * 0.6 * 0.05 + 4 * 0.05 * 0.05 * 0.42)
    assert not cache.exists()  # nothing was decomposed
    assert len(convex.convex_pieces(as_mesh(table()), 4)) == 0


def test_one_skin_around_pieces_that_reach_into_each_other() -> None:
    """The legs reach 3.5 cm into the top: their ends are no surface, and the overlap counts once."""
    skin = convex.united(as_mesh(table()))
    body = trimesh.Trimesh(skin.vertices, skin.faces, process=False)
    assert body.is_watertight
    assert body.body_count == 1
    assert body.volume == pytest.approx(0.6 * 0.6 * 0.05 + 4 * 0.05 * 0.05 * (0.42 - 0.035))
    low, high = body.bounds
    np.testing.assert_allclose(high - low, [0.6, 0.6, 0.435])


@pytest.mark.parametrize("fault", ["open", "dented", "alone"])
def test_what_is_not_made_of_closed_convex_pieces_stays_as_it_is(fault: str) -> None:
    mesh = as_mesh(table())
    if fault == "open":
        mesh = Mesh(mesh.vertices, mesh.faces[1:])
    elif fault == "dented":
        other = trimesh.Trimesh(ell().vertices + [1.0, 0, 0], ell().faces, process=False)
        mesh = as_mesh(trimesh.util.concatenate([table(), other]))
    else:
        mesh = as_mesh(trimesh.creation.box(extents=(1, 1, 1)))
    assert len(convex.convex_pieces(mesh, 32)) <= 1
    assert convex.united(mesh) is mesh
