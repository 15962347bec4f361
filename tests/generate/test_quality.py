"""Zero-shot figures: known bodies beside and in known boxes, and the planned frames they are counted over."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from generate.authored import author_box_push
from generate.plan import InteractionPlan, Phase, PlannedContact
from generate.quality import FIGURES, contact_ratio, diversity, measure_motion, planned_frames
from sim.body.skin import capsule_skin
from sim.contact_graph import ContactGraph
from sim.errors import MotionError
from sim.geometry import Primitive
from sim.motion import Motion, MotionObject
from sim.skeleton import NUM_JOINTS
from sim.subject import default_offsets

FRAMES = 31
PUSH = InteractionPlan(
    "a person pushes the box", "push", "box",
    (PlannedContact("right_hand", "sides", 1, 1), PlannedContact("left_hand", "sides", 1, 1)),
    (Phase("reach", 0.5), Phase("move", 0.5, forward=0.2)),
)  # fmt: skip


def t_pose(*boxes: tuple[tuple[float, float, float], tuple[float, float, float]], root_z: float = 1.0) -> Motion:
    """Who does not move, beside boxes (centre, edges)."""
    turn = np.tile([1.0, 0.0, 0.0, 0.0], (FRAMES, 1))
    objects = tuple(
        MotionObject(f"box{i}", Primitive("box", size), np.tile(centre, (FRAMES, 1)), turn)
        for i, (centre, size) in enumerate(boxes)
    )
    return Motion(
        fps=30.0, root_position_w=np.tile([0.0, 0.0, root_z], (FRAMES, 1)),
        joint_rotations_b=np.tile([1.0, 0.0, 0.0, 0.0], (FRAMES, NUM_JOINTS, 1)), offsets=default_offsets(),
        objects=objects,
    )  # fmt: skip


def test_depth_and_share_are_those_of_the_vertices_in_a_box() -> None:
    """A box that swallows all that is left of y = 0.5: every vertex there is inside, the finger tips deepest."""
    motion = t_pose(((0.0, 5.5, 0.0), (20.0, 10.0, 20.0)))
    skin = capsule_skin(motion)
    y = skin.vertices(motion.joint_rotations_b[:1], motion.root_position_w[:1])[0, :, 1]
    found = measure_motion(motion, PUSH, skin)
    assert found.penetrating_percent == pytest.approx(100.0 * (y > 0.5).mean())
    assert found.depth_max_mm == pytest.approx(1000.0 * (y.max() - 0.5))
    assert found.depth_mean_mm == pytest.approx(1000.0 * (y[y > 0.5] - 0.5).mean())
    assert found.deepest == ("left_middle3", 0)


@pytest.mark.parametrize(("gap", "touches"), [(0.015, 1.0), (0.025, 0.0), (-0.03, 1.0)])
def test_contact_is_within_two_centimetres(gap: float, touches: float) -> None:
    """A wall beyond the tips of the left fingers; the right hand, planned as well, is nowhere near it."""
    motion = t_pose()
    skin = capsule_skin(motion)
    tip = skin.vertices(motion.joint_rotations_b[:1], motion.root_position_w[:1])[0, :, 1].max()
    motion = t_pose(((0.0, tip + gap + 0.5, 1.0), (4.0, 1.0, 4.0)))
    found = measure_motion(motion, PUSH, skin)
    assert found.contact_by_part == {"left_hand": touches, "right_hand": 0.0}
    assert found.contact_ratio == touches / 2


def test_the_nearest_of_several_objects_counts() -> None:
    motion = t_pose()
    skin = capsule_skin(motion)
    tip = skin.vertices(motion.joint_rotations_b[:1], motion.root_position_w[:1])[0, :, 1].max()
    walls = tuple(((0.0, sign * (tip + 0.51), 1.0), (4.0, 1.0, 4.0)) for sign in (1.0, -1.0))
    assert measure_motion(t_pose(*walls), PUSH, skin).contact_ratio == 1.0


def test_who_stands_still_skates_not_and_sinks_by_what_is_under_the_floor() -> None:
    motion = t_pose(((0.0, 9.0, 0.5), (1.0, 1.0, 1.0)))
    skin = capsule_skin(motion)
    lowest = skin.vertices(motion.joint_rotations_b[:1], motion.root_position_w[:1])[..., 2].min()
    sunk = motion.replace(root_position_w=motion.root_position_w - [0.0, 0.0, lowest + 0.012])
    found = measure_motion(sunk, PUSH, skin)
    assert found.floor_depth_mm == pytest.approx(12.0, abs=1e-6)
    assert (found.foot_skate_m_s, found.fs_mm) == (0.0, 0.0)
    assert (found.penetrating_percent, found.depth_max_mm, found.contact_ratio) == (0.0, 0.0, 0.0)


def test_sliding_as_a_whole_is_foot_skate() -> None:
    motion = t_pose(((0.0, 9.0, 0.5), (1.0, 1.0, 1.0)), root_z=0.92)
    path = np.array(motion.root_position_w)
    path[:, 0] += 0.3 * np.arange(FRAMES) / 30.0
    found = measure_motion(motion.replace(root_position_w=path), PUSH, capsule_skin(motion))
    assert found.foot_skate_m_s == pytest.approx(0.3)


def test_planned_frames_are_those_of_the_contact_graph() -> None:
    motion = t_pose(((0.0, 9.0, 0.5), (1.0, 1.0, 1.0)))
    graph = ContactGraph(
        ("leftHand_palm", "leftHand_palm", "leftFoot_sole"), np.zeros(3, int), np.zeros((3, 3)),
        np.array([3, 20, 0]), np.array([5, 21, 30]),
    )  # fmt: skip
    planned = planned_frames(motion.replace(contacts=graph), PUSH)
    assert set(planned) == {"left_hand", "right_hand"}  # the foot stands on the floor, nobody planned it
    assert np.flatnonzero(planned["left_hand"]).tolist() == [3, 4, 5, 20, 21]
    # of the right hand the graph says nothing: the plan's second phase, 0.5 s to 1.0 s
    assert np.flatnonzero(planned["right_hand"]).tolist() == list(range(15, 31))


def test_contact_ratio_weighs_parts_by_their_frames() -> None:
    planned = {"left_hand": np.array([1, 1, 1, 0], bool), "hips": np.array([0, 0, 0, 1], bool)}
    touching = {"left_hand": np.array([1, 0, 0, 1], bool), "hips": np.array([1, 1, 1, 1], bool)}
    assert contact_ratio(planned, touching) == pytest.approx(2 / 4)  # type: ignore[arg-type]
    assert np.isnan(contact_ratio({}, {}))


def test_diversity_is_the_mean_distance_over_pairs() -> None:
    """Three copies, moved by 0, 3 and 9 cm along x: the pairs are 3, 9 and 6 cm apart."""
    motion = t_pose()
    copies = [motion.replace(root_position_w=motion.root_position_w + [d, 0.0, 0.0]) for d in (0.0, 0.03, 0.09)]
    assert diversity(copies) == pytest.approx(0.06)
    assert diversity([copies[2], copies[1], copies[0]]) == pytest.approx(0.06)
    assert np.isnan(diversity(copies[:1]))


def test_diversity_compares_at_the_same_share_of_the_time() -> None:
    """Twice as slow is not diverse: 31 frames at 30 fps against every second of them."""
    motion = t_pose()
    path = np.array(motion.root_position_w)
    path[:, 0] += np.arange(FRAMES) * 0.1
    slow = motion.replace(root_position_w=path)
    fast = motion.replace(root_position_w=path[::2], joint_rotations_b=motion.joint_rotations_b[::2])
    assert diversity([slow, fast]) == pytest.approx(0.0, abs=1e-12)


def test_the_authored_push_touches_and_stays_out() -> None:
    """On the skin of physics, whose palms the clip was authored with."""
    motion = author_box_push()
    plan = dataclasses.replace(PUSH, phases=(Phase("reach", 3.0), Phase("move", 3.0, forward=1.0)))
    found = measure_motion(motion, plan, capsule_skin(motion))
    assert found.contact_ratio > 0.95
    assert found.penetrating_percent < 0.5
    assert found.foot_skate_m_s < 0.1
    away = motion.replace(
        objects=tuple(dataclasses.replace(o, position_w=o.position_w + [0.05, 0, 0]) for o in motion.objects)
    )
    assert measure_motion(away, plan, capsule_skin(motion)).contact_ratio < 0.2


def test_targets_know_which_way_is_better() -> None:
    assert FIGURES["contact_ratio"].met(0.96) is True
    assert FIGURES["contact_ratio"].met(0.94) is False
    assert FIGURES["depth_max_mm"].met(9.9) is True
    assert FIGURES["depth_max_mm"].met(10.1) is False
    assert FIGURES["fs_mm"].met(1.0) is None
    assert FIGURES["depth_max_mm"].met(None) is None


def test_nothing_is_not_a_number_in_json() -> None:
    motion = t_pose(((0.0, 9.0, 0.5), (1.0, 1.0, 1.0)))
    bare = InteractionPlan("a person walks to the box", "approach", "box", (), (Phase("approach", 1.0),))
    assert measure_motion(motion, bare, capsule_skin(motion)).to_json()["contact_ratio"] is None


def test_a_motion_without_an_object_is_refused() -> None:
    motion = t_pose()
    with pytest.raises(MotionError, match="object"):
        measure_motion(motion, PUSH, capsule_skin(motion))
