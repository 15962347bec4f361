"""Skins: linear blending by hand, the capsule skin on a posed body, and what is asked for wrongly."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from sim import rotations, skeleton, subject
from sim.body import skin
from sim.body.skin import LinearBlendSkin, capsule_skin, load_skin
from sim.errors import MotionError, UnknownNameError
from sim.motion import Motion
from sim.skeleton import JOINT_INDEX

ELBOW, WRIST = JOINT_INDEX["left_elbow"], JOINT_INDEX["left_wrist"]


def motion(frames: int = 4, seed: int = 0) -> Motion:
    rng = np.random.default_rng(seed)
    rotvecs = 0.4 * rng.normal(size=(frames, skeleton.NUM_JOINTS, 3))
    rotvecs[:, :9] *= 0.01  # stands: the soles are measured
    return Motion(
        30.0, rng.normal(size=(frames, 3)) * [1, 1, 0.001], rotations.from_rotvec(rotvecs), subject.default_offsets()
    )


def test_blends_by_hand() -> None:
    """A vertex 10 cm down the forearm, shared by elbow and wrist, under a quarter turn of the wrist."""
    rest = skeleton.rest_joints(subject.default_offsets())
    point = rest[WRIST] + [0.0, -0.1, 0.0]
    weights = sparse.csr_array(([0.75, 0.25], ([0, 0], [ELBOW, WRIST])), shape=(1, 52))
    one = LinearBlendSkin(np.zeros((0, 3)), point[None], weights, subject.default_offsets())
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (2, 52, 1))
    turns[1, WRIST] = rotations.from_rotvec(np.array([0.0, 0.0, np.pi / 2]))
    root = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    posed = one.vertices(turns, root)
    np.testing.assert_allclose(posed[0, 0], point, atol=1e-12)
    turned = rest[WRIST] + [0.1, 0.0, 0.0]  # +z turns -y to +x
    np.testing.assert_allclose(posed[1, 0], 0.75 * point + 0.25 * turned + [0, 0, 1], atol=1e-12)
    assert one.vertex_joints.tolist() == [ELBOW]


def test_blocks_of_frames_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = motion(7)
    body = capsule_skin(clip)
    whole = body.vertices(clip.joint_rotations_b, clip.root_position_w)
    monkeypatch.setattr(skin, "_CHUNK_BYTES", 3 * 96 * len(body.rest_vertices))
    np.testing.assert_array_equal(body.vertices(clip.joint_rotations_b, clip.root_position_w), whole)


def test_capsules_move_rigidly_with_their_joints() -> None:
    clip = motion()
    body = load_skin("capsules", clip)
    posed = body.vertices(clip.joint_rotations_b, clip.root_position_w)
    joints = body.vertex_joints
    local = rotations.rotate_inverse(clip.joint_rotations_w[:, joints], posed - clip.joint_positions_w[:, joints])
    expected = body.rest_vertices - body.rest_joints[joints]
    np.testing.assert_allclose(local, np.broadcast_to(expected, local.shape), atol=1e-12)
    np.testing.assert_allclose(body.joints(clip.joint_rotations_b, clip.root_position_w), clip.joint_positions_w)


def test_capsules_are_closed_and_face_outward() -> None:
    import trimesh

    body = capsule_skin(motion())
    mesh = trimesh.Trimesh(body.rest_vertices, body.faces, process=False)
    assert mesh.is_watertight
    parts = mesh.split()
    assert len(parts) > 40
    assert all(part.volume > 0 for part in parts)
    low, high = mesh.bounds
    assert 1.5 < high[2] - low[2] < 1.9
    assert 1.5 < high[1] - low[1] < 2.1


def test_regressed_joints_are_means_of_posed_vertices() -> None:
    clip = motion()
    body = capsule_skin(clip)
    rows = sparse.csr_array(np.eye(52, len(body.rest_vertices)))
    regressed = LinearBlendSkin(body.faces, body.rest_vertices, body.weights, body.offsets, rows)
    posed = body.vertices(clip.joint_rotations_b, clip.root_position_w)
    np.testing.assert_allclose(regressed.joints(clip.joint_rotations_b, clip.root_position_w), posed[:, :52])


def test_unknown_skin_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'capsules'"):
        load_skin("capsule", motion())


def test_refuses_another_skeleton() -> None:
    clip = Motion(30.0, np.zeros((2, 3)), np.tile([1.0, 0, 0, 0], (2, 1, 1)), np.zeros((1, 3)), ("root",), (-1,))
    with pytest.raises(MotionError, match="standard 52 joints"):
        load_skin("anny", clip)


def test_nothing_that_physics_needs_imports_anny() -> None:
    code = "import sys, sim.keypoints, sim.body.skin, sim.body.capsules; sys.exit('anny' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
