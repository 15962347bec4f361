"""The torch body against the NumPy one, and the capsules against primitives' exact distances."""

import numpy as np
import torch

from recon.optimizer.differentiable_body import Capsules, DifferentiableBody
from sim import primitives, rotations
from sim.body.capsules import body_geoms
from sim.body.skin import LinearBlendSkin, load_skin
from sim.geometry import Primitive
from sim.keypoints import KEYPOINT_INDEX, keypoint_offsets, keypoint_positions


def test_same_body_as_in_numpy(carrying_motion) -> None:
    motion = carrying_motion()
    skin = load_skin("capsules", motion)
    assert isinstance(skin, LinearBlendSkin)
    body = DifferentiableBody.of(skin, dtype=torch.float64)
    rotation, root = torch.as_tensor(motion.joint_rotations_b.copy()), torch.as_tensor(motion.root_position_w.copy())
    joints, turns = body.joints(rotation, root)
    np.testing.assert_allclose(joints.numpy(), motion.joint_positions_w, atol=1e-12)
    expected = skin.vertices(motion.joint_rotations_b, motion.root_position_w)
    np.testing.assert_allclose(body.vertices(joints, turns).numpy(), expected, atol=1e-12)
    keypoints = keypoint_positions(motion.joint_positions_w, motion.joint_rotations_w, keypoint_offsets(motion.offsets))
    found = body.keypoints(joints, turns, ("leftHand_palm",))
    np.testing.assert_allclose(found[:, 0].numpy(), keypoints[:, KEYPOINT_INDEX["leftHand_palm"]], atol=1e-12)


def test_gradient_through_the_skin(carrying_motion) -> None:
    motion = carrying_motion()
    skin = load_skin("capsules", motion)
    assert isinstance(skin, LinearBlendSkin)
    body = DifferentiableBody.of(skin, dtype=torch.float64)
    rotation, root = (
        torch.as_tensor(motion.joint_rotations_b[:1].copy()),
        torch.as_tensor(motion.root_position_w[:1].copy()),
    )

    def mean_height(turn: torch.Tensor) -> torch.Tensor:
        local = rotations.multiply(rotation, rotations.from_rotvec(turn))
        joints, turns = body.joints(local, root)
        return body.vertices(joints, turns)[..., ::37, :].square().mean()

    turn = 0.1 * torch.ones(1, 52, 3, dtype=torch.float64)
    gradient = torch.autograd.functional.jacobian(mean_height, turn)
    for joint, axis in ((0, 1), (14, 0), (20, 2), (51, 1)):
        step = torch.zeros_like(turn)
        step[0, joint, axis] = 1e-6
        slope = (mean_height(turn + step) - mean_height(turn - step)) / 2e-6
        torch.testing.assert_close(gradient[0, joint, axis], slope, rtol=1e-5, atol=1e-9)


def test_capsules_are_exact(carrying_motion) -> None:
    geoms = body_geoms(carrying_motion().offsets, hands="full")
    shapes = Capsules.of(geoms, torch.zeros(1, dtype=torch.float64))
    rng = np.random.default_rng(0)
    for kind in ("box", "capsule", "sphere"):
        row = next(i for i, g in enumerate(geoms) if g.kind == kind)
        size = geoms[row].size
        full = {"box": tuple(2 * s for s in size), "capsule": (size[0], 2 * size[-1]), "sphere": size}[kind]
        points = rng.uniform(-0.2, 0.2, (200, 3))
        nearest, inside = primitives.closest_points(Primitive(kind, full), points)
        exact = np.linalg.norm(points - nearest, axis=-1) * np.where(inside, -1, 1)
        found = shapes.signed_distance(torch.as_tensor(points), torch.full((200,), row))
        np.testing.assert_allclose(found.numpy(), exact, atol=1e-7)


def test_gradient_of_the_capsules_by_finite_differences(carrying_motion) -> None:
    geoms = body_geoms(carrying_motion().offsets, hands="full")
    shapes = Capsules.of(geoms, torch.zeros(1, dtype=torch.float64))
    rows = torch.tensor([next(i for i, g in enumerate(geoms) if g.kind == kind) for kind in ("box", "capsule")] * 4)
    points = torch.as_tensor(np.random.default_rng(1).uniform(-0.12, 0.12, (8, 3))).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: shapes.signed_distance(p, rows), points, eps=1e-7, atol=1e-5)


def test_capsules_ride_on_their_joints(carrying_motion) -> None:
    motion = carrying_motion()
    geoms = body_geoms(motion.offsets, hands="full")
    shapes = Capsules.of(geoms, torch.zeros(1, dtype=torch.float64))
    joints, turns = torch.as_tensor(motion.joint_positions_w.copy()), torch.as_tensor(motion.joint_rotations_w.copy())
    position, turn = shapes.poses(joints, turns)
    geom = geoms[20]
    expected = motion.joint_positions_w[:, geom.joint] + rotations.rotate(
        motion.joint_rotations_w[:, geom.joint], geom.position_b
    )
    np.testing.assert_allclose(position[:, 20].numpy(), expected, atol=1e-12)
    composed = rotations.multiply(motion.joint_rotations_w[:, geom.joint], geom.rotation_b)
    np.testing.assert_allclose(rotations.angle_between(turn[:, 20].numpy(), composed), 0.0, atol=1e-7)
