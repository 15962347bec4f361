"""Bone offsets, fitting rotations to positions, rest axes: against motions whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from sim import rotations, skeleton
from sim.errors import FormatError
from sim.formats.bones import check_bones, estimate_bones, fit_rotations, to_standard_rest_axes

Arrays = dict[str, np.ndarray]


def test_offset_by_hand() -> None:
    """A parent turned a quarter about z, its child 0.3 m along world +x: in the parent's frame that is -y."""
    s = np.sqrt(0.5)
    quarter = np.tile([[[s, 0, 0, s], [1, 0, 0, 0]]], (3, 1, 1))
    positions = np.tile([[[0.0, 0, 1], [0.3, 0, 1]]], (3, 1, 1))
    bones = estimate_bones(quarter, positions, (-1, 0))
    np.testing.assert_allclose(bones.offsets, [[0, 0, 0], [0, -0.3, 0]], atol=1e-12)
    np.testing.assert_allclose(bones.spread, 0, atol=1e-12)


def test_known_bones_come_back_and_spread_is_what_was_put_in(pose: Arrays, rng: np.random.Generator) -> None:
    bones = estimate_bones(pose["rotations_w"], pose["positions"], skeleton.PARENTS)
    np.testing.assert_allclose(bones.offsets, pose["offsets"], atol=1e-12)
    assert bones.spread.max() < 1e-12
    shaken = pose["positions"].copy()
    shaken[:, skeleton.JOINT_INDEX["head"]] += rng.normal(0, 0.01, (24, 3))
    spread = estimate_bones(pose["rotations_w"], shaken, skeleton.PARENTS).spread
    assert spread.argmax() == skeleton.JOINT_INDEX["head"]
    assert 0.007 < spread.max() < 0.016  # 10 mm, the largest of three sample deviations of 24 frames


def test_a_wobbling_bone_keeps_its_length() -> None:
    """Directions +-0.3 rad about x: their mean is cos 0.3 = 0.955 long, the bone is 0.4 m all the time."""
    angle = np.array([-0.3, 0.3])
    positions = np.zeros((2, 2, 3))
    positions[:, 1] = 0.4 * np.stack([0 * angle, np.sin(angle), np.cos(angle)], -1)
    still = np.tile([1.0, 0, 0, 0], (2, 2, 1))
    np.testing.assert_allclose(estimate_bones(still, positions, (-1, 0)).offsets[1], (0, 0, 0.4), atol=1e-12)


def test_fit_meets_the_positions_and_leaves_right_rotations_alone(pose: Arrays, rng: np.random.Generator) -> None:
    same, offsets = fit_rotations(pose["rotations_w"], pose["positions"], skeleton.PARENTS)
    np.testing.assert_allclose(offsets, pose["offsets"], atol=1e-9)
    assert rotations.angle_between(same, pose["rotations_w"]).max() < 1e-6

    noise = rotations.from_rotvec(rng.normal(0, np.deg2rad(3), (24, 52, 3)))
    off = rotations.multiply(noise, pose["rotations_w"])
    fitted, offsets = fit_rotations(off, pose["positions"], skeleton.PARENTS)
    found, _ = skeleton.forward_kinematics(skeleton.local_rotations(fitted), pose["root"], offsets)
    # joints with several children converge on a common template; the others are exact at once
    assert np.linalg.norm(found - pose["positions"], axis=-1).max() < 1e-3
    assert np.rad2deg(rotations.angle_between(fitted, off)).mean() < 6.0


def test_rest_axes_that_are_standard_stay(pose: Arrays) -> None:
    q, offsets, notes = to_standard_rest_axes(
        pose["rotations_b"], pose["offsets"], skeleton.JOINT_NAMES, skeleton.PARENTS
    )
    assert notes == []
    assert q is pose["rotations_b"]
    assert offsets is pose["offsets"]


def test_rest_axes_without_up_or_left_are_refused(pose: Arrays) -> None:
    offsets = pose["offsets"].copy()
    offsets[skeleton.JOINT_INDEX["left_hip"]] = (0.0, 0.0, 0.1)
    offsets[skeleton.JOINT_INDEX["right_hip"]] = (0.0, 0.0, -0.1)
    with pytest.raises(FormatError, match="no clear up and left"):
        to_standard_rest_axes(pose["rotations_b"], offsets, skeleton.JOINT_NAMES, skeleton.PARENTS)


def test_refused_bones(pose: Arrays) -> None:
    bones = estimate_bones(pose["rotations_w"], pose["positions"], skeleton.PARENTS)
    check_bones(bones, skeleton.JOINT_NAMES)
    bones.offsets[[3, 5]] = 0.0
    with pytest.raises(FormatError, match="zero-length bone: left_ankle and 1 more"):
        check_bones(bones, skeleton.JOINT_NAMES)


@pytest.mark.parametrize("a", [(1.0, 0, 0), (0, -2.0, 0), (0.3, -0.4, 0.5)])
def test_shortest_rotation_between_vectors(a: tuple[float, float, float], rng: np.random.Generator) -> None:
    start = np.tile(np.array(a, dtype=float), (50, 1))
    target = rng.normal(size=(50, 3))
    target[0], target[1] = a, np.negative(a)  # the same direction, and the opposite one
    q = rotations.between(start, target)
    length = np.linalg.norm(start, axis=-1) / np.linalg.norm(target, axis=-1)
    np.testing.assert_allclose(rotations.rotate(q, start), target * length[:, None], atol=1e-9)
    cosine = rotations.normalize(start) * rotations.normalize(target)
    angle = np.arccos(np.clip(cosine.sum(-1), -1, 1))
    np.testing.assert_allclose(rotations.angle_between(q, np.tile([1.0, 0, 0, 0], (50, 1))), angle, atol=1e-6)
