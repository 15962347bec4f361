"""The contract every motion keeps: valid by construction, immutable, exact between frame rates."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim import rotations, skeleton
from sim.errors import MotionError
from sim.geometry import Mesh, Primitive
from sim.motion import Motion, MotionObject

T = 9
Make = Callable[..., Motion]


# --- between frame rates ------------------------------------------------------------------------------------------


def turning(fps: float, seconds: float, omega: np.ndarray, speed: np.ndarray) -> Motion:
    """All joints and one object turn at `omega` rad/s and move at `speed` m/s."""
    time = np.arange(round(seconds * fps) + 1)[:, None] / fps
    q = rotations.from_rotvec(time * omega)
    item = MotionObject("ball", Primitive("sphere", (0.12,)), time * speed, q)
    return Motion(fps, time * speed, np.repeat(q[:, None], 52, 1), np.zeros((52, 3)), objects=(item,))


OMEGA, SPEED = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.0, 0.3])


@pytest.mark.parametrize(("old", "new"), [(30, 60), (60, 30), (25, 30), (30, 25), (62, 30), (30, 240)])
def test_a_uniform_motion_resamples_exactly(old: float, new: float) -> None:
    resampled, expected = turning(old, 2.0, OMEGA, SPEED).resample(new), turning(new, 2.0, OMEGA, SPEED)
    assert resampled.num_frames == expected.num_frames
    assert resampled.duration == pytest.approx(2.0)
    np.testing.assert_allclose(resampled.root_position_w, expected.root_position_w, atol=1e-12)
    np.testing.assert_allclose(resampled.objects[0].position_w, expected.objects[0].position_w, atol=1e-12)
    angles = rotations.angle_between(resampled.joint_rotations_b, expected.joint_rotations_b)
    assert angles.max() < 1e-9
    assert rotations.angle_between(resampled.objects[0].rotation_w, expected.objects[0].rotation_w).max() < 1e-9


def test_half_the_rate_keeps_every_second_frame(make_motion: Make) -> None:
    motion = make_motion(frames=11, fps=60)
    half = motion.resample(30)
    assert half.num_frames == 6
    np.testing.assert_allclose(half.root_position_w, motion.root_position_w[::2], atol=1e-12)
    assert rotations.angle_between(half.joint_rotations_b, motion.joint_rotations_b[::2].copy()).max() < 1e-9
    np.testing.assert_array_equal(half.contact_labels, motion.contact_labels[::2])
    np.testing.assert_array_equal(half.object_contact, motion.object_contact[::2])


def test_slerp_between_two_frames_by_hand() -> None:
    q = rotations.from_rotvec(np.radians([[0.0, 0, 0], [0.0, 0, 80.0]]))
    motion = Motion(10, np.array([[0.0, 0, 0], [0, 0, 2.0]]), np.repeat(q[:, None], 52, 1), np.zeros((52, 3)))
    finer = motion.resample(40)
    np.testing.assert_allclose(
        np.degrees(rotations.to_rotvec(finer.joint_rotations_b[:, 7])[:, 2]), [0, 20, 40, 60, 80]
    )
    np.testing.assert_allclose(finer.root_position_w[:, 2], [0, 0.5, 1.0, 1.5, 2.0])


def test_a_sign_flip_between_frames_does_not_spin_the_joint() -> None:
    motion = turning(10, 1.0, OMEGA, SPEED)
    flipped = motion.joint_rotations_b.copy()
    flipped[1::2] *= -1
    finer = motion.replace(joint_rotations_b=flipped).resample(40)
    assert rotations.angle_between(finer.joint_rotations_b, motion.resample(40).joint_rotations_b).max() < 1e-9


def test_resampling_keeps_everything_else(make_motion: Make, assert_same: Callable[[Any, Any], None]) -> None:
    motion = make_motion(fps=60)
    half = motion.resample(30)
    for name in ("offsets", "joint_names", "parents", "body", "text", "action", "group", "source"):
        assert_same(getattr(half, name), getattr(motion, name))
    assert [dataclasses.replace(o, position_w=0, rotation_w=0).name for o in half.objects] == [
        o.name for o in motion.objects
    ]
    np.testing.assert_array_equal(half.contacts.first_frame, [0, 2])
    np.testing.assert_array_equal(half.contacts.last_frame, [2, 4])
    assert motion.resample(60) is motion


def test_a_ragged_end_is_left_out_rather_than_invented(make_motion: Make) -> None:
    resampled = make_motion(frames=10, fps=60).resample(25)  # 0.15 s: new frames at 0, 0.04, 0.08, 0.12
    assert resampled.num_frames == 4
    assert resampled.duration <= 0.15


@pytest.mark.parametrize("fps", [0, -30, np.nan, np.inf])
def test_resampling_to_no_rate_is_refused(fps: float, make_motion: Make) -> None:
    with pytest.raises(MotionError, match="fps"):
        make_motion().resample(fps)


def test_resampling_to_a_single_frame_is_refused(make_motion: Make) -> None:
    with pytest.raises(MotionError, match="1 frames, a motion needs at least 2"):
        make_motion().resample(1.0)


# --- slices -------------------------------------------------------------------------------------------------------


def test_a_slice_is_that_part_of_everything(make_motion: Make, assert_same: Callable[[Any, Any], None]) -> None:
    motion = make_motion()
    part = motion.slice(3, 7)
    assert part.num_frames == 4
    np.testing.assert_array_equal(part.joint_positions_w, motion.joint_positions_w[3:7])
    np.testing.assert_array_equal(part.objects[2].rotation_w, motion.objects[2].rotation_w[3:7])
    np.testing.assert_array_equal(part.contact_labels, motion.contact_labels[3:7])
    np.testing.assert_array_equal(part.object_contact, motion.object_contact[3:7])
    np.testing.assert_array_equal(part.contacts.active(4), motion.contacts.active(T)[3:7])
    assert part.duration == pytest.approx(3 / 30)
    assert_same(motion.slice(0, T), motion)
    assert_same(motion.slice(1, 8).slice(2, 6), part)


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (0, T + 1), (5, 5), (6, 2), (T, T + 2), (0, 1)])
def test_a_slice_outside_the_clip_is_refused(start: int, stop: int, make_motion: Make) -> None:
    with pytest.raises(MotionError, match=r"outside the clip|at least 2"):
        make_motion().slice(start, stop)


# --- kinematics ---------------------------------------------------------------------------------------------------


def test_kinematics_are_those_of_the_skeleton_and_computed_once(make_motion: Make) -> None:
    motion = make_motion()
    positions, world = skeleton.forward_kinematics(motion.joint_rotations_b, motion.root_position_w, motion.offsets)
    np.testing.assert_array_equal(motion.joint_positions_w, positions)
    np.testing.assert_array_equal(motion.joint_rotations_w, world)
    assert motion.joint_positions_w is motion.joint_positions_w


def test_a_replaced_pose_moves_the_joints(make_motion: Make) -> None:
    motion = make_motion()
    before = motion.joint_positions_w
    moved = motion.replace(root_position_w=motion.root_position_w + 1.0)
    np.testing.assert_allclose(moved.joint_positions_w, before + 1.0)


# --- immutability -------------------------------------------------------------------------------------------------


def arrays_of(motion: Motion) -> dict[str, np.ndarray]:
    named = {name: getattr(motion, name) for name in ("root_position_w", "joint_rotations_b", "offsets")}
    named |= {name: getattr(motion, name) for name in ("contact_labels", "object_contact", "joint_positions_w")}
    named |= {
        name: getattr(motion.contacts, name) for name in ("points_b", "first_frame", "last_frame", "object_index")
    }
    named |= {"position_w": motion.objects[0].position_w, "rotation_w": motion.objects[0].rotation_w}
    assert isinstance(motion.objects[0].geometry, Mesh)
    assert motion.body is not None
    return named | {"vertices": motion.objects[0].geometry.vertices, "betas": motion.body.parameters["betas"]}


def test_nothing_in_a_motion_can_be_written_to(tmp_path: Path, make_motion: Make) -> None:
    motion = make_motion()
    motion.save(tmp_path / "clip.npz")
    for m in (motion, Motion.load(tmp_path / "clip.npz"), motion.resample(60), motion.slice(0, 5)):
        assert not {name for name, array in arrays_of(m).items() if array.flags.writeable}
    with pytest.raises(ValueError, match="read-only"):
        motion.root_position_w[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        motion.fps = 60  # type: ignore[misc]


def test_a_motion_does_not_follow_the_arrays_that_made_it(make_motion: Make) -> None:
    root = np.zeros((T, 3))
    motion = make_motion(root_position_w=root)
    root[:] = np.nan
    assert np.isfinite(motion.root_position_w).all()


# --- what is refused ----------------------------------------------------------------------------------------------


def spoilt(motion: Motion, name: str, index: Any, value: float) -> dict[str, np.ndarray]:
    array = np.array(getattr(motion, name), dtype=np.float64)
    array[index] = value
    return {name: array}


def with_object(motion: Motion, **changes: Any) -> dict[str, Any]:
    first, *rest = motion.objects
    return {"objects": [dataclasses.replace(first, **changes), *rest]}


def with_contact(motion: Motion, **changes: Any) -> dict[str, Any]:
    return {"contacts": dataclasses.replace(motion.contacts, **changes)}


def nan_at(shape: tuple[int, ...], frame: int) -> np.ndarray:
    array = np.zeros(shape)
    array[frame] = np.nan
    return array


BAD: list[tuple[Callable[[Motion], dict[str, Any]], str]] = [
    (lambda _: {"fps": 0.0}, "fps: 0.0"),
    (lambda _: {"fps": -30}, "fps: -30"),
    (lambda _: {"fps": np.nan}, "fps: nan"),
    (lambda _: {"fps": np.inf}, "fps: inf"),
    (lambda m: spoilt(m, "root_position_w", (4, 1), np.nan), "root_position_w: not finite at frame 4"),
    (lambda m: spoilt(m, "root_position_w", 0, np.inf), "root_position_w: not finite at frame 0"),
    (lambda m: spoilt(m, "joint_rotations_b", (5, 7), np.nan), "joint_rotations_b: not finite at frame 5"),
    (lambda m: spoilt(m, "joint_rotations_b", (5, 7), 0.0), "joint_rotations_b: quaternion at frame 5, joint 7 is not"),
    (lambda m: spoilt(m, "joint_rotations_b", (5, 7), 1.0), "joint_rotations_b: quaternion at frame 5, joint 7 is not"),
    (lambda m: spoilt(m, "offsets", (3, 1), np.nan), "offsets: not finite at row 3"),
    (lambda _: {"root_position_w": np.zeros((T, 2))}, r"root_position_w: shape \[9, 2\], expected \[9, 3\]"),
    (lambda _: {"root_position_w": np.zeros(())}, "root_position_w: a single number"),
    (lambda _: {"root_position_w": [["a", "b", "c"]]}, "root_position_w: not an array of numbers"),
    (lambda _: {"root_position_w": [[1, 2, 3], [1, 2]]}, "root_position_w: not an array of numbers"),
    (lambda _: {"root_position_w": np.zeros((1, 3))}, "root_position_w: 1 frames, a motion needs at least 2"),
    (lambda _: {"root_position_w": np.zeros((0, 3))}, "root_position_w: 0 frames"),
    (lambda _: {"joint_rotations_b": np.zeros((T - 1, 52, 4))}, r"joint_rotations_b: shape \[8, 52, 4\], expected \[9"),
    (lambda _: {"joint_rotations_b": np.zeros((T, 51, 4))}, r"joint_rotations_b: shape \[9, 51, 4\], expected \[9, 52"),
    (lambda _: {"joint_rotations_b": np.zeros((T, 52, 3))}, "joint_rotations_b: shape"),
    (lambda _: {"offsets": np.zeros((51, 3))}, r"offsets: shape \[51, 3\], expected \[52, 3\]"),
    (lambda _: {"joint_names": ("pelvis",) * 52}, "joint_names: must be unique"),
    (lambda _: {"parents": (-1, *range(50, -1, -1))}, "parents"),
    (lambda _: {"parents": skeleton.PARENTS[:-1]}, "parents"),
    (lambda _: {"parents": (0, *skeleton.PARENTS[1:])}, "parents"),
    (lambda m: with_object(m, position_w=nan_at((T, 3), 6)), r"objects\['tetra'\].position_w: not finite at frame 6"),
    (lambda m: with_object(m, position_w=np.zeros((T + 1, 3))), r"objects\['tetra'\].position_w: shape"),
    (lambda m: with_object(m, rotation_w=np.zeros((T, 4))), r"objects\['tetra'\].rotation_w: quaternion at frame 0 is"),
    (lambda m: with_object(m, rotation_w=np.eye(4)), r"objects\['tetra'\].rotation_w: shape"),
    (lambda m: with_object(m, mass=0.0), r"objects\['tetra'\].mass: 0.0 is not positive"),
    (lambda m: with_object(m, density=np.nan), r"objects\['tetra'\].density: nan"),
    (lambda m: with_object(m, friction=-1), r"objects\['tetra'\].friction: -1"),
    (lambda m: with_object(m, name="box"), "objects: names must be unique"),
    (lambda m: with_contact(m, keypoints=("Chin", "chin")), "contacts: row 1 names the unknown keypoint 'chin'"),
    (lambda m: with_contact(m, object_index=[0, 5]), "contacts: row 1 names object 5 of 5"),
    (lambda m: with_contact(m, object_index=[-1, 0]), "contacts: row 0 names object -1"),
    (lambda m: with_contact(m, last_frame=[4, T]), r"contacts: row 1 holds in frames 3..9, outside the clip's 0..8"),
    (lambda m: with_contact(m, first_frame=[-1, 3]), r"contacts: row 0 holds in frames -1..4"),
    (lambda m: with_contact(m, first_frame=[5, 3]), r"contacts: row 0 holds in frames 5..4"),
    (lambda m: with_contact(m, first_frame=[0]), "contacts.first_frame: 1 rows for 2 keypoints"),
    (lambda m: with_contact(m, points_b=[[0, 0, 0], [np.nan, 0, 0]]), "contacts.points_b: not finite at row 1"),
    (lambda m: with_contact(m, points_b=np.zeros((3, 3))), "contacts.points_b: 3 rows for 2 keypoints"),
    (lambda _: {"contact_labels": np.zeros((T, 51))}, r"contact_labels: shape \[9, 51\], expected \[9, 52\]"),
    (lambda _: {"object_contact": np.zeros(T - 1)}, r"object_contact: shape \[8\], expected \[9\]"),
    *(
        (lambda m, v=value: spoilt(m, "contact_labels", (2, 8), v), "contact_labels: not one of -1, 0, 1 at frame 2")
        for value in (2, -2, -128, 0.5, 257, np.nan)
    ),
    (lambda m: spoilt(m, "object_contact", 3, -1), "object_contact: not one of 0, 1 at frame 3"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[message for _, message in BAD])
def test_a_malformed_motion_is_refused_by_field_and_frame(
    changes: Callable[[Motion], dict], message: str, make_motion: Make
) -> None:
    with pytest.raises(MotionError, match=message):
        make_motion(**changes(make_motion()))


def test_the_first_bad_frame_is_the_one_named(make_motion: Make) -> None:
    root = np.zeros((T, 3))
    root[[7, 2, 5]] = np.nan
    with pytest.raises(MotionError, match=r"frame 2$"):
        make_motion(root_position_w=root)


def test_rounding_in_single_precision_is_no_fault(make_motion: Make) -> None:
    q = make_motion().joint_rotations_b.astype(np.float32)
    assert make_motion(joint_rotations_b=q).joint_rotations_b.dtype == np.float64
