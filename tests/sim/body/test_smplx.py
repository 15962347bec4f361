"""The SMPL-X skin, run on a made-up model file of the right layout (no licensed data here)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim import rotations, skeleton
from sim.body.skin import load_skin
from sim.body.smplx import MODEL_VARIABLE, SmplxSkin
from sim.errors import AssetError
from sim.motion import BodyShape, Motion
from sim.skeleton import JOINT_INDEX, PARENTS

TO_SMPL = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""Our axes (front, left, up) to SMPL's (left, up, front)."""
HANDS = [f"{side}_{joint}" for side in ("left", "right") for joint in skeleton.SMPLX_HAND_ORDER]
ORDER = [*skeleton.SMPLX_BODY_ORDER, "jaw", "left_eye", "right_eye", *HANDS]
CORNERS = 0.02 * np.array([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])
MEAN_HAND = np.tile([0.0, 0.1, -0.3], 15)


def bones() -> np.ndarray:
    rng = np.random.default_rng(3)
    offsets = 0.15 * rng.normal(size=(52, 3))
    offsets[0] = 0.0
    return offsets


def model_arrays(**changes: Any) -> dict[str, np.ndarray]:
    """A tetrahedron around each of the 55 joints, rigid on it; shape parameter 0 stretches the body by 10 % a unit."""
    rest = skeleton.rest_joints(bones()) + np.array([0.3, -0.2, 0.4])  # the model's pelvis is not at its origin
    joints = np.array([rest[JOINT_INDEX.get(name, JOINT_INDEX["head"])] for name in ORDER]) @ TO_SMPL.T
    vertices = (joints[:, None] + CORNERS).reshape(-1, 3)
    owner = np.eye(55)[np.repeat(np.arange(55), 4)]
    above = [
        ORDER.index(skeleton.JOINT_NAMES[max(PARENTS[JOINT_INDEX[n]], 0)]) if n in JOINT_INDEX else 15 for n in ORDER
    ]
    above[0] = 2**32 - 1
    shapedirs = np.zeros((len(vertices), 3, 20))
    shapedirs[..., 0] = 0.1 * np.repeat(joints, 4, axis=0)
    shapedirs[..., 1] = 0.01 * np.random.default_rng(0).normal(size=vertices.shape)
    return {
        "v_template": vertices, "f": np.arange(220).reshape(-1, 4)[:, :3].astype(np.uint32),
        "J_regressor": 0.25 * owner.T, "weights": owner,
        "kintree_table": np.array([above, range(55)], dtype=np.uint32),
        "posedirs": np.zeros((len(vertices), 3, 486)), "shapedirs": shapedirs,
        "hands_meanl": MEAN_HAND, "hands_meanr": -MEAN_HAND, "landmarks": np.array([{}], dtype=object),
    } | changes  # fmt: skip


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "SMPLX_NEUTRAL.npz"
    np.savez(path, **{k: v for k, v in model_arrays(**changes).items() if v is not None})
    return path


def motion(offsets: np.ndarray | None = None, betas: list[float] | None = None) -> Motion:
    rng = np.random.default_rng(1)
    turns = rotations.from_rotvec(0.7 * rng.normal(size=(40, 52, 3)))
    shape = None if betas is None else BodyShape("smplx", {"betas": np.array(betas)})
    return Motion(30.0, rng.normal(size=(40, 3)), turns, bones() if offsets is None else offsets, body=shape)


def test_joints_and_vertices_follow_the_standard_skeleton(tmp_path: Path) -> None:
    """Axes, joint order, root and hands are right if a rigid model agrees with forward kinematics everywhere."""
    write(tmp_path)
    clip = motion(betas=[0.0, 0.0])
    skin = load_skin("smplx", clip, model_path=tmp_path)
    joints = skin.joints(clip.joint_rotations_b, clip.root_position_w)
    np.testing.assert_allclose(joints, clip.joint_positions_w, atol=2e-6)
    vertices = skin.vertices(clip.joint_rotations_b, clip.root_position_w)
    for name in ("pelvis", "left_knee", "right_wrist", "left_index3", "right_thumb1"):
        j, k = JOINT_INDEX[name], ORDER.index(name)
        corners = clip.joint_positions_w[:, j, None] + rotations.rotate(
            clip.joint_rotations_w[:, j, None], (CORNERS @ TO_SMPL)[None]
        )
        np.testing.assert_allclose(vertices[:, 4 * k : 4 * k + 4], corners, atol=3e-6)
    assert (skin.vertex_joints[4 * ORDER.index("jaw")]) == JOINT_INDEX["head"]
    assert skin.faces.shape == (55, 3)


