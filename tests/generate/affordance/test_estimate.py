"""The affordance of furniture with known answers, its symmetries, and meshes that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from generate.affordance import Affordance, AffordanceConfig, SurfacePoints, affordance
from generate.affordance.regions import Regions
from generate.plan import BodyPart
from sim import rotations
from sim.errors import AssetError, UnknownNameError
from sim.geometry import Mesh, Primitive
from sim.objects import Shape, load_geometry

CONFIG = AffordanceConfig(points=1200)


def _share(found: Affordance, inside: np.ndarray) -> float:
    return float(found.probability[inside].sum())


@pytest.fixture(scope="module")
def seen_chair(chair: Shape) -> SurfacePoints:
    return SurfacePoints.of(chair, count=CONFIG.points)


@pytest.fixture(scope="module")
def seen_table(table: Shape) -> SurfacePoints:
    return SurfacePoints.of(table, count=CONFIG.points)


def test_it_is_a_probability(seen_chair: SurfacePoints) -> None:
    found = affordance(seen_chair, "lift", "left_hand", config=CONFIG)
    assert found.probability.sum() == pytest.approx(1.0)
    assert found.probability.min() >= 0.0
    assert found.heat.max() == 1.0
    np.testing.assert_array_equal(found.at(found.points_b, neighbours=1), found.heat)
    again = affordance(seen_chair.shape, "lift", "left_hand", config=CONFIG)
    np.testing.assert_array_equal(again.probability, found.probability)


def test_who_sits_touches_the_seat_and_leans_on_the_back(seen_chair: SurfacePoints) -> None:
    p, n = seen_chair.points_b, seen_chair.normals_b
    hips = affordance(seen_chair, "sit", "hips", config=CONFIG)
    assert hips.region == "seat"
    assert _share(hips, (np.abs(p[:, 2] - 0.45) < 0.01) & (n[:, 2] > 0.9)) > 0.95
    back = affordance(seen_chair, "sit", "back", config=CONFIG)
    assert _share(back, (p[:, 0] < -0.18) & (p[:, 2] > 0.5) & (n[:, 0] > 0.9)) > 0.8
    arm = affordance(seen_chair, "sit", "left_arm", config=CONFIG)
    assert arm.region == "armrests"
    assert _share(arm, (p[:, 2] > 0.55) & (p[:, 2] < 0.71) & (np.abs(p[:, 1]) > 0.2)) > 0.9


def test_a_body_rests_on_what_is_wide_enough_of_the_top(seen_chair: SurfacePoints) -> None:
    """The narrow upper edge of the back is the very top, and carries nobody."""
    hips = affordance(seen_chair, "sit", "hips", "top", config=CONFIG)
    assert hips.region == "top"
    assert _share(hips, seen_chair.points_b[:, 2] > 0.9) < 0.4
    hand = affordance(seen_chair, "touch", "right_hand", "top", config=CONFIG)
    assert _share(hand, seen_chair.points_b[:, 2] > 0.9) > 0.8


def test_a_chair_is_pulled_by_its_back_tipped_by_its_top_and_lifted_by_its_frame(seen_chair: SurfacePoints) -> None:
    z = seen_chair.points_b[:, 2]
    height = {
        a: float(affordance(seen_chair, a, "right_hand", config=CONFIG).probability @ z)
        for a in ("pull", "tip", "lift")
    }
    assert height["lift"] < 0.5 < height["pull"] <= height["tip"]
    lifted = affordance(seen_chair, "lift", "right_hand", config=CONFIG)
    assert _share(lifted, z > 0.75) < 0.02
    seat = (z > 0.42) & (z < 0.46)
    middle = (np.abs(seen_chair.points_b[:, :2]) < 0.1).all(1)
    inner, border = (_share(lifted, seat & part) / (seat & part).sum() for part in (middle, ~middle))
    assert border > 1.5 * inner  # no hand closes around the middle of a seat


def test_table_edges_rather_than_its_middle(seen_table: SurfacePoints) -> None:
    p = seen_table.points_b
    found = affordance(seen_table, "drag", "left_hand", config=CONFIG)
    top = p[:, 2] > 0.7
    rim = top & ((np.abs(p[:, 0]) > 0.55) | (np.abs(p[:, 1]) > 0.30))
    density = _share(found, rim) / rim.sum(), _share(found, top & ~rim) / (top & ~rim).sum()
    assert density[0] > 2.0 * density[1]
    assert _share(found, p[:, 2] < 0.3) < 0.05


def test_feet_stand_on_steps_not_on_walls() -> None:
    found = affordance(Shape.of(Primitive("box", (0.6, 0.5, 0.2))), "step", "left_foot", config=CONFIG)
    assert _share(found, found.normals_b[:, 2] > 0.9) > 0.9


def test_nobody_touches_what_the_object_stands_on() -> None:
    found = affordance(Shape.of(Primitive("box", (0.4, 0.4, 0.4))), "push", "left_hand", config=CONFIG)
    under = found.normals_b[:, 2] < -0.9
    assert _share(found, under) < 0.25 * under.mean()


def test_a_hand_keeps_off_the_underside_of_what_it_lifts() -> None:
    """Bottom and top of a low box differ in nothing else: no height is wrong for either, both have the same edges."""
    found = affordance(Shape.of(Primitive("box", (0.4, 0.4, 0.1))), "lift", "left_hand", config=CONFIG)
    under, top = (found.probability[sign * found.normals_b[:, 2] > 0.9].mean() for sign in (-1.0, 1.0))
    assert under < 0.8 * top


def test_a_load_is_taken_beside_the_middle_and_pushed_from_the_persons_side() -> None:
    box = SurfacePoints.of(Shape.of(Primitive("box", (0.6, 0.6, 0.6))), count=CONFIG.points)
    lift, push = (
        affordance(box, action, "left_hand", side="front", config=CONFIG).probability @ box.points_b[:, 0]
        for action in ("lift", "push")
    )
    assert abs(lift) < 0.03
    assert push > 0.1


def test_regions(seen_chair: SurfacePoints, seen_table: SurfacePoints, mug: Shape) -> None:
    p, regions = seen_chair.points_b, Regions(seen_chair.around, CONFIG)
    leg = (p[:, 2] < 0.38) & (np.abs(np.abs(p[:, :2]) - 0.2) < 0.021).all(1)
    assert regions.legs[leg & (np.abs(seen_chair.normals_b[:, 2]) < 0.5)].min() == 1.0
    assert regions.legs[p[:, 2] > 0.43].max() == 0.0
    assert regions.handle[leg].max() == 0.0  # as slim as bars, but no handles
    assert not regions.seat[p[:, 2] > 0.5].any()
    assert not Regions(seen_table.around, CONFIG).seat.any()  # too high to sit on
    assert not Regions(seen_table.around, CONFIG).backrest.any()
    low = SurfacePoints.of(Shape.of(Primitive("box", (0.5, 0.5, 0.1))), count=CONFIG.points)
    assert not Regions(low.around, CONFIG).seat.any()
    handle = affordance(mug, "hold", "right_hand", "handle", config=CONFIG)
    assert handle.region == "handle"
    assert _share(handle, handle.points_b[:, 0] > 0.041) > 0.9
    wanted = affordance(seen_table, "push", "left_hand", "underside", config=CONFIG)
    assert _share(wanted, wanted.normals_b[:, 2] < -0.9) > 0.9


def test_a_region_that_is_not_there_is_given_up(seen_table: SurfacePoints) -> None:
    found = affordance(seen_table, "pull", "left_hand", "backrest", config=CONFIG)
    plain = affordance(seen_table, "pull", "left_hand", config=CONFIG)
    assert found.region == "any"
    np.testing.assert_array_equal(found.probability, plain.probability)


def test_the_side_of_the_person_draws_hands_near_and_apart(seen_table: SurfacePoints) -> None:
    p = seen_table.points_b
    left, right = (affordance(seen_table, "push", h, side="front", config=CONFIG) for h in ("left_hand", "right_hand"))
    anywhere = affordance(seen_table, "push", "left_hand", config=CONFIG)
    assert (
        left.probability @ p[:, 0] > anywhere.probability @ p[:, 0] + 0.05
    )  # the person stands at +x and looks along -x
    assert left.probability @ p[:, 1] < -0.1 < 0.1 < right.probability @ p[:, 1]  # with -y to the left


def _mirrored(surface: SurfacePoints) -> SurfacePoints:
    flip = np.array([1.0, -1.0, 1.0])
    mesh = surface.shape.geometry
    assert isinstance(mesh, Mesh)
    other = Shape.of(Mesh(mesh.vertices * flip, mesh.faces[:, ::-1]))
    points, normals = surface.points_b * flip, surface.normals_b * flip
    return SurfacePoints(other, points, normals, surface.up_b * flip)


@pytest.mark.parametrize("action", ["lift", "push", "tip"])
def test_a_mirrored_object_swaps_left_and_right(seen_chair: SurfacePoints, action: str) -> None:
    facing = np.array([0.6, 0.8, 0.0])
    left = affordance(seen_chair, action, "left_hand", facing_b=facing, config=CONFIG)
    right = affordance(_mirrored(seen_chair), action, "right_hand", facing_b=facing * [1, -1, 1], config=CONFIG)
    # a ray that runs along a face may meet it in one and miss it in the other
    assert np.median(np.abs(np.log(left.probability / right.probability))) < 1e-6
    assert np.abs(left.probability - right.probability).sum() < 0.05
    assert (
        np.abs(
            left.probability - affordance(seen_chair, action, "right_hand", facing_b=facing, config=CONFIG).probability
        ).sum()
        > 0.2
    )


@pytest.mark.parametrize(("action", "part"), [("carry", "left_hand"), ("drag", "right_hand"), ("sit", "hips")])
def test_turning_the_object_about_the_vertical_changes_nothing(
    seen_chair: SurfacePoints, action: str, part: BodyPart
) -> None:
    turn = rotations.from_rotvec(np.array([0.0, 0.0, 0.7]))
    mesh = seen_chair.shape.geometry
    assert isinstance(mesh, Mesh)
    shape = Shape.of(Mesh(rotations.rotate(turn, mesh.vertices), mesh.faces))
    points, normals = (rotations.rotate(turn, a) for a in (seen_chair.points_b, seen_chair.normals_b))
    turned = affordance(SurfacePoints(shape, points, normals, seen_chair.up_b), action, part, config=CONFIG)
    assert np.abs(turned.probability - affordance(seen_chair, action, part, config=CONFIG).probability).sum() < 0.05


def test_the_frame_in_which_a_mesh_comes_changes_nothing(seen_chair: SurfacePoints) -> None:
    turn = rotations.from_rotvec(np.array([np.pi / 2, 0.0, 0.0]))  # y becomes z, as in files that are y up
    mesh = seen_chair.shape.geometry
    assert isinstance(mesh, Mesh)
    shape = Shape.of(Mesh(rotations.rotate_inverse(turn, mesh.vertices), mesh.faces))
    points, normals = (rotations.rotate_inverse(turn, a) for a in (seen_chair.points_b, seen_chair.normals_b))
    lying = SurfacePoints(shape, points, normals, np.array([0.0, 1.0, 0.0]))
    found = affordance(lying, "lift", "left_hand", config=CONFIG)
    assert (
        np.abs(found.probability - affordance(seen_chair, "lift", "left_hand", config=CONFIG).probability).sum() < 0.05
    )


def test_reach_is_in_metres() -> None:
    """A wardrobe is pushed at the height of a person's hands, a low chest by its upper edge."""
    heights = {}
    for tall in (1.8, 0.4):
        found = affordance(Shape.of(Primitive("box", (0.6, 0.5, tall))), "push", "left_hand", config=CONFIG)
        heights[tall] = float(found.probability @ (found.points_b[:, 2] + 0.5 * tall))
    assert 0.65 < heights[1.8] < 0.85
    assert heights[0.4] > 0.25


