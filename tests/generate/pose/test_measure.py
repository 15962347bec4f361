"""The measure of a pose against hand-made cases."""

from __future__ import annotations

import numpy as np
import pytest

from generate.pose import StaticPose, measure_pose
from generate.pose.body import part_joints, skin_of, standing
from sim.geometry import Primitive
from sim.objects import Shape
from sim.skeleton import JOINT_INDEX, JOINT_NAMES
from sim.subject import default_offsets

OFFSETS = default_offsets()
SLAB = Shape.of(Primitive("box", (4.0, 4.0, 0.1)))


def quality(under_soles: float) -> tuple[float, float, float, float]:
    """Gap of the left foot, inside share, depth and floor of a T-pose over a slab whose top is this far below it."""
    motion = standing(OFFSETS)
    pose = StaticPose(
        motion.joint_rotations_b[0], motion.root_position_w[0], np.array([0.0, 0.0, -0.05 - under_soles]),
        np.array([1.0, 0, 0, 0]), np.array([1.0, 0, 0]), ("left_foot",), 0.0, {},
    )  # fmt: skip
    found = measure_pose(pose, SLAB, skin_of(OFFSETS, "capsules"))
    assert found.contact_ratio == float(found.gaps["left_foot"] <= 0.02)
    return found.gaps["left_foot"], found.penetrating, found.depth, found.below_floor


def test_gap_depth_and_share() -> None:
    gap, inside, depth, floor = quality(0.03)
    assert gap == pytest.approx(0.03, abs=2e-3)
    assert inside == 0.0
    assert depth == 0.0
    assert floor < 2e-3
    gap, inside, depth, _ = quality(-0.03)
    assert gap == 0.0
    assert 0.0 < inside < 0.2
    assert depth == pytest.approx(0.03, abs=2e-3)


def test_a_hand_has_its_fingers_and_a_part_its_side() -> None:
    names = {JOINT_NAMES[j] for j in part_joints("left_hand")}
    assert len(names) == 16
    assert all(name.startswith("left") for name in names)
    assert part_joints("hips") == tuple(JOINT_INDEX[n] for n in ("pelvis", "left_hip", "right_hip"))
