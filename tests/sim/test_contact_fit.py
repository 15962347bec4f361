"""Hands onto and out of objects: gaps by hand, what moves, what must not, and real clips."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sim import humanoid, rotations, skeleton
from sim.body.capsules import FOOT_JOINTS
from sim.contact_fit import (
    ContactFitConfig,
    FitResult,
    fit_contacts,
    hand_contact,
    hand_contact_points,
    hand_gaps,
    hand_labels,
)
from sim.contact_graph import ContactGraph
from sim.geometry import Primitive
from sim.motion import Motion, MotionObject
from sim.scene import Scene, SceneConfig, build_scene
from sim.skeleton import JOINT_INDEX

FRAMES = 40
HELD = slice(12, 28)
PALM = 0.014
TABLE = Primitive("box", (0.5, 0.4, 0.3))
LEFT, RIGHT = JOINT_INDEX["left_wrist"], JOINT_INDEX["right_wrist"]
Make = Callable[..., Motion]
Rest = Callable[..., MotionObject]


def labels(*joints: int, held: slice = HELD) -> np.ndarray:
    table = np.zeros((FRAMES, 52), np.int8)
    table[held, list(joints)] = 1
    return table


def over_a_table(standing: Make, resting: Rest, gap: float, **changes: object) -> Motion:
    """The left hand of a T-pose over a static table top, `gap` below the palm."""
    wrist = standing(2).joint_positions_w[0, LEFT]
    top = wrist + np.array([0.0, 0.09, -PALM - gap])
    table = resting(TABLE, tuple(top - [0.0, 0.0, 0.15]), FRAMES, name="table", is_static=True)
    return standing(FRAMES, objects=(table,), **({"contact_labels": labels(LEFT)} | changes))


def fit(motion: Motion, config: ContactFitConfig | None = None) -> tuple[FitResult, Scene]:
    scene = build_scene(motion.offsets, motion.objects, SceneConfig())
    return fit_contacts(motion, scene, config or ContactFitConfig()), scene


# -- measuring -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", [0.05, 0.02, -0.01, -0.03])
def test_the_gap_is_the_distance_from_palm_to_surface(standing: Make, resting: Rest, gap: float) -> None:
    motion = over_a_table(standing, resting, gap)
    gaps, ways = hand_gaps(motion, build_scene(motion.offsets, motion.objects, SceneConfig()))
    np.testing.assert_allclose(gaps[:, 0], gap, atol=1e-3)
    np.testing.assert_allclose(ways[:, 0], np.tile([0.0, 0.0, -gap], (FRAMES, 1)), atol=2e-3)
    np.testing.assert_array_equal(gaps[:, 1], 0.5)
    np.testing.assert_array_equal(ways[:, 1], 0.0)


def test_the_nearer_of_two_objects_counts(standing: Make, resting: Rest) -> None:
    motion = over_a_table(standing, resting, 0.05)
    wrist = motion.joint_positions_w[0, LEFT]
    lamp = resting(
        Primitive("sphere", (0.1,)), tuple(wrist + np.array([0, 0.05, PALM + 0.1 + 0.02])), FRAMES, name="lamp"
    )
    motion = motion.replace(objects=(*motion.objects, lamp))
    gaps, _ = hand_gaps(motion, build_scene(motion.offsets, motion.objects, SceneConfig()))
    np.testing.assert_allclose(gaps[:, 0], 0.02, atol=2e-3)


def test_contact_comes_from_labels_and_else_from_the_graph(standing: Make, resting: Rest) -> None:
    motion = over_a_table(standing, resting, 0.0, contact_labels=labels(JOINT_INDEX["right_index2"]))
    expected = np.zeros((FRAMES, 2), bool)
    expected[HELD, 1] = True
    np.testing.assert_array_equal(hand_contact(motion), expected)
    graph = ContactGraph(("leftHand_palm",), [0], [[0, 0, 0.15]], [5], [9])
    expected = np.zeros((FRAMES, 2), bool)
    expected[5:10, 0] = True
    np.testing.assert_array_equal(hand_contact(motion.replace(contact_labels=None, contacts=graph)), expected)
    assert not hand_contact(motion.replace(contact_labels=None)).any()
    avoid = -labels(LEFT)
    assert not hand_contact(motion.replace(contact_labels=avoid)).any()


def test_a_hand_must_may_or_must_not_touch(standing: Make, resting: Rest) -> None:
    """Frames 0-4: a finger must, all of the hand must not, part of it must not, nothing said, must and must not."""
    hand = [j for j, name in enumerate(skeleton.JOINT_NAMES) if humanoid.is_hand(j) and name.startswith("left")]
    marks = np.zeros((FRAMES, 52), np.int8)
    marks[0, hand[3]], marks[4, hand[3]] = 1, 1
    marks[1, hand], marks[2, hand[2:]], marks[4, hand[5:]] = -1, -1, -1
    motion = over_a_table(standing, resting, 0.0, contact_labels=marks)
    np.testing.assert_array_equal(hand_labels(motion)[:5, 0], [1, -1, 0, 0, 1])
    assert not hand_labels(motion)[:, 1].any()


def test_outside_the_graph_a_hand_must_not_touch_unless_something_touches(standing: Make, resting: Rest) -> None:
    graph = ContactGraph(("leftHand_palm",), [0], [[0, 0, 0.15]], [5], [9])
    motion = over_a_table(standing, resting, 0.0, contact_labels=None).replace(contacts=graph)
    held = np.where(np.isin(np.arange(FRAMES), range(5, 10)), 1, -1)
    np.testing.assert_array_equal(hand_labels(motion).T, [held, np.full(FRAMES, -1)])
    flag = np.zeros(FRAMES, np.int8)
    flag[4:8] = 1
    left, right = held.copy(), np.full(FRAMES, -1)
    left[4], right[4:8] = 0, 0
    np.testing.assert_array_equal(hand_labels(motion.replace(object_contact=flag)).T, [left, right])


def test_pushing_points_lie_at_the_touched_object_alone(standing: Make, resting: Rest) -> None:
    motion = over_a_table(standing, resting, 0.001)
    static = hand_contact_points(motion, build_scene(motion.offsets, motion.objects, SceneConfig()))
    assert not static.active.any(), "a welded table needs no push"
    objects = tuple(MotionObject(o.name, o.geometry, o.position_w, o.rotation_w) for o in motion.objects)
    motion = motion.replace(objects=objects)
    points = hand_contact_points(motion, build_scene(motion.offsets, motion.objects, SceneConfig()))
    assert points.active[HELD].any(1).all()
    assert not points.active[: HELD.start].any()
    assert set(points.bodies[points.active]) <= {"left_wrist", "left_middle1"}
    np.testing.assert_allclose(
        points.normals_w[points.active], np.tile([0.0, 0, 1], (points.active.sum(), 1)), atol=1e-6
    )


# -- moving ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", [0.03, -0.03])
def test_a_hand_comes_to_the_surface_and_nothing_else_moves(standing: Make, resting: Rest, gap: float) -> None:
    motion = over_a_table(standing, resting, gap)
    result, scene = fit(motion)
    assert result.gap_before_mm == {"left": pytest.approx(1000 * gap, abs=1.0)}
    assert abs(result.gap_after_mm["left"]) < 3.0
    after, _ = hand_gaps(result.motion, scene)
    assert np.abs(after[HELD, 0]).max() < 0.003
    assert result.penetration_after_mm < 3.0
    moved = np.linalg.norm(result.motion.joint_positions_w - motion.joint_positions_w, axis=-1)
    arm = [j for name, j in JOINT_INDEX.items() if name.startswith("left") and not name.endswith(("hip", "knee"))]
    others = [j for j in range(52) if j not in arm or j in FOOT_JOINTS]
    assert moved[:, others].max() < 1e-6
    assert moved[HELD, LEFT].min() > 0.02
    turned = rotations.angle_between(result.motion.joint_rotations_w[:, LEFT], motion.joint_rotations_w[:, LEFT])
    assert np.degrees(turned).max() < 1.0
    np.testing.assert_array_equal(result.motion.root_position_w, motion.root_position_w)
    np.testing.assert_array_equal(result.motion.offsets, motion.offsets)


def test_corrections_fade_in_and_out(standing: Make, resting: Rest) -> None:
    motion = over_a_table(standing, resting, 0.03)
    result, _ = fit(motion, ContactFitConfig(fade_seconds=0.2, smoothing_seconds=0.03))
    shift = result.motion.joint_positions_w[:, LEFT] - motion.joint_positions_w[:, LEFT]
    assert np.linalg.norm(shift[[0, -1]], axis=-1).max() < 1e-6, "0.4 s away nothing moves any more"
    speed = np.linalg.norm(np.diff(shift, axis=0), axis=-1) * 30.0
    assert speed.max() < 0.5, "30 mm in 0.2 s, eased, is at most 0.25 m/s"
    middle = shift[HELD]
    np.testing.assert_allclose(middle, np.tile(middle.mean(0), (len(middle), 1)), atol=0.003)


def test_without_contact_a_near_hand_is_left_alone(standing: Make, resting: Rest) -> None:
    motion = over_a_table(standing, resting, 0.02, contact_labels=np.zeros((FRAMES, 52), np.int8))
    result, _ = fit(motion)
    assert (result.gap_before_mm, result.gap_after_mm) == ({}, {})
    np.testing.assert_array_equal(result.motion.joint_rotations_b, motion.joint_rotations_b)


def test_without_contact_a_hand_inside_is_moved_out(standing: Make, resting: Rest) -> None:
    motion = over_a_table(standing, resting, -0.02, contact_labels=None)
    result, _ = fit(motion)
    assert result.gap_after_mm == {}
    assert result.penetration_before_mm == pytest.approx(20.0, abs=1.0)
    assert result.penetration_after_mm < 3.0


def test_a_hand_far_from_what_it_is_said_to_touch_stays(standing: Make, resting: Rest) -> None:
    """A wrong label must not drag the hand by the largest shift to nowhere."""
    motion = over_a_table(standing, resting, 0.25)
    result, _ = fit(motion)
    assert result.gap_before_mm["left"] == pytest.approx(250.0, abs=2.0)
    np.testing.assert_allclose(result.motion.joint_positions_w, motion.joint_positions_w, atol=1e-9)


def test_a_wrong_label_among_right_ones_does_not_drag_the_hand_away(standing: Make, resting: Rest) -> None:
    motion = over_a_table(standing, resting, 0.03)
    table = motion.objects[0]
    gone = table.position_w - np.where(np.arange(FRAMES) < 20, 0.0, 0.3)[:, None] * [0.0, 0.0, 1.0]
    motion = motion.replace(objects=(MotionObject("table", TABLE, gone, table.rotation_w),))
    result, _ = fit(motion, ContactFitConfig(smoothing_seconds=0.02))
    shift = np.linalg.norm(result.motion.joint_positions_w - motion.joint_positions_w, axis=-1)[:, LEFT]
    assert shift.max() < 0.035, "0.33 m is further than hands are moved"
    assert shift[13:18].min() > 0.025


def test_no_hand_is_moved_further_than_allowed(standing: Make, resting: Rest) -> None:
    result, _ = fit(over_a_table(standing, resting, 0.04), ContactFitConfig(max_shift=0.015))
    motion = over_a_table(standing, resting, 0.04)
    shift = np.linalg.norm(result.motion.joint_positions_w - motion.joint_positions_w, axis=-1)
    assert shift[:, LEFT].max() < 0.016


def test_no_passes_change_nothing(standing: Make, resting: Rest) -> None:
    motion = over_a_table(standing, resting, 0.03)
    result, _ = fit(motion, ContactFitConfig(passes=0))
    assert result.gap_after_mm == result.gap_before_mm
    np.testing.assert_array_equal(result.motion.joint_rotations_b, motion.joint_rotations_b)


@pytest.mark.parametrize("objects", [0, 1])
def test_nothing_near_at_all(standing: Make, resting: Rest, objects: int) -> None:
    far = (resting(TABLE, (50.0, 0.0, 0.15), FRAMES),)[:objects]
    motion = standing(FRAMES, objects=far, contact_labels=labels(LEFT, RIGHT))
    result, _ = fit(motion)
    assert result.gap_before_mm == result.gap_after_mm
    assert set(result.gap_after_mm.values()) == {500.0}, "the measure ends at half a metre"
    assert result.penetration_after_mm == 0.0
    np.testing.assert_allclose(result.motion.joint_positions_w, motion.joint_positions_w, atol=1e-9)


@pytest.mark.parametrize("gap", [0.03, -0.03])
def test_a_straight_arm_is_not_turned_over_for_what_is_out_of_reach(standing: Make, resting: Rest, gap: float) -> None:
    """The T-pose's arms are straight: a wall beyond the finger tips cannot be reached, one before them can."""
    motion = standing(FRAMES)
    tip = motion.joint_positions_w[0, LEFT] + np.array([0.0, 0.135, 0.0])
    wall = resting(
        Primitive("box", (1.0, 0.6, 1.0)),
        tuple(np.add(tip, [0.0, 0.3 + gap, 0.0])),
        FRAMES,
        name="wall",
        is_static=True,
    )
    motion = motion.replace(objects=(wall,), contact_labels=labels(LEFT))
    result, _ = fit(motion)
    turned = rotations.angle_between(result.motion.joint_rotations_b, motion.joint_rotations_b)
    assert np.degrees(turned).max() < 60.0
    shift = np.linalg.norm(result.motion.joint_positions_w - motion.joint_positions_w, axis=-1)
    assert shift[:, LEFT].max() < 0.05
    step = np.linalg.norm(np.diff(result.motion.joint_positions_w, axis=0), axis=-1).max()
    assert step < 0.04, f"{step * 1000:.0f} mm in a frame"
    if gap < 0:
        assert abs(result.gap_after_mm["left"]) < 3.0
    else:
        assert result.gap_after_mm["left"] < 1000 * gap + 4.0


@pytest.mark.parametrize("clip", ["sub8_smallbox_003", "sub8_plasticbox_000"])
def test_arms_of_real_clips_do_not_flip(clip: str, omomo: Callable[[str], Motion]) -> None:
    motion = omomo(clip)
    item = motion.objects[0]
    box = Primitive("box", tuple(np.ptp(item.geometry.vertices, axis=0)))  # type: ignore[union-attr]
    motion = motion.replace(objects=(MotionObject(item.name, box, item.position_w, item.rotation_w),))
    result, _ = fit(motion)
    q = result.motion.joint_rotations_b
    before, after = (rotations.angle_between(r[1:].copy(), r[:-1].copy()) for r in (motion.joint_rotations_b, q))
    assert np.degrees(after - before).max() < 15.0
    shift = np.linalg.norm(result.motion.joint_positions_w - motion.joint_positions_w, axis=-1)
    assert shift[:, [LEFT, RIGHT]].max() < 0.105
