"""`physhoi-331` on a file made here, `skillmimic-337` on real clips and on one made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sim import rotations, skeleton
from sim.errors import FormatError
from sim.formats import ball, import_motion, physhoi, skillmimic
from sim.formats.common import as_table, load_torch
from sim.geometry import Primitive

CLIPS = ["catch__003_008pickle_catch_012", "run__013_018pickle_run2_3", "rebound__002_023pickle_rebound_3"]


def clip_path(data: Path, name: str) -> Path:
    return data / "motions" / "ballplay" / f"{name}.pt"


def test_columns_are_where_the_layouts_say() -> None:
    p, s = physhoi.LAYOUT.slices(), skillmimic.LAYOUT.slices()
    assert (physhoi.LAYOUT.width, skillmimic.LAYOUT.width) == (331, 337)
    assert (p["joint_rotvec"], p["body_position_w"]) == (slice(9, 162), slice(162, 318))
    assert (p["object_position_w"], p["object_rotvec"]) == (slice(318, 321), slice(321, 324))
    assert p["object_contact"] == slice(330, 331)
    assert (s["joint_rotvec"], s["body_position_w"]) == (slice(9, 165), slice(165, 324))
    assert (s["object_position_w"], s["object_rotvec"]) == (slice(324, 327), slice(327, 330))
    assert s["object_contact"] == slice(336, 337)


def test_physhoi(tmp_path: Path, physhoi_table: torch.Tensor, pose: dict[str, np.ndarray]) -> None:
    torch.save(physhoi_table, tmp_path / "a.pt")
    motion = import_motion(tmp_path / "a.pt")
    assert motion.fps == 25.0
    np.testing.assert_allclose(motion.offsets, pose["offsets"], atol=1e-5)
    assert rotations.angle_between(motion.joint_rotations_b.copy(), pose["rotations_b"]).max() < 1e-4
    np.testing.assert_allclose(motion.joint_positions_w, pose["positions"], atol=1e-5)
    item = motion.objects[0]
    assert item.mass == pytest.approx(0.62)  # a basketball
    assert item.name == "ball"
    assert item.geometry == Primitive("sphere", (0.12,))
    np.testing.assert_allclose(item.position_w[0], (0.3, 0.0, 1.2), atol=1e-6)
    # exponential map (0, 0.3, 0): 0.3 rad about y
    np.testing.assert_allclose(item.rotation_w[3], (np.cos(0.15), 0, np.sin(0.15), 0), atol=1e-6)
    assert motion.object_contact is not None
    assert motion.object_contact.sum() == 8
    assert "default object: a sphere of radius 0.12 m" in motion.source
    assert "free fall of the ball fits 25 fps" in motion.source


def test_physhoi_in_smpl_joint_frames(tmp_path: Path, physhoi_table: torch.Tensor, pose: dict[str, np.ndarray]) -> None:
    """The same motion with joint frames left +x, up +y, facing +z (as SkillMimic's): same world, same result."""
    to_smpl = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])  # rows: left, up, facing, in our axes
    turn = rotations.from_matrix(to_smpl)
    world = rotations.multiply(pose["rotations_b"][:, 0].copy(), np.tile(rotations.inverse(turn), (24, 1)))
    local = physhoi_table[:, 9:162].reshape(24, 51, 3).double().numpy() @ to_smpl.T
    physhoi_table[:, 3:6] = physhoi_table[:, 6:9] = torch.tensor(rotations.to_rotvec(world))
    physhoi_table[:, 9:162] = torch.tensor(local).reshape(24, -1)
    torch.save(physhoi_table, tmp_path / "a.pt")
    motion = import_motion(tmp_path / "a.pt")
    assert "rest axes turned" in motion.source
    np.testing.assert_allclose(motion.offsets, pose["offsets"], atol=1e-5)
    assert rotations.angle_between(motion.joint_rotations_b.copy(), pose["rotations_b"]).max() < 1e-4


def test_skillmimic_tree() -> None:
    names, parents = skillmimic.NAMES, skillmimic.PARENTS
    assert len(names) == 53
    extra = names.index("spine2_extra")
    assert names[parents[extra]] == "spine2"
    assert parents[names.index("spine3")] == extra
    for name, parent in zip(skeleton.JOINT_NAMES[1:], skeleton.PARENTS[1:], strict=True):
        if name != "spine3":
            assert names[parents[names.index(name)]] == skeleton.JOINT_NAMES[parent]


@pytest.mark.parametrize("name", CLIPS)
def test_skillmimic_meets_its_position_columns(data: Path, name: str) -> None:
    """Kept joints keep their world positions; what is left is spine2 to chest, one bone where the file has two."""
    parts = skillmimic.LAYOUT.split(as_table(load_torch(clip_path(data, name))))
    positions = parts["body_position_w"][:, skillmimic.KEPT]
    fitted = import_motion(clip_path(data, name))
    error = np.linalg.norm(fitted.joint_positions_w - positions, axis=-1) * 1e3
    assert error.max() < 2.0
    legs = [i for i, n in enumerate(skeleton.JOINT_NAMES) if n.endswith(("hip", "knee", "ankle", "foot"))]
    assert error[:, legs].max() < 0.01
    raw = import_motion(clip_path(data, name), pose="rotations")
    assert 5.0 < (np.linalg.norm(raw.joint_positions_w - positions, axis=-1) * 1e3).mean() < 25.0


