"""SMPL-X parameter files, synthesised from a known motion in our own axes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sim import rotations, skeleton
from sim.errors import FormatError
from sim.formats import detect_layout, import_motion
from sim.formats.smplx_params import NEUTRAL_PELVIS, TO_STANDARD, Up, parameters, read, rest_joints
from sim.geometry import Primitive
from sim.motion import Motion

Arrays = dict[str, np.ndarray]


def check(motion: Motion, pose: Arrays, root: np.ndarray | None = None) -> None:
    np.testing.assert_allclose(motion.offsets, pose["offsets"], atol=1e-6)
    assert rotations.angle_between(motion.joint_rotations_b.copy(), pose["rotations_b"]).max() < 1e-5
    np.testing.assert_allclose(motion.root_position_w, pose["root"] if root is None else root, atol=1e-6)


def test_axes_are_a_rotation() -> None:
    np.testing.assert_array_equal(TO_STANDARD @ (1, 0, 0), (0, 1, 0))  # left
    np.testing.assert_array_equal(TO_STANDARD @ (0, 1, 0), (0, 0, 1))  # up
    np.testing.assert_array_equal(TO_STANDARD @ (0, 0, 1), (1, 0, 0))  # facing
    assert np.linalg.det(TO_STANDARD) == pytest.approx(1.0)


@pytest.mark.parametrize("suffix", [".npz", ".json", ".pt"])
def test_y_up_file(tmp_path: Path, smplx_arrays: Arrays, pose: Arrays, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".npz":
        np.savez(path, **smplx_arrays)
    elif suffix == ".json":
        path.write_text(json.dumps({name: value.tolist() for name, value in smplx_arrays.items()}))
    else:
        nested = {name: torch.tensor(value).requires_grad_() for name, value in smplx_arrays.items()}
        torch.save({"smpl_params_global": nested, "smpl_params_incam": {}}, path)
    assert detect_layout(path) == "smplx"
    motion = import_motion(path)
    check(motion, pose)
    assert motion.fps == 20.0
    assert motion.objects == ()
    assert motion.body is not None
    assert motion.body.model == "smplx"
    np.testing.assert_array_equal(motion.body.parameters["betas"], np.full(10, 0.5))


def test_z_up_world(tmp_path: Path, smplx_arrays: Arrays, pose: Arrays) -> None:
    """The same person in a world whose z points up: AMASS's convention; facing is then the file's own x."""
    turn = np.broadcast_to(rotations.from_matrix(TO_STANDARD), (24, 4)).copy()
    root = rotations.multiply(turn, rotations.from_rotvec(smplx_arrays["global_orient"]))
    pelvis = smplx_arrays["rest_joints"][0]
    smplx_arrays["transl"] = (smplx_arrays["transl"] + pelvis) @ TO_STANDARD.T - pelvis
    smplx_arrays["global_orient"] = rotations.to_rotvec(root)
    np.savez(tmp_path / "a.npz", **smplx_arrays)
    check(import_motion(tmp_path / "a.npz", up="z"), pose)


def test_camera_world(tmp_path: Path, smplx_arrays: Arrays, pose: Arrays) -> None:
    """A camera that looks along our +x: x right, y down, z forward. Upright means upright again."""
    smplx_arrays["global_orient"] = np.tile([np.pi, 0, 0], (24, 1))  # upright, facing the camera
    smplx_arrays["transl"] = np.tile([0.5, 0.1, 3.0], (24, 1)) - smplx_arrays["rest_joints"][0]
    np.savez(tmp_path / "a.npz", **smplx_arrays)
    motion = import_motion(tmp_path / "a.npz", up="-y")
    np.testing.assert_allclose(motion.root_position_w[0], (3.0, -0.5, -0.1), atol=1e-6)
    facing_left_up = rotations.to_matrix(motion.joint_rotations_b[0, 0].copy()).T
    np.testing.assert_allclose(facing_left_up, [[-1, 0, 0], [0, -1, 0], [0, 0, 1]], atol=1e-6)


@pytest.mark.parametrize("head_parts", [0, 3])
def test_amass_poses(tmp_path: Path, smplx_arrays: Arrays, pose: Arrays, head_parts: int) -> None:
    a = smplx_arrays
    jaw_and_eyes = np.full((24, 3 * head_parts), 0.7)
    poses = np.concatenate(
        [a["global_orient"], a["body_pose"], jaw_and_eyes, a["left_hand_pose"], a["right_hand_pose"]], axis=1
    )
    np.savez(tmp_path / "a.npz", poses=poses, trans=a["transl"], rest_joints=a["rest_joints"], mocap_framerate=120.0)
    motion = import_motion(tmp_path / "a.npz", fps=120)
    check(motion, pose)
    assert motion.fps == 120.0


def test_bones_from_another_motion_of_the_person(tmp_path: Path, smplx_arrays: Arrays, pose: Arrays) -> None:
    Motion(24.0, pose["root"], pose["rotations_b"], pose["offsets"]).save(tmp_path / "person.npz")
    pelvis = smplx_arrays.pop("rest_joints")[0]
    np.savez(tmp_path / "a.npz", **smplx_arrays)
    motion = import_motion(tmp_path / "a.npz", body=tmp_path / "person.npz")
    check(motion, pose, root=pose["root"] + TO_STANDARD @ (NEUTRAL_PELVIS - pelvis))
    assert "bones from the motion person.npz" in motion.source


def test_bones_from_a_model_file(tmp_path: Path, smplx_arrays: Arrays, pose: Arrays) -> None:
    """A toy model whose vertices are its joints: each beta stretches y by 2 %, ten of 0.5 by 10 %."""
    rest = smplx_arrays.pop("rest_joints")
    stretch = np.zeros((55, 3, 16))
    stretch[:, 1, :10] = 0.02 * rest[:, [1]]
    np.savez(tmp_path / "SMPLX.npz", J_regressor=np.eye(55), v_template=rest, shapedirs=stretch)
    np.savez(tmp_path / "a.npz", **smplx_arrays)
    motion = import_motion(tmp_path / "a.npz", body=tmp_path / "SMPLX.npz")
    np.testing.assert_allclose(motion.offsets, pose["offsets"] * (1, 1, 1.1), atol=1e-6)


def test_missing_hands_are_straight(tmp_path: Path, smplx_arrays: Arrays) -> None:
    del smplx_arrays["left_hand_pose"], smplx_arrays["right_hand_pose"]
    np.savez(tmp_path / "a.npz", **smplx_arrays)
    motion = import_motion(tmp_path / "a.npz")
    fingers = motion.joint_rotations_b[:, list(skeleton.FINGER_JOINTS)]
    np.testing.assert_array_equal(fingers, np.broadcast_to((1.0, 0, 0, 0), fingers.shape))
    assert "no left_hand_pose: fingers straight" in motion.source


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rest_joints": None}, r"do not hold bone lengths: .*--body FILE"),
        ({"transl": None}, r"no 'transl' among betas, body_pose"),
        ({"fps": None}, r"does not say its frame rate: give it \(--fps\)"),
        ({"left_hand_pose": np.zeros((24, 6))}, r"left_hand_pose has shape \[24, 6\], expected \[24, 45\]"),
        ({"body_pose": np.zeros((23, 63))}, r"body_pose has shape \[23, 63\], expected \[24, 63\]"),
        ({"body_pose": np.full((24, 63), np.nan)}, r"body_pose is not finite at frame 0"),
        ({"rest_joints": np.zeros((55, 3))}, r"zero-length bone: left_hip and 50 more"),
        ({"rest_joints": np.zeros((24, 3))}, r"rest joints have shape \[24, 3\]"),
        ({"global_orient": None}, r"not SMPL-X parameters \(no global_orient and body_pose among"),
    ],
)
def test_bad_content(tmp_path: Path, smplx_arrays: Arrays, change: dict[str, np.ndarray | None], message: str) -> None:
    content = {name: value for name, value in (smplx_arrays | change).items() if value is not None}
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(FormatError, match=message) as caught:
        import_motion(tmp_path / "a.npz")
    assert str(caught.value).startswith(str(tmp_path / "a.npz"))


def test_bad_files(tmp_path: Path, smplx_arrays: Arrays) -> None:
    np.savez(tmp_path / "a.npz", **smplx_arrays)
    with pytest.raises(FormatError, match="smplx files hold no object pose"):
        import_motion(tmp_path / "a.npz", geometry=Primitive("sphere", (0.1,)))
    with pytest.raises(FormatError, match=r"intermimic-591 is a tensor in a \.pt file"):
        import_motion(tmp_path / "a.npz", layout="intermimic-591")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:3000])
    with pytest.raises(FormatError, match=r"not a readable \.npz file"):
        import_motion(tmp_path / "cut.npz")
    (tmp_path / "cut.json").write_text('{"global_orient": [[')
    with pytest.raises(FormatError, match=r"not a readable \.json file"):
        import_motion(tmp_path / "cut.json")
    del smplx_arrays["rest_joints"]
    np.savez(tmp_path / "b.npz", **smplx_arrays)
    with pytest.raises(FormatError, match="neither SMPL-X's model file nor a motion"):
        import_motion(tmp_path / "b.npz", body=tmp_path / "a.npz")


def test_real_parameters_of_one_image_are_no_motion(data: Path) -> None:
    with pytest.raises(FormatError, match="no 'transl'"):  # cam_trans is the camera's
        import_motion(data / "open3dhoi" / "basket" / "smplx_parameters.json", fps=1)


@pytest.mark.parametrize("up", ["y", "z", "-y"])
def test_a_motion_survives_the_way_to_parameters_and_back(carrying_motion: Callable[..., Motion], up: Up) -> None:
    motion = carrying_motion()
    found = parameters(motion, up=up)
    assert {name: value.shape for name, value in found.items()} == {
        "global_orient": (12, 3), "transl": (12, 3), "body_pose": (12, 63),
        "left_hand_pose": (12, 45), "right_hand_pose": (12, 45),
    }  # fmt: skip
    clip = read(found | {"rest_joints": rest_joints(motion.offsets)}, up=up)
    np.testing.assert_allclose(clip.offsets, motion.offsets, atol=1e-12)
    np.testing.assert_allclose(clip.root_position_w, motion.root_position_w, atol=1e-12)
    assert rotations.angle_between(clip.joint_rotations_b, motion.joint_rotations_b).max() < 1e-6


def test_parameters_in_a_y_up_world(carrying_motion: Callable[..., Motion]) -> None:
    motion = carrying_motion()
    found = parameters(motion)
    # the pelvis is 0.95 m up and 0.1 m to the front in frame 2: in SMPL's world that is y and z
    np.testing.assert_allclose(found["transl"][2] + NEUTRAL_PELVIS, [0, 0.95, 0.1], atol=1e-12)
    # SMPL's first body joint is the left hip; a turn about our z (up) is one about its y
    hip = rotations.to_rotvec(motion.joint_rotations_b[:, skeleton.JOINT_INDEX["left_hip"]])
    np.testing.assert_allclose(found["body_pose"][:, :3], hip[:, [1, 2, 0]], atol=1e-9)
    with pytest.raises(FormatError, match="up axis 'x'"):
        parameters(motion, up="x")  # type: ignore[arg-type]
