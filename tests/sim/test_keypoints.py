"""Keypoints: names and joints against Open4DHOI's published facts, positions against its SMPL-X rest points."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sim import keypoints, rotations, skeleton
from sim.errors import MotionError
from sim.keypoint_names import KEYPOINT_NAMES
from sim.keypoints import KEYPOINT_INDEX, KEYPOINT_JOINTS, KEYPOINTS, mirror_name

SUB8 = {
    "left_hip": (-0.0244, 0.0655, -0.1033), "left_knee": (0.0062, 0.0706, -0.3843),
    "left_ankle": (-0.0477, -0.0574, -0.4264), "left_foot": (0.1468, 0.0491, -0.0621),
    "spine1": (-0.0468, 0.0, 0.1262), "spine2": (0.0002, 0.0, 0.1681), "spine3": (0.0298, 0.0, 0.0647),
    "neck": (-0.0313, 0.0, 0.1742), "head": (0.0223, 0.0, 0.1466), "left_collar": (-0.005, 0.0407, 0.081),
    "left_shoulder": (-0.0228, 0.14, 0.0651), "left_elbow": (-0.0531, 0.2564, -0.0855),
    "left_wrist": (0.0038, 0.284, 0.0298), "left_index1": (0.0241, 0.1178, -0.0089),
    "left_index2": (0.0022, 0.0339, -0.0131), "left_index3": (-0.0031, 0.0068, -0.0243),
    "left_middle1": (-0.0034, 0.1265, -0.0053), "left_middle2": (-0.0051, 0.0297, -0.0171),
    "left_middle3": (-0.0021, 0.005, -0.0262), "left_pinky1": (-0.0525, 0.0965, -0.0153),
    "left_pinky2": (-0.0051, 0.0136, -0.0171), "left_pinky3": (0.0011, 0.0038, -0.0212),
    "left_ring1": (-0.0321, 0.1123, -0.0085), "left_ring2": (-0.0012, 0.0265, -0.0187),
    "left_ring3": (0.0018, 0.0041, -0.0262), "left_thumb1": (0.0312, 0.0465, -0.0219),
    "left_thumb2": (0.0153, 0.0246, -0.02), "left_thumb3": (0.0084, 0.0265, -0.0096),
}  # fmt: skip
"""Bones of a mocap subject about 1.6 m tall, made symmetric."""
MIRROR = np.array([1.0, -1.0, 1.0])


def symmetric_offsets() -> np.ndarray:
    offsets = np.zeros((skeleton.NUM_JOINTS, 3))
    for name, offset in SUB8.items():
        offsets[skeleton.JOINT_INDEX[name]] = offset
        offsets[skeleton.JOINT_INDEX[mirror_name(name)]] = np.array(offset) * (MIRROR if "left" in name else 1.0)
    return offsets


def rest_keypoints(offsets: np.ndarray) -> np.ndarray:
    return keypoints.keypoint_offsets(offsets) + skeleton.rest_joints(offsets)[KEYPOINT_JOINTS]


def at(points: np.ndarray, name: str) -> np.ndarray:
    return points[KEYPOINT_INDEX[name]]


def published(data: Path) -> np.ndarray:
    """Open4DHOI's SMPL-X rest points in our axes (y-up, x left, z front -> x front, y left, z up)."""
    points = json.loads((data / "open4dhoi" / "part_kp.json").read_text())
    return np.array([np.array(points[name]["point"])[[2, 0, 1]] for name in KEYPOINTS])


def anatomical(points: np.ndarray) -> np.ndarray:
    """Published points with the misplaced ones exchanged, as their names say."""
    swaps = {name: mirror_name(name) for name in KEYPOINTS if name.endswith(("Neck_back", "LowerLeg_back"))}
    swaps |= {"leftUpperLeg_inner": "leftUpperLeg_outer", "leftUpperLeg_outer": "leftUpperLeg_inner"}
    assert set(swaps) == keypoints.UPSTREAM_MISPLACED
    return points[[KEYPOINT_INDEX[swaps.get(name, name)] for name in KEYPOINTS]]


