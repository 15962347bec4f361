"""The first course of a clip: feet that stay where they stand, a balanced centre of mass, and arms that swing."""

from __future__ import annotations

import numpy as np
import pytest

from generate.gait import GRAVITY, track_feet
from generate.motion.config import GaitConfig
from generate.motion.draft import Draft, center_of_mass, draft, foot_rotations
from generate.motion.loads import Load, push_lean
from generate.motion.postures import Posture, relaxed
from generate.motion.stances import Foot, Stance, balls, footsteps, toes
from generate.motion.timeline import FPS, Timeline
from generate.plan import InteractionPlan, Phase
from sim import rotations, skeleton
from sim.skeleton import JOINT_INDEX, SIDES
from sim.subject import default_offsets

OFFSETS = default_offsets()
GAIT = GaitConfig()
FOOT = Foot(
    float(np.hypot(*OFFSETS[JOINT_INDEX["left_foot"], :2])), 0.08, 0.08 + float(OFFSETS[JOINT_INDEX["left_foot"], 2])
)
FREE = relaxed(OFFSETS, FOOT.ankle_height)
STANCES = [Stance(0.0, 0.0, 0.0), Stance(0.9, 0.0, 0.0), Stance(0.9, 0.0, 0.0)]
TIMELINE = Timeline.of(InteractionPlan("", "walk", "box", (), (Phase("approach", 2.0), Phase("hold", 1.0))))
TIMES = TIMELINE.times
COUNT = len(TIMES)
NO_LOAD = Load(np.zeros(COUNT), np.zeros((COUNT, 3)), np.zeros((COUNT, 2)))
STEPS = footsteps(STANCES, TIMELINE.bounds, GAIT, FOOT)
FEET = track_feet(
    TIMES, balls(STANCES[0], GAIT, FOOT), toes(STANCES[0], GAIT), FOOT.length, STEPS, lift=0.06, heel_rise=0.3
)


def drafted(load: Load = NO_LOAD, postures: list[Posture] | None = None, standing: float = 1.0) -> Draft:
    return draft(
        TIMELINE, TIMES, STANCES, postures or [FREE] * 3, FEET, OFFSETS, load, np.full((COUNT, 2), standing),
        np.full(COUNT, standing), 1.75,
    )  # fmt: skip


@pytest.fixture(scope="module")
def walk() -> Draft:
    return drafted()


def test_standing_feet_do_not_move_and_ankles_are_where_they_should_be(walk: Draft) -> None:
    joints, _ = skeleton.forward_kinematics(walk.rotations_b, walk.root_w, OFFSETS)
    for i, side in enumerate(SIDES):
        np.testing.assert_allclose(joints[:, JOINT_INDEX[f"{side}_ankle"]], walk.ankles_w[:, i], atol=1e-6)
        ball = joints[:, JOINT_INDEX[f"{side}_foot"]]
        np.testing.assert_allclose(ball, FEET.ball_w[:, i], atol=1e-6)
        still = FEET.planted[1:, i] & FEET.planted[:-1, i]
        assert np.linalg.norm(np.diff(ball, axis=0), axis=1)[still].max() < 1e-6
        assert still.sum() > 30
        knee, hip, ankle = (joints[:, JOINT_INDEX[f"{side}_{n}"]] for n in ("knee", "hip", "ankle"))
        assert (knee[:, 0] > 0.5 * (hip + ankle)[:, 0] - 0.01).all(), "knees bend forward"


def test_the_centre_of_mass_is_where_the_feet_support_it(walk: Draft) -> None:
    center = center_of_mass(walk.rotations_b, walk.root_w, OFFSETS, NO_LOAD)
    off = np.linalg.norm(center - walk.center_w, axis=1)
    assert off.mean() < 0.01
    assert off.max() < 0.03
    sway = walk.center_w[:, 1]
    assert 0.005 < np.abs(sway).max() < 0.5 * GAIT.stance_width
    np.testing.assert_allclose(walk.center_w[-1, 0], STANCES[-1].x, atol=0.03, err_msg="over the feet at the end")


