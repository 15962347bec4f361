"""The authored clip holds what physics will ask of it: planted feet, palms on the face, a box that waits for them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from generate.authored import author_box_push
from generate.box_push import BoxPush
from sim import rotations
from sim.body.capsules import body_geoms, measure_stance
from sim.motion import Motion
from sim.skeleton import BODY_JOINTS, FINGER_JOINTS, JOINT_INDEX

SEEDS = (0, 1, 2, 3, 4)


@pytest.fixture(scope="module", params=SEEDS)
def clip(request: pytest.FixtureRequest) -> Motion:
    return author_box_push(seed=request.param)


@pytest.fixture(scope="module")
def first() -> Motion:
    return author_box_push(seed=0)


def _face_x(clip: Motion) -> np.ndarray:
    item = clip.objects[0]
    return item.position_w[:, 0] - 0.5 * item.geometry.size[0]


def _in_contact(clip: Motion) -> np.ndarray:
    return clip.contacts.active(clip.num_frames).all(-1)


def _joint(clip: Motion, name: str) -> np.ndarray:
    return clip.joint_positions_w[:, JOINT_INDEX[name]]


def _box_corners(clip: Motion) -> dict[str, np.ndarray]:
    """World corners [T, 8, 3] of every box of the simulated body, by joint name and size."""
    corners = {}
    signs = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), -1).reshape(-1, 3)
    for i, geom in enumerate(body_geoms(clip.offsets, stance=measure_stance(clip))):
        if geom.kind == "box":
            local = geom.position_b + rotations.rotate(geom.rotation_b, signs * np.array(geom.size))
            turn = clip.joint_rotations_w[:, geom.joint, None]
            moved = rotations.rotate(turn, np.tile(local, (clip.num_frames, 1, 1)))
            corners[f"{clip.joint_names[geom.joint]} {i}"] = clip.joint_positions_w[:, geom.joint, None] + moved
    return corners


def test_it_is_a_clip_of_about_six_seconds_with_a_story(first: Motion) -> None:
    assert first.fps == 30.0
    assert 5.0 < first.duration < 7.0
    assert first.text
    assert first.action
    assert first.group
    assert "seed 0" in first.source


def test_the_same_seed_gives_the_same_clip_and_another_one_another(first: Motion) -> None:
    again = author_box_push(seed=0)
    np.testing.assert_array_equal(again.joint_rotations_b, first.joint_rotations_b)
    np.testing.assert_array_equal(again.root_position_w, first.root_position_w)
    other = author_box_push(seed=1)
    assert other.num_frames != first.num_frames or np.abs(other.root_position_w - first.root_position_w).max() > 1e-3


def test_no_foot_skates_in_stance(clip: Motion) -> None:
    """The toe joint is at rest or in the air; so is the ankle of a flat foot. Less than 1 mm a frame."""
    for side in ("left", "right"):
        toe, ankle = _joint(clip, f"{side}_foot"), _joint(clip, f"{side}_ankle")
        for joint, near in ((toe, 1e-3), (ankle, 1e-4)):
            down = joint[:, 2] < joint[:, 2].min() + near
            still = down[1:] & down[:-1]
            assert still.mean() > 0.3
            assert np.linalg.norm(np.diff(joint, axis=0), axis=-1)[still].max() < 1e-3


def test_soles_meet_the_floor_and_stay_above_it(clip: Motion) -> None:
    soles = np.concatenate([c for name, c in _box_corners(clip).items() if "ankle" in name or "foot" in name], 1)
    lowest = soles[..., 2].min(1)
    assert lowest.min() > -1e-3
    assert lowest.max() < 3e-3, "a foot always stands"


def test_swinging_feet_clear_the_floor(clip: Motion) -> None:
    for side in ("left", "right"):
        lift = np.ptp(_joint(clip, f"{side}_foot")[:, 2])
        assert 0.04 < lift < 0.08


def test_palms_lie_on_the_face_during_contact(clip: Motion) -> None:
    touching, face = _in_contact(clip), _face_x(clip)
    hands = {name: c for name, c in _box_corners(clip).items() if "wrist" in name}
    for side in ("left", "right"):
        parts = np.concatenate([c for name, c in hands.items() if name.startswith(side)], 1)
        palm = next(c for name, c in hands.items() if name.startswith(side))
        gap = face[:, None] - parts[..., 0]
        assert np.abs(gap.min(-1))[touching].max() < 1.5e-3, "the hand touches and does not sink in"
        front = np.sort(face[:, None] - palm[..., 0], axis=-1)[:, :4].mean(-1)
        assert front[touching].max() < 5e-3, "the palm's surface is within 5 mm of the face on average"
        assert gap[~touching].min() > -1.5e-3, "nor does it pass through the box on its way"


def test_contact_rows_are_where_the_palms_are(clip: Motion) -> None:
    touching, item = _in_contact(clip), clip.objects[0]
    for row, side in enumerate(("left", "right")):
        assert clip.contacts.keypoints[row] == f"{side}Hand_palm"
        point = item.position_w + clip.contacts.points_b[row]
        middle = 0.5 * (_joint(clip, f"{side}_wrist") + _joint(clip, f"{side}_middle1"))
        distance = np.linalg.norm(point - middle, axis=-1)[touching]
        assert distance.max() < 0.025
        assert distance.min() > 0.012, "the bones are half a palm away from the surface"


def test_the_box_waits_for_the_palms_and_stops_before_they_leave(clip: Motion) -> None:
    position = clip.objects[0].position_w
    moved = np.linalg.norm(np.diff(position, axis=0), axis=-1) > 1e-6
    touching = _in_contact(clip)
    assert not moved[~touching[1:]].any()
    assert position[-1, 0] - position[0, 0] == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(position[:, 1:], [[0.0, 0.5 * clip.objects[0].geometry.size[2]]] * clip.num_frames)
    speed = np.diff(position[:, 0]) * clip.fps
    assert speed.max() < 0.6
    assert np.abs(np.diff(speed) * clip.fps).max() < 2.0, "it starts and stops smoothly"


def test_the_box_slides_rather_than_tips(first: Motion) -> None:
    plan = BoxPush()
    assert plan.box_friction * plan.hand_height < 0.8 * 0.5 * plan.box_size[0]
    assert first.objects[0].friction == plan.box_friction


def test_labels_follow_the_contacts(first: Motion) -> None:
    touching = _in_contact(first)
    labels = first.contact_labels
    assert labels is not None
    assert first.object_contact is not None
    np.testing.assert_array_equal(first.object_contact, touching)
    for name in ("left_wrist", "right_wrist"):
        np.testing.assert_array_equal(labels[:, JOINT_INDEX[name]], touching)
    for name in ("pelvis", "left_knee", "right_foot", "spine2", "head"):
        assert (labels[:, JOINT_INDEX[name]] == -1).all()
    assert (labels[:, list(FINGER_JOINTS)] == 0).all()


def test_it_is_as_smooth_as_recorded_motion(clip: Motion) -> None:
    """OMOMO clips have 100 m/s^3 and more on average; joints turn slower than 10 rad/s in human walking and pushing."""
    jerk = np.diff(clip.joint_positions_w[:, list(BODY_JOINTS)], 3, axis=0) * clip.fps**3
    assert np.linalg.norm(jerk, axis=-1).mean() < 60
    turn = rotations.angle_between(clip.joint_rotations_b[1:], clip.joint_rotations_b[:-1]) * clip.fps
    assert turn.max() < 9
    speed = np.linalg.norm(np.diff(clip.joint_positions_w, axis=0), axis=-1) * clip.fps
    assert speed.max() < 4.5


def test_joints_bend_as_peoples_do(clip: Motion) -> None:
    """Knees and elbows only flex; a wrist bends back by no more than 105 degrees in passing and 85 under load."""
    local = rotations.to_rotvec(clip.joint_rotations_b)
    for side, sign in (("left", -1.0), ("right", 1.0)):
        knee = local[:, JOINT_INDEX[f"{side}_knee"], 1]
        assert knee.min() > 0.1
        assert knee.max() < 1.4
        elbow = sign * local[:, JOINT_INDEX[f"{side}_elbow"], 2]
        assert elbow.min() > 0.1
        bone = rotations.rotate(
            clip.joint_rotations_w[:, [JOINT_INDEX[f"{side}_{j}"] for j in ("elbow", "wrist")]],
            np.array([0.0, -sign, 0.0]),
        )
        bend = np.degrees(np.arccos(np.clip((bone[:, 0] * bone[:, 1]).sum(-1), -1, 1)))
        assert bend.max() < 105
        pushing = np.abs(np.gradient(clip.objects[0].position_w[:, 0])) > 0.005
        assert bend[pushing].max() < 90


def test_it_survives_the_file_and_another_plan(first: Motion, tmp_path: Path) -> None:
    first.save(tmp_path / "clip.npz")
    loaded = Motion.load(tmp_path / "clip.npz")
    np.testing.assert_array_equal(loaded.joint_rotations_b, first.joint_rotations_b)
    heavy = author_box_push(plan=dataclasses.replace(BoxPush(), box_mass=9.0))
    assert heavy.objects[0].mass == 9.0
