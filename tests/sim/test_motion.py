"""The contract every motion keeps: valid by construction, immutable, lossless on disk, exact between frame rates."""

from __future__ import annotations

import dataclasses
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim import rotations, skeleton
from sim.contact_graph import ContactGraph
from sim.errors import MotionError, TouchstoneError
from sim.geometry import Mesh, Primitive
from sim.motion import BodyShape, Motion, MotionObject

T = 9
TETRAHEDRON = Mesh(np.vstack([np.zeros(3), np.eye(3)]), np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))
PRIMITIVES = (
    Primitive("sphere", (0.12,)), Primitive("box", (0.4, 0.3, 0.2)),
    Primitive("cylinder", (0.05, 1.0)), Primitive("capsule", (0.05, 1.0)),
)  # fmt: skip


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rotations.normalize(rng.normal(size=(*shape, 4)))


def make_motion(frames: int = T, fps: float = 30.0, **changes: Any) -> Motion:
    """A motion with every field filled: a mesh and all primitives, contacts, labels, a body and texts."""
    rng = np.random.default_rng(0)
    objects = [
        MotionObject("tetra", TETRAHEDRON, rng.normal(size=(frames, 3)), unit(rng, frames), mass=1.5, friction=0.6),
        *(
            MotionObject(p.kind, p, rng.normal(size=(frames, 3)), unit(rng, frames), is_static=True, density=300.0)
            for p in PRIMITIVES
        ),
    ]
    fields: dict[str, Any] = {
        "fps": fps,
        "root_position_w": rng.normal(size=(frames, 3)),
        "joint_rotations_b": unit(rng, frames, 52),
        "offsets": rng.normal(size=(52, 3)) * 0.2,
        "objects": objects,
        "contacts": ContactGraph(
            ("leftHand_palm", "Chin"), np.array([0, 4]), rng.normal(size=(2, 3)), np.array([0, 3]), np.array([4, 8])
        ),
        "contact_labels": rng.integers(-1, 2, (frames, 52)),
        "object_contact": rng.integers(0, 2, frames),
        "body": BodyShape("smplx", {"betas": rng.normal(size=10), "gender": np.array("neutral")}),
        "text": "lift the box, café ☕",
        "action": "lift",
        "group": "lift_box",
        "source": json.dumps({"made by": "test"}),
    }
    return Motion(**(fields | changes))


def assert_same(a: Any, b: Any) -> None:
    """Equal to the last bit, through dataclasses, tuples, mappings and arrays, types included."""
    assert type(a) is type(b)
    if dataclasses.is_dataclass(a):
        for field in dataclasses.fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for name in a:
            assert_same(a[name], b[name])
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b, strict=True)
    else:
        assert a == b


# --- on disk ------------------------------------------------------------------------------------------------------


def test_every_field_survives_the_disk(tmp_path: Path) -> None:
    motion = make_motion()
    for field in dataclasses.fields(Motion):  # else the round trip would not prove it
        value = getattr(motion, field.name)
        assert value is not None, field.name
        assert not isinstance(value, str | tuple) or value, field.name
    motion.save(tmp_path / "clip.npz")
    assert_same(Motion.load(tmp_path / "clip.npz"), motion)


def test_a_bare_motion_survives_the_disk(tmp_path: Path) -> None:
    motion = Motion(25, np.zeros((2, 3)), np.tile([1.0, 0, 0, 0], (2, 52, 1)), np.zeros((52, 3)))
    motion.save(tmp_path / "bare.npz")
    assert_same(Motion.load(tmp_path / "bare.npz"), motion)


def test_numpy_scalars_survive_the_disk(tmp_path: Path) -> None:
    item = make_motion().objects[0]
    item = dataclasses.replace(item, mass=np.float32(2.5), is_static=np.bool_(True))
    motion = make_motion(
        fps=np.float32(30), objects=[item], contacts=ContactGraph(), parents=np.array(skeleton.PARENTS)
    )
    motion.save(tmp_path / "clip.npz")
    loaded = Motion.load(tmp_path / "clip.npz")
    assert loaded.objects[0].mass == 2.5
    assert loaded.objects[0].is_static is True
    assert loaded.parents == skeleton.PARENTS


def test_the_file_needs_nothing_but_numpy(tmp_path: Path) -> None:
    motion = make_motion()
    motion.save(tmp_path / "clip.npz")
    with np.load(tmp_path / "clip.npz", allow_pickle=False) as archive:
        assert json.loads(str(archive["header"]))["joint_names"] == list(skeleton.JOINT_NAMES)
        np.testing.assert_array_equal(archive["root_position_w"], motion.root_position_w)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.npz"]


