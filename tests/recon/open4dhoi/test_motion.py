"""Body motion in a session: GVHMR's results, hands of both versions, the camera, and the way to a motion and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from recon.camera import Camera
from recon.open4dhoi.motion import (
    SmplxTrack,
    body_motion,
    body_result,
    camera_to_global,
    hands_from_v1,
    hands_to_v1,
    read_body,
    result_camera,
    write_body,
)  # fmt: skip
from sim import rotations, subject
from sim.errors import FormatError
from sim.formats.smplx_params import NEUTRAL_PELVIS
from sim.motion import Motion

OFFSETS = subject.default_offsets()


def angle(a: np.ndarray, b: np.ndarray) -> float:
    """Largest angle between two arrays of rotation vectors, rad."""
    one, other = (Rotation.from_rotvec(np.reshape(x, (-1, 3))) for x in (a, b))
    return float((one.inv() * other).magnitude().max())


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_body_and_hands_of_both_versions(make_session: Callable[..., Any], version: str) -> None:
    truth = make_session(version)
    found = read_body(truth.folder)
    assert found is not None
    for track, true in ((found.incam, truth.incam), (found.world, truth.world)):
        assert track.betas is not None
        np.testing.assert_allclose(track.transl, true["transl"], atol=1e-6)
        np.testing.assert_allclose(track.betas, true["betas"], atol=1e-6)
        for name in ("global_orient", "body_pose", "left_hand_pose", "right_hand_pose"):
            assert angle(getattr(track, name), true[name]) < 1e-5
    assert found.intrinsics is not None
    assert found.intrinsics.shape == (8, 3, 3)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_read_written_and_read_is_the_same(make_session: Callable[..., Any], tmp_path: Path, version: str) -> None:
    found = read_body(make_session(version).folder)
    assert found is not None
    found = replace(found, extra={"net_outputs": {"x": torch.arange(3)}})
    write_body(tmp_path / "copy", found, "v1" if version == "v1" else "v2")
    again = read_body(tmp_path / "copy")
    assert again is not None
    for name, value in found.incam.given().items():
        assert value.shape == getattr(again.incam, name).shape
        np.testing.assert_allclose(getattr(again.incam, name), value, atol=1e-5)
    assert again.extra["net_outputs"]["x"].tolist() == [0, 1, 2]


def test_the_first_versions_left_hand_is_mirrored(make_session: Callable[..., Any]) -> None:
    found = read_body(make_session("v2").folder)
    assert found is not None
    track = found.incam
    table = hands_to_v1(track)
    # a turn by rotvec (x, y, z) looks like one by (x, -y, -z) in a mirror that flips x
    stored = Rotation.from_matrix(table["0"]["left_hand"]).as_rotvec()
    assert angle(stored * [1, -1, -1], track.left_hand_pose[0]) < 1e-6
    assert angle(Rotation.from_matrix(table["0"]["right_hand"]).as_rotvec(), track.right_hand_pose[0]) < 1e-6
    again = hands_from_v1(table, track)
    assert angle(again.body_pose, track.body_pose) < 1e-6
    assert angle(again.left_hand_pose, track.left_hand_pose) < 1e-6


def test_a_frame_without_a_hand_keeps_its_wrist(make_session: Callable[..., Any]) -> None:
    truth = make_session("v1")
    path = truth.folder / "motion/hand_pose.json"
    table = json.loads(path.read_text())
    del table["3"]
    del table["4"]["left_hand"]
    path.write_text(json.dumps(table))
    stored = torch.load(truth.folder / "motion/result.pt", weights_only=True)["smpl_params_incam"]["body_pose"]
    found = read_body(truth.folder)
    assert found is not None
    assert found.incam.left_hand_pose is not None
    assert found.incam.right_hand_pose is not None
    assert not found.incam.left_hand_pose[[3, 4]].any()
    assert not found.incam.right_hand_pose[3].any()
    assert found.incam.right_hand_pose[4].any()
    assert angle(found.incam.body_pose[3], stored[3]) < 1e-6


def test_hands_of_the_released_data_set(make_session: Callable[..., Any]) -> None:
    truth = make_session("v1")
    (truth.folder / "motion/hand_pose.json").unlink()
    left, right = truth.incam["left_hand_pose"][2:5], truth.incam["right_hand_pose"][2:5]
    np.savez(truth.folder / "motion/hand_pose.npz", left_hand_pose=left, right_hand_pose=right, frame_ids=[2, 3, 4])
    found = read_body(truth.folder)
    assert found is not None
    assert found.incam.left_hand_pose is not None
    np.testing.assert_allclose(found.incam.left_hand_pose[2:5], left)
    assert not found.incam.left_hand_pose[5:].any()


def test_the_camera_comes_out_of_the_two_tracks(make_session: Callable[..., Any]) -> None:
    truth = make_session()
    found = read_body(truth.folder)
    assert found is not None
    turn, move = camera_to_global(found.incam, found.world)
    np.testing.assert_allclose(turn, np.tile(truth.turn, (8, 1, 1)), atol=1e-5)
    np.testing.assert_allclose(move, np.tile(truth.move, (8, 1)), atol=1e-4)
    camera = result_camera(found, 64, 48)
    # y up becomes z up: (x, y, z) -> (z, x, y)
    np.testing.assert_allclose(camera.position_w, truth.move[[2, 0, 1]], atol=1e-4)
    np.testing.assert_allclose(
        camera.to_world(np.array([0.0, 0, 1])), (truth.turn[:, 2] + truth.move)[[2, 0, 1]], atol=1e-4
    )
    assert camera.intrinsics[0].tolist() == [80, 0, 32]
    assert result_camera(replace(found, intrinsics=None), 30, 40).intrinsics[0, 0] == 50  # GVHMR's sqrt(w^2 + h^2)


def test_motion_in_camera_axes_and_in_the_world_agree(make_session: Callable[..., Any]) -> None:
    found = read_body(make_session().folder)
    assert found is not None
    camera = result_camera(found, 64, 48)
    seen = body_motion(found.incam, camera, 25.0, offsets=OFFSETS)
    there = body_motion(found.world, None, 25.0, offsets=OFFSETS)
    np.testing.assert_allclose(seen.joint_positions_w, there.joint_positions_w, atol=1e-4)
    pelvis_c = found.incam.transl + NEUTRAL_PELVIS
    np.testing.assert_allclose(camera.to_camera(seen.root_position_w), pelvis_c, atol=1e-6)


def test_a_motion_survives_the_way_to_their_files_and_back(
    carrying_motion: Callable[..., Motion], tmp_path: Path
) -> None:
    motion = carrying_motion(objects=(), contacts=carrying_motion().contacts.rows(np.zeros(2, bool)))
    camera = Camera.look_at(np.array([3.0, 1.0, 1.5]), np.array([0.0, 0.0, 1.0]), 64, 48)
    result = body_result(motion, camera)
    assert "mean one" in result.notes[0]
    write_body(tmp_path, result, "v2")
    again = read_body(tmp_path)
    assert again is not None
    back = body_motion(again.incam, camera, motion.fps, offsets=motion.offsets)
    np.testing.assert_allclose(back.joint_positions_w, motion.joint_positions_w, atol=1e-4)
    assert rotations.angle_between(back.joint_rotations_b, motion.joint_rotations_b).max() < 1e-3
    found = result_camera(again, 64, 48)
    assert rotations.angle_between(found.rotation_w, camera.rotation_w) < 1e-3
    np.testing.assert_allclose(found.position_w, camera.position_w, atol=1e-3)


def test_moving_a_track_moves_the_body() -> None:
    rng = np.random.default_rng(0)
    track = SmplxTrack(rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), np.zeros((2, 63)), np.zeros((2, 10)))
    turn, move = Rotation.from_rotvec(rng.normal(size=(2, 3))).as_matrix(), rng.normal(size=(2, 3))
    moved = track.moved(turn, move)
    # SMPL: x = R (u - pelvis) + pelvis + transl for a point u of the rest pose
    u = rng.normal(size=(5, 3))

    def points(t: SmplxTrack) -> np.ndarray:
        return (
            np.array([r.apply(u - NEUTRAL_PELVIS) for r in Rotation.from_rotvec(t.global_orient)])
            + (NEUTRAL_PELVIS + t.transl)[:, None]
        )

    np.testing.assert_allclose(points(moved), np.einsum("tij,tpj->tpi", turn, points(track)) + move[:, None], atol=1e-9)


def test_bones_must_come_from_somewhere(make_session: Callable[..., Any]) -> None:
    found = read_body(make_session().folder)
    assert found is not None
    with pytest.raises(FormatError, match="bone lengths"):
        body_motion(found.world, None, 25.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("smpl_params_global"), "no 'smpl_params_global'"),
        (lambda c: c["smpl_params_incam"].pop("transl"), "'transl' is missing"),
        (lambda c: c["smpl_params_incam"].update(transl=torch.zeros(8, 4)), r"transl has shape \[8, 4\]"),
        (lambda c: c["smpl_params_incam"].update(transl=torch.zeros(7, 3)), "different lengths"),
        (lambda c: c["smpl_params_incam"]["transl"].__setitem__((2, 0), float("nan")), "not finite at frame 2"),
        (lambda c: c.update(K_fullimg=torch.zeros(7, 3, 3)), "K_fullimg"),
    ],
)  # fmt: skip
def test_a_broken_result_gives_one_line(make_session: Callable[..., Any], change: Any, message: str) -> None:
    path = make_session().folder / "motion/result_hand.pt"
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)
    with pytest.raises(FormatError, match=message) as caught:
        read_body(path.parents[1])
    assert "result_hand.pt" in str(caught.value)


def test_a_truncated_result_and_broken_hands_give_one_line(make_session: Callable[..., Any]) -> None:
    folder = make_session("v1").folder
    hands = folder / "motion/hand_pose.json"
    hands.write_text(json.dumps({"5": {"left_hand": [[1, 2, 3]]}}))
    with pytest.raises(FormatError, match=r"hand_pose\.json: frame 5: left_hand"):
        read_body(folder)
    path = folder / "motion/result.pt"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(FormatError, match=r"result\.pt"):
        read_body(folder)
    assert read_body(folder.parent) is None
