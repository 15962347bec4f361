"""Body and fingers give way to the object: where it is needed, smoothly, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from generate.motion.clearance import WRISTS, Kept, _Clearance, clear
from generate.motion.config import ClearanceConfig
from generate.motion.energy import ANKLES
from generate.pose.body import skin_of
from generate.pose.fingers import HandHinges
from recon.optimizer.distance_field import distance_field
from sim import rotations, skeleton
from sim.geometry import Primitive
from sim.objects import Shape
from sim.skeleton import JOINT_INDEX, NUM_JOINTS, SIDES
from sim.subject import default_offsets

FRAMES, NEEDED = 50, slice(23, 28)
OFFSETS = default_offsets(1.75)
BOX = Primitive("box", (0.2, 0.2, 0.2))


def standing() -> tuple[np.ndarray, np.ndarray]:
    """A T-pose that lasts."""
    pose = np.tile([1.0, 0.0, 0.0, 0.0], (FRAMES, NUM_JOINTS, 1))
    ankle = sum(OFFSETS[JOINT_INDEX[f"left_{name}"]] for name in ("hip", "knee", "ankle"))
    return pose, np.tile([0.0, 0.0, 0.09 - ankle[2]], (FRAMES, 1))


def passing(into: float) -> tuple[np.ndarray, np.ndarray]:
    """The box stands beyond the left fingertips, and is `into` m nearer for five frames."""
    pose, root = standing()
    points = skin_of(OFFSETS, "capsules", "full").vertices(pose[:1], root[:1])[0]
    tip = points[points[:, 1].argmax()]
    position = np.tile(tip + [0.0, 0.1 + 0.05, 0.0], (FRAMES, 1))
    position[NEEDED, 1] -= 0.05 + into
    return position, np.tile([1.0, 0.0, 0.0, 0.0], (FRAMES, 1))


def cleared(into: float, *, hands: float = 0.0, **settings: float) -> tuple[np.ndarray, np.ndarray]:
    pose, root = standing()
    kept = Kept(np.full((FRAMES, 2), hands), np.ones((FRAMES, 2)))
    flesh = skin_of(OFFSETS, "capsules", "full")
    return clear(pose, root, flesh, BOX, distance_field(BOX), *passing(into), kept, ClearanceConfig(**settings))


def depth(pose: np.ndarray, root: np.ndarray, into: float) -> np.ndarray:
    """[T] m, exact."""
    position, rotation = passing(into)
    points = skin_of(OFFSETS, "capsules", "full").vertices(pose, root)
    local = rotations.rotate_inverse(rotation[:, None], points - position[:, None])
    return -Shape.of(BOX).signed_distance(local).min(1)


def test_what_is_inside_gets_out_and_what_is_far_in_time_stays() -> None:
    pose, root = standing()
    assert depth(pose, root, 0.02)[NEEDED].min() == pytest.approx(0.02, abs=1e-6)
    turned, moved = cleared(0.02)
    assert depth(turned, moved, 0.02).max() < ClearanceConfig().tolerance
    window = round(30 * ClearanceConfig().seconds)
    before = slice(0, NEEDED.start - window)
    np.testing.assert_array_equal(turned[before], pose[before])
    np.testing.assert_array_equal(moved[before], root[before])


def test_nothing_is_touched_within_the_tolerance() -> None:
    pose, root = standing()
    turned, moved = cleared(0.003)
    np.testing.assert_array_equal(turned, pose)
    np.testing.assert_array_equal(moved, root)


def test_standing_feet_stay_and_the_way_is_smooth() -> None:
    joints = [skeleton.forward_kinematics(*motion, OFFSETS)[0] for motion in (standing(), cleared(0.02))]
    assert np.abs(joints[1] - joints[0])[:, ANKLES].max() < 1e-3
    assert np.abs(joints[1] - joints[0]).max() > 0.01
    way = np.abs(joints[1] - joints[0]).max()
    assert np.abs(np.diff(joints[1], axis=0)).max() < 0.25 * way  # the box comes and goes within one frame


def test_fingers_bend_to_the_palm() -> None:
    turned, _ = cleared(0.02)
    for hand in (HandHinges.of(OFFSETS, side, grasps=True) for side in SIDES):
        turn = torch.as_tensor(turned[:, list(hand.joints)])
        angles = (rotations.to_rotvec(turn)[:, hand.columns] * hand.axes).sum(-1)
        straight = torch.zeros_like(hand.low)  # the T-pose, which may be beyond a range
        low, high = torch.minimum(hand.low, straight), torch.maximum(hand.high, straight)
        assert float((low - angles).max()) < np.radians(6.0)
        assert float((angles - high).max()) < np.radians(6.0)


def test_a_hand_that_holds_gives_way_less() -> None:
    def off(motion: tuple[np.ndarray, np.ndarray]) -> float:
        joints = [skeleton.forward_kinematics(*one, OFFSETS)[0][:, WRISTS[0]] for one in (standing(), motion)]
        return float(np.linalg.norm(joints[1] - joints[0], axis=-1).max())

    assert off(cleared(0.02, hands=1.0)) < 0.8 * off(cleared(0.02))


def test_a_hand_in_a_thin_board_leaves_it_to_the_side_of_the_arm() -> None:
    board = Primitive("box", (0.15, 0.15, 0.015))
    pose, root = standing()
    flesh = skin_of(OFFSETS, "capsules", "full")
    joints = skeleton.forward_kinematics(pose[:1], root[:1], OFFSETS)[0][0]
    tips = joints[JOINT_INDEX["left_middle3"]]
    tilted = np.tile(rotations.from_rotvec(np.array([0.5, 0.0, 0.0])), (FRAMES, 1))
    place = np.tile(tips + [0.0, 0.0, 0.5], (FRAMES, 1))
    place[NEEDED] = tips

    def deepest(motion: tuple[np.ndarray, np.ndarray]) -> float:
        points = flesh.vertices(*motion)[NEEDED] - place[NEEDED, None]
        local = rotations.rotate_inverse(tilted[NEEDED, None], points)
        return -float(Shape.of(board).signed_distance(local).min())

    kept = Kept(np.zeros((FRAMES, 2)), np.ones((FRAMES, 2)))
    done = clear(pose, root, flesh, board, distance_field(board), place, tilted, kept, ClearanceConfig())
    assert deepest((pose, root)) > 0.007
    assert deepest(done) < 0.005
    after = skeleton.forward_kinematics(*done, OFFSETS)[0][25] - tips
    up = rotations.rotate(tilted[0], np.array([0.0, 0.0, 1.0]))
    arm = np.sign((joints[JOINT_INDEX["left_wrist"]] - tips) @ up)
    assert (arm * after[JOINT_INDEX["left_middle3"]] @ up) > 0.0


def test_giving_way_into_the_floor_costs_as_much_as_staying_in_the_object() -> None:
    kept = Kept(np.zeros((FRAMES, 2)), np.zeros((FRAMES, 2)))
    flesh = skin_of(OFFSETS, "capsules", "full")
    work = _Clearance(flesh, BOX, distance_field(BOX), *passing(0.02), kept, ClearanceConfig())
    nowhere = torch.empty(0, dtype=torch.long), torch.empty(0, 3), torch.empty(0, 3), torch.empty(0)
    vertices = torch.tensor([[[0.0, 0.0, -0.013], [0.0, 0.0, -0.003], [0.0, 0.0, 0.5]]])
    assert float(work._depth(vertices, nowhere)) == pytest.approx(1.0)  # cm^2, of 1 cm beyond the 3 mm of a sole
    under = (
        torch.tensor([0]),
        vertices[0, :1] + torch.tensor([0.0, 0.0, 0.513]),
        torch.zeros(1, 3),
        torch.tensor([-0.0095]),
    )
    assert float(work._depth(vertices, under)) == pytest.approx(2.0)


def test_no_rounds_leave_all_as_it_is() -> None:
    pose, _ = standing()
    np.testing.assert_array_equal(cleared(0.02, rounds=0)[0], pose)