def test_rest_pose_has_the_pelvis_at_the_origin(tmp_path: Path) -> None:
    skin = load_skin("smplx", motion(betas=[0.0]), model_path=write(tmp_path))
    np.testing.assert_allclose(skin.rest_joints, skeleton.rest_joints(bones()), atol=1e-6)
    np.testing.assert_allclose(skin.rest_vertices[:4], CORNERS @ TO_SMPL, atol=1e-6)


def test_shape_parameters_of_the_motion_are_used(tmp_path: Path) -> None:
    skin = load_skin("smplx", motion(betas=[2.0]), model_path=write(tmp_path))
    np.testing.assert_allclose(skin.rest_joints, 1.2 * skeleton.rest_joints(bones()), atol=1e-6)


def test_shape_is_fitted_to_the_bones_where_unknown(tmp_path: Path) -> None:
    skin = load_skin("smplx", motion(1.3 * bones()), model_path=write(tmp_path))
    assert isinstance(skin, SmplxSkin)
    np.testing.assert_allclose(skin.betas[0], 3.0, rtol=0.02)
    np.testing.assert_allclose(skin.rest_joints, 1.3 * skeleton.rest_joints(bones()), atol=5e-3)


def test_curl_of_the_mean_hand_is_taken_from_the_bones(tmp_path: Path) -> None:
    """A data set whose finger bones hold the mean hand, with rotations relative to it: fingers must not be flat."""
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (52, 1))
    order = [JOINT_INDEX[name] for name in HANDS]
    turns[order] = rotations.from_rotvec(np.concatenate((MEAN_HAND, -MEAN_HAND)).reshape(30, 3) @ TO_SMPL)
    positions, world = skeleton.forward_kinematics(turns, np.zeros(3), bones())
    above = [max(p, 0) for p in PARENTS]
    clip = motion(positions - positions[above], betas=[0.0])
    skin = load_skin("smplx", clip, model_path=write(tmp_path))
    joints = skin.joints(clip.joint_rotations_b, clip.root_position_w)
    np.testing.assert_allclose(joints, clip.joint_positions_w, atol=3e-6)
    tip, k = JOINT_INDEX["left_ring3"], ORDER.index("left_ring3")
    flesh = positions[tip] + rotations.rotate(world[tip], CORNERS @ TO_SMPL)
    np.testing.assert_allclose(skin.rest_vertices[4 * k : 4 * k + 4], flesh, atol=3e-6)


def test_pose_correctives_act(tmp_path: Path) -> None:
    correctives = np.zeros((220, 3, 486))
    correctives[0, 1, 9 * (ORDER.index("left_elbow") - 1)] = 1.0  # first vertex rises with the (0, 0) entry of R - 1
    clip = motion(betas=[0.0])
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (2, 52, 1))
    turns[1, JOINT_INDEX["left_elbow"]] = [0.0, 0.0, 0.0, 1.0]  # half a turn about up: R - 1 = -2 for SMPL's left axis
    skin = load_skin("smplx", clip, model_path=write(tmp_path, posedirs=correctives))
    posed = skin.vertices(turns, np.zeros((2, 3)))
    np.testing.assert_allclose(posed[1, 0] - posed[0, 0], [0.0, 0.0, -2.0], atol=1e-6)


def test_missing_files_say_where_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MODEL_VARIABLE, raising=False)
    with pytest.raises(AssetError, match=r"smpl-x\.is\.tue\.mpg\.de.*model_path"):
        load_skin("smplx", motion())
    with pytest.raises(AssetError, match="no SMPL-X model there"):
        load_skin("smplx", motion(), model_path=tmp_path)
    with pytest.raises(AssetError, match="pickle"):
        load_skin("smplx", motion(), model_path=tmp_path / "SMPLX_NEUTRAL.pkl")


def test_found_by_environment_and_in_a_subfolder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "smplx").mkdir()
    write(tmp_path / "smplx")
    monkeypatch.setenv(MODEL_VARIABLE, str(tmp_path))
    assert len(load_skin("smplx", motion()).rest_vertices) == 220


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": None}, "weights"),
        ({"weights": np.zeros((220, 24))}, r"weights has shape \[220, 24\], an SMPL-X model has \['V', 55\]"),
        ({"J_regressor": np.zeros((55, 7))}, "J_regressor has shape"),
    ],
)
def test_refuses_what_is_no_smplx_model(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AssetError, match=message):
        load_skin("smplx", motion(), model_path=write(tmp_path, **changes))


def test_refuses_a_damaged_file(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(AssetError, match="not an SMPL-X model"):
        load_skin("smplx", motion(), model_path=path)
