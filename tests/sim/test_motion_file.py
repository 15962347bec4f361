"""A motion on disk: lossless, readable with NumPy alone, and refused in one line where it is damaged."""

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

from sim import skeleton
from sim.contact_graph import ContactGraph
from sim.errors import MotionError, TouchstoneError
from sim.motion import Motion

Make = Callable[..., Motion]
Same = Callable[[Any, Any], None]


def test_every_field_survives_the_disk(tmp_path: Path, make_motion: Make, assert_same: Same) -> None:
    motion = make_motion()
    for field in dataclasses.fields(Motion):  # else the round trip would not prove it
        value = getattr(motion, field.name)
        assert value is not None, field.name
        assert not isinstance(value, str | tuple) or value, field.name
    motion.save(tmp_path / "clip.npz")
    assert_same(Motion.load(tmp_path / "clip.npz"), motion)


def test_a_bare_motion_survives_the_disk(tmp_path: Path, assert_same: Same) -> None:
    motion = Motion(25, np.zeros((2, 3)), np.tile([1.0, 0, 0, 0], (2, 52, 1)), np.zeros((52, 3)))
    motion.save(tmp_path / "bare.npz")
    assert_same(Motion.load(tmp_path / "bare.npz"), motion)


def test_numpy_scalars_survive_the_disk(tmp_path: Path, make_motion: Make) -> None:
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


def test_the_file_needs_nothing_but_numpy(tmp_path: Path, make_motion: Make) -> None:
    motion = make_motion()
    motion.save(tmp_path / "clip.npz")
    with np.load(tmp_path / "clip.npz", allow_pickle=False) as archive:
        assert json.loads(str(archive["header"]))["joint_names"] == list(skeleton.JOINT_NAMES)
        np.testing.assert_array_equal(archive["root_position_w"], motion.root_position_w)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.npz"]


@pytest.fixture(scope="module")
def whole(make_motion: Make, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A motion's file."""
    path = tmp_path_factory.mktemp("saved") / "whole.npz"
    make_motion().save(path)
    return path.read_bytes()


def assert_refused(path: Path, message: str | None = None) -> None:
    with pytest.raises(MotionError, match=message) as caught:
        Motion.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(whole: bytes, tmp_path: Path, share: float) -> None:
    path = tmp_path / "clip.npz"
    path.write_bytes(whole[: int(len(whole) * share)])
    assert_refused(path)


def test_a_file_with_flipped_bytes_is_refused_or_harmless(whole: bytes, tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "clip.npz"
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


def test_pickled_content_is_refused_and_never_run(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "clip.npz"
    np.savez(path, header=np.array([Bomb()], dtype=object))
    assert_refused(path, "not a Touchstone motion")
    rewrite(whole, path, root_position_w=np.array([Bomb()], dtype=object))
    assert_refused(path)


def rewrite(whole: bytes, path: Path, drop: str = "", **arrays: np.ndarray) -> None:
    """A saved motion with one member left out or replaced."""
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            if name.removesuffix(".npy") not in {drop, *arrays}:
                new.writestr(name, old.read(name))
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            new.writestr(f"{name}.npy", buffer.getvalue())


@pytest.mark.parametrize("member", ["header", "root_position_w", "joint_rotations_b", "offsets", "objects/0/faces"])
def test_a_missing_member_is_refused(whole: bytes, tmp_path: Path, member: str) -> None:
    rewrite(whole, tmp_path / "clip.npz", drop=member)
    assert_refused(tmp_path / "clip.npz", "not a Touchstone motion")


@pytest.mark.parametrize("header", ["{}", "[]", "3", "not json", '{"version": 1, "objects": [1]}', '{"version": "a"}'])
def test_a_broken_header_is_refused(whole: bytes, tmp_path: Path, header: str) -> None:
    rewrite(whole, tmp_path / "clip.npz", header=np.array(header))
    assert_refused(tmp_path / "clip.npz", "not a Touchstone motion")


def test_a_newer_format_says_so_once(whole: bytes, tmp_path: Path) -> None:
    rewrite(whole, tmp_path / "clip.npz", header=np.array('{"version": 99}'))
    with pytest.raises(MotionError, match="newer Touchstone") as caught:
        Motion.load(tmp_path / "clip.npz")
    assert str(caught.value).count("clip.npz") == 1


def test_what_is_wrong_inside_a_file_is_named(whole: bytes, tmp_path: Path, make_motion: Make) -> None:
    root = make_motion().root_position_w.copy()
    root[3, 1] = np.nan
    rewrite(whole, tmp_path / "clip.npz", root_position_w=root)
    assert_refused(tmp_path / "clip.npz", "root_position_w: not finite at frame 3")
    rewrite(whole, tmp_path / "clip.npz", **{"objects/0/faces": np.zeros((0, 3))})
    assert_refused(tmp_path / "clip.npz", "faces")


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "nowhere.npz", "no such file")
    assert_refused(tmp_path, "no such file")


def test_a_failed_save_leaves_the_old_motion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_motion: Make
) -> None:
    make_motion(text="old").save(tmp_path / "clip.npz")

    def full(file: Any, **_: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(TouchstoneError, match="No space left"):
        make_motion(text="new").save(tmp_path / "clip.npz")
    assert Motion.load(tmp_path / "clip.npz").text == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["clip.npz"]