def saved(tmp_path: Path) -> bytes:
    make_motion().save(tmp_path / "whole.npz")
    return (tmp_path / "whole.npz").read_bytes()


def assert_refused(path: Path, message: str | None = None) -> None:
    with pytest.raises(MotionError, match=message) as caught:
        Motion.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    whole = saved(tmp_path)
    path = tmp_path / "clip.npz"
    path.write_bytes(whole[: int(len(whole) * share)])
    assert_refused(path)


def test_a_file_with_flipped_bytes_is_refused_or_harmless(tmp_path: Path) -> None:
    whole, rng, path = saved(tmp_path), np.random.default_rng(0), tmp_path / "clip.npz"
    refused = 0
    for position in rng.integers(0, len(whole), 200):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            Motion.load(path)
        except MotionError:
            refused += 1
    assert refused > 150


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"PK\x03\x04garbage", b"\x93NUMPY", pickle.dumps({"a": 1}), b"\0" * 999]
)
def test_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clip.npz").write_bytes(content)
    assert_refused(tmp_path / "clip.npz", "not a Touchstone motion")


class Bomb:
    """Unpickling it would raise; a loader that unpickles is found out."""

    def __reduce__(self) -> tuple[Callable, tuple]:
        return (pytest.fail, ("the file was unpickled",))


def test_pickled_content_is_refused_and_never_run(tmp_path: Path) -> None:
    path = tmp_path / "clip.npz"
    np.savez(path, header=np.array([Bomb()], dtype=object))
    assert_refused(path, "not a Touchstone motion")
    rewrite(tmp_path, path, root_position_w=np.array([Bomb()], dtype=object))
    assert_refused(path)


def rewrite(tmp_path: Path, path: Path, drop: str = "", **arrays: np.ndarray) -> None:
    """A saved motion with one member left out or replaced."""
    with zipfile.ZipFile(io.BytesIO(saved(tmp_path))) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            if name.removesuffix(".npy") not in {drop, *arrays}:
                new.writestr(name, old.read(name))
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            new.writestr(f"{name}.npy", buffer.getvalue())


@pytest.mark.parametrize("member", ["header", "root_position_w", "joint_rotations_b", "offsets", "objects/0/faces"])
def test_a_missing_member_is_refused(tmp_path: Path, member: str) -> None:
    rewrite(tmp_path, tmp_path / "clip.npz", drop=member)
    assert_refused(tmp_path / "clip.npz", "not a Touchstone motion")


@pytest.mark.parametrize("header", ["{}", "[]", "3", "not json", '{"version": 1, "objects": [1]}', '{"version": "a"}'])
def test_a_broken_header_is_refused(tmp_path: Path, header: str) -> None:
    rewrite(tmp_path, tmp_path / "clip.npz", header=np.array(header))
    assert_refused(tmp_path / "clip.npz", "not a Touchstone motion")


def test_a_newer_format_says_so_once(tmp_path: Path) -> None:
    rewrite(tmp_path, tmp_path / "clip.npz", header=np.array('{"version": 99}'))
    with pytest.raises(MotionError, match="newer Touchstone") as caught:
        Motion.load(tmp_path / "clip.npz")
    assert str(caught.value).count("clip.npz") == 1


def test_what_is_wrong_inside_a_file_is_named(tmp_path: Path) -> None:
    root = make_motion().root_position_w.copy()
    root[3, 1] = np.nan
    rewrite(tmp_path, tmp_path / "clip.npz", root_position_w=root)
    assert_refused(tmp_path / "clip.npz", "root_position_w: not finite at frame 3")
    rewrite(tmp_path, tmp_path / "clip.npz", **{"objects/0/faces": np.zeros((0, 3))})
    assert_refused(tmp_path / "clip.npz", "faces")


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "nowhere.npz", "no such file")
    assert_refused(tmp_path, "no such file")


