"""The Anny skin on real subjects: joints of the posed mesh, flesh against the keypoint table, natural proportions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim import keypoints, skeleton, subject
from sim.body import anny
from sim.body.skin import load_skin
from sim.errors import UnknownNameError
from sim.formats.convert import import_motion
from sim.geometry import Primitive
from sim.motion import Motion
from sim.skeleton import JOINT_INDEX, JOINT_NAMES

CLIPS = {
    "sub2": "omomo/sub2_largetable_003.pt",
    "sub8": "omomo/sub8_largebox_000.pt",
    "ballplay": "ballplay/catch__003_008pickle_catch_012.pt",
}
pytestmark = pytest.mark.slow  # two minutes where Anny's data have to be built first, else seconds
SHOULDERS = [JOINT_INDEX["left_shoulder"], JOINT_INDEX["right_shoulder"]]


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    """The first build takes about two minutes: once per machine."""
    anny.load_model()


def clip(data: Path, name: str) -> Motion:
    return import_motion(data / "motions" / CLIPS[name], geometry=Primitive("sphere", (0.12,)))


def joint_error(motion: Motion, every: int) -> np.ndarray:
    """Distance of the posed mesh's joints from the motion's, m: [T / every, 52]."""
    skin = load_skin("anny", motion)
    joints = skin.joints(motion.joint_rotations_b[::every], motion.root_position_w[::every])
    error: np.ndarray = np.linalg.norm(joints - motion.joint_positions_w[::every], axis=-1)
    return error


@pytest.mark.parametrize("name", CLIPS)
def test_joints_of_the_posed_mesh_within_15_mm(data: Path, name: str) -> None:
    error = joint_error(clip(data, name), every=8)
    worst = error.max(0)
    elsewhere = [j for j in range(skeleton.NUM_JOINTS) if name != "ballplay" or j not in SHOULDERS]
    assert worst[elsewhere].max() < 0.015, {JOINT_NAMES[j]: worst[j] for j in elsewhere if worst[j] > 0.015}
    assert worst[SHOULDERS].max() < 0.020  # arms raised over the head bulge the shoulder's flesh
    assert error.mean() < 0.003


@pytest.mark.parametrize("name", ["sub2", "sub8"])
def test_flesh_lies_where_the_keypoint_table_has_it(data: Path, name: str) -> None:
    """The table was checked against SMPL-X's surface, so the two bodies agree through it, both hands and soles too."""
    motion = clip(data, name)
    _, on_skin = keypoints.keypoints_on_skin(load_skin("anny", motion))
    gap = np.linalg.norm(on_skin - keypoints.keypoint_offsets(motion.offsets), axis=-1)
    assert np.median(gap) < 0.018
    assert np.quantile(gap, 0.9) < 0.030
    for side in ("left", "right"):
        palm, back = (on_skin[keypoints.KEYPOINT_INDEX[f"{side}Hand_{s}"]] for s in ("palm", "back"))
        assert palm[2] < back[2]
        assert 0.022 < np.linalg.norm(palm - back) < 0.040


def test_a_person_of_average_bones_is_an_adult_of_that_height() -> None:
    offsets = subject.default_offsets(1.75)
    fitted = anny.fit(anny.load_model(), offsets)
    assert 0.5 < fitted.phenotype["age"] < 1.0
    skin = anny.anny_skin(offsets)
    low, high = skin.rest_vertices.min(0), skin.rest_vertices.max(0)
    assert 1.65 < high[2] - low[2] < 1.85
    middle = np.abs(skin.rest_vertices[:, 2]) < 0.05
    assert np.ptp(skin.rest_vertices[middle, 0]) < 0.35
    np.testing.assert_allclose(skin.weights.sum(1), 1.0)
    assert set(np.unique(skin.vertex_joints)) == set(range(skeleton.NUM_JOINTS))


def test_a_taller_subject_gets_a_taller_body() -> None:
    heights = [
        np.ptp(anny.anny_skin(subject.default_offsets(h), detail="coarse").rest_vertices[:, 2]) for h in (1.6, 1.9)
    ]
    np.testing.assert_allclose(heights[1] / heights[0], 1.9 / 1.6, rtol=0.05)


