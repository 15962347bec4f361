"""Hands around what is thin: the way along a rod, round surfaces, and a whole hand that has to turn to close."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from generate.plan import InteractionPlan, Phase, PlannedContact
from generate.pose import FineConfig, PoseConfig, StaticPose
from generate.pose.body import standing
from generate.pose.fine import grasp_of
from generate.pose.nearest import PlacedSurface
from generate.pose.wrap import grips_of, unbent, wrapped
from sim import rotations, skeleton
from sim.geometry import Geometry, Primitive
from sim.objects import Shape
from sim.skeleton import JOINT_INDEX
from sim.subject import default_offsets

OFFSETS = default_offsets()
LIFT = InteractionPlan(
    "a person lifts the rod", "lift", "rod", (PlannedContact("right_hand", last=1),),
    (Phase("reach", 1.0), Phase("move", 1.0, upward=0.3)), height_m=1.0,
)  # fmt: skip
POSE, QUICK = PoseConfig(skin="capsules"), FineConfig(rounds=10, iterations=8)
LENGTHWISE = rotations.from_rotvec(np.array([np.pi / 2, 0.0, 0.0]))
"""Turns z to the way that the arms of the T-pose point."""


def under_the_hand(gap: float, rotation: np.ndarray) -> StaticPose:
    """A T-pose with an object's middle so far under the palm of the right hand, m."""
    pose = standing(OFFSETS)
    local, root = pose.joint_rotations_b[0], pose.root_position_w[0]
    joints, turned = skeleton.forward_kinematics(local, root, OFFSETS)
    wrist = JOINT_INDEX["right_wrist"]
    palm = joints[wrist] + rotations.rotate(turned[wrist], 0.7 * OFFSETS[JOINT_INDEX["right_middle1"]])
    place = palm - np.array([0.0, 0.0, gap])
    return StaticPose(local, root, place, rotation, np.array([1.0, 0.0, 0.0]), ("right_hand",), 0.0, {})


def test_a_rod_does_not_bend_along_its_axis() -> None:
    axis = rotations.normalize(np.array([1.0, -2.0, 0.5]))
    normals = np.cross(axis, np.random.default_rng(0).standard_normal((50, 3)))
    found = unbent(normals / np.linalg.norm(normals, axis=1, keepdims=True))
    assert abs(found @ axis) == pytest.approx(1.0)


def test_normals_turn_with_skin_that_goes_around_a_ball() -> None:
    """The nearest normal of a ball is the way from its middle, wherever the skin has gone."""
    surface = PlacedSurface.of(Primitive("sphere", (0.05,)), np.array([1.0, 2.0, 0.5]), LENGTHWISE)
    ways = rotations.normalize(np.random.default_rng(1).standard_normal((40, 3)))
    nearest = surface.nearest(surface.position + 0.055 * ways, -ways)
    moved = nearest.points + 0.006 * torch.as_tensor(np.random.default_rng(2).standard_normal((40, 3)))
    true = rotations.normalize(moved - torch.as_tensor(surface.position))
    bent, flat = ((normals - true).norm(dim=-1).mean() for normals in (nearest.facing(moved), nearest.normals))
    assert float(bent) < 0.4 * float(flat)


def test_a_palm_that_lies_along_a_rod_turns_to_close_around_it() -> None:
    rod = Shape.of(Primitive("cylinder", (0.018, 0.25)))
    grasp = grasp_of(under_the_hand(0.045, LENGTHWISE), LIFT, 0, rod, OFFSETS, QUICK, POSE)
    before, after = grasp.pose(grasp.variables()), grasp.pose(wrapped(grasp)[0])
    assert grasp.residual(*before) > 0.5
    assert grasp.residual(*after) < 0.2
    assert grasp.surface.distance(grasp.skinned(*after)[0].numpy()).min() > -0.01
    assert abs(along_the_arms(*before)) > 0.95
    assert abs(along_the_arms(*after)) < 0.5  # across the rod


def along_the_arms(local: torch.Tensor, root: torch.Tensor) -> float:
    """Cosine of the way from the right wrist to the middle knuckle with that of the arms in the T-pose."""
    joints = skeleton.forward_kinematics(local.numpy(), root.numpy(), OFFSETS)[0]
    return float(rotations.normalize(joints[JOINT_INDEX["right_middle1"]] - joints[JOINT_INDEX["right_wrist"]])[1])


def test_nothing_closes_around_a_wide_box() -> None:
    box: Geometry = Primitive("box", (0.6, 0.6, 0.6))
    pose = under_the_hand(0.33, np.array([1.0, 0.0, 0.0, 0.0]))
    grasp = grasp_of(pose, LIFT, 0, Shape.of(box), OFFSETS, QUICK, POSE)
    assert grips_of(grasp, grasp.variables(), 0) is None
    assert wrapped(grasp) == []