def test_a_failed_save_leaves_the_old_motion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_motion(text="old").save(tmp_path / "clip.npz")

    def full(file: Any, **_: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(TouchstoneError, match="No space left"):
        make_motion(text="new").save(tmp_path / "clip.npz")
    assert Motion.load(tmp_path / "clip.npz").text == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["clip.npz"]


# --- between frame rates ------------------------------------------------------------------------------------------


def turning(fps: float, seconds: float, omega: np.ndarray, speed: np.ndarray) -> Motion:
    """All joints and one object turn at `omega` rad/s and move at `speed` m/s."""
    time = np.arange(round(seconds * fps) + 1)[:, None] / fps
    q = rotations.from_rotvec(time * omega)
    item = MotionObject("ball", PRIMITIVES[0], time * speed, q)
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


def test_half_the_rate_keeps_every_second_frame() -> None:
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


def test_resampling_keeps_everything_else() -> None:
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


def test_a_ragged_end_is_left_out_rather_than_invented() -> None:
    resampled = make_motion(frames=10, fps=60).resample(25)  # 0.15 s: new frames at 0, 0.04, 0.08, 0.12
    assert resampled.num_frames == 4
    assert resampled.duration <= 0.15


@pytest.mark.parametrize("fps", [0, -30, np.nan, np.inf])
def test_resampling_to_no_rate_is_refused(fps: float) -> None:
    with pytest.raises(MotionError, match="fps"):
        make_motion().resample(fps)


def test_resampling_to_a_single_frame_is_refused() -> None:
    with pytest.raises(MotionError, match="1 frames, a motion needs at least 2"):
        make_motion().resample(1.0)


# --- slices -------------------------------------------------------------------------------------------------------


def test_a_slice_is_that_part_of_everything() -> None:
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
def test_a_slice_outside_the_clip_is_refused(start: int, stop: int) -> None:
    with pytest.raises(MotionError, match=r"outside the clip|at least 2"):
        make_motion().slice(start, stop)


# --- kinematics ---------------------------------------------------------------------------------------------------


def test_kinematics_are_those_of_the_skeleton_and_computed_once() -> None:
    motion = make_motion()
    positions, world = skeleton.forward_kinematics(motion.joint_rotations_b, motion.root_position_w, motion.offsets)
    np.testing.assert_array_equal(motion.joint_positions_w, positions)
    np.testing.assert_array_equal(motion.joint_rotations_w, world)
    assert motion.joint_positions_w is motion.joint_positions_w


def test_a_replaced_pose_moves_the_joints() -> None:
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


def test_nothing_in_a_motion_can_be_written_to(tmp_path: Path) -> None:
    motion = make_motion()
    motion.save(tmp_path / "clip.npz")
    for m in (motion, Motion.load(tmp_path / "clip.npz"), motion.resample(60), motion.slice(0, 5)):
        assert not {name for name, array in arrays_of(m).items() if array.flags.writeable}
    with pytest.raises(ValueError, match="read-only"):
        motion.root_position_w[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        motion.fps = 60  # type: ignore[misc]


def test_a_motion_does_not_follow_the_arrays_that_made_it() -> None:
    root = np.zeros((T, 3))
    motion = make_motion(root_position_w=root)
    root[:] = np.nan
    assert np.isfinite(motion.root_position_w).all()


# --- what is refused ----------------------------------------------------------------------------------------------


def spoilt(name: str, index: Any, value: float) -> dict[str, np.ndarray]:
    array = np.array(getattr(make_motion(), name), dtype=np.float64)
    array[index] = value
    return {name: array}


def with_object(**changes: Any) -> dict[str, Any]:
    first, *rest = make_motion().objects
    return {"objects": [dataclasses.replace(first, **changes), *rest]}


def with_contact(**changes: Any) -> dict[str, Any]:
    return {"contacts": dataclasses.replace(make_motion().contacts, **changes)}


def nan_at(shape: tuple[int, ...], frame: int) -> np.ndarray:
    array = np.zeros(shape)
    array[frame] = np.nan
    return array


BAD: list[tuple[Callable[[], dict[str, Any]], str]] = [
    (lambda: {"fps": 0.0}, "fps: 0.0"),
    (lambda: {"fps": -30}, "fps: -30"),
    (lambda: {"fps": np.nan}, "fps: nan"),
    (lambda: {"fps": np.inf}, "fps: inf"),
    (lambda: spoilt("root_position_w", (4, 1), np.nan), "root_position_w: not finite at frame 4"),
    (lambda: spoilt("root_position_w", 0, np.inf), "root_position_w: not finite at frame 0"),
    (lambda: spoilt("joint_rotations_b", (5, 7), np.nan), "joint_rotations_b: not finite at frame 5"),
    (lambda: spoilt("joint_rotations_b", (5, 7), 0.0), "joint_rotations_b: quaternion at frame 5, joint 7 is not"),
    (lambda: spoilt("joint_rotations_b", (5, 7), 1.0), "joint_rotations_b: quaternion at frame 5, joint 7 is not"),
    (lambda: spoilt("offsets", (3, 1), np.nan), "offsets: not finite at row 3"),
    (lambda: {"root_position_w": np.zeros((T, 2))}, r"root_position_w: shape \[9, 2\], expected \[9, 3\]"),
    (lambda: {"root_position_w": np.zeros(())}, "root_position_w: a single number"),
    (lambda: {"root_position_w": [["a", "b", "c"]]}, "root_position_w: not an array of numbers"),
    (lambda: {"root_position_w": [[1, 2, 3], [1, 2]]}, "root_position_w: not an array of numbers"),
    (lambda: {"root_position_w": np.zeros((1, 3))}, "root_position_w: 1 frames, a motion needs at least 2"),
    (lambda: {"root_position_w": np.zeros((0, 3))}, "root_position_w: 0 frames"),
    (lambda: {"joint_rotations_b": np.zeros((T - 1, 52, 4))}, r"joint_rotations_b: shape \[8, 52, 4\], expected \[9, "),
    (lambda: {"joint_rotations_b": np.zeros((T, 51, 4))}, r"joint_rotations_b: shape \[9, 51, 4\], expected \[9, 52"),
    (lambda: {"joint_rotations_b": np.zeros((T, 52, 3))}, "joint_rotations_b: shape"),
    (lambda: {"offsets": np.zeros((51, 3))}, r"offsets: shape \[51, 3\], expected \[52, 3\]"),
    (lambda: {"joint_names": ("pelvis",) * 52}, "joint_names: must be unique"),
    (lambda: {"parents": (-1, *range(50, -1, -1))}, "parents"),
    (lambda: {"parents": skeleton.PARENTS[:-1]}, "parents"),
    (lambda: {"parents": (0, *skeleton.PARENTS[1:])}, "parents"),
    (lambda: with_object(position_w=nan_at((T, 3), 6)), r"objects\['tetra'\].position_w: not finite at frame 6"),
    (lambda: with_object(position_w=np.zeros((T + 1, 3))), r"objects\['tetra'\].position_w: shape"),
    (lambda: with_object(rotation_w=np.zeros((T, 4))), r"objects\['tetra'\].rotation_w: quaternion at frame 0 is not"),
    (lambda: with_object(rotation_w=np.eye(4)), r"objects\['tetra'\].rotation_w: shape"),
    (lambda: with_object(mass=0.0), r"objects\['tetra'\].mass: 0.0 is not positive"),
    (lambda: with_object(density=np.nan), r"objects\['tetra'\].density: nan"),
    (lambda: with_object(friction=-1), r"objects\['tetra'\].friction: -1"),
    (lambda: with_object(name="box"), "objects: names must be unique"),
    (lambda: with_contact(keypoints=("leftHand_palm", "chin")), "contacts: row 1 names the unknown keypoint 'chin'"),
    (lambda: with_contact(object_index=[0, 5]), "contacts: row 1 names object 5 of 5"),
    (lambda: with_contact(object_index=[-1, 0]), "contacts: row 0 names object -1"),
    (lambda: with_contact(last_frame=[4, T]), r"contacts: row 1 holds in frames 3..9, outside the clip's 0..8"),
    (lambda: with_contact(first_frame=[-1, 3]), r"contacts: row 0 holds in frames -1..4"),
    (lambda: with_contact(first_frame=[5, 3]), r"contacts: row 0 holds in frames 5..4"),
    (lambda: with_contact(first_frame=[0]), "contacts.first_frame: 1 rows for 2 keypoints"),
    (lambda: with_contact(points_b=[[0, 0, 0], [np.nan, 0, 0]]), "contacts.points_b: not finite at row 1"),
    (lambda: with_contact(points_b=np.zeros((3, 3))), "contacts.points_b: 3 rows for 2 keypoints"),
    (lambda: {"contact_labels": np.zeros((T, 51))}, r"contact_labels: shape \[9, 51\], expected \[9, 52\]"),
    (lambda: {"object_contact": np.zeros(T - 1)}, r"object_contact: shape \[8\], expected \[9\]"),
    *(
        (lambda value=value: spoilt("contact_labels", (2, 8), value), "contact_labels: not one of -1, 0, 1 at frame 2")
        for value in (2, -2, -128, 0.5, 257, np.nan)
    ),
    (lambda: spoilt("object_contact", 3, -1), "object_contact: not one of 0, 1 at frame 3"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[message for _, message in BAD])
def test_a_malformed_motion_is_refused_by_field_and_frame(changes: Callable[[], dict], message: str) -> None:
    with pytest.raises(MotionError, match=message):
        make_motion(**changes())


def test_the_first_bad_frame_is_the_one_named() -> None:
    root = np.zeros((T, 3))
    root[[7, 2, 5]] = np.nan
    with pytest.raises(MotionError, match=r"frame 2$"):
        make_motion(root_position_w=root)


def test_rounding_in_single_precision_is_no_fault() -> None:
    q = make_motion().joint_rotations_b.astype(np.float32)
    assert make_motion(joint_rotations_b=q).joint_rotations_b.dtype == np.float64