def test_symmetric_bones_give_a_symmetric_body() -> None:
    skin = anny.anny_skin(subject.default_offsets())
    _, offsets = keypoints.keypoints_on_skin(skin)
    twins = [keypoints.KEYPOINT_INDEX[keypoints.mirror_name(name)] for name in keypoints.KEYPOINTS]
    gap = np.linalg.norm(offsets[twins] * [1, -1, 1] - offsets, axis=-1)
    assert np.median(gap) < 0.004


def test_rest_pose_faces_plus_x_with_palms_down() -> None:
    skin = anny.anny_skin(subject.default_offsets())
    points = dict(zip(keypoints.KEYPOINTS, skin.rest_vertices[keypoints.keypoints_on_skin(skin)[0]], strict=True))
    assert points["Mouth"][0] > points["leftNeck_back"][0]
    assert points["Thumb_left"][0] > points["Pinky_left"][0]
    assert points["leftHand_palm"][2] < points["leftHand_back"][2]
    assert points["Middle_left"][1] > 0.7


def test_regressor_is_exact_on_its_own_mesh() -> None:
    model = anny.load_model("coarse")
    vertices, anchors = anny._rest(model, anny.fit(model, subject.default_offsets()))
    anchors = anny._slide_fingers(anchors, subject.default_offsets())
    regressor = anny.joint_regressor(anny._joint_weights(model, vertices, anchors), vertices, anchors)
    np.testing.assert_allclose(regressor @ vertices, anchors, atol=1e-9)
    np.testing.assert_allclose(regressor.sum(1), 1.0)


def test_finger_joints_slide_along_annys_fingers() -> None:
    """Twice the bones in the same proportion change nothing; a longer first segment moves joint 1 outward."""
    line = np.zeros((52, 3))
    chain = anny._FINGERS[1]
    line[chain, 1] = [0.0, 0.10, 0.14, 0.16]  # tip at 0.16 + 0.8 * 0.02 = 0.176
    offsets = np.zeros((52, 3))
    offsets[chain[1:], 1] = [0.20, 0.08, 0.04]
    anchored = [c for c in anny._FINGERS if c is not chain]
    for other in anchored:
        line[other, 1], offsets[other[1:], 1] = [0.0, 0.1, 0.2, 0.3], 0.1
    np.testing.assert_allclose(anny._slide_fingers(line, offsets)[chain], line[chain], atol=1e-12)
    offsets[chain[1:], 1] = [0.30, 0.08, 0.04]
    moved = anny._slide_fingers(line, offsets)[chain, 1]
    np.testing.assert_allclose(moved, 0.176 / 0.452 * np.array([0.0, 0.30, 0.38, 0.42]), atol=1e-12)


def test_shares_of_a_chain() -> None:
    shares = anny._shares(np.array([-1.0, 0.0, 0.5, 1.0, 9.0]), np.array([0.0, 1.0]), 0.1)
    np.testing.assert_allclose(shares, [[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 0, 1]], atol=1e-12)


def test_moving_one_bone_leaves_the_rest_alone() -> None:
    skin = anny.anny_skin(subject.default_offsets(), detail="coarse")
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (2, 52, 1))
    turns[1, JOINT_INDEX["left_elbow"]] = [0.9, 0.0, 0.0, np.sqrt(1 - 0.81)]
    posed = skin.vertices(turns, np.zeros((2, 3)))
    moved = np.linalg.norm(posed[1] - posed[0], axis=-1)
    arm = [j for j, n in enumerate(JOINT_NAMES) if n in ("left_elbow", "left_wrist")] + [
        j for j in skeleton.FINGER_JOINTS if JOINT_NAMES[j].startswith("left")
    ]
    assert moved[np.isin(skin.vertex_joints, arm)].min() > 1e-3
    legs = np.isin(skin.vertex_joints, [JOINT_INDEX["left_knee"], JOINT_INDEX["right_elbow"], JOINT_INDEX["head"]])
    assert moved[legs].max() < 1e-9


def test_first_build_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import anny as package

    monkeypatch.setattr("anny.paths.get_anny_cache_path", lambda: tmp_path)
    monkeypatch.setattr(package, "Anny", lambda **_: "the model")
    assert anny.load_model.__wrapped__("full") == "the model"
    assert "once, about two minutes" in capsys.readouterr().err
    (tmp_path / "build_compact_model_data_0.safetensors").touch()
    anny.load_model.__wrapped__("full")
    assert capsys.readouterr().err == ""


def test_unknown_detail() -> None:
    with pytest.raises(UnknownNameError, match="coarse, full"):
        anny.anny_skin(subject.default_offsets(), detail="fine")
