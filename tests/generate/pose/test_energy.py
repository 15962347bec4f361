"""Every term of the energy: known values, and gradients by finite differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from generate.plan import InteractionPlan, Phase, PlannedContact
from generate.pose.body import standing
from generate.pose.config import PoseConfig
from generate.pose.energy import PoseEnergy
from generate.pose.synthesis import build_energy
from generate.pose.targets import Ground
from sim import rotations
from sim.geometry import Primitive
from sim.objects import Shape
from sim.skeleton import JOINT_INDEX, NUM_JOINTS
from sim.subject import default_offsets

OFFSETS = default_offsets()
CONFIG = PoseConfig(skin="capsules", points=300, dense=3000)
BOX = Shape.of(Primitive("box", (0.4, 0.3, 0.3)))
PLAN = InteractionPlan(
    "", "lift", "box",
    (PlannedContact("left_hand", last=1), PlannedContact("right_hand", last=1)),
    (Phase("reach", 1.0), Phase("move", 1.0, upward=0.3)),
)  # fmt: skip


@pytest.fixture(scope="module")
def energy() -> PoseEnergy:
    ground = Ground.of(BOX, np.array([0.0, 0.0, 1.0]), CONFIG)
    return build_energy(PLAN, 0, ground, OFFSETS, CONFIG, np.random.default_rng(0), 2, torch.float64)


def t_pose(*shifts: tuple[float, float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Standing bodies shifted by these, m."""
    motion = standing(OFFSETS)
    pose = torch.as_tensor(np.repeat(motion.joint_rotations_b[:1], len(shifts), 0))
    return pose, torch.as_tensor(motion.root_position_w[:1] + np.array(shifts))


def test_a_standing_body_far_away_costs_nothing_but_its_pose(energy: PoseEnergy) -> None:
    terms = energy.terms(*t_pose((-3.0, 0.0, 0.0), (0.0, 4.0, 0.01)))
    assert float(terms["feet"][0]) < 1e-12
    assert float(terms["feet"][1]) == pytest.approx(1e-4)
    assert float(terms["flat"].max()) < 1e-12
    assert float(terms["itself"].max()) < 1e-3
    assert float(terms["penetration"][1]) < 1e-6


def test_leaning_bodies_lose_their_balance(energy: PoseEnergy) -> None:
    pose, root = t_pose((-3.0, 0.0, 0.0), (-3.0, 0.0, 0.0))
    assert float(energy.terms(pose, root)["balance"].max()) < 1e-3
    pose[1, 0] = torch.as_tensor(rotations.from_rotvec(np.array([0.0, 0.3, 0.0])))
    leaning = energy.body.pose(pose, root)
    feet = leaning.joints_w[1, [JOINT_INDEX[n] for n in ("left_ankle", "left_foot")], 0].mean()
    ahead = float(energy.body.center_of_mass(leaning)[1, 0] - feet)
    assert 0.15 < ahead < 0.35  # the pelvis is the pivot, 0.9 m over the feet
    assert float(energy.balance(leaning)[1]) == pytest.approx((ahead - CONFIG.foot) ** 2, rel=1e-3)
    assert float(replace(energy, carried=True).balance(leaning).max()) == 0.0


def test_a_body_in_the_box_penetrates_it(energy: PoseEnergy) -> None:
    terms = energy.terms(*t_pose((0.0, 0.0, 0.0), (-2.0, 0.0, 0.0)))
    assert float(terms["penetration"][0]) > 1.0 > float(terms["penetration"][1])
    assert float(terms["beside"][0]) > 0.01 or float(terms["beside"][1]) > 0.01


def test_who_faces_away_stands_on_the_same_side() -> None:
    """In front of the object, at +x, with the back to it."""
    ground = Ground.of(BOX, np.array([0.0, 0.0, 1.0]), CONFIG)
    plan = replace(PLAN, contacts=(PlannedContact("hips", last=1, grasped=False),), side="front", faces_away=True)
    energy = build_energy(plan, 0, ground, OFFSETS, CONFIG, np.random.default_rng(0), 3)
    pose, root = t_pose((1.0, 0.0, 0.0), (0.0, 0.0, 0.0), (-1.0, 0.0, 0.0))
    before, among, behind = replace(energy, carried=False).beside(energy.body.pose(pose.float(), root.float())).tolist()
    assert before == 0.0
    assert 0.0 < among < behind


