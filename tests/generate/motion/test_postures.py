"""Postures beside stances: round trips, blends, arms at ease, and descents that reach what is held."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from generate.motion.config import SpaceTimeConfig
from generate.motion.contacts import Hold
from generate.motion.energy import Anchors, Course, Subject
from generate.motion.postures import Posture, closing, holding, idle_arms, relaxed, settle
from generate.motion.stances import Stance
from generate.motion.timeline import Timeline
from generate.plan import InteractionPlan, Phase, PlannedContact
from sim import rotations, skeleton
from sim.skeleton import FINGER_JOINTS, JOINT_INDEX, SIDES
from sim.subject import default_offsets

OFFSETS = default_offsets()
HERE = Stance(0.0, 0.0, 0.0)
THERE = Stance(1.0, 2.0, 0.5 * np.pi)


def joints_w(posture: Posture, stance: Stance) -> np.ndarray:
    local, root = posture.at(stance)
    return skeleton.forward_kinematics(local, root, OFFSETS)[0]


def test_a_pose_beside_a_stance_and_back(free: Posture) -> None:
    """What is 0.3 m ahead of a stance that faces +y at (1, 2) is at (1, 2.3)."""
    moved = Posture(free.rotations_b, np.array([0.3, 0.0, 0.9]))
    local, root = moved.at(THERE)
    np.testing.assert_allclose(root, [1.0, 2.3, 0.9], atol=1e-12)
    ahead = rotations.rotate(local[0], np.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(ahead, [0.0, 1.0, 0.0], atol=1e-12)
    again = Posture.beside(THERE, local, root)
    np.testing.assert_allclose(again.root, moved.root, atol=1e-12)
    np.testing.assert_allclose(np.abs((again.rotations_b * moved.rotations_b).sum(-1)), 1.0, atol=1e-12)
    np.testing.assert_array_equal(free.rotations_b[0], [1, 0, 0, 0], err_msg="what is given stays as it is")


def test_towards_another_goes_half_way_with_its_own_fingers(free: Posture) -> None:
    bent = free.rotations_b.copy()
    knee, finger = JOINT_INDEX["left_knee"], JOINT_INDEX["left_index1"]
    bent[knee] = rotations.from_rotvec(np.array([0.0, 1.0, 0.0]))
    bent[finger] = rotations.from_rotvec(np.array([1.0, 0.0, 0.0]))
    other = Posture(bent, free.root + [0.2, 0.0, -0.4])
    half = free.towards(other, 0.5)
    np.testing.assert_allclose(half.root, free.root + [0.1, 0.0, -0.2])
    np.testing.assert_allclose(rotations.to_rotvec(half.rotations_b[knee]), [0.0, 0.5, 0.0], atol=1e-9)
    np.testing.assert_array_equal(half.rotations_b[list(FINGER_JOINTS)], free.rotations_b[list(FINGER_JOINTS)])
    np.testing.assert_allclose(free.towards(other, 0.0).rotations_b, free.rotations_b, atol=1e-12)


def test_relaxed_arms_hang_beside_the_body_alike_on_both_sides() -> None:
    posture = relaxed(OFFSETS, 0.07)
    joints = joints_w(posture, HERE)
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        shoulder, wrist = (joints[JOINT_INDEX[f"{side}_{name}"]] for name in ("shoulder", "wrist"))
        arm = (wrist - shoulder) / np.linalg.norm(wrist - shoulder)
        assert arm[2] < -0.95, "down"
        assert sign * wrist[1] > sign * joints[JOINT_INDEX[f"{side}_hip"], 1], "outside of the hips"
    mirrored = joints[JOINT_INDEX["right_wrist"]] * [1.0, -1.0, 1.0]
    np.testing.assert_allclose(joints[JOINT_INDEX["left_wrist"]], mirrored, atol=0.01)
    hip = joints[JOINT_INDEX["left_hip"], 2]
    leg = np.linalg.norm(OFFSETS[[JOINT_INDEX["left_knee"], JOINT_INDEX["left_ankle"]]], axis=1).sum()
    assert 0.95 * leg < hip - 0.07 < leg, "low enough for knees that are a little bent"


def test_an_idle_arm_hangs_however_the_trunk_bends_and_a_busy_one_stays(free: Posture) -> None:
    local = free.rotations_b.copy()
    local[JOINT_INDEX["spine1"]] = rotations.from_rotvec(np.array([0.0, 1.0, 0.0]))
    for side in SIDES:
        local[JOINT_INDEX[f"{side}_elbow"]] = rotations.from_rotvec(np.array([0.0, 0.0, 0.4]))
    stooped = Posture(local, free.root)
    found = idle_arms(stooped, free, {"right"})
    np.testing.assert_array_equal(found.rotations_b[JOINT_INDEX["right_elbow"]], local[JOINT_INDEX["right_elbow"]])
    joints, upright = joints_w(found, HERE), joints_w(free, HERE)
    arm = [JOINT_INDEX["left_shoulder"], JOINT_INDEX["left_wrist"]]
    np.testing.assert_allclose(np.diff(joints[arm], axis=0), np.diff(upright[arm], axis=0), atol=1e-9)


def test_fingers_close_as_the_hand_takes_hold_and_open_as_it_lets_go(free: Posture) -> None:
    contact, wrist = PlannedContact("left_hand", first=0, last=1), JOINT_INDEX["left_wrist"]
    timeline = Timeline.of(InteractionPlan("", "lift", "box", (contact,), (Phase("reach", 1), Phase("hold", 1))))
    fist = np.tile(rotations.from_rotvec(np.array([0.0, 0.8, 0.0])), (15, 1))
    grip = Hold(wrist, np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0]), fingers_b=fist)
    assert np.array_equal(holding([grip], free).rotations_b[wrist + 1 : wrist + 16], fist)
    times = np.array([0.5, 0.7, 1.0, 1.5, 2.0, 2.5])
    given = np.tile(free.rotations_b, (6, 1, 1))
    given[:, wrist + 1 : wrist + 16] = fist
    fingers = closing(timeline, {contact: grip}, times, given, free)[:, wrist + 1 : wrist + 16]
    at_ease = free.rotations_b[wrist + 1 : wrist + 16]
    for frame, expected in enumerate((at_ease, at_ease, fist, fist, fist, at_ease)):
        assert rotations.angle_between(fingers[frame], expected).max() < 1e-6, frame
    left_alone = closing(timeline, {contact: grip}, times, given, free)
    left_alone[:, wrist + 1 : wrist + 16] = fist
    np.testing.assert_array_equal(left_alone, given)


def test_descents_reach_the_anchors_of_their_bounds(
    subject: Subject, course: Callable[..., Course], free: Posture, wrist: Callable[..., Anchors]
) -> None:
    """In the first bound the left wrist is wanted 20 cm ahead; in the second nothing is, but the guess is 60 cm off its
    feet, and only the blend that is nearest to the relaxed posture comes back in 12 steps."""
    near, far = wrist((0.2, 0.0, 0.1), weight=1.0), wrist((0.2, 0.0, 0.1), weight=0.0)
    both = Anchors(near.joint, *(np.concatenate(pair) for pair in (
        (near.weight, far.weight), (near.position_w, far.position_w), (near.rotation_w, far.rotation_w))
    ))  # fmt: skip
    config = SpaceTimeConfig(posture_steps=12, rate=0.04)
    astray = Posture(free.rotations_b, free.root + [0.0, 0.6, 0.0])
    found = settle(subject, course(2, anchors=(both,)), config, [HERE, HERE], free, [free, astray])
    held, idle = (joints_w(posture, HERE)[near.joint] for posture in found)
    start = joints_w(free, HERE)[near.joint]
    assert np.linalg.norm(held - near.position_w[0]) < 0.04
    assert np.linalg.norm(idle - start) < 0.2
    ankle = JOINT_INDEX["left_ankle"]
    for posture in found:
        np.testing.assert_allclose(joints_w(posture, HERE)[ankle], joints_w(free, HERE)[ankle], atol=0.04)
    assert joints_w(found[0], HERE)[JOINT_INDEX["left_wrist"], 0] == pytest.approx(held[0])
