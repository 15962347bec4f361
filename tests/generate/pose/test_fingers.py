"""Hinges of fingers: ways they bend, ranges, no twist."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from generate.pose.body import standing
from generate.pose.fingers import HandHinges
from sim import rotations, skeleton
from sim.skeleton import JOINT_INDEX
from sim.subject import default_offsets

OFFSETS = default_offsets()


def tips(side: str, angles: torch.Tensor, hand: HandHinges) -> np.ndarray:
    """[5, 3] m, last joints of index to little finger and thumb from the wrist, in the T-pose."""
    pose = np.array(standing(OFFSETS).joint_rotations_b[0])
    pose[list(hand.joints)] = hand.rotations(angles).numpy()
    joints = skeleton.forward_kinematics(pose, np.zeros(3), OFFSETS)[0]
    return joints[list(hand.joints[2::3])] - joints[JOINT_INDEX[f"{side}_wrist"]]


@pytest.mark.parametrize("side", ["left", "right"])
def test_fingers_bend_towards_the_palm(side: str) -> None:
    """Palms face down in the T-pose: fingers go down and back towards the wrist, the thumb goes under the palm."""
    hand = HandHinges.of(OFFSETS, side, grasps=True)
    straight, bent = tips(side, hand.open(), hand), tips(side, hand.curled(0.8), hand)
    assert (bent[:4, 2] < straight[:4, 2] - 0.02).all()
    assert (np.abs(bent[:4, 1]) < np.abs(straight[:4, 1]) - 0.02).all()
    assert bent[4, 2] < straight[4, 2] - 0.005


def test_hands_are_mirror_images() -> None:
    hands = [HandHinges.of(OFFSETS, side, grasps=True) for side in ("left", "right")]
    left, right = (tips(side, hand.curled(0.5), hand) for side, hand in zip(("left", "right"), hands, strict=True))
    assert np.allclose(left * [1.0, -1.0, 1.0], right, atol=2e-3)


def test_angles_come_back_and_keep_to_their_ranges() -> None:
    hand = HandHinges.of(OFFSETS, "left", grasps=True)
    angles = hand.low + torch.as_tensor(np.random.default_rng(0).random(len(hand.low))) * (hand.high - hand.low)
    assert torch.allclose(hand.angles(hand.rotations(angles)), angles, atol=1e-9)
    far = hand.clamp(angles + 10.0)
    assert torch.equal(far, hand.high)


def test_fingers_do_not_twist_about_their_bones() -> None:
    hand = HandHinges.of(OFFSETS, "right", grasps=True)
    turns = rotations.to_rotvec(hand.rotations(hand.curled(0.7)))[:12]
    bones = np.array([OFFSETS[j if k % 3 == 2 else j + 1] for k, j in enumerate(hand.joints[:12])])
    assert np.abs((turns.numpy() * bones).sum(-1)).max() < 1e-9


def test_hands_that_do_not_grasp_stay_flat() -> None:
    flat = HandHinges.of(OFFSETS, "left", grasps=False)
    assert float(torch.rad2deg(flat.high).max()) <= 12.0 + 1e-6
    assert float(torch.rad2deg(flat.low).min()) >= -8.0 - 1e-6