def test_a_hand_in_the_trunk_is_found(energy: PoseEnergy) -> None:
    pose, root = t_pose((-3.0, 0.0, 0.0), (-3.0, 0.0, 0.0))
    for name, turn in (("left_shoulder", [1.2, 0.0, 1.5]), ("left_elbow", [0.0, 0.0, 2.5])):
        pose[1, JOINT_INDEX[name]] = torch.as_tensor(rotations.from_rotvec(-np.array(turn)))
    itself = energy.terms(pose, root)["itself"]
    assert float(itself[1]) > 10 * float(itself[0]) + 0.01


def test_the_contact_falls_as_the_hand_comes_near(energy: PoseEnergy) -> None:
    pose, root = t_pose((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    hands = energy.body.pose(pose, root)
    palm = hands.vertices_w[:, energy.body.touching("left_hand")].mean(1)
    gap = energy.targets.centers[:, 0] - palm
    costs = [float(energy.touch(energy.body.pose(pose, root + s * gap), 0)["inter"][0]) for s in (0.0, 0.5, 0.9)]
    assert costs[0] > costs[1] > costs[2]
    assert costs[0] == pytest.approx(2.0 * float(gap[0].square().sum()), rel=0.15)  # less the patch's and palm's size


def test_palms_that_face_the_surface_have_opposite_normals(energy: PoseEnergy) -> None:
    pose, root = t_pose((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    targets = energy.targets

    def normal(way: list[float]) -> float:
        turned = replace(targets, normals=targets.normals.new_tensor(way).expand_as(targets.normals))
        return float(replace(energy, targets=turned).touch(energy.body.pose(pose, root), 0)["normal"][0])

    assert normal([0.0, 0.0, 1.0]) < 0.3  # the palms of a T-pose face down
    assert normal([0.0, 0.0, -1.0]) > 1.7


TERMS = (
    "inter", "gap", "normal", "penetration", "feet", "flat", "balance", "beside", "limits", "prior", "fingers",
    "itself", "upright",
)  # fmt: skip


def test_gradients_agree_with_finite_differences(energy: PoseEnergy) -> None:
    rng = np.random.default_rng(3)
    pose = torch.as_tensor(energy.density.sample(2, rng))
    pose[:, 0] = torch.as_tensor(rotations.from_rotvec(np.array([0.1, 0.4, 0.2])))
    for name, turn in (("left_knee", -0.4), ("right_elbow", 0.6)):
        pose[:, JOINT_INDEX[name]] = torch.as_tensor(rotations.from_rotvec(np.array([0.0, turn, turn])))
    for name, turn in (("left_shoulder", [-1.2, 0.0, -1.5]), ("left_elbow", [0.0, 0.0, -2.5])):
        pose[:, JOINT_INDEX[name]] = torch.as_tensor(rotations.from_rotvec(np.array(turn)))
    root = energy.targets.centers.mean(1) + torch.tensor([[0.05, 0.1, 0.45], [-0.1, 0.05, 0.5]], dtype=torch.float64)
    way = torch.as_tensor(rng.standard_normal((2, NUM_JOINTS, 3)))
    shift = torch.as_tensor(rng.standard_normal((2, 3)))

    def terms(s: torch.Tensor) -> dict[str, torch.Tensor]:
        local = rotations.multiply(pose, rotations.from_rotvec(s * way))
        return energy.terms(local, root + s * shift)

    step = torch.zeros((), dtype=torch.float64, requires_grad=True)
    found = terms(step)
    assert set(found) == set(TERMS)
    h = 1e-6
    with torch.no_grad():
        after, before = terms(step + h), terms(step - h)
    for name in TERMS:
        (slope,) = torch.autograd.grad(found[name].sum(), step, retain_graph=True, allow_unused=True)
        expected = float((after[name] - before[name]).sum()) / (2 * h)
        assert expected != 0.0, name
        assert float(slope) == pytest.approx(expected, rel=2e-3, abs=1e-6), name
