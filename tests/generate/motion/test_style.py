"""Recorded postures are found again by where their hands are, on any subject."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from generate.authored import author_box_push
from generate.motion.style import Style, load_style
from sim import rotations, skeleton
from sim.errors import MotionError
from sim.motion import Motion
from sim.subject import default_offsets

BOTH = np.array([True, True])


@pytest.fixture(scope="module")
def clip() -> Motion:
    return author_box_push(seed=0)


@pytest.fixture(scope="module")
def style(clip: Motion) -> Style:
    return Style.of({"push": clip})


def test_a_posture_is_found_by_its_own_hands(style: Style) -> None:
    """Of the person's own stature the wrists are where they were; the pelvis, too."""
    for k in (0, len(style.names) - 1):
        found = style.nearest(style.wrists[k] * 1.75, BOTH, 1.75)
        assert found is not None
        posture, name = found
        assert name == "push"
        np.testing.assert_allclose(posture.rotations_b, style.rotations_b[k])
        joints = skeleton.forward_kinematics(posture.rotations_b, posture.root, default_offsets(1.75))[0]
        reached = joints[[skeleton.JOINT_INDEX["left_wrist"], skeleton.JOINT_INDEX["right_wrist"]]]
        np.testing.assert_allclose(reached, style.wrists[k] * 1.75, atol=2e-3)


def test_where_the_person_stands_and_faces_does_not_matter(clip: Motion, style: Style) -> None:
    turn = rotations.from_rotvec(np.array([0.0, 0.0, 2.0]))
    local = clip.joint_rotations_b.copy()
    local[:, 0] = rotations.multiply(turn, local[:, 0])
    item = clip.objects[0]
    moved = clip.replace(
        joint_rotations_b=local, root_position_w=rotations.rotate(turn, clip.root_position_w) + [3.0, -1.0, 0.0],
        objects=(type(item)(
            item.name, item.geometry, rotations.rotate(turn, item.position_w) + [3.0, -1.0, 0.0],
            rotations.multiply(turn, item.rotation_w), mass=item.mass, friction=item.friction,
        ),),
    )  # fmt: skip
    other = Style.of({"push": moved})
    np.testing.assert_allclose(other.wrists, style.wrists, atol=1e-9)
    np.testing.assert_allclose(other.root, style.root, atol=1e-9)
    np.testing.assert_allclose(np.abs((other.rotations_b * style.rotations_b).sum(-1)), 1.0, atol=1e-9)


def test_hands_far_away_or_other_hands_find_nothing(style: Style) -> None:
    assert style.nearest(style.wrists[0] * 1.75 + [0.0, 0.0, 0.5], BOTH, 1.75) is None
    assert style.nearest(style.wrists[0] * 1.75, np.array([True, False]), 1.75) is None
    assert style.nearest(style.wrists[0] * 1.75, np.array([False, False]), 1.75) is None


def test_a_shorter_person_reaches_lower(style: Style) -> None:
    found = style.nearest(style.wrists[0] * 1.5, BOTH, 1.5)
    assert found is not None
    np.testing.assert_allclose(found[0].root, style.root[0] * 1.5)


def test_folders_without_use_are_said(tmp_path: Path, clip: Motion) -> None:
    with pytest.raises(MotionError, match="no motion"):
        load_style(tmp_path)
    clip.slice(0, 10).save(tmp_path / "walk.npz")
    with pytest.raises(MotionError, match="none of the clips"):
        load_style(tmp_path)
    clip.save(tmp_path / "push.npz")
    assert set(load_style(tmp_path).names) == {"push"}
