"""What rays find about places whose surroundings are known."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from generate.affordance.surface import FAR, Rays, SurfacePoints
from sim.errors import AssetError
from sim.geometry import Mesh, Primitive
from sim.objects import Shape


def _at(
    surface: SurfacePoints, *places: tuple[tuple[float, float, float], tuple[float, float, float]]
) -> SurfacePoints:
    """Looked at in these (point, normal), besides the rest, which says where floor and middle are."""
    points, normals = np.array(places).swapaxes(0, 1)
    points, normals = np.concatenate((points, surface.points_b)), np.concatenate((normals, surface.normals_b))
    return SurfacePoints(surface.shape, points, normals, surface.up_b)


def test_rays_meet_both_sides_of_a_face_and_nothing_beyond() -> None:
    rays = Rays(trimesh.creation.box(extents=(0.4, 0.2, 0.1)))
    origins = np.array([[0.0, 0.0, 0.3], [0.0, 0.0, 0.0], [0.0, 0.0, 0.3]])
    ways = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(rays.distance(origins, ways), [0.25, 0.2, FAR], atol=1e-6)


def test_points_of_a_box() -> None:
    surface = SurfacePoints.of(Shape.of(Primitive("box", (0.6, 0.4, 0.3))), count=1500)
    around = surface.around
    assert around.height == pytest.approx(0.3)
    np.testing.assert_allclose(around.points[:, 2].min(), 0.0, atol=1e-9)
    np.testing.assert_allclose(around.center[2], 0.15, atol=1e-6)
    np.testing.assert_allclose(around.depth, 0.0, atol=1e-6)
    thick = np.abs(surface.normals_b) @ np.array([0.6, 0.4, 0.3])
    np.testing.assert_allclose(around.thickness, thick, atol=2e-3)
    assert around.area * 1500 == pytest.approx(2 * (0.6 * 0.4 + 0.6 * 0.3 + 0.4 * 0.3))
    under = around.normals[:, 2] < -0.9
    assert around.openness[under].max() == 0.0  # it stands on the floor
    assert around.headroom[around.normals[:, 2] > 0.9].min() == FAR


def test_rim_and_width_of_a_table_top(table: Shape) -> None:
    up = (0.0, 0.0, 1.0)
    places = ((0.0, 0.0, 0.75), up), ((0.0, 0.325, 0.75), up), ((0.0, 0.35, 0.735), (0.0, 1.0, 0.0))
    surface = _at(SurfacePoints.of(table, count=500), *places)
    middle, near_edge, side = 0, 1, 2
    around = surface.around
    assert around.rim[middle] > 0.1
    assert around.rim[near_edge] == pytest.approx(0.03)  # the first step beyond the 25 mm that there are
    assert around.thickness[middle] == pytest.approx(0.03, abs=2e-3)
    assert around.width[side] <= 0.04  # the top is 3 cm thick
    assert around.rim[side] < 0.025


def test_legs_are_slim_and_the_seat_is_not(chair: Shape) -> None:
    surface = _at(
        SurfacePoints.of(chair, count=500), ((0.22, 0.2, 0.2), (1.0, 0.0, 0.0)), ((0.05, 0.0, 0.45), (0.0, 0.0, 1.0))
    )
    leg, seat = 0, 1
    around = surface.around
    assert around.width[leg] <= 0.06
    assert around.thickness[leg] == pytest.approx(0.04, abs=2e-3)
    assert around.width[seat] > 0.2


def test_what_lies_up_is_what_it_is_told() -> None:
    lying = SurfacePoints.of(Shape.of(Primitive("box", (0.6, 0.4, 0.3))), count=300, up_b=np.array([2.0, 0.0, 0.0]))
    assert lying.around.height == pytest.approx(0.6)
    np.testing.assert_allclose(lying.around.normals[:, 2], lying.normals_b[:, 0], atol=1e-9)


def test_inward_normals_are_turned_round() -> None:
    box = trimesh.creation.box(extents=(0.3, 0.3, 0.3))
    faces = np.array(box.faces)
    faces[::2] = faces[::2, ::-1]  # half of them inside out
    surface = SurfacePoints.of(Shape.of(Mesh(np.array(box.vertices), faces)), count=400)
    assert ((surface.points_b * surface.normals_b).sum(1) > 0).all()


def test_a_basin_of_sheets_has_no_thickness() -> None:
    box = trimesh.creation.box(extents=(0.5, 0.4, 0.3))
    lidless = np.array(box.faces)[np.asarray(box.face_normals)[:, 2] < 0.5]
    both = np.concatenate((lidless, lidless[:, ::-1]))
    around = SurfacePoints.of(Shape.of(Mesh(np.array(box.vertices), both)), count=600).around
    assert np.median(around.thickness) == 0.0
    assert 0.0 < around.center[2] < 0.15  # of the sheets, without a lid below the middle
    rim = around.points[:, 2] > 0.285
    assert around.rim[rim].max() <= 0.03


@pytest.mark.parametrize("up", [(0.0, 0.0, 0.0), (np.nan, 0.0, 1.0), (0.0, 1.0)])
def test_no_direction(up: tuple[float, ...]) -> None:
    with pytest.raises(AssetError, match=r"up_b .* is no direction"):
        SurfacePoints.of(Shape.of(Primitive("sphere", (0.1,))), up_b=np.array(up))


@pytest.mark.parametrize(
    ("up_b", "size"),
    [((0.0, 0.0, 1.0), (0.5, 0.7, 0.9)), ((0.0, 1.0, 0.0), (0.5, 0.9, 0.7)), ((0, 0, -2), (0.5, 0.7, 0.9))],
)
def test_depth_width_and_height_as_it_rests(up_b: tuple[float, ...], size: tuple[float, ...]) -> None:
    surface = SurfacePoints.of(Shape.of(Primitive("box", (0.5, 0.7, 0.9))), count=10, up_b=np.array(up_b))
    assert surface.size_m == pytest.approx(size)