def test_what_is_tipped_over_is_taken_at_its_top() -> None:
    tall = SurfacePoints.of(Shape.of(Primitive("box", (0.5, 0.5, 1.6))), count=CONFIG.points)
    heights = tall.points_b[:, 2] + 0.8
    tip, push = (affordance(tall, a, "left_hand", config=CONFIG).probability @ heights for a in ("tip over", "push"))
    assert tip > 1.3 > 0.9 > push


def test_a_file_in_millimetres_has_the_same_affordance(table: Shape, tmp_path: Path) -> None:
    mesh = table.geometry
    assert isinstance(mesh, Mesh)
    trimesh.Trimesh(1000 * mesh.vertices, mesh.faces, process=False).export(tmp_path / "table.ply")
    shape = Shape.of(load_geometry(tmp_path / "table.ply", scale=0.001))
    found, own = (affordance(s, "lift", "right_hand", config=CONFIG).probability for s in (shape, table))
    assert np.abs(found - own).sum() < 0.01


def test_meshes_that_are_none_are_refused() -> None:
    house = Mesh(
        np.array([[0, 0, 0], [30, 0, 0], [0, 30, 0], [0, 0, 30]], float),
        np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]),
    )
    pin = Mesh(house.vertices / 1e5, house.faces)
    for mesh, reason in ((house, "no hand-held object"), (pin, "too small to touch")):
        with pytest.raises(AssetError, match=reason):
            affordance(Shape.of(mesh), "lift", "left_hand")


