"""Facts of the tree, forward kinematics against a plain recursion, and the inverse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from sim import skeleton
from sim.skeleton import JOINT_INDEX, JOINT_NAMES, PARENTS


def test_the_tree() -> None:
    assert skeleton.NUM_JOINTS == len(JOINT_NAMES) == len(set(JOINT_NAMES)) == len(PARENTS) == 52
    assert PARENTS[0] == -1
    assert all(0 <= parent < joint for joint, parent in enumerate(PARENTS) if joint)
    assert len(skeleton.FINGER_JOINTS) == 30
    assert len(skeleton.BODY_JOINTS) == 22
    assert set(skeleton.FINGER_JOINTS) | set(skeleton.BODY_JOINTS) == set(range(52))
    assert skeleton.BODY_JOINTS[0] == 0


def test_depth_first_is_mujocos_body_order() -> None:
    """Each joint's parent is an ancestor of (or is) the joint before it, so subtrees are contiguous."""
    for joint in range(1, 52):
        ancestor = joint - 1
        while ancestor != PARENTS[joint]:
            ancestor = PARENTS[ancestor]
            assert ancestor >= 0, JOINT_NAMES[joint]


@pytest.mark.parametrize(
    ("joint", "parent"),
    [
        ("left_hip", "pelvis"), ("right_foot", "right_ankle"), ("spine1", "pelvis"), ("left_collar", "spine3"),
        ("head", "neck"), ("neck", "spine3"), ("right_wrist", "right_elbow"), ("left_index1", "left_wrist"),
        ("right_thumb3", "right_thumb2"), ("left_pinky1", "left_wrist"),
    ],
)  # fmt: skip
def test_some_parents(joint: str, parent: str) -> None:
    assert PARENTS[JOINT_INDEX[joint]] == JOINT_INDEX[parent]


def test_intermimic_names_in_the_published_order() -> None:
    fingers = [f"{f}{s}" for f in ("Index", "Middle", "Pinky", "Ring", "Thumb") for s in (1, 2, 3)]
    leg, arm = ["Hip", "Knee", "Ankle", "Toe"], ["Thorax", "Shoulder", "Elbow", "Wrist", *fingers]
    expected = ["Pelvis", *(f"L_{p}" for p in leg), *(f"R_{p}" for p in leg)]
    expected += ["Torso", "Spine", "Chest", "Neck", "Head", *(f"L_{p}" for p in arm), *(f"R_{p}" for p in arm)]
    assert list(skeleton.INTERMIMIC_NAMES) == expected


def test_smplx_orders_name_our_joints() -> None:
    body = {JOINT_NAMES[j] for j in skeleton.BODY_JOINTS}
    assert set(skeleton.SMPLX_BODY_ORDER) == body
    assert {f"left_{name}" for name in skeleton.SMPLX_HAND_ORDER} | {
        f"right_{name}" for name in skeleton.SMPLX_HAND_ORDER
    } == set(JOINT_NAMES) - body
    # SMPL-X's own parents of joints 0..21
    smplx_parents = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19]
    for name, parent in zip(skeleton.SMPLX_BODY_ORDER[1:], smplx_parents[1:], strict=True):
        assert JOINT_NAMES[PARENTS[JOINT_INDEX[name]]] == skeleton.SMPLX_BODY_ORDER[parent]


def test_levels() -> None:
    assert skeleton.levels((-1, 0, 1, 0)) == [[0], [1, 3], [2]]
    with pytest.raises(ValueError, match="joint 1 comes before its parent 2"):
        skeleton.levels((-1, 2, 0))


def random_pose(frames: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    q = rng.normal(size=(frames, 52, 4))
    q /= np.linalg.norm(q, axis=-1, keepdims=True)
    return q, rng.normal(size=(frames, 3)), rng.normal(size=(52, 3)) * 0.2


def reference_kinematics(q: np.ndarray, root: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, list[Rotation]]:
    """One frame, one joint at a time, with SciPy."""
    positions, world = [root], [Rotation.from_quat(q[0], scalar_first=True)]
    for joint in range(1, 52):
        parent = PARENTS[joint]
        positions.append(positions[parent] + world[parent].apply(offsets[joint]))
        world.append(world[parent] * Rotation.from_quat(q[joint], scalar_first=True))
    return np.array(positions), world


def test_forward_kinematics_against_a_plain_recursion() -> None:
    q, root, offsets = random_pose(3)
    positions, world = skeleton.forward_kinematics(q, root, offsets)
    for frame in range(3):
        expected, turned = reference_kinematics(q[frame], root[frame], offsets)
        np.testing.assert_allclose(positions[frame], expected, atol=1e-12)
        matrices = Rotation.from_quat(world[frame], scalar_first=True).as_matrix()
        np.testing.assert_allclose(matrices, [r.as_matrix() for r in turned], atol=1e-12)


def test_forward_kinematics_by_hand() -> None:
    """A chain of two bones of 1 m along x: the root turned by 90 degrees about z, the elbow back by 90."""
    s = np.sqrt(0.5)
    q = np.array([[s, 0, 0, s], [s, 0, 0, -s], [1, 0, 0, 0]])
    offsets = np.array([[9.0, 9, 9], [1, 0, 0], [1, 0, 0]])  # the root's own offset is not used
    positions, world = skeleton.forward_kinematics(q, np.array([0.0, 0, 1]), offsets, (-1, 0, 1))
    np.testing.assert_allclose(positions, [[0, 0, 1], [0, 1, 1], [1, 1, 1]], atol=1e-12)
    np.testing.assert_allclose(world[2], [1, 0, 0, 0], atol=1e-12)


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
def test_numpy_and_torch_agree_in_any_batch(batch: tuple[int, ...]) -> None:
    q, root, offsets = random_pose(int(np.prod(batch, dtype=int)))
    q, root = q.reshape(*batch, 52, 4), root.reshape(*batch, 3)
    by_numpy = skeleton.forward_kinematics(q, root, offsets)
    by_torch = skeleton.forward_kinematics(*(torch.from_numpy(a) for a in (q, root, offsets)))
    for a, b in zip(by_numpy, by_torch, strict=True):
        assert isinstance(a, np.ndarray)
        assert isinstance(b, torch.Tensor)
        np.testing.assert_array_equal(a, b.numpy())


def test_offsets_may_differ_in_each_batch_entry() -> None:
    q, root, _ = random_pose(2)
    offsets = np.random.default_rng(5).normal(size=(2, 52, 3))
    together = skeleton.forward_kinematics(q, root, offsets)[0]
    for i in range(2):
        np.testing.assert_allclose(together[i], skeleton.forward_kinematics(q[i], root[i], offsets[i])[0], atol=1e-12)


def test_forward_kinematics_is_differentiable_in_pose_and_bones() -> None:
    q, root, offsets = (torch.from_numpy(a).requires_grad_() for a in random_pose(1))
    skeleton.forward_kinematics(q, root, offsets)[0].square().sum().backward()
    for value in (q, root, offsets):
        assert value.grad is not None
        assert torch.isfinite(value.grad).all()


def test_local_rotations_undo_forward_kinematics() -> None:
    q, root, offsets = random_pose(4)
    world = skeleton.forward_kinematics(q, root, offsets)[1]
    local = skeleton.local_rotations(world)
    assert (np.minimum(np.abs(local - q).max(-1), np.abs(local + q).max(-1)) < 1e-12).all()
    np.testing.assert_array_equal(local[:, 0], q[:, 0])
