"""Anchors that come and go along the normal, circles that stay on the surface, the graph, and the labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from generate.motion.config import SpaceTimeConfig
from generate.motion.contacts import Hold, anchors, contact_graph, contact_labels, interval, joint_of, sliding_radius
from generate.motion.timeline import Timeline
from generate.plan import InteractionPlan, Phase, PlannedContact
from generate.pose.body import part_joints
from sim import rotations
from sim.geometry import Primitive
from sim.keypoints import KEYPOINT_INDEX, KEYPOINT_JOINTS, keypoint_offsets
from sim.objects import Shape
from sim.skeleton import JOINT_INDEX, JOINT_NAMES
from sim.subject import default_offsets

OFFSETS = default_offsets()
BOX = Shape.of(Primitive("box", (0.3, 0.4, 0.2)))
HAND = PlannedContact("left_hand", "sides", first=0, last=1)
WIPE = PlannedContact("right_hand", "top", first=0, last=1, grasped=False, slides=True)
REST = PlannedContact("right_hand", "top", first=0, last=1, grasped=False)
HIPS = PlannedContact("hips", "seat", first=0, last=1)
PLAN = InteractionPlan(
    "", "lift", "box", (HAND, WIPE, HIPS), (Phase("reach", 1.0), Phase("hold", 2.0), Phase("retreat", 1.0))
)
TIMELINE = Timeline.of(PLAN)
CONFIG = SpaceTimeConfig(stand_off=0.06, stand_off_seconds=0.4)
IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])
SIDE = Hold(joint_of("left_hand"), np.array([0.0, 0.25, 0.0]), IDENTITY, np.array([0.0, 1.0, 0.0]))
TOP = Hold(joint_of("right_hand"), np.array([0.02, 0.0, 0.13]), IDENTITY, np.array([0.0, 0.0, 1.0]))
QUARTER = rotations.from_rotvec(np.array([0.0, 0.0, np.pi / 2]))


def test_a_hand_comes_along_the_normal_stays_and_goes_along_it() -> None:
    """The box stands a quarter turned at (1, 2, 0.5): its +y, where the palm is, points along -x."""
    times = np.array([0.5, 0.6, 0.8, 1.0, 2.0, 3.0, 3.2, 3.5])
    place, turn = np.tile([1.0, 2.0, 0.5], (8, 1)), np.tile(QUARTER, (8, 1))
    (found,) = anchors(TIMELINE, {HAND: SIDE}, place, turn, times, CONFIG)
    assert found.joint == JOINT_INDEX["left_wrist"]
    np.testing.assert_allclose(found.weight, [0, 0, 0.5, 1, 1, 1, 0.5, 0], atol=1e-12)
    off = np.array([0.06, 0.06, 0.03, 0, 0, 0, 0.03, 0.06])
    expected = np.column_stack((1.0 - 0.25 - off, np.full(8, 2.0), np.full(8, 0.5)))
    np.testing.assert_allclose(found.position_w, expected, atol=1e-12)
    np.testing.assert_allclose(found.rotation_w, turn)


def test_hands_stay_where_they_let_go_of_what_flies_off() -> None:
    """The ball is at 0.1 m when it leaves the hand, and far away 0.2 s later."""
    phases = Phase("move", 1.0, forward=0.1), Phase("move", 1.0, forward=3.0, ballistic=True)
    thrower = PlannedContact("left_hand")
    timeline = Timeline.of(InteractionPlan("", "throw", "ball", (thrower,), phases))
    place = np.array([[0.0, 0, 1], [0.1, 0, 1], [0.7, 0, 1]])
    (found,) = anchors(
        timeline, {thrower: SIDE}, place, np.tile(IDENTITY, (3, 1)), np.array([0.0, 1.0, 1.2]), CONFIG
    )  # fmt: skip
    np.testing.assert_allclose(found.position_w[:, 0], [0.0, 0.1, 0.1], atol=1e-12)


def test_a_body_is_held_only_while_it_touches_and_is_drawn_nowhere_else() -> None:
    times = np.array([0.9, 1.0, 3.0, 3.1])
    seat = Hold(JOINT_INDEX["pelvis"], np.array([0.0, 0.0, 0.2]), IDENTITY, np.array([0.0, 0.0, 1.0]))
    (found,) = anchors(TIMELINE, {HIPS: seat}, np.zeros((4, 3)), np.tile(IDENTITY, (4, 1)), times, CONFIG)
    np.testing.assert_array_equal(found.weight, [0, 1, 1, 0])
    np.testing.assert_allclose(found.position_w, np.tile(seat.position_b, (4, 1)))


def test_a_sliding_hand_goes_in_circles_on_the_surface_and_stops_where_it_is() -> None:
    times = np.linspace(0.5, 4.0, 71)
    still = np.zeros((71, 3)), np.tile(IDENTITY, (71, 1))
    (found,) = anchors(TIMELINE, {WIPE: TOP}, *still, times, CONFIG)
    held = (times >= 1.0) & (times <= 3.0)
    aside = found.position_w - TOP.position_b
    np.testing.assert_allclose(aside[held, 2], 0.0, atol=1e-12, err_msg="it stays on the surface")
    np.testing.assert_allclose(aside[np.isclose(times, 1.0)], 0.0, atol=1e-12, err_msg="from where it was put")
    grown = held & (times >= 2.0)
    np.testing.assert_allclose(np.linalg.norm(aside[grown], axis=1), 0.08)
    np.testing.assert_allclose(aside[np.isclose(times, 2.25)], -aside[np.isclose(times, 2.75)], atol=1e-12)
    after = times > 3.0
    np.testing.assert_allclose(aside[after, :2], np.tile(aside[np.isclose(times, 3.0), :2], (after.sum(), 1)))


def test_hands_do_not_follow_what_flies_off_nor_run_ahead_of_what_flies_in() -> None:
    """The ball goes 1 m/s along x all the time; it is held from 1 s to 2 s, caught before and thrown after."""
    held = PlannedContact("left_hand", first=0, last=1)
    phases = Phase("reach", 1.0, forward=1.0, ballistic=True), Phase("move", 1.0, forward=1.0)
    caught = InteractionPlan("", "catch", "ball", (held,), (*phases, Phase("move", 1.0, forward=1.0, ballistic=True)))
    times = np.array([0.5, 0.8, 1.0, 1.5, 2.0, 2.2, 2.5])
    ball = np.column_stack((times, np.zeros((7, 2))))
    (found,) = anchors(Timeline.of(caught), {held: SIDE}, ball, np.tile(IDENTITY, (7, 1)), times, CONFIG)
    np.testing.assert_allclose(found.position_w[:, 0], [1.0, 1.0, 1.0, 1.5, 2.0, 2.0, 2.0])


def test_feet_that_walk_onto_an_object_need_no_anchor() -> None:
    walked = replace(SIDE, walked=True)
    assert anchors(TIMELINE, {HAND: walked}, np.zeros((1, 3)), IDENTITY[None], np.ones(1), CONFIG) == ()


def test_frames_of_a_contact() -> None:
    assert interval(TIMELINE, HAND, 121) == (30, 90)
    odd = Timeline(PLAN, np.array([1.01, 2.0, 1.0]))
    assert interval(odd, HAND, 121) == (31, 90), "from the first frame in which it holds to the last"
    assert interval(odd, HAND, 60) == (31, 59)
    tap = PlannedContact("head", first=0, last=0)
    tapped = Timeline.of(InteractionPlan("", "butt", "ball", (tap,), PLAN.phases))
    assert interval(tapped, tap, 121) == (30, 30)


def test_labels_by_hand() -> None:
    labels = contact_labels(PLAN, TIMELINE, 121)
    wrist, pelvis, finger = (JOINT_INDEX[n] for n in ("left_wrist", "pelvis", "left_index1"))
    np.testing.assert_array_equal(np.flatnonzero(labels[:, wrist] == 1), np.arange(30, 91))
    np.testing.assert_array_equal(labels[:, wrist].clip(max=0), 0, err_msg="on its way it may touch or not")
    np.testing.assert_array_equal(np.flatnonzero(labels[:, pelvis] == 1), np.arange(30, 91))
    np.testing.assert_array_equal(labels[:, finger], 0)
    for free in ("head", "left_knee", "right_foot", "spine3"):
        np.testing.assert_array_equal(labels[:, JOINT_INDEX[free]], -1, err_msg=free)
    np.testing.assert_array_equal(labels[:, JOINT_INDEX["left_hip"]], 0, err_msg="it belongs to the hips")


def test_keypoints_of_the_graph_are_the_hands_and_lie_on_the_surface() -> None:
    """A flat right hand whose palm is on top of the box."""
    wrists = [i for i, joint in enumerate(KEYPOINT_JOINTS) if joint == TOP.joint]
    palm = keypoint_offsets(OFFSETS)[wrists]
    down = Hold(TOP.joint, np.array([0.0, 0.05, 0.1 - palm[:, 2].min()]), IDENTITY, TOP.normal_b)
    graph = contact_graph(TIMELINE, {HAND: SIDE, REST: down}, BOX, OFFSETS, 121)
    assert {name.removeprefix("left").removeprefix("right")[:4] for name in graph.keypoints} == {"Hand"}
    np.testing.assert_allclose(BOX.signed_distance(graph.points_b), 0.0, atol=1e-9)
    np.testing.assert_array_equal(graph.first_frame.min(), 30)
    np.testing.assert_array_equal(graph.last_frame.max(), 90)
    for name, point in zip(graph.keypoints, graph.points_b, strict=True):
        joint = KEYPOINT_JOINTS[KEYPOINT_INDEX[name]]
        assert joint in (*part_joints("left_hand"), *part_joints("right_hand"))
        hold = SIDE if joint == SIDE.joint else down
        where = hold.position_b + keypoint_offsets(OFFSETS)[KEYPOINT_INDEX[name]]
        away = abs(float(BOX.signed_distance(where[None])[0]))
        assert np.linalg.norm(point - where) == pytest.approx(away, abs=1e-9), "the nearest on the surface"


def test_keypoints_of_the_graph_face_the_surface() -> None:
    """A thin plate in the hand: the back of the hand is within reach of it, but looks the other way."""
    plate = Shape.of(Primitive("box", (0.4, 0.4, 0.002)))
    down = Hold(TOP.joint, np.array([0.0, 0.1, 0.012]), IDENTITY, TOP.normal_b)
    graph = contact_graph(TIMELINE, {REST: down}, plate, OFFSETS, 91)
    turned = rotations.from_rotvec(np.array([0.0, np.pi, 0.0]))
    other = contact_graph(TIMELINE, {REST: replace(down, rotation_b=turned)}, plate, OFFSETS, 91)
    assert graph.keypoints
    assert not set(graph.keypoints) & set(other.keypoints)


def test_the_graph_follows_a_sliding_hand() -> None:
    """Every frame it is held in has a place, within a tenth of a second's way of where the palm then is."""
    times = np.arange(121) / 30.0
    still = np.zeros((121, 3)), np.tile(IDENTITY, (121, 1))
    (found,) = anchors(TIMELINE, {WIPE: TOP}, *still, times, CONFIG)
    graph = contact_graph(TIMELINE, {WIPE: TOP}, BOX, OFFSETS, 121)
    active, half = graph.active(121), 1.5 / 30.0 * 2.0 * np.pi * 0.08
    assert active[30:91].any(1).all()
    assert not active[:30].any()
    assert not active[91:].any()
    row = [KEYPOINT_INDEX[name] for name in graph.keypoints]
    palm = found.position_w[:, None] + keypoint_offsets(OFFSETS)[row]
    off = np.linalg.norm((palm - graph.points_b)[..., :2], axis=-1)
    inside = (np.abs(palm[..., :2]) < [0.15, 0.2]).all(-1)
    assert off[active & inside].max() < half


