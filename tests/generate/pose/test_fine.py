"""The fine stage on whole poses: what it brings down, what it leaves, laws, errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from generate.plan import InteractionPlan, Phase, PlannedContact
from generate.pose import (
    FineConfig,
    FineWeights,
    PoseConfig,
    StaticPose,
    measure_closure,
    refine_pose,
    synthesise_poses,
)
from generate.pose.fine import support_of
from generate.pose.nearest import Nearest
from sim import rotations, skeleton
from sim.errors import PlanError
from sim.geometry import Primitive
from sim.objects import Shape
from sim.skeleton import JOINT_INDEX
from sim.subject import default_offsets

OFFSETS = default_offsets()
BOX = Shape.of(Primitive("box", (0.4, 0.3, 0.3)))
COARSE = PoseConfig(skin="capsules", points=800, dense=3000, steps=60, candidates=8)
QUICK = FineConfig(rounds=6, iterations=6)
LIFT = InteractionPlan(
    "a person lifts the box", "lift", "box",
    (PlannedContact("left_hand", last=1), PlannedContact("right_hand", last=1)),
    (Phase("reach", 1.0), Phase("move", 1.0, upward=0.3)), height_m=0.7,
)  # fmt: skip


@pytest.fixture(scope="module")
def coarse() -> StaticPose:
    """Both hands near a box at the height of the hips."""
    return synthesise_poses(LIFT, 0, BOX, OFFSETS, COARSE, samples=2)[0]


def joints(pose: StaticPose) -> np.ndarray:
    """[52, 3] m."""
    return skeleton.forward_kinematics(pose.joint_rotations_b, pose.root_position_w, OFFSETS)[0]


def test_a_box_is_held_more_firmly_and_feet_stay(coarse: StaticPose) -> None:
    fine = refine_pose(coarse, LIFT, 0, BOX, OFFSETS, replace(QUICK, rounds=12, iterations=12), COARSE)
    assert fine.counts
    assert fine.closure[1] < 0.5 * fine.closure[0]
    assert fine.quality_after.contact_ratio == 1.0
    assert fine.quality_after.depth < 0.01
    feet = [JOINT_INDEX[f"{side}_{n}"] for side in ("left", "right") for n in ("ankle", "foot")]
    assert np.abs(joints(fine.pose)[feet] - joints(coarse)[feet]).max() < 0.005
    assert fine.pose.energy == pytest.approx(sum(fine.pose.terms.values()))


def test_the_same_comes_out_again_and_turns_with_the_world(coarse: StaticPose) -> None:
    first, again = (refine_pose(coarse, LIFT, 0, BOX, OFFSETS, QUICK, COARSE) for _ in range(2))
    assert np.array_equal(first.pose.joint_rotations_b, again.pose.joint_rotations_b)
    assert first.closure == again.closure
    assert measure_closure(coarse, LIFT, 0, BOX, OFFSETS, QUICK, COARSE) == (first.closure[0], True)
    turn, shift = rotations.from_rotvec(np.array([0.0, 0.0, 1.1])), np.array([1.0, -2.0, 0.0])
    pose = np.array(coarse.joint_rotations_b)
    pose[0] = rotations.multiply(turn, pose[0])
    moved = replace(
        coarse, joint_rotations_b=pose, root_position_w=rotations.rotate(turn, coarse.root_position_w) + shift,
        object_position_w=rotations.rotate(turn, coarse.object_position_w) + shift,
        object_rotation_w=rotations.multiply(turn, coarse.object_rotation_w),
    )  # fmt: skip
    there = refine_pose(moved, LIFT, 0, BOX, OFFSETS, QUICK, COARSE)
    assert there.closure[0] == pytest.approx(first.closure[0], rel=1e-6)


def test_what_can_have_force_closure() -> None:
    push = replace(LIFT, action="push", contacts=tuple(replace(c, grasped=False) for c in LIFT.contacts))
    drag = replace(LIFT, action="drag", phases=(Phase("reach", 1.0), Phase("move", 1.0, forward=-0.5)), height_m=0.0)
    assert support_of(LIFT, LIFT.contacts) == ("weight", True)
    assert support_of(push, push.contacts) == ("none", False)
    assert support_of(drag, drag.contacts) == ("floor", True)


def test_hands_that_push_are_measured_and_left_to_push(coarse: StaticPose) -> None:
    push = replace(LIFT, contacts=tuple(replace(c, grasped=False) for c in LIFT.contacts))
    fine = refine_pose(coarse, push, 0, BOX, OFFSETS, QUICK, COARSE)
    assert not fine.counts
    assert fine.closure[0] > 0.0
    assert fine.pose.terms["closure"] == 0.0


def test_planes_stand_for_the_surface_around_a_point() -> None:
    way = torch.tensor([[0.0, 0.0, 1.0]])
    there = torch.tensor([[0.3, -0.2, 0.47]])
    plane = Nearest(torch.tensor([0.02]), torch.tensor([[0.1, 0.0, 0.5]]), way, way, torch.zeros(1, 3, 3))
    assert float(plane(there)[0]) == pytest.approx(-0.01, abs=1e-6)
    assert torch.equal(plane.facing(there), way)


def test_what_cannot_be_is_refused(coarse: StaticPose) -> None:
    with pytest.raises(PlanError, match="rounds is 0"):
        FineConfig(rounds=0)
    with pytest.raises(PlanError, match="softness is 0"):
        FineConfig(softness=0.0)
    with pytest.raises(PlanError, match="reach is -1"):
        FineConfig(weights=FineWeights(reach=-1.0))
    with pytest.raises(PlanError, match="not 5"):
        refine_pose(coarse, LIFT, 5, BOX, OFFSETS)
