"""Loading of shapes, distance questions, and mass properties."""

from pathlib import Path

import mujoco
import numpy as np
import pytest
import trimesh

from sim.errors import AssetError, UnknownNameError
from sim.geometry import Mesh, Primitive
from sim.objects import DEFAULT_DENSITY, ObjectAsset, Shape, load_geometry

RNG = np.random.default_rng(0)
SPECS = [
    "sphere:radius=0.12",
    "box:x=0.4,y=0.3,z=0.2",
    "cylinder:radius=0.1,length=0.5",
    "capsule:radius=0.1,length=0.3",
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHSTONE_CACHE", str(tmp_path / "cache"))


def box_mesh(extents=(0.4, 0.3, 0.2), shift=(0.0, 0.0, 0.0)) -> Mesh:
    box = trimesh.creation.box(extents=extents).subdivide().subdivide()
    return Mesh(np.array(box.vertices) + shift, np.array(box.faces))


def test_primitive_specs() -> None:
    assert load_geometry("sphere:radius=0.12") == Primitive("sphere", (0.12,))
    assert load_geometry("box: z=0.1, x=0.4,y=0.3") == Primitive("box", (0.4, 0.3, 0.1))
    assert load_geometry("capsule:radius=1,length=2", scale=0.1) == Primitive("capsule", (0.1, 0.2))


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        ("spher:radius=0.1", UnknownNameError, "Did you mean 'sphere'"),
        ("box:x=1,y=1,w=1", UnknownNameError, "parameter of box 'w'"),
        ("box:x=1", AssetError, "needs y, z"),
        ("sphere", AssetError, "needs radius"),
        ("sphere:radius=big", AssetError, "not a number"),
        ("sphere:radius=-1", AssetError, "positive radius"),
        ("sphere:radius=nan", AssetError, "positive radius"),
        ("nowhere/thing.obj", AssetError, "no such"),
        ("nowhere/thing", AssetError, "no such"),
    ],
)
def test_bad_specs_say_what_is_wrong(spec: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        load_geometry(spec)


def test_mesh_files_scale(tmp_path: Path) -> None:
    path = tmp_path / "box_mm.ply"
    trimesh.creation.box(extents=(400, 300, 200)).export(path)
    with pytest.raises(AssetError, match=r"box_mm\.ply.*scale 0\.001"):
        load_geometry(path)
    mesh = load_geometry(path, scale=0.001)
    assert isinstance(mesh, Mesh)
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [0.4, 0.3, 0.2])
    with pytest.raises(AssetError, match="scale"):
        load_geometry(path, scale=0)


@pytest.mark.parametrize("spec", SPECS)
def test_primitive_assets_weigh_what_mujoco_weighs(spec: str) -> None:
    asset = ObjectAsset.from_geometry(load_geometry(spec), mass=1.5)
    shape = asset.geometry
    assert isinstance(shape, Primitive)
    size = {"sphere": lambda s: s, "box": lambda s: [x / 2 for x in s]}.get(shape.kind, lambda s: [s[0], s[1] / 2])
    xml = f"""<mujoco><worldbody><body><freejoint/><geom type="{shape.kind}" density="{asset.density}"
        size="{" ".join(map(str, size(shape.size)))}"/></body></worldbody></mujoco>"""
    model = mujoco.MjModel.from_xml_string(xml)
    assert model.body_mass[1] == pytest.approx(1.5)
    np.testing.assert_allclose(np.sort(model.body_inertia[1]), np.sort(np.diag(asset.inertia_b)), rtol=1e-6)
    assert asset.hulls == ()


def test_box_mesh_asset_has_the_box_mass_properties() -> None:
    asset = ObjectAsset.from_geometry(box_mesh(shift=(0.1, -0.2, 0.3)), density=500.0)
    assert len(asset.hulls) == 1
    assert asset.volume == pytest.approx(0.024, rel=1e-6)
    assert asset.mass == pytest.approx(12.0)
    assert asset.density == pytest.approx(500.0)
    np.testing.assert_allclose(asset.center_of_mass_b, [0.1, -0.2, 0.3], atol=1e-9)
    expected = 12.0 / 12 * np.diag([0.3**2 + 0.2**2, 0.4**2 + 0.2**2, 0.4**2 + 0.3**2])
    np.testing.assert_allclose(asset.inertia_b, expected, atol=1e-9)