def test_a_mesh_that_is_no_manifold_still_has_an_affordance(chair: Shape) -> None:
    mesh = chair.geometry
    assert isinstance(mesh, Mesh)
    rng = np.random.default_rng(0)
    fins = np.array([[0, 1, 9], [3, 7, 20], [5, 14, 30]])  # three faces at edges that have two already
    torn = np.delete(mesh.faces, rng.choice(len(mesh.faces), 6, replace=False), 0)
    broken = Shape.of(Mesh(mesh.vertices, np.concatenate((torn, fins))))
    found = affordance(broken, "sit", "hips", config=CONFIG)
    assert np.isfinite(found.probability).all()
    assert found.probability @ found.points_b[:, 2] == pytest.approx(0.45, abs=0.03)


def test_wrong_names_and_directions(seen_table: SurfacePoints) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown body part 'left_hnd'\. Did you mean 'left_hand'"):
        affordance(seen_table, "push", "left_hnd")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="unknown region 'lid'"):
        affordance(seen_table, "push", "left_hand", "lid")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="unknown side 'above'"):
        affordance(seen_table, "push", "left_hand", side="above")  # type: ignore[arg-type]
    with pytest.raises(AssetError, match="does not point anywhere along the floor"):
        affordance(seen_table, "push", "left_hand", facing_b=np.array([0.0, 0.0, 1.0]))
    with pytest.raises(AssetError, match="looked at with"):
        affordance(seen_table, "push", "left_hand", up_b=np.array([0.0, 1.0, 0.0]))