def aligned_error(offsets: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Distances, m, after scaling and moving (not turning) our rest keypoints onto the target: [87]."""
    ours = rest_keypoints(offsets)
    ours, target = ours - ours.mean(0), target - target.mean(0)
    return np.linalg.norm((ours * target).sum() / (ours * ours).sum() * ours - target, axis=-1)


def test_names_order_and_mirror() -> None:
    assert tuple(KEYPOINTS) == KEYPOINT_NAMES
    assert len(KEYPOINTS) == 87
    for name, keypoint in KEYPOINTS.items():
        twin = KEYPOINTS[mirror_name(name)]
        assert skeleton.JOINT_NAMES[twin.joint] == mirror_name(skeleton.JOINT_NAMES[keypoint.joint])
        assert mirror_name(keypoint.part) == twin.part
        assert (twin.fraction, twin.radius) == (keypoint.fraction, keypoint.radius)


def test_parts_and_joints_are_those_of_open4dhoi(data: Path) -> None:
    tree = json.loads((data / "open4dhoi" / "joint_tree.json").read_text())
    assert {name: part for part, names in tree.items() for name in names} == {n: k.part for n, k in KEYPOINTS.items()}
    theirs = json.loads((data / "open4dhoi" / "joint_sim.json").read_text())
    for joint, names in theirs.items():
        ours = joint.replace("heel", "ankle")
        ours = ours[:-1] + "3" if ours[-1] == "1" and ours != "spine1" else ours
        assert {skeleton.JOINT_NAMES[KEYPOINTS[n].joint] for n in names} == {ours}


def test_mirror_symmetry_of_a_symmetric_subject() -> None:
    points = rest_keypoints(symmetric_offsets())
    twins = [KEYPOINT_INDEX[mirror_name(name)] for name in KEYPOINTS]
    np.testing.assert_allclose(points[twins], points * MIRROR, atol=1e-12)
    middle = [i for i, name in enumerate(KEYPOINTS) if mirror_name(name) == name]
    assert len(middle) == 9
    np.testing.assert_allclose(points[middle, 1], 0.0, atol=1e-12)


def test_close_to_the_published_rest_points(data: Path) -> None:
    target = anatomical(published(data))
    error = aligned_error(symmetric_offsets(), target)
    assert np.median(error) < 0.035
    assert error.max() < 0.07


def test_published_points_contradict_their_names_where_flagged(data: Path) -> None:
    points = published(data)
    wrong = {
        name
        for name in KEYPOINTS
        if name.startswith(("left", "right")) and (at(points, name)[1] > 0) != name.startswith("left")
    }
    wrong |= {
        f"{side}UpperLeg_{which}"
        for side in ("left", "right")
        for which in ("inner", "outer")
        if abs(at(points, f"{side}UpperLeg_inner")[1]) > abs(at(points, f"{side}UpperLeg_outer")[1])
    }
    assert wrong == keypoints.UPSTREAM_MISPLACED


def test_sides_are_anatomical() -> None:
    points = rest_keypoints(symmetric_offsets())
    for side, sign in (("left", 1.0), ("right", -1.0)):
        assert at(points, f"{side}LowerLeg_back")[1] * sign > 0
        assert at(points, f"{side}Neck_back")[1] * sign > 0
        for part in ("UpperLeg", "LowerLeg"):
            assert abs(at(points, f"{side}{part}_inner")[1]) < abs(at(points, f"{side}{part}_outer")[1])
            assert at(points, f"{side}{part}_front")[0] > at(points, f"{side}{part}_back")[0]
        palm, back = at(points, f"{side}Hand_palm"), at(points, f"{side}Hand_back")
        assert palm[2] < back[2]
        assert 0.026 < np.linalg.norm(palm - back) < 0.032
        assert at(points, f"Thumb_{side}")[0] > at(points, f"Pinky_{side}")[0]
        lowest = points[:, 2].min()
        assert at(points, f"{side}Foot_sole")[2] < lowest + 0.015
        assert at(points, f"{side}ToeBase")[2] < lowest + 0.015


def test_radius_is_measured_at_right_angles_to_the_bone() -> None:
    offsets = symmetric_offsets()
    points, joints = rest_keypoints(offsets), skeleton.rest_joints(offsets)
    elbow, wrist = (joints[skeleton.JOINT_INDEX[n]] for n in ("left_elbow", "left_wrist"))
    bone = (wrist - elbow) / np.linalg.norm(wrist - elbow)
    across = at(points, "leftForeArm_back") - at(points, "leftForeArm_wrist")
    size = 1.527 / 1.65
    assert abs(across @ bone) < 1e-9
    np.testing.assert_allclose(np.linalg.norm(across), 0.075 * size, rtol=0.01)


def test_scales_with_the_subject() -> None:
    offsets = symmetric_offsets()
    np.testing.assert_allclose(keypoints.keypoint_offsets(1.2 * offsets), 1.2 * keypoints.keypoint_offsets(offsets))


def test_ride_rigidly_on_their_joints() -> None:
    offsets, rng = symmetric_offsets(), np.random.default_rng(0)
    local = keypoints.keypoint_offsets(offsets)
    turn = rotations.normalize(rng.normal(size=(5, 52, 4)))
    positions, world = skeleton.forward_kinematics(turn, rng.normal(size=(5, 3)), offsets)
    points = keypoints.keypoint_positions(positions, world, local)
    assert points.shape == (5, 87, 3)
    back = rotations.rotate_inverse(world[:, KEYPOINT_JOINTS], points - positions[:, KEYPOINT_JOINTS])
    np.testing.assert_allclose(back, np.broadcast_to(local, back.shape), atol=1e-12)


def test_torch_agrees_and_has_gradients() -> None:
    offsets = symmetric_offsets()
    local = keypoints.keypoint_offsets(offsets)
    rest = np.zeros((2, 52, 4))
    rest[..., 0] = 1.0
    positions, world = skeleton.forward_kinematics(rest, np.zeros((2, 3)), offsets)
    tensor = torch.tensor(local, requires_grad=True)
    points = keypoints.keypoint_positions(torch.tensor(positions), torch.tensor(world), tensor)
    np.testing.assert_allclose(points.detach().numpy(), keypoints.keypoint_positions(positions, world, local))
    points.sum().backward()
    np.testing.assert_allclose(tensor.grad, np.full((87, 3), 2.0))


def test_refuses_another_skeleton() -> None:
    with pytest.raises(MotionError, match="standard 52 joints"):
        keypoints.keypoint_offsets(np.zeros((24, 3)))