def test_circles_are_as_large_as_the_surface_lets_them() -> None:
    """In the middle of the top 8 cm; 5 cm from its edge nearly that; on the crown of a ball of 10 cm
    sqrt(0.1^2 + r^2) - 0.1 < 6 mm, r < 3.5 cm."""
    up = np.array([0.0, 0.0, 1.0])
    assert sliding_radius(BOX, np.array([0.0, 0.0, 0.1]), up) == pytest.approx(0.08)
    assert sliding_radius(BOX, np.array([0.1, 0.0, 0.1]), up) == pytest.approx(0.05)
    ball = Shape.of(Primitive("sphere", (0.1,)))
    assert sliding_radius(ball, np.array([0.0, 0.0, 0.1]), up) == pytest.approx(0.03)
    assert sliding_radius(ball, np.array([0.0, 0.0, 0.3]), up) == 0.0, "nothing there"


def test_a_hand_far_from_the_surface_still_has_its_nearest_keypoint() -> None:
    far = Hold(SIDE.joint, np.array([0.0, 0.8, 0.0]), IDENTITY, SIDE.normal_b)
    graph = contact_graph(TIMELINE, {HAND: far}, BOX, OFFSETS, 121)
    assert len(graph) >= 1
    assert set(zip(graph.first_frame, graph.last_frame, strict=True)) == {(30, 90)}
    assert len(contact_graph(TIMELINE, {}, BOX, OFFSETS, 121)) == 0


@pytest.mark.parametrize(
    ("part", "joint"),
    [("left_hand", "left_wrist"), ("right_foot", "right_ankle"), ("hips", "pelvis"), ("back", "spine3"),
     ("left_arm", "left_elbow"), ("right_leg", "right_knee")],
)  # fmt: skip
def test_the_joint_that_carries_a_part(part: str, joint: str) -> None:
    assert JOINT_NAMES[joint_of(part)] == joint  # type: ignore[arg-type]
