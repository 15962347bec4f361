"""Where the object is in a phase, and where on it the parts go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from generate.plan import BodyPart, InteractionPlan, Phase, PlannedContact
from generate.pose.config import PoseConfig
from generate.pose.targets import Ground, contacts_of, draw_targets, object_pose
from sim import rotations
from sim.errors import PlanError
from sim.geometry import Primitive
from sim.objects import Shape

CONFIG = PoseConfig(points=400, dense=4000)
UP = np.array([0.0, 0.0, 1.0])
EAST = np.array([1.0, 0.0])


@pytest.fixture(scope="module")
def box() -> Ground:
    return Ground.of(Shape.of(Primitive("box", (0.4, 0.3, 0.2))), UP, CONFIG)


def plan(action: str, *parts: BodyPart, phases: tuple[Phase, ...] = (), **more: object) -> InteractionPlan:
    phases = phases or (Phase("reach", 1.0),)
    contacts = tuple(PlannedContact(part, last=len(phases) - 1) for part in parts)
    return InteractionPlan("", action, "box", contacts, phases, **more)  # type: ignore[arg-type]


def test_the_object_is_where_the_phases_before_brought_it(box: Ground) -> None:
    moved = plan(
        "lift", "left_hand", "right_hand",
        phases=(Phase("move", 1.0, forward=0.5, leftward=0.1, upward=0.3), Phase("move", 1.0, turn=np.pi / 2),
                Phase("hold", 1.0)),
    )  # fmt: skip
    position, rotation = object_pose(moved, 0, box, EAST)
    assert np.allclose(position, [0.0, 0.0, 0.1])
    assert np.allclose(rotation, [1, 0, 0, 0])
    assert np.allclose(object_pose(moved, 1, box, EAST)[0], [0.5, 0.1, 0.4])
    assert np.allclose(object_pose(moved, 1, box, np.array([0.0, 1.0]))[0], [-0.1, 0.5, 0.4])
    turned = rotations.rotate(object_pose(moved, 2, box, EAST)[1], np.array([1.0, 0.0, 0.0]))
    assert np.allclose(turned, [0.0, 1.0, 0.0])


def test_a_tilted_box_rests_on_its_edge_and_leans_away(box: Ground) -> None:
    tilted = plan("tip", "left_hand", phases=(Phase("move", 1.0, tilt=np.pi / 4), Phase("hold", 1.0)))
    position, rotation = object_pose(tilted, 1, box, EAST)
    assert position[2] == pytest.approx((0.2 + 0.1) / np.sqrt(2))
    assert rotations.rotate(rotation, UP)[0] == pytest.approx(np.sqrt(0.5))


def test_two_palms_go_on_opposite_sides_left_on_the_left(box: Ground) -> None:
    found = draw_targets(plan("lift", "left_hand", "right_hand"), 0, box, CONFIG, np.random.default_rng(0), 4)
    assert np.allclose(found.weights.sum(-1), 1.0)
    middles = (found.points * found.weights[..., None]).sum(2)
    normals = (found.normals * found.weights[..., None]).sum(2)
    assert (np.einsum("bk,bk->b", normals[:, 0], normals[:, 1]) < -0.8).all()
    left = np.stack((-found.forward[:, 1], found.forward[:, 0]), 1)
    assert (np.einsum("bk,bk->b", (middles[:, 0] - middles[:, 1])[:, :2], left) > 0.2).all()


def test_the_side_says_where_the_person_stands(box: Ground) -> None:
    """In front of the object one looks along its -x; who faces away looks along +x."""
    for away, sign in ((False, -1.0), (True, 1.0)):
        pushed = plan("push", "right_hand", side="front", faces_away=away)
        found = draw_targets(pushed, 0, box, CONFIG, np.random.default_rng(0), 3)
        assert np.allclose(found.forward, [sign, 0.0, 0.0])
        assert np.allclose(found.edge, -0.2, atol=0.01)


def test_a_foot_hits_the_side_before_the_person(box: Ground) -> None:
    kicked = plan("kick", "right_foot", phases=(Phase("reach", 1.0), Phase("move", 1.0, forward=1.0, ballistic=True)))
    kicked = replace(kicked, contacts=(PlannedContact("right_foot", grasped=False),))
    found = draw_targets(kicked, 0, box, CONFIG, np.random.default_rng(0), 6)
    normals = (found.normals[:, 0] * found.weights[:, 0, :, None]).sum(1)
    assert (np.einsum("bk,bk->b", normals, found.toward) < -0.6).all()


def test_two_hands_on_a_rod_leave_each_other_room() -> None:
    rod = Ground.of(Shape.of(Primitive("cylinder", (0.015, 1.2))), UP, CONFIG)
    found = draw_targets(plan("sweep", "left_hand", "right_hand"), 0, rod, CONFIG, np.random.default_rng(0), 4)
    apart = np.linalg.norm(np.diff(found.points.mean(2), axis=1)[:, 0], axis=-1)
    assert apart.min() > 0.1


def test_errors_name_the_phase() -> None:
    nothing = InteractionPlan("look", "look", "box", (), (Phase("hold", 1.0),))
    with pytest.raises(PlanError, match="phases 0 to 0, not 1"):
        contacts_of(nothing, 1)
    with pytest.raises(PlanError, match="nothing touches the object in phase 0"):
        contacts_of(nothing, 0)


@pytest.mark.parametrize(("size", "along"), [((0.2, 0.7, 0.22), [1, -1, 1, -1]), ((0.2, 0.2, 0.22), [1, 0, -1, 0])])
def test_one_sits_across_a_bench_and_any_way_on_a_stool(size: tuple[float, float, float], along: list[int]) -> None:
    seat = Ground.of(Shape.of(Primitive("box", size)), UP, CONFIG)
    sit = plan("sit", "hips", faces_away=True)
    found = draw_targets(sit, 0, seat, CONFIG, np.random.default_rng(0), 4)
    np.testing.assert_allclose(found.toward[:, 0], along, atol=1e-9)
