"""Limbs reach what is within reach, keep their bones, and turn no farther than they must."""

from __future__ import annotations

import numpy as np
import pytest

from generate.motion.limbs import bend, stand
from generate.motion.postures import relaxed
from sim import rotations, skeleton
from sim.skeleton import JOINT_INDEX
from sim.subject import default_offsets

OFFSETS = default_offsets()
FREE = relaxed(OFFSETS, 0.07)
CHAIN = (JOINT_INDEX["left_shoulder"], JOINT_INDEX["left_elbow"], JOINT_INDEX["left_wrist"])


def posed(local: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    joints, turned = skeleton.forward_kinematics(local, FREE.root[None], OFFSETS)
    return joints[0], turned[0]


def test_the_wrist_goes_where_it_is_told_turned_as_told_and_the_fingers_go_along() -> None:
    before, _ = posed(FREE.rotations_b[None])
    goal = before[CHAIN[0]] + [0.3, 0.1, -0.2]
    palm = rotations.normalize(np.array([0.5, 0.1, -0.4, 0.2]))
    local = bend(FREE.rotations_b[None], FREE.root[None], OFFSETS, CHAIN, goal[None], palm[None], np.ones(1))
    after, now = posed(local)
    np.testing.assert_allclose(after[CHAIN[2]], goal, atol=1e-7)
    assert rotations.angle_between(now[CHAIN[2]], palm) < 1e-6
    finger = JOINT_INDEX["left_index2"]
    np.testing.assert_allclose(local[0, finger], FREE.rotations_b[finger], atol=1e-9, err_msg="bent as before")
    others = [j for j in range(52) if not "left_shoulder left_elbow left_wrist".count(skeleton.JOINT_NAMES[j])]
    np.testing.assert_allclose(np.abs((local[0, others] * FREE.rotations_b[others]).sum(-1)), 1.0, atol=1e-9)


def test_no_weight_changes_nothing_and_out_of_reach_stretches() -> None:
    before, turned = posed(FREE.rotations_b[None])
    far = before[CHAIN[0]] + [3.0, 0.0, 0.0]
    same = bend(FREE.rotations_b[None], FREE.root[None], OFFSETS, CHAIN, far[None], turned[None, CHAIN[2]], np.zeros(1))
    np.testing.assert_allclose(posed(same)[0], before, atol=1e-7)
    stretched = posed(
        bend(FREE.rotations_b[None], FREE.root[None], OFFSETS, CHAIN, far[None], turned[None, CHAIN[2]], np.ones(1))
    )[0]
    arm = stretched[CHAIN[2]] - stretched[CHAIN[0]]
    length = np.linalg.norm(OFFSETS[[CHAIN[1], CHAIN[2]]], axis=1).sum()
    np.testing.assert_allclose(arm, [0.995 * length, 0.0, 0.0], atol=1e-3)


def test_legs_stand_where_the_gait_has_the_feet() -> None:
    ankles = np.array([[[0.1, 0.12, 0.07], [-0.1, -0.12, 0.1]]])
    feet = np.tile([1.0, 0.0, 0.0, 0.0], (1, 2, 1))
    local = stand(FREE.rotations_b[None], FREE.root[None], OFFSETS, ankles, feet)
    joints, turned = posed(local)
    np.testing.assert_allclose(joints[[JOINT_INDEX["left_ankle"], JOINT_INDEX["right_ankle"]]], ankles[0], atol=1e-7)
    for side in ("left", "right"):
        assert joints[JOINT_INDEX[f"{side}_knee"], 0] > joints[JOINT_INDEX[f"{side}_hip"], 0] - 0.1, "knees forward"
        np.testing.assert_allclose(turned[JOINT_INDEX[f"{side}_ankle"]], [1, 0, 0, 0], atol=1e-9)


@pytest.mark.parametrize(("names", "ahead"), [(("hip", "knee", "ankle"), 1.0), (("shoulder", "elbow", "wrist"), -1.0)])
def test_a_straight_limb_bends_as_limbs_do(names: tuple[str, str, str], ahead: float) -> None:
    """In the T-pose both are straight; a goal on the line itself leaves the side to anatomy."""
    chain = tuple(JOINT_INDEX[f"left_{name}"] for name in names)
    offsets = OFFSETS.copy()
    offsets[chain[2]] = offsets[chain[1]]  # exactly straight
    local = np.tile([1.0, 0.0, 0.0, 0.0], (1, 52, 1))
    joints, turned = skeleton.forward_kinematics(local, FREE.root[None], offsets)
    start, end = joints[:, chain[0]], joints[:, chain[2]]
    goal = start + 0.6 * (end - start)
    found = bend(local, FREE.root[None], offsets, chain, goal, turned[:, chain[2]], np.ones(1))
    after = skeleton.forward_kinematics(found, FREE.root[None], offsets)[0]
    np.testing.assert_allclose(after[:, chain[2]], goal, atol=1e-6)
    assert ahead * (after - 0.5 * (start + goal))[0, chain[1], 0] > 0.1