@pytest.mark.parametrize("name", CLIPS)
def test_skillmimic_root_column_is_not_the_pelvis(data: Path, name: str) -> None:
    parts = skillmimic.LAYOUT.split(as_table(load_torch(clip_path(data, name))))
    motion = import_motion(clip_path(data, name))
    np.testing.assert_array_equal(motion.root_position_w, parts["body_position_w"][:, 0])
    assert 0.005 < (motion.root_position_w - parts["root_position_w"])[:, 2].mean() < 0.03


def test_skillmimic_rest_pose_has_standard_axes(data: Path) -> None:
    offsets = import_motion(clip_path(data, CLIPS[0])).offsets
    at = {name: offsets[skeleton.JOINT_INDEX[name]] for name in ("left_hip", "left_knee", "left_elbow", "left_foot")}
    assert at["left_hip"][1] > 0.1  # left is +y
    assert at["left_knee"][2] < -0.4  # down is -z
    assert at["left_elbow"][1] > 0.24  # T-pose
    assert at["left_foot"][0] > 0.1  # toes forward, +x


def test_skillmimic_was_saved_on_a_cuda_device(data: Path) -> None:
    assert b"cuda:0" in clip_path(data, CLIPS[0]).read_bytes()[:2000]
    assert import_motion(clip_path(data, CLIPS[0])).num_frames == 120


def test_free_fall_tells_the_frame_rate(data: Path) -> None:
    motion = import_motion(clip_path(data, CLIPS[0]))
    assert motion.object_contact is not None
    fps = ball.free_fall_fps(motion.objects[0].position_w[:, 2], motion.object_contact > 0, 60.0)
    assert fps == pytest.approx(61, abs=1.5)
    assert motion.fps == 60.0
    with pytest.raises(FormatError, match=r"at 30 fps the ball falls with 2\.\d m/s\^2; its free fall fits 6\d fps"):
        import_motion(clip_path(data, CLIPS[0]), fps=30)
    assert import_motion(clip_path(data, CLIPS[0]), fps=62).fps == 62.0


def test_free_fall_of_a_computed_parabola() -> None:
    t = np.arange(40) / 50.0
    height = 1.0 + 4.0 * t - 0.5 * ball.GRAVITY * t**2
    assert ball.free_fall_fps(height, np.zeros(40, bool), 60.0) == pytest.approx(50.0)
    assert ball.free_fall_fps(height, np.ones(40, bool), 60.0) is None
    assert ball.free_fall_fps(np.full(40, 0.12), np.zeros(40, bool), 60.0) is None


def merged_world(rotations_b: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, ...]:
    zero = np.zeros((len(rotations_b), 3))
    before = skeleton.forward_kinematics(rotations_b, zero, offsets, skillmimic.PARENTS)
    joints, bones, residual = skillmimic.merge_extra_spine(rotations_b, offsets)
    after = skeleton.forward_kinematics(joints, zero, bones)
    kept = skillmimic.KEPT
    return before[0][:, kept], before[1][:, kept], *after, np.float64(residual)


def test_spine_merge_is_exact_while_spine2_holds_still(pose: dict[str, np.ndarray]) -> None:
    rotations_b = np.insert(
        pose["rotations_b"], skillmimic.EXTRA, rotations.from_rotvec(np.array([0.1, 0.2, 0.0])), axis=1
    )
    offsets = np.insert(pose["offsets"], skillmimic.EXTRA, (0.01, 0.0, 0.1), axis=0)
    p0, r0, p1, r1, residual = merged_world(rotations_b, offsets)
    np.testing.assert_allclose(p1, p0, atol=1e-9)
    others = [i for i, n in enumerate(skeleton.JOINT_NAMES) if n != "spine2"]
    assert rotations.angle_between(r1, r0)[:, others].max() < 1e-6
    assert residual < 1e-9


def test_spine_merge_errs_only_along_the_bone(pose: dict[str, np.ndarray]) -> None:
    """Bones of 0.1 m and 0.08 m that bend by 0.25 rad shorten by up to a b / (2 (a + b)) angle^2 = 1.4 mm."""
    bend = rotations.from_rotvec(np.linspace(-0.25, 0.25, 24)[:, None] * np.array([0.0, 1.0, 0.0]))
    rotations_b = np.insert(pose["rotations_b"], skillmimic.EXTRA, bend, axis=1)
    offsets = np.insert(pose["offsets"], skillmimic.EXTRA, (0.0, 0.0, 0.1), axis=0)
    p0, r0, p1, r1, residual = merged_world(rotations_b, offsets)
    moved = np.linalg.norm(p1 - p0, axis=-1)
    assert 1e-4 < moved.max() < 6e-3
    assert moved.max() == pytest.approx(float(residual))
    np.testing.assert_allclose(moved[:, skeleton.JOINT_INDEX["head"]], moved[:, skeleton.JOINT_INDEX["spine3"]])
    others = [i for i, n in enumerate(skeleton.JOINT_NAMES) if n != "spine2"]
    assert rotations.angle_between(r1, r0)[:, others].max() < 1e-6
