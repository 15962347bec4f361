"""Shapes of kinds: every kind has one, of exactly its size, closed, cheap for physics, with the parts that it names."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import trimesh

from generate.affordance import SurfacePoints
from generate.affordance.config import AffordanceConfig
from generate.affordance.regions import Regions
from generate.language.lexicon import lexicon
from generate.objects.kinds import kind_of, mass_of, object_for, shape_for, typical_size
from generate.objects.parts import Size
from generate.planner import GrammarPlanner
from sim.convex import MAX_HULLS, convex_pieces
from sim.errors import AssetError
from sim.geometry import Mesh, Primitive
from sim.meshes import repair
from sim.objects import ObjectAsset, Shape, load_geometry

KINDS = tuple(lexicon().kinds)
WITHOUT = {
    ("bench", "backrest"): "its typical height is that of the seat",
    ("bicycle", "seat"): "higher than the chairs' seats that regions look for",
    ("motorcycle", "seat"): "higher than the chairs' seats that regions look for",
    ("car", "handle"): "less of its surface than counts as a region",
}


def test_every_kind_has_a_shape_of_exactly_its_size() -> None:
    for name in KINDS:
        shape = Shape(object_for(name), None)
        np.testing.assert_allclose(shape.bounds, np.outer([-0.5, 0.5], kind_of(name).size_m), atol=1e-9, err_msg=name)


def test_every_mesh_is_closed_before_and_after_repair() -> None:
    for name in KINDS:
        geometry = object_for(name)
        if isinstance(geometry, Mesh):
            for mesh in (geometry, repair(geometry)):
                body = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
                assert body.is_watertight, name
                assert body.is_winding_consistent, name
                assert body.volume > 0, name


def test_other_sizes_are_exact_too() -> None:
    for k, name in enumerate(KINDS):
        size = tuple((0.6, 1.8)[k % 2] * edge * (1.0 + 0.2 * axis) for axis, edge in enumerate(kind_of(name).size_m))
        np.testing.assert_allclose(np.ptp(Shape(object_for(name, size), None).bounds, axis=0), size, rtol=1e-9)


def test_physics_gets_few_hulls_and_they_fill_the_shape() -> None:
    counts = {}
    rng = np.random.default_rng(0)
    for name in ("chair", "sofa", "bucket", "bicycle", "hammer", "table"):
        asset = ObjectAsset.from_geometry(object_for(name), mass=mass_of(name))
        counts[name] = len(asset.hulls)
        assert asset.mass == pytest.approx(kind_of(name).mass_kg)
        low, high = asset.bounds
        points = rng.uniform(low - 0.05, high + 0.05, (2000, 3))
        sure = np.abs(asset.signed_distance(points)) > 1e-6
        np.testing.assert_array_equal(
            (asset.hull_distance(points) < 0)[sure], (asset.signed_distance(points) < 0)[sure]
        )
    assert counts["chair"] <= 16
    assert max(counts.values()) <= 24


@pytest.mark.parametrize("name", ["chair", "cup", "spoon", "bicycle"])
def test_the_hulls_survive_a_file(name: str, tmp_path: Path) -> None:
    """Text files keep six to eight decimals, clips half the digits: the pieces stay recognisable."""
    mesh = object_for(name)
    assert isinstance(mesh, Mesh)
    path = tmp_path / f"{name}.obj"
    rows = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in mesh.vertices]
    rows += [f"f {a} {b} {c}" for a, b, c in mesh.faces + 1]
    path.write_text("\n".join(rows))
    read = load_geometry(path)
    assert isinstance(read, Mesh)
    single = Mesh(mesh.vertices.astype(np.float32), mesh.faces)
    counts = [len(convex_pieces(repair(m), MAX_HULLS)) for m in (mesh, read, single)]
    assert counts[0] > 1
    assert counts == [counts[0]] * 3


def test_no_point_of_the_surface_is_buried() -> None:
    """The mattress lies in the frame: without one skin around both, two points of five would be inside the bed."""
    points = SurfacePoints.of(shape_for("bed"), count=1000)
    assert points.shape.surface is not None
    beside = [points.shape.surface.contains(points.points_b + s * 2e-3 * points.normals_b) for s in (1, -1)]
    assert (beside[0] & beside[1]).mean() < 0.01


def regions_of(name: str, count: int = 1000) -> Regions:
    return Regions(SurfacePoints.of(shape_for(name), count=count).around, AffordanceConfig())


def missing(name: str) -> set[str]:
    regions, kind = regions_of(name), kind_of(name)
    wanted = kind.parts | {"top"} | ({"edges"} if kind.has("edges") else set())
    return {region for region in wanted if regions[region].mean() < regions.config.found}  # type: ignore[index]


@pytest.mark.parametrize("name", ["chair", "stool", "hammer", "barbell", "cabinet"])
def test_parts_are_where_the_affordance_looks(name: str) -> None:
    assert not missing(name)


@pytest.mark.slow
def test_parts_of_all_kinds_are_where_the_affordance_looks() -> None:
    found = {(name, region) for name in KINDS if name != "object" and kind_of(name).parts for region in missing(name)}
    assert found == set(WITHOUT)


def test_a_chair_faces_x() -> None:
    regions = regions_of("chair")
    points = regions.around.points
    seat, back = (np.average(points, axis=0, weights=regions[r]) for r in ("seat", "backrest"))  # type: ignore[index]
    assert back[0] < seat[0] - 0.15
    assert seat[2] == pytest.approx(kind_of("chair").surface_m, abs=0.02)
    assert abs(seat[1]) < 0.05


def test_one_foot_is_a_shaft_and_two_are_legs() -> None:
    hammer, cabinet = regions_of("hammer"), regions_of("cabinet")
    assert hammer["legs"].sum() == 0
    assert hammer["handle"][hammer.around.points[:, 2] < 0.2].mean() > 0.8
    assert cabinet["legs"][cabinet.around.points[:, 2] > 0.2].sum() == 0  # grips are no legs
    assert cabinet.around.points[cabinet["handle"] > 0, 0].min() > 0.1  # and at the front


def test_a_plan_says_which_shape_and_how_large() -> None:
    plan = GrammarPlanner().plan("a person lifts the small chair")
    assert plan.size_m is not None
    assert max(typical_size(plan)) == pytest.approx(plan.size_m)
    assert np.ptp(shape_for(plan).bounds, axis=0).max() == pytest.approx(plan.size_m)
    assert object_for(plan) is object_for(plan)
    unknown = dataclasses.replace(plan, object_name="zorblax", size_m=0.6)
    assert object_for(unknown) == Primitive("box", (0.6, 0.6, 0.6))


def test_a_sphere_is_a_primitive_and_an_egg_is_not() -> None:
    assert object_for("basketball") == Primitive("sphere", (0.12,))
    assert isinstance(object_for("ball", (0.2, 0.2, 0.3)), Mesh)
    assert object_for("drum", (0.4, 0.4, 0.6)) == Primitive("cylinder", (0.2, 0.6))


def test_mass_grows_with_the_surface() -> None:
    typical = kind_of("table").size_m
    doubled: Size = (2 * typical[0], 2 * typical[1], 2 * typical[2])
    assert mass_of("table") == pytest.approx(18.0)
    assert mass_of("table", doubled) == pytest.approx(4 * 18.0)


@pytest.mark.parametrize("size", [(0.0, 1.0, 1.0), (np.nan, 1.0, 1.0), (30.0, 1.0, 1.0), (1.0, 1.0)])
def test_sizes_that_are_none_are_refused(size: Size) -> None:
    with pytest.raises(AssetError, match=r"a chair of .* cannot be made"):
        object_for("chair", size)
