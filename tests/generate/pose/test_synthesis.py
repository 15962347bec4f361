"""Whole poses: known answers, laws, errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from generate.plan import InteractionPlan, Phase, PlannedContact
from generate.pose import PoseConfig, PoseWeights, StaticPose, measure_pose, synthesise_poses
from generate.pose.body import skin_of
from sim import rotations, skeleton
from sim.errors import PlanError
from sim.geometry import Mesh, Primitive
from sim.objects import Shape
from sim.skeleton import JOINT_INDEX
from sim.subject import default_offsets

OFFSETS = default_offsets()
BOX = Shape.of(Primitive("box", (0.4, 0.3, 0.3)))
QUICK = PoseConfig(skin="capsules", points=800, dense=3000, steps=5, candidates=4)
LIFT = InteractionPlan(
    "a person lifts the box", "lift", "box",
    (PlannedContact("left_hand"), PlannedContact("right_hand")), (Phase("reach", 1.0),), height_m=0.7,
)  # fmt: skip
SIT = InteractionPlan(
    "a person sits", "sit", "chair", (PlannedContact("hips", "seat", grasped=False),), (Phase("reach", 1.0),),
    faces_away=True,
)  # fmt: skip


def joints(pose: StaticPose) -> np.ndarray:
    """[52, 3] m."""
    return skeleton.forward_kinematics(pose.joint_rotations_b, pose.root_position_w, OFFSETS)[0]


@pytest.fixture(scope="module")
def chair() -> Shape:
    """Seat at 0.45 m, back at -x."""
    parts = [((0.44, 0.44, 0.03), (0.0, 0.0, 0.435)), ((0.03, 0.44, 0.5), (-0.205, 0.0, 0.7))]
    parts += [((0.04, 0.04, 0.42), (x, y, 0.21)) for x in (-0.2, 0.2) for y in (-0.2, 0.2)]
    boxes = [trimesh.creation.box(extents=size).apply_translation(centre) for size, centre in parts]
    joined = trimesh.util.concatenate(boxes)
    return Shape.of(Mesh(np.array(joined.vertices), np.array(joined.faces)))


@pytest.mark.slow
def test_hands_end_on_the_two_sides_of_a_box() -> None:
    config = replace(QUICK, skin="anny", steps=150, candidates=16)
    best = synthesise_poses(LIFT, 0, BOX, OFFSETS, config, samples=2)[0]
    quality = measure_pose(best, BOX, skin_of(OFFSETS, "anny"))
    assert max(quality.gaps.values()) < 0.01
    assert quality.contact_ratio == 1.0
    assert quality.depth < 0.01
    hands = joints(best)[[JOINT_INDEX["left_middle1"], JOINT_INDEX["right_middle1"]]]
    local = rotations.rotate_inverse(best.object_rotation_w, hands - best.object_position_w)
    across = int(np.abs(local[0] - local[1]).argmax())
    half = BOX.bounds[1, across]
    assert local[0, across] * local[1, across] < 0
    assert (np.abs(local[:, across]) > half - 0.005).all()
    assert (np.abs(local[:, across]) < half + 0.05).all()
    assert best.object_position_w[2] == pytest.approx(0.85)


@pytest.mark.slow
def test_hips_end_on_the_seat_with_the_back_to_the_backrest(chair: Shape) -> None:
    config = replace(QUICK, skin="anny", steps=150, candidates=16)
    best = synthesise_poses(SIT, 0, chair, OFFSETS, config, samples=2)[0]
    quality = measure_pose(best, chair, skin_of(OFFSETS, "anny"))
    assert quality.gaps["hips"] < 0.01
    assert quality.depth < 0.02
    pelvis = joints(best)[0] - best.object_position_w
    assert np.abs(pelvis[:2]).max() < 0.2
    assert 0.45 < pelvis[2] < 0.65
    assert rotations.rotate(best.joint_rotations_b[0], np.array([1.0, 0.0, 0.0]))[0] > 0.8
    ankles = joints(best)[[JOINT_INDEX["left_ankle"], JOINT_INDEX["right_ankle"]]]
    assert (ankles[:, 2] < 0.2).all()


def test_turning_and_moving_the_object_turns_and_moves_the_result() -> None:
    turn = rotations.from_rotvec(np.array([0.0, 0.0, 1.1]))
    first = synthesise_poses(LIFT, 0, BOX, OFFSETS, QUICK, samples=2)
    place = np.array([2.0, -1.0, 5.0])
    second = synthesise_poses(LIFT, 0, BOX, OFFSETS, QUICK, samples=2, position_w=place, rotation_w=turn)
    for a, b in zip(first, second, strict=True):
        assert a.energy == pytest.approx(b.energy)
        assert np.allclose(b.object_position_w[:2], place[:2])
        moved = rotations.rotate(turn, a.root_position_w - a.object_position_w) + b.object_position_w
        assert np.allclose(moved, b.root_position_w, atol=1e-5)
        assert b.object_position_w[2] == pytest.approx(a.object_position_w[2])
        assert rotations.angle_between(rotations.multiply(turn, a.joint_rotations_b[0]), b.joint_rotations_b[0]) < 1e-4
        assert np.allclose(a.joint_rotations_b[1:], b.joint_rotations_b[1:], atol=1e-5)


def test_the_same_seed_gives_the_same_poses_in_order_of_energy() -> None:
    first, again, other = (synthesise_poses(LIFT, 0, BOX, OFFSETS, QUICK, seed=s, samples=3) for s in (1, 1, 2))
    assert [p.energy for p in first] == sorted(p.energy for p in first)
    assert all(np.array_equal(a.joint_rotations_b, b.joint_rotations_b) for a, b in zip(first, again, strict=True))
    assert not np.allclose(first[0].joint_rotations_b, other[0].joint_rotations_b)
    assert first[0].energy == pytest.approx(sum(first[0].terms.values()), rel=1e-5)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(PlanError, match="samples is 0"):
        synthesise_poses(LIFT, 0, BOX, OFFSETS, QUICK, samples=0)
    with pytest.raises(PlanError, match="not 3"):
        synthesise_poses(LIFT, 3, BOX, OFFSETS, QUICK)
    with pytest.raises(PlanError, match="steps is 0"):
        PoseConfig(steps=0)
    with pytest.raises(PlanError, match="inter is -1"):
        PoseWeights(inter=-1.0)