def test_a_load_moves_the_body_the_other_way(walk: Draft) -> None:
    """30 % of the body's weight 0.4 m ahead of the last stance: the body goes back by 0.3 times the way to it."""
    ahead = np.column_stack((walk.center_w + [[0.4, 0.0]], np.full(COUNT, 1.0)))
    load = Load(np.full(COUNT, 0.3), ahead, np.zeros((COUNT, 2)))
    loaded = drafted(load)
    together = center_of_mass(loaded.rotations_b, loaded.root_w, OFFSETS, load)
    body = center_of_mass(loaded.rotations_b, loaded.root_w, OFFSETS, NO_LOAD)
    np.testing.assert_allclose(together, (body + 0.3 * ahead[:, :2]) / 1.3, atol=1e-9)
    assert np.linalg.norm(together - loaded.center_w, axis=1).max() < 0.03
    assert (body[:, 0] < loaded.center_w[:, 0] - 0.08).all()


def test_one_who_pushes_leans_into_it(walk: Draft) -> None:
    """100 N at 1 m over the floor, 70 kg: the centre of mass leads by 100 / (70 * 9.81) m."""
    lean = push_lean(np.array([100.0]), np.array([[0.0, 1.0]]), np.array([1.0]), 70.0)
    np.testing.assert_allclose(lean, [[0.0, 100.0 / (70.0 * GRAVITY)]])
    pushing = drafted(Load(np.zeros(COUNT), np.zeros((COUNT, 3)), np.tile([0.05, 0.0], (COUNT, 1))))
    np.testing.assert_allclose((pushing.center_w - walk.center_w)[:, 0], 0.05, atol=1e-6)


def test_arms_swing_against_the_legs(walk: Draft) -> None:
    joints, _ = skeleton.forward_kinematics(walk.rotations_b, walk.root_w, OFFSETS)
    stride = FEET.ball_w[:, 1, 0] - FEET.ball_w[:, 0, 0]
    swing = joints[:, JOINT_INDEX["left_wrist"], 0] - joints[:, JOINT_INDEX["right_wrist"], 0]
    wide = np.abs(stride) > 0.2
    assert wide.sum() > 10
    assert (np.sign(swing) == np.sign(stride))[wide].all(), "the left arm goes with the right foot"


def test_feet_off_the_floor_stay_as_the_posture_has_them() -> None:
    """With nothing on the floor legs and root are those of the blended postures on the way of the stances."""
    high = Posture(FREE.rotations_b, FREE.root + [0.0, 0.0, 0.5])
    found = drafted(postures=[high] * 3, standing=0.0)
    legs = [JOINT_INDEX[f"{side}_{name}"] for side in SIDES for name in ("hip", "knee", "ankle")]
    same = np.abs((found.rotations_b[:, legs] * FREE.rotations_b[legs]).sum(-1))
    np.testing.assert_allclose(same, 1.0, atol=1e-9)
    np.testing.assert_allclose(found.root_w[[0, -1]], [[-0.03, 0, high.root[2]], [0.87, 0, high.root[2]]], atol=1e-9)


def test_heels_rise_about_the_ball() -> None:
    raised = FEET.pitch > 0.1
    assert raised.any()
    toes_down = rotations.rotate(foot_rotations(FEET)[raised], np.array([1.0, 0.0, 0.0]))
    assert (toes_down[:, 2] < 0.0).all()
    to_ball = OFFSETS[[JOINT_INDEX[f"{side}_foot"] for side in SIDES]]
    ankles = FEET.ball_w - rotations.rotate(foot_rotations(FEET), np.broadcast_to(to_ball, FEET.ball_w.shape).copy())
    still = FEET.planted & raised
    assert still.any()
    assert (ankles[..., 2] > FEET.ball_w[..., 2] - OFFSETS[JOINT_INDEX["left_foot"], 2])[still].all()


def test_half_way_between_two_postures() -> None:
    low = Posture(FREE.rotations_b, FREE.root - [0.0, 0.0, 0.3])
    found = drafted(postures=[FREE, FREE, low], standing=0.0)
    middle = int(2.5 * FPS)
    assert found.root_w[middle, 2] == pytest.approx(FREE.root[2] - 0.15, abs=0.01)