def test_mass_rules() -> None:
    ball = Primitive("sphere", (0.1,))
    assert ObjectAsset.from_geometry(ball, mass=2.0, density=9.0).mass == 2.0
    assert ObjectAsset.from_geometry(ball).density == pytest.approx(DEFAULT_DENSITY)
    for bad in ({"mass": 0.0}, {"density": -1.0}, {"mass": float("nan")}):
        with pytest.raises(AssetError, match="not a positive number"):
            ObjectAsset.from_geometry(ball, **bad)


def test_signed_distance_takes_any_leading_shape() -> None:
    shape = Shape.of(box_mesh())
    points = RNG.uniform(-0.3, 0.3, (7, 5, 3))
    distance = shape.signed_distance(points)
    assert distance.shape == (7, 5)
    exact = Shape.of(Primitive("box", (0.4, 0.3, 0.2))).signed_distance(points)
    np.testing.assert_allclose(distance, exact, atol=1e-3)
    nearest, apart = shape.closest_points(points)
    np.testing.assert_allclose(apart, np.abs(distance), atol=1e-12)
    assert nearest.shape == points.shape
    assert shape.signed_distance(np.zeros(3)).shape == ()
    assert shape.signed_distance(np.zeros((0, 3))).shape == (0,)


@pytest.mark.parametrize("spec", SPECS)
def test_surface_samples_lie_on_the_surface_and_repeat(spec: str) -> None:
    shape = Shape.of(load_geometry(spec))
    samples = shape.surface_samples(500, np.random.default_rng(3))
    np.testing.assert_allclose(shape.signed_distance(samples), 0, atol=1e-9)
    np.testing.assert_array_equal(samples, shape.surface_samples(500, np.random.default_rng(3)))


def test_surface_samples_follow_area() -> None:
    samples = Shape.of(box_mesh()).surface_samples(20_000, np.random.default_rng(0))
    on_top = np.abs(samples[:, 2] - 0.1) < 1e-9
    assert on_top.mean() == pytest.approx(0.12 / 0.52, abs=0.01)  # 0.4 x 0.3 of 2 (0.12 + 0.08 + 0.06) m^2


def test_lowest_height_of_a_turned_box() -> None:
    quarter = np.array([np.cos(np.pi / 4), np.sin(np.pi / 4), 0, 0])  # about x: y becomes the height
    turns = np.stack((np.array([1.0, 0, 0, 0]), quarter))
    positions = np.array([[0, 0, 1.0], [5, 5, 1.0]])
    for shape in (Shape.of(box_mesh()), Shape.of(Primitive("box", (0.4, 0.3, 0.2)))):
        np.testing.assert_allclose(shape.lowest_height(positions, turns), [0.9, 0.85], atol=1e-9)


def test_same_questions_for_asset_and_shape() -> None:
    asset, shape = ObjectAsset.from_geometry(box_mesh()), Shape.of(box_mesh())
    points = RNG.uniform(-0.3, 0.3, (50, 3))
    np.testing.assert_array_equal(asset.signed_distance(points), shape.signed_distance(points))
    inside = asset.signed_distance(points) < 0
    np.testing.assert_allclose(asset.hull_distance(points)[inside], asset.signed_distance(points)[inside], atol=1e-3)


@pytest.mark.parametrize("name", ["largebox", "largetable", "woodchair", "plasticbox", "smallbox", "suitcase", "bass"])
def test_real_meshes_load(data: Path, name: str) -> None:
    mesh = load_geometry(data / "objects" / f"{name}.obj")
    assert isinstance(mesh, Mesh)
    shape = Shape.of(mesh)
    samples = shape.surface_samples(200, np.random.default_rng(0))
    assert np.abs(shape.signed_distance(samples)).max() < 1e-3
    assert (shape.signed_distance(samples + np.array([5, 0, 0])) > 3).all()
